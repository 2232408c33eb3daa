"""Files of any size and shape from others: read or refused, never obeyed."""

import gzip
import io
import json
import tracemalloc
import zipfile

import pytest
from click.testing import CliRunner
from eks_samples import ACCOUNT, OBJECTS, node, pod
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import cli, kubectl
from eks_win_capacity.core.documents import _open, mapping, members, wholes
from eks_win_capacity.core.documents.whole import file_bytes, values_in
from eks_win_capacity.core.errors import CapacityError, DocumentError, without_accounts
from eks_win_capacity.files import load_files


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("k.json", json.dumps(OBJECTS))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(b'{"kind": "List", "items": [' + b" " * 10**7, mtime=0), "cut off"),
        (gzip.compress(gzip.compress(b"{}")), "gunzip"),
        (gzip.compress(b'{"kind": "List", "items": []}')[:-9], "damaged gzip"),
        (b"\x1f\x8bxx", "damaged gzip"),
        (zipped(), "unzip"),
        (b"BZh91AY&SY", "bunzip2"),
        (b"\xfd7zXZ\x00", "unxz"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not text"),
        (b"\xff\xfe\x00", "not text|empty"),
        ("Node kühl\n".encode("latin-1"), "not text"),
        (b'{"kind": "\xff"}', "not text"),
        (b"\x00" * 100, "YAML|text"),
        (b"{" * 100_000, "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'{"items": ' + b"[" * 100_000, "deep"),
        (b'{"a": ' + b'{"a": ' * 50_000, "deep"),
        (b"a: " + b"[" * 101 + b"]" * 101 + b"\n", "nests deeper"),
        (b'{"kind": "List", "items": [], "a": NaN}', "NaN"),
        (b'{"kind": "Node", "metadata": {"name": "n", "x": -Infinity}}', "Infinity"),
        (b'{"kind": "Node", "metadata": {"name": ' + b"9" * 5000 + b"}}", "JSON"),
        (b"kind: Node\nmetadata: {name: " + b"9" * 5000 + b"}\n", "YAML|text"),
        (b"kind: Node\nmetadata: &a\n  name: *a\n", "aliases|YAML|text"),
        (b"a: !!python/object/apply:os.system [echo]\n", "YAML"),
        (b"a: !!python/name:os.system\n", "YAML"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_hostile_bytes_are_one_clear_error(data, message, tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(data)
    for load in (kubectl.load, load_files):
        for source in (path, data):
            with pytest.raises(DocumentError, match=message):
                load(source)


@pytest.mark.parametrize("command", ["fleet", "forecast", "plan", "pool"])
def test_a_workbook_is_not_called_an_archive(command, tmp_path):
    path = tmp_path / "nodes.xlsx"
    path.write_bytes(zipped())
    options = ["--capacity", "9"] if command == "forecast" else []
    answer = CliRunner().invoke(cli.app, [command, str(path), *options])
    assert "is a workbook of a spreadsheet: save its sheet as CSV" in str(answer.exception)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ('[{"SubnetId": "subnet-1"}]', "without --query"),
        ("- SubnetId: subnet-1\n", "without --query"),
        ("NAME   STATUS   ROLES\nwin-1  Ready    <none>\n", "-o json"),
        ("SUBNETS\tFalse\teu-west-1a\n", "neither JSON nor|-o json"),
        ("Error from server (Forbidden): nodes is forbidden\n", "Error from server"),
    ],
)
def test_what_was_saved_in_another_form_is_told_how_to_save_it(text, advice):
    for load in (kubectl.load, load_files):
        with pytest.raises(DocumentError, match=advice):
            load(text)


def laughs(levels, width=9):
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]"
        for level in range(1, levels)
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        laughs(9),
        laughs(9) + "b:\n  <<: *a8\n",
        "a: &a {k: v}\n"
        + "".join(f"b{n}: &b{n} {{<<: *a, x: [{'*a, ' * 60}]}}\n" for n in range(999))
        + "c: ["
        + ", ".join([f"*b{n}" for n in range(999)] * 45)
        + "]\n",
    ],
)
def test_aliases_that_grow_are_refused_before_they_are_built(text):
    tracemalloc.start()
    with pytest.raises(DocumentError, match="aliases"):
        kubectl.load(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[x, x, x]", 4),
        ("{a: x}", 3),
        ("[[x], []]", 4),
        ("[&a x, *a]", 3),
        ("[&a [x, x], *a, *a]", 10),
        ("[&a {b: &b [x]}, *a, *b]", 11),
        ("[x]\n---\n[x]", 4),
    ],
)
def test_a_text_stands_for_as_many_values_as_it_has_once_aliases_are_followed(
    monkeypatch, text, values
):
    monkeypatch.setattr(_open, "MAX_EXPANDED", values)
    assert values_in(f"---\n{text}", "x")
    monkeypatch.setattr(_open, "MAX_EXPANDED", values - 1)
    with pytest.raises(DocumentError, match="aliases"):
        values_in(f"---\n{text}", "x")


def test_yaml_nests_as_deep_as_it_may():
    assert values_in("---\n" + "[" * 100 + "]" * 100, "x")
    with pytest.raises(DocumentError, match="deeper than 100 levels"):
        values_in("---\n" + "[" * 101 + "]" * 101, "x")


def test_aliases_hide_in_a_configmap_too():
    with pytest.raises(DocumentError, match="aliases"):
        kubectl.load(aws_auth={"mapRoles": laughs(9)})


class Endless(io.RawIOBase):
    """A file that claims to go on for ever."""

    def __init__(self, start, unit):
        self.rest, self.unit = start, unit

    def readable(self):
        return True

    def readinto(self, buffer):
        while len(self.rest) < len(buffer):
            self.rest += self.unit * (1 + len(buffer) // len(self.unit))
        buffer[:] = self.rest[: len(buffer)]
        self.rest = self.rest[len(buffer) :]
        return len(buffer)


@pytest.mark.parametrize(
    ("start", "unit", "message"),
    [
        (b'{"kind": "', b"x", "longer than"),
        (b'{"kind": "List", "items": [', b'{"kind": "Secret"},', "items"),
        (b'{"kind": "List", "items": [{"a": [', b'"' + b"x" * 99 + b'",', "longer than"),
        (b'{"kind": "List",', b" ", "characters"),
        (b'{"cluster": {"name": "x"}, "Subnets": [', b"{},", "items"),
        (b"kind: List\nitems:\n", b"- {}\n", "characters of YAML"),
    ],
)
def test_a_file_without_an_end_is_refused(monkeypatch, start, unit, message):
    monkeypatch.setattr(_open, "MAX_ITEM_CHARS", 2**20)
    monkeypatch.setattr(_open, "MAX_YAML_CHARS", 2**20)
    monkeypatch.setattr(_open, "MAX_ITEMS", 10_000)
    for walk in (members, wholes):
        with pytest.raises(DocumentError, match=message):
            for _ in (
                walk(Endless(start, unit), limit=2**23)
                if walk is members
                else walk(Endless(start, unit))
            ):
                pass
        if unit == b" ":
            break


def test_a_pipe_without_an_end_is_refused(monkeypatch):
    monkeypatch.setattr(_open, "MAX_HELD", 2**20)
    pipe = io.BufferedReader(Endless(b"{", b" "))
    with pytest.raises(DocumentError, match="save it as a file"):
        load_files(pipe)


class Trickle(io.BytesIO):
    """A file that gives a few bytes at a time, as a pipe does."""

    def read(self, size=-1):
        return super().read(min(size, 50))


def test_a_file_read_as_a_whole_ends_at_its_limit(monkeypatch):
    monkeypatch.setattr(_open, "MAX_WHOLE_BYTES", 100)
    assert file_bytes(Trickle(b"x" * 100)) == b"x" * 100
    endless = io.BufferedReader(Endless(b"x", b"x"))
    for longer in (Trickle(b"x" * 101), Trickle(b"x" * 150), endless):
        with pytest.raises(DocumentError, match="more than 100 bytes"):
            file_bytes(longer)


def test_yaml_is_read_up_to_its_limit_wherever_its_pieces_end(monkeypatch):
    text = "a: " + "x" * 97
    for chunk in (1, 50, 99, 100, 1000):
        monkeypatch.setattr(_open, "CHUNK", chunk)
        monkeypatch.setattr(_open, "MAX_YAML_CHARS", 100)
        assert mapping(text.encode()) == {"a": "x" * 97}
        with pytest.raises(DocumentError, match="more than 100 characters of YAML"):
            mapping(text.encode() + b"x")


def test_what_is_held_as_a_whole_has_a_limit_of_its_own(monkeypatch):
    monkeypatch.setattr(_open, "MAX_WHOLE_CHARS", 3 * 2**20)
    text = json.dumps({"Subnets": ["x" * 1000] * 5000})
    assert sum(1 for _ in members(io.StringIO(text))) == 5000
    with pytest.raises(DocumentError, match="3,145,728 characters"):
        list(wholes(io.StringIO(text)))


@pytest.mark.parametrize("number", ["1e400", "9" * 400, "1e999999999", "-1", "0x10", "1e-400"])
@pytest.mark.parametrize("key", ["cpu", "memory", "pods", "vpc.amazonaws.com/PrivateIPv4Address"])
def test_numbers_beyond_all_measure_are_read_or_refused(number, key):
    try:
        (parsed,) = kubectl.load(node("win-1", allocatable={key: number})).nodes
    except CapacityError:
        return
    assert 0 <= (parsed.pods_limit or 0) < 2**80


def test_numbers_that_are_no_texts_are_read_or_refused():
    for value in (1e400, 10**400, -5, True, None, [1], {"a": 1}):
        try:
            kubectl.load(node("win-1", allocatable={"pods": value}))
        except CapacityError:
            continue


def test_a_deep_saved_state_is_refused(tmp_path):
    for depth in (200, 700, 5000):
        path = tmp_path / "state.json"
        nest = "[" * depth + "]" * depth
        path.write_text(
            '{"format": "eks-win-capacity/cluster-state/1", "pods": [{"namespace": "a", "name": '
            f'"b", "labels": {nest}}}]}}'
        )
        with pytest.raises(DocumentError):
            load_files(path)


def test_a_key_given_twice_does_not_hide_half_of_a_list():
    text = '{"kind": "List", "items": [%s], "items": [%s]}'
    both = text % (json.dumps(node("win-1")), json.dumps(node("win-2")))
    assert len(kubectl.load(both).nodes) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
places = st.lists(st.integers(0, 30), min_size=1, max_size=6)


def damage(value, path, wrong):
    """Put something else in one place of a document."""
    if not path or not isinstance(value, (dict, list)) or not value:
        return wrong
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = keys[path[0] % len(keys)]
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[key] = damage(value[key], path[1:], wrong)
    return changed


@given(places, json_values)
@settings(max_examples=150)
def test_one_wrong_value_anywhere_is_read_or_refused(path, wrong):
    from eks_samples import AWS_ANSWERS

    documents = [node("win-1"), pod("a", "win-1"), *AWS_ANSWERS.values()]
    document = documents[path[0] % len(documents)]
    message = ""
    try:
        load_files(damage(document, path, wrong))
    except CapacityError as error:
        message = str(error)
    assert ACCOUNT not in message


@given(st.text(alphabet="0123456789:/. a", max_size=40))
def test_no_account_id_is_left_and_nothing_else_is_lost(text):
    hidden = without_accounts(f"arn:aws:iam::{ACCOUNT}:role/{text}")
    assert f"::{ACCOUNT}:" not in hidden
    assert without_accounts(hidden) == hidden
    assert hidden.count(":role/") >= 1


def test_only_the_part_of_an_environment_that_matters_is_kept():
    daemon = {
        "kind": "DaemonSet",
        "metadata": {"name": "aws-node", "namespace": "kube-system"},
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "env": [
                                {"name": "ENABLE_POD_ENI", "value": "false"},
                                {"name": "AWS_SECRET_ACCESS_KEY", "value": "hidden"},
                            ]
                        }
                    ]
                }
            }
        },
    }
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"token": "aGlkZGVu"}}
    state = kubectl.load({"kind": "List", "items": [daemon, secret, node("win-1")]})
    assert state.cni_env == {"ENABLE_POD_ENI": "false"}
    assert "hidden" not in repr(state.to_dict())
    assert "aGlkZGVu" not in repr(state.to_dict())


def test_one_document_is_asked_for_where_one_is_read():
    with pytest.raises(DocumentError, match="several documents"):
        mapping('{"a": 1}{"b": 2}')
