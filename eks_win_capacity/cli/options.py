"""Options that several commands share."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from eks_win_capacity.cli.output import say
from eks_win_capacity.core.constants import KUBELET_MAX_PODS
from eks_win_capacity.core.documents import source_name, whole
from eks_win_capacity.core.errors import CapacityError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO


def text_of(file: IO[bytes]) -> str:
    """
    Text of a file; the byte-order marks that PowerShell writes are obeyed.

    Raises
    ------
    DocumentError
        If it is not a text, or without an end.
    """
    return whole.text_of(whole.file_bytes(file), source_name(file))


def filled_text_of(file: IO[bytes]) -> str:
    """
    Text of a file that must hold something.

    Raises
    ------
    InputError
        If it is empty.
    DocumentError
        As `text_of`.
    """
    text = text_of(file)
    if not text.strip():
        name = getattr(file, "name", "the file")
        raise InputError(f"{name} is empty: did the command that wrote it fail?")
    return text


_MANY_CPUS = 100
"""A pod that asks for so many CPUs without a unit was most likely meant in thousandths."""

_LITTLE_MEMORY = 1_000_000
"""No Windows container starts with less; such a number was most likely meant in MiB. [bytes]"""


def note_units(cpu: object, memory: object, *, of: str = "") -> None:
    """
    Note on stderr where a number without a unit is one that nobody means.

    Kubernetes takes a bare number as CPUs and as bytes; it is taken so here, too.
    """
    from eks_win_capacity.core.quantities import millicores, whole_bytes

    told = []
    with suppress(CapacityError):
        if _bare(cpu) and millicores(str(cpu)) >= 1000 * _MANY_CPUS:
            told.append(f"cpu {cpu} is {cpu} whole CPUs; {cpu} thousandths of one are {cpu}m")
    with suppress(CapacityError):
        if _bare(memory) and 0 < whole_bytes(str(memory)) < _LITTLE_MEMORY:
            told.append(f"memory {memory} is {memory} bytes; {memory} MiB are {memory}Mi")
    for line in told:
        say(f"eks-win-capacity: note: {of}{line}", err=True)


def _bare(quantity: object) -> bool:
    return str(quantity).strip()[-1:].isdigit()


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
