"""
Run one notebook from start to end: ``python tests/builders/run_notebook.py NOTEBOOK FOLDER``.

A process of its own, so that the kernel's sockets and event loop stay out of
the test process. The notebook is a copy in memory and runs in FOLDER: it must
neither need nor change the place where it lies.
"""

import sys

# Grammars of URLs, which jsonschema would compile for a second at each start.
HEAVY = "rfc3987_syntax"
STRICT = "import warnings\nwarnings.simplefilter('error')"


def run(path: str, folder: str) -> None:
    """Execute every cell; an error or a warning in one of them is raised."""
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
