"""
Pages and pictures that the library itself makes, written before Sphinx reads its sources.

What the code knows is not written a second time: the reference follows the map of public
names, each check has a page from its own fields, the catalogue is the instance table.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt

import eks_win_capacity as ewc
from eks_win_capacity.cluster.checks import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
MADE = DOCS / "made"
ASKED = """```python
findings = ewc.check_cluster(ewc.load_files("saved/"))
[one for one in findings if one.code == "{code}"]
```"""
PICTURE = re.compile(r"!\[[^\]]*\]\(([\w.-]+)\)")
CONSIDERATIONS = re.compile(r"^\| (?P<what>[^|]+) \| (?P<by>`[^|]+`) \|$", re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    """Make everything once the builder is known."""
    app.connect("builder-inited", lambda _: make())
    return {"parallel_read_safe": True}


def make() -> None:
    """Write all made files; folders are emptied first, so that nothing outlives its source."""
    for folder in (
        MADE,
        DOCS / "checks",
        DOCS / "measured",
        DOCS / "notebooks",
        DOCS / "reference",
    ):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    draw_into(MADE, pictures(), "svg")
    checks()
    notebooks()
    reference()
    measured()
    (DOCS / "catalogue.md").write_text(catalogue(), "utf-8")


def pictures() -> dict[str, Callable[[], Any]]:
    """The pictures of the concept pages, by name."""
    types = ["t3.large", "m5.large", "m5.xlarge", "c5.4xlarge", "m5.metal", "t2.large"]
    pools = {
        "secondary, as shipped": ewc.WarmPool.secondary(),
        "prefix, as shipped": ewc.WarmPool.prefix(),
        "prefix, warm-prefix-target 2": ewc.WarmPool.prefix(warm_prefix_target=2),
    }
    used = [20, 21, 40, 71, 103, 150, 200, 263, 300, 333, 420, 431, 512, 600, 649, 700, 833, 951]
    events = [(30.0 * n, "assign", f"pod-{n}") for n in range(8)]
    events += [(300 + 20.0 * n, "free", f"pod-{n}") for n in range(6)]
    return {
        "pods_per_node": lambda: ewc.plots.pods_per_node(types),
        "binding": lambda: ewc.plots.binding(types[:5], prefix_delegation=True, pod_memory="512Mi"),
        "attached": lambda: ewc.plots.attached_addresses(pools, slots=9, pods=60),
        "through_time": lambda: ewc.plots.pool_through_time(
            ewc.simulate_pool(events, slots=14, pool=ewc.WarmPool.secondary())
        ),
        "blocks": lambda: ewc.plots.subnet_map(
            ewc.Subnet("10.0.0.0/22", used=[f"10.0.{n // 256}.{n % 256}" for n in used])
        ),
    }


def draw_into(folder: Path, names: Iterable[str], kind: str) -> None:
    """Draw pictures into files of one kind."""
    style = {"svg.hashsalt": "eks-win-capacity", "figure.figsize": (7.5, 3.6)}
    for name in names:
        with mpl.rc_context(style):
            figure = pictures()[name]().get_figure()
            plain = {"Date": None} if kind == "svg" else {}
            figure.savefig(folder / f"{name}.{kind}", bbox_inches="tight", metadata=plain)
            plt.close(figure)


def checks() -> None:
    """Write a page for each check: what it covers of the guide, why, and its source."""
    table = (DOCS / "considerations.md").read_text("utf-8")
    covered = [(m["what"], m["by"]) for m in CONSIDERATIONS.finditer(table)]
    for check in CHECKS:
        of_guide = [f"- {what}" for what, by in covered if f"`{check.code}`" in by]
        text, _, address = check.source.rpartition("https://")
        lines = [
            f"# {check.code}",
            f"Severity if it fails: **{check.severity}**.",
            "## What it covers",
            "\n".join(of_guide),
            "## Why it matters",
            check.why[:1].upper() + check.why[1:] + "." * (not check.why.endswith(".")),
            "## How to run it",
            ASKED.format(code=check.code),
            "`.seen` is what was seen, `.remedy` the command or manifest that corrects it.",
            "## Source",
            f"[{text.strip().rstrip(':') or address}](https://{address})",
        ]
        (DOCS / "checks" / f"{check.code}.md").write_text("\n\n".join(lines) + "\n", "utf-8")
    listed = "\n".join(check.code for check in CHECKS)
    (DOCS / "checks" / "index.md").write_text(
        f"# All checks\n\n```{{toctree}}\n{listed}\n```\n", "utf-8"
    )


def notebooks() -> None:
    """Copy the notebooks, which run while the site is built."""
    names = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for path in names:
        shutil.copy(path, DOCS / "notebooks" / path.name)
    listed = "\n".join(path.stem for path in names)
    (DOCS / "notebooks" / "index.md").write_text(
        f"# Notebooks\n\n```{{toctree}}\n{listed}\n```\n", "utf-8"
    )


def measured() -> None:
    """Take in what lies beside the measurements and the data: links hold here, pictures come too."""
    pages = {
        "data": ROOT / "data" / "README.md",
        "fast_path": ROOT / "benchmarks" / "README.md",
        "fleets": ROOT / "benchmarks" / "fleet" / "README.md",
        "engines": ROOT / "benchmarks" / "scale" / "README.md",
        "forecasts": ROOT / "benchmarks" / "forecast" / "README.md",
    }
    for stem, path in pages.items():
        text = path.read_text("utf-8")
        for other, target in pages.items():
            for written in {
                f"{target.parent.name}/README.md",
                f"../{target.parent.name}/README.md",
            }:
                text = text.replace(f"]({written})", f"]({other}.md)")
        for picture in PICTURE.findall(text):
            shutil.copy(path.parent / picture, DOCS / "measured" / picture)
        (DOCS / "measured" / f"{stem}.md").write_text(text, "utf-8")
    (DOCS / "measured" / "index.md").write_text(
        "# Measurements and data sources\n\n```{toctree}\n" + "\n".join(pages) + "\n```\n",
        "utf-8",
    )


def questions() -> dict[str, list[str]]:
    """Public names by question, in the order of the package's own map."""
    source = Path(ewc.__file__).read_text("utf-8")
    shown = re.search(r"^_SHOWN = \{\n(.*?)^\}", source, re.MULTILINE | re.DOTALL)
    assert shown is not None
    out: dict[str, list[str]] = {}
    for line in shown[1].splitlines():
        comment = re.match(r"\s*# (.*)", line)
        name = re.match(r'\s*"(\w+)"', line)
        if comment:
            out[comment[1]] = names = []
        elif name:
            names.append(name[1])
    known = {name for names in out.values() for name in names}
    rest = sorted(name for name in ewc._HOME if name not in known)  # noqa: SLF001
    out["Results, settings and the simulator"] = rest
    return out


def reference() -> None:
    """Write the reference: a page for each question, from the docstrings."""
    stems = []
    for question, names in questions().items():
        stem = re.sub(r"\W+", "-", question.partition(":")[0].lower())
        stems.append(stem)
        parts = [f"# {question}"]
        for name in names:
            kind = "autoclass" if isinstance(getattr(ewc, name), type) else "autofunction"
            members = "\n   :members:\n   :undoc-members:" if kind == "autoclass" else ""
            parts.append(
                f"## {name}\n\n```{{eval-rst}}\n.. {kind}:: eks_win_capacity.{name}{members}\n```"
            )
        (DOCS / "reference" / f"{stem}.md").write_text("\n\n".join(parts) + "\n", "utf-8")
    listed = "\n".join(stems)
    (DOCS / "reference" / "index.md").write_text(
        "# Reference by question\n\nUnits are in brackets: `[pods]`, `[bytes]`, `[s]`.\n\n"
        f"```{{toctree}}\n:maxdepth: 2\n{listed}\n```\n",
        "utf-8",
    )


def rows() -> Iterator[dict[str, Any]]:
    """What the calculator and the table know of each type, all of it from the library."""
    catalog = ewc.Catalog.bundled()
    for name in sorted(catalog):
        one, prefix = (ewc.node_capacity(name, prefix_delegation=mode) for mode in (False, True))
        kind = catalog[name]
        yield {
            "type": name,
            "vcpus": kind.vcpus,
            "memory_gib": kind.memory_mib / 1024,
            "secondary": one.address_pods,
            "prefix": prefix.address_pods if prefix.prefix_delegation else None,
            "cpu_m": one.allocatable_cpu_m,
            "memory": one.allocatable_memory,
            "windows": kind.windows.status,
            "reasons": ", ".join(reason.code for reason in kind.windows.reasons),
        }


def catalogue() -> str:
    """The catalogue page: calculator, search field, and every type in a plain table."""
    known = list(rows())
    date = ewc.Catalog.bundled().as_of
    table = "".join(
        f"<tr><th scope=row>{html.escape(row['type'])}</th>"
        f"<td class=n>{row['vcpus']}</td><td class=n>{round(row['memory_gib'], 2):g}</td>"
        f"<td class=n>{row['secondary']}</td>"
        f"<td class=n>{'-' if row['prefix'] is None else row['prefix']}</td>"
        f"<td>{row['windows']}</td><td>{html.escape(row['reasons'])}</td></tr>\n"
        for row in known
    )
    data = {
        row["type"]: [row["secondary"], row["prefix"], row["cpu_m"], row["memory"], row["windows"]]
        for row in known
    }
    frame = (Path(__file__).with_name("catalogue.html")).read_text("utf-8")
    filled = (
        frame.replace("@ROWS@", table)
        .replace("@OPTIONS@", "".join(f"<option>{html.escape(name)}</option>" for name in data))
        .replace("@DATA@", json.dumps(data, separators=(",", ":")))
    )
    return (
        "# All instance types\n\n"
        f"{len(known):,} types as EC2 listed them on {date}, with the pods that their addresses allow in both "
        "modes, and whether they run Windows.\n\n"
        f"```{{raw}} html\n{filled}\n```\n"
    )


if __name__ == "__main__":  # The two pictures of the README, kept beside the text.
    (DOCS / "pictures").mkdir(exist_ok=True)
    draw_into(DOCS / "pictures", ("pods_per_node", "blocks"), "png")
