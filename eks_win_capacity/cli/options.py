"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from eks_win_capacity.constants import KUBELET_MAX_PODS

if TYPE_CHECKING:
    from collections.abc import Callable


def binding_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add what may bind beside the addresses: the kubelet's limit and what pods request."""
    for option in (
        click.option("--pod-memory", metavar="QUANTITY", help="Memory of each pod, such as 1.5Gi."),
        click.option(
            "--pod-cpu", metavar="QUANTITY", help="CPU that each pod requests, such as 250m."
        ),
        click.option(
            "--kubelet-max-pods",
            type=int,
            default=KUBELET_MAX_PODS,
            show_default=True,
            metavar="N",
            help="The kubelet's own limit.",
        ),
    ):
        function = option(function)
    return function
