"""
The charts: each is drawn on a light and a dark style and compared with one that was looked at.

``python tests/faces/test_plots.py`` writes the small pictures anew: look at them before you commit.
"""

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import image, style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import eks_win_capacity as ewc
from eks_win_capacity import plots
from eks_win_capacity.core.errors import (
    InputError,
    MissingExtraError,
    PlacementUnknownError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
)

PICTURES = Path(__file__).parents[1] / "golden" / "plots"
STYLES = {"light": "default", "dark": "dark_background"}
TOLERANCE = 3.0
"""Mean difference of a pixel out of 255; other charts differ by far more."""

TYPES = ["t3.large", "m5.large", "m5.xlarge", "c5.2xlarge", "c5.4xlarge", "r5.4xlarge", "r4.xlarge"]


def _run():
    pool = ewc.WarmPool.secondary(warm_ip_target=2, minimum_ip_target=4)
    pods = [(10 * i, "assign", f"a{i}") for i in range(7)]
    pods += [(120 + 15 * i, "free", f"a{i}") for i in range(5)]
    pods += [(210 + 10 * i, "assign", f"b{i}") for i in range(8)]
    ticks = [(time, "tick") for time in range(5, 330, 5)]
    events = sorted([*pods, *ticks], key=lambda event: event[0])
    return ewc.simulate_pool(events, slots=9, pool=pool)


def _subnet():
    used = [f"10.0.0.{n}" for n in (4, 20, 37, 70, 71, 130)] + ["10.0.0.96/28", "10.0.0.112/28"]
    used += [f"10.0.1.{n}" for n in range(6, 200, 23)]
    reservations = [
        ewc.Reservation("10.0.3.0/26", "explicit"),
        ewc.Reservation("10.0.2.0/25", "prefix"),
    ]
    return ewc.Subnet("10.0.0.0/22", used=used, reservations=reservations)


def _forecast(horizon=60):
    return ewc.forecast_exhaustion(ewc.demo.subnet_usage(), capacity=1019, horizon=horizon)


def _demand():
    pods = pd.Series(range(100, 160), index=pd.date_range("2026-01-01", periods=60))
    subnets = {"a": "10.0.0.0/24"}
    plan = ewc.DemandPlan(name="now", instance_type="m5.large", subnets=subnets)
    more = ewc.DemandPlan(
        name="one more", instance_type="m5.large", subnets=subnets | {"b": "10.0.1.0/24"}
    )
    return ewc.forecast_demand(pods, plan=[plan, more], horizon=120)


POOLS = {
    "warm 1": ewc.WarmPool.secondary(warm_ip_target=1, minimum_ip_target=0),
    "warm 5": ewc.WarmPool.secondary(warm_ip_target=5, minimum_ip_target=0),
    "one prefix": ewc.WarmPool.prefix(warm_prefix_target=1),
}


def _plans(ax):
    now = ewc.plan_fleet(ewc.demo.workloads(), candidates=["m5.large"])
    after = ewc.plan_fleet(ewc.demo.workloads(), candidates=["m5.large", "c5.xlarge"])
    return plots.plans(now, after, ax=ax)


CASES = {
    "pods_per_node": lambda ax=None: plots.pods_per_node(TYPES, ax=ax),
    "binding": lambda ax=None: plots.binding(TYPES, pod_cpu="250m", pod_memory="700Mi", ax=ax),
    "attached_addresses": lambda ax=None: plots.attached_addresses(POOLS, slots=14, ax=ax),
    "pool_through_time": lambda ax=None: plots.pool_through_time(_run(), ax=ax),
    "subnet_map": lambda ax=None: plots.subnet_map(_subnet(), ax=ax),
    "forecast_fan": lambda ax=None: plots.forecast_fan(_forecast(), "windows-b", ax=ax),
    # What is full, bands that pass the line of capacity, and the demand for two plans.
    "forecast_full": lambda ax=None: _forecast().plot("windows-c", ax=ax),
    "forecast_past": lambda ax=None: _forecast(180).plot("windows-a", ax=ax),
    "forecast_demand": lambda ax=None: _demand().plot(ax=ax),
    "plans": lambda ax=None: _plans(ax),
}


def drawn(name: str, look: str) -> np.ndarray:
    """The chart, made so small that the exact shape of letters does not matter."""
    with style.context(STYLES[look]):
        figure = Figure(figsize=(9, 4.5), dpi=40, layout="constrained")
        assert isinstance(CASES[name](figure.add_subplot()).figure, Figure)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(float)
    height, width = (side // 4 for side in pixels.shape[:2])
    pixels = pixels[: 4 * height, : 4 * width].reshape(height, 4, width, 4, 3)
    return pixels.mean(axis=(1, 3)).round().astype(np.uint8)


def shipped(name: str, look: str) -> np.ndarray:
    return (image.imread(PICTURES / f"{name}-{look}.png")[..., :3] * 255).round()


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


@pytest.mark.skipif(
    tuple(map(int, mpl.__version__.split(".")[:2])) < (3, 11),
    reason="the pictures were drawn with matplotlib 3.11, whose text is laid out differently",
)
@pytest.mark.parametrize("look", STYLES)
@pytest.mark.parametrize("name", CASES)
def test_a_chart_looks_as_it_did_when_it_was_looked_at(name, look):
    assert difference(drawn(name, look), shipped(name, look)) < TOLERANCE


def test_the_tolerance_tells_every_two_charts_apart():
    pictures = [shipped(name, look) for name in CASES for look in STYLES]
    for at, one in enumerate(pictures):
        for other in pictures[at + 1 :]:
            assert difference(one, other) > 2 * TOLERANCE


@pytest.mark.parametrize("name", CASES)
def test_axes_in_axes_out(name):
    ax = Figure().add_subplot()
    assert CASES[name](ax) is ax


@pytest.mark.parametrize("name", CASES)
def test_a_chart_names_its_units_and_states_a_finding(name):
    ax = CASES[name]()
    assert ax.get_xlabel() or name.startswith("forecast")  # its dates speak for themselves
    assert ax.get_ylabel() or ax.get_yticklabels()[0].get_text()
    assert any(letter.isdigit() for letter in ax.get_title(loc="left"))


@pytest.mark.parametrize("name", CASES)
def test_text_has_the_ink_of_the_style(name):
    with style.context("dark_background"):
        ax = CASES[name](Figure(layout="constrained").add_subplot())
        shown = [ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label, *ax.get_legend().texts]
        assert {text.get_color() for text in shown if text.get_text()} == {"white"}
        assert not {"#1f2933", "k", "black"} & {line.get_color() for line in ax.lines}


@pytest.mark.parametrize("subnet", ["windows-b", "windows-c"])
def test_a_forecast_draws_itself_in_the_ink_of_the_style(subnet):
    with style.context("dark_background"):
        ax = _forecast().plot(subnet, ax=Figure().add_subplot())
    history = next(line for line in ax.lines if line.get_label() == "peak used")
    assert history.get_color() == "white"
    median = next(line for line in ax.lines if line.get_label() == "median")
    assert median.get_color() == plots.SKY


def test_the_chart_of_a_demand_has_room_above_its_lines():
    pods = pd.Series(range(100, 160), index=pd.date_range("2026-01-01", periods=60))
    plan = ewc.DemandPlan(instance_type="m5.large", subnets={"a": "10.0.0.0/24"})
    ax = ewc.forecast_demand(pods, plan=plan, horizon=120).plot(ax=Figure().add_subplot())
    highest = max(np.nanmax(line.get_ydata()) for line in ax.lines)
    assert 1.04 * highest < ax.get_ylim()[1]


TITLES = {
    "pods_per_node": "Prefix delegation takes pods per node from 9-29 to 14-110",
    "binding": "addresses bind on 5 of 7 types, cpu on 2",
    "attached_addresses": "Most addresses idle on a node: 1 (warm 1), 5 (warm 5), 31 (one prefix)",
    "pool_through_time": "At most 9 addresses used, 3 warm, 3 cooling; 1 attempt got no address",
    "subnet_map": "10.0.0.0/22: 43 of 64 blocks are free for a prefix, 13 are broken",
    "plans": "5 nodes instead of 10, 75 addresses instead of 96, 8.2 % less cost",
}


@pytest.mark.parametrize("name", TITLES)
def test_the_title_is_what_the_answer_says(name):
    assert CASES[name]().get_title(loc="left") == TITLES[name]


def test_the_map_shows_every_block_once():
    subnet = _subnet()
    ax = plots.subnet_map(subnet)
    assert sum(len(part.get_paths()) for part in ax.collections) == len(subnet.blocks())


def test_a_large_subnet_is_a_map_as_well():
    ax = plots.subnet_map(ewc.Subnet("10.0.0.0/16", used=[]))
    assert sum(len(part.get_paths()) for part in ax.collections) == 4096


POOL = POOLS["warm 1"]


@pytest.mark.parametrize(
    ("draw", "error"),
    [
        (lambda: plots.pods_per_node([]), InputError),
        (lambda: plots.pods_per_node(["m5.larg"]), UnknownInstanceTypeError),
        (lambda: plots.pods_per_node(map(str, range(41))), InputError),
        (lambda: plots.pods_per_node(7), UnsupportedInputError),
        (lambda: plots.binding([]), InputError),
        (lambda: plots.attached_addresses({}, slots=9), InputError),
        (lambda: plots.attached_addresses(dict.fromkeys("abcdefg", POOL), slots=9), InputError),
        (lambda: plots.attached_addresses(POOL, slots="9"), InputError),
        (lambda: plots.attached_addresses(POOL, slots=9, pods=-1), InputError),
        (lambda: plots.attached_addresses("pool", slots=9), UnsupportedInputError),
        (lambda: plots.pool_through_time(_run().drop(columns="cooling")), InputError),
        (lambda: plots.pool_through_time(_run().head(0)), InputError),
        (lambda: plots.subnet_map("10.0.0.0/24"), UnsupportedInputError),
        (lambda: plots.subnet_map(ewc.Subnet("10.0.0.0/24", used=9)), PlacementUnknownError),
        (lambda: plots.subnet_map(_subnet(), columns=0), InputError),
        (lambda: plots.forecast_fan(_run()), UnsupportedInputError),
        (lambda: plots.forecast_fan(_forecast(), "nowhere"), InputError),
        (lambda: plots.plans({}, {"m5.large": 1}), InputError),
        (lambda: plots.plans({"m5.large": "two"}, {"m5.large": 1}), InputError),
        (lambda: plots.plans({"m5.large": 1}, 5), UnsupportedInputError),
    ],
)
def test_what_cannot_be_drawn_is_an_error_of_ours(draw, error):
    with pytest.raises(error):
        draw()


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="plot"):
        plots.pods_per_node(["m5.large"])


def test_the_module_alone_does_not_load_matplotlib():
    code = "import sys, eks_win_capacity.plots; print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for case in CASES:
        for theme in STYLES:
            image.imsave(PICTURES / f"{case}-{theme}.png", drawn(case, theme))


def test_nodes_are_counted_in_whole_numbers():
    ax = plots.plans({"m5.large": 2}, {"c5.large": 1}, ax=Figure().add_subplot())
    assert all(float(tick).is_integer() for tick in ax.get_xticks())


def test_a_cluster_is_held_against_a_plan():
    ax = plots.plans(ewc.demo.cluster(), {"c5.xlarge": 2}, ax=Figure().add_subplot())
    assert ax.get_title(loc="left") == "2 nodes instead of 3"
    assert [text.get_text() for text in ax.get_yticklabels()] == ["m5.large", "c5.xlarge"]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.plans({"m5.large": 2}, {"c5.large": 1}),
        lambda: ewc.plan_fleet(
            [{"name": "web", "replicas": 3, "cpu": "1", "memory": "1Gi"}], candidates=["m5.large"]
        ).plot(),
    ],
    ids=["plots", "plan"],
)
def test_every_chart_names_the_extra_that_it_lacks(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="plot"):
        draw()


@pytest.mark.parametrize("loaded", [True, False])
def test_a_figure_is_one_of_pyplots_only_where_that_is_loaded(loaded, monkeypatch):
    import matplotlib.pyplot as plt

    from eks_win_capacity.core import charts

    if not loaded:
        monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    figure = charts.figure(4, 3)
    assert [plt.figure(number) for number in plt.get_fignums()] == [figure] * loaded
    plt.close("all")
