"""
Throw seeded nonsense at the numeric core and the readers: ``make fuzz``.

Numbers of every width are held against arithmetic on Python's integers; damaged files
may only raise errors of this library. Prints the seed of a round that fails.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import eks_win_capacity as ewc
from eks_win_capacity.core.errors import CapacityError
from eks_win_capacity.core.quantities import whole_bytes

ROOT = Path(__file__).resolve().parent.parent
MOST = 1_000_000
WIDTHS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]
WORDS = [
    b"null",
    b"-1",
    b"1e999",
    b'"',
    b"{",
    b"]",
    b"\x00",
    b"\xff\xfe",
    b"true",
    b"0",
    b"[]",
    b"\n",
]


def column(rng: random.Random) -> np.ndarray:
    """Numbers of one width and byte order, near its ends and near the limits."""
    dtype = np.dtype(rng.choice("<>") + rng.choice(WIDTHS))
    ends = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    near = [0, 1, 2, 10, 15, 50, 100, float(ends.max), float(ends.min), MOST, MOST + 1]
    if dtype.kind == "f":
        near += [float("inf"), float("nan"), 0.5]
    fitting = [x for x in near if x != x or dtype.kind == "f" or ends.min <= x <= ends.max // 2]  # noqa: PLR0124
    with np.errstate(over="ignore"):
        return np.array(rng.choices(fitting, k=rng.randint(0, 5)), dtype=dtype)


def numbers(rng: random.Random) -> None:
    """Compare columns with one integer after the other."""
    given, prefixes = column(rng), rng.random() < 0.5
    legal = all(float(x).is_integer() and 1 <= x <= MOST for x in given.tolist())
    try:
        answer = ewc.ip_capacity(given, prefix_delegation=prefixes).tolist()
    except CapacityError:
        assert not legal, given
    else:
        assert legal, given
        assert answer == [(int(x) - 1) * (16 if prefixes else 1) for x in given.tolist()]

    limits, names = column(rng), rng.choices(["m5.large", "t2.large", "c5.metal"], k=5)
    names = names[: len(limits)]
    alone = [ewc.max_pods(name, prefix_delegation=prefixes) for name in names]
    legal = all(float(x).is_integer() and 0 <= x <= MOST for x in limits.tolist())
    try:
        answer = ewc.max_pods(
            np.array(names, dtype=object), prefix_delegation=prefixes, kubelet_max_pods=limits
        )
    except CapacityError:
        assert not legal, limits
    else:
        assert legal, limits
        assert answer.tolist() == [
            min(a, int(x)) for a, x in zip(alone, limits.tolist(), strict=True)
        ]

    pods, slots, warm, least = (rng.randint(low, 60) for low in (0, 1, 1, 0))
    pool = ewc.WarmPool.secondary(warm_ip_target=warm, minimum_ip_target=least)
    state = ewc.attached_addresses(pods, slots=slots, pool=pool)
    used = min(pods, slots)
    assert (state.used, state.addresses) == (used, min(slots, max(used + warm, least)))


def readers(rng: random.Random, files: list[Path], folder: Path) -> None:
    """Damage one file and read it."""
    path = rng.choice(files)
    data = bytearray(path.read_bytes()[:20_000] if rng.random() < 0.3 else path.read_bytes())
    for _ in range(rng.randint(1, 4)):
        position = rng.randrange(len(data) + 1)
        data[position : position + rng.randint(0, 8)] = rng.choice(WORDS)
    damaged = folder / path.name
    damaged.write_bytes(data)
    text = bytes(data[:200]).decode("latin-1")
    for read in (
        lambda: ewc.load_files(damaged),
        lambda: ewc.Catalog.from_describe_instance_types(damaged),
        lambda: ewc.WarmPool.from_configmap(text),
        lambda: whole_bytes(text[: rng.randint(0, 8)]),
        lambda: ewc.Subnet("10.0.0.0/24", used=text[: rng.randint(0, 30)]),
    ):
        try:
            read()
        except CapacityError:
            continue


def main() -> int:
    """Run rounds until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--seconds", type=float, default=60)
    asked = parser.parse_args()
    files = sorted((ROOT / "data/demo/cluster").glob("*.json"))
    end, rounds = time.monotonic() + asked.seconds, 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            seed = asked.seed + rounds
            rng = random.Random(seed)  # noqa: S311
            try:
                numbers(rng)
                readers(rng, files, Path(folder))
            except Exception:
                print(f"the round of seed {seed} failed: --seed {seed}", file=sys.stderr)
                raise
            rounds += 1
    print(f"{rounds:,} rounds from seed {asked.seed}, no fault")
    return 0


if __name__ == "__main__":
    sys.exit(main())
