"""What fits into a subnet, against allocators that look at every address."""

import ipaddress
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import (
    Catalog,
    Subnet,
    WarmPool,
    attached_addresses,
    nodes_that_fit,
    reservation_plan,
    smallest_subnet,
    subnet_census,
)
from eks_win_capacity.addresses.fit import (
    SubnetRoom,
    expected_nodes,
    guaranteed_nodes,
    most_nodes,
)
from eks_win_capacity.addresses.sizes import aligned_chunks
from eks_win_capacity.core.errors import (
    InputError,
    InvalidCountError,
    PlacementUnknownError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
)

PREFIX, SECONDARY = WarmPool.prefix(), WarmPool.secondary()
FEW = settings(deadline=None, max_examples=40)


# -- allocators that know nothing but addresses --------------------------------


def opened(subnet):
    """Give the free addresses outside reservations, and the free prefixes by kind."""
    network = ipaddress.IPv4Network(subnet.cidr)
    every = list(network)
    usable = set(every[4:-1])
    free = {a for a, used in zip(every, subnet.used_mask, strict=True) if not used} & usable
    outside = set(free)
    for one in subnet.reservations:
        outside -= set(one.network)
    prefixes = {"reserved": [], "whole": []}
    for block in map(set, network.subnets(new_prefix=28)):
        if block <= outside:
            prefixes["whole"].append(block)
        for one in subnet.reservations:
            if one.type == "prefix" and block <= free and block <= set(one.network):
                prefixes["reserved"].append(block)
    return outside, prefixes["reserved"], prefixes["whole"]


def fits_at_best(subnet, nodes, prefixes, keep_free):
    """Try each split of the prefixes over reserved and other blocks."""
    outside, reserved, whole = opened(subnet)
    needed = nodes * prefixes
    for inside in range(min(len(reserved), needed) + 1):
        blocks = whole[: needed - inside]
        left = outside.difference(*blocks)
        if len(blocks) == needed - inside and len(left) >= nodes + keep_free:
            return True
    return False


def fits_at_worst(subnet, nodes, prefixes, keep_free):
    """Let each single address fall into a whole block while there is one."""
    outside, reserved, whole = opened(subnet)
    for _ in range(nodes + keep_free):
        if not outside:
            return False
        block = whole.pop() if whole else outside
        outside.discard(next(iter(block & outside)))
    return nodes * prefixes <= len(reserved) + len(whole)


@st.composite
def subnets(draw, lengths=(24, 28), reserved=True):
    length = draw(st.integers(*lengths))
    network = ipaddress.IPv4Network(f"10.0.0.0/{length}")
    usable = list(network)[4:-1]
    most = draw(st.sampled_from([0, 2, 8, 40]))
    used = draw(st.lists(st.sampled_from(usable), unique=True, max_size=most))
    reservations = []
    for _ in range(draw(st.integers(0, 3)) if reserved else 0):
        prefix_length = draw(st.integers(length, 30))
        cidr = draw(st.sampled_from(list(network.subnets(new_prefix=prefix_length))))
        if not any(cidr.overlaps(other) for other, _ in reservations):
            reservations.append((cidr, draw(st.sampled_from(["prefix", "explicit"]))))
    return Subnet(str(network), used=used, reservations=reservations)


@settings(deadline=None, max_examples=200)
@given(subnets(), st.sampled_from([3, 20, 40, 90]), st.integers(0, 40))
def test_the_count_of_nodes_is_right_to_the_last_address(subnet, pods, keep_free):
    fit = nodes_that_fit(subnet, "m5.large", pods_per_node=pods, pool=PREFIX, keep_free=keep_free)
    for count, fits in ((fit.best, fits_at_best), (fit.nodes, fits_at_worst)):
        assert count == 0 or fits(subnet, count, fit.prefixes_per_node, keep_free)
        assert not fits(subnet, count + 1, fit.prefixes_per_node, keep_free)
    assert fit.guaranteed == int(fit) == fit.nodes <= fit.expected <= fit.best


@FEW
@given(subnets(), st.integers(0, 9), st.integers(0, 20))
def test_secondary_mode_counts_single_addresses(subnet, pods, keep_free):
    fit = nodes_that_fit(
        subnet, "m5.large", pods_per_node=pods, pool=SECONDARY, keep_free=keep_free
    )
    outside = len(opened(subnet)[0])
    each = 1 + attached_addresses(pods, slots=9, pool=SECONDARY).addresses
    assert fit.addresses_per_node == each
    assert int(fit) == fit.guaranteed == fit.expected == max(0, outside - keep_free) // each
    assert fit.addresses_left == outside - fit.nodes * each
    assert fit.binding == "addresses"


@FEW
@given(subnets(), st.integers(0, 144), st.integers(0, 30))
def test_less_room_never_takes_more_nodes(subnet, pods, keep_free):
    def count(**changes):
        asked = {"pods_per_node": pods, "pool": PREFIX, "keep_free": keep_free} | changes
        fit = nodes_that_fit(subnet, "m5.large", **asked)
        return np.array([fit.nodes, fit.expected, fit.best])

    base = count()
    assert (count(keep_free=keep_free + 1) <= base + 1e-9).all()
    assert (count(pods_per_node=min(144, pods + 7)) <= base + 1e-9).all()
    assert (count(fragmented=True) <= base + 1e-9).all()


@FEW
@given(
    st.integers(0, 5), st.integers(0, 30), st.integers(0, 3), st.integers(1, 2), st.integers(0, 9)
)
def test_the_mean_is_exact(whole, loose, reserved, prefixes, keep_free):
    def mean(whole, loose, reserved):
        """Place one node in each way there is, weighted by its chance."""
        free = 16 * whole + loose
        total = Fraction(0)
        for chance, left, broken in (
            (16 * whole, whole - 1, loose + 15),
            (loose, whole, loose - 1),
        ):
            drawn = max(0, prefixes - reserved)
            if not chance or left < drawn or 16 * (left - drawn) + broken < keep_free:
                continue
            rest = mean(left - drawn, broken, max(0, reserved - prefixes))
            total += Fraction(chance, free) * (1 + rest)
        return total

    room = SubnetRoom(16 * whole + loose, reserved, whole)
    start = np.eye(whole + 1)[-1]
    expected = expected_nodes(room, start, prefixes=prefixes, keep_free=keep_free)
    assert expected == pytest.approx(float(mean(whole, loose, reserved)), rel=1e-12, abs=1e-12)


def test_the_mean_agrees_with_nodes_that_fall_at_random():
    subnet = Subnet("10.0.0.0/25", used=["10.0.0.40"], reservations=["10.0.0.64/28:prefix"])
    fit = nodes_that_fit(subnet, "m5.large", pods_per_node=5, pool=PREFIX, keep_free=3)
    rng = np.random.default_rng(7)
    seen = []
    start = opened(subnet)
    for _ in range(1500):
        outside, reserved, whole = set(start[0]), list(start[1]), list(start[2])
        nodes = 0
        while len(outside) > 3:
            chosen = sorted(outside)[rng.integers(len(outside))]
            whole = [block for block in whole if chosen not in block]
            outside = outside - {chosen}
            source = reserved or whole
            if not source:
                break
            block = source.pop()
            outside = outside - block
            if len(outside) < 3:
                break
            nodes += 1
        seen.append(nodes)
    error = np.std(seen) / np.sqrt(len(seen))
    assert fit.expected == pytest.approx(np.mean(seen), abs=4 * error + 1e-9)
    assert fit.guaranteed <= min(seen)
    assert max(seen) <= fit.best


def test_a_count_alone_gives_the_range_and_the_mean_over_all_placements():
    counted = Subnet("10.0.0.0/26", used=2)
    fit = nodes_that_fit(counted, "m5.large", pods_per_node=5, pool=PREFIX)
    rng = np.random.default_rng(3)
    usable = [f"10.0.0.{n}" for n in range(4, 63)]
    exact = [
        nodes_that_fit(
            Subnet("10.0.0.0/26", used=list(rng.choice(usable, 2, replace=False))),
            "m5.large",
            pods_per_node=5,
            pool=PREFIX,
        )
        for _ in range(600)
    ]
    means = [one.expected for one in exact]
    assert fit.expected == pytest.approx(
        np.mean(means), abs=4 * np.std(means) / np.sqrt(len(means))
    )
    assert fit.best == max(one.best for one in exact)
    assert fit.guaranteed == min(one.guaranteed for one in exact)


def test_a_count_is_enough_in_secondary_mode_and_never_beside_reservations():
    counted = Subnet("10.0.0.0/24", used=51)
    fit = nodes_that_fit(counted, "m5.large", pods_per_node=9, pool=SECONDARY)
    assert (fit.best, fit.prefixes_left) == (20, None)
    with_reservation = Subnet("10.0.0.0/24", used=51, reservations=["10.0.0.64/26:prefix"])
    for pool in (SECONDARY, PREFIX):
        with pytest.raises(PlacementUnknownError):
            nodes_that_fit(with_reservation, "m5.large", pods_per_node=9, pool=pool)


@FEW
@given(st.integers(0, 400), st.integers(0, 9), st.integers(1, 5), st.integers(0, 40), st.data())
def test_the_bounds_are_ordered_and_more_room_never_hurts(free, reserved, prefixes, kept, data):
    whole = data.draw(st.integers(0, free // 16))
    takes = {"addresses": 16 * prefixes, "prefixes": prefixes, "keep_free": kept}
    room = SubnetRoom(free, reserved, whole)
    assert guaranteed_nodes(room, **takes) <= most_nodes(room, **takes)
    for more in (SubnetRoom(free + 1, reserved, whole), SubnetRoom(free, reserved + 1, whole)):
        assert most_nodes(more, **takes) >= most_nodes(room, **takes)
        assert guaranteed_nodes(more, **takes) >= guaranteed_nodes(room, **takes)


def test_what_stops_the_next_node_is_said():
    def stop(subnet, pods=9, **options):
        return nodes_that_fit(
            subnet, "m5.large", **({"pods_per_node": pods, "pool": PREFIX} | options)
        )

    reserved = Subnet(
        "10.0.0.0/26",
        reservations=["10.0.0.16/28:prefix"],
        used=["10.0.0.4-10.0.0.15", "10.0.0.32-10.0.0.62"],
    )
    fit = stop(reserved)
    assert (fit.nodes, fit.binding) == (0, "addresses")
    assert fit.why == "the next node needs a primary address and 0 outside reservations are left"
    assert stop("10.0.0.0/28").binding == "prefixes"
    assert "1 of them kept free" in stop("10.0.0.0/28", keep_free=1).why
    alone = Subnet("10.0.0.0/28", used="10.0.0.4-10.0.0.13")
    assert stop(alone, pool=SECONDARY).why == (
        "the next node needs 10 addresses and 1 outside reservations is left"
    )
    one = stop(Subnet("10.0.0.0/28", used="10.0.0.4-10.0.0.13"), keep_free=1)
    assert one.why == (
        "the next node needs a primary address and 1 outside reservations is left, "
        "1 of them kept free"
    )
    last = stop(Subnet("10.0.0.0/26", used=["10.0.0.40"]), pods=30)
    assert last.why == (
        "the next node needs 2 whole /28 prefixes and 1 is left, though 58 addresses are free"
    )
    tight = Subnet("10.0.0.0/26", used=["10.0.0.4-10.0.0.15", "10.0.0.32-10.0.0.62"])
    assert stop(tight).nodes == 0
    assert "beside its own address and 0 are left" in stop(tight).why


def test_too_many_pods_name_the_capacity():
    with pytest.raises(InvalidCountError, match=r"capacity of m5\.large in secondary mode is 9"):
        nodes_that_fit("10.0.0.0/24", "m5.large", pods_per_node=10, pool=SECONDARY)
    with pytest.raises(InvalidCountError, match="in prefix mode is 144"):
        nodes_that_fit("10.0.0.0/24", "m5.large", pods_per_node=145, pool=PREFIX)
    with pytest.raises(InvalidCountError, match=r"in secondary mode is 9 .* nodes, or use"):
        nodes_that_fit("10.0.0.0/24", "m4.large", pods_per_node=10, pool=PREFIX)
    starved = WarmPool.secondary(warm_ip_target=0, minimum_ip_target=3)
    with pytest.raises(InvalidCountError, match="serves 3 pods of its capacity of 9"):
        nodes_that_fit("10.0.0.0/24", "m5.large", pods_per_node=4, pool=starved)


def test_a_type_that_is_not_nitro_runs_the_defaults_of_secondary_mode():
    fit = nodes_that_fit(
        "10.0.0.0/24", "m4.large", pods_per_node=4, pool=WarmPool.prefix(warm_prefix_target=2)
    )
    assert (fit.mode, fit.pool, fit.addresses_per_node) == ("secondary", SECONDARY, 8)
    assert [finding.code for finding in fit.findings] == ["prefix-pool-not-nitro"]


def test_a_type_that_cannot_run_windows_is_said():
    fit = nodes_that_fit("10.0.0.0/24", "m6g.large", pods_per_node=4, pool=PREFIX)
    assert [finding.code for finding in fit.findings] == ["windows-unsupported"]


def test_many_subnets_and_types_give_a_frame():
    places = {"a": Subnet("10.0.0.0/24"), "b": "10.0.1.0/26"}
    frame = nodes_that_fit(places, ["m5.large", "c5.4xlarge"], pods_per_node=[9, 20], pool=PREFIX)
    assert list(frame["subnet"]) == ["a", "a", "b", "b"]
    for row in frame.itertuples():
        one = nodes_that_fit(
            places[row.subnet], row.instance_type, pods_per_node=row.pods_per_node, pool=PREFIX
        )
        assert (row.nodes, row.guaranteed, row.expected) == (
            one.nodes,
            one.guaranteed,
            one.expected,
        )
    listed = nodes_that_fit([Subnet("10.0.0.0/24")], "m5.large", pods_per_node=9, pool=PREFIX)
    assert list(listed["subnet"]) == ["10.0.0.0/24"]
    single = nodes_that_fit("10.0.0.0/24", ["m5.large"], pods_per_node=9, pool=PREFIX)
    pd.testing.assert_frame_equal(listed, single)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"subnet": []}, InputError),
        ({"subnet": [7]}, UnsupportedInputError),
        ({"subnet": 7}, UnsupportedInputError),
        ({"instance_type": []}, InputError),
        ({"instance_type": [5]}, UnsupportedInputError),
        ({"instance_type": 5}, UnsupportedInputError),
        ({"instance_type": "m5.larg"}, UnknownInstanceTypeError),
        ({"instance_type": ["m5.large"], "pods_per_node": [1, 2]}, InputError),
        ({"pods_per_node": [1]}, UnsupportedInputError),
        ({"pods_per_node": -1}, InvalidCountError),
        ({"pool": "prefix"}, UnsupportedInputError),
        ({"keep_free": [1]}, InvalidCountError),
        ({"keep_free": -1}, InvalidCountError),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(changes, error):
    asked = {
        "subnet": "10.0.0.0/24",
        "instance_type": "m5.large",
        "pods_per_node": 3,
        "pool": PREFIX,
    } | changes
    with pytest.raises(error):
        nodes_that_fit(asked.pop("subnet"), asked.pop("instance_type"), **asked)


def test_another_catalog_can_be_asked():
    other = Catalog([Catalog.bundled()["m5.large"]], as_of="2026-01-01", source="test")
    with pytest.raises(UnknownInstanceTypeError):
        nodes_that_fit("10.0.0.0/24", "c5.large", pods_per_node=1, pool=PREFIX, catalog=other)


# -- reservations ---------------------------------------------------------------


@FEW
@given(subnets(lengths=(24, 26)), st.integers(0, 12), st.sampled_from([5, 40]), st.integers(0, 5))
def test_a_plan_makes_sure_of_the_nodes_it_was_made_for(subnet, nodes, pods, keep_free):
    takes = {"pods_per_node": pods, "pool": PREFIX, "keep_free": keep_free}
    plan = reservation_plan(subnet, nodes=nodes, instance_type="m5.large", **takes)
    before = nodes_that_fit(subnet, "m5.large", **takes)
    after = nodes_that_fit(plan.planned_subnet, "m5.large", **takes)
    assert plan.nodes_short == nodes - min(nodes, before.best)
    assert after.guaranteed >= min(nodes, before.best)
    assert bool(plan.why) == (plan.shortfall > 0)
    assert len(plan.commands) == len(plan.reservations)


@FEW
@given(subnets(lengths=(23, 26)), st.integers(0, 40))
def test_a_plan_takes_only_free_blocks_in_as_few_ranges_as_there_can_be(subnet, prefixes):
    plan = reservation_plan(subnet, prefixes=prefixes)
    _, reserved, whole = opened(subnet)
    taken = [
        b for reservation in plan.reservations for b in reservation.network.subnets(new_prefix=28)
    ]
    assert all(set(block) in whole for block in taken)
    assert len(taken) == plan.reserved == min(max(0, prefixes - len(reserved)), len(whole))
    assert plan.shortfall == max(0, prefixes - len(reserved) - len(whole))
    assert plan.planned_subnet.census.free_prefixes_reserved == len(reserved) + len(taken)


def test_larger_ranges_stay_whole():
    free = np.ones(16, dtype=bool)
    free[[0, 3, 15]] = False
    assert aligned_chunks(free, 1) == [(1, 0)]
    assert sorted(aligned_chunks(free, 7)) == [(1, 0), (4, 2), (12, 1)]
    assert free.sum() == 13


def test_a_plan_reads_as_commands():
    subnet = Subnet("10.0.0.0/24", subnet_id="subnet-0abc", reservations=["10.0.0.64/28:prefix"])
    plan = reservation_plan(subnet, prefixes=3)
    assert plan.already_reserved == 1
    asked = "aws ec2 create-subnet-cidr-reservation --subnet-id subnet-0abc"
    assert plan.commands == (f"{asked} --reservation-type prefix --cidr 10.0.0.32/27",)
    assert '"$SUBNET_ID"' in reservation_plan("10.0.0.0/24", prefixes=1).commands[0]
    kept = reservation_plan("10.0.0.0/26", prefixes=2, keep_free=30)
    assert (kept.reserved, kept.shortfall, kept.nodes_short) == (1, 1, None)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prefixes": 1, "nodes": 1},
        {"prefixes": 1, "pool": PREFIX},
        {"nodes": 1},
        {"nodes": 1, "instance_type": "m5.large", "pods_per_node": 1, "pool": SECONDARY},
    ],
)
def test_a_plan_needs_one_clear_wish(options):
    with pytest.raises(InputError):
        reservation_plan("10.0.0.0/24", **options)


def test_a_plan_is_for_one_subnet():
    with pytest.raises(UnsupportedInputError):
        reservation_plan([Subnet("10.0.0.0/24")], prefixes=1)


def test_a_plan_needs_to_know_where_the_used_addresses_are():
    with pytest.raises(PlacementUnknownError):
        reservation_plan(Subnet("10.0.0.0/24", used=3), prefixes=1)


# -- sizes ------------------------------------------------------------------------


@FEW
@given(st.integers(0, 300), st.integers(0, 9), st.integers(0, 20), st.integers(0, 3))
def test_the_smallest_subnet_takes_the_fleet_and_the_next_smaller_one_does_not(
    nodes, pods, keep_free, surge
):
    need = smallest_subnet(
        nodes=nodes,
        instance_type="m5.large",
        pods_per_node=pods,
        keep_free=keep_free,
        surge_nodes=surge,
    )
    for part, pool in ((need.secondary, SECONDARY), (need.prefix, PREFIX)):
        takes = {"pods_per_node": pods, "pool": pool, "keep_free": keep_free}
        for length, field in (
            (part.prefix_length, "best"),
            (part.prefix_length_unreserved, "guaranteed"),
        ):
            assert length is not None
            fits = [
                getattr(nodes_that_fit(f"10.0.0.0/{n}", "m5.large", **takes), field)
                for n in (length, min(28, length + 1))
            ]
            assert fits[0] >= nodes + surge
            free = Subnet(f"10.0.0.0/{min(28, length + 1)}").free
            assert length == 28 or fits[1] < nodes + surge or free < keep_free


def test_more_pods_than_secondary_mode_serves_are_carried_by_more_nodes():
    need = smallest_subnet(nodes=2, instance_type="m5.large", pods_per_node=20)
    # 40 pods: four nodes of 9, and one of 4 that keeps 3 warm.
    assert (need.secondary.nodes, need.secondary.addresses) == (5, 4 * 10 + 8)
    assert (need.prefix.nodes, need.prefix.addresses, need.prefix.prefixes) == (2, 66, 4)


def test_where_the_modes_cross_over_is_where_the_table_says():
    need = smallest_subnet(nodes=3, instance_type="m5.4xlarge", pods_per_node=14)
    frame = need.comparison()
    wins = frame["prefix_addresses"] < frame["secondary_addresses"]
    inside = pd.Series(False, index=frame.index)
    for first, last in need.prefix_wins:
        inside |= frame["pods_per_node"].between(first, last)
    assert (wins == inside).all()
    assert need.crossover_pods == need.prefix_wins[-1][0]
    assert wins[frame["pods_per_node"] >= need.crossover_pods].all()
    assert not wins[frame["pods_per_node"] == need.crossover_pods - 1].any()
    # 14 pods: 1 + 17 single addresses, or 1 + 16 in one prefix.
    assert need.secondary.addresses == 54
    assert need.prefix.addresses == 51
    assert any(first <= 14 <= last for first, last in need.prefix_wins)


@pytest.mark.parametrize("nodes", [0, 1, 7])
def test_the_comparison_has_for_each_number_of_pods_what_the_answer_to_it_has(nodes):
    fleet = {"nodes": nodes, "instance_type": "m5.large"}
    frame = smallest_subnet(**fleet, pods_per_node=1).comparison()
    assert frame["pods_per_node"].tolist() == list(range(1, 145))
    for row in frame.iloc[[0, 8, 9, 15, 16, 143]].itertuples():
        one = smallest_subnet(**fleet, pods_per_node=row.pods_per_node)
        assert (row.secondary_nodes, row.secondary_addresses, row.prefix_addresses) == (
            one.secondary.nodes,
            one.secondary.addresses,
            one.prefix.addresses,
        )


def test_a_fleet_that_is_too_large_or_a_mode_that_is_not_there_has_a_reason():
    large = smallest_subnet(nodes=7000, instance_type="m5.large", pods_per_node=9)
    assert large.secondary.reason == large.prefix.reason == "too-large"
    assert large.secondary.size is None
    assert "65,531 addresses" in large.prefix.why
    old = smallest_subnet(nodes=3, instance_type="m4.large", pods_per_node=9)
    assert (old.prefix.reason, old.crossover_pods, old.prefix_wins) == ("not-nitro", None, ())
    assert old.secondary.size == "/26"
    starved = smallest_subnet(
        nodes=3,
        instance_type="m5.large",
        pods_per_node=9,
        secondary_pool=WarmPool.secondary(warm_ip_target=0, minimum_ip_target=0),
    )
    assert starved.secondary.reason == "starved"
    assert starved.prefix.size == "/25"


def test_a_size_for_pods_that_no_mode_serves_is_an_error():
    with pytest.raises(InvalidCountError, match="144 pods with prefix delegation"):
        smallest_subnet(nodes=1, instance_type="m5.large", pods_per_node=145)
    with pytest.raises(InvalidCountError, match="is 9 pods: spread"):
        smallest_subnet(nodes=1, instance_type="m4.large", pods_per_node=10)
    for pools in ({"secondary_pool": PREFIX}, {"prefix_pool": "x"}):
        with pytest.raises(UnsupportedInputError):
            smallest_subnet(nodes=1, instance_type="m5.large", pods_per_node=1, **pools)


# -- many subnets at once -------------------------------------------------------


@FEW
@given(
    st.lists(
        st.one_of(
            subnets(lengths=(23, 28)),
            st.builds(Subnet, st.just("10.0.0.0/25"), used=st.integers(0, 123)),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_many_subnets_at_once_equal_one_after_the_other(places):
    frame = subnet_census(places)
    for subnet, (_, row) in zip(places, frame.iterrows(), strict=True):
        for name, value in subnet.to_dict().items():
            cell = row[name]
            if value is None:
                assert pd.isna(cell), name
            elif isinstance(value, float):
                assert cell == pytest.approx(value, rel=1e-12), name
            else:
                assert cell == value, name
    assert list(frame) == list(places[0].to_dict())


def test_counts_beside_reservations_stay_unknown_in_the_table():
    subnet = Subnet("10.0.0.0/24", used=5, reservations=["10.0.0.64/26:explicit"])
    frame = subnet_census({"x": subnet})
    assert list(frame.index) == ["x"]
    assert frame.loc["x", "free_prefixes_best"] == subnet.prefix_estimate.best
    assert pd.isna(frame.loc["x", "free_outside_reservations"])
    assert subnet.to_dict()["free_outside_reservations"] is None
