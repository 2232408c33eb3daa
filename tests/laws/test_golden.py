"""The recorded behaviour of the real controller, case by case."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from eks_win_capacity import WarmPool, attached_addresses, simulate_pool

_GOLDEN = Path(__file__).parents[1] / "golden"
with (_GOLDEN / "steady_states.csv").open(newline="", encoding="utf-8") as file:
    _STATES = list(csv.DictReader(file))
_TRACES = [json.loads(x) for x in (_GOLDEN / "traces.jsonl").read_text().splitlines()]
with gzip.open(_GOLDEN / "traces_extended.jsonl.gz", "rt", encoding="utf-8") as file:
    _EXTENDED = [json.loads(line) for line in file]
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
    for pool in {_pool(case) for case in _STATES}:
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


def _own_mode(case, configmap):
    """The pool of the node's own mode, whatever mode a ConfigMap names."""
    pool = WarmPool.from_configmap(configmap)
    if pool.prefix_delegation == (case["mode"] == "prefix"):
        return pool
    return WarmPool.prefix() if case["mode"] == "prefix" else WarmPool.secondary()


def _extended_events(case):
    for seconds, kind, *subject in case["events"]:
        if kind == "config":
            yield seconds, "configmap", _own_mode(case, subject[0])
        elif kind == "subnet_full":
            yield seconds, "subnet", "full" if subject[0] else None
        else:
            yield seconds, kind, *subject


@pytest.mark.parametrize("case", _EXTENDED, ids=lambda case: str(case["id"]))
def test_traces_with_latency_retries_and_changes_run_as_recorded(case):
    frame = simulate_pool(
        list(_extended_events(case)),
        slots=case["slots"],
        pool=_own_mode(case, case["configmap"]),
        ec2_latency_s=case["latency_s"],
        retries=case["retries"],
    )
    want, size = case["expect"], 16 if case["mode"] == "prefix" else 1
    frame["addresses"] += frame["pending_delete"]
    frame["prefixes"] += frame["pending_delete"] // 16 * (size == 16)
    assert (frame["subnet_addresses"] == frame["addresses"] + frame["pending_create"] + 1).all()
    assert [frame.attrs["initial"][name] for name in _STATE] == want["init"][:5]
    tried = frame[frame["kind"] == "retry"]
    rows = frame[frame["kind"] != "retry"]
    # A pod refused with AT_CAPACITY was not tried again in the recording.
    refused = [row[5] for row in want["out"]]
    full = case["retries"] and "AT_CAPACITY" in refused
    last = refused.index("AT_CAPACITY") if full else len(refused)
    assert rows[_STATE].to_numpy().tolist()[:last] == [row[:5] for row in want["out"]][:last]
    assert rows["outcome"].tolist()[:last] == refused[:last]
    if not full:
        last_row = frame.iloc[-1]
        assert last_row[["created", "deleted"]].tolist() == want["ec2"][1::2]
        # The recording counts a call when it ends.
        if not last_row["pending_create"] and not last_row["pending_delete"]:
            assert last_row[_EC2].tolist() == want["ec2"]
        served = tried[tried["outcome"].isna()]
        pods = zip(served["seconds"], map(str, served["pod"]), strict=True)
        assert list(map(list, pods)) == want["retry_ok"]
