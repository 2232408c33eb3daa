"""What is the exact value of a Kubernetes quantity such as ``250m`` or ``1.5Gi``."""

from __future__ import annotations

import re
import sys
import warnings
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core.errors import InvalidQuantityError, UnlikelyQuantityWarning
from eks_win_capacity.core.values import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?"
    r"(?:(?P<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?P<exponent>[+-]?[0-9]+))?"
)
_POWERS_OF_TEN: Final = {
    "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_POWERS_OF_TWO: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_LARGEST_BINARY: Final = 2**63 - 1
_FINEST: Final = -9
_WIDEST_EXPONENT: Final = 999
_MANY_CPUS_M: Final = 100_000
"""CPU request from which thousandths were probably intended. [thousandths of a core]"""
_LITTLE_MEMORY: Final = 1_000_000
"""Memory request below which no Windows container starts; MiB were probably intended. [bytes]"""


def parse_quantity(value: str | float | Decimal) -> Decimal:
    """
    Value of a quantity, with the rules of Kubernetes.

    As in the API server, values are rounded away from zero to a billionth, and
    binary ones are at most 2^63 - 1. Strings without a digit are refused, although
    its parser accepts them as zero against its own grammar.

    Parameters
    ----------
    value : str, int, float or Decimal
        Digits with an optional sign, point and one suffix: n, u, m, k, M, G, T,
        P, E, Ki, Mi, Gi, Ti, Pi, Ei, or an exponent such as e3. Or a number.

    Returns
    -------
    Decimal
        The exact value.

    Raises
    ------
    InvalidQuantityError
        If it is not a quantity.

    References
    ----------
    kubernetes/apimachinery, ``pkg/api/resource/quantity.go``.

    Examples
    --------
    >>> parse_quantity("250m"), parse_quantity("1.5Gi"), parse_quantity("1e3")
    (Decimal('0.250'), Decimal('1610612736.0'), Decimal('1E+3'))
    """
    text = value if isinstance(value, str) else _as_text(value)
    match = _NUMBER.fullmatch(text)
    digits = "" if match is None else match["whole"] + (match["part"] or "")
    if match is None or not digits:
        raise _refused(value)
    exponent = int(match["exponent"] or _POWERS_OF_TEN.get(match["suffix"] or "", 0))
    if abs(exponent) > _WIDEST_EXPONENT or len(digits) > _WIDEST_EXPONENT:
        raise _refused(value)
    mantissa, exponent = int(digits), exponent - len(match["part"] or "")
    binary = _POWERS_OF_TWO.get(match["suffix"] or "")
    if binary is not None:
        mantissa *= 2**binary
        if mantissa > _LARGEST_BINARY * 10**-exponent:
            mantissa, exponent = _LARGEST_BINARY, 0
    if exponent < _FINEST:
        mantissa, exponent = -(-mantissa // 10 ** (_FINEST - exponent)), _FINEST
    sign = int(match["sign"] == "-" and mantissa > 0)
    return Decimal((sign, tuple(map(int, str(mantissa))), exponent))


def millicores(value: str | float | Decimal) -> int:
    """
    CPU quantity in thousandths of a core, rounded up as in the scheduler.

    Raises InvalidQuantityError if it is not a quantity, or negative.

    Examples
    --------
    >>> millicores("250m"), millicores(2), millicores("0.0001")
    (250, 2000, 1)
    """
    return _whole(value, 3)


def whole_bytes(value: str | float | Decimal) -> int:
    """
    Memory quantity in bytes, rounded up as in the scheduler.

    Raises InvalidQuantityError if it is not a quantity, or negative.

    Examples
    --------
    >>> whole_bytes("1.5Gi"), whole_bytes("100m")
    (1610612736, 1)
    """
    return _whole(value, 0)


def request(value: Any, read: Callable[[Any], int], *, name: str) -> int:
    """
    Request in an argument, in the unit of `read`, which is `millicores` or `whole_bytes`.

    Unlikely quantities, such as 2 bytes or 500 whole CPUs, are interpreted as in Kubernetes, with
    an `UnlikelyQuantityWarning`.

    Raises InvalidQuantityError if it is not a quantity, or negative; the message names the
    argument.
    """
    amount = _named(value, read, name)
    _question_unlikely([(value, amount)], read, name)
    return amount


def requests(values: Iterable[Any], read: Callable[[Any], int], *, name: str) -> dict[Any, int]:
    """
    Requests of several values of an argument, by value; each as in `request`.

    Raises InvalidQuantityError if one is not a quantity, or negative; the message names the
    argument.
    """
    amounts = {value: _named(value, read, name) for value in values}
    _question_unlikely(amounts.items(), read, name)
    return amounts


def _named(value: Any, read: Callable[[Any], int], name: str) -> int:
    try:
        return read(value)
    except InvalidQuantityError as error:
        raise InvalidQuantityError(f"{name}: {error}") from None


def _question_unlikely(
    read_values: Iterable[tuple[Any, int]], read: Callable[[Any], int], name: str
) -> None:
    """Warn once of all unlikely values of an argument."""
    cpu = read is millicores
    unlikely = [
        (value, amount)
        for value, amount in read_values
        if (amount >= _MANY_CPUS_M if cpu else 0 < amount < _LITTLE_MEMORY)
    ]
    if unlikely:
        more = f", and so on for {len(unlikely):,} values" if len(unlikely) > 1 else ""
        question(f"{name}: {_question(*unlikely[0], cpu=cpu)}{more}")


def _question(value: Any, amount: int, *, cpu: bool) -> str:
    if cpu:
        cores = amount // 1000
        return f"{value} is {cores:,} whole CPUs; {cores:,} thousandths of one are {cores}m"
    number = re.match(r"\+?([0-9.]+)[a-zA-Z]?$", str(value))
    mebibytes = number[1] if number else amount
    return f"{value} is {amount:,} byte{'s' * (amount > 1)}; {mebibytes} MiB are {mebibytes}Mi"


def question(text: str) -> None:
    """Warn of an unlikely quantity, at the line that called this library."""
    package = __name__.partition(".")[0]
    frame, level = sys._getframe(1), 2  # noqa: SLF001
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, UnlikelyQuantityWarning, stacklevel=level)


def _whole(value: str | float | Decimal, scale: int) -> int:
    quantity = parse_quantity(value)
    if quantity < 0:
        raise InvalidQuantityError(f"a request cannot be negative; got {value!r}")
    _, digits, exponent = quantity.as_tuple()
    mantissa, shift = int("".join(map(str, digits))), int(exponent) + scale
    return mantissa * int(10**shift) if shift >= 0 else -(-mantissa // int(10**-shift))


def _as_text(value: object) -> str:
    if is_missing(value):
        raise _refused(value)
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise _refused(value)
    return f"{value}".replace("E+", "e").replace("E", "e")


def _refused(value: object) -> InvalidQuantityError:
    hint = ""
    if isinstance(value, str) and value.strip().lower().endswith("b"):
        hint = "; Kubernetes writes no B: use Mi or Gi"
    elif isinstance(value, str) and value != value.strip():
        hint = "; remove the spaces"
    return InvalidQuantityError(
        f"{value!r} is not a Kubernetes quantity such as 250m, 2, 512Mi or 1.5Gi{hint}"
    )
