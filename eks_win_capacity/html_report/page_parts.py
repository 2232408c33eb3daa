"""Building blocks of the page: style, script, sortable tables, and commands to copy."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from eks_win_capacity.core.display import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STYLE: Final = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b242c;--soft:#4a5763;--line:#c9d1d8;--wash:#f3f5f7;
--link:#0b5cad;--free:#00855f;--withheld:#56b4e9;--broken:#e69f00;--used:#0072b2;--kept:#888;
--bad:#b3261e;--warn:#8a5a00;--good:#1b6e3c;--band:#0072b2}
@media screen and (prefers-color-scheme:dark){:root{--paper:#14191e;--ink:#e6ebef;--soft:#a9b5bf;
--line:#3d4852;--wash:#1e252c;--link:#7cb8ff;--free:#1fae83;--withheld:#7cc6f0;--broken:#f0b429;
--used:#4a9fd8;--kept:#8b949c;--bad:#ff8a80;--warn:#f0b429;--good:#6fd08c;--band:#56b4e9}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem 1.5rem 3rem;max-width:75rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:1.8rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.45rem;margin:2.5rem 0 .5rem;
border-top:3px solid var(--line);padding-top:1rem}h3{font-size:1.15rem;margin:1.8rem 0 .4rem}
h4{font-size:1rem;margin:1.2rem 0 .3rem}
p,ul{margin:.4rem 0 .8rem;max-width:62rem;overflow-wrap:anywhere}a{color:var(--link)}
.soft{color:var(--soft);font-size:.92rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums;margin:.4rem 0}
caption{text-align:left;font-weight:600;padding:.2rem 0}
th,td{padding:.28rem .5rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line);
overflow-wrap:break-word;max-width:24rem}
thead th{background:var(--wash);vertical-align:bottom}
tbody th{font-weight:400}
.n{text-align:right}td.n,.d{white-space:nowrap}td pre{min-width:18rem}
thead button{all:unset;cursor:pointer;font-weight:600}
thead button::after{content:"\\a0\\2195";color:var(--soft)}
th[aria-sort=ascending] button::after{content:"\\a0\\2191"}th[aria-sort=descending] button::after{content:"\\a0\\2193"}
button:focus-visible,a:focus-visible,summary:focus-visible,.wide:focus-visible,pre:focus-visible{outline:3px solid var(--link);outline-offset:2px}
pre{margin:.2rem 0;padding:.4rem .6rem;background:var(--wash);white-space:pre-wrap;
overflow-wrap:anywhere;font:.85rem/1.4 ui-monospace,Consolas,"DejaVu Sans Mono",monospace}
.copy{font:inherit;font-size:.8rem;padding:.1rem .5rem;border:1px solid var(--soft);border-radius:.25rem;
background:var(--paper);color:var(--ink);cursor:pointer}
.card{border-left:.3rem solid var(--line);padding:.1rem .8rem;margin:.8rem 0}
.card.error{border-color:var(--bad)}.card.warning{border-color:var(--warn)}
.word{font-weight:600}.bad{color:var(--bad)}.warn{color:var(--warn)}.good{color:var(--good)}
figure{margin:.8rem 0 1.4rem}figcaption{font-weight:600;margin-bottom:.2rem}
svg{max-width:100%;height:auto}svg text{fill:var(--ink);font:12px system-ui,"DejaVu Sans",sans-serif}
.key{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;font-size:.9rem}
.key svg{vertical-align:-2px;margin-right:.35rem}
.b-whole-free{fill:var(--free)}.b-withheld{fill:url(#p-withheld)}.b-partly-used{fill:url(#p-partly-used)}
.b-fully-used{fill:var(--used)}.b-kept{fill:url(#p-kept)}
.i-withheld{fill:var(--withheld)}.i-partly-used{fill:var(--broken)}.i-kept{fill:var(--kept)}
.mark{stroke:var(--paper);fill:none;stroke-width:1.5}.dot{fill:var(--paper)}
.grid{stroke:var(--paper);fill:none}
.axis{stroke:var(--soft);fill:none;stroke-width:1}.rule{stroke:var(--line);fill:none;stroke-width:1}
.past{stroke:var(--ink);fill:none;stroke-width:1.5}.median{stroke:var(--band);fill:none;stroke-width:2}
.band{fill:var(--band);opacity:.22}.limit{stroke:var(--bad);fill:none;stroke-width:2;stroke-dasharray:7 4}
.date{stroke:var(--bad);fill:none;stroke-width:6;opacity:.5}.point{fill:var(--bad)}
@page{margin:14mm}
@media print{:root{color-scheme:light}body{max-width:none;padding:0;font-size:10pt}
table{font-size:8pt}th,td{padding:.15rem .3rem}td{overflow-wrap:anywhere}td pre{min-width:0}
.copy,nav{display:none}.wide{overflow:visible}a{color:inherit;text-decoration:none}
thead{display:table-header-group}tr,figure,pre{break-inside:avoid}h2,h3,h4,caption,p:has(+pre){break-after:avoid}
thead button{display:contents}thead button::after{content:none}
table:not(:has(tbody tr:nth-child(16))){break-inside:avoid}section.cluster+section.cluster{break-before:page}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
"""Okabe-Ito colours, adjusted for contrast in each theme; a printed page is always light."""

SCRIPT: Final = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = row => row.cells[at].textContent.trim();
      const number = text => Number(text.replaceAll(",", ""));
      const known = text => !["", "unknown", "later"].includes(text);
      const order = (a, b) => known(b) - known(a) || (down ? -1 : 1) * (
        isNaN(number(a)) || isNaN(number(b)) ? a.localeCompare(b) : number(a) - number(b));
      body.append(...[...body.rows].sort((a, b) => order(value(a), value(b))));
    };
  });
}
for (const text of document.querySelectorAll("pre")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + text.textContent.slice(0, 60));
  button.onclick = async () => {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  };
  text.after(button);
}
"""
"""With scripts, tables can be sorted and commands copied; without, all content is still there."""


def policy() -> str:
    """Content security policy of the page: nothing is loaded, and only its own script runs."""
    style, script = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (STYLE, SCRIPT)
    )
    return f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'"


_LONGEST_WORD: Final = 26
"""Maximum length of a word that is kept on one line, such as a subnet id. [characters]"""


def cell(value: Any) -> str:
    """Value as readable HTML; ``unknown`` if missing."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:  # noqa: PLR0124
        return "unknown"
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.4g}"
    return escape(words_of(value))


def table(
    caption: str,
    columns: Mapping[str, str],
    rows: Iterable[Mapping[Any, Any]],
    *,
    large: bool = False,
) -> str:
    """
    Sortable table, whose first column contains the row headings.

    `columns` maps keys to titles; a value that is a `Markup` is already HTML. A large table is
    collapsed at first.
    """
    shown = list(rows)
    numeric = {key for key in columns if _numeric(row.get(key) for row in shown)}
    short = {key for key in columns if all(_is_word(row.get(key)) for row in shown)}
    side = {
        key: " class=n" if key in numeric else " class=d" if key in short else "" for key in columns
    }
    first, *others = columns
    head = "".join(
        f'<th scope="col"{side[key]}>{escape(title)}</th>' for key, title in columns.items()
    )
    # Closing tags of cells are omitted, so that a table of 5,000 nodes stays small.
    body = "\n".join(
        f"<tr><th scope=row{side[first]}>{_inner(row.get(first))}"
        + "".join(f"<td{side[key]}>{_inner(row.get(key))}" for key in others)
        for row in shown
    )
    whole = (
        f'<div class="wide" tabindex="0" role="group" aria-label="{escape(caption)}">'
        f'<table class="sortable"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    if not large:
        return whole
    return f"<details><summary>{escape(caption)}</summary>{whole}</details>"


class Markup(str):
    """A string that is already HTML."""

    __slots__ = ()


def _inner(value: Any) -> str:
    return str(value) if isinstance(value, Markup) else cell(value)


def _is_word(value: Any) -> bool:
    text = str(value)
    return len(text) <= _LONGEST_WORD and " " not in text and not isinstance(value, Markup)


def _numeric(values: Iterable[Any]) -> bool:
    present = [v for v in values if not (v is None or v is pd.NA or v != v)]  # noqa: PLR0124
    present = [v for v in present if v != "later"]
    return bool(present) and all(
        pd.api.types.is_number(v) and not isinstance(v, bool) for v in present
    )


def paragraph(text: str, kind: str = "") -> str:
    """One HTML paragraph."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def stacked(*parts: str) -> str:
    """Parts of a page, one after the other."""
    return "".join(parts)


def listed(texts: Sequence[str]) -> str:
    """HTML list of strings; empty if there are none."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def to_copy(text: str) -> Markup:
    """Preformatted string to copy, such as a command."""
    return Markup(f"<pre>{escape(text)}</pre>")
