"""One curve of a node and one room of a subnet, against the formulas that stood in each room before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import Subnet, WarmPool, attached_addresses
from eks_win_capacity.addresses.fit import SubnetRoom
from eks_win_capacity.addresses.warm_pool import curve_of
from eks_win_capacity.core.errors import PlacementUnknownError

SOME = settings(deadline=None, max_examples=80)

targets = st.integers(0, 40)
pools = st.one_of(
    st.builds(WarmPool.secondary, warm_ip_target=targets, minimum_ip_target=targets),
    st.builds(WarmPool.prefix, warm_ip_target=targets, minimum_ip_target=targets),
    st.builds(WarmPool.prefix, warm_prefix_target=st.integers(0, 3)),
)


@SOME
@given(st.integers(2, 50), pools, st.booleans(), st.data())
def test_the_curve_is_what_each_number_of_pods_attaches(ipv4, pool, fragmented, data):
    curve = curve_of(ipv4, pool, fragmented=fragmented)
    capacity = (ipv4 - 1) * (16 if pool.prefix_delegation else 1)
    assert curve.addresses.shape == curve.prefixes.shape == (capacity + 1,)
    pods = data.draw(st.integers(0, capacity))
    one = attached_addresses(pods, slots=ipv4 - 1, pool=pool, fragmented=fragmented)
    assert (curve.addresses[pods], curve.prefixes[pods]) == (one.addresses, one.prefixes)
    assert min(pods, curve.most) == one.used
    assert curve.most == attached_addresses(capacity, slots=ipv4 - 1, pool=pool).used


def test_a_curve_that_is_shared_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        curve_of(10, WarmPool.prefix()).addresses[0] = 1


def before(room, single, prefixes, *, best):
    """What fitted, as the two rooms asked for it: one by bisection, one over columns."""
    drawn = max(0, prefixes - room.reserved)
    if best:
        by_bisection = drawn <= min(room.whole, (room.free - single) // 16)
    else:
        by_bisection = not drawn or drawn + single <= room.whole
    by_bisection = single <= room.free and by_bisection
    loose = room.free - room.whole * 16
    broken = -(-max(single - loose, 0) // 16) if best else single
    by_columns = single <= room.free and not (drawn > 0 and drawn + broken > room.whole)
    assert by_bisection == by_columns
    return by_bisection


subnet_rooms = st.builds(
    lambda whole, loose, reserved: SubnetRoom(16 * whole + loose, reserved, whole),
    st.integers(0, 12),
    st.integers(0, 60),
    st.integers(0, 4),
)


@SOME
@given(subnet_rooms, st.integers(0, 90), st.integers(0, 20), st.booleans())
def test_what_fits_is_what_both_rooms_found_before(room, single, prefixes, best):
    expected = before(room, single, prefixes, best=best)
    assert bool(room.holds(single, prefixes, best=best)) == expected
    columns = room.holds(np.array([single, 0]), np.array([prefixes, 0]), best=best)
    assert columns.tolist() == [expected, True]


@pytest.mark.parametrize("length", range(16, 29))
def test_an_empty_subnet_has_the_room_of_its_census(length):
    subnet = Subnet(f"10.0.0.0/{length}")
    room = SubnetRoom.empty(subnet.free)
    assert room == SubnetRoom.of(subnet, prefixes=True)
    assert room.whole == max((subnet.free - 27) // 16, 0)


def test_a_bare_count_has_room_for_prefixes_only_by_odds():
    subnet = Subnet("10.0.0.0/24", used=100)
    assert SubnetRoom.of(subnet, prefixes=False) == SubnetRoom(subnet.free, 0, 0)
    for odds in ("best", "worst"):
        whole = getattr(subnet.prefix_estimate, odds)
        assert SubnetRoom.of(subnet, prefixes=True, odds=odds) == SubnetRoom(subnet.free, 0, whole)
    with pytest.raises(PlacementUnknownError):
        SubnetRoom.of(subnet, prefixes=True)
