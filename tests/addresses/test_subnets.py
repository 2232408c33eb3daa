"""The census of a subnet, against brute force over every address."""

import ipaddress
import itertools
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import Reservation
from eks_win_capacity.addresses import census, parsing
from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.core.errors import (
    AddressError,
    CapacityError,
    InputError,
    InvalidCountError,
    MissingValueError,
    PlacementUnknownError,
    ReservationError,
    SubnetCidrError,
    UnsupportedInputError,
)


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
    np.testing.assert_allclose(census.distribution(35, 2, 2), seen / seen.sum(), rtol=1e-12)


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


# -- reservations, against every address ---------------------------------------


@st.composite
def reserved_subnets(draw):
    length = draw(st.integers(23, 28))
    network = ipaddress.IPv4Network(f"10.0.0.0/{length}")
    used = draw(st.lists(st.sampled_from(list(network)[4:-1]), unique=True, max_size=30))
    reservations = []
    for _ in range(draw(st.integers(0, 4))):
        cidr = draw(
            st.sampled_from(list(network.subnets(new_prefix=draw(st.integers(length, 31)))))
        )
        if not any(cidr.overlaps(one.network) for one in reservations):
            reservations.append(
                Reservation(str(cidr), draw(st.sampled_from(["prefix", "explicit"])))
            )
    return Subnet(network, used=used, reservations=reservations), set(used), reservations


@settings(deadline=None, max_examples=80)
@given(reserved_subnets())
def test_the_census_of_reservations_agrees_with_a_look_at_every_address(case):
    subnet, used, reservations = case
    every = list(subnet.network)
    kept = {*every[:4], every[-1]}
    inside = {a: one for one in reservations for a in one.network}
    free = [a for a in every if a not in used | kept]
    assert subnet.free_outside_reservations == sum(a not in inside for a in free)
    assert subnet.available_ip_address_count == subnet.free_outside_reservations
    blocks = [set(block) for block in subnet.network.subnets(new_prefix=28)]
    whole = [block for block in blocks if not block & (used | kept)]
    reserved = sum(
        any(block <= set(one.network) for one in reservations if one.type == "prefix")
        for block in whole
    )
    plain = [not block & set(inside) for block in whole]
    census = subnet.census
    assert (census.free_prefixes_reserved, census.free_prefixes_unreserved) == (
        reserved,
        sum(plain),
    )
    assert census.free_prefixes == reserved + sum(plain) == subnet.prefix_estimate.best
    assert list(subnet.free_unreserved_blocks) == [
        block in whole and not block & set(inside) for block in blocks
    ]
    states = census.whole_free + census.partly_used + census.fully_used + census.kept
    assert states == census.blocks == len(blocks)
    assert 0 <= subnet.fragmentation <= 1
    for counts, one in zip(census.reservations, subnet.reservations, strict=True):
        addresses = set(one.network)
        assert (counts.used, counts.free) == (len(addresses & used), len(addresses - used - kept))
        inner = [block for block in blocks if block <= addresses]
        kept_blocks = [block for block in inner if block & kept]
        serving = [block for block in inner if not block & kept]
        assert (counts.blocks, counts.kept) == (len(inner), len(kept_blocks))
        assert counts.whole_free == sum(not block & used for block in serving)
        assert counts.fully_used == sum(block <= used for block in serving)
        assert counts.partly_used == len(serving) - counts.whole_free - counts.fully_used
        assert counts.free_prefixes == (one.type == "prefix") * sum(b <= addresses for b in whole)
    frame = subnet.blocks()
    assert frame["serves"].sum() == census.free_prefixes
    assert frame["used"].sum() == subnet.used
    assert frame["free"].sum() == subnet.free
    assert (frame["state"] == "kept").sum() == census.kept


def test_available_addresses_can_read_zero_while_prefixes_remain():
    subnet = Subnet("10.0.0.0/24", reservations=["10.0.0.0/24:prefix"])
    assert (subnet.available_ip_address_count, subnet.free_prefixes) == (0, 14)


def test_fragmentation_is_the_share_of_possible_prefixes_that_is_lost():
    one_each = [f"10.0.0.{16 * block + 5}" for block in range(1, 15)]
    assert Subnet("10.0.0.0/24", used=one_each).fragmentation == 1
    assert Subnet("10.0.0.0/24", used=["10.0.0.16/28"]).fragmentation == 0
    assert Subnet("10.0.0.0/28").fragmentation == 0
    assert Subnet("10.0.0.0/24", used=one_each[:7]).fragmentation == pytest.approx(1 - 7 / 13)


# -- only a count ----------------------------------------------------------------


@pytest.mark.parametrize(("cidr", "used"), [("10.0.0.0/25", 6), ("10.0.0.0/22", 60)])
def test_the_odds_agree_with_addresses_drawn_at_random(cidr, used):
    subnet = Subnet(cidr, used=used)
    rng = np.random.default_rng(5)
    first = int(subnet.network.network_address)
    draws = [
        Subnet(cidr, used=first + 4 + rng.choice(subnet.usable, used, replace=False)).free_prefixes
        for _ in range(1500)
    ]
    odds = subnet.prefix_estimate
    assert odds.expected == pytest.approx(np.mean(draws), abs=4 * np.std(draws) / 1500**0.5)
    assert odds.worst <= min(draws)
    assert max(draws) <= odds.best
    for count in range(odds.worst, odds.best + 1):
        chance = odds.at_least(count)
        spread = (chance * (1 - chance) / 1500) ** 0.5
        assert np.mean(np.array(draws) >= count) == pytest.approx(chance, abs=4 * spread + 1e-3)


@settings(deadline=None, max_examples=60)
@given(st.integers(22, 28), st.data())
def test_the_odds_hang_together(length, data):
    plain = Subnet(f"10.0.0.0/{length}")
    used = data.draw(st.integers(0, plain.usable))
    odds = Subnet(plain.cidr, used=used).prefix_estimate
    chances = odds.distribution
    numbers = np.arange(len(chances))
    assert chances.sum() == pytest.approx(1, abs=1e-9)
    assert (chances * numbers).sum() == pytest.approx(odds.expected, abs=1e-9)
    assert odds.worst <= odds.expected + 1e-12
    assert odds.expected <= odds.best + 1e-12
    assert odds.worst <= odds.quantile(0.5) <= odds.best
    assert odds.at_least(0) == pytest.approx(1, abs=1e-9)
    if used < plain.usable:
        more = Subnet(plain.cidr, used=used + 1).prefix_estimate
        assert (more.best, more.worst) <= (odds.best, odds.worst)
        assert more.expected <= odds.expected + 1e-12
    with pytest.raises(InputError):
        odds.quantile(1.5)


@pytest.mark.parametrize(("usable", "blocks", "used"), [(251, 14, 9), (1019, 62, 300), (35, 2, 30)])
def test_both_ways_to_the_odds_agree(usable, blocks, used):
    logs = census._log2_moments(usable, blocks, used)
    np.testing.assert_allclose(
        census._by_chain(usable, blocks, used),
        census._by_inclusion_exclusion(usable, blocks, used, logs),
        atol=1e-13,
    )


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_a_chain_runs_to_its_end(blocks):
    usable = 16 * blocks + 3
    for used in (0, usable - 1, usable):
        chances = census._by_chain(usable, blocks, used)
        assert chances.argmax() == (0 if used else blocks)
        assert chances.sum() == pytest.approx(1, abs=1e-12)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=20), st.integers(0, 2**32 - 1))
def test_usual_texts_are_read_at_once(numbers, one):
    texts = [str(ipaddress.IPv4Address(number)) for number in numbers]
    assert parsing._dotted_quads("\n".join(texts), len(texts)).tolist() == numbers
    assert parsing._dotted_quads(f"0{ipaddress.IPv4Address(one)}", 1) is None


def test_the_odds_of_known_places_are_certain_and_cannot_be_changed():
    known = Subnet("10.0.0.0/24", used=["10.0.0.40", "10.0.0.60"]).prefix_estimate
    guessed = Subnet("10.0.0.0/24", used=2).prefix_estimate
    assert (known.exact, guessed.exact) == (True, False)
    assert known.distribution.tolist() == [0.0] * 12 + [1.0] + [0.0] * 2
    assert (known.at_least(12), known.at_least(13), known.quantile(0.5)) == (1, 0, 12)
    assert guessed.distribution.argmax() == 12
    assert 0 < guessed.at_least(13) < 1
    for odds in (known, guessed):
        with pytest.raises(ValueError, match="read-only"):
            odds.distribution[0] = 1


def test_a_long_chain_drops_only_what_is_negligible():
    chances = census._by_chain(65531, 4094, 3000)
    assert chances.sum() == pytest.approx(1, abs=1e-12)
    mean = census.expected_free(65531, 4094, 3000)
    assert (chances * np.arange(4095)).sum() == pytest.approx(mean, rel=1e-9)
    few = census.distribution(65531, 4094, 3)
    assert few[4091:].sum() == pytest.approx(1, abs=1e-12)


# -- EC2 answers, in the shape of its API reference ------------------------------

INTERFACES = {
    "NetworkInterfaces": [
        {
            "NetworkInterfaceId": "eni-0a",
            "SubnetId": "subnet-0a",
            "VpcId": "vpc-1",
            "InterfaceType": "interface",
            "PrivateIpAddress": "10.0.0.20",
            "PrivateIpAddresses": [
                {"Primary": True, "PrivateIpAddress": "10.0.0.20"},
                {"Primary": False, "PrivateIpAddress": "10.0.0.21"},
                {"Primary": False, "PrivateIpAddress": "10.0.0.40"},
            ],
            "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.32/28"}],
            "Status": "in-use",
        },
        {
            "NetworkInterfaceId": "eni-0b",
            "SubnetId": "subnet-0b",
            "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.9"}],
        },
    ]
}
RESERVATIONS = {
    "SubnetIpv4CidrReservations": [
        {
            "SubnetCidrReservationId": "scr-1",
            "SubnetId": "subnet-0a",
            "Cidr": "10.0.0.64/26",
            "ReservationType": "prefix",
            "OwnerId": "123456789012",
            "Tags": [],
        }
    ],
    "SubnetIpv6CidrReservations": [
        {"SubnetId": "subnet-0a", "Cidr": "2001:db8::/80", "ReservationType": "prefix"}
    ],
}
DESCRIBED = {
    "AvailabilityZone": "eu-west-1a",
    "AvailableIpAddressCount": 233,
    "CidrBlock": "10.0.0.0/24",
    "SubnetId": "subnet-0a",
    "VpcId": "vpc-1",
    "State": "available",
}


def test_ec2_answers_are_read_as_they_are():
    subnet = Subnet.from_describe_subnets(
        DESCRIBED, interfaces=INTERFACES, reservations=RESERVATIONS
    )
    assert (subnet.used, subnet.zone, subnet.vpc_id) == (18, "eu-west-1a", "vpc-1")
    assert subnet.census.free_prefixes == 12
    assert subnet.reservations == (Reservation("10.0.0.64/26", "prefix"),)
    pages = [{"NetworkInterfaces": [one]} for one in INTERFACES["NetworkInterfaces"]]
    listed = INTERFACES["NetworkInterfaces"]
    for same in (pages, listed, [INTERFACES, INTERFACES]):
        assert Subnet("10.0.0.0/24", used=same, subnet_id="subnet-0a").used == 18
    counted = Subnet.from_describe_subnets(DESCRIBED)
    assert (counted.used, counted.placement_known) == (18, False)


@pytest.mark.parametrize(
    "used",
    [
        INTERFACES,
        {**INTERFACES, "NextToken": "x"},
        {"Subnets": []},
        [INTERFACES, 5],
        [{"PrivateIpAddresses": [{"Address": "10.0.0.9"}]}],
        [{"PrivateIpAddresses": [7.5]}],
    ],
)
def test_an_ec2_answer_that_leaves_doubt_is_refused(used):
    with pytest.raises((InputError, UnsupportedInputError)):
        Subnet("10.0.0.0/24", used=used)


def test_an_entry_of_describe_subnets_must_be_whole():
    with pytest.raises(InputError, match="AvailableIpAddressCount"):
        Subnet.from_describe_subnets({"CidrBlock": "10.0.0.0/24"})
    for free in (300, -1, "200"):
        with pytest.raises((InputError, UnsupportedInputError), match="AvailableIpAddressCount"):
            Subnet.from_describe_subnets({**DESCRIBED, "AvailableIpAddressCount": free})
    with pytest.raises(InputError, match="counts reserved addresses as taken"):
        Subnet.from_describe_subnets(DESCRIBED, reservations=RESERVATIONS)


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        ("10.0.1.0/26:prefix", "foreign"),
        (["10.0.0.0/26:prefix", "10.0.0.32/28:explicit"], "overlap"),
        ("10.0.0.0/26:both", "type"),
        ("10.0.0.5/26:prefix", "malformed"),
        ("2001:db8::/64:prefix", "malformed"),
        ("10.0.0.0/26", "malformed"),
        (7, "malformed"),
        ([7], "malformed"),
        ({**RESERVATIONS, "NextToken": "x"}, "malformed"),
        ([{"Cidr": "10.0.0.0/26", "ReservationType": "prefix", "SubnetId": "subnet-9"}], "foreign"),
    ],
)
def test_a_reservation_that_does_not_belong_is_named(given_, reason):
    with pytest.raises(ReservationError) as caught:
        Subnet("10.0.0.0/24", reservations=given_, subnet_id="subnet-0a")
    assert caught.value.reason == reason


def test_a_reservation_has_many_spellings():
    one = Reservation("10.0.0.64/26", "prefix")
    for spelling in (
        one,
        [one],
        ("10.0.0.64/26", "prefix"),
        [("10.0.0.64/26", "prefix")],
        {"cidr": "10.0.0.64/26", "type": "prefix"},
        "10.0.0.64/26:prefix",
    ):
        assert Subnet("10.0.0.0/24", reservations=spelling).reservations == (one,)
    assert Subnet("10.0.0.0/24", reservations=None).reservations == ()


# -- addresses of any kind --------------------------------------------------------

FIRST = int(ipaddress.IPv4Address("10.0.0.0"))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(4, 254), unique=True, max_size=40), st.randoms(use_true_random=False))
def test_each_spelling_of_addresses_means_the_same(places, random):
    texts = [f"10.0.0.{n}" for n in places]
    objects = [ipaddress.IPv4Address(text) for text in texts]
    numbers = [FIRST + n for n in places]
    mixed = [random.choice(three) for three in zip(texts, objects, numbers, strict=True)]
    plain = Subnet("10.0.0.0/24", used=texts)
    for used in (
        objects,
        numbers,
        mixed,
        np.array(numbers, dtype=np.uint32),
        np.array(texts, dtype=object),
        ", ".join(texts),
        set(texts),
        [f"{text}/32" for text in texts],
        [f"{text}-{text}" for text in texts],
        [ipaddress.IPv4Network(text) for text in texts],
    ):
        assert (Subnet("10.0.0.0/24", used=used).used_mask == plain.used_mask).all()
    assert plain.used == len(places)


@pytest.mark.parametrize("kind", ["Int64", "UInt32"])
def test_a_missing_address_is_told_with_its_place(kind):
    used = pd.array([167772180, None], dtype=kind)
    with pytest.raises(MissingValueError, match=r"used of 10.0.0.0/24 has 1 .* at position 1"):
        Subnet("10.0.0.0/24", used=used)


@settings(deadline=None, max_examples=150)
@given(st.text("0123456789. \n-a", min_size=1, max_size=12))
def test_reading_in_bulk_is_as_strict_as_reading_one(text):
    def reading(item):
        try:
            return parsing.spans([item, "10.0.0.77"])[0][0]
        except (AddressError, UnsupportedInputError):
            return None

    try:
        strict = int(ipaddress.IPv4Address(text.strip()))
    except ValueError:
        strict = None
    if "-" not in text:
        assert reading(text) == strict


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "1.2.3.256",
        "1..3.4",
        "1.2.3.1000",
        "10.0.0.00",
        "\u0661.2.3.4",
        "",
        "1.2.3.4x",
    ],
)
def test_a_text_that_is_no_address_is_malformed(text):
    with pytest.raises(AddressError) as caught:
        Subnet("10.0.0.0/24", used=[text])
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize(
    ("used", "error"),
    [
        (["10.0.0.9-10.0.0.5"], AddressError),
        (["10.0.0.9/28"], AddressError),
        ([-1], AddressError),
        ([2**32], AddressError),
        ([FIRST + 5, np.int64(-1)], AddressError),
        (np.array([-5]), AddressError),
        ([FIRST + 9, True], UnsupportedInputError),
        ([5.5], UnsupportedInputError),
        ([None, "10.0.0.9"], UnsupportedInputError),
        (b"10.0.0.9", UnsupportedInputError),
        (ipaddress.IPv6Address("::1"), UnsupportedInputError),
        ([ipaddress.IPv6Address("::1")], AddressError),
        (object(), UnsupportedInputError),
        (252, InvalidCountError),
        (-1, InvalidCountError),
        (1.5, InvalidCountError),
        (["10.0.0.16/28", "10.0.0.20"], AddressError),
        (["10.0.0.250-10.0.1.5"], AddressError),
    ],
)
def test_what_names_no_free_address_is_refused(used, error):
    with pytest.raises(error):
        Subnet("10.0.0.0/24", used=used)


def test_a_full_and_an_empty_count_leave_no_doubt():
    assert Subnet("10.0.0.0/24", used=251).free_prefixes == 0
    assert Subnet("10.0.0.0/24", used=0).free_prefixes == 14
    with pytest.raises(UnsupportedInputError):
        Subnet(24)


def test_a_subnet_shows_and_changes_as_a_value():
    subnet = Subnet("10.0.0.0/24", used=5, subnet_id="subnet-1")
    assert repr(subnet) == "<Subnet 10.0.0.0/24: 5 of 251 used somewhere, subnet_id='subnet-1'>"
    changed = subnet.with_used(["10.0.0.20"]).with_reservations(["10.0.0.64/26:prefix"])
    assert (changed.used, changed.subnet_id, len(changed.reservations)) == (1, "subnet-1", 1)
    assert ">251</td>" in changed._repr_html_()
    assert "free prefixes worst" in subnet._repr_html_()
    assert subnet.with_reservations(["10.0.0.64/26:prefix"]).used == 5
    for wanted in ("free_outside_reservations", "census", "fragmentation", "used_mask"):
        with pytest.raises(PlacementUnknownError):
            getattr(subnet.with_reservations(["10.0.0.64/26:prefix"]), wanted)
    assert changed == changed.with_used(["10.0.0.20"])
    with pytest.raises(ValueError, match="read-only"):
        changed.used_mask[9] = True


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.lists(st.integers(16, 95), max_size=6),
            st.lists(st.integers(1, 5), max_size=2),
        ),
        max_size=6,
    )
)
def test_interfaces_read_in_bulk_hold_what_each_of_them_holds(drawn):
    interfaces = [
        {
            "NetworkInterfaceId": f"eni-{name}",
            "PrivateIpAddresses": [{"PrivateIpAddress": f"10.0.0.{one}"} for one in singles],
            "Ipv4Prefixes": [{"Ipv4Prefix": f"10.0.0.{16 * block}/28"} for block in blocks],
        }
        for name, singles, blocks in drawn
    ]
    expected: dict[str, set[tuple[int, int]]] = {}
    for position, interface in enumerate(interfaces):
        merged = expected.setdefault(interface["NetworkInterfaceId"], set())
        merged.update(parsing._interface_spans(interface, position))
    blocks = {
        name: [span for span in spans if span[0] < span[1]] for name, spans in expected.items()
    }
    # Seen on one page as a prefix and on another as an address of it: once.
    in_bulk = sorted(
        (first, last)
        for name, spans in expected.items()
        for first, last in spans
        if last > first or not any(low <= first <= high for low, high in blocks[name])
    )
    starts, ends = parsing.spans([{"NetworkInterfaces": interfaces}])
    assert sorted(zip(starts.tolist(), ends.tolist(), strict=True)) == in_bulk


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.300"}]}, "10.0.0.300"),
        ({"PrivateIpAddresses": [{"PrivateIpAddress": None}]}, "None"),
        ({"PrivateIpAddresses": [{}]}, "interface eni-1 of the EC2 answer cannot be read"),
        ({"PrivateIpAddresses": [], "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.1/28"}]}, "host bits"),
    ],
)
def test_an_interface_that_cannot_be_read_is_told(entry, message):
    with pytest.raises(CapacityError, match=re.escape(message)):
        Subnet("10.0.0.0/24", used=[{"NetworkInterfaceId": "eni-1", **entry}])


def test_a_prefix_of_another_size_is_read_one_by_one():
    entry = {"PrivateIpAddresses": [], "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.32/27"}]}
    assert Subnet("10.0.0.0/24", used=[entry]).used == 32


def test_whole_numbers_of_numpy_in_a_list_are_addresses():
    first = int(ipaddress.IPv4Address("10.0.0.9"))
    assert Subnet("10.0.0.0/24", used=[np.int64(first), np.int64(first + 1)]).used == 2
    assert Subnet("10.0.0.0/24", used=[np.int64(first), np.uint32(first + 1)]).used == 2


def test_a_census_names_its_reservations():
    subnet = Subnet("10.0.0.0/24", used=["10.0.0.9"], reservations=["10.0.0.64/26:prefix"])
    assert "10.0.0.64/26" in subnet.census._repr_html_()
    assert subnet.census.to_pandas()["free_prefixes_reserved"].tolist() == [4]


@pytest.mark.parametrize(
    "frame", [pd.DataFrame({"a": ["10.0.0.5"]}), pl.DataFrame({"a": ["10.0.0.5"]})]
)
def test_a_frame_of_used_addresses_is_asked_for_its_column(frame):
    with pytest.raises(UnsupportedInputError, match="is a DataFrame: give one column of it"):
        Subnet("10.0.0.0/24", used=frame)
    assert Subnet("10.0.0.0/24", used=frame["a"]).used == 1


def test_a_column_of_any_library_names_addresses():
    for values in (["10.0.0.5", "10.0.0.16/28"], [FIRST + 5, FIRST + 9], [np.int64(FIRST + 5)]):
        whole = Subnet("10.0.0.0/24", used=values)
        for column in (pl.Series(values), pd.Series(values), np.array(values)):
            assert Subnet("10.0.0.0/24", used=column).census == whole.census


@pytest.mark.parametrize(
    ("cidr", "used", "cure"),
    [
        ("subnet-0a1b", 0, "aws.load_subnets asks AWS"),
        ("10.0.0.0/24", "40", "as a number of addresses it is an int, 40"),
        ("10.0.0.0/24", ["9" * 5_000], "it is an int, 99999999999999999999;"),
    ],
)
def test_an_id_and_a_number_in_quotes_are_known_for_what_they_are(cidr, used, cure):
    with pytest.raises(InputError, match=cure):
        Subnet(cidr, used=used)
