"""The least cost of a tiny fleet in subnets, by trying everything; it knows no solver."""

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

from fleet_verifier import attached

from eks_win_capacity.catalog import Catalog

CATALOG = Catalog.bundled()


@dataclass(frozen=True)
class Net:
    """As much of a subnet as a plan looks at."""

    cidr: str
    free: int
    free_prefixes: int = 0
    zone: str = "a"


def load(name, replicas, cpu_m, mib, **more):
    """A workload in whole numbers, as the counting here and the verifier take it."""
    return {"name": name, "replicas": replicas, "cpu_m": cpu_m, "mib": mib, **more}


def given_as(loads):
    """The same workloads as a plan takes them."""
    return [
        {key: value for key, value in one.items() if key not in {"cpu_m", "mib"}}
        | {"cpu": f"{one['cpu_m']}m", "memory": f"{one['mib']}Mi"}
        for one in loads
    ]


def price(name):
    """The documented proxy: vCPUs, a 24th of the GiB, and the root volume."""
    row = CATALOG[name]
    return row.vcpus + row.memory_mib / 1024 / 24 + 0.06


def patterns(loads, types, *, prefix):
    """Every mix of pods that some type holds, with its cheapest cost by addresses and blocks."""
    price_of = {}
    for mix in itertools.product(*[range(load["replicas"] + 1) for load in loads]):
        if not any(mix):
            continue
        cpu = sum(n * load["cpu_m"] for n, load in zip(mix, loads, strict=True))
        mib = sum(n * load["mib"] for n, load in zip(mix, loads, strict=True))
        pods = sum(n for n, load in zip(mix, loads, strict=True) if not load.get("host_process"))
        if any(n > 1 and load.get("anti_affinity") for n, load in zip(mix, loads, strict=True)):
            continue
        for name in types:
            row = CATALOG[name]
            slots, nitro = row.ipv4_per_interface - 1, prefix and row.nitro
            if cpu > row.vcpus * 1000 or mib > row.memory_mib - 2248 or sum(mix) > 110:
                continue
            if pods > slots * (16 if nitro else 1):
                continue
            addresses, blocks = attached(slots, pods, prefix=nitro)
            key = (mix, addresses + 1, blocks)
            price_of[key] = min(price_of.get(key, math.inf), price(name))
    return [(*key, cost) for key, cost in price_of.items()]


def least_cost(loads, types, nets, *, prefix=False, certain=True):
    """The least cost, or infinity where no fleet keeps the subnets and the zone spread."""
    zones = sorted({net.zone for net in nets})
    even = [at for at, load in enumerate(loads) if load.get("zone_spread")]
    kinds = patterns(loads, types, prefix=prefix)

    @lru_cache(None)
    def least(rest, free, placed):
        if not any(rest):
            skews = (max(one) - min(one) for one in zip(*placed, strict=True))
            return math.inf if any(skew > 1 for skew in skews) else 0.0
        first = next(at for at, left in enumerate(rest) if left)
        best = math.inf
        for mix, addresses, blocks, cost in kinds:
            if not mix[first] or any(n > left for n, left in zip(mix, rest, strict=True)):
                continue
            for at in range(len(nets)):
                # In prefix mode each address that is not in a prefix may break a block.
                taken = blocks + (addresses - 16 * blocks if prefix and certain else 0)
                if addresses > free[at][0] or taken > free[at][1]:
                    continue
                after = list(free)
                after[at] = (free[at][0] - addresses, free[at][1] - taken)
                counts = [list(one) for one in placed]
                for column, shape in enumerate(even):
                    counts[zones.index(nets[at].zone)][column] += mix[shape]
                left = tuple(n - took for n, took in zip(rest, mix, strict=True))
                best = min(best, cost + least(left, tuple(after), tuple(map(tuple, counts))))
        return best

    replicas = tuple(load["replicas"] for load in loads)
    free = tuple((net.free, net.free_prefixes) for net in nets)
    return least(replicas, free, tuple((0,) * len(even) for _ in zones))


def fewest_more(loads, types, nets, *, prefix=False, blocks=False):
    """The fewest addresses (or blocks) that, added to the subnets, make a fleet possible."""
    for more in range(60):
        for extra in itertools.product(range(more + 1), repeat=len(nets)):
            if sum(extra) != more:
                continue
            grown = [
                Net(
                    net.cidr,
                    1000 if blocks else net.free + added,
                    net.free_prefixes + added * blocks,
                    net.zone,
                )
                for net, added in zip(nets, extra, strict=True)
            ]
            if math.isfinite(least_cost(loads, types, grown, prefix=prefix, certain=False)):
                return more
    raise AssertionError("60 more do not help")
