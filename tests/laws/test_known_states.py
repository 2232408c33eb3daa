"""States worked out by hand: census by reservation, known placements, edges of targets and room."""

import dataclasses
import importlib
import pkgutil

import numpy as np
import pytest

import eks_win_capacity as ewc
from eks_win_capacity.addresses.fit import SubnetRoom, guaranteed_nodes, most_nodes
from eks_win_capacity.core.errors import AddressError

PACKED = [f"10.0.0.{last}" for last in range(32, 48)]
SUBNET = ewc.Subnet(
    "10.0.0.0/25",
    used=["10.0.0.20", *PACKED, "10.0.0.70"],
    reservations=[
        "10.0.0.0/28:explicit",
        "10.0.0.16/28:prefix",
        "10.0.0.32/27:prefix",
        "10.0.0.64/27:explicit",
    ],
)
STATES = ["used", "free", "blocks", "whole_free", "partly_used", "fully_used", "kept"]


@pytest.mark.parametrize(
    ("position", "kind", "states", "free_prefixes"),
    [
        (0, "explicit", [0, 12, 1, 0, 0, 0, 1], 0),  # four addresses are AWS's
        (1, "prefix", [1, 15, 1, 0, 1, 0, 0], 0),
        (2, "prefix", [16, 16, 2, 1, 0, 1, 0], 1),
        (3, "explicit", [1, 31, 2, 1, 1, 0, 0], 0),  # nodes get none of these
    ],
)
def test_each_reservation_counts_its_blocks_by_state(position, kind, states, free_prefixes):
    census = SUBNET.census.reservations[position]
    assert census.type == kind
    assert [getattr(census, state) for state in STATES] == states
    assert census.free_prefixes == free_prefixes


def test_the_subnet_counts_all_its_blocks():
    census = SUBNET.census
    assert [getattr(census, state) for state in STATES[2:]] == [8, 3, 2, 1, 2]
    assert (census.free_prefixes, census.free_prefixes_reserved) == (2, 1)
    assert census.free_prefixes_unreserved == 1


def test_a_known_placement_is_exact_and_certain():
    estimate = SUBNET.prefix_estimate
    assert estimate.exact is True
    assert (estimate.best, estimate.expected, estimate.worst) == (2, 2.0, 2)
    chances = estimate.distribution
    assert chances[2] == 1.0
    assert chances.sum() == 1.0
    assert not chances.flags.writeable
    assert (estimate.at_least(2), estimate.at_least(3), estimate.quantile(0.5)) == (1.0, 0.0, 2)


def test_a_count_alone_is_not_exact():
    estimate = ewc.Subnet("10.0.0.0/25", used=1).prefix_estimate
    assert estimate.exact is False
    # One of 123 addresses is used; 96 of them lie in the 6 blocks that can be prefixes.
    assert estimate.distribution[5] == pytest.approx(96 / 123)
    assert estimate.distribution[6] == pytest.approx(27 / 123)
    assert np.flatnonzero(estimate.distribution).tolist() == [5, 6]


@pytest.mark.parametrize(
    ("targets", "rule", "wanted"),
    [
        # Any target above 0 beside warm-prefix-target lets the IP rule act.
        ({"minimum_ip_target": 1, "warm_prefix_target": 2}, False, (1, 1)),
        ({"warm_ip_target": 1, "warm_prefix_target": 2}, False, (1, 3)),
        ({"warm_prefix_target": 2}, True, None),
        ({"warm_ip_target": 0, "minimum_ip_target": 0, "warm_prefix_target": 1}, True, None),
        # Zero is as if it were not given.
        ({"warm_ip_target": 0}, False, (1, 3)),
        ({"minimum_ip_target": 0}, False, (1, 3)),
        ({"warm_prefix_target": 0}, False, (1, 3)),
        ({"warm_ip_target": 0, "minimum_ip_target": 0, "warm_prefix_target": 0}, False, (1, 3)),
        ({"warm_ip_target": 5, "minimum_ip_target": 0}, False, (5, 3)),
        ({"warm_ip_target": 0, "minimum_ip_target": 5}, False, (1, 5)),
    ],
)
def test_prefix_pools_take_zero_for_not_given(targets, rule, wanted):
    pool = ewc.WarmPool.prefix(**targets)
    assert pool.prefix_rule is rule
    if wanted:
        assert (pool.warm_ip_target, pool.minimum_ip_target) == wanted
    else:
        assert pool.warm_prefix_target == targets["warm_prefix_target"]


def test_the_last_free_address_takes_a_node_whose_prefixes_are_reserved():
    for fits in (most_nodes, guaranteed_nodes):
        last = SubnetRoom(free=1, reserved=2, whole=0)
        assert fits(last, addresses=0, prefixes=1, keep_free=0) == 1
        assert fits(last, addresses=0, prefixes=1, keep_free=1) == 0
        assert fits(last, addresses=0, prefixes=3, keep_free=0) == 0
        two = SubnetRoom(free=2, reserved=2, whole=0)
        assert fits(two, addresses=0, prefixes=1, keep_free=0) == 2
        assert fits(two, addresses=0, prefixes=2, keep_free=0) == 1
    assert (
        most_nodes(SubnetRoom(free=17, reserved=0, whole=1), addresses=0, prefixes=1, keep_free=0)
        == 1
    )
    assert (
        most_nodes(SubnetRoom(free=16, reserved=0, whole=1), addresses=0, prefixes=1, keep_free=0)
        == 0
    )
    whole = SubnetRoom(free=32, reserved=0, whole=2)
    assert guaranteed_nodes(whole, addresses=0, prefixes=1, keep_free=0) == 1
    assert guaranteed_nodes(whole, addresses=0, prefixes=1, keep_free=1) == 0


def records():
    for room in ("core", "density", "addresses"):
        package = importlib.import_module(f"eks_win_capacity.{room}")
        for module_info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            for value in vars(importlib.import_module(module_info.name)).values():
                mine = isinstance(value, type) and value.__module__ == module_info.name
                if mine and dataclasses.is_dataclass(value):
                    yield value


@pytest.mark.parametrize("kind", list(records()), ids=lambda kind: kind.__name__)
def test_records_of_models_and_floor_cannot_be_changed(kind):
    record = object.__new__(kind)
    for field in dataclasses.fields(kind):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field.name, 1)


def test_the_lowest_address_of_all_is_an_address():
    with pytest.raises(AddressError) as caught:
        ewc.Subnet("10.0.0.0/24", used=[0])
    assert caught.value.reason == "outside"
