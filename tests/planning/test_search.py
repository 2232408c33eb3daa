"""Laws of the parts of the fleet search that its plans alone do not show."""

from __future__ import annotations

import dataclasses
import itertools
import operator
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, milp

from eks_win_capacity.packing.column_generation import (
    Columns,
    Generator,
    settled,
    single,
    solve_fractional,
)
from eks_win_capacity.packing.deadline import Deadline
from eks_win_capacity.packing.first_fit import (
    cheapest_numbers,
    few_nodes,
    first_fit,
    mutate,
    pack,
    scatter,
)
from eks_win_capacity.packing.problem import Problem, feasible, total_cost
from eks_win_capacity.packing.relaxation import fluid_bound, solve_fluid, with_rounded_resources
from eks_win_capacity.packing.solve import Search, blend


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
def problems(draw, most=60):
    shapes = draw(st.integers(1, 4))
    need = draw(
        st.lists(
            st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(1)),
            min_size=shapes,
            max_size=shapes,
        )
    )
    count = draw(st.lists(st.integers(1, most), min_size=shapes, max_size=shapes))
    room = [(10, 10, 4), (20, 20, 8), (20, 40, 8), (40, 20, 16)]
    return problem_of(need, count, room, [1.1, 2.1, 2.9, 3.0])


@settings(deadline=None, max_examples=10)
@given(problems(most=20))
def test_no_fleet_costs_less_than_the_fluid_one_or_the_cheapest_numbers(problem):
    fluid = solve_fluid(problem)
    number, bound = cheapest_numbers(problem, ())
    search = Search(problem=problem, target=1e-3, deadline=Deadline())
    search.run()
    best, proved = search.best, search.bound
    assert feasible(problem, best)
    cost = total_cost(problem, best)
    assert fluid_bound(problem) == pytest.approx(fluid.value, rel=1e-5)
    assert max(fluid.value, fluid_bound(problem)) <= cost * (1 + 1e-9)
    assert bound <= cost * (1 + 1e-9)
    assert proved <= cost * (1 + 1e-9)
    assert (number @ problem.room >= problem.count @ problem.need).all()
    packed = first_fit(problem, np.arange(problem.kinds))
    assert cost <= total_cost(problem, packed) + 1e-9


@settings(deadline=None, max_examples=40)
@given(problems(most=40), st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_the_fluid_bound_holds_in_exact_fractions(problem, most):
    problem = dataclasses.replace(problem, most=np.array(most[: problem.shapes]))
    fluid = solve_fluid(problem)
    able = problem.most_per_node()
    part = Fraction(1)
    for kind in range(problem.kinds):
        prices = [Fraction(one) for one in fluid.prices[kind].tolist()]
        ceiling = sum(map(operator.mul, prices, problem.room[kind].tolist()))
        for shape, dual in enumerate(fluid.duals.pods.tolist()):
            paid = sum(map(operator.mul, prices, problem.need[shape].tolist()))
            ceiling += max(Fraction(0), Fraction(dual) - paid) * int(able[kind, shape])
        part = min(part, Fraction(problem.cost[kind]) / max(ceiling, Fraction(problem.cost[kind])))
    exact = part * sum(map(operator.mul, map(Fraction, fluid.duals.pods), problem.count.tolist()))
    assert exact * Fraction(1 - 1e-8) <= fluid_bound(problem) <= exact


THIRDS = [333, 334, 667, 1001, 1334, 2001, 4001]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(THIRDS), st.sampled_from([1, 700, 2049])), min_size=1),
    st.integers(1, 9),
    st.integers(0, 99),
)
def test_rounded_resources_keep_every_whole_mix_and_raise_the_fluid_bound(sizes, cores, seed):
    rng = np.random.default_rng(seed)
    need = [(cpu, memory, 1) for cpu, memory in sorted(set(sizes))]
    room = [(1000 * cores * part, 3000 * cores * part, 400) for part in (1, 3, 12)]
    count = rng.integers(1, 900, len(need))
    problem = problem_of(need, count, room, [1.0 * cores, 2.9 * cores, 11.7 * cores])
    if not problem.most_per_node().any(axis=0).all():
        return
    rounded, fluid = with_rounded_resources(problem)
    more = problem.need.shape[1]
    assert (rounded.need[:, :more] == problem.need).all()
    assert (rounded.room[:, :more] == problem.room).all()
    assert fluid.value >= solve_fluid(problem).value * (1 - 1e-9)
    kind = np.repeat(np.arange(3), 100)
    mean = problem.most_per_node()[kind] * rng.dirichlet(np.ones(len(need)), len(kind))
    mix = scatter(problem, kind, mean, np.ones(mean.shape), rng=rng)
    assert (mix @ rounded.need <= rounded.room[kind]).all()


def test_a_rounded_resource_that_the_solver_fails_on_is_left_out(monkeypatch):
    problem = problem_of([(667, 9, 1), (4001, 9, 1)], [9_000, 900], [(96_000, 9_000, 250)], [1.0])
    first = solve_fluid(problem)
    answers = iter([first])

    def failing(*_args, **_options):
        for answer in answers:
            return answer
        raise ArithmeticError

    assert with_rounded_resources(problem)[0].need.shape[1] > 3
    monkeypatch.setattr("eks_win_capacity.packing.relaxation.solve_fluid", failing)
    kept, fluid = with_rounded_resources(problem)
    assert kept is problem
    assert fluid is first


def test_thirds_of_a_node_that_do_not_fill_it_are_in_the_bound():
    need = [(333, 8_000, 1), (667, 1_000, 1), (1001, 2_000, 1), (4001, 1_000, 1)]
    problem = problem_of(need, [900, 9_000, 9_000, 9_000], [(96_000, 400_000, 250)], [1.0])
    plain = solve_fluid(problem).value
    rounded, fluid = with_rounded_resources(problem)
    assert rounded.need.shape[1] > 3
    assert fluid.value > 1.002 * plain
    search = Search(problem=problem, target=1e-3, deadline=Deadline())
    search.run()
    best, bound = search.best, search.bound
    assert bound <= total_cost(problem, best) <= 1.002 * bound


def test_no_node_needs_what_no_pod_asks_for():
    """The third resource may be that of pods in another zone, or of no replicas."""
    problem = problem_of([(5, 5, 0)], [4], [(10, 10, 0), (10, 10, 4)], [1.0, 9.0])
    number, bound = cheapest_numbers(problem, ())
    assert number.tolist() == [2, 0]
    assert bound == pytest.approx(2, rel=1e-5)
    problem = problem_of([(5, 5, 0), (1, 1, 1)], [4, 0], [(10, 10, 0), (10, 10, 4)], [1.0, 9.0])
    assert cheapest_numbers(problem, ())[1] == pytest.approx(2, rel=1e-5)


def test_no_kind_of_node_holds_no_pod():
    problem = problem_of([(1, 1, 1)], [4], [(10, 10, 9)], [1.0])
    assert fluid_bound(problem.only(np.array([], dtype=np.int64))) == np.inf
    assert 0 < fluid_bound(problem.only(np.array([0]))) <= 1


def test_pods_that_stand_alone_on_their_nodes_are_in_the_fluid_bound():
    problem = problem_of([(1, 1, 1), (5, 5, 1)], [40, 40], [(10, 10, 9)], [1.0])
    alone = dataclasses.replace(problem, most=np.array([1, 9]))
    assert solve_fluid(problem).value == pytest.approx(24)
    assert solve_fluid(alone).value == pytest.approx(40)


@settings(deadline=None, max_examples=60)
@given(problems(), st.lists(st.booleans(), min_size=16, max_size=16))
def test_first_fit_in_groups_is_first_fit_pod_by_pod(problem, allowed):
    allowed = np.array(allowed).reshape(4, 4)[:, : problem.shapes]
    problem = dataclasses.replace(problem, allowed=allowed | (np.arange(4) == 3)[:, None])
    order = np.random.default_rng(1).permutation(problem.shapes)
    nodes = []
    for shape in order:
        for _ in range(problem.count[shape]):
            for mix in nodes:
                mix[shape] += 1
                if kinds_of(problem, mix).any():
                    break
                mix[shape] -= 1
            else:
                nodes.append(np.eye(problem.shapes, dtype=np.int64)[shape])
    cost = sum(problem.cost[kinds_of(problem, mix)].min() for mix in nodes)
    packed = first_fit(problem, np.arange(4), order=order)
    assert packed.number.sum() == len(nodes)
    assert total_cost(problem, packed) == pytest.approx(cost)


def test_first_fit_of_thousands_of_shapes_takes_no_minute():
    rng, number = np.random.default_rng(1), 1_500
    need = np.column_stack([rng.integers(50, 4_000, number), rng.integers(64, 9_000, number)])
    room = [(8_000, 32_000), (96_000, 384_000)]
    problem = problem_of(need.tolist(), [20] * number, room, [8.0, 97.0])
    begun = time.process_time()
    packed = first_fit(problem, np.arange(2))
    assert time.process_time() - begun < 2
    assert (packed.number @ packed.mix == 20).all()
    assert (packed.mix @ problem.need <= problem.room[packed.kind]).all()


def kinds_of(problem, mix):
    fits = (mix @ problem.need <= problem.room).all(axis=1)
    return fits & problem.allowed[:, mix > 0].all(axis=1)


def test_the_first_draw_of_mixes_comes_near_the_bound_of_many_shapes():
    rng = np.random.default_rng(1)
    shapes = 90
    cpu = 50 * rng.integers(2, 80, shapes)
    need = np.column_stack([cpu, cpu * rng.choice([1, 2, 3, 4, 6, 8], shapes), np.ones(shapes)])
    vcpus, ratio = (one.ravel() for one in np.meshgrid(2 ** np.arange(1, 8), [2, 4, 8, 16]))
    room = np.column_stack([1000 * vcpus, 1000 * vcpus * ratio - 2000, np.full(len(vcpus), 110)])
    problem = problem_of(need, rng.integers(1_000, 20_000, shapes), room, vcpus * (1 + ratio / 24))
    fluid = solve_fluid(problem)
    near = blend(problem, fluid, rng=rng, draws=2_300, rounds=4)
    drawn = near.solution
    assert drawn.count @ near.columns.mix == pytest.approx(problem.count, rel=1e-6)
    assert fluid.value <= drawn.value * (1 + 1e-9) <= fluid.value * 1.0005


def test_integer_programs_find_the_mixes_that_the_few_partial_ones_miss():
    rng = np.random.default_rng(3)
    shapes = 16
    cpu = rng.choice([333, 667, 1001, 1334, 2001, 4001], shapes)
    mib = rng.choice([700, 1025, 2049, 3001, 4097, 8193], shapes)
    need = np.column_stack([cpu, mib, np.ones(shapes)])
    room = [[8000, 30000, 14], [32000, 62988, 29], [16000, 120000, 29]]
    problem = problem_of(need, rng.integers(100, 9_000, shapes), room, [0.41, 1.3, 1.2])
    values = []
    for deep in (False, True):
        generator = Generator(problem, Columns(problem))
        generator.deep = deep
        generator.columns.add(*single(problem))

        for _ in range(12):
            duals = solve_fractional(problem, generator.columns, None).duals
            bound, kind, mix = generator.price(duals)
            assert ((mix @ problem.need) <= problem.room[kind]).all()
            generator.columns.add(kind, mix)
            generator.bound = max(generator.bound, bound)
        value = solve_fractional(problem, generator.columns, None).value
        assert generator.bound <= value * (1 + 1e-6)
        values.append((float(generator.bound), value))
    (loose, dear), (bound, value) = values
    assert loose <= bound
    assert value <= dear
    assert value - bound < 0.5 * (dear - loose)


def textbook(problem):
    """The cheapest fleet as one integer program over every pattern."""
    able = problem.most_per_node()
    kinds, mixes = [], []
    for kind in range(problem.kinds):
        for mix in itertools.product(*(range(most + 1) for most in able[kind])):
            if any(mix) and (np.array(mix) @ problem.need <= problem.room[kind]).all():
                kinds.append(kind)
                mixes.append(mix)
    solved = milp(
        problem.cost[kinds],
        constraints=LinearConstraint(np.array(mixes).T, problem.count, np.inf),
        integrality=1,
        options={"mip_rel_gap": 0},
    )
    return solved.fun


@settings(deadline=None, max_examples=8)
@given(problems(most=9))
def test_few_nodes_are_settled_as_the_textbook_does(problem):
    least = textbook(problem)
    search = Search(problem=problem, target=1e-3, deadline=Deadline())
    search.run()
    best, proved = search.best, search.bound
    assert least * (1 - 1e-9) <= total_cost(problem, best) <= least * (1 + 1.1e-3)
    assert proved <= least * (1 + 1e-9)
    columns = Columns(problem)
    generator = Generator(problem, columns)
    columns.add(best.kind, best.mix)
    generator.run()
    packed, bound = settled(
        problem, columns, generator.proof, least * 1.3, gap=0.0, deadline=Deadline()
    )
    assert bound <= least * (1 + 1e-9)
    assert total_cost(problem, packed) == pytest.approx(least, rel=1e-6)


@settings(deadline=None, max_examples=25)
@given(problems(), st.integers(1, 9), st.integers(1, 300))
def test_first_fit_keeps_the_shared_limits(problem, large, every):
    share = np.column_stack([np.arange(4) == 3, np.ones(4)]).astype(np.int64)
    limited = dataclasses.replace(
        problem, share=share, per_pod=0 * share, least=share, limit=np.array([large, every])
    )
    packed = first_fit(limited, np.arange(4))
    free = first_fit(problem, np.arange(4))
    if packed is not None:
        assert feasible(limited, packed)
        assert total_cost(problem, packed) >= total_cost(problem, free) - 1e-9
    else:
        assert free.number.sum() > min(large, every)


@settings(deadline=None, max_examples=25)
@given(problems(), st.integers(0, 9))
def test_mixes_drawn_fit_their_nodes_and_are_full(problem, seed):
    rng = np.random.default_rng(seed)
    fluid = solve_fluid(problem)
    which = np.repeat(np.arange(len(fluid.kind)), 20)
    kind = fluid.kind[which]
    duals = np.tile(fluid.duals.pods, (len(kind), 1))
    most = problem.most_per_node()[kind]
    mix = scatter(problem, kind, fluid.mix[which], duals, rng=rng)
    other = mutate(problem, kind, mix, duals, np.zeros(mix.shape), rng=rng)
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
    choices = few_nodes(problem, most=most, nodes=3)
    assert {tuple(row[row >= 0].tolist()) for row in choices} == every
    cost = [problem.cost[row[row >= 0]].sum() for row in choices]
    assert cost == sorted(cost)


def test_the_search_repeats():
    problem = problem_of(
        [(3, 4, 1), (5, 2, 1), (1, 7, 1)], [300, 200, 77], [(10, 10, 4), (40, 20, 16)], [1.1, 3.0]
    )
    runs = []
    for _ in range(2):
        search = Search(problem=problem, target=1e-9, deadline=Deadline())
        search.run()
        best, bound = search.best, search.bound
        runs.append((best.kind.tolist(), best.mix.tolist(), best.number.tolist(), bound))
    assert runs[0] == runs[1]
