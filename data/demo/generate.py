"""
Write the demo files: ``python data/demo/generate.py``.

What they hold is drawn by ``eks_win_capacity.demo``, so the package needs no files.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from eks_win_capacity import demo
from eks_win_capacity.demo import invented_cluster

FOLDER = Path(__file__).parent


def write(folder: Path = FOLDER) -> None:
    """Write the three tables as CSV, and the answers of the cluster as JSON."""
    for name in ("fleet", "subnet_usage", "workloads"):
        table = getattr(demo, name)()
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table.columns)
            writer.writerows(table.itertuples(index=False, name=None))
    (folder / "cluster").mkdir(exist_ok=True)
    for name, answer in invented_cluster.answers().items():
        content = json.dumps(answer, indent=1) + "\n"
        (folder / "cluster" / f"{name}.json").write_bytes(content.encode())


if __name__ == "__main__":
    write()
