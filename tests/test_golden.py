"""The recorded behaviour of the real controller, case by case."""

import csv
import json
from pathlib import Path

import pytest

from eks_win_capacity import WarmPool, attached_addresses, simulate_pool

_GOLDEN = Path(__file__).parent / "golden"
with (_GOLDEN / "steady_states.csv").open(newline="", encoding="utf-8") as file:
    _STATES = list(csv.DictReader(file))
_TRACES = [json.loads(x) for x in (_GOLDEN / "traces.jsonl").read_text().splitlines()]
_STATE = ["used", "warm", "cooling", "addresses", "prefixes"]
_EC2 = ["create_calls", "created", "delete_calls", "deleted"]


def _pool(case):
    keys = [k for k in case if "target" in k and not k.startswith("eff")]
    data = {k: case[k] for k in [*keys, "enable-windows-prefix-delegation"] if case[k] != "~"}
    return WarmPool.from_configmap(
        {"enable-windows-ipam": "true", **data}, nitro=case["nitro"] == "1"
    )


def test_every_configmap_gives_the_recorded_targets():
    for case in _STATES:
        pool = _pool(case)
        assert (
            pool.prefix_delegation,
            pool.warm_ip_target,
            pool.minimum_ip_target,
            pool.warm_prefix_target,
        ) == (
            case["mode"] == "prefix",
            int(case["eff_warm_ip"]),
            int(case["eff_min_ip"]),
            int(case["eff_warm_prefix"]),
        ), case


def test_every_steady_state_is_the_recorded_one():
    states = attached_addresses(
        [int(case["pods"]) for case in _STATES],
        slots=[int(case["slots"]) for case in _STATES],
        pool=[_pool(case) for case in _STATES],
    )
    for column, recorded in [
        ("addresses", "alloc_ips"),
        ("prefixes", "alloc_prefixes"),
        ("used", "used"),
        ("warm", "warm"),
    ]:
        assert getattr(states, column).tolist() == [int(case[recorded]) for case in _STATES]


def test_every_pool_can_be_written_and_read_back():
    for case in _STATES:
        pool = _pool(case)
        assert WarmPool.from_configmap(pool.to_configmap()) == pool


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_every_trace_runs_as_recorded(engine):
    for case in _TRACES:
        pool = WarmPool.from_configmap(case["configmap"])
        frame = simulate_pool(case["events"], slots=case["slots"], pool=pool, engine=engine)
        want = case["expect"]
        initial = frame.attrs["initial"]
        assert [initial[name] for name in _STATE] == want["init"][:5]
        assert frame[_STATE].to_numpy().tolist() == [row[:5] for row in want["out"]], case["id"]
        assert frame["outcome"].tolist() == [row[5] for row in want["out"]], case["id"]
        assert frame[_EC2].iloc[-1].tolist() == want["ec2"], case["id"]
