"""Which column of a table of nodes is the instance type, and which rows are Windows nodes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core.errors import InputError, count_of

if TYPE_CHECKING:
    from collections.abc import Container

    import pandas as pd

_TYPE_NAMES: Final = (
    "instancetype", "nodekubernetesioinstancetype", "ec2instancetype", "machinetype", "nodetype",
    "type",
)  # fmt: skip
"""Names of a column of types, letters and digits only; its values have precedence."""

_COUNT_NAMES: Final = {
    "count", "counts", "nodes", "nodecount", "numberofnodes", "instances", "instancecount",
    "quantity", "qty", "desired", "desiredsize", "desiredcapacity", "replicas",
    "anzahl", "menge", "nombre", "quantite", "quantité", "cantidad", "quantita", "quantità",
    "quantidade", "aantal", "antal", "ilość", "台数", "数量",
}  # fmt: skip
"""Names of a column with the number of nodes of each row, in several languages."""

_ID_NAMES: Final = (
    "instanceid", "resourceid", "providerid", "node", "nodename", "name", "hostname",
)  # fmt: skip
"""Names of a column that identifies a node."""

_MEASURES: Final = {
    "cpu", "vcpu", "core", "memory", "mem", "ram", "mib", "gib", "gb", "price", "cost", "hour", "age",
    "id", "port", "account", "year", "month", "day", "total", "pod", "address", "disk", "storage",
}  # fmt: skip
"""Words in the names of numeric columns that do not count nodes."""

_OS_NAMES: Final = (
    "os", "operatingsystem", "kubernetesioos", "platform", "platformdetails", "osimage",
)  # fmt: skip
_STATE_NAMES: Final = ("status", "state", "statename", "instancestate", "lifecyclestate")
_GONE: Final = {
    "notready", "unknown", "terminated", "terminating", "shutting-down", "stopped", "stopping",
}  # fmt: skip
"""States of nodes and instances without pods: kubectl's STATUS and EC2's state names."""

_STATES: Final = _GONE | {"ready", "running", "pending"}
_SYSTEMS: Final = {"windows", "linux", "linux/unix"}
_NOTHING: Final = {"", "-", "none", "null", "nan", "<none>"}
"""Missing values as written by kubectl, the AWS CLI and spreadsheets."""

UNNAMED: Final = "column_"
"""Prefix of the names of columns in a table without header, before their number from 1."""

_THOUSANDS: Final = r"\s*[0-9]{1,3}(?:\.[0-9]{3})+\s*"
"""Counts such as 1.000, which is a thousand in many languages."""

_SAMPLE: Final = 1_000
_NAMED: Final = 5
_MOST_NODES: Final = 1_000_000_000


@dataclass(frozen=True)
class NodeTable:
    """
    Rows of a table that are Windows nodes.

    Attributes
    ----------
    frame : DataFrame
        These rows with all their columns.
    types : Series
        Instance type of each row, stripped and in lower case.
    counts : Series or None
        Nodes of each row; None if each row is one node. [nodes]
    notes : tuple of str
        How the table was read, and which rows were left out.
    """

    frame: pd.DataFrame
    types: pd.Series
    counts: pd.Series | None
    notes: tuple[str, ...]


def node_table(
    frame: pd.DataFrame,
    known: Container[str],
    *,
    column: str | None = None,
    count: str | None = None,
    all_rows: bool = False,
    weights: pd.Series | None = None,
) -> NodeTable:
    """
    Windows nodes of a table, with their types and the number of nodes of each row.

    Parameters
    ----------
    frame : DataFrame
        One row for each node, or for each kind of node.
    known : container of str
        Names of instance types.
    column : str, optional
        Column of types; by default the one whose values are types.
    count : str, optional
        Column of counts, or ``none``; by default one with such a name.
    all_rows : bool
        Whether to include Linux nodes and nodes that no longer run.
    weights : Series of int, optional
        Number of rows that were grouped into each row of the frame, for the notes.

    Raises
    ------
    InputError
        If a given column does not exist, no column has types, several may be counts, a count is
        not a whole number, or no row is left.
    """
    name = _type_column(frame, known, column)
    notes: list[str] = []
    kept = frame.reset_index(drop=True)  # so that errors name the row of the file
    if not all_rows:
        kept = _windows_rows(kept, notes, weights)
        kept = _present_rows(kept, notes, weights)
    if not len(kept) and len(frame):
        raise InputError(
            f"no row is a Windows node that runs: {'; '.join(notes)}; size every row with "
            "--all-rows"
        )
    types = kept[name]
    if types.dtype != "category":
        # An empty cell is a missing value; kubectl prints <none> for a missing label.
        tidy = types.map(lambda value: value.strip().lower() if isinstance(value, str) else value)
        types = tidy.where(~tidy.isin(["", "<none>"]), None)
    counts = _counts(kept, name, count)
    if counts is not None:
        notes.append(f"each row stands for as many nodes as its {counts.name!r} says")
    elif weights is None:
        notes += _repeated(kept)
        if count is None:
            notes += _perhaps_counts(kept, types)
    return NodeTable(kept, types, counts, tuple(notes))


@dataclass(frozen=True)
class Roles:
    """Columns of a table with types, counts, systems, states and names; None if there is none."""

    types: Any
    count: Any
    system: Any
    state: Any
    name: Any


def roles(
    frame: pd.DataFrame, known: Container[str], *, column: str | None, count: str | None
) -> Roles:
    """
    Column of each role, by the names of columns and the values of the first rows.

    Raises InputError as :func:`node_table`.
    """
    types = _type_column(frame, known, column)
    return Roles(
        types,
        _count_column(frame, types, count),
        _column_of(frame, _OS_NAMES, _SYSTEMS),
        _column_of(frame, _STATE_NAMES, _STATES),
        _column_called(frame, _ID_NAMES),
    )


def without_head(rows: list[list[str]], known: Container[str]) -> bool:
    """Whether the first row of a table has data and not the names of columns."""
    return bool(rows) and any(cell.strip().lower() in known for cell in rows[0])


def _repeated(frame: pd.DataFrame) -> list[str]:
    """Note about repeated rows, if a column identifies the nodes."""
    name = _column_called(frame, _ID_NAMES)
    if name is None or frame[name].is_unique:
        return []
    again = int(frame.astype(str).duplicated().sum())
    if not again:
        return []
    rows = count_of(again, "row repeats", "rows repeat")
    return [f"{rows} another one with its {str(name)!r}: a node that stands twice counts twice"]


def _perhaps_counts(frame: pd.DataFrame, types: pd.Series) -> list[str]:
    """Note about a numeric column that may count nodes, if each type has only one row."""
    if not len(types) or not types.is_unique:
        return []
    for name in frame.columns:
        words = set(re.findall(r"[a-z]+?(?=s?(?:[^a-z]|$))", str(name).lower()))
        numbers = _numbers(frame[name])
        rows_counted = (numbers.diff().iloc[1:] == 1).all() and numbers.iloc[0] < 2
        if not words & _MEASURES and numbers.notna().all() and not rows_counted:
            return [f"each row is one node: if {str(name)!r} says how many, give it with --count"]
    return []


def _plain(name: object) -> str:
    return "".join(filter(str.isalnum, str(name).lower()))


def _known_share(values: pd.Series, known: Container[str]) -> float:
    """Share of the strings that are instance types, in the first rows."""
    head = [value for value in values.head(_SAMPLE).tolist() if isinstance(value, str)]
    filled = [value.strip().lower() for value in head if value.strip()]
    return sum(value in known for value in filled) / len(filled) if filled else 0.0


def _type_column(frame: pd.DataFrame, known: Container[str], wanted: str | None) -> Any:
    columns = [str(name) for name in frame.columns]
    if wanted is not None:
        if wanted not in columns:
            raise InputError(f"no column {wanted!r}; there are: {', '.join(columns)}")
        return frame.columns[columns.index(wanted)]
    shares = {name: _known_share(frame[name], known) for name in frame.columns}
    usual = {_plain(name): name for name in reversed(list(frame.columns))}
    named = [usual[name] for name in _TYPE_NAMES if name in usual]
    # The values decide; the name chooses among several columns, or if no type is known.
    fitting = [name for name in named if shares[name] > 0.5]
    fitting += sorted((n for n in shares if shares[n] > 0.5), key=lambda n: -shares[n])
    _refuse_two(frame, [name for name in fitting if not named])
    if fitting or named:
        chosen = (fitting or named)[0]
        # pandas numbers columns of one name.
        same = re.compile(re.escape(str(chosen)) + r"\.[0-9]+")
        _refuse_two(frame, [chosen, *(name for name in fitting if same.fullmatch(str(name)))])
        return chosen
    cure = (
        "; kubectl get nodes -L node.kubernetes.io/instance-type,kubernetes.io/os prints them"
        if {"NAME", "STATUS", "ROLES"} <= set(columns)
        else ""
    )
    raise InputError(
        f"no column looks like instance types among: {', '.join(columns)}; name it with --column"
        f"{cure}"
    )


def _refuse_two(frame: pd.DataFrame, columns: list[Any]) -> None:
    """Refuse several columns of types that differ and that no name distinguishes."""
    for other in columns[1:]:
        if not frame[columns[0]].astype(str).equals(frame[other].astype(str).rename(columns[0])):
            raise InputError(
                f"{str(columns[0])!r} and {str(other)!r} both hold instance types: name one with "
                "--column"
            )


def _column_called(frame: pd.DataFrame, names: tuple[str, ...]) -> Any:
    """Column with one of the names, also as the last part after a dot, slash or colon."""
    for wanted in names:
        for name in frame.columns:
            text = str(name)
            last = text.replace("/", ".").replace(":", ".").rpartition(".")[2]
            if wanted in {_plain(text), _plain(last)}:
                return name
    return None


def _column_of(frame: pd.DataFrame, names: tuple[str, ...], words: set[str]) -> Any:
    """Column with one of the names, else the first whose values are only such words."""
    called = _column_called(frame, names)
    if called is not None:
        return called
    for name in frame.columns:
        sample = {text.partition(",")[0] for text in set(_words(frame[name].head(_SAMPLE)))}
        if sample & words and sample <= words | _NOTHING:
            return name
    return None


def _words(values: pd.Series) -> pd.Series:
    return values.map(lambda value: value.strip().lower() if isinstance(value, str) else "")


def _rows_left_out(out: pd.Series, weights: pd.Series | None) -> int:
    """Number of rows left out."""
    return int(out.sum() if weights is None else weights[out.index][out].sum())


def _windows_rows(frame: pd.DataFrame, notes: list[str], weights: pd.Series | None) -> pd.DataFrame:
    name = _column_of(frame, _OS_NAMES, _SYSTEMS)
    if name is None:
        return frame
    words = _words(frame[name])
    windows = words.str.contains(r"\bwin(?:dows|\d|\b)").astype(bool)
    # A column without any operating system, such as EKS platform versions, is ignored.
    if not windows.any() and not words.str.contains("linux", regex=False).any():
        return frame
    if left := _rows_left_out(~windows, weights):
        systems = [word or "empty" for word in sorted(set(words[~windows]))]
        more = ", ..." * (len(systems) > _NAMED)
        notes.append(
            f"{count_of(left, 'row')} left out: not Windows by {str(name)!r} "
            f"({', '.join(systems[:_NAMED])}{more})"
        )
    return frame[windows]


def _present_rows(frame: pd.DataFrame, notes: list[str], weights: pd.Series | None) -> pd.DataFrame:
    name = _column_of(frame, _STATE_NAMES, _STATES)
    if name is None:
        return frame
    gone = _words(frame[name]).map(lambda word: word.partition(",")[0]).isin(_GONE)
    if left := _rows_left_out(gone, weights):
        states = sorted(set(frame.loc[gone, name].astype(str)))
        notes.append(f"{count_of(left, 'row')} left out: {', '.join(states[:_NAMED])}")
    return frame[~gone]


def _count_column(frame: pd.DataFrame, types: Any, wanted: str | None) -> Any:
    """Column with the number of nodes of each row; None if there is none."""
    columns = [str(name) for name in frame.columns]
    if wanted == "none" and "none" not in columns:
        return None
    if wanted is not None:
        if wanted not in columns:
            raise InputError(f"no column {wanted!r}; there are: {', '.join(columns)}")
        candidates = [frame.columns[columns.index(wanted)]]
    else:
        # Columns with malformed numbers are candidates too, so that they are refused below.
        candidates = [
            name
            for name in frame.columns
            if name is not types
            and _plain(name) in _COUNT_NAMES
            and frame[name].astype(str).str.contains(r"^\s*[+-]?[0-9]").any()
        ]
    if not candidates and wanted is None and (open_ := _unnamed_numbers(frame)):
        raise InputError(
            f"{open_} may say how many nodes a row stands for: give --count {open_}, or --count none"
        )
    if not candidates:
        return None
    if len(candidates) > 1:
        raise InputError(
            f"columns {' and '.join(repr(str(name)) for name in candidates)} may each say how many "
            "nodes a row stands for; name one with --count, or --count none"
        )
    return candidates[0]


def _unnamed_numbers(frame: pd.DataFrame) -> str:
    """First column of small counts in a table without header, such as 3 or x3; else empty."""
    for name in frame.columns:
        if str(name).startswith(UNNAMED) and len(frame):
            sample = frame[name].head(_SAMPLE).astype(str).str.strip()
            if sample.str.fullmatch(r"[x(]?[0-9]{1,5}[x)]?", case=False).all():
                return str(name)
    return ""


def refuse_so_many(nodes: float, column: object) -> None:
    """
    Refuse a number of nodes that cannot be intended.

    Raises InputError if it is too large.
    """
    if nodes > _MOST_NODES:
        raise InputError(f"{column} adds up to more than {_MOST_NODES:,} nodes")


def _numbers(column: pd.Series) -> pd.Series:
    """Numbers of a column, missing where there is none; pandas takes times and booleans for some."""
    import pandas as pd

    numbers: pd.Series = pd.to_numeric(column, errors="coerce")
    if column.dtype.kind in "mM" or numbers.dtype.kind == "b":
        return pd.Series(float("nan"), index=column.index)
    return numbers


def _counts(frame: pd.DataFrame, types: Any, wanted: str | None) -> pd.Series | None:
    name = _count_column(frame, types, wanted)
    if name is None:
        return None
    texts = frame[name].drop_duplicates().astype(str)
    if (unclear := texts[texts.str.fullmatch(_THOUSANDS)]).size:
        raise InputError(
            f"{name}: {unclear.iloc[0]!r} may be a whole number with a separator of thousands or "
            "with decimals: write it without, or --count none"
        )
    counts = _numbers(frame[name])
    wrong = counts.isna() | (counts < 0) | (counts % 1 != 0)
    if wrong.any():
        at = int(wrong.to_numpy().argmax())
        raise InputError(
            f"{name} must be whole numbers from 0 where it says how many nodes a row stands "
            f"for; got {frame[name].iloc[[at]].tolist()[0]!r} in row {frame.index[at] + 1}; name another column with "
            "--count, or --count none"
        )
    refuse_so_many(float(counts.sum()), name)
    whole: pd.Series = counts.astype("int64").rename(str(name))
    return whole
