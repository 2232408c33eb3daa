"""Peak memory of one answer beyond what stood before: at most 1.2 x (output + 64 MiB)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import eks_win_capacity as ewc
from benchmarks.inputs import NAMES, codes_of, texts_of

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
KINDS = {
    "category": lambda rows: pd.Series(
        pd.Categorical.from_codes(codes_of(rows).astype(np.int16), categories=NAMES)
    ),
    "str": lambda rows: pd.Series(texts_of(rows), dtype="str"),
    "Arrow string": lambda rows: pa.array(texts_of(rows)),
    "object": lambda rows: pd.Series(texts_of(rows), dtype=object),
    "string[python]": lambda rows: pd.Series(texts_of(rows), dtype="string[python]"),
    "list": texts_of,
    "U": lambda rows: np.array(NAMES)[codes_of(rows)],
    "StringDType": lambda rows: np.array(NAMES)[codes_of(rows)].astype(np.dtypes.StringDType()),
}


def kibibytes(field: str) -> int:
    """Read one figure that the kernel keeps of this process."""
    return int(re.search(rf"{field}:\s+(\d+)", STATUS.read_text())[1])


@pytest.mark.parametrize("kind", KINDS)
def test_peak_memory(kind, most_rows):
    rows = most_rows
    column = KINDS[kind](rows)
    ewc.max_pods(column[:10])
    CLEAR.write_text("5")  # forget the highest mark so far
    before = kibibytes("VmRSS")
    pods = ewc.max_pods(column)
    extra = kibibytes("VmHWM") - before
    assert len(pods) == rows
    print(f"{kind}: {extra / 1024:.0f} MiB above {rows * 8 / 2**20:.0f} MiB of output")
    assert extra <= 1.2 * (rows * 8 + 2**26) / 1024
