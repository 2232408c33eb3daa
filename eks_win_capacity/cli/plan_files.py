"""Files of the command ``plan``: workloads, the state of a cluster, and prices."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eks_win_capacity.cli.output import say
from eks_win_capacity.core.documents import whole
from eks_win_capacity.core.errors import DocumentError, InputError
from eks_win_capacity.kubectl import KINDS
from eks_win_capacity.kubectl.planned import is_template, workload_rows

if TYPE_CHECKING:
    from eks_win_capacity.cluster.state import ClusterState


def read_workload_file(file: str, *, counted: bool = False) -> list[dict[str, Any]] | ClusterState:
    """
    Workloads from CSV, YAML or JSON, or the state of a cluster, possibly a folder; ``-`` is stdin.

    With `counted`, rows are those of nodes: a mapping of instance types to counts is accepted, and
    node groups as AWS describes them.
    """
    path = Path(file)
    if path.is_dir():
        return _of_folder(path)
    name = "standard input" if file == "-" else file
    text = whole.answer_text(whole.text_of(whole.file_bytes(file), name), name)
    kind = path.suffix.lower()
    if kind == ".csv" or (kind not in {".yaml", ".yml", ".json"} and _looks_like_csv(text)):
        return _csv(text, file, "nodes" if counted else "workloads")
    documents = whole.values_in(text, name)
    if counted and (counts := whole.type_counts(documents)):
        return [{"instance_type": kind, "nodes": nodes} for kind, nodes in counts.items()]
    root = documents[0] if len(documents) == 1 else whole.objects_in(documents)
    rows = root.get("workloads") if isinstance(root, dict) and "format" not in root else root
    objects = whole.objects_in(documents)
    if counted and any(isinstance(one, dict) and _OF_GROUPS & one.keys() for one in objects):
        from eks_win_capacity.files import load_files

        return load_files(objects)
    kinds = [one.get("kind") if isinstance(one, dict) else None for one in objects]
    if _are_manifests(objects):
        return _manifest_rows(objects)
    manifests = all(isinstance(one, dict) and "kind" in one for one in objects)
    if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
        if not manifests:
            return rows
        root = {"kind": "List", "apiVersion": "v1", "items": objects}
    # A saved state, an empty document, or objects of which at least one is supported.
    stateful = not kinds or None in kinds or bool(KINDS & set(kinds))
    if stateful and isinstance(root, dict) and {"format", "items", "apiVersion"} & set(root):
        from eks_win_capacity.files import load_files

        return load_files(root if "format" not in root else path if file != "-" else root)
    shown = objects[0] if len(objects) == 1 else root
    raise InputError(
        f"{name} is {whole.what_it_is(shown)}; plan needs a list of workloads, each with name and "
        "replicas, manifests such as Deployments, or the saved state of a cluster"
    )


_OF_GROUPS = {"nodegroup", "AutoScalingGroups"}
"""Members of the answers of AWS that describe node groups."""


def _of_folder(path: Path) -> list[dict[str, Any]] | ClusterState:
    """State of a cluster in a folder, or the workloads in its manifests."""
    from eks_win_capacity.core.documents import each_source
    from eks_win_capacity.files import load_files

    try:
        state = load_files(path)
        if state.pods is not None or state.nodes is not None or not state.workloads:
            return state
        refused = None
    except DocumentError as error:
        refused = error
    documents: list[Any] = []
    for file, _ in each_source(path):
        documents += whole.values_in(
            whole.text_of(whole.file_bytes(str(file)), str(file)), str(file)
        )
    objects = whole.objects_in(documents)
    if refused and not _are_manifests(objects):
        raise refused
    return _manifest_rows(objects)


def _are_manifests(objects: list[Any]) -> bool:
    """Whether objects are manifests with pods; those of a running cluster include nodes or pods."""
    if not all(isinstance(one, dict) and one.get("kind") for one in objects):
        return False
    makers = [one for one in objects if is_template(one)]
    placed = [one for one in objects if one["kind"] in {"Node", "Pod"} and one not in makers]
    return bool(makers) and not placed


def _manifest_rows(objects: list[Any]) -> list[dict[str, Any]]:
    """
    Workloads in manifests; notes on those left out are printed.

    The output of a chart also contains Services and other objects.
    """
    makers = [one for one in objects if is_template(one)]
    runtimes = {
        name_of(one): (one.get("scheduling") or {}).get("nodeSelector") or {}
        for one in objects
        if one["kind"] == "RuntimeClass"
    }
    rows, notes = workload_rows(makers, runtimes)
    silent = [one for one in objects if one not in makers and one["kind"] != "RuntimeClass"]
    others = [f"{one['kind']} {name_of(one)}" for one in silent]
    notes += [note for one in objects if (note := _scaled(one))]
    notes += [f"left out, as they are no workloads: {', '.join(others)}"] if others else []
    for note in notes:
        say(f"eks-win-capacity: note: {note}", err=True)
    return rows


def _scaled(item: dict[str, Any]) -> str:
    """Note on an autoscaler that may start more pods than the replicas; empty for others."""
    spec = item.get("spec")
    if not isinstance(spec, dict):
        return ""
    most = spec.get("maxReplicas", spec.get("maxReplicaCount"))
    target = spec.get("scaleTargetRef")
    if most is None or not isinstance(target, dict):
        return ""
    return (
        f"{item['kind']} {name_of(item)} may start {most} pods of {target.get('name')}, and the plan "
        "is for the replicas of the manifest: raise them to plan for all"
    )


def name_of(item: dict[str, Any]) -> str:
    """Name of a Kubernetes object; empty if it has none."""
    meta = item.get("metadata")
    return str(meta.get("name") or "") if isinstance(meta, dict) else ""


def _looks_like_csv(text: str) -> bool:
    """Whether a string is CSV, possibly only a header, rather than YAML or JSON."""
    first = text.lstrip().partition("\n")[0]
    return bool(whole.table_columns(text)) or (
        whole.separator_of(first) in first
        and not first.startswith(("{", "[", "-"))
        and ": " not in first
    )


def _csv(text: str, file: str, what: str) -> list[dict[str, Any]]:
    import csv
    import io

    text = whole.table_text(text)
    head = text.lstrip().partition("\n")[0]
    separator = whole.separator_of(head)
    if separator not in head:
        # Columns separated by two or more spaces, as in the output of kubectl.
        separator, text = "\t", re.sub(r" {2,}", "\t", text)
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, delimiter=separator)
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise InputError(
                f"line {reader.line_num} of {file} has not as many fields as its header"
            )
        if {"total", "sum"} & {value.strip().lower() for value in row.values()}:
            raise InputError(
                f"line {reader.line_num} of {file} is a total of the others: leave it out"
            )
        if any(value.strip() for value in row.values()):
            rows.append(
                {(key or "").strip(): _point(value, separator) for key, value in row.items()}
            )
    if not rows:
        raise InputError(f"{file} holds no {what}: a header and a line for each are needed")
    return rows


def _point(value: str, separator: str) -> str:
    """Number with a decimal point; tables with semicolons have decimal commas."""
    if separator == ";" and re.fullmatch(r"\s*[0-9]+,[0-9]+\s*[A-Za-z]{0,2}\s*", value):
        return value.replace(",", ".")
    return value


def read_current_file(file: str) -> Any:
    """Running nodes: rows of instance_type, nodes and optionally zone, or a cluster's state."""
    return read_workload_file(file, counted=True)


def read_price_file(file: str | None) -> Any:
    """
    Prices from a CSV of type and price, with or without a header.

    For an export of ec2instances.info, its on-demand Windows prices.

    For a `Prices` table saved as CSV, also its markets and estimates.
    """
    if file is None:
        return None
    import csv
    import io

    text = whole.table_text(whole.text_of(whole.file_bytes(file), file))
    if text.lstrip()[:1] in {"{", "["} or whole.looks_like_yaml(text):
        return _priced(whole.values_in(text, file), file)
    separator = whole.separator_of(text.lstrip().partition("\n")[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    lines = [[_point(cell, separator) for cell in row] for row in reader if "".join(row).strip()]
    if lines and "API Name" in lines[0]:
        return _export(file, lines)
    if lines and {"instance_type", "price"} <= set(lines[0]):
        return _price_table(file, lines)
    at = _price_column(file, lines)
    prices: dict[str, float] = {}
    for line, row in enumerate(lines, start=1):
        try:
            name, price = row[0].strip(), float(row[at])
        except (IndexError, ValueError):
            if line > 1 or "." in row[0]:  # the first line may be a header
                raise InputError(f"line {line} of {file} is not TYPE,PRICE") from None
            continue
        if name in prices:
            raise InputError(f"line {line} of {file} tells {name} a second time")
        prices[name] = price
    if not prices:
        raise InputError(f"{file} holds no prices: lines of TYPE,PRICE are needed")
    return prices


def _price_column(file: str, lines: list[list[str]]) -> int:
    """Index of the column with the hourly Windows price: the only numeric one, or by its name."""
    headed = bool(lines) and not any(map(_is_number, lines[0][1:])) and "." not in lines[0][0]
    head, body = (lines[0], lines[1:]) if headed else ([], lines)
    width = min(map(len, body), default=0)
    numbers = [at for at in range(1, width) if all(_is_number(row[at]) for row in body)]
    said = {at: set(re.findall(r"[a-z]+", head[at].lower())) for at in numbers if at < len(head)}
    for names in (_WINDOWS_WORDS, _PRICE_WORDS):
        called = [at for at in numbers if said.get(at, set()) & names]
        numbers = called if len(called) == 1 else numbers
    if len(numbers) > 1:
        raise InputError(
            f"{file} has several columns of numbers, and none is called the only price: leave one, as "
            "TYPE,PRICE, with the price of Windows by the hour"
        )
    if strange := [word for at in numbers for word in sorted(said.get(at, set()) & _OTHER_PRICES)]:
        raise InputError(
            f"{head[numbers[0]]!r} in {file} is a price by {strange[0]}: prices of Windows by the hour "
            "are needed"
        )
    return numbers[0] if numbers else 1


def _is_number(cell: str) -> bool:
    return (
        re.fullmatch(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*", cell, re.IGNORECASE)
        is not None
    )


_WINDOWS_WORDS = {"windows"}
_PRICE_WORDS = {"price", "cost", "hourly", "rate", "usd", "eur"}
_OTHER_PRICES = {"month", "monthly", "year", "yearly", "annual", "day", "daily", "linux"}
"""Words in headings of prices, and of prices per other period or for another system."""


def _priced(documents: list[Any], file: str) -> dict[str, float]:
    """Prices from a mapping of types to numbers, or from rows, in JSON or YAML."""
    prices = documents[0] if len(documents) == 1 else documents
    rows = whole.objects_in(documents)
    if all(isinstance(row, dict) and {"instance_type", "price"} <= row.keys() for row in rows):
        prices = {row["instance_type"]: row["price"] for row in rows}
        if len(prices) < len(rows):
            raise InputError(f"{file} tells a type a second time")
    priced = isinstance(prices, dict) and all(
        isinstance(price, (int, float)) and not isinstance(price, bool) for price in prices.values()
    )
    if not priced or not prices:
        raise InputError(
            f"{file} is {whole.what_it_is(prices)}; --prices needs lines of TYPE,PRICE or a mapping of "
            "types to prices; answers of aws pricing get-products are read in Python: "
            "aws.load_prices(region, files=...)"
        )
    return {str(name): float(price) for name, price in dict(prices).items()}


_WINDOWS_PRICES = ("Windows On Demand cost", "Windows On-Demand cost", "Windows On Demand")
"""Columns with hourly Windows prices in exports of ec2instances.info."""


def _export(file: str, lines: list[list[str]]) -> dict[str, float]:
    """Windows prices in an export of ec2instances.info; types marked unavailable are left out."""
    head = [cell.strip() for cell in lines[0]]
    column = next((name for name in _WINDOWS_PRICES if name in head), None)
    if column is None:
        raise InputError(
            f"{file} is an export of ec2instances.info without the column "
            f"{_WINDOWS_PRICES[0]!r}: show that column, then export again"
        )
    at, names = head.index(column), head.index("API Name")
    prices: dict[str, float] = {}
    for number, row in enumerate(lines[1:], start=2):
        if len(row) != len(head):
            raise InputError(f"line {number} of {file} has not as many fields as its header")
        match = re.fullmatch(r"\$\s*([0-9]+(?:,[0-9]{3})*\.?[0-9]*)(?:\s+hourly)?", row[at].strip())
        if match is None:
            if row[at].strip().lower() in {"", "-", "n/a", "unavailable"}:
                continue
            raise InputError(
                f"line {number} of {file} has {row[at]!r} under {column!r}; US dollars an hour are "
                "needed, as in $0.188000 hourly: choose the currency USD and hourly costs"
            )
        name = row[names].strip()
        if name in prices:
            raise InputError(f"line {number} of {file} tells {name} a second time")
        prices[name] = float(match[1].replace(",", ""))
    if not prices:
        raise InputError(f"{file} holds no price under {column!r}")
    return prices


def _price_table(file: str, lines: list[list[str]]) -> Any:
    import pandas as pd

    from eks_win_capacity.catalog.prices import COLUMNS, Prices

    for number, line in enumerate(lines, start=1):
        if len(line) != len(lines[0]):
            raise InputError(f"line {number} of {file} has not as many fields as its header")
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    try:
        for row in rows:
            row["price"] = float(row["price"])  # type: ignore[assignment]
    except ValueError as error:
        raise InputError(f"{file} has a price that is not a number: {error}") from error
    table = pd.DataFrame(rows)
    if "estimated" in table.columns:
        table["estimated"] = table["estimated"].str.strip().str.lower() == "true"
    if rows and set(COLUMNS) <= set(table.columns):
        currency, as_of = str(table["currency"].iloc[0]), str(table["as_of"].max())
        return Prices(table=table, region="", currency=currency, as_of=as_of)
    return table
