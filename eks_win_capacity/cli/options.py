"""Options that several commands share."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import click

from eks_win_capacity.constants import KUBELET_MAX_PODS
from eks_win_capacity.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO


def text_of(file: IO[bytes]) -> str:
    """
    Read a file as text; the byte-order marks that PowerShell writes are obeyed.

    Raises
    ------
    InputError
        If it is no text.
    """
    raw = file.read()
    marked = raw[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    try:
        return raw.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{getattr(file, 'name', 'the file')} is no text: {error}") from None


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
