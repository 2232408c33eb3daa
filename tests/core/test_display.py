"""How values are shown in a notebook: escaped, without scripts, in both themes, one module."""

import contextlib
import html.parser
import inspect
import re
from collections.abc import Mapping

import pandas as pd
import pytest
from displayed import SHOWN, STATE

import eks_win_capacity as ewc
from eks_win_capacity.core.display import LONGEST, Listed, html_fields, html_table, words_of


class Balance(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.opened = []
        self.seen = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.seen |= {name for name, _ in attrs}
        if tag != "br":
            self.opened.append(tag)

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag


@pytest.mark.parametrize("name", SHOWN)
def test_every_value_has_a_display_without_scripts(name):
    shown = SHOWN[name]()._repr_html_()
    page = Balance()
    page.feed(shown)
    assert not page.opened
    assert not page.seen & {"script", "onclick", "onload", "link", "iframe", "img"}


@pytest.mark.parametrize("name", SHOWN)
def test_every_value_becomes_a_frame_under_one_name(name):
    value = SHOWN[name]()
    frame = value.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == len(value) if isinstance(value, Listed) else len(frame) > 0


@pytest.mark.parametrize("name", SHOWN)
def test_a_plain_repr_is_read_at_a_glance(name):
    value = SHOWN[name]()
    said = repr(value[0] if isinstance(value, Listed) else value)
    assert "object at 0x" not in said
    assert "dtype" not in said
    assert len(said) < 1_200


def test_a_long_list_says_how_many_it_leaves_out():
    assert repr(Listed(range(12))).endswith("9, ... 2 more)")


@pytest.mark.parametrize("name", SHOWN)
def test_a_display_takes_its_colours_from_the_page(name):
    shown = SHOWN[name]()._repr_html_()
    assert not re.search(r"(?<![-\w])color:(?!inherit)", shown)
    assert not re.search(r"background:(?!transparent)", shown)


MACHINERY = {"Answers", "Grid", "LimitTable", "Panel", "Rows", "_Piece"}
"""What answers are computed from; it is reached through them, and shown by none."""
PAIRS = {"FieldChange", "Reason", "Unknown"}
"""Named tuples of two or three words, and a string, which read well as they are."""


def of_ours(value):
    kind = type(value)
    ours = kind.__module__.startswith("eks_win_capacity.")
    return ours and kind is not Listed and kind.__name__ not in MACHINERY | PAIRS


def parts(value):
    """What attributes of a value hold, and what its methods without arguments answer."""
    for name in {*dir(type(value)), *getattr(value, "__dict__", ())}:
        attribute = inspect.getattr_static(type(value), name, None)
        if name.startswith("_") or isinstance(attribute, (classmethod, staticmethod)):
            continue
        if not inspect.isfunction(attribute):
            with contextlib.suppress(ewc.CapacityError):
                yield name, getattr(value, name)
        elif name not in {"save", "to_pandas", "plot", "figure", "pairs"}:
            needed = [*inspect.signature(attribute).parameters.values()][1:]
            if all(each.default is not each.empty for each in needed):
                with contextlib.suppress(ewc.CapacityError):
                    yield name, getattr(value, name)()


def bare(value, path, seen):
    """Places of an answer where a value of ours has no display, or a list of them none."""
    if isinstance(value, Mapping):
        value = next(iter(value.values()), None)
    elif isinstance(value, (tuple, list, frozenset)) and any(map(of_ours, value)):
        if not isinstance(value, Listed):
            yield f"{path} is a {type(value).__name__}"
        value = next(iter(value))
    if not of_ours(value) or isinstance(value, type) or type(value) in seen:
        return
    seen.add(type(value))
    if not (hasattr(value, "_repr_html_") and hasattr(value, "to_pandas")):
        yield f"{path} is a bare {type(value).__name__}"
    for name, part in parts(value):
        yield from bare(part, f"{path}.{name}", seen)


@pytest.mark.parametrize("name", SHOWN)
def test_whatever_is_reached_from_an_answer_displays_and_converts(name):
    assert not [*bare(SHOWN[name](), name, set())]


def test_every_public_class_of_answers_is_among_them():
    def tree(kind):
        return [kind, *(one for each in kind.__subclasses__() for one in tree(each))]

    rooms = (ewc, ewc.cluster, ewc.simulator, ewc.aws, ewc.kubectl)
    public = [getattr(room, name) for room in rooms for name in room.__all__]
    faults = set(tree(ewc.CapacityError))
    classes = {one for one in public if inspect.isclass(one)} - faults
    without = {one.__name__ for one in classes if not hasattr(one, "to_pandas")}
    assert without == {"Metric"}  # a question to CloudWatch, and no answer


def test_what_is_in_a_value_is_escaped():
    attack = "<script>alert(1)</script>"
    for shown in (
        html_table([attack], [[attack]], title=attack, notes=[attack]),
        html_fields(attack, {attack: attack}, notes=[attack]),
    ):
        assert "<script" not in shown


def test_a_long_list_counts_what_it_leaves_out():
    assert "50 more rows" in html_table(["n"], ([n] for n in range(100)))


def test_columns_of_numbers_stand_right_and_all_others_left():
    rows = [[1, None, "a", 2.5], [None, None, 3, 4]]
    shown = html_table(["numbers", "nothing", "mixed", "real"], rows)
    sides = re.findall(r"<th[^>]*text-align:(left|right)", shown)
    assert sides == ["right", "right", "left", "right"]


@pytest.mark.parametrize("beyond", [0, 1, 5])
def test_a_long_text_is_cut_to_the_longest_that_is_shown(beyond):
    text = "x" * (LONGEST + beyond)
    cell = re.search(r"<td[^>]*>(?:<span[^>]*>)?([^<]*)", html_table(["a"], [[text]]))[1]
    assert len(cell) == LONGEST
    assert cell.endswith("...") is bool(beyond)


def test_a_long_value_is_cut_with_a_mark_and_kept_whole_on_hovering():
    for shown in (html_table(["a"], [["y" * 4_000]]), html_fields("x", {"a": "y" * 4_000})):
        assert "..." in shown
        assert "y" * 4_000 in shown


def test_a_remedy_shown_alone_can_be_copied_whole():
    remedy = "kubectl drain " + "n" * LONGEST
    assert f">{remedy}</td>" in html_fields("x", {"remedy": remedy})


def test_answers_are_tuples_that_filter_and_convert():
    findings = ewc.check_cluster(STATE)
    assert isinstance(findings, tuple)
    assert findings == tuple(findings)
    assert {finding.outcome for finding in findings.failed} == {"fail"}
    frame = findings.to_pandas()
    assert list(frame["code"]) == [finding.code for finding in findings]
    assert Listed().to_pandas().empty
    assert "none" in Listed()._repr_html_()
    assert repr(Listed([1])) == "(1,)"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ""),
        (float("nan"), ""),
        (True, "yes"),
        (1234, "1,234"),
        (0.5, "0.5"),
        (2.0, "2"),
        (67_211.4, "67,211"),
        (-9_999.96, "-10,000"),
        (999.96, "1,000"),
        (ewc.Subnet("10.0.0.0/24", used=3), "Subnet 10.0.0.0/24: 3 of 251 used somewhere"),
        (ewc.Fixed(60), "Fixed (seconds 60)"),
        ((ewc.Fixed(60), ewc.Fixed(30)), "Fixed (seconds 60); Fixed (seconds 30)"),
    ],
)
def test_values_are_said_as_people_read_them(value, words):
    assert words_of(value) == words


def test_a_data_class_shows_its_public_fields_and_anything_else_none():
    from eks_win_capacity.core.display import plain_fields
    from eks_win_capacity.density.reserved import Reserved

    assert plain_fields(Reserved(cpu_m=7))["cpu_m"] == 7
    assert "cpu" in Reserved(cpu_m=7)._repr_html_()
    assert plain_fields(object()) == {}


@pytest.mark.parametrize("name", SHOWN)
def test_a_display_says_values_in_words_and_never_as_python(name):
    shown = html.unescape(SHOWN[name]()._repr_html_())
    assert not re.search(r"[A-Z]\w+\(\w+=|&lt;function|<function|object at 0x", shown)


def test_findings_that_ask_for_something_come_first_and_are_counted():
    findings = ewc.check_cluster(STATE)
    shown = findings._repr_html_()
    passed = sum(finding.outcome == "pass" for finding in findings)
    outcomes = re.findall(r">(fail|unknown|pass)</td>", shown)
    assert outcomes == sorted(outcomes, key=["fail", "unknown", "pass"].index)
    assert outcomes[0] == "fail"
    assert f"{passed} passed" in shown
    # Tens that passed would bury what asks for something; a few, or nothing else, are shown.
    assert "pass" not in outcomes
    assert "to_pandas() has those that passed, too" in shown
    for few in (findings[:10], [one for one in findings if one.outcome == "pass"]):
        assert ">pass</td>" in Listed(few)._repr_html_()


def test_a_plain_repr_says_what_a_list_shows_in_words():
    node = ewc.demo.cluster().nodes[0]
    assert repr(node).startswith(
        "<Node: name ip-10-20-0-10.eu-west-1.compute.internal, os windows, instance type m5.large,"
    )
    assert "os_image" not in repr(node)
    assert "kubectl" not in repr(ewc.drains_for_blocks(STATE)[0])
    capacity = ewc.node_capacity("m5.large", pod_memory="1Gi")
    assert "pods 5, binding memory" in repr(capacity)
    assert "allocatable memory 5.512 GiB" in repr(capacity)


def test_bytes_are_shown_in_gib_and_units_stand_in_the_heading():
    shown = html_table(["memory_bytes", "wait_s"], [[3 * 2**29, 7]])
    assert "1.5 GiB" in shown
    assert "wait [s]" in shown


def test_a_list_that_is_long_has_a_line_for_each_item_and_a_short_one_a_single():
    assert len(repr(ewc.check_cluster(STATE)).splitlines()) == 13
    assert repr(Listed([1, 2])) == "(1, 2)"


def test_yes_and_no_stand_left_as_words_do():
    assert re.findall(r"<th[^>]*text-align:(left|right)", html_table(["sure"], [[True]])) == [
        "left"
    ]
