"""What the first answer may load: counted in modules, for a clock tells of the machine."""

import subprocess
import sys

import pytest

BUDGET = 13
"""Modules beyond the bare interpreter's, this package's own among them; each room counts as one."""

ITSELF = {
    "__future__",
    "eks_win_capacity",
    "eks_win_capacity.core",
    "eks_win_capacity.core.lazy",
}


def loaded_by(code: str) -> set[str]:
    """Run code in a bare interpreter (no site packages' start-up files) and list what it loads."""
    script = (
        f"import sys; sys.path[:] = {sys.path!r}; before = set(sys.modules)\n"
        f"{code}\n"
        "print('loaded:', *sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_import_loads_only_the_package_itself():
    assert loaded_by("import eks_win_capacity") <= ITSELF


@pytest.mark.parametrize(
    "question",
    [
        'ewc.max_pods("m5.large")',
        'ewc.max_pods("m5.large", prefix_delegation=True)',
        'ewc.max_pods("m5.large", prefix_delegation=True, kubelet_max_pods=110)',
    ],
)
def test_the_first_answer_loads_a_handful_of_small_modules(question):
    modules = loaded_by(f"import eks_win_capacity as ewc; {question}")
    strangers = {name for name in modules if name.split(".")[0] != "eks_win_capacity"}
    assert strangers <= {"__future__"}
    assert len(modules) <= BUDGET


def test_listing_the_public_names_loads_nothing():
    assert loaded_by("import eks_win_capacity; dir(eks_win_capacity)") <= ITSELF
