"""The files of ``plan``: workloads, the state of a cluster, and prices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eks_win_capacity.core.errors import InputError

if TYPE_CHECKING:
    from eks_win_capacity.cluster.state import ClusterState


def read_workload_file(file: str) -> list[dict[str, Any]] | ClusterState:
    """Read workloads from CSV or YAML, or the state of a cluster, be it a folder; ``-`` is stdin."""
    path = Path(file)
    if path.is_dir():
        from eks_win_capacity.files import load_files

        return load_files(path)
    raw = sys.stdin.buffer.read() if file == "-" else path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text in UTF-8: {error}") from error
    kind = path.suffix.lower()
    if kind == ".csv" or (kind not in {".yaml", ".yml", ".json"} and _looks_like_csv(text)):
        return _csv(text, file)
    told = _parsed(text, file)
    rows = told.get("workloads") if isinstance(told, dict) and "format" not in told else told
    if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
        return rows
    if isinstance(told, dict) and {"format", "kind", "items", "apiVersion"} & set(told):
        from eks_win_capacity.files import load_files

        return load_files(told if "format" not in told else path if file != "-" else told)
    raise InputError(
        f"{file} must hold a list of workloads, each with name and replicas, or the saved "
        "state of a cluster"
    )


def _looks_like_csv(text: str) -> bool:
    """Tell a header of CSV from the start of YAML or JSON."""
    first = text.lstrip().partition("\n")[0]
    return "," in first and not first.startswith(("{", "[", "-")) and ": " not in first


def _parsed(text: str, file: str) -> Any:
    import json

    import yaml

    try:
        # Large answers of kubectl are JSON, which the YAML reader takes minutes for.
        return json.loads(text) if text.lstrip()[:1] in {"{", "["} else yaml.safe_load(text)
    except ValueError as error:
        if not file.endswith((".yaml", ".yml")):
            raise InputError(f"{file} is no JSON: {error}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{file} is no YAML: {error}") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{file} is no YAML: {error}") from error


def _csv(text: str, file: str) -> list[dict[str, Any]]:
    import csv
    import io

    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise InputError(
                f"line {reader.line_num} of {file} has not as many fields as its header"
            )
        if any(value.strip() for value in row.values()):
            rows.append({(key or "").strip(): value for key, value in row.items()})
    if not rows:
        raise InputError(f"{file} holds no workloads: a header and a line for each are needed")
    return rows


def read_price_file(file: str | None) -> Any:
    """
    Read prices from a CSV of type and price, with or without a header.

    A table of `Prices` that was saved as CSV is read with its markets and marks.
    """
    if file is None:
        return None
    import csv

    with Path(file).open(encoding="utf-8-sig", newline="") as handle:
        lines = [row for row in csv.reader(handle) if "".join(row).strip()]
    if lines and {"instance_type", "price"} <= set(lines[0]):
        return _price_table(file, lines)
    prices: dict[str, float] = {}
    for line, row in enumerate(lines, start=1):
        try:
            name, price = row[0].strip(), float(row[1])
        except (IndexError, ValueError):
            if line > 1:
                raise InputError(f"line {line} of {file} is not TYPE,PRICE") from None
            continue
        if name in prices:
            raise InputError(f"line {line} of {file} tells {name} a second time")
        prices[name] = price
    if not prices:
        raise InputError(f"{file} holds no prices: lines of TYPE,PRICE are needed")
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
        raise InputError(f"{file} has a price that is no number: {error}") from error
    table = pd.DataFrame(rows)
    if "estimated" in table.columns:
        table["estimated"] = table["estimated"].str.strip().str.lower() == "true"
    if rows and set(COLUMNS) <= set(table.columns):
        currency, as_of = str(table["currency"].iloc[0]), str(table["as_of"].max())
        return Prices(table=table, region="", currency=currency, as_of=as_of)
    return table
