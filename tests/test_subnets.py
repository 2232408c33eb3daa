"""The census of a subnet, against brute force over every address."""

import ipaddress
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import occupancy
from eks_win_capacity.errors import AddressError, PlacementUnknownError, SubnetCidrError
from eks_win_capacity.subnets import Subnet


@settings(deadline=None, max_examples=60)
@given(st.integers(22, 28), st.data())
def test_the_census_agrees_with_a_look_at_every_address(length, data):
    network = ipaddress.IPv4Network(f"10.0.0.0/{length}")
    usable = [str(a) for a in list(network)[4:-1]]
    used = data.draw(st.lists(st.sampled_from(usable), unique=True))
    subnet = Subnet(str(network), used=used)
    blocks = [[str(a) for a in block] for block in network.subnets(new_prefix=28)]
    free = sum(not set(block) & set(used) for block in blocks[1:-1])
    assert subnet.free_prefixes == subnet.census.whole_free == free
    assert subnet.free == len(usable) - len(used)


def test_a_count_gives_the_odds_of_every_placement():
    # A toy of 2 blocks of 16 and 3 loose addresses, each pair of addresses enumerated.
    seen = np.zeros(3)
    for pair in itertools.combinations(range(35), 2):
        seen[2 - len({a // 16 for a in pair if a < 32})] += 1
    np.testing.assert_allclose(occupancy.distribution(35, 2, 2), seen / seen.sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("used", "reason"),
    [
        (["10.0.1.5"], "outside"),
        (["10.0.0.3"], "kept"),
        (["10.0.0.255"], "kept"),
        (["10.0.0.9", "10.0.0.9"], "duplicate"),
        (["2001:db8::1"], "ipv6"),
        (["10.0.0.09"], "malformed"),
    ],
)
def test_an_impossible_address_is_named(used, reason):
    with pytest.raises(AddressError) as caught:
        Subnet("10.0.0.0/24", used=used)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "cidr", ["10.0.0.0/15", "10.0.0.0/29", "10.0.0.5/24", "2001:db8::/64", "x"]
)
def test_a_cidr_no_subnet_can_have_is_refused(cidr):
    with pytest.raises(SubnetCidrError):
        Subnet(cidr)


def test_a_count_alone_does_not_pretend_to_know_the_blocks():
    with pytest.raises(PlacementUnknownError):
        _ = Subnet("10.0.0.0/24", used=5).free_prefixes
