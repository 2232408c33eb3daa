"""
Run one notebook from start to end: ``python tests/builders/run_notebook.py NOTEBOOK FOLDER HOW``.

A process of its own: a notebook must need nothing that another has imported. It
is a copy in memory and runs in FOLDER: it must neither need nor change the place
where it lies. HOW is ``kernel``, as Jupyter runs it, or ``shell``: the same IPython
without a kernel beside it, in half the time.
"""

import json
import os
import sys
from pathlib import Path

# Grammars of URLs, which jsonschema would compile for a second at each start.
HEAVY = "rfc3987_syntax"
STRICT = "import warnings\nwarnings.simplefilter('error')"


def run(path: str, folder: str, how: str) -> None:
    """Execute every cell; an error or a warning in one of them is raised."""
    {"kernel": _in_a_kernel, "shell": _in_the_shell}[how](path, folder)


def _in_the_shell(path: str, folder: str) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    cells = json.loads(Path(path).read_text("utf-8"))["cells"]
    os.chdir(folder)
    shell = InteractiveShell.instance()  # asks a result for each of its pictures, as a kernel does
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    for source in [STRICT, *sources]:
        shell.run_cell(source, store_history=True).raise_error()


def _in_a_kernel(path: str, folder: str) -> None:
    sys.modules[HEAVY] = None
    import nbformat
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(STRICT))
    # No kernel folders: the kernel is the Python that runs this, whatever is registered.
    manager = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[])
    )
    NotebookClient(
        notebook, km=manager, timeout=300, resources={"metadata": {"path": folder}}
    ).execute()


if __name__ == "__main__":
    run(*sys.argv[1:])
