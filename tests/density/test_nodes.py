"""What binds a node: addresses, the kubelet, CPU or memory."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from ec2_rows import ec2_row
from hypothesis import given
from hypothesis import strategies as st

import eks_win_capacity as ewc
from eks_win_capacity.catalog.limits import bundled_rows, max_pods_cap
from eks_win_capacity.core.errors import (
    IndexMismatchError,
    InputError,
    InvalidCountError,
    InvalidQuantityError,
    MissingValueError,
    ShapeMismatchError,
    UnknownInstanceTypeError,
    UnlikelyQuantityWarning,
    UnsupportedInputError,
)
from eks_win_capacity.density.node_capacity import CONSTRAINTS, node_capacity
from eks_win_capacity.density.reserved import (
    Reserved,
    allocatable,
    karpenter_addresses,
    karpenter_cpu_reserved_m,
    karpenter_memory_mib,
    reservations,
)

CATALOG = ewc.Catalog.bundled()
names = st.sampled_from(bundled_rows()[0])
questions = st.fixed_dictionaries(
    {
        "prefix_delegation": st.booleans(),
        "kubelet_max_pods": st.integers(0, 1200),
        "pod_cpu": st.sampled_from([0, "1m", "250m", "1", 2.5, "64"]),
        "pod_memory": st.sampled_from(["0", "1000000", "100Mi", "1.5Gi", "1e9", "1Ti"]),
        "host_process_pods": st.integers(0, 200),
    }
)


# -- laws ---------------------------------------------------------------------


@given(st.lists(st.tuples(names, questions), min_size=1, max_size=4))
def test_a_frame_says_what_its_nodes_say(rows):
    types = [name for name, _ in rows]
    columns = {key: [question[key] for _, question in rows] for key in rows[0][1]}
    frame = node_capacity(types, **columns)
    for row, (name, question) in zip(frame.to_dict("records"), rows, strict=True):
        alone = node_capacity(name, **question).to_dict()
        cells = {key: None if pd.isna(value) else value for key, value in row.items()}
        assert cells == {key: alone[key] for key in cells}


@given(names, questions)
def test_the_smallest_decides_and_is_named(name, question):
    node = node_capacity(name, **question)
    allowed = [node.address_pods, node.kubelet_pods, node.cpu_pods, node.memory_pods]
    known = [value for value in allowed if value is not None]
    assert node.pods == min(known) >= 0
    assert allowed[CONSTRAINTS.index(node.binding)] == node.pods
    assert node.pods not in allowed[: CONSTRAINTS.index(node.binding)]
    assert node.address_pods == ewc.max_pods(name, prefix_delegation=question["prefix_delegation"])


@given(names, questions)
def test_the_advised_limit_lifts_the_pods_as_far_as_it_can(name, question):
    node = node_capacity(name, **question)
    if node.kubelet_extra_args is None:
        return
    assert node.binding == "kubelet"
    wanted = int(
        node.kubelet_extra_args.removeprefix("-KubeletExtraArgs '--max-pods=").removesuffix("'")
    )
    cap = max_pods_cap(CATALOG[name])
    assert question["kubelet_max_pods"] < wanted <= cap
    lifted = node_capacity(name, **{**question, "kubelet_max_pods": wanted})
    assert lifted.pods >= node.pods
    others = (lifted.address_pods, lifted.cpu_pods, lifted.memory_pods)
    assert wanted == cap or lifted.pods == min(value for value in others if value is not None)


@given(names, st.integers(16, 10**5), st.integers(16, 10**5))
def test_keeping_more_never_leaves_more_room(name, a, b):
    low, high = sorted((a, b))
    roomy, tight = (
        allocatable(CATALOG[name], Reserved(cpu_m=n, eviction_mib=n)) for n in (low, high)
    )
    assert roomy[0] >= tight[0] >= 0
    assert roomy[1] >= tight[1] >= 0


# -- reference values ---------------------------------------------------------


def test_an_m5_large_with_prefixes_runs_110_pods_until_that_is_raised():
    """EKS user guide: capacity pods 110, vpc.amazonaws.com/PrivateIPv4Address 144."""
    node = node_capacity("m5.large", prefix_delegation=True)
    assert (node.pods, node.binding, node.address_pods, node.kubelet_pods) == (
        110,
        "kubelet",
        144,
        110,
    )
    assert node.kubelet_extra_args is None  # AWS advises 110 below 30 vCPUs
    lifted = node_capacity("m5.large", prefix_delegation=True, kubelet_max_pods=144)
    assert (lifted.pods, lifted.binding, lifted.kubelet_extra_args) == (144, "addresses", None)


def test_no_limit_above_250_is_advised():
    """EKS best practices guide, "Prefix mode for Windows": 110, at most 250."""
    node = node_capacity("m5.8xlarge", prefix_delegation=True, host_process_pods=3)
    assert node.address_pods == 464
    assert node.kubelet_extra_args == "-KubeletExtraArgs '--max-pods=250'"
    full = node_capacity("m5.8xlarge", prefix_delegation=True, kubelet_max_pods=250)
    assert (full.binding, full.kubelet_extra_args) == ("kubelet", None)


def test_the_best_practices_reservations_are_the_default():
    """1.5 GiB for the system, 0.5 GiB for the kubelet, 500 MiB before eviction; m5.large has 8 GiB."""
    assert Reserved().memory == (1536 + 512 + 500) * 2**20
    node = node_capacity("m5.large", pod_cpu="250m", pod_memory="1Gi")
    assert node.allocatable_memory == (8192 - 2548) * 2**20
    assert node.allocatable_cpu_m == 2000
    assert (node.cpu_pods, node.memory_pods, node.pods, node.binding) == (8, 5, 5, "memory")


def test_host_process_pods_count_towards_the_kubelet_alone():
    node = node_capacity("m5.large", prefix_delegation=True, host_process_pods=10)
    assert (node.pods, node.address_pods, node.kubelet_pods) == (100, 144, 100)
    crowded = node_capacity("m5.8xlarge", host_process_pods=200)
    assert (crowded.pods, crowded.binding) == (0, "kubelet")
    assert crowded.kubelet_extra_args == "-KubeletExtraArgs '--max-pods=229'"
    assert node_capacity("m5.large", host_process_pods=200).kubelet_extra_args is None


def test_ties_name_the_first_constraint():
    assert node_capacity("m5.large", kubelet_max_pods=9).binding == "addresses"
    assert node_capacity("m5.large", kubelet_max_pods=4, pod_cpu="500m").binding == "kubelet"
    tie = node_capacity("m5.large", pod_cpu="500m", pod_memory=1479540736)
    assert (tie.cpu_pods, tie.memory_pods, tie.binding) == (4, 4, "cpu")


def test_a_limit_that_does_not_apply_is_missing():
    node = node_capacity("m5.large", kubelet_max_pods=None, pod_cpu=0)
    assert (node.kubelet_pods, node.cpu_pods, node.memory_pods) == (None, None, None)
    frame = node_capacity(["m5.large"], kubelet_max_pods=None)
    assert (
        frame[["kubelet_pods", "cpu_pods", "memory_pods", "kubelet_extra_args"]]
        .isna()
        .all(axis=None)
    )


def test_types_without_nitro_say_that_they_hold_no_prefixes():
    node = node_capacity("t2.large", prefix_delegation=True)
    assert (node.pods, node.prefix_delegation) == (11, False)


def test_a_request_beyond_all_measure_fits_nowhere():
    assert node_capacity("m5.large", pod_memory="1e999").pods == 0
    with pytest.warns(UnlikelyQuantityWarning, match="whole CPUs"):
        assert node_capacity(["m5.large"], pod_cpu=["9Ei"])["pods"].tolist() == [0]


def test_the_verdict_on_windows_comes_along():
    assert node_capacity("m6g.large").windows.status == "unsupported"
    assert node_capacity("m6g.large").to_dict()["windows"] == "unsupported"


# -- frames -------------------------------------------------------------------


def test_a_frame_keeps_the_index_of_its_series():
    types = pd.Series(["m5.large", "t2.large"], index=["a", "b"])
    frame = node_capacity(types, pod_cpu=pd.Series(["250m", "1"], index=["a", "b"]))
    assert frame.index.tolist() == ["a", "b"]
    assert frame["pods"].tolist() == [8, 2]
    assert frame["binding"].tolist() == ["cpu", "cpu"]
    assert frame["cpu_pods"].dtype == "Int64"
    assert node_capacity(
        "m5.large", host_process_pods=pd.Series([0], index=["z"])
    ).index.tolist() == ["z"]


def test_one_type_broadcasts_and_an_empty_fleet_is_an_empty_frame():
    frame = node_capacity("m5.large", prefix_delegation=[False, True])
    assert frame["pods"].tolist() == [9, 110]
    empty = node_capacity([])
    assert len(empty) == 0
    assert list(empty.columns) == list(frame.columns)
    assert isinstance(node_capacity(np.array("m5.large")), ewc.NodeCapacity)


def test_an_encoded_fleet_is_a_column():
    types = pd.Series(["m5.large", "t2.large"], index=["a", "b"])
    fleet = ewc.Fleet.encode(types)
    pd.testing.assert_frame_equal(node_capacity(fleet), node_capacity(types))


def test_a_fleet_answers_from_its_own_catalog():
    catalog = CATALOG.filter(family="t2")
    fleet = ewc.Fleet.encode(["t2.large"], catalog=catalog)
    assert node_capacity(fleet, catalog=catalog)["pods"].tolist() == [11]
    with pytest.raises(InputError, match="give node_capacity the same catalog"):
        node_capacity(fleet)


# -- reservations -------------------------------------------------------------


def test_reservations_may_be_replaced():
    assert reservations() == Reserved()
    by_mapping = node_capacity("m5.large", pod_cpu="1", reserved={"cpu": "1500m", "memory": "4Gi"})
    assert (by_mapping.allocatable_cpu_m, by_mapping.allocatable_memory) == (500, 4 * 2**30)
    assert by_mapping.pods == 0
    same = node_capacity("m5.large", pod_cpu="1", reserved=reservations(cpu="1.5", memory="4096Mi"))
    assert same == by_mapping
    assert reservations(memory="1000001").memory == 2**20
    assert node_capacity("m5.large", reserved={"memory": "1Ti"}).allocatable_memory == 0


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        (lambda: Reserved(system_memory_mib=2), "system_memory_mib: 2 is 2 MiB; 2 GiB are 2048"),
        (lambda: Reserved(kube_memory_mib=2**31), "kube_memory_mib: .* more than any"),
        (lambda: reservations(memory=1024), "reserved memory: 1024 is 1,024 bytes"),
        (
            lambda: node_capacity("m5.large", reserved={"memory": 2}),
            "reserved memory: 2 is 2 bytes",
        ),
        (lambda: node_capacity("m5.large", reserved={"cpu": 500}), "reserved cpu: .* 500m"),
        (lambda: node_capacity("m5.large", pod_memory=1024), "pod_memory: .* 1024Mi"),
        (
            lambda: node_capacity(["m5.large"] * 2, pod_memory=["512m", "2"]),
            "pod_memory: .* 2 values",
        ),
    ],
)
def test_what_nobody_means_is_questioned_once_at_the_line_that_asked(kept, asked):
    with pytest.warns(UnlikelyQuantityWarning) as questions:
        kept()
    (question,) = questions
    assert re.search(asked, str(question.message))
    assert question.filename == __file__


def test_what_is_meant_is_not_questioned():
    Reserved(cpu_m=1, system_memory_mib=0, kube_memory_mib=16, eviction_mib=2**25)
    node_capacity("m5.large", pod_cpu="99", pod_memory=1_000_000, reserved={"memory": 0})


@pytest.mark.parametrize("wrong", [{"x": 1}, {"cpu": "1", "disk": "1"}, None, "1Gi", 3])
def test_a_reservation_of_something_else_is_refused(wrong):
    with pytest.raises(
        InputError, match='reserved must be a Reserved, or a mapping with "cpu" or "memory"'
    ):
        node_capacity("m5.large", reserved=wrong)


def test_reservations_are_checked():
    with pytest.raises(InvalidCountError, match="cpu_m"):
        Reserved(cpu_m=-1)
    with pytest.raises(InvalidCountError, match="eviction_mib"):
        Reserved(eviction_mib=0.5)
    with pytest.raises(InvalidQuantityError):
        node_capacity("m5.large", reserved={"cpu": "-1"})


# -- errors -------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["1GiB", "-1", True, "", ["1", "x"], [True]])
def test_a_request_must_be_a_quantity(wrong):
    for request in ("pod_cpu", "pod_memory"):
        with pytest.raises(InvalidQuantityError):
            node_capacity("m5.large", **{request: wrong})


@pytest.mark.parametrize(
    "missing",
    [["1", None], pd.Series(["1", None]), [1.0, float("nan")], pd.array([1, None], dtype="Int64")],
)
def test_a_missing_request_is_an_error_with_its_place(missing):
    with pytest.raises(
        MissingValueError, match="pod_memory has 1 missing value, first at position 1"
    ):
        node_capacity(["m5.large"] * 2, pod_memory=missing)


def test_columns_that_do_not_go_together_are_refused():
    types = pd.Series(["m5.large"] * 2)
    with pytest.raises(IndexMismatchError):
        node_capacity(types, pod_cpu=pd.Series(["1", "2"], index=[5, 6]))
    with pytest.raises(ShapeMismatchError):
        node_capacity(types, pod_cpu=["1", "2", "3"])
    with pytest.raises(InputError, match="one dimension"):
        node_capacity([["m5.large"]])
    with pytest.raises(UnsupportedInputError):
        node_capacity(types, pod_cpu=pd.DataFrame({"a": ["1", "2"]}))


def test_unknown_and_missing_types_are_refused():
    with pytest.raises(UnknownInstanceTypeError):
        node_capacity(["m5.large", "nope"])
    with pytest.raises(MissingValueError):
        node_capacity(["m5.large", None])
    with pytest.raises(InputError, match="1 node of the fleet is of unknown type"):
        node_capacity(ewc.Fleet.encode([None], on_unknown="null"))


@pytest.mark.parametrize(
    "question", [{"host_process_pods": -1}, {"kubelet_max_pods": 1.5}, {"host_process_pods": True}]
)
def test_counts_are_whole_numbers(question):
    with pytest.raises(InvalidCountError):
        node_capacity("m5.large", **question)


@given(
    name=st.sampled_from(["m5.large", "t2.large", "c5.metal", "m5.24xlarge", "r5.4xlarge"]),
    prefix_delegation=st.booleans(),
    kubelet_max_pods=st.none() | st.integers(0, 300),
    pod_cpu=st.none() | st.sampled_from([0, "0", "250m", 2, 0.1, "64", 99]),
    pod_memory=st.none() | st.sampled_from([0, "1Gi", "512Mi", 1.5e6, "2e9", "1E"]),
    host_process_pods=st.integers(0, 120),
    reserved=st.sampled_from([Reserved(), Reserved(cpu_m=1_900), {"memory": "500Gi"}]),
)
def test_one_node_is_the_row_of_its_frame(name, **asked):
    node = ewc.node_capacity(name, **asked)
    row = ewc.node_capacity([name], **asked).iloc[0]
    for field, value in node.to_dict().items():
        if field in row.index:
            assert (None if row[field] is pd.NA else row[field]) == value, field
    # Numbers of NumPy take the way of columns, and end at the same answer.
    columns = {**asked, "prefix_delegation": np.bool_(asked["prefix_delegation"])}
    assert ewc.node_capacity(name, **columns) == node


def test_one_node_costs_few_calls():
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    ewc.node_capacity("m5.large", pod_memory="1Gi")
    sys.setprofile(count)
    try:
        ewc.node_capacity("m5.large", pod_memory="1Gi")
    finally:
        sys.setprofile(None)
    assert calls <= 100


@pytest.mark.parametrize(
    ("vcpus", "kept"), [(1, 60), (2, 70), (3, 75), (4, 80), (8, 90), (64, 230), (96, 310)]
)
def test_karpenter_keeps_a_falling_share_of_each_core(vcpus, kept):
    assert karpenter_cpu_reserved_m(vcpus) == kept


def test_karpenter_takes_memory_for_the_hypervisor_each_pod_and_eviction():
    assert karpenter_memory_mib(1000, 0) == 1000 - 75 - 255 - 100
    assert karpenter_memory_mib(1001, 10) == 1001 - 76 - (110 + 255) - 100
    assert karpenter_memory_mib(100, 0) == 0
    kept = Reserved(system_memory_mib=70, kube_memory_mib=0, eviction_mib=0)
    assert karpenter_memory_mib(1000, 0, kept) == 1000 - 75 - 255 - 100 - 70
    kept = Reserved(system_memory_mib=0, kube_memory_mib=20, eviction_mib=30)
    assert karpenter_memory_mib(1000, 0, kept) == 1000 - 75 - 20 - 30


def test_karpenter_counts_the_slots_and_none_on_a_type_that_its_table_lacks():
    assert karpenter_addresses(CATALOG["m5.large"]) == CATALOG["m5.large"].ipv4_per_interface - 1
    assert karpenter_addresses(CATALOG["t8i.small"]) == 0


def test_what_karpenter_counts_on_a_type_that_nobody_knows_yet_is_missing():
    new = ewc.Catalog.from_describe_instance_types({"InstanceTypes": [ec2_row("zz9.large")]})[
        "zz9.large"
    ]
    assert karpenter_addresses(new) is None
