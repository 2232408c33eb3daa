"""
What a type checker knows of each answer, and that the answer is of that kind.

``make lint`` has mypy read this file, strictly: it holds what `assert_type` says.
"""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import eks_win_capacity as ewc
from eks_win_capacity.addresses.mode_change import Migration
from eks_win_capacity.catalog import Catalog, InstanceType

TYPES = ["m5.large", "t3.xlarge"]
SERIES: pd.Series[str] = pd.Series(TYPES)
ARRAY: NDArray[np.str_] = np.array(TYPES)


def test_one_name_has_a_number_and_many_have_a_column() -> None:
    assert type(assert_type(ewc.max_pods("m5.large"), int)) is int
    assert type(assert_type(ewc.max_pods("m5.large", kubelet_max_pods=110), int)) is int
    assert assert_type(ewc.max_pods("m5.larg", on_unknown="null"), int | None) is None
    of_list = assert_type(ewc.max_pods(TYPES, prefix_delegation=[False, True]), NDArray[np.int64])
    of_array = assert_type(ewc.max_pods(ARRAY), NDArray[np.int64])
    of_pair = assert_type(ewc.max_pods(("m5.large", "t3.xlarge")), NDArray[np.int64])
    for column in (of_list, of_array, of_pair):
        assert isinstance(column, np.ndarray)
        assert column.dtype == np.int64
    assert isinstance(assert_type(ewc.max_pods(SERIES), pd.Series), pd.Series)
    assert isinstance(assert_type(ewc.max_pods(SERIES, dtype="int16"), pd.Series), pd.Series)


def test_one_count_has_a_number_and_many_have_a_column() -> None:
    assert type(assert_type(ewc.ip_capacity(10, prefix_delegation=True), int)) is int
    assert type(assert_type(ewc.ip_capacity(np.int64(10)), int)) is int
    column = assert_type(ewc.ip_capacity([10, 15]), NDArray[np.int64])
    assert isinstance(column, np.ndarray)
    assert column.dtype == np.int64
    counts = pd.Series([10, 15])
    assert isinstance(assert_type(ewc.ip_capacity(counts), pd.Series), pd.Series)


def test_one_node_has_a_capacity_and_many_have_a_frame() -> None:
    one = assert_type(ewc.node_capacity("m5.large", pod_memory="1Gi"), ewc.NodeCapacity)
    assert assert_type(one.pods, int) == 5
    for many in (
        assert_type(ewc.node_capacity(TYPES), pd.DataFrame),
        assert_type(ewc.node_capacity(ARRAY), pd.DataFrame),
        assert_type(ewc.node_capacity(SERIES, pod_cpu="100m"), pd.DataFrame),
        assert_type(ewc.node_capacity(ewc.Fleet.encode(TYPES)), pd.DataFrame),
    ):
        assert isinstance(many, pd.DataFrame)


def test_one_node_changes_its_mode_and_many_have_a_frame() -> None:
    assert isinstance(assert_type(ewc.migration("m5.large", 3, "to-prefix"), Migration), Migration)
    many = assert_type(ewc.migration(TYPES, [3, 2], "to-prefix"), pd.DataFrame)
    assert isinstance(many, pd.DataFrame)


def test_a_catalog_has_a_row_or_what_is_given_for_none() -> None:
    rows = Catalog.bundled()
    assert isinstance(assert_type(rows.get("m5.large"), InstanceType | None), InstanceType)
    assert assert_type(rows.get("m5.larg", 0), InstanceType | int) == 0


def test_what_no_checker_can_know_stays_open() -> None:
    unknown: Any = "m5.large"
    assert_type(ewc.max_pods(unknown), Any)
    assert_type(ewc.max_pods("m5.large", prefix_delegation=pd.Series([True])), Any)
    assert_type(ewc.node_capacity(unknown), Any)
