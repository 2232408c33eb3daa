"""Plans from the nodes that run now: what stays, what comes and what goes."""

import functools
import itertools
from dataclasses import replace

import pandas as pd
import pytest

from eks_win_capacity.cluster.records import DisruptionBudget, Node, NodeGroup, Pod
from eks_win_capacity.cluster.state import ClusterState
from eks_win_capacity.core.errors import InputError, UnknownInstanceTypeError, UnsupportedInputError
from eks_win_capacity.files import load_files
from eks_win_capacity.planning import FleetPlan, plan_fleet

LOADS = [
    {"name": "web", "replicas": 40, "cpu": "500m", "memory": "1Gi"},
    {"name": "api", "replicas": 12, "cpu": "1500m", "memory": "3Gi"},
]
PRICES = {"m5.large": 0.188, "m5.xlarge": 0.376, "m5.2xlarge": 0.752, "m5.4xlarge": 1.504}


def plan(loads=LOADS, **options):
    return plan_fleet(loads, prices=PRICES, candidates=list(PRICES), **options)


@functools.cache
def from_nothing():
    """The plan without present nodes."""
    return plan()


def test_without_limits_the_present_nodes_do_not_change_the_cost():
    changes = plan(current={"m5.4xlarge": 5}).diff()
    assert changes.cost_after == pytest.approx(from_nothing().cost)
    assert (changes.keep + changes.drain, changes.replace) == (5, min(changes.add, changes.drain))
    assert changes.saving_per_month == pytest.approx(730 * (changes.cost_now - changes.cost_after))


@pytest.mark.parametrize(("most", "left"), [(0, 5), (1, 4), (2, 3)])
def test_no_more_nodes_are_drained_than_allowed(most, left):
    planned = plan(current={"m5.4xlarge": 5}, max_replaced=most)
    assert planned.diff().drain <= most
    assert planned.types["m5.4xlarge"] == left
    assert planned.pods == {"api": 12, "web": 40}


@functools.cache
def cost_beside(*stay):
    """The cost of the plan in which these (type, nodes) stay."""
    return plan(current=dict(stay), max_replaced=0).cost if stay else from_nothing().cost


@pytest.mark.parametrize("current", [{"m5.4xlarge": 5}, {"m5.4xlarge": 3, "m5.2xlarge": 2}])
@pytest.mark.parametrize("most", [0, 1, 2, 3])
def test_nodes_that_must_stay_are_part_of_the_bound(current, most):
    planned = plan(current=current, max_replaced=most)
    # Every choice of what stays, each with the cheapest additions, as plans of their own.
    every = [[range(number + 1), name] for name, number in current.items()]
    costs = []
    for chosen in itertools.product(*(numbers for numbers, _ in every)):
        stay = dict(zip((name for _, name in every), chosen, strict=True))
        if sum(current.values()) - sum(chosen) <= most:
            costs.append(cost_beside(*((name, number) for name, number in stay.items() if number)))
    assert planned.lower_bound <= min(costs) * (1 + 1e-9)
    assert planned.cost <= min(costs) * 1.01
    if len(current) == 1 or not most:
        assert planned.gap <= 0.01


def test_additions_alone_use_the_free_room_of_present_nodes_first():
    planned = plan(current={"m5.4xlarge": 1, "m5.2xlarge": 1}, max_replaced=0)
    changes = planned.diff()
    assert (changes.drain, changes.keep) == (0, 2)
    assert planned.cost <= 1.504 + 0.752 + 2 * 1.504 + 4 * 0.0055 + 1e-9
    assert changes.addresses_freed < 0
    assert "Keep: 1 x m5.2xlarge, 1 x m5.4xlarge." in planned.explain()


def test_nothing_to_do_is_an_answer():
    planned = plan(current=from_nothing().types)
    assert planned.diff().nothing_to_do
    assert str(planned.diff()).startswith("Nothing to do")
    assert planned.status == "proved"


def test_a_present_type_that_is_no_candidate_may_stay_but_not_grow():
    planned = plan_fleet(
        LOADS,
        prices={**PRICES, "c5.4xlarge": 0.1},
        candidates=list(PRICES),
        current={"c5.4xlarge": 1},
    )
    assert planned.types["c5.4xlarge"] == 1


def test_hourly_prices_are_saved_by_the_month():
    changes = plan(current={"m5.4xlarge": 5}).diff()
    hourly = type(changes)(**{**vars(changes), "unit": "USD/h"})
    plain = type(changes)(**{**vars(changes), "unit": "vCPU equivalents"})
    assert hourly.saving_per_month == pytest.approx(730 * plain.saving_per_month)
    assert "USD a month" in str(hourly)


@functools.cache
def kept_in_two_zones():
    return plan(LOADS[1:], current={"m5.4xlarge": 3}, zones=["a", "b"]).diff().keep


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "rows"])
def test_present_nodes_are_read_from_any_table_and_a_missing_zone_is_none(library):
    columns = {"instance_type": ["m5.4xlarge"] * 2, "nodes": [2, 1], "zone": ["a", None]}
    if library == "rows":
        table = pd.DataFrame(columns).to_dict("records")
    elif library == "pyarrow":
        table = pytest.importorskip("pyarrow", reason="PyArrow is not installed").table(columns)
    else:
        table = pytest.importorskip(library, reason=f"{library} is not installed").DataFrame(
            columns
        )
    planned = plan(LOADS[1:], current=table, zones=["a", "b"])
    assert planned.current == {"m5.4xlarge": 3}
    assert planned.diff().keep == kept_in_two_zones() > 0


def test_a_plan_and_its_groups_are_present_nodes():
    before = plan(max_types=1)
    for current in (before, before.groups):
        changes = plan(current=current, max_types=1).diff()
        assert (changes.keep, changes.add, changes.drain) == (before.nodes, 0, 0)


def test_present_nodes_are_read_from_states_groups_and_tables():
    group = NodeGroup(name="g", instance_types=("m5.4xlarge",), desired_size=2)
    nodes = tuple(Node(name=f"n{i}", os="windows", instance_type="m5.4xlarge") for i in range(2))
    table = pd.DataFrame({"instance_type": ["m5.4xlarge"], "nodes": [2]})
    indexed = table.set_index("instance_type")
    given = (ClusterState(nodes=nodes), [group], table, indexed, indexed["nodes"])
    for current in given:
        planned = plan(LOADS[1:], current=current)
        assert planned.current == {"m5.4xlarge": 2}
        assert planned.diff().to_pandas()["now"].sum() == 2
    assert FleetPlan.from_json(planned.to_json()) == planned


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"current": {"m5.larg": 1}}, UnknownInstanceTypeError, "m5.larg"),
        ({"current": 3}, UnsupportedInputError, "current must be"),
        ({"current": [3]}, UnsupportedInputError, "must hold node groups"),
        ({"current": {"r5.large": 1}}, InputError, "with a price"),
        ({"current": ClusterState()}, InputError, "knows no nodes"),
        ({"current": pd.DataFrame({"a": [1]})}, InputError, "columns 'instance_type'"),
        ({"current": [{"type": "m5.large", "nodes": 1}]}, InputError, "columns 'instance_type'"),
        ({"limits": {"a": 1}}, InputError, r"zone of the plan \(none is known: give subnets"),
        ({"at_least": {"c": 1}, "zones": ["a", "b"]}, InputError, r"zone of the plan \(a, b\)"),
        ({"current": [NodeGroup(name="g")]}, InputError, "tells 0 types"),
        ({"max_replaced": 1}, InputError, "give current too"),
        ({"current": {}, "max_replaced": -1}, InputError, "max_replaced"),
    ],
)
def test_what_cannot_be_read_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        plan(**options)


def test_changes_need_present_nodes():
    with pytest.raises(InputError, match="give plan_fleet current="):
        from_nothing().diff()


ZONED = pd.DataFrame(
    {
        "instance_type": ["m5.4xlarge", "m5.4xlarge", "m5.2xlarge"],
        "zone": ["a", "b", "a"],
        "nodes": [2, 1, 1],
    }
)


def test_present_nodes_stay_in_their_zones():
    loads = [load | {"zone_spread": True} for load in LOADS]
    planned = plan_fleet(
        loads,
        prices=PRICES,
        candidates=list(PRICES),
        zones=["a", "b", "c"],
        current=ZONED,
        max_replaced=0,
        compare=False,
    )
    there = {}
    for group in planned.groups:
        key = (group.instance_type, group.zone)
        there[key] = there.get(key, 0) + group.nodes
    for row in ZONED.itertuples():
        assert there.get((row.instance_type, row.zone), 0) >= row.nodes
    assert planned.diff().drain == 0
    assert sum(planned.current_kept.values()) == 4


def a_state(allowed):
    names = ["n1", "n2", "n3"]
    node = {"os": "windows", "arch": "amd64", "instance_type": "m5.4xlarge"}
    return ClusterState(
        nodes=tuple(Node(name=name, **node) for name in names),
        pods=tuple(
            Pod(
                namespace="shop",
                name=f"web-{number}",
                node=name,
                phase="Running",
                owner="ReplicaSet/web",
                cpu_m=500,
                memory_bytes=2**30,
                labels=(("app", "web"),) if number < 2 else (),
            )
            for number, name in enumerate(names)
        ),
        budgets=(
            DisruptionBudget(
                namespace="shop", name="web", selector=(("app", "web"),), allowed=allowed
            ),
        ),
    )


@pytest.mark.parametrize(("allowed", "stay"), [(0, 2), (1, 0)])
def test_nodes_whose_pods_may_not_be_evicted_stay(allowed, stay):
    state = a_state(allowed)
    planned = plan_fleet(
        state, prices=PRICES, candidates=list(PRICES), current=state, compare=False
    )
    assert planned.diff().keep == stay
    assert ("shop/web" in str(planned.diff())) == (stay > 0)
    assert type(planned).from_json(planned.to_json()) == planned


@pytest.mark.parametrize("where", ["a", "b"])
def test_the_node_that_a_budget_holds_stays_in_its_zone(where):
    state = a_state(0)
    zones = {"n1": where, "n2": "ab".replace(where, ""), "n3": "ab".replace(where, "")}
    nodes = tuple(replace(node, zone=zones[node.name]) for node in state.nodes)
    pods = tuple(replace(pod, labels=pod.labels * (pod.node == "n1")) for pod in state.pods)
    state = replace(state, nodes=nodes, pods=pods)
    asked = {"prices": PRICES, "candidates": list(PRICES), "compare": False}
    planned = plan_fleet(state, current=state, zones=["a", "b"], **asked)
    assert [(one.instance_type, one.zone) for one in planned.groups] == [("m5.4xlarge", where)]
    assert (planned.diff().keep, planned.diff().drain) == (1, 2)


def test_pods_of_several_budgets_are_not_evicted_and_those_that_wait_are():
    state = a_state(1)
    two = replace(state, budgets=(*state.budgets, replace(state.budgets[0], name="more")))
    asked = {"prices": PRICES, "candidates": list(PRICES), "compare": False}
    changes = plan_fleet(two, current=two, **asked).diff()
    assert changes.keep == 2
    assert "shop/more and shop/web for one pod" in str(changes)
    waiting = replace(a_state(0), pods=tuple(replace(pod, phase="Pending") for pod in state.pods))
    assert plan_fleet(waiting, current=waiting, **asked).diff().keep == 0


@pytest.mark.parametrize("most", [0, 1])
def test_nodes_in_zones_that_the_plan_lacks_are_not_taken_for_others(most):
    current = [{"instance_type": "m5.4xlarge", "nodes": 3, "zone": "c"}]
    planned = plan(LOADS[1:], current=current, zones=["a", "b"], max_replaced=most)
    changes = planned.diff()
    assert (changes.keep, changes.drain) == (3 - most, most)
    assert {one.zone: one.nodes for one in planned.groups if not one.pods} == {"c": 3 - most}
    assert "other zones (c)" in changes.notes[-1]


def test_of_node_groups_those_of_linux_are_left_out_and_spot_is_named():
    windows = NodeGroup(name="w", ami_type="WINDOWS_CORE_2022_x86_64", capacity_type="SPOT")
    windows = replace(windows, instance_types=("m5.4xlarge",), desired_size=2)
    linux = replace(windows, name="l", ami_type="AL2023_x86_64_STANDARD")
    for current in (iter([windows, linux]), ClusterState(node_groups=(windows, linux))):
        planned = plan(LOADS[1:], current=current, max_replaced=0)
        assert planned.current == {"m5.4xlarge": 2}
        assert planned.diff().notes[0] == "Node groups of Linux, left out: l."
        assert planned.diff().notes[1].startswith("Spot nodes of w count at the price on demand")


@pytest.mark.parametrize("objective", ["cost", "nodes"])
@pytest.mark.parametrize("most", [0, 1])
def test_a_fleet_of_which_all_must_stay_is_proved(objective, most):
    planned = plan(LOADS[1:], current={"m5.4xlarge": 9}, max_replaced=most, objective=objective)
    assert planned.types == {"m5.4xlarge": 9 - most}
    assert planned.status == "proved"


def test_a_plan_with_additions_alone_is_proved_to_the_last_digit():
    loads = [
        {"name": "web", "replicas": 3, "cpu": "1100m", "memory": "1500Mi"},
        {"name": "api", "replicas": 1, "cpu": "300m", "memory": "3000Mi"},
    ]
    prices = {"r5.large": 0.319, "c5.large": 0.183, "m5.xlarge": 0.37}
    asked = {"prices": prices, "candidates": list(prices), "node_cost": 0, "compare": False}
    planned = plan_fleet(loads, current={"c5.large": 1}, max_replaced=0, **asked)
    assert planned.cost == pytest.approx(0.553)
    assert planned.status == "proved"


def test_an_interrupt_ends_all_searches_from_now(monkeypatch):
    searched = []

    def interrupted(*_args, **_options):
        searched.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("eks_win_capacity.packing.solve.with_rounded_resources", interrupted)
    planned = plan(current={"m5.4xlarge": 9}, max_replaced=2)
    assert (planned.status, planned.feasible, len(searched)) == ("interrupted", True, 1)
    assert planned.diff().drain <= 2


@pytest.mark.parametrize("seconds", [1e-6, 1e-3, 1e-2])
def test_present_nodes_that_suffice_are_found_without_time(seconds):
    asked = {"candidates": ["m5.*"], "compare": False, "time_limit_s": seconds}
    loads = [
        {"name": "web", "replicas": 40, "cpu": "500m", "memory": "1Gi"},
        {"name": "api", "replicas": 12, "cpu": "1", "memory": "3Gi"},
    ]
    changes = plan_fleet(loads, current={"m5.2xlarge": 6}, **asked).diff()
    assert changes.cost_after <= changes.cost_now


def test_budgets_that_may_hold_nodes_are_named():
    asked = {"prices": PRICES, "candidates": list(PRICES), "compare": False}
    untold = a_state(None)
    by_expression = replace(untold.budgets[0], allowed=0, readable=False, selector=())
    elsewhere = replace(untold.budgets[0], namespace="other")
    for budgets, said in (
        (untold.budgets, True),
        ((by_expression,), True),
        ((elsewhere,), False),
        ((replace(by_expression, allowed=1),), False),
    ):
        state = replace(untold, budgets=budgets)
        planned = plan_fleet(state, current=state, **asked)
        assert planned.diff().keep == 0
        assert ("may hold nodes: shop/web." in str(planned.diff())) == said


def test_budgets_are_read_and_kept():
    budget = {
        "kind": "PodDisruptionBudget",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": 0},
    }
    state = load_files(budget)
    assert state.budgets == a_state(0).budgets
    assert ClusterState.from_dict(state.to_dict()) == state


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({"maxUnavailable": 0}, 0),
        ({"maxUnavailable": "0%"}, 0),
        ({"minAvailable": "100%"}, 0),
        ({"minAvailable": "50%"}, None),
        ({"maxUnavailable": 1}, None),
    ],
)
def test_a_budget_without_status_may_never_allow_an_eviction(spec, allowed):
    chosen = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}
    meta = {"namespace": "shop", "name": "web"}
    budget = {"kind": "PodDisruptionBudget", "metadata": meta, "spec": spec | {"selector": chosen}}
    assert load_files(budget).budgets == a_state(allowed).budgets
    chosen["matchExpressions"].append({"key": "tier", "operator": "Exists"})
    assert load_files(budget).budgets == (replace(a_state(allowed).budgets[0], readable=False),)


def test_nodes_are_replaced_up_to_the_limit_where_that_saves_more():
    loads = [{"name": "web", "replicas": 60, "cpu": "1", "memory": "1Gi"}]
    prices = {"m5.4xlarge": 3.0, "c5.4xlarge": 1.0}
    costs = [
        plan_fleet(
            loads,
            prices=prices,
            candidates=list(prices),
            current={"m5.4xlarge": 4},
            max_replaced=most,
            compare=False,
        ).cost
        for most in range(5)
    ]
    assert costs == sorted(costs, reverse=True)
    assert costs[2] == pytest.approx(2 * 3.0 + 2 * 1.0 + 4 * 0.0055)


def full_subnet(left):
    from eks_win_capacity.addresses.subnet import Subnet

    subnet = Subnet("10.0.0.0/26", subnet_id="subnet-a", zone="a")
    return Subnet("10.0.0.0/26", subnet_id="subnet-a", zone="a", used=subnet.free - left)


@pytest.mark.parametrize("left", [0, 1, 5])
def test_present_nodes_are_not_charged_for_the_addresses_that_they_hold(left):
    nodes = tuple(
        Node(name=f"n{at}", instance_type="m5.large", zone="a", os="windows") for at in range(3)
    )
    pods = tuple(
        Pod(
            namespace="d", name=f"p{at}", node=f"n{at % 3}", phase="Running",
            owner="ReplicaSet/web-1", selects_os="windows", cpu_m=100, memory_bytes=2**28,
        )
        for at in range(24)
    )  # fmt: skip
    answer = plan_fleet(
        [{"name": "web", "replicas": 24, "cpu": "100m", "memory": "256Mi"}],
        candidates=["m5.large"],
        subnets=full_subnet(left),
        current=ClusterState(nodes=nodes, pods=pods),
        compare=False,
    )
    assert answer.feasible
    assert answer.types == {"m5.large": 3}
    assert answer.diff().nothing_to_do
    # One node more takes addresses of its own, which are not there.
    grown = plan_fleet(
        [{"name": "web", "replicas": 40, "cpu": "100m", "memory": "256Mi"}],
        candidates=["m5.large"],
        subnets=full_subnet(left),
        current=ClusterState(nodes=nodes, pods=pods),
        compare=False,
    )
    assert not grown.feasible


def test_limits_count_the_present_nodes_that_stay():
    limits = {"nodes": 5, "m5.4xlarge": 4}
    kept = plan(current={"m5.4xlarge": 4}, max_replaced=0, limits=limits)
    assert kept.feasible
    assert kept.nodes <= 5
    assert kept.types["m5.4xlarge"] == 4
    gone = plan(current={"m5.4xlarge": 4}, limits={"m5.4xlarge": 1})
    assert gone.types.get("m5.4xlarge", 0) <= 1


def test_beside_present_nodes_no_more_types_are_added_than_allowed():
    drained = plan(current={"m5.large": 1}, max_types=1)
    assert drained.feasible
    assert len(drained.types) == 1
    staying = plan(current={"m5.large": 1}, max_types=1, max_replaced=0)
    assert staying.feasible
    assert set(staying.types) == {"m5.large"}


def test_types_of_nodes_that_stay_leave_room_for_fewer_others():
    present = {"m5.large": 1, "m5.4xlarge": 1}
    answer = plan(current=present, max_types=2, max_replaced=0)
    assert answer.feasible
    assert set(answer.types) == set(present)


def test_no_plan_with_so_few_types_beside_the_present_nodes_is_not_called_infeasible():
    answer = plan_fleet(
        LOADS, prices=PRICES, candidates=["m5.2xlarge"], current={"m5.large": 1},
        max_types=1, max_replaced=0,
    )  # fmt: skip
    assert not answer.feasible
    assert answer.status == "not-found"
    assert "max_types=1" in str(answer)


SPOT = {name: price * 0.4 for name, price in PRICES.items()}


@pytest.mark.parametrize(
    "buy",
    [
        {"paid": {"m5.2xlarge": 3}},
        {"paid": {"m5.large": 5, "m5.4xlarge": 9}},
        {"spot_share": 0.5, "spot_prices": SPOT},
    ],
)
def test_changes_cost_what_the_plan_costs_however_nodes_are_bought(buy):
    loads = LOADS[1:] if "spot_share" in buy else LOADS  # each way to buy is in the plan
    planned = plan(loads, current={"m5.2xlarge": 4, "m5.4xlarge": 2}, buy=buy)
    assert {group.purchase for group in planned.groups} >= {"spot" if loads != LOADS else "paid"}
    changes = planned.diff()
    assert changes.cost_after == pytest.approx(planned.cost)
    paid = buy.get("paid", {})
    now = {"m5.2xlarge": 4, "m5.4xlarge": 2}
    due = sum((n - min(n, paid.get(name, 0))) * PRICES[name] for name, n in now.items())
    assert changes.cost_now == pytest.approx(due + 6 * 0.0055)


def test_nodes_paid_already_need_no_price_beside_present_ones():
    planned = plan_fleet(
        [{"name": "web", "replicas": 30, "cpu": "500m", "memory": "1Gi"}],
        candidates=["m5.2xlarge", "m5.4xlarge"],
        prices={"m5.2xlarge": 0.8},
        buy={"paid": {"m5.4xlarge": 1}},
        current={"m5.2xlarge": 1},
        max_replaced=0,
        compare=False,
    )
    rows = planned.diff().to_pandas().set_index("instance_type")
    assert rows.loc["m5.4xlarge", "add"] == 1
    assert rows["cost_after"].sum() == pytest.approx(planned.cost)


def test_no_present_node_becomes_a_spot_node_by_staying():
    buy = {"spot_share": 1, "spot_prices": SPOT}
    planned = plan(current={"m5.2xlarge": 8}, max_replaced=0, buy=buy)
    stay = [group for group in planned.groups if group.purchase != "spot"]
    assert sum(group.nodes for group in stay if group.instance_type == "m5.2xlarge") == 8
    assert (planned.diff().keep, planned.diff().drain) == (8, 0)
    free = plan(current={"m5.2xlarge": 8}, buy=buy)
    spot = sum(group.nodes for group in free.groups if group.purchase == "spot")
    assert spot
    assert free.diff().add >= spot


@pytest.mark.parametrize("more", [(), ("kube-system",)])
def test_a_plan_from_the_pods_of_one_namespace_says_so(more):
    node = Node(name="n", os="windows", instance_type="m5.large", zone="a")
    pods = tuple(
        Pod(namespace=space, name="a", node="n", phase="Running", selects_os="windows", cpu_m=100)
        for space in ("shop", *more)
    )
    state = ClusterState(nodes=(node,), pods=pods)
    planned = plan_fleet(state, prices=PRICES, candidates=list(PRICES), current=state)
    assert ("All pods of the state are of shop" in str(planned.diff())) is not bool(more)


@pytest.mark.parametrize("how", [{"ready": False}, {"schedulable": False}])
def test_nodes_that_take_no_pods_are_no_present_capacity(how):
    node = Node(name="a", os="windows", instance_type="m5.large")
    planned = plan(current=ClusterState(nodes=(node, replace(node, name="b", **how)), pods=()))
    changes = planned.diff()
    assert changes.keep + changes.drain == 1
    assert "1 present node takes no new pods and is not counted on" in planned.explain()
