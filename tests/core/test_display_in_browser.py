"""Every notebook display in a real browser: no sideways scroll, and nothing for axe-core."""

import pytest
from displayed import SHOWN
from real_browser import axe_violations

THEMES = {"light": ("#fff", "#111"), "dark": ("#111", "#eee")}


@pytest.fixture(scope="module")
def displays() -> str:
    return "".join(
        f"<section aria-label='{name}'>{show()._repr_html_()}</section>"
        for name, show in SHOWN.items()
    )


@pytest.mark.parametrize("theme", THEMES)
def test_displays_fit_a_page_of_a_thousand_pixels_and_can_be_read(browser, displays, theme):
    paper, ink = THEMES[theme]
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.set_content(
        "<!DOCTYPE html><html lang='en'><title>displays</title>"
        f"<style>body{{background:{paper};color:{ink};margin:0 1em;font:13px sans-serif}}</style>"
        f"<main><h1>displays</h1>{displays}</main></html>"
    )
    wide = page.evaluate(
        "[...document.querySelectorAll('section')].filter(x => x.scrollWidth > x.clientWidth)"
        ".map(x => x.ariaLabel)"
    )
    assert wide == []
    assert axe_violations(page) == []
    page.close()
