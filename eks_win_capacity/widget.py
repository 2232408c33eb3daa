"""
Scenarios in a notebook: sliders for one type, mode, pool and subnet, with their results.

`what_if` shows pods per node, the addresses of a node and the nodes that fit in a subnet, updated
whenever a slider moves. Requires the extra ``notebook``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

import eks_win_capacity as ewc
from eks_win_capacity.addresses.targets import TARGETS
from eks_win_capacity.addresses.warm_pool import pool_of_targets, targets_of
from eks_win_capacity.catalog import given_or_bundled
from eks_win_capacity.core.arguments import of_kind, text
from eks_win_capacity.core.arrays import count, flag
from eks_win_capacity.core.constants import KUBELET_MAX_PODS
from eks_win_capacity.core.display import html_fields
from eks_win_capacity.core.errors import CapacityError, MissingExtraError, count_of
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    import pandas as pd

    from eks_win_capacity.catalog import Catalog

__all__ = ["WhatIf", "what_if"]

_WIDE, _HIGH, _LEFT, _LOW = 420, 150, 44, 22
"""Size of the curve, and the margins of its axes. [px]"""

MODES: Final = {"secondary addresses": False, "prefix delegation": True}


def _controls(ipywidgets: Any, values: dict[str, Any], types: list[str]) -> dict[str, Any]:
    """Controls for the arguments, by name."""
    look = {
        "style": {"description_width": "11em"},
        "layout": ipywidgets.Layout(width="30em"),
    }

    def slider(name: str, most: int) -> Any:
        value = values[name]
        label = name.replace("_", " ")
        return ipywidgets.IntSlider(value, min=0, max=max(most, value), description=label, **look)

    return {
        "instance_type": ipywidgets.Combobox(
            value=values["instance_type"], options=types, description="instance type", **look
        ),
        "prefix_delegation": ipywidgets.Dropdown(
            value=values["prefix_delegation"],
            options=list(MODES.items()),
            description="mode",
            **look,
        ),
        "pods": slider("pods", KUBELET_MAX_PODS),
        **{target.name: slider(target.name, target.usual) for target in TARGETS},
        "subnet": ipywidgets.Text(value=values["subnet"], description="subnet", **look),
        "used": slider("used", 1024),
    }


class WhatIf:
    """
    Sliders with their results, for display in a notebook.

    Attributes
    ----------
    box : ipywidgets.VBox
        The displayed widget.
    controls : dict of str to Widget
        Each control, by the name of its argument.
    answer : dict
        The latest result; empty if there is none, with the reason in the attribute ``why``.
    """

    def __init__(self, values: dict[str, Any], catalog: Catalog) -> None:
        try:
            import ipywidgets
        except ImportError as error:
            raise MissingExtraError("ipywidgets", extra="notebook", purpose="what_if") from error
        self._catalog = catalog
        self._drawing = False
        self.answer: dict[str, Any] = {}
        self.why = ""
        self.controls = _controls(ipywidgets, values, list(catalog.filter(windows="supported")))
        self._shown = ipywidgets.HTML()
        self.box = ipywidgets.HBox(
            [ipywidgets.VBox([*self.controls.values()]), self._shown],
            layout=ipywidgets.Layout(flex_flow="row wrap", grid_gap="0 2em"),
        )
        for control in self.controls.values():
            control.observe(self._changed, names="value")
        self._draw()

    def _changed(self, change: Any) -> None:
        if self._drawing:
            return
        if change["owner"] is self.controls["prefix_delegation"]:
            self._drawing = True  # targets have another meaning in the other mode
            for name, target in targets_of(_default_pool(prefix=change["new"])).items():
                self.controls[name].value = target
        self._draw()

    def _draw(self) -> None:
        """Update the result; if it cannot be computed, show the reason instead."""
        self._drawing = True
        values = {name: control.value for name, control in self.controls.items()}
        for target in TARGETS:
            unused = target.prefix_only and not values["prefix_delegation"]
            self.controls[target.name].disabled = unused
        try:
            self.answer, self.why = answer(values, self._catalog), ""
            shown = _as_html(self.answer, values, self._catalog)
        except CapacityError as error:
            self.answer, self.why = {}, str(error)
            shown = f"<p role='status'>{escape(self.why)}</p>"
        self._shown.value = shown
        self._drawing = False

    def to_pandas(self) -> pd.DataFrame:
        """The latest result as one row; empty if there is none."""
        import pandas as pd

        return pd.DataFrame([self.answer] if self.answer else [])

    def __repr__(self) -> str:
        """The latest result as a phrase."""
        said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.answer.items())
        return f"<WhatIf: {said or self.why}>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)


def _default_pool(*, prefix: bool) -> ewc.WarmPool:
    return ewc.WarmPool.prefix() if prefix else ewc.WarmPool.secondary()


def answer(values: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """
    Answers of `node_capacity`, `attached_addresses` and `nodes_that_fit` for the controls.

    ``pods_per_node`` and the limit that ``binds``; ``addresses`` and ``prefixes`` on a node with
    these pods, including ``warm``; ``nodes`` guaranteed to fit, ``nodes_at_best``, and the limit
    of the best case (``why``). Raises CapacityError as those functions.
    """
    name, pods = values["instance_type"], values["pods"]
    node = ewc.node_capacity(name, prefix_delegation=values["prefix_delegation"], catalog=catalog)
    fit = ewc.nodes_that_fit(
        ewc.Subnet(values["subnet"], used=values["used"]),
        name,
        pods_per_node=pods,
        pool=pool_of_targets(values, prefix_delegation=values["prefix_delegation"]),
        catalog=catalog,
    )
    slots = catalog[name].ipv4_per_interface - 1
    state = ewc.attached_addresses(pods, slots=slots, pool=fit.pool)
    return {
        "pods_per_node": node.pods,
        "binds": node.binding,
        "addresses": state.addresses,
        "prefixes": state.prefixes,
        "warm": state.warm,
        "nodes": fit.nodes,
        "nodes_at_best": fit.best,
        "why": fit.why,
    }


def _as_html(figures: dict[str, Any], values: dict[str, Any], catalog: Catalog) -> str:
    blocks = count_of(figures["prefixes"], "/28 prefix", "/28 prefixes")
    prefixes = f" in {blocks}" if figures["prefixes"] else ""
    verb = "bind" if figures["binds"] == "addresses" else "binds"
    fields = {
        "pods per node": f"{figures['pods_per_node']:,}, {figures['binds']} {verb} first",
        "addresses of a node": (
            f"{figures['addresses']:,}{prefixes} for {count_of(values['pods'], 'pod')}, {figures['warm']:,} warm"
        ),
        "nodes that fit": f"{figures['nodes']:,} in any case, {figures['nodes_at_best']:,} at best",
        "what stops the next": figures["why"],
    }
    pool = pool_of_targets(values, prefix_delegation=values["prefix_delegation"])
    notes = [f"{finding.seen}: {finding.why}" for finding in pool.findings]
    return html_fields("What if", fields, notes=notes) + _curve(figures, values, pool, catalog)


def _curve(
    figures: dict[str, Any], values: dict[str, Any], pool: ewc.WarmPool, catalog: Catalog
) -> str:
    """Curve of addresses attached to a node by pods, with the chosen number of pods marked."""
    import numpy as np

    slots = catalog[values["instance_type"]].ipv4_per_interface - 1
    most = max(figures["pods_per_node"], values["pods"], 1)
    at = np.unique(np.linspace(0, most, 120).astype(int))
    attached = ewc.attached_addresses(at, slots=slots, pool=pool).addresses
    top = max(int(attached.max()), 1)

    def x(pods: Any) -> Any:
        return _LEFT + np.asarray(pods) / most * (_WIDE - _LEFT - 10)

    def y(addresses: Any) -> Any:
        return 8 + (1 - np.asarray(addresses) / top) * (_HIGH - 8 - _LOW)

    line = "H".join(f"{left:.0f}V{high:.0f}" for left, high in zip(x(at), y(attached), strict=True))
    title = f"Addresses attached to a node of 0 to {most:,} pods, at most {top:,}"
    return (
        f'<svg width="{_WIDE}" height="{_HIGH}" viewBox="0 0 {_WIDE} {_HIGH}" role="img" '
        f'aria-label="{title}" fill="currentColor" font-size="11">'
        f'<path d="M{_LEFT} {y(attached[0]):.0f}H{line}" fill="none" stroke="#0072B2" '
        f'stroke-width="2"/><path d="M{_LEFT} 8V{_HIGH - _LOW}H{_WIDE - 10}" fill="none" '
        f'stroke="currentColor" opacity=".5"/>'
        f'<circle cx="{x(values["pods"]):.0f}" cy="{y(figures["addresses"]):.0f}" r="5" '
        f'fill="#D55E00"/><text x="{_LEFT - 6}" y="14" text-anchor="end">{top:,}</text>'
        f'<text x="{_LEFT - 6}" y="{_HIGH - _LOW}" text-anchor="end">0</text>'
        f'<text x="{_LEFT}" y="{_HIGH - 6}">addresses attached, by pods on the node</text>'
        f'<text x="{_WIDE - 10}" y="{_HIGH - 6}" text-anchor="end">{most:,} pods</text></svg>'
    )


@checked_call
def what_if(
    *,
    instance_type: str = "m5.large",
    prefix_delegation: bool = False,
    pods: int = 5,
    pool: ewc.WarmPool | None = None,
    subnet: str = "10.0.0.0/24",
    used: int = 0,
    catalog: Catalog | None = None,
) -> WhatIf:
    """
    Sliders for a notebook: pods per node, its addresses, and the nodes that fit.

    Parameters
    ----------
    instance_type : str
        The initial type.
    prefix_delegation : bool
        The initial mode.
    pods : int
        Pods on a node. [pods]
    pool : WarmPool, optional
        Initial targets; by default those of the mode.
    subnet : str
        CIDR of the subnet.
    used : int
        Addresses in use there. [addresses]
    catalog : Catalog, optional
        The bundled one by default.

    Returns
    -------
    WhatIf

    Raises
    ------
    MissingExtraError
        Without ipywidgets (extra ``notebook``).
    UnknownInstanceTypeError
        If the catalog lacks the type.

    Examples
    --------
    >>> sliders = what_if(pods=5)
    >>> sliders.answer["pods_per_node"], sliders.answer["addresses"], sliders.answer["nodes"]
    (9, 8, 27)
    >>> sliders.controls["prefix_delegation"].value = True
    >>> sliders.answer["pods_per_node"], sliders.answer["prefixes"]
    (110, 1)
    """
    catalog = given_or_bundled(catalog)
    prefix_delegation = flag(prefix_delegation, name="prefix_delegation")
    pods, used = count(pods, name="pods"), count(used, name="used")
    ewc.Subnet(text(subnet, name="subnet"))
    if instance_type not in catalog:
        raise catalog.unknown_error([instance_type])
    if pool is None:
        pool = _default_pool(prefix=prefix_delegation)
    of_kind(pool, ewc.WarmPool, name="pool")
    values = {
        "instance_type": instance_type,
        "prefix_delegation": prefix_delegation or pool.prefix_delegation,
        "pods": pods,
        **targets_of(pool),
        "subnet": subnet,
        "used": used,
    }
    return WhatIf(values, catalog)
