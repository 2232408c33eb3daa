"""The address limit of one bundled type, before NumPy or the full table is loaded."""

from __future__ import annotations

from eks_win_capacity._data.limits import ROWS


def bundled_limit(name: str) -> tuple[int, bool] | None:
    """
    Look one type up in the bundled table.

    The table is one string of lines ``name addresses nitro``: finding a line
    takes microseconds, and parsing all of them would cost a short script more
    than its question.

    Returns
    -------
    (int, bool) or None
        IPv4 addresses per interface, and whether the type is Nitro or bare
        metal; None for a name without a row.
    """
    start = ROWS.find(f"\n{name} ")
    if start < 0:
        return None
    row = ROWS[start + 1 : ROWS.index("\n", start + 1)].split(" ")
    return None if row[0] != name else (int(row[1]), row[2] == "1")
