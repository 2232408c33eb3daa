"""What do all charts share: figures that notebooks display, axes and colours."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7",
)  # fmt: skip
"""Colours of Okabe and Ito, "Color Universal Design" (2008)."""

CONSTRAINTS: Final = {"addresses": BLUE, "cpu": ORANGE, "memory": GREEN, "kubelet": PURPLE}
"""Colour of each constraint of a node, the same in all charts."""


def ink() -> str:
    """Colour of text in the current style of matplotlib."""
    from matplotlib import rcParams

    return str(rcParams["text.color"])


def axes(ax: Any, width: float = 9, height: float = 4.5) -> Any:
    """The given axes, or those of a new figure of this size in inches."""
    return figure(width, height).add_subplot() if ax is None else ax


def figure(width: float, height: float) -> Any:
    """
    New figure of this size in inches.

    Raises MissingExtraError without matplotlib (extra ``plot``).
    """
    with needs_matplotlib():
        from matplotlib.figure import Figure
    if in_notebook() or "matplotlib.pyplot" in sys.modules:
        # Only figures of pyplot are displayed by notebooks and plt.show.
        import matplotlib.pyplot as plt

        return plt.figure(figsize=(width, height), layout="constrained")
    # Without pyplot a figure needs no display, and does not become the current one.
    return Figure(figsize=(width, height), layout="constrained")


@contextmanager
def needs_matplotlib() -> Iterator[None]:
    """Raise MissingExtraError with the extra if an import inside the block fails."""
    try:
        yield
    except ImportError as error:
        raise MissingExtraError("matplotlib", extra="plot", purpose="a chart") from error


def in_notebook() -> bool:
    """Whether this runs in a notebook or another shell of IPython."""
    shell = sys.modules.get("IPython")
    return shell is not None and shell.get_ipython() is not None
