"""The quick start in JupyterLab in a real browser: it runs, shows tables and plots, sliders move."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK_START = next((ROOT / "notebooks").rglob("*quick*start*.ipynb"))
OPTIONS = (
    "--no-browser",
    "--allow-root",
    "--port=0",
    "--IdentityProvider.token=",
    "--ServerApp.password=",
    "--LabApp.expose_app_in_browser=True",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells out of sight count as well
    "apputils-extension/themes": {"theme": "JupyterLab Dark", "adaptive-theme": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab of its own: no setting, kernel or notebook of this machine's user."""
    home = tmp_path_factory.mktemp("lab")
    (home / "work").mkdir()
    (home / "work" / QUICK_START.name).write_bytes(QUICK_START.read_bytes())
    for name, settings in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), "utf-8")
    places = {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime"}
    environment = {
        **os.environ,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        **{f"JUPYTER_{name}_DIR": str(home / folder) for name, folder in places.items()},
    }
    environment.pop("MPLBACKEND", None)  # a kernel draws into the notebook
    log = home / "log.txt"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *OPTIONS, f"--ServerApp.root_dir={home / 'work'}"],
            stdout=out,
            stderr=out,
            env=environment,
        )
        try:
            yield _address(home / "runtime", server, log)
        finally:
            server.terminate()
            server.wait(30)


def _address(runtime: Path, server: subprocess.Popen, log: Path) -> str:
    for _ in range(600):
        if servers := list(runtime.glob("jpserver-*.json")):
            server_info = json.loads(servers[0].read_text("utf-8"))
            # The file is there before somebody listens.
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("localhost", server_info["port"])),
            ):
                return server_info["url"]
        assert server.poll() is None, log.read_text("utf-8")[-2000:]
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8")[-2000:])


@pytest.fixture(scope="module")
def notebook(browser, lab):
    """The quick start after all its cells have run."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{lab}lab/tree/{QUICK_START.name}")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.get_by_text("| Idle").wait_for()  # the status bar: a kernel is there
    # Not awaited: an evaluation has no time limit of its own.
    page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
        ".every(prompt => /^\\[\\d+\\]:/.test(prompt.textContent))"
    )
    yield page
    context.close()


def test_every_cell_runs(notebook):
    assert notebook.locator(".jp-RenderedText[data-mime-type*=stderr]").count() == 0
    assert notebook.locator(".jp-OutputArea-output").count() > 5


def test_tables_are_seen(notebook):
    tables = notebook.locator(".jp-OutputArea-output table:visible")
    assert tables.count() >= 4
    assert "windows-legacy" in "".join(tables.all_inner_texts())


def test_plots_are_seen(notebook):
    picture = notebook.locator(".jp-OutputArea-output img").first
    assert picture.evaluate("picture => picture.naturalWidth") > 300


def test_sliders_change_the_answer(notebook):
    answer = notebook.locator(".jupyter-widgets table")
    answer.wait_for()
    assert "9, addresses bind first" in answer.inner_text()
    assert "for 5 pods" in answer.inner_text()
    handle = notebook.locator(".widget-slider", has_text="pods").first.locator(".noUi-handle")
    handle.focus()
    notebook.keyboard.press("ArrowRight")
    notebook.wait_for_function(
        "() => document.querySelector('.jupyter-widgets table').innerText.includes('for 6 pods')"
    )
    notebook.locator(".widget-dropdown select").select_option("prefix delegation")
    notebook.wait_for_function(
        "() => document.querySelector('.jupyter-widgets table').innerText.includes('/28')"
    )
