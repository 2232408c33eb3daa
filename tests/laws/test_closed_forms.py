"""The controller's rules written down once more, in closed form, against the library."""

import json
import math
import random
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eks_win_capacity import WarmPool, attached_addresses, simulate_pool
from eks_win_capacity.core.errors import InputError, UnsupportedInputError, WarmTargetError

_STATE = ["used", "warm", "cooling", "addresses", "prefixes", "outcome"]
_EC2 = ["create_calls", "created", "delete_calls", "deleted"]
_TRACES = Path(__file__).parents[1] / "golden" / "traces.jsonl"


def ceil16(addresses):
    return math.ceil(addresses / 16)


# -- ConfigMap to targets -----------------------------------------------------

_TRUE = ["1", "t", "T", "TRUE", "true", "True"]
_FALSE = ["0", "f", "F", "FALSE", "false", "False", " true", "yes", "tRUE", "", "on", "true\n"]
_NUMBERS = [
    *["0", "-0", "+0", "00", "007", "1", "5", "-3", "+4", "64", "1000000", "1000001", "-1000001"],
    *["", " 5", "5 ", "5\n", "1_0", "0x10", "3.0", "1e3", "+", "-", "--1", "+-1", "five"],
    *["\u0663", "\uff19", "0" * 30, "9" * 5000],  # an Arabic three, a wide nine
    *["9223372036854775807", "9223372036854775808", "-9223372036854775809"],
]
_numbers = st.sampled_from(["0", "0", "-2", "3"]) | st.sampled_from(_NUMBERS)
_TARGETS = ("warm-ip-target", "minimum-ip-target", "warm-prefix-target")
_PREFIX_ON = {"enable-windows-ipam": "true", "enable-windows-prefix-delegation": "true"}
_configmaps = st.fixed_dictionaries(
    {},
    optional={
        "enable-windows-ipam": st.sampled_from(_TRUE * 5 + _FALSE),
        "enable-windows-prefix-delegation": st.sampled_from(_TRUE * 2 + _FALSE),
        **dict.fromkeys(_TARGETS, _numbers),
        **{f"windows-{key}": _numbers for key in _TARGETS},
    },
)


def integer(text):
    body = text[1:] if text[:1] in ("+", "-") else text
    if not body or set(body) - set("0123456789"):
        return None
    size = sum(int(digit) * 10**power for power, digit in enumerate(body[::-1][:40]))
    return max(-(2**63), min(2**63 - 1, -size if text[0] == "-" else size))


def read(data, nitro):
    """Mode, effective targets, sentence by sentence as the controller is specified."""
    flag = data.get("enable-windows-prefix-delegation") in _TRUE
    prefix = flag and data.get("enable-windows-ipam") in _TRUE and nitro
    texts = [data.get(key, data.get(f"windows-{key}")) for key in _TARGETS]
    w, m, p = (0 if text is None else integer(text) or 0 for text in texts)
    if not flag:
        p = 0
        if texts[0] is not None and integer(texts[0]) == 0:
            w = 1
    if w == 0 and m == 0:
        if not flag:
            w, m = 3, 3
        elif p == 0:
            w, m = 1, 3
    if flag != prefix:
        w, m, p = 3, 3, 0
    if not prefix:
        return False, 3 if w < 0 else w, 3 if m < 0 else m, 0
    if w <= 0 and m <= 0 and p > 0:
        return True, w, m, p
    return True, w if w > 0 else 1, m if m > 0 else 3, p


@settings(max_examples=600, deadline=None)
@given(_configmaps, st.booleans())
@example({"enable-windows-prefix-delegation": "true", "windows-warm-ip-target": "9"}, True)
@example({**_PREFIX_ON, "windows-warm-ip-target": "0", "windows-warm-prefix-target": "2"}, True)
@example({**_PREFIX_ON, "warm-ip-target": "-4", "warm-prefix-target": "2"}, True)
def test_any_configmap_gives_the_specified_targets(data, nitro):
    expected = read(data, nitro)
    if max(expected[1:]) > 10**6:
        with pytest.raises(WarmTargetError):
            WarmPool.from_configmap(data, nitro=nitro)
        return
    pool = WarmPool.from_configmap(data, nitro=nitro)
    assert (
        pool.prefix_delegation,
        pool.warm_ip_target,
        pool.minimum_ip_target,
        pool.warm_prefix_target,
    ) == expected


# -- one node through time ----------------------------------------------------


class ClosedForms:
    """A node that goes to the closed form's attached units after every reconcile."""

    def __init__(self, slots, pool):
        self.slots, self.prefix = slots, pool.prefix_delegation
        self.w, self.m = pool.warm_ip_target, pool.minimum_ip_target
        self.p = pool.warm_prefix_target
        self.rule = self.prefix and self.w <= 0 and self.m <= 0
        self.ec2 = [0, 0, 0, 0]
        self.where, self.queue, self.held, self.made, self.ticks = {}, [], {}, 0, 0
        self.attached = 0
        self.settle()

    def settle(self):
        n, c = len(self.where), len(self.queue)
        if not self.prefix:
            goal = min(self.slots, max(n + c + self.w, self.m))
        else:
            busy = sum(warm < 16 for warm in self.held.values())
            if self.rule:
                goal = min(self.slots, busy + self.p)
            else:
                goal = min(self.slots, max(ceil16(max(n + self.w, self.m)), busy))
        change, self.attached = goal - self.attached, goal
        calls = 0 if change > 0 else 2
        self.ec2[calls] += change != 0
        self.ec2[calls + 1] += abs(change)
        if self.prefix:
            for _ in range(change):
                self.held[self.made] = 16
                self.made += 1
            for oldest in [unit for unit, warm in self.held.items() if warm == 16][
                : max(-change, 0)
            ]:
                del self.held[oldest]

    def advance(self, now):
        while self.ticks * 30 <= now:
            while self.queue and self.ticks * 30 - self.queue[0][0] >= 30:
                unit = self.queue.pop(0)[1]
                if self.prefix:
                    self.held[unit] += 1
            self.settle()
            self.ticks += 1

    def row(self, outcome):
        n, c, a = len(self.where), len(self.queue), self.attached * (16 if self.prefix else 1)
        return [n, a - n - c, c, a, self.attached if self.prefix else 0, outcome]

    def assign(self, pod):
        n, c, warm = len(self.where), len(self.queue), self.row(None)[1]
        capacity = self.slots * (16 if self.prefix else 1)
        if pod in self.where:
            return "ALREADY"
        if n == capacity:
            return "AT_CAPACITY"
        if n + c == capacity:
            return "COOLING"
        if warm == 0:
            self.settle()
            return "EMPTY"
        unit = 0
        if self.prefix:
            fewest = min(warm for warm in self.held.values() if warm)
            unit = min(unit for unit, warm in self.held.items() if warm == fewest)
            self.held[unit] -= 1
        self.where[pod] = unit
        self.settle()
        return None

    def free(self, pod, now):
        if pod not in self.where:
            return "NOT_FOUND"
        self.queue.append((now, self.where.pop(pod)))
        self.settle()
        return None


def trace(seed, count, capacity):
    """Pods that come in waves, leave at random, stray and come again."""
    draw = random.Random(seed)
    now, live, events = 0.0, [], []
    fill = draw.uniform(0.2, 1.2) * capacity
    for _ in range(count):
        if draw.random() < 0.02:
            fill = draw.uniform(0, 1.2) * capacity
        # Tenths of a second: sums of 0.1 would miss the 30 s by less than a nanosecond.
        step = draw.choice([0, 0, 0, 1, draw.choice([0.1, 7, 13, 29, 30, 31, 60, 400])])
        now = round(now + step, 1)
        chance = draw.random()
        if chance < 0.05:
            events.append([now, "tick"])
        elif chance < 0.1:
            events.append([now, draw.choice(["assign", "free"]), draw.randrange(3 * capacity)])
        elif len(live) < fill or not live:
            live.append(draw.randrange(3 * capacity))
            events.append([now, "assign", live[-1]])
        else:
            events.append([now, "free", live.pop(draw.randrange(len(live)))])
    return events


_small = st.one_of(st.integers(0, 8), st.integers(0, 80))
_pools = st.one_of(
    st.builds(
        lambda w, m: WarmPool.secondary(warm_ip_target=w, minimum_ip_target=m), _small, _small
    ),
    st.builds(
        lambda w, m, p: WarmPool.prefix(
            warm_ip_target=w, minimum_ip_target=m, warm_prefix_target=p
        ),
        _small,
        _small,
        st.integers(0, 5),
    ),
    st.builds(lambda p: WarmPool.prefix(warm_prefix_target=p), st.integers(1, 6)),
)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), _pools, st.integers(1, 16), st.integers(1, 400))
@example(55134, WarmPool.prefix(), 7, 249)
def test_after_every_event_the_closed_forms_hold(seed, pool, slots, count):
    events = trace(seed, count, slots * (16 if pool.prefix_delegation else 1))
    node, rows = ClosedForms(slots, pool), []
    initial = node.row(None)[:5]
    for event in events:
        node.advance(event[0])
        outcome = None
        if event[1] == "assign":
            outcome = node.assign(event[2])
        elif event[1] == "free":
            outcome = node.free(event[2], event[0])
        rows.append(node.row(outcome))
    for engine in ("reference", "compiled"):
        frame = simulate_pool(iter(events), slots=slots, pool=pool, engine=engine)
        assert [frame.attrs["initial"][name] for name in _STATE[:5]] == initial
        assert frame[_STATE].to_numpy().tolist() == rows, engine
        assert frame[_EC2].iloc[-1].tolist() == node.ec2, engine


@settings(max_examples=150, deadline=None)
@given(_pools, st.integers(1, 16), st.integers(0, 300))
def test_a_node_that_only_grows_ends_in_the_steady_state(pool, slots, pods):
    node = ClosedForms(slots, pool)
    for pod in range(pods):
        node.assign(pod)
    n, warm, _, addresses, prefixes, _ = node.row(None)
    state = attached_addresses(pods, slots=slots, pool=pool)
    assert (state.used, state.warm, state.addresses, state.prefixes) == (
        n,
        warm,
        addresses,
        prefixes,
    )
    frame = simulate_pool(
        [(0, "assign", pod) for pod in range(pods)], slots=slots, pool=pool, engine="compiled"
    )
    if pods:
        assert frame["addresses"].iloc[-1] == addresses


# -- forms of events ----------------------------------------------------------


@pytest.mark.parametrize("engine", ["auto", "reference", "compiled"])
@pytest.mark.parametrize(
    "none", [[], (), iter(()), {"seconds": [], "kind": [], "pod": []}, pd.DataFrame()]
)
def test_no_events_give_an_empty_table_with_a_first_row(engine, none):
    if isinstance(none, pd.DataFrame):
        none = pd.DataFrame({"seconds": [], "kind": [], "pod": []})
    frame = simulate_pool(none, slots=9, pool=WarmPool.secondary(), engine=engine)
    assert frame.empty
    assert {*_STATE, *_EC2} <= set(frame)
    assert frame.attrs["initial"]["warm"] == 3


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_rows_stand_as_they_came_whatever_holds_them(engine):
    case = json.loads(_TRACES.read_text().splitlines()[0])
    options = {
        "slots": case["slots"],
        "pool": WarmPool.from_configmap(case["configmap"]),
        "engine": engine,
    }
    plain = simulate_pool(case["events"], **options)
    rows = [(*event, None)[:3] for event in case["events"]]
    table = pd.DataFrame(rows, columns=["seconds", "kind", "pod"])
    arrays = [pd.Series(event, dtype=object).to_numpy() for event in case["events"]]
    typed = table.assign(kind=table["kind"].astype("category"))
    objects = table.astype({"kind": object})
    lists = table.to_dict("list")
    for form in ((tuple(x) for x in case["events"]), table, typed, objects, lists, arrays):
        frame = simulate_pool(form, **options)
        assert frame[_STATE].to_numpy().tolist() == plain[_STATE].to_numpy().tolist()
        assert frame["seconds"].tolist() == [event[0] for event in case["events"]]
        assert frame["kind"].tolist() == [event[1] for event in case["events"]]
    assert plain["pod"].tolist() == [row[2] for row in rows]


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_a_pod_may_be_named_by_anything_hashable(engine):
    names = ["a", ("default", "web-0"), 7, "7", frozenset({1}), -1, 2**70, b"x", 1.5]
    events = [(0, "assign", name) for name in names] + [(1, "free", name) for name in names]
    frame = simulate_pool(events, slots=14, pool=WarmPool.secondary(), engine=engine)
    assert frame["outcome"].isna().all()
    assert frame["used"].tolist() == [*range(1, 10), *range(8, -1, -1)]
    assert frame["pod"].tolist() == names * 2


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([(0, "assign", ["a"])], "a pod must be"),
        ([(0, "assign", None)], "name a pod"),
        ([("0", "tick")], "time in seconds"),
        ({"seconds": [0]}, "without"),
        ({"seconds": ["x"], "kind": ["tick"], "pod": [None]}, "numbers"),
        ({"seconds": [0], "kind": [None], "pod": [None]}, "no kind"),
        ({"seconds": [0, 1], "kind": ["tick"], "pod": [None]}, "one length"),
        ([(0, "configmap", math.nan)], "nan"),
        (5, "rows"),
    ],
)
def test_events_that_cannot_be_read_say_why(events, message):
    with pytest.raises((InputError, UnsupportedInputError), match=message):
        simulate_pool(events, slots=9, pool=WarmPool.secondary())


# -- waits of pods that try again ---------------------------------------------


def _retried(events, **options):
    frame = simulate_pool(events, retries=True, **options)
    return frame.loc[frame["kind"] == "retry", "seconds"].round(3).tolist()


def test_a_pod_tries_again_after_the_wait_of_its_outcome():
    one = {"slots": 1, "pool": WarmPool.secondary()}
    full = [(0, "assign", "a"), (0, "assign", "b"), (0.2, "tick")]
    assert _retried(full, **one) == [0.005, 0.015, 0.035, 0.075, 0.155]
    cooling = [(0, "assign", "a"), (1, "free", "a"), (1, "assign", "b"), (99, "tick")]
    assert _retried(cooling, **one) == [21, 41, 61]
    starved = WarmPool.secondary(warm_ip_target=0, minimum_ip_target=1)
    empty = [(0, "assign", "a"), (0, "assign", "b"), (2, "tick")]
    assert _retried(empty, slots=9, pool=starved) == [0.6, 1.2, 1.8]
    slow = [(0, "assign", "a"), (3, "tick")]
    creating = _retried(slow, slots=1, pool=WarmPool.secondary(), ec2_latency_s=1)
    assert creating == [0.6, 1.2]
    early = _retried(
        [(0, "assign", "a"), (200, "tick")], slots=9, pool=WarmPool.prefix(), ec2_latency_s=1
    )
    assert early == [120]


def test_cooling_addresses_starve_pods_under_the_ip_rule_only():
    """W = 5, 11 pods leave and 6 come within the cool-down: the sixth waits."""
    events = [(0, "assign", k) for k in range(11)] + [(30, "free", k) for k in range(11)]
    events += [(31, "assign", 100 + k) for k in range(6)]
    outcomes = {}
    for pool in (WarmPool.prefix(warm_ip_target=5), WarmPool.prefix(warm_prefix_target=1)):
        frame = simulate_pool(events, slots=14, pool=pool)
        outcomes[pool.prefix_rule] = frame["outcome"].tolist()[-6:]
    assert outcomes == {False: [None] * 5 + ["EMPTY"], True: [None] * 6}
