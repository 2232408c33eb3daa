"""Laws of the parts of the fleet search that its plans alone do not show."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity.packing.deadline import Deadline
from eks_win_capacity.packing.first_fit import first_fit
from eks_win_capacity.packing.node_counts import cheapest_numbers, few_nodes, pack
from eks_win_capacity.packing.packings import feasible, total_cost
from eks_win_capacity.packing.problem import Problem
from eks_win_capacity.packing.relaxation import solve_fluid
from eks_win_capacity.packing.sampling import mutate, scatter
from eks_win_capacity.packing.solve import solve


def problem_of(need, count, room, cost):
    kinds, shapes = len(room), len(count)
    none = np.zeros((kinds, 0), dtype=np.int64)
    return Problem(
        need=np.array(need, dtype=np.int64),
        count=np.array(count, dtype=np.int64),
        most=np.full(shapes, 2**31),
        addressed=np.ones(shapes, dtype=bool),
        room=np.array(room, dtype=np.int64),
        cost=np.array(cost, dtype=np.float64),
        pod_cost=np.zeros(kinds, dtype=np.int64),
        allowed=np.ones((kinds, shapes), dtype=bool),
        zone=np.zeros(kinds, dtype=np.int64),
        floor=np.zeros((1, shapes), dtype=np.int64),
        share=none,
        per_pod=none,
        least=none,
        limit=np.zeros(0, dtype=np.int64),
    )


@st.composite
def problems(draw):
    shapes = draw(st.integers(1, 4))
    need = draw(
        st.lists(
            st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(1)),
            min_size=shapes,
            max_size=shapes,
        )
    )
    count = draw(st.lists(st.integers(1, 60), min_size=shapes, max_size=shapes))
    room = [(10, 10, 4), (20, 20, 8), (20, 40, 8), (40, 20, 16)]
    return problem_of(need, count, room, [1.1, 2.1, 2.9, 3.0])


@settings(deadline=None, max_examples=25)
@given(problems())
def test_no_fleet_costs_less_than_the_fluid_one_or_the_cheapest_numbers(problem):
    fluid = solve_fluid(problem)
    number, bound = cheapest_numbers(problem, ())
    best, proved, _ = solve(problem, target=1e-3, deadline=Deadline())
    assert feasible(problem, best)
    cost = total_cost(problem, best)
    assert fluid.value <= cost * (1 + 1e-9)
    assert bound <= cost * (1 + 1e-9)
    assert proved <= cost * (1 + 1e-9)
    assert (number @ problem.room >= problem.count @ problem.need).all()
    packed = first_fit(problem, np.arange(problem.kinds))
    assert cost <= total_cost(problem, packed) + 1e-9


@settings(deadline=None, max_examples=25)
@given(problems(), st.integers(0, 9))
def test_mixes_drawn_fit_their_nodes_and_are_full(problem, seed):
    rng = np.random.default_rng(seed)
    fluid = solve_fluid(problem)
    which = np.repeat(np.arange(len(fluid.kind)), 20)
    kind = fluid.kind[which]
    worth = np.tile(fluid.duals.pods, (len(kind), 1))
    most = problem.most_per_node()[kind]
    mix = scatter(problem, kind, fluid.mix[which], worth, rng=rng)
    other = mutate(problem, kind, mix, worth, np.zeros(mix.shape), rng=rng)
    for drawn in (mix, other):
        left = problem.room[kind] - drawn @ problem.need
        assert (left >= 0).all()
        assert (drawn <= most).all()
        fits = (problem.need <= left[:, None, :]).all(axis=2) & (drawn < most)
        assert not fits.any()


@settings(deadline=None, max_examples=25)
@given(problems(), st.integers(0, 9))
def test_a_packing_and_what_it_leaves_are_all_pods(problem, seed):
    nodes = np.random.default_rng(seed).integers(-1, problem.kinds, size=(5, 4))
    packed, left = pack(problem, nodes, np.ones(problem.shapes), rng=np.random.default_rng(seed))
    assert (packed.number @ packed.mix + left == problem.count).all()
    assert (packed.mix @ problem.need <= problem.room[packed.kind]).all()


@pytest.mark.parametrize("most", [4.0, 6.0, 9.0])
def test_choices_of_few_nodes_are_all_there_and_the_cheapest_first(most):
    problem = problem_of(
        [(3, 4, 1), (5, 2, 1)], [3, 3], [(10, 10, 4), (20, 20, 8), (20, 40, 8)], [1.1, 2.1, 2.9]
    )
    wanted = problem.count @ problem.need
    able = problem.most_per_node()
    every = {
        chosen
        for size in (1, 2, 3)
        for chosen in itertools.combinations_with_replacement(range(3), size)
        if problem.cost[list(chosen)].sum() < most
        and (problem.room[list(chosen)].sum(axis=0) >= wanted).all()
        and (able[list(chosen)].sum(axis=0) >= problem.count).all()
    }
    found = few_nodes(problem, most=most, nodes=3)
    assert {tuple(row[row >= 0].tolist()) for row in found} == every
    cost = [problem.cost[row[row >= 0]].sum() for row in found]
    assert cost == sorted(cost)


def test_the_search_repeats():
    problem = problem_of(
        [(3, 4, 1), (5, 2, 1), (1, 7, 1)], [300, 200, 77], [(10, 10, 4), (40, 20, 16)], [1.1, 3.0]
    )
    told = []
    for _ in range(2):
        best, bound, _ = solve(problem, target=1e-9, deadline=Deadline())
        told.append((best.kind.tolist(), best.mix.tolist(), best.number.tolist(), bound))
    assert told[0] == told[1]
