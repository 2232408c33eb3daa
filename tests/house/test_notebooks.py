"""Every notebook runs from start to end, and is kept without outputs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from run_notebook import HEAVY

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(
    path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
)


def test_there_is_a_quick_start():
    assert "quickstart" in {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path, monkeypatch):
    monkeypatch.setitem(sys.modules, HEAVY, None)
    import nbformat  # late: it takes as long as the collection of a quarter of all tests

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_without_a_warning(path, tmp_path):
    builder = ROOT / "tests" / "builders" / "run_notebook.py"
    how = "kernel" if path.stem == "quickstart" else "shell"  # `make docs` runs all in kernels
    done = subprocess.run(
        [sys.executable, str(builder), str(path), str(tmp_path), how],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={
            **os.environ,
            "IPYTHONDIR": str(tmp_path / ".ipython"),
            "JUPYTER_RUNTIME_DIR": str(tmp_path / ".runtime"),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        },
    )
    assert done.returncode == 0, done.stderr
