"""Laws of the fleet optimiser, checked by a verifier that knows nothing of it."""

import itertools
import json
import random
import signal
import threading
import time
from functools import lru_cache

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from fleet_brute import Net, given_as, load
from fleet_verifier import problems
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity.catalog import Catalog
from eks_win_capacity.cli import app
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.packing.first_fit import first_fit
from eks_win_capacity.packing.relaxation import best_mixes, resource_prices
from eks_win_capacity.planning import plan_fleet

CATALOG = Catalog.bundled()
TYPES = ["c5.large", "m5.large", "m5.xlarge", "r5.large", "c5.2xlarge", "m5.4xlarge"]


def plan(loads, **options):
    options = {"candidates": TYPES, "compare": False} | options
    return plan_fleet(given_as(loads), **options)


shapes = st.tuples(
    st.sampled_from([50, 100, 250, 500, 1000, 2000]),
    st.sampled_from([64, 128, 512, 1024, 3000]),
    st.integers(0, 30),
    st.booleans(),
    st.sampled_from([False, False, True]),
)


@st.composite
def workloads(draw):
    rows = draw(st.lists(shapes, min_size=1, max_size=4))
    return [
        load(f"w{number}", replicas, cpu, mib, host_process=host, anti_affinity=apart)
        for number, (cpu, mib, replicas, host, apart) in enumerate(rows)
    ]


@settings(deadline=None, max_examples=15)
@given(workloads(), st.booleans())
def test_every_pod_is_placed_once_and_no_node_is_above_any_limit(loads, prefix):
    answer = plan(loads, prefix_delegation=prefix)
    assert answer.feasible
    assert problems(answer, loads, CATALOG, prefix=prefix) == []


@settings(deadline=None, max_examples=8)
@given(workloads(), st.randoms(use_true_random=False))
def test_the_order_of_inputs_changes_nothing(loads, random):
    other = loads[:]
    random.shuffle(other)
    types = TYPES[:]
    random.shuffle(types)
    assert plan(loads).to_dict() == plan(other, candidates=types).to_dict()


@settings(deadline=None, max_examples=8)
@given(workloads())
def test_more_candidates_never_cost_more(loads):
    few, many = plan(loads, candidates=TYPES[:3]), plan(loads)
    assert many.lower_bound <= few.cost + 1e-9
    assert many.cost <= few.cost * 1.0025 + 1e-9


def cost_of(packed, problem):
    return float((problem.cost[packed.kind] * packed.number).sum())


@settings(deadline=None, max_examples=8)
@given(workloads())
def test_the_plan_is_never_dearer_than_one_type_alone(loads):
    best = plan(loads).cost
    for name in TYPES:
        alone = plan(loads, candidates=[name])
        assert not alone.feasible or best <= alone.cost + 1e-9


def test_a_small_fleet_is_no_dearer_than_its_best_type_alone():
    loads = [
        load("w0", 13, 50, 512, host_process=True),
        load("w1", 25, 100, 512, host_process=True),
        load("w2", 7, 250, 1024, anti_affinity=True),
    ]
    best = plan(loads)
    assert best.gap <= 2.5e-3
    for name in TYPES:
        assert best.cost <= plan(loads, candidates=[name]).cost + 1e-9


def test_a_slow_machine_gives_the_same_plan(monkeypatch):
    loads = [load(f"w{i}", 9 + 7 * i, 300 + 170 * i, 700 + 410 * i) for i in range(5)]
    quick = plan(loads, time_limit_s=None)
    hours = itertools.count(step=3600.0)
    monkeypatch.setattr("eks_win_capacity.packing.deadline.time.monotonic", lambda: next(hours))
    assert plan(loads, time_limit_s=None).to_dict() == quick.to_dict()


def test_the_time_limit_ends_the_search_with_a_plan_that_holds(monkeypatch):
    loads = [load(f"w{i}", 9 + 7 * i, 300 + 170 * i, 700 + 410 * i) for i in range(5)]
    hours = itertools.count(step=3600.0)
    monkeypatch.setattr("eks_win_capacity.packing.deadline.time.monotonic", lambda: next(hours))
    planned = plan(loads, time_limit_s=1)
    assert problems(planned, loads, CATALOG) == []
    assert planned.lower_bound <= planned.cost


def brute(loads, candidates, node_cost=0.06):
    """The least cost by trying every way to group the pods. Exact, for a few pods."""
    pods = tuple(sorted(index for index, one in enumerate(loads) for _ in range(one["replicas"])))

    def price(name):
        row = CATALOG[name]
        return row.vcpus + row.memory_mib / 1024 / 24 + node_cost

    @lru_cache(None)
    def node(group):
        costs = []
        for name in candidates:
            row = CATALOG[name]
            cpu = sum(loads[index]["cpu_m"] for index in group)
            mib = sum(loads[index]["mib"] for index in group)
            if (
                cpu <= row.vcpus * 1000
                and mib <= row.memory_mib - 2248
                and len(group) <= row.ipv4_per_interface - 1
            ):
                costs.append(price(name))
        return min(costs, default=float("inf"))

    @lru_cache(None)
    def least(rest):
        if not rest:
            return 0.0
        best = float("inf")
        for size in range(len(rest)):
            for more in set(itertools.combinations(rest[1:], size)):
                left = list(rest[1:])
                for one in more:
                    left.remove(one)
                best = min(best, node((rest[0], *more)) + least(tuple(left)))
        return best

    return least(pods)


@pytest.mark.parametrize("seed", range(20))
def test_tiny_fleets_agree_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    loads = [
        load(
            f"w{i}",
            int(rng.integers(1, 4)),
            int(rng.choice([300, 700, 1500])),
            int(rng.choice([256, 2000])),
        )
        for i in range(3)
    ]
    types = ["c5.large", "m5.large", "m5.xlarge"]
    exact, planned = brute(loads, types), plan(loads, candidates=types)
    assert planned.lower_bound <= exact * (1 + 1e-9)
    assert exact * (1 - 1e-9) <= planned.cost <= exact * 1.0025


def test_the_time_does_not_grow_with_replicas_and_the_bound_scales():
    loads = [load("a", 1000, 250, 700), load("b", 700, 900, 1500)]
    more = [one | {"replicas": 1000 * one["replicas"]} for one in loads]
    small, large = plan(loads), plan(more)
    assert large.lp_bound == pytest.approx(1000 * small.lp_bound, rel=2e-3)
    assert large.lower_bound <= 1000 * small.cost
    assert problems(large, more, CATALOG) == []
    assert large.gap <= 1e-3


def test_addresses_are_cut_until_the_true_limit_and_the_answer_names_it():
    loads = [load("web", 40, 100, 128)]
    # Nine pods fill an m5.large: 4 full nodes take 10 addresses each, the last 4 pods 1 + 7.
    need = 4 * 10 + 8
    for free in range(need + 3, need - 4, -1):
        net = Net("10.0.0.0/26", free)
        answer = plan(loads, candidates=["m5.large"], subnets=[net])
        assert answer.feasible == (free >= need)
        if answer.feasible:
            assert problems(answer, loads, CATALOG, subnets=[net]) == []
        else:
            reason = answer.infeasible[0]
            assert (reason.code, reason.short) == ("addresses-short", need - free)
            assert str(need - free) in answer.explain()


def test_blocks_are_cut_until_the_true_limit_and_the_answer_names_it():
    loads = [load("web", 60, 30, 60)]
    # 60 pods and a warm one: 61 addresses are four /28.
    for blocks in range(6, 1, -1):
        net = Net("10.0.0.0/24", 200, blocks)
        answer = plan(loads, candidates=["m5.large"], subnets=[net], prefix_delegation=True)
        assert answer.feasible == (blocks >= 4)
        if answer.feasible:
            assert problems(answer, loads, CATALOG, prefix=True, subnets=[net]) == []
        else:
            assert answer.infeasible[0].code == "blocks-short"
            assert answer.infeasible[0].short == 4 - blocks


def test_more_subnets_never_cost_more():
    loads = [load("web", 40, 400, 900), load("api", 9, 1500, 2500)]
    one, two = Net("a", 70), Net("b", 60, zone="b")
    few, many = plan(loads, subnets=[one]), plan(loads, subnets=[one, two])
    assert problems(many, loads, CATALOG, subnets=[one, two]) == []
    assert many.cost <= few.cost + 1e-9


def test_spread_workloads_are_even_over_the_zones():
    loads = [load("web", 20, 400, 900, zone_spread=True), load("api", 7, 1500, 2500)]
    planned = plan(loads, zones=["a", "b", "c"])
    assert problems(planned, loads, CATALOG, even=[("web", "abc")]) == []


def test_all_pods_fit_after_any_zone_is_lost():
    loads = [load("web", 20, 400, 900), load("one", 1, 100, 100)]
    planned = plan(loads, zones=["a", "b", "c"], zone_lost=True)
    for lost in "abc":
        for one in loads:
            kept = sum(
                g.nodes * g.pods.get(one["name"], 0) for g in planned.groups if g.zone != lost
            )
            assert kept >= one["replicas"]


@pytest.mark.parametrize(("surge", "slots"), [("25%", 13), (0.25, 13), (3, 13), (0, 10)])
def test_a_rolling_update_needs_its_surge_on_top(surge, slots):
    loads = [load("web", 10, 400, 900)]
    assert problems(plan(loads, surge=surge), loads, CATALOG, slots={"web": slots}) == []


def test_limits_and_the_number_of_types_are_kept():
    loads = [load("web", 60, 400, 900), load("api", 9, 1500, 2500), load("mem", 9, 200, 6000)]
    capped = plan(loads, limits={"m5.4xlarge": 1, "m5.xlarge": 2})
    assert capped.types.get("m5.4xlarge", 0) <= 1
    assert capped.types.get("m5.xlarge", 0) <= 2
    assert problems(capped, loads, CATALOG) == []
    for most in (1, 2):
        few = plan(loads, max_types=most)
        assert len(few.types) <= most
        assert problems(few, loads, CATALOG) == []


@pytest.mark.parametrize("most", [1, 2])
def test_the_bound_of_few_types_is_that_of_their_best_choice(most):
    loads = [load(f"w{i}", 40 + 31 * i, 130 + 117 * i, 200 + 2333 * (i % 3)) for i in range(9)]
    types = ["c5.2xlarge", "m5.2xlarge", "r5.2xlarge"]
    planned = plan(loads, candidates=types, max_types=most, time_limit_s=4)
    assert planned.gap <= 0.01
    for subset in itertools.combinations(types, most):
        one = plan(loads, candidates=subset, time_limit_s=0.5)
        assert not one.feasible or planned.lower_bound <= one.value


@given(workloads(), st.sampled_from(["cost", "nodes", "addresses"]))
@settings(deadline=None, max_examples=8)
def test_no_time_leaves_a_bound_all_the_same(loads, objective):
    hasty = plan(loads, objective=objective, time_limit_s=1e-9)
    planned = plan(loads, objective=objective, time_limit_s=5)
    assert hasty.lower_bound <= planned.value
    hosts = objective == "addresses" and all(one["host_process"] for one in loads)
    assert hasty.lower_bound > 0 or hosts or not planned.value


def test_a_spread_plan_near_the_bound_is_among_the_first():
    loads = [
        load(
            f"w{i}", 400 + 211 * i, 150 + 333 * (i % 7), 300 + 533 * (i % 5), zone_spread=i % 3 > 0
        )
        for i in range(12)
    ]
    seen = []
    options = {"time_limit_s": 5, "progress": lambda *one: seen.append(one[0])}
    planned = plan(loads, zones=["a", "b", "c"], **options)
    even = [(one["name"], ["a", "b", "c"]) for one in loads if one["zone_spread"]]
    assert problems(planned, loads, CATALOG, even=even) == []
    assert min(seen[:2]) <= 1.02 * planned.lower_bound < seen[0]


def test_daemons_take_their_room_on_every_node():
    loads = [load("web", 9, 100, 100)]
    daemon = [{"name": "log", "cpu": "100m", "memory": "100Mi"}]
    planned = plan(loads, candidates=["m5.large"], daemonsets=daemon)
    assert planned.types == {"m5.large": 2}


@pytest.mark.parametrize("objective", ["nodes", "addresses"])
def test_other_objectives_count_whole_things(objective):
    loads = [load("web", 40, 400, 900), load("api", 9, 1500, 2500)]
    planned = plan(loads, objective=objective)
    assert problems(planned, loads, CATALOG) == []
    assert planned.value == {"nodes": planned.nodes, "addresses": planned.addresses}[objective]
    assert planned.lower_bound == int(planned.lower_bound)


@pytest.mark.parametrize(
    ("loads", "options", "code"),
    [
        ([load("big", 1, 99_000, 100)], {}, "too-large"),
        ([load("web", 1, 100, 100, allowed_types=["m6i.large"])], {}, "no-candidate"),
        ([load("web", 1, 100, 100)], {"candidates": ["m6g.large"]}, "no-candidate"),
        ([load("web", 1, 100, 100)], {"prices": {"c6i.large": 1.0}}, "no-candidate"),
        (
            [load("web", 99, 100, 100)],
            {"candidates": ["m5.large"], "limits": {"m5.large": 2}},
            "limits",
        ),
        ([load("web", 9, 100, 100)], {"zones": ["a"], "zone_lost": True}, "zones-short"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_reason(loads, options, code):
    answer = plan(loads, **options)
    assert not answer.feasible
    assert answer.infeasible[0].code == code
    assert code in answer.explain()
    assert answer.to_pandas().empty


def test_each_candidate_left_out_has_its_reason():
    loads = [load("web", 40, 1000, 3600)]
    planned = plan(loads, candidates=[*TYPES, "m6g.large", "t3.nano", "m5n.large"])
    codes = {one.instance_type: one.code for one in planned.rejected}
    assert codes["m6g.large"] == "arm64"
    assert codes["t3.nano"] == "too-small"
    assert codes["m5n.large"] == "dominated" or codes["m5.large"] == "dominated"
    assert set(codes) | set(planned.types) == {*TYPES, "m6g.large", "t3.nano", "m5n.large"}


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([], InputError),
        ("web", UnsupportedInputError),
        ([{"name": "a", "replicas": 1, "cpuu": 1}], InputError),
        ([{"name": "a"}], InputError),
        ([{"name": "a", "replicas": 1}] * 2, InputError),
        ([{"name": "a", "replicas": 1_000_001}], InputError),
        ([{"name": "a", "replicas": -1}], InputError),
        ([{"name": "a", "replicas": 1, "zone_spread": True}], InputError),
    ],
)
def test_input_that_makes_no_sense_is_refused(rows, error):
    with pytest.raises(error):
        plan_fleet(rows, candidates=TYPES)


def test_the_bound_of_the_knapsack_holds_whatever_is_cut():
    rng = np.random.default_rng(3)
    need = np.column_stack([rng.integers(1, 30, 7), rng.integers(1, 30, 7), np.ones(7, int)])
    room = np.array([[60, 70, 9], [100, 40, 5]])
    duals = np.tile(rng.integers(1, 1000, 7), (2, 1))
    most = np.minimum((room[:, None, :] // need).min(axis=2), 3)
    prices = resource_prices(duals.astype(float), need, room, most)
    grid = np.array(list(itertools.product(*[range(4)] * 7)))
    for kind in range(2):
        fits = (grid @ need <= room[kind]).all(axis=1) & (grid <= most[kind]).all(axis=1)
        exact = (grid[fits] @ duals[kind]).max()
        for width in (1, 5, 10_000):
            mixes = best_mixes(duals, need, room, most, prices, np.zeros(2, int), width=width)
            assert mixes.value[kind] <= exact <= mixes.bound[kind]
        assert mixes.value[kind] == exact


def test_snippets_have_the_shape_of_their_tools():
    planned = plan([load("web", 40, 400, 900)], zones=["a", "b"], zone_lost=True)
    pool = yaml.safe_load(planned.karpenter())
    assert (pool["apiVersion"], pool["kind"]) == ("karpenter.sh/v1", "NodePool")
    groups = yaml.safe_load(planned.node_groups())
    assert groups["apiVersion"] == "eksctl.io/v1alpha5"
    assert sum(g["desiredCapacity"] for g in groups["nodeGroups"]) == planned.nodes
    assert "<table" in planned._repr_html_()


def test_the_command_reads_csv_and_yaml_alike(tmp_path):
    rows = [{"name": "web", "replicas": 30, "cpu": "500m", "memory": "1Gi"}]
    (tmp_path / "w.yaml").write_text(yaml.safe_dump({"workloads": rows}))
    (tmp_path / "w.csv").write_text("name,replicas,cpu,memory\nweb,30,500m,1Gi\n")
    documents = []
    for name in ("w.yaml", "w.csv"):
        ran = CliRunner().invoke(
            app, ["plan", str(tmp_path / name), "-t", "m5.large", "-o", "json"]
        )
        assert ran.exit_code == 0, ran.output
        documents.append(json.loads(ran.stdout))
    assert documents[0] == documents[1]
    assert documents[0]["types"] == {"m5.large": 8}
    ran = CliRunner().invoke(app, ["plan", str(tmp_path / "w.csv"), "-t", "t3.nano"])
    assert ran.exit_code == 1
    assert "too-large" in ran.output


def test_first_fit_counts_groups_and_not_pods():
    from eks_win_capacity.packing.problem import Problem

    zero = np.zeros((1, 0), dtype=np.int64)
    problem = Problem(
        need=np.array([[6], [4], [3]]),
        count=np.array([2, 2, 4]),
        most=np.full(3, 99),
        addressed=np.ones(3, bool),
        room=np.array([[10]]),
        cost=np.ones(1),
        pod_cost=np.zeros(1, np.int64),
        allowed=np.ones((1, 3), bool),
        zone=np.zeros(1, np.int64),
        floor=np.zeros((1, 3), np.int64),
        share=zero,
        per_pod=zero,
        least=zero,
        limit=np.zeros(0, np.int64),
    )
    packed = first_fit(problem, np.arange(1))
    assert cost_of(packed, problem) == 4
    assert (packed.number @ packed.mix).tolist() == [2, 2, 4]


def test_real_subnets_limit_the_plan_and_the_command_takes_them(tmp_path):
    from eks_win_capacity.addresses.subnet import Subnet

    loads = [load("web", 60, 30, 60)]
    subnet = Subnet("10.0.0.0/24", used=["10.0.0.16/28"])
    planned = plan(loads, candidates=["m5.large"], subnets=[subnet], prefix_delegation=True)
    assert problems(planned, loads, CATALOG, prefix=True, subnets=[subnet]) == []
    (tmp_path / "w.csv").write_text("name,replicas,cpu,memory\nweb,60,30m,60Mi\n")
    asked = ["plan", str(tmp_path / "w.csv"), "-t", "m5.large", "--subnet", "a=10.0.0.0/27"]
    ran = CliRunner().invoke(app, asked)
    assert ran.exit_code == 1
    assert "addresses-short" in ran.output


@pytest.mark.parametrize("most", [1, 2])
def test_few_types_are_found_without_time_where_no_zone_matters(most):
    loads = [load(f"w{i}", 1 + i % 7, 100 + 37 * i, 200 + 53 * i) for i in range(60)]
    answer = plan(
        loads, candidates=["m5.*", "r5.*"], max_types=most, time_limit_s=1e-3, compare=False
    )
    assert answer.feasible
    assert len(answer.types) <= most
    assert problems(answer, loads, CATALOG) == []


def test_an_interrupt_gives_the_best_plan_so_far(monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("eks_win_capacity.packing.solve.with_rounded_resources", interrupted)
    loads = [load("web", 40, 400, 900), load("api", 9, 1500, 2500)]
    planned = plan(loads, compare=True)
    assert planned.status == "interrupted"
    assert problems(planned, loads, CATALOG) == []


@pytest.mark.parametrize("seed", range(30))
def test_a_short_limit_is_kept_and_never_says_infeasible_of_what_is_feasible(seed):
    rng = np.random.default_rng(seed)
    number = int(rng.integers(1, 12))
    loads = [
        load(
            f"w{i}",
            int(rng.integers(1, 3_000)),
            int(rng.integers(50, 6_000)),
            int(rng.integers(64, 16_000)),
            zone_spread=bool(seed % 3 == 1 and rng.random() < 0.5),
        )
        for i in range(number)
    ]
    options = {"kubelet_max_pods": 250, "prefix_delegation": bool(seed % 2)}
    if seed % 3:
        options["zones"] = ["a", "b", "c"]
    if seed % 5 == 0:
        options["limits"] = {"nodes": 100_000}
    limit = float(rng.choice([0.001, 0.01, 0.1, 0.3]))
    begun = time.process_time()
    answer = plan(loads, candidates=["m5.*", "c5.*"], time_limit_s=limit, compare=False, **options)
    assert time.process_time() - begun <= 1.2 * limit + 1.5
    assert answer.status in {"proved", "gap", "not-found"}
    if answer.feasible:
        assert answer.lower_bound <= answer.cost
        even = [(one["name"], "abc") for one in loads if one.get("zone_spread")]
        checked = {"prefix": bool(seed % 2), "kubelet": 250, "even": even}
        assert problems(answer, loads, CATALOG, **checked) == []


def test_the_search_can_be_interrupted_inside_the_solver(monkeypatch):
    from eks_win_capacity.packing.deadline import Deadline

    waiting = threading.Event()
    monkeypatch.setattr("scipy.optimize.milp", lambda *_args, **_more: waiting.wait(20))
    timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
    timer.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Deadline().milp([1.0], options={})
    assert time.monotonic() - begun < 1
    waiting.set()


def test_a_solver_that_looks_at_no_clock_is_left_behind(monkeypatch):
    from eks_win_capacity.packing.deadline import Deadline, OutOfTimeError

    waiting = threading.Event()
    monkeypatch.setattr("scipy.optimize.linprog", lambda *_args, **_more: waiting.wait(20))
    begun = time.monotonic()
    with pytest.raises(OutOfTimeError):
        Deadline.after(0.1).linprog([1.0])
    assert time.monotonic() - begun < 1
    waiting.set()


def test_accelerators_local_disks_and_credits_are_left_out_unless_they_are_named():
    loads = [load("web", 20, 1483, 256)]
    planned = plan(loads, candidates=None)
    codes = {one.instance_type: one.code for one in planned.rejected}
    for name, code in (
        ("g4dn.xlarge", "accelerator"),
        ("p6-b200.48xlarge", "accelerator"),
        ("m5d.large", "local-disk"),
        ("x1e.xlarge", "local-disk"),
        ("t3.large", "burstable"),
    ):
        assert codes[name] == code
    assert plan(loads, candidates=["t3.*"]).feasible
    named = plan(loads, candidates=["g4dn.*", "m5.*"])
    assert all(name.startswith("m5.") for name in named.types)


def test_an_exclusion_takes_its_types_out_and_one_that_matches_nothing_is_refused():
    loads = [load("web", 20, 1483, 256)]
    planned = plan(loads, candidates=["m5.*", "!m5.metal", "!*.large"])
    codes = {one.instance_type: one.code for one in planned.rejected}
    assert codes["m5.metal"] == codes["m5.large"] == "excluded"
    assert not any(name.startswith("c") for name in plan(loads, candidates="!c*").types)
    with pytest.raises(InputError, match="matches the exclusion '!zz"):
        plan(loads, candidates=["m5.*", "!zz*"])


def test_two_nodes_in_two_of_three_zones_survive_the_loss_of_any():
    planned = plan(
        [load("a", 2, 1500, 1024)],
        candidates=["c5.xlarge"],
        zones=["a", "b", "c"],
        zone_lost=True,
        node_cost=0,
    )
    assert (planned.nodes, planned.status) == (2, "proved")


def test_the_bound_of_spread_plans_is_summed_over_the_zones():
    loads = [load(f"w{i}", 30 * (i + 1), 300 + 370 * i, 700, zone_spread=True) for i in range(3)]
    planned = plan(loads, candidates=["m5.*"], zones=["a", "b", "c"])
    assert planned.gap <= 0.01


def test_a_plan_of_even_shares_says_so():
    loads = [load(f"w{i}", 40 + 31 * i, 130 + 217 * i, 200 + 333 * i) for i in range(9)]
    options = {"candidates": ["m5.*", "c5.*"], "zones": ["a", "b", "c"], "time_limit_s": 20}
    planned = plan(loads, zone_lost=True, **options)
    assert planned.bound_of == "even shares of the zones"
    assert "with even shares of the zones costs less" in planned.explain()


@pytest.mark.parametrize("objective", ["nodes", "addresses"])
def test_of_plans_with_equally_few_nodes_or_addresses_the_cheapest_is_given(objective):
    rng = random.Random(11)
    for _ in range(6):
        loads = [
            load(name, rng.randint(1, 4), rng.choice([300, 1100, 1900]), 1024) for name in "ab"
        ]
        names = rng.sample(["m5.large", "m5.xlarge", "c5.large", "c5.2xlarge", "r5.large"], 3)
        asked = {"candidates": names, "compare": False}
        planned = plan(loads, objective=objective, **asked)
        cheapest = plan(loads, limits={objective: round(planned.value)}, **asked)
        assert cheapest.value == pytest.approx(cheapest.cost)
        assert planned.cost <= cheapest.cost * (1 + 1e-9)
