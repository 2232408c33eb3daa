"""The same clean room for every test: no network, no AWS settings, no display."""

from __future__ import annotations

import errno
import gc
import itertools
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from real_browser import browser  # noqa: F401 - a fixture

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")
UNTRACED = (
    *("cluster/", "docs/", "forecast/", "frames/", "html_report/", "planning/", "simulator/"),
    *("cli/test_forecast.py", "cli/test_plan.py"),
    *("core/test_display_in_browser.py", "faces/test_jupyterlab.py"),
    *("house/test_house.py", "house/test_notebooks.py"),
    *("house/test_ratchets.py", "house/test_readme.py"),
    *("laws/test_golden.py::test_every_trace", "laws/test_golden.py::test_traces"),
    "laws/test_closed_forms.py::test_after_every_event",
    "laws/test_closed_forms.py::test_a_node_that_only_grows",
)
"""Long tests that reach no line of the measured rooms that others do not reach; traced, they would
take two to seven times as long."""

settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile(
    "ci", parent=settings.get_profile("default"), derandomize=True, database=None
)
settings.register_profile(
    "mutants",
    parent=settings.get_profile("ci"),
    # `make mutants` asks whether a test fails, not by which smallest example.
    phases=(Phase.explicit, Phase.generate),
)
settings.register_profile("again", parent=settings.get_profile("ci"))
AGAIN = 4
"""The profile `again` takes one of so many examples of a law and seeds of a test. It is for a suite
that runs once more, in other versions, after all of them have held."""
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_configure() -> None:
    """Set the environment before any test module is imported."""
    # What a shell starts in the background ignores Ctrl-C, which some tests send themselves.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES"):
        os.environ.pop(name, None)
    os.environ.update(
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        JUPYTER_PLATFORM_DIRS="1",
        MPLBACKEND="Agg",
        # Subprocesses import this checkout from whatever directory they run in.
        PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage among half a million objects that all stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_sessionfinish() -> None:
    """Look for garbage once: pytest looks five times among the same objects when all is over."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Draw less in the profile `again`."""
    if config.getoption("hypothesis_profile", None) == "again":
        _draw_less(config, items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Trace no long test under a bare ``--cov``; ``no_cover`` is without effect in workers."""
    untraced = item.nodeid.removeprefix("tests/").startswith(UNTRACED)
    if not untraced or item.config.getoption("cov_source", None) != [True]:
        return (yield)
    here, in_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(here)
        threading.settrace(in_threads)


def _draw_less(config: pytest.Config, items: list[pytest.Item]) -> None:
    seeds = [getattr(item, "callspec", None) for item in items]
    left = [bool(seed and seed.params.get("seed", 0) % AGAIN) for seed in seeds]
    config.hook.pytest_deselected(items=list(itertools.compress(items, left)))
    items[:] = [item for item, out in zip(items, left, strict=True) if not out]
    laws = {getattr(item, "function", None) for item in items}
    for law in laws:
        if asked := getattr(law, "_hypothesis_internal_use_settings", None):
            fewer = max(asked.max_examples // AGAIN, 2)
            law._hypothesis_internal_use_settings = settings(asked, max_examples=fewer)


def _is_loopback(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else host
    return text is None or (isinstance(text, str) and text.startswith(LOOPBACK))


@pytest.fixture(autouse=True)
def no_figure_left():
    """Close what a test drew: pyplot keeps its figures, and warns of the 21st."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True, scope="session")
def no_network():
    """Make every address but this machine's own unreachable, as on a machine without a network."""
    real_connect, real_lookup = socket.socket.connect, socket.getaddrinfo

    def connect(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            raise OSError(errno.ENETUNREACH, f"tests have no network: {address}")
        real_connect(self, address)

    def lookup(host: object, *args: object, **kwargs: object) -> object:
        if not _is_loopback(host):
            raise socket.gaierror(socket.EAI_NONAME, f"tests have no network: {host!r}")
        return real_lookup(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket, "getaddrinfo", lookup)
        yield
