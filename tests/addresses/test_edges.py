"""The last values on each side of a limit, and what messages count."""

import ipaddress
import re
import zlib

import numpy as np
import pytest

from eks_win_capacity import (
    WarmPool,
    attached_addresses,
    migration,
    nodes_that_fit,
    reservation_plan,
    smallest_subnet,
)
from eks_win_capacity.addresses.configmap import MAX_TEXT, read_configmap
from eks_win_capacity.addresses.sizes import aligned_chunks
from eks_win_capacity.addresses.subnet import Subnet
from eks_win_capacity.addresses.targets import go_int
from eks_win_capacity.core.documents import _open, whole, yaml_value
from eks_win_capacity.core.errors import AddressError, ConfigMapError, DocumentError, InputError

PREFIX = WarmPool.from_configmap(
    {"enable-windows-ipam": "true", "enable-windows-prefix-delegation": "true"}
)


def test_quantiles_are_of_chances_from_none_to_all():
    census = Subnet("10.0.0.0/24", used=40).prefix_estimate
    assert census.quantile(0) <= census.quantile(0.5) <= census.quantile(1)
    assert census.worst <= census.quantile(0)
    assert census.quantile(1) <= census.best
    for beyond in (-1e-9, 1 + 1e-9):
        with pytest.raises(ValueError, match="chance"):
            census.quantile(beyond)


def test_a_configmap_is_read_up_to_two_mebibytes():
    start = 'enable-windows-ipam: "true"\nnote: "'
    most = 2_097_152
    assert most == MAX_TEXT
    fits = start + "x" * (most - len(start) - 1) + '"'
    assert len(read_configmap(fits).data["note"]) == most - len(start) - 1
    with pytest.raises(ConfigMapError, match="2,097,152"):
        read_configmap(fits + " ")


@pytest.mark.parametrize("text", ["9223372036854775807", "9223372036854775808", "9" * 25])
def test_whole_numbers_end_where_64_bits_end(text):
    assert go_int(text) == 2**63 - 1
    assert go_int("-" + text) == max(-int(text), -(2**63))


@pytest.mark.parametrize("number", [-1, 2**32, 2**32 + 1, 2**33 - 1])
def test_numbers_beyond_the_addresses_are_malformed(number):
    with pytest.raises(AddressError) as caught:
        Subnet("10.0.0.0/24", used=[int(ipaddress.IPv4Address("10.0.0.9")), number])
    assert caught.value.reason == "malformed"
    with pytest.raises(AddressError) as caught:
        Subnet("10.0.0.0/24", used=["10.0.0.9", number])
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize("number", [0, 2**32 - 1])
def test_the_first_and_the_last_address_there_is_lie_outside(number):
    for used in ([number], ["10.0.0.9", number], np.array([number], dtype=np.uint64)):
        with pytest.raises(AddressError) as caught:
            Subnet("10.0.0.0/24", used=used)
        assert caught.value.reason == "outside"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.0.0.3", "kept"),
        ("10.0.0.4", ""),
        ("10.0.0.254", ""),
        ("10.0.0.255", "kept"),
        ("10.0.1.0", "outside"),
        ("9.255.255.255", "outside"),
    ],
)
def test_the_first_and_last_addresses_are_told_apart(address, reason):
    if not reason:
        assert Subnet("10.0.0.0/24", used=[address]).free == 250
        return
    with pytest.raises(AddressError) as caught:
        Subnet("10.0.0.0/24", used=[address])
    assert caught.value.reason == reason
    if reason == "kept":
        assert "(10.0.0.0 to 10.0.0.3, 10.0.0.255)" in str(caught.value)


def test_a_lone_block_is_taken_before_one_of_a_pair_wherever_they_lie():
    for pair, alone in ((10, 14), (2, 7), (14, 0)):
        free = np.zeros(16, dtype=np.bool_)
        free[[pair, pair + 1, alone]] = True
        assert aligned_chunks(free, 1) == [(alone, 0)]
        assert aligned_chunks(free, 2) == [(pair, 1)]


@pytest.mark.parametrize(("kept", "length"), [(11, 28), (12, 27), (27, 27), (28, 26)])
def test_what_is_kept_free_alone_may_fill_the_subnet(kept, length):
    need = smallest_subnet(nodes=0, instance_type="m5.large", pods_per_node=1, keep_free=kept)
    assert need.prefix.prefix_length == need.secondary.prefix_length == length


@pytest.mark.parametrize("at", [0, 1, 15])
def test_an_address_in_a_prefix_of_the_same_interface_counts_once(at):
    interface = {
        "NetworkInterfaceId": "eni-1",
        "SubnetId": "subnet-1",
        "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.16/28"}],
        "PrivateIpAddresses": [
            {"PrivateIpAddress": "10.0.0.4"},
            {"PrivateIpAddress": f"10.0.0.{16 + at}"},
        ],
    }
    answer = {"NetworkInterfaces": [interface]}
    assert Subnet("10.0.0.0/24", used=answer, subnet_id="subnet-1").used == 17


def test_a_plan_of_reservations_wants_what_all_nodes_need():
    subnet = Subnet("10.0.0.0/24", used=["10.0.0.4"])
    one = reservation_plan(subnet, nodes=1, instance_type="m5.large", pods_per_node=20, pool=PREFIX)
    three = reservation_plan(
        subnet, nodes=3, instance_type="m5.large", pods_per_node=20, pool=PREFIX
    )
    assert (one.wanted, three.wanted) == (2, 6)
    kept = reservation_plan(
        subnet, nodes=3, instance_type="m5.large", pods_per_node=20, pool=PREFIX, keep_free=0
    )
    assert kept == three


def test_what_stops_the_next_node_counts_what_is_left():
    # 14 whole blocks, 4 of them reserved; each node takes 3 prefixes and an address of its own.
    subnet = Subnet("10.0.0.0/24", used=["10.0.0.4"], reservations=[("10.0.0.64/26", "prefix")])
    fit = nodes_that_fit(subnet, "m5.large", pods_per_node=40, pool=PREFIX)
    assert fit.best == 4
    assert re.search(r"needs 3 whole /28 prefixes and 2 are left", fit.why)
    assert (fit.addresses_left, fit.prefixes_left) == (250 - 64 - 4 - 16 * 8, 2)
    full = Subnet("10.0.0.0/28", used=[f"10.0.0.{n}" for n in range(4, 15)])
    none = nodes_that_fit(full, "m5.large", pods_per_node=9, pool=PREFIX)
    assert (none.best, none.binding) == (0, "addresses")
    assert "and 0 outside reservations are left" in none.why


@pytest.mark.parametrize("pods", [0, 1, 9, 40, 144])
def test_the_best_that_a_node_can_attach_counts_the_slots_that_can_be_freed(pods):
    change = migration("m5.large", pods, direction="to-secondary")
    fewest = -(-pods // 16)
    assert change.attachable_best == 9 - fewest
    assert change.attachable <= change.attachable_best <= 9


@pytest.mark.parametrize(("direction", "flag"), [("to-prefix", "true"), ("to-secondary", "false")])
def test_a_change_of_mode_sets_the_flag_of_the_mode_it_leads_to(direction, flag):
    steps = migration("m5.large", 3, direction=direction).steps
    assert sum(f'enable-windows-prefix-delegation: "{flag}"' in step for step in steps) == 1
    assert sum("enable-windows-prefix-delegation" in step for step in steps) == 1


@pytest.mark.parametrize("target", [1, 2])
def test_one_warm_prefix_is_kept_as_two_are(target):
    pool = WarmPool(
        prefix_delegation=True, warm_ip_target=0, minimum_ip_target=0, warm_prefix_target=target
    )
    state = attached_addresses(np.array([0, 16, 17]), slots=9, pool=pool)
    assert state.prefixes.tolist() == [target, 1 + target, 2 + target]


def test_a_fault_in_yaml_is_placed_as_editors_count():
    with pytest.raises(DocumentError, match="at line 2, column 4"):
        yaml_value("a: 1\nb: ]\n", name="it")


def test_members_of_a_packed_file_share_one_limit(monkeypatch):
    monkeypatch.setattr(_open, "MAX_WHOLE_BYTES", 100)

    def member(size):
        stream = zlib.compressobj(wbits=31)
        return stream.compress(b"x" * size) + stream.flush()

    assert whole.unpacked(member(60) + member(40), "it") == b"x" * 100
    for sizes in ((101,), (60, 41), (60, 60), (100, 1)):
        with pytest.raises(DocumentError, match="more than 100 bytes"):
            whole.unpacked(b"".join(map(member, sizes)), "it")


def test_interfaces_of_two_subnets_need_a_word_which_is_meant():
    answer = {
        "NetworkInterfaces": [
            {
                "NetworkInterfaceId": f"eni-{n}",
                "SubnetId": f"subnet-{n}",
                "PrivateIpAddresses": [{"PrivateIpAddress": f"10.0.0.{10 + n}"}],
            }
            for n in (1, 2)
        ]
    }
    with pytest.raises(InputError, match=r"interfaces of 2 subnets \(subnet-1, subnet-2\)"):
        Subnet("10.0.0.0/24", used=answer)
    assert Subnet("10.0.0.0/24", used=answer, subnet_id="subnet-2").used == 1
    alone = {"NetworkInterfaces": answer["NetworkInterfaces"][:1]}
    assert Subnet("10.0.0.0/24", used=alone).used == 1


def test_what_is_read_of_others_ends_where_it_is_said_to():
    mebibyte = 1_048_576
    assert {name: value for name, value in vars(_open).items() if name.startswith("MAX_")} == {
        "MAX_JSON_CHARS": 4_096 * mebibyte,
        "MAX_WHOLE_CHARS": 256 * mebibyte,
        "MAX_WHOLE_BYTES": 512 * mebibyte,
        "MAX_HELD": 2_048 * mebibyte,
        "MAX_ITEMS": 3_000_000,
        "MAX_ITEM_CHARS": 32 * mebibyte,
        "MAX_YAML_CHARS": 16 * mebibyte,
        "MAX_DEPTH": 100,
        "MAX_EXPANDED": 2_000_000,
    }


@pytest.mark.parametrize(
    ("mode", "key", "most"),
    [
        ({}, "windows-warm-ip-target", 9),
        ({}, "windows-minimum-ip-target", 9),
        ({"enable-windows-prefix-delegation": "true"}, "windows-warm-ip-target", 144),
        ({"enable-windows-prefix-delegation": "true"}, "windows-warm-prefix-target", 9),
    ],
)
def test_a_target_is_above_the_capacity_from_one_beyond_it_on(mode, key, most):
    for value, above in ((1, False), (most, False), (most + 1, True)):
        data = {"enable-windows-ipam": "true", **mode, key: str(value)}
        findings = WarmPool.from_configmap(data, slots=9).findings
        assert ("target-above-capacity" in {f.code for f in findings}) is above, value
        assert any(f"holds {most} " in str(f) for f in findings) is above
    # Targets that nobody gave are the controller's own.
    alone = WarmPool.from_configmap({"enable-windows-ipam": "true", **mode}, slots=1)
    assert "target-above-capacity" not in {f.code for f in alone.findings}
