"""The command ``subnet``."""

import json

import pytest
from click.testing import CliRunner

from eks_win_capacity.cli import app
from eks_win_capacity.core.errors import CapacityError, InputError

CONFIGMAP = """\
data:
  enable-windows-ipam: "true"
  enable-windows-prefix-delegation: "true"
  windows-warm-prefix-target: "1"
"""


def run(*arguments, text=None):
    return CliRunner().invoke(app, ["subnet", *arguments], input=text, catch_exceptions=False)


def rows_of(*arguments, text=None):
    done = run(*arguments, "-o", "json", text=text)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)["rows"]


def test_a_count_gives_the_range_of_free_prefixes():
    (row,) = rows_of("10.0.0.0/24", "--used", "1,0")
    assert (row["used"], row["free_prefixes"], row["free_prefixes_worst"]) == (10, None, 4)


def test_a_file_of_addresses_gives_the_census(tmp_path):
    file = tmp_path / "used.txt"
    file.write_text("# the nodes\n10.0.0.20, 10.0.0.70-10.0.0.75\n10.0.0.144/28\n", "utf-8")
    (row,) = rows_of("10.0.0.0/24", "--used", str(file), "--reservation", "10.0.0.64/26:prefix")
    assert (row["used"], row["whole_free"], row["free_prefixes_reserved"]) == (23, 11, 3)
    (reservation,) = rows_of(
        "10.0.0.0/24",
        "--used",
        "-",
        "--reservation",
        "10.0.0.64/26:prefix",
        "--show",
        "reservations",
        text="10.0.0.70",
    )
    assert (reservation["cidr"], reservation["used"]) == ("10.0.0.64/26", 1)
    (unknown,) = rows_of(
        "10.0.0.0/24",
        "--used",
        "7",
        "--reservation",
        "10.0.0.64/26:prefix",
        "--show",
        "reservations",
    )
    assert unknown == {"cidr": "10.0.0.64/26", "type": "prefix"}


def test_addresses_may_stand_on_the_command_line():
    (row,) = rows_of("10.0.0.0/24", "--used", "10.0.0.20, 10.0.0.70-10.0.0.75,10.0.0.144/28")
    assert (row["used"], row["whole_free"]) == (23, 11)


def test_nothing_is_printed_before_an_error():
    done = CliRunner().invoke(app, ["subnet", "10.0.0.0/24", "-t", "m5.larg"])
    assert isinstance(done.exception, CapacityError)
    assert not done.stdout


def test_an_ec2_answer_gives_the_census():
    answer = {
        "NetworkInterfaces": [
            {
                "NetworkInterfaceId": "eni-1",
                "SubnetId": "subnet-1",
                "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.20"}],
                "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.32/28"}],
            },
            {
                "NetworkInterfaceId": "eni-2",
                "SubnetId": "subnet-2",
                "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.20"}],
            },
        ]
    }
    text = json.dumps(answer)
    (row,) = rows_of("10.0.0.0/24", "--used", "-", "--subnet-id", "subnet-1", text=text)
    assert (row["used"], row["subnet_id"]) == (17, "subnet-1")


def test_blocks_can_be_listed():
    rows = rows_of("10.0.0.0/26", "--show", "blocks")
    assert [row["serves"] for row in rows] == [False, True, True, False]


def test_nodes_that_fit_are_told_with_what_stops_the_next(tmp_path):
    rows = rows_of(
        "10.0.0.0/24",
        "-t",
        "m5.large",
        "-t",
        "m4.large",
        "--prefix-delegation",
        "--pods-per-node",
        "9",
    )
    assert [(row["nodes"], row["best"], row["mode"]) for row in rows] == [
        (7, 14, "prefix"),
        (25, 25, "secondary"),
    ]
    (full,) = rows_of("10.0.0.0/24", "-t", "m5.large")
    assert (full["pods_per_node"], full["nodes"]) == (9, 25)
    file = tmp_path / "cm.yaml"
    file.write_text(CONFIGMAP, "utf-8")
    (row,) = rows_of("10.0.0.0/24", "-t", "m5.large", "--pods-per-node", "9", "-c", str(file))
    assert row["prefixes_per_node"] == 2


def test_the_printed_table_tells_all():
    done = run(
        "10.0.0.0/24",
        "--used",
        "-",
        "--reservation",
        "10.0.0.64/26:prefix",
        "-t",
        "m5.large",
        "--keep-free",
        "16",
        text="10.0.0.70",
    )
    assert done.exit_code == 0
    for part in ("Census of 10.0.0.0/24", "Reservations", "What fits", "16 of them kept free"):
        assert part in done.output
    arm = run("10.0.0.0/24", "-t", "m6g.large")
    assert "m6g.large cannot run Windows" in arm.output
    bare = run("10.0.0.0/24")
    assert "What fits" not in bare.output
    assert "subnet id" not in bare.output


def test_csv_can_be_asked():
    done = run("10.0.0.0/24", "--used", "3", "-o", "csv")
    assert done.output.startswith("cidr,subnet_id,zone,usable,used,free,")


@pytest.mark.parametrize(
    "arguments",
    [
        ("10.0.0.0/24", "--show", "fits"),
        ("10.0.0.0/24", "--pods-per-node", "3"),
        ("10.0.0.0/24", "-c", "-", "--prefix-delegation"),
    ],
)
def test_a_wrong_command_line_is_said(arguments):
    assert run(*arguments, text="data: {}").exit_code != 0


@pytest.mark.parametrize("text", ["", "# nothing\n", "{broken"])
def test_a_file_without_addresses_is_an_error(text):
    with pytest.raises(CapacityError):
        run("10.0.0.0/24", "--used", "-", text=text)


def test_a_file_that_is_not_there_is_an_error():
    with pytest.raises(InputError, match="no such file"):
        run("10.0.0.0/24", "--used", "no-such-file")
