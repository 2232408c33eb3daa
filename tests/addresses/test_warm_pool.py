"""ConfigMaps, their traps, and what a node keeps attached."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import CapacityError, Catalog, WarmPool, attached_addresses, migration
from eks_win_capacity.addresses.targets import TARGETS
from eks_win_capacity.addresses.warm_pool import pool_of_pairs
from eks_win_capacity.cli import app
from eks_win_capacity.core.errors import (
    InputError,
    InvalidCountError,
    MissingValueError,
    ShapeMismatchError,
    UnknownInstanceTypeError,
    WarmTargetError,
)

_ON = {"enable-windows-ipam": "true"}
_PREFIX = {**_ON, "enable-windows-prefix-delegation": "true"}

# aws/amazon-vpc-resource-controller-k8s, docs/windows/prefix_delegation_config_options.md:
# warm-prefix-target, warm-ip-target, minimum-ip-target, pods, attached prefixes, unused addresses.
_PREFIX_ROWS = """
- - - 0 1 16;- - - 15 1 1;- - - 16 2 16;1 - - 0 1 16;3 - - 0 3 48;1 - - 5 2 27;1 - - 17 3 31
- - 1 0 1 16;- - 1 5 1 11;- - 1 15 1 1;- - 1 16 2 16;- 5 - 0 1 16;- 5 - 5 1 11;- 5 - 11 1 5
- 5 - 12 2 20;- 1 1 0 1 16;- 1 1 5 1 11;- 1 1 17 2 15;- 3 1 14 2 18;- 7 20 0 2 32
- 7 20 5 2 27;- 7 20 17 2 15;- 7 20 26 3 22
"""

# docs/windows/secondary_ip_mode_config_options.md: windows-warm-ip-target,
# windows-minimum-ip-target, pods, attached, warm. The last two need more than 14 slots.
_SECONDARY_ROWS = [
    (1, 0, 0, 1, 1),
    (1, 0, 5, 6, 1),
    (5, 0, 0, 5, 5),
    (1, 1, 0, 1, 1),
    (1, 1, 1, 2, 1),
    (1, 3, 3, 4, 1),
    (1, 3, 5, 6, 1),
    (5, 10, 0, 10, 10),
    (10, 10, 0, 10, 10),
    (10, 10, 10, 20, 10),
    (15, 10, 10, 25, 15),
]


@pytest.mark.parametrize("row", _PREFIX_ROWS.replace("\n", ";").strip(";").split(";"))
def test_the_documented_prefix_rows_hold(row):
    *targets, pods, prefixes, warm = row.split()
    keys = ("windows-warm-prefix-target", "windows-warm-ip-target", "windows-minimum-ip-target")
    data = {key: value for key, value in zip(keys, targets, strict=True) if value != "-"}
    pool = WarmPool.from_configmap({**_PREFIX, **data})
    state = attached_addresses(int(pods), slots=14, pool=pool)
    assert (state.prefixes, state.warm) == (int(prefixes), int(warm))


@pytest.mark.parametrize(("warm", "minimum", "pods", "attached", "left"), _SECONDARY_ROWS)
def test_the_documented_secondary_rows_hold(warm, minimum, pods, attached, left):
    data = {"windows-warm-ip-target": str(warm), "windows-minimum-ip-target": str(minimum)}
    pool = WarmPool.from_configmap({**_ON, **data})
    state = attached_addresses(pods, slots=max(14, attached), pool=pool)
    assert (state.addresses, state.warm) == (attached, left)


@pytest.mark.parametrize(
    ("mode", "given_", "acting"),
    [
        # warm-ip, minimum-ip and warm-prefix target, None where the key is missing.
        ("prefix", (None, None, None), (1, 3, 0)),
        ("prefix", (0, 0, 0), (1, 3, 0)),
        ("prefix", (None, 1, None), (1, 1, 0)),
        ("prefix", (None, 1, 2), (1, 1, 2)),
        ("prefix", (1, None, 2), (1, 3, 2)),
        ("prefix", (2, 0, 1), (2, 3, 1)),
        ("prefix", (None, None, 1), (0, 0, 1)),
        ("prefix", (-1, 1, 2), (1, 1, 2)),
        ("prefix", (-1, -2, 1), (-1, -2, 1)),
        ("prefix", (-1, -2, 0), (1, 3, 0)),
        ("secondary", (None, None, 7), (3, 3, 0)),
        ("secondary", (None, 0, None), (3, 3, 0)),
        ("secondary", (0, None, None), (1, 0, 0)),
        ("secondary", (0, 5, None), (1, 5, 0)),
        ("secondary", (None, 1, None), (0, 1, 0)),
        ("secondary", (2, None, None), (2, 0, 0)),
        ("secondary", (-1, None, None), (3, 0, 0)),
        ("secondary", (1, -1, None), (1, 3, 0)),
    ],
)
def test_which_targets_act(mode, given_, acting):
    keys = ("windows-warm-ip-target", "windows-minimum-ip-target", "windows-warm-prefix-target")
    data = {key: str(one) for key, one in zip(keys, given_, strict=True) if one is not None}
    pool = WarmPool.from_configmap({**(_PREFIX if mode == "prefix" else _ON), **data})
    assert (pool.warm_ip_target, pool.minimum_ip_target, pool.warm_prefix_target) == acting
    assert pool.prefix_rule is (mode == "prefix" and max(acting[:2]) <= 0)
    if mode == "prefix" and min(one or 0 for one in given_) >= 0:
        names = ("warm_ip_target", "minimum_ip_target", "warm_prefix_target")
        assert pool == WarmPool.prefix(**dict(zip(names, given_, strict=True)))


@pytest.mark.parametrize(
    "targets", [(0, 0, 0), (0, 3, 0), (1, 0, 0), (1, 0, 2), (0, 3, 2), (-1, 1, 0)]
)
def test_a_prefix_pool_is_never_built_with_a_target_of_zero_that_would_act(targets):
    names = ("warm_ip_target", "minimum_ip_target", "warm_prefix_target")
    with pytest.raises(WarmTargetError, match="above zero, or a warm-prefix"):
        WarmPool(prefix_delegation=True, **dict(zip(names, targets, strict=True)))


def _codes(data, **options):
    return {x.code for x in WarmPool.from_configmap(data, **options).findings}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({}, "windows-ipam-off"),
        ({"enable-windows-ipam": "yes"}, "invalid-boolean"),
        (
            {**_ON, "warm-ip-target": "", "windows-warm-ip-target": "5"},
            "plain-key-wins",
        ),
        (
            {**_ON, "warm-ip-target": "1", "minimum-ip-target": "3", "warm-prefix-target": "0"},
            "helm-defaults",
        ),
        ({**_ON, "minimum-ip-target": "3"}, "deprecated-key"),
        ({**_ON, "windows-minimum-ip-target": "3"}, "minimum-only-starves"),
        ({**_ON, "windows-warm-ip-target": "3"}, "minimum-missing"),
        ({**_ON, "windows-warm-ip-target": "0"}, "zero-target"),
        ({**_ON, "windows-warm-ip-target": "-1"}, "negative-target"),
        ({**_ON, "windows-warm-ip-target": "1_000"}, "invalid-integer"),
        ({**_ON, "windows-warm-ip-target": "64"}, "target-above-capacity"),
        ({**_ON, "windows-warm-prefix-target": "1"}, "warm-prefix-unused"),
        ({**_ON, "windows-warm-ip-targets": "1"}, "unknown-key"),
        (
            {**_PREFIX, "windows-warm-prefix-target": "2", "windows-warm-ip-target": "2"},
            "warm-prefix-ignored",
        ),
        ({**_PREFIX, "windows-warm-prefix-target": "64"}, "target-above-capacity"),
    ],
)
def test_every_trap_is_a_finding(data, code):
    assert code in _codes(data)
    findings = [x for x in WarmPool.from_configmap(data).findings if x.code == code]
    assert all(x.severity and x.why and x.remedy and x.seen for x in findings)
    assert code in {"windows-ipam-off", "configmap-missing"} or code not in _codes(_PREFIX)


def test_a_configmap_of_another_name_is_a_finding():
    whole = {"kind": "ConfigMap", "metadata": {"name": "x", "namespace": "y"}, "data": _ON}
    (finding,) = WarmPool.from_configmap(whole).findings
    assert (finding.code, finding.subject) == ("other-configmap", "y/x")
    whole["metadata"] = {"name": "amazon-vpc-cni", "namespace": "kube-system"}
    assert WarmPool.from_configmap(whole).findings == ()


def test_a_prefix_flag_on_another_type_gives_the_defaults():
    data = {**_PREFIX, "windows-warm-ip-target": "9999999"}
    pool = WarmPool.from_configmap(data, nitro=False)
    assert pool == WarmPool.secondary()
    assert "prefix-delegation-not-nitro" in {x.code for x in pool.findings}
    assert "configmap-missing" in _codes(None)


@pytest.mark.parametrize("value", ["1000001", "99999999999999999999999"])
def test_a_target_that_overflows_is_refused_with_its_finding(value):
    with pytest.raises(WarmTargetError, match="1,000,000") as caught:
        WarmPool.from_configmap({**_ON, "windows-warm-ip-target": value})
    assert caught.value.findings[-1].code == "target-too-large"


_WHOLE = {"apiVersion": "v1", "kind": "ConfigMap", "data": {**_ON, "warm-ip-target": "7"}}


@pytest.mark.parametrize(
    "source",
    [
        _WHOLE["data"],
        _WHOLE,
        json.dumps(_WHOLE),
        json.dumps(_WHOLE).encode(),
        {"data": _WHOLE["data"]},
        {"kind": "List", "items": [_WHOLE]},
        'data:\n  enable-windows-ipam: "true"\n  warm-ip-target: "7"\n',
        '{enable-windows-ipam: "true", warm-ip-target: "7"}',
    ],
)
def test_every_form_of_a_configmap_reads_the_same(source):
    assert WarmPool.from_configmap(source) == WarmPool.secondary(
        warm_ip_target=7, minimum_ip_target=0
    )


@pytest.mark.parametrize(
    "source",
    [
        "data:\n  enable-windows-ipam: true\n",
        "data:\n  enable-windows-ipam:\n",
        {"enable-windows-ipam": True},
        {"enable-windows-ipam": None},
        {"data": 5},
        {"kind": "Secret"},
        {"kind": "List", "items": []},
        {5: "x"},
        "a: 1\na: 2\n",
        '{"a": "1", "a": "2"}',
        "a: [",
        "",
        "cm.yaml",
        "x" * 3_000_000,
        "[" * 5_000,
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{chr(98 + k)}: &{chr(98 + k)} [{','.join(['*' + chr(97 + k)] * 9)}]\n"
            for k in range(8)
        ),
        "? [a]\n: b\n",
        b"\xff",
        5,
    ],
)
def test_what_kubernetes_would_not_store_is_refused(source):
    with pytest.raises(CapacityError):
        WarmPool.from_configmap(source)


def test_a_missing_or_empty_data_gives_the_defaults():
    for source in ({"kind": "ConfigMap"}, {"kind": "ConfigMap", "data": None}, None):
        assert WarmPool.from_configmap(source) == WarmPool.secondary()


def test_targets_that_no_configmap_gives_are_refused():
    with pytest.raises(WarmTargetError, match="no ConfigMap"):
        WarmPool.secondary(warm_ip_target=0, minimum_ip_target=0).to_configmap()
    starved = WarmPool.secondary(warm_ip_target=0, minimum_ip_target=4)
    assert WarmPool.from_configmap(starved.to_configmap()) == starved
    for make in (
        lambda: WarmPool.secondary(warm_ip_target=-1),
        lambda: WarmPool.prefix(warm_ip_target=True),
        lambda: WarmPool.prefix(warm_ip_target=10**6 + 1),
        lambda: WarmPool(
            prefix_delegation=False, warm_ip_target=1, minimum_ip_target=1, warm_prefix_target=1
        ),
        lambda: WarmPool(prefix_delegation=True, warm_ip_target=0, minimum_ip_target=0),
        lambda: WarmPool(prefix_delegation=1, warm_ip_target=0, minimum_ip_target=0),
        lambda: WarmPool.from_configmap({}, nitro=1),
        lambda: attached_addresses(1, slots=1, pool=["x"]),
        lambda: attached_addresses(1, slots=1, pool="x"),
    ):
        with pytest.raises(CapacityError):
            make()


_numbers = st.integers(0, 300)


@settings(max_examples=100, deadline=None)
@given(_numbers, st.integers(1, 63), _numbers, _numbers, st.integers(0, 9), st.booleans())
def test_more_of_anything_never_takes_less(  # noqa: PLR0917
    pods, slots, warm, minimum, prefixes, worst
):
    for make, extra in (
        (WarmPool.secondary, {}),
        (WarmPool.prefix, {}),
        (WarmPool.prefix, {"warm_prefix_target": prefixes + 1}),
    ):
        base = {"warm_ip_target": warm + 1, "minimum_ip_target": minimum + 1}
        if extra:
            base = extra
        pool = make(**base)
        state = attached_addresses(pods, slots=slots, pool=pool, fragmented=worst)
        size = 16 if pool.prefix_delegation else 1
        assert state.used + state.warm == state.addresses <= slots * size
        for key, value in base.items():
            more = attached_addresses(
                pods, slots=slots, pool=make(**{**base, key: value + 1}), fragmented=worst
            )
            assert more.addresses >= state.addresses
        least = attached_addresses(pods, slots=slots, pool=pool)
        assert (
            least.addresses
            <= attached_addresses(pods, slots=slots, pool=pool, fragmented=True).addresses
        )


def test_columns_equal_scalars_in_kind():
    pools = [WarmPool.secondary(), WarmPool.prefix(), WarmPool.prefix(warm_prefix_target=2)]
    pods, slots = np.arange(40, dtype=np.uint8)[:, None, None], np.array([[2], [9]])
    grid = attached_addresses(pods, slots=slots, pool=pools)
    assert grid.addresses.shape == (40, 2, 3)
    for i, j, k in np.ndindex(40, 2, 3):
        one = attached_addresses(i, slots=int(slots[j, 0]), pool=pools[k])
        assert one.addresses == grid.addresses[i, j, k]
        assert isinstance(one.warm, int)
    series = attached_addresses(pd.Series([1, 2], index=["a", "b"]), slots=9, pool=pools[0])
    assert series.used.index.tolist() == ["a", "b"]


def test_a_change_of_mode_advertises_more_than_can_be_attached():
    change = migration(14, 3, "secondary -> prefix")
    assert (change.advertised, change.attachable, change.at_risk) == (224, 176, 45)
    back = migration("m5.large", 100, "to-secondary")
    assert (back.advertised, back.held_slots_least, back.held_slots) == (9, 7, 9)
    assert (back.schedulable, back.at_risk, back.finding.outcome) == (0, 0, "fail")
    still = migration(9, 3, "to-prefix", nitro=False)
    assert (still.changes, still.advertised, still.attachable) == (False, 9, 6)
    for arguments in ((9, 10, "to-prefix"), (9, 1, "up"), ("m5.larg", 1, "to-prefix")):
        with pytest.raises(CapacityError):
            migration(*arguments)


def test_a_change_of_mode_takes_a_row_of_the_catalog_and_known_prefixes():
    row = Catalog.bundled()["m5.large"]
    change = migration(row, 20, "to-secondary", cooling=4, prefixes_in_use=3)
    assert (change.held_slots_least, change.held_slots, change.attachable) == (3, 3, 6)
    assert change.to_pandas()["attachable"].tolist() == [6]
    assert "attachable" in change._repr_html_()
    assert migration("t2.large", 2, "to-prefix").changes is False
    with pytest.raises(CapacityError, match="instance type"):
        migration(9.5, 1, "to-prefix")
    with pytest.raises(CapacityError, match="prefixes_in_use"):
        migration(row, 20, "to-secondary", prefixes_in_use=1)


def test_a_configmap_may_be_utf_16():
    text = WarmPool.prefix().to_configmap()
    assert WarmPool.from_configmap(text.encode("utf-16")) == WarmPool.prefix()


def test_the_pool_command_prints_targets_findings_and_a_table(tmp_path):
    path = tmp_path / "cm.yaml"
    path.write_text(WarmPool.prefix(warm_prefix_target=1).to_configmap())
    ran = CliRunner().invoke(app, ["pool", str(path), "-t", "m5.large", "-o", "json"])
    rows = json.loads(ran.stdout)["rows"]
    assert (rows[0]["prefixes"], rows[-1]["pods"]) == (1, 144)
    shown = CliRunner().invoke(app, ["pool", str(path), "--slots", "9", "--non-nitro"])
    assert "prefix-delegation-not-nitro" in shown.stdout


def test_the_pool_command_needs_no_node_for_targets_and_findings(tmp_path):
    path = tmp_path / "cm.yaml"
    path.write_text('data: {enable-windows-ipam: "true", minimum-ip-target: "5"}')
    shown = CliRunner().invoke(app, ["pool", str(path)])
    assert shown.exit_code == 0
    for part in ("Targets that act", "minimum-only-starves", "Name --instance-type or --slots"):
        assert part in shown.stdout
    (targets,) = json.loads(CliRunner().invoke(app, ["pool", str(path), "-o", "json"]).stdout)[
        "rows"
    ]
    assert targets == {
        "mode": "secondary",
        "warm_ip_target": 0,
        "minimum_ip_target": 5,
        "warm_prefix_target": 0,
    }
    assert CliRunner().invoke(app, ["pool", str(path), "--show", "table"]).exit_code == 2
    wrong = CliRunner().invoke(app, ["pool", str(path), "-t", "m5.larg"])
    assert isinstance(wrong.exception, UnknownInstanceTypeError)


@pytest.mark.parametrize(
    "text",
    [
        '[0, "assign", "a"]\n[60, "tick"]\n',
        '[\n  [0, "assign", "a"],\n  [60, "tick"]\n]\n',
        "seconds,kind,pod\n0,assign,a\n60,tick,\n",
    ],
)
def test_the_simulate_command_reads_every_kind_of_file(tmp_path, text):
    path = tmp_path / "events"
    path.write_text(text)
    ran = CliRunner().invoke(app, ["simulate", str(path), "--slots", "9", "-o", "json"])
    assert [row["used"] for row in json.loads(ran.stdout)["rows"]] == [1, 1]


def test_a_migration_of_columns_is_that_of_each_row():
    nodes = pd.Series(["m5.large", "t2.large", "m5.xlarge"], index=list("abc"))
    pods, cooling = [3, 2, 14], [1, 0, 0]
    table = migration(nodes, pods, "to-prefix", cooling=cooling)
    each = [
        migration(*one, "to-prefix", cooling=c).to_pandas()
        for *one, c in zip(nodes, pods, cooling, strict=True)
    ]
    pd.testing.assert_frame_equal(table, pd.concat(each).set_axis(nodes.index))
    assert migration([], [], "to-secondary").empty


@pytest.mark.parametrize(
    ("node", "pods", "error", "message"),
    [
        (["m5.large", "m5.larg"], 3, InputError, "row 1: no row for 'm5.larg'"),
        (["m5.large"], [100], InputError, "row 0: pods_running .* from 0 to 9"),
        (["m5.large"], [[1, 2]], ShapeMismatchError, "one dimension"),
        (["m5.large"] * 2, [1, 2, 3], ShapeMismatchError, "do not go together"),
        (np.ma.array(["m5.large"], mask=[True]), [1], MissingValueError, "position 0"),
    ],
)
def test_a_migration_of_wrong_columns_names_the_row(node, pods, error, message):
    with pytest.raises(error, match=message):
        migration(node, pods, "to-prefix")


_LAW_POOLS = st.one_of(
    st.builds(
        WarmPool.secondary,
        warm_ip_target=st.integers(0, 20),
        minimum_ip_target=st.integers(0, 20),
    ),
    st.builds(
        WarmPool.prefix,
        warm_ip_target=st.integers(0, 40),
        minimum_ip_target=st.integers(0, 40),
        warm_prefix_target=st.integers(0, 3),
    ),
)


@given(pools=st.lists(_LAW_POOLS, min_size=1, max_size=6), pods=st.integers(0, 300))
@settings(max_examples=60)
def test_a_column_of_pools_keeps_what_each_of_them_keeps_alone(pools, pods):
    together = attached_addresses(pods, slots=14, pool=pools, fragmented=True)
    alone = [attached_addresses(pods, slots=14, pool=pool, fragmented=True) for pool in pools]
    for part in ("addresses", "prefixes", "used", "warm"):
        assert getattr(together, part).tolist() == [getattr(state, part) for state in alone]


def test_a_display_shows_the_warm_prefixes_only_where_they_act():
    shown = WarmPool.prefix(warm_prefix_target=7)._repr_html_()
    assert ">warm prefix target</th>" in shown
    assert ">7</td>" in shown
    assert "warm prefix target" not in WarmPool.secondary()._repr_html_()


_KEYS = [
    "enable-windows-ipam",
    "enable-windows-prefix-delegation",
    *(f"{start}{target.key}" for target in TARGETS for start in ("", "windows-")),
    "minium-ip-target",
]
_TEXTS = st.sampled_from(["true", "T", "false", "0", "1", "+5", "-1", "300", "x", "", "9999999"])


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(_KEYS), _TEXTS), st.booleans(), st.none() | st.just(9))
def test_the_pairs_alone_give_the_pool_of_their_configmap(data, nitro, slots):
    def read(source):
        try:
            pool = source(data, nitro=nitro, slots=slots)
        except CapacityError as error:
            return type(error), str(error)
        return pool, pool.findings

    assert read(pool_of_pairs) == read(WarmPool.from_configmap)


@pytest.mark.parametrize("slots", [0, -4, 2.5, "9", True])
def test_slots_of_a_lint_are_a_whole_number(slots):
    with pytest.raises(InvalidCountError, match="slots must be a whole number"):
        WarmPool.secondary().lint(slots=slots)
    with pytest.raises(InvalidCountError, match="slots must be a whole number"):
        WarmPool.from_configmap({}, slots=slots)
