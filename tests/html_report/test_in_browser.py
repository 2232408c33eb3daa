"""The page in a real browser: light, dark, printed, without scripts, and by axe-core."""

import pytest
from real_browser import axe_violations, opened

import eks_win_capacity as ewc


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A page with everything on it: two clusters, maps, fans, and subnets of none."""
    state = ewc.demo.cluster()
    history = ewc.demo.subnet_usage().replace({"subnet": {"windows-a": state.subnets[1].subnet_id}})
    capacity = dict.fromkeys(history["subnet"].unique(), 1019)
    report = ewc.report(
        {"shop": state, "bare": ewc.ClusterState(nodes=())},
        history=history,
        capacity=capacity,
        time_limit_s=2,
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    report.save(path)
    return path


@pytest.fixture(params=["light", "dark"])
def page(request, browser, file):
    context = browser.new_context(
        color_scheme=request.param, viewport={"width": 1000, "height": 800}
    )
    page, asked, complaints = opened(context, file)
    assert asked == [file.as_uri()]
    assert complaints == []
    yield page
    context.close()


def test_axe_finds_no_violation(page):
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert axe_violations(page) == []


def test_nothing_scrolls_sideways_at_a_thousand_pixels(page):
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1000
    wide = page.evaluate(
        "[...document.querySelectorAll('.wide')].filter(x => x.scrollWidth > x.clientWidth + 1)"
        ".map(x => x.ariaLabel)"
    )
    assert wide == []


def test_each_theme_has_its_own_paper(browser, file):
    papers = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page, *_ = opened(context, file)
        papers[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        context.close()
    assert papers["light"] == "rgb(255, 255, 255)"
    assert papers["dark"] != papers["light"]


def test_a_table_sorts_by_the_head_that_is_pressed(page):
    table = page.locator("table", has=page.locator("caption", has_text="Nodes now and")).first
    heads = table.locator("thead th")
    column = heads.all_inner_texts().index("Cost now")
    values = lambda: [row[column] for row in cells(table)]  # noqa: E731
    heads.nth(column).locator("button").click()
    rising = values()
    assert heads.nth(column).get_attribute("aria-sort") == "ascending"
    heads.nth(column).locator("button").click()
    assert heads.nth(column).get_attribute("aria-sort") == "descending"
    assert values() == sorted(values(), key=float, reverse=True)
    assert rising == sorted(rising, key=float)


def cells(table) -> list[list[str]]:
    return table.locator("tbody").evaluate(
        "body => [...body.rows].map(row => [...row.cells].map(cell => cell.textContent))"
    )


def test_each_remedy_can_be_copied(page):
    texts = page.locator("pre")
    assert texts.count() > 4
    assert page.locator("button.copy").count() == texts.count()


def test_links_of_the_summary_lead_to_the_clusters(page):
    page.get_by_role("link", name="shop").click()
    assert page.locator("h2#c0").inner_text() == "shop"


def test_pictures_have_names_for_screen_readers(page):
    names = [x.get_attribute("aria-label") for x in page.locator("svg[role=img]").all()]
    assert any("blocks are free" in name for name in names)
    assert any("history and forecast" in name for name in names)


def test_without_scripts_all_is_there(browser, file):
    context = browser.new_context(java_script_enabled=False)
    page, *_ = opened(context, file)
    assert page.locator("button").count() == 0
    assert page.locator("table").count() > 6
    assert page.get_by_role("columnheader", name="Head-room", exact=True).first.is_visible()
    context.close()


def test_it_prints_on_white_paper(browser, file):
    context = browser.new_context(color_scheme="dark")
    page, *_ = opened(context, file)
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("button.copy").first.is_visible()
    # Chromium leaves buttons out of a head that is repeated on the next sheet.
    button = page.locator("thead button").first
    assert button.evaluate("one => getComputedStyle(one).display") == "contents"
    assert page.pdf(format="A4").startswith(b"%PDF")
    context.close()


def test_no_table_is_cut_by_the_edge_of_the_paper(browser, file):
    context = browser.new_context(viewport={"width": 688, "height": 1000})  # A4 less 14 mm a side
    page, *_ = opened(context, file)
    page.emulate_media(media="print")
    cut = page.evaluate(
        "[...document.querySelectorAll('table, figure, pre')]"
        ".filter(x => x.getBoundingClientRect().right > 688.5).map(x => x.innerText.slice(0, 60))"
    )
    assert cut == []
    context.close()
