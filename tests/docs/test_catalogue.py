"""The catalogue page in a real browser: its calculator answers as the library, for every type."""

import runpy
from pathlib import Path

import pytest
from real_browser import axe_violations, browser, opened  # noqa: F401 - a fixture

import eks_win_capacity as ewc

ROOT = Path(__file__).resolve().parents[2]
TYPES = sorted(ewc.Catalog.bundled())


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):  # noqa: F811
    catalogue = runpy.run_path(str(ROOT / "docs" / "_ext" / "made_pages.py"))["catalogue"]()
    inside = catalogue.partition("```{raw} html\n")[2].partition("\n```")[0]
    path = tmp_path_factory.mktemp("site") / "catalogue.html"
    path.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Types</title><main>"
        f"<h1>All instance types</h1>{inside}</main></html>",
        "utf-8",
    )
    context = browser.new_context()
    page, _, complaints = opened(context, path)
    assert complaints == []
    yield page
    context.close()


@pytest.mark.parametrize("prefix", [False, True])
@pytest.mark.parametrize(
    ("cpu", "memory", "kubelet"), [(0, 0, 110), (0.25, 512, 110), (1.1, 0, 250), (0, 333, 737)]
)
def test_the_calculator_answers_as_the_library(page, prefix, cpu, memory, kubelet):
    got = page.evaluate(
        "([types, ...rest]) => types.map(type => nodeCapacity(type, ...rest))",
        [TYPES, prefix, cpu, memory, kubelet],
    )
    asked = {"pod_cpu": str(cpu)} if cpu else {}
    asked |= {"pod_memory": f"{memory}Mi"} if memory else {}
    known = ewc.node_capacity(TYPES, prefix_delegation=prefix, kubelet_max_pods=kubelet, **asked)
    assert [one["pods"] for one in got] == known["pods"].tolist()
    assert [one["binding"] for one in got] == known["binding"].tolist()


def test_a_change_of_the_form_is_answered(page):
    page.fill("#c-type", "c5.4xlarge")
    page.fill("#c-cpu", "0")
    page.fill("#c-memory", "0")
    assert page.text_content("#c-answer") == "c5.4xlarge: 29 pods; bound by addresses"
    page.select_option("#c-mode", "1")
    assert page.text_content("#c-answer") == "c5.4xlarge: 110 pods; bound by kubelet"
    page.fill("#c-type", "m5.larg")
    assert page.text_content("#c-answer") == "no such type: m5.larg"


def test_the_table_is_searched_and_sorted(page):
    page.fill("#types-search", "m5.metal")
    assert page.locator("#types tbody tr:visible").count() == 1
    page.fill("#types-search", "")
    head = page.locator("#types thead button", has_text="pods, secondary")
    head.click()
    head.click()
    first = page.locator("#types tbody tr").first.locator("td").nth(2).text_content()
    assert int(first) == max(ewc.max_pods(TYPES))


def test_axe_finds_no_violation(page):
    # All rows are made alike, and axe looks at a thousand of them for 15 s: a size of each family.
    page.fill("#types-search", "16xlarge")
    assert page.locator("#types tbody tr:visible").count() > 20
    assert axe_violations(page) == []
