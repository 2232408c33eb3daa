"""Values that are legal Python and trouble for arithmetic: masks, widths, byte orders, overlaps."""

import itertools
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import eks_win_capacity as ewc
from eks_win_capacity.catalog.limit_table import bundled_table
from eks_win_capacity.core import arrays
from eks_win_capacity.core.errors import (
    CapacityError,
    InvalidCountError,
    MissingValueError,
    UnknownInstanceTypeError,
)
from eks_win_capacity.density.fleet_codes import max_pods_of_codes

TYPES = ["m5.large", "m5.4xlarge"]
POOL = ewc.WarmPool.secondary()
WIDTHS = [f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)]


def hidden(values):
    """The second value is masked, and what lies below it makes sense."""
    return np.ma.masked_array(values, mask=[False, True])


DOORS = {
    "ip_capacity": lambda: ewc.ip_capacity(hidden([10, 15])),
    "ip_capacity, masked": lambda: ewc.ip_capacity(np.ma.masked),
    "ip_capacity, modes": lambda: ewc.ip_capacity(10, prefix_delegation=hidden([True, False])),
    "max_pods": lambda: ewc.max_pods(hidden(TYPES)),
    "max_pods, kubelet": lambda: ewc.max_pods(TYPES, kubelet_max_pods=hidden([5, 6])),
    "max_pods, modes": lambda: ewc.max_pods(TYPES, prefix_delegation=hidden([True, False])),
    "Fleet": lambda: ewc.Fleet.encode(hidden(TYPES)),
    "Fleet.from_codes": lambda: ewc.Fleet.from_codes(hidden([0, 1]), TYPES),
    "nodes_needed": lambda: ewc.Fleet.encode(TYPES).nodes_needed(hidden([5, 6])),
    "node_capacity": lambda: ewc.node_capacity(TYPES, host_process_pods=hidden([5, 6])),
    "node_capacity, cpu": lambda: ewc.node_capacity(TYPES, pod_cpu=hidden([5, 6])),
    "node_capacity, memory": lambda: ewc.node_capacity(TYPES, pod_memory=hidden([5, 6])),
    "attached": lambda: ewc.attached_addresses(hidden([5, 6]), slots=9, pool=POOL),
    "attached, slots": lambda: ewc.attached_addresses([5, 6], slots=hidden([9, 9]), pool=POOL),
    "attached, pool": lambda: ewc.attached_addresses(
        5, slots=9, pool=hidden(np.array([POOL, POOL], dtype=object))
    ),
    "Subnet": lambda: ewc.Subnet("10.0.0.0/24", used=hidden([167772170, 167772171])),
    "events, seconds": lambda: ewc.simulate_pool(
        {"seconds": hidden([0, 1]), "kind": ["tick"] * 2, "pod": [None] * 2}, slots=9, pool=POOL
    ),
    "events, kind": lambda: ewc.simulate_pool(
        {"seconds": [0, 1], "kind": hidden(["tick"] * 2), "pod": [None] * 2}, slots=9, pool=POOL
    ),
    "lifetimes": lambda: ewc.Empirical(hidden([30.0, 60.0])).draw(np.random.default_rng(0), 2),
}


@pytest.mark.parametrize("door", DOORS)
def test_masked_values_are_missing_at_every_door(door):
    with pytest.raises(MissingValueError, match="missing value"):
        DOORS[door]()


def test_a_masked_pod_is_missing_where_an_event_needs_one():
    columns = {"seconds": [0, 1], "kind": ["assign", "tick"], "pod": hidden([7, 8])}
    assert ewc.simulate_pool(columns, slots=9, pool=POOL)["used"].tolist() == [1, 1]
    columns["kind"] = ["tick", "assign"]
    with pytest.raises(CapacityError, match="event 1 must name a pod"):
        ewc.simulate_pool(columns, slots=9, pool=POOL)


@pytest.mark.parametrize("width", WIDTHS)
def test_numbers_of_every_width_and_byte_order_mean_the_same(width):
    given = np.array([2, 15, 127], dtype=width)
    assert ewc.ip_capacity(given).tolist() == [1, 14, 126]
    assert ewc.max_pods(["m5.24xlarge"] * 3, kubelet_max_pods=given).tolist() == [2, 15, 49]
    assert ewc.attached_addresses(given, slots=100, pool=POOL).used.tolist() == [2, 15, 100]
    assert ewc.Fleet.encode("m5.large").nodes_needed(given[1]) == 2
    scalar = given[2]
    kept = ewc.Reserved(
        cpu_m=scalar, system_memory_mib=scalar, kube_memory_mib=scalar, eviction_mib=scalar
    )
    assert kept == ewc.Reserved(
        cpu_m=127, system_memory_mib=127, kube_memory_mib=127, eviction_mib=127
    )
    assert kept.memory == 3 * 127 * 2**20
    assert {type(value) for value in vars(kept).values()} == {int}


def test_a_reservation_of_a_numpy_scalar_gives_the_pods_of_the_same_number():
    answers = [
        ewc.node_capacity(
            "m5.large", pod_memory="1Gi", reserved=ewc.Reserved(system_memory_mib=kind(4_000))
        ).pods
        for kind in (int, np.uint32, np.int16, np.uint64)
    ]
    assert set(answers) == {3}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_infinity_of_any_width_is_refused(dtype):
    for value in (dtype("inf"), np.array([10, np.inf], dtype=dtype)):
        with pytest.raises(InvalidCountError, match=r"got .*inf"):
            ewc.ip_capacity(value)
        with pytest.raises(InvalidCountError, match=r"got .*inf"):
            ewc.max_pods("m5.large", kubelet_max_pods=value)


@pytest.mark.parametrize("dtype", [width for width in WIDTHS if width[2] != "1"])
@pytest.mark.parametrize("kind", [pa.array, lambda x: pa.chunked_array([x]), pd.Series, pd.Index])
@pytest.mark.parametrize("last", ["t3.xlarge", None])
def test_answers_of_any_byte_order_go_into_every_kind_of_column(kind, dtype, last):
    answer = ewc.max_pods(kind(["m5.large", last]), dtype=dtype, on_unknown="null")
    values = answer.tolist() if hasattr(answer, "tolist") else answer.to_pylist()
    assert values[0] == 9
    assert values[1] == 14 if last else pd.isna(values[1])


@pytest.mark.parametrize("width", ["<i8", ">i8", "<i2", "<u4"])
def test_out_may_overlap_the_limits(width):
    limits = np.array([1, 200, 3, 9], dtype=width)
    names = ["m5.large", "m5.large", "m5.4xlarge", "m5.4xlarge"]
    wanted = ewc.max_pods(names, kubelet_max_pods=limits.copy()).tolist()
    assert ewc.max_pods(names, kubelet_max_pods=limits, out=limits).tolist() == wanted
    shifted = np.array([1, 200, 3, 9, 7], dtype=width)
    ewc.max_pods(names, kubelet_max_pods=shifted[:-1], out=shifted[1:])
    assert shifted.tolist() == [1, *wanted]


def test_out_may_overlap_codes():
    codes = np.array([0, 1, 1], dtype=np.int64)
    column = pd.Series(pd.Categorical.from_codes(codes, TYPES))
    small = column.cat.codes.to_numpy()
    wanted = ewc.max_pods(column).tolist()
    assert small.base is not None or small.flags.owndata
    if not small.flags.writeable:
        small = small.copy()
    assert ewc.max_pods(column, out=small).tolist() == wanted
    fleet = ewc.Fleet.from_codes(codes, TYPES)
    assert fleet.max_pods(out=codes).tolist() == wanted
    assert fleet.max_pods().tolist() == wanted


def test_out_has_no_mask():
    with pytest.raises(CapacityError, match="without a mask"):
        ewc.max_pods(TYPES, out=np.ma.zeros(2, dtype=np.int64))


def test_unknown_names_in_many_chunks_cost_what_they_cost_in_one():
    chunks = [[f"x{chunk}.y{row}" for row in range(50)] for chunk in range(1_600)]
    spent = []
    for column in (pa.chunked_array(chunks), pa.chunked_array([list(itertools.chain(*chunks))])):
        start = time.process_time()
        with pytest.raises(UnknownInstanceTypeError) as caught:
            ewc.max_pods(column)
        spent.append(time.process_time() - start)
        assert caught.value.count == 80_000
        assert caught.value.positions == (0, 1, 2, 3, 4)
    assert spent[0] < 10 * spent[1] + 1


ONE = ewc.Subnet("10.0.0.0/24")
WORK = ewc.Poisson(pods_per_minute=2, lifetime=60)
CALLS = {
    "max_pods": lambda x: ewc.max_pods("m5.large", on_unknown=x),
    "max_pods, out": lambda x: ewc.max_pods(TYPES, out=x, dtype="i4"),
    "max_pods, dtype": lambda x: ewc.max_pods(TYPES, dtype=x, out=np.zeros(2, np.int32)),
    "from_codes": lambda x: ewc.Fleet.from_codes([0], x),
    "pod_cpu": lambda x: ewc.node_capacity("m5.large", pod_cpu=x),
    "total": lambda x: ewc.Fleet.encode(TYPES).total(kubelet_max_pods=x),
    "Reserved": lambda x: ewc.Reserved(cpu_m=x),
    "reserved": lambda x: ewc.node_capacity("m5.large", reserved=x),
    "attached": lambda x: ewc.attached_addresses(x, slots=9, pool=POOL),
    "attached, pool": lambda x: ewc.attached_addresses(1, slots=9, pool=x),
    "warm target": lambda x: ewc.WarmPool.prefix(warm_ip_target=x),
    "direction": lambda x: ewc.migration("m5.large", 3, x),
    "catalog": lambda x: ewc.smallest_subnet(
        nodes=2, instance_type="m5.large", pods_per_node=3, catalog=x
    ),
    "events": lambda x: ewc.simulate_pool(x, slots=9, pool=POOL),
    "slots": lambda x: ewc.simulate_pool([], slots=x, pool=POOL),
    "retries": lambda x: ewc.simulate_pool([], slots=9, pool=POOL, retries=x),
    "engine": lambda x: ewc.simulate_pool([], slots=9, pool=POOL, engine=x),
    "workload": lambda x: ewc.simulate_churn(x, nodes=1, slots=9, pool=POOL),
    "placement": lambda x: ewc.simulate_churn(WORK, nodes=1, slots=9, pool=POOL, placement=x),
    "rng": lambda x: ewc.simulate_churn(WORK, nodes=1, slots=9, pool=POOL, hours=0.1, rng=x),
    "quantile": lambda x: ewc.best_targets(WORK, nodes=1, slots=2, wait_s=1, quantile=x),
    "candidates": lambda x: ewc.best_targets(WORK, nodes=1, slots=2, wait_s=1, candidates=x),
    "lifetimes": lambda x: ewc.Empirical(x).draw(np.random.default_rng(0), 2),
    "replicas": lambda x: ewc.simulate_churn(
        ewc.RollingUpdate(replicas=x, at_s=5), nodes=1, slots=9, pool=POOL
    ),
    "cron": lambda x: ewc.simulate_churn(
        ewc.CronJob(pods=x, every_s=5, lifetime=5), nodes=1, slots=9, pool=POOL
    ),
}
WRONG = [
    object(),
    1j,
    int,
    [[1], [1, 2]],
    pd.NA,
    np.ma.masked,
    pd.DataFrame({"a": [1]}),
    np.array(["a"], dtype=object),
    10**400,
]


FINE = {("rng", int), ("pod_cpu", int), ("lifetimes", pd.DataFrame)}
"""A seed and a request have any size; a table of numbers is numbers."""


@pytest.mark.filterwarnings("ignore:.*converting a masked element:UserWarning")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: str(type(value).__name__))
def test_wrong_arguments_are_errors_of_ours(call, wrong):
    if (call, type(wrong)) in FINE:
        return
    with pytest.raises(CapacityError):
        CALLS[call](wrong)


def test_an_array_with_nothing_masked_is_an_array():
    assert ewc.ip_capacity(np.ma.masked_array([10, 15], mask=False)).tolist() == [9, 14]


def test_a_masked_item_is_missing():
    assert arrays.is_missing(np.ma.masked)
    with pytest.raises(CapacityError, match="position 1"):
        ewc.max_pods(["m5.large", np.ma.masked])


def test_one_number_is_not_a_column():
    with pytest.raises(InvalidCountError, match=r"got a column of shape \(2,\)"):
        ewc.Reserved(cpu_m=[1, 2])


def test_answers_may_overwrite_the_codes_they_come_from():
    table = bundled_table()
    codes = np.array([table.code_of[name] for name in TYPES], dtype=np.int64)
    max_pods_of_codes(codes, table, prefix_delegation=False, kubelet_max_pods=None, out=codes)
    assert codes.tolist() == ewc.max_pods(TYPES).tolist()
