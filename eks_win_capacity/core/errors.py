"""What can go wrong: one tree of exceptions with their facts, and the wording of messages."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = [
    "AddressError", "AwsError", "CapacityError", "CatalogConflictError", "CatalogFileError",
    "ConfigMapError", "DocumentError", "IndexMismatchError", "InputError", "InvalidCountError",
    "InvalidQuantityError", "MissingCapacityError", "MissingExtraError", "MissingValueError",
    "PlacementUnknownError", "ReservationError", "ShapeMismatchError", "StateConflictError",
    "SubnetCidrError", "TooLittleHistoryError", "UnknownInstanceTypeError",
    "UnlikelyQuantityWarning", "UnsupportedInputError", "WarmTargetError",
]  # fmt: skip


class CapacityError(Exception):
    """
    Base of all errors that this library raises.

    Pickling and copying preserve message, attributes and notes, so errors also cross process
    boundaries.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Message and facts separately, because Python would pass only the message."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[CapacityError], args: tuple[Any, ...], facts: dict[str, Any]) -> Any:
    """Error of a class from its message and its facts."""
    error = kind.__new__(kind, *args)
    # The builtin base also stores the message, ImportError in a separate field.
    super(CapacityError, error).__init__(*args)
    error.__dict__.update(facts)
    return error


class InputError(CapacityError, ValueError):
    """An argument has an invalid value."""


class UnsupportedInputError(CapacityError, TypeError):
    """An argument has a type that this function does not support."""


class InvalidCountError(InputError):
    """A count is not a whole number within its limits."""


class InvalidQuantityError(InputError):
    """A string is not a Kubernetes quantity."""


class ShapeMismatchError(InputError):
    """Columns that must match have different shapes."""


class IndexMismatchError(InputError):
    """Series that must match have different indexes."""


class ConfigMapError(InputError):
    """
    A string or mapping is not a ConfigMap that Kubernetes would store.

    Attributes
    ----------
    place : str
        Position of the error in it, such as ``data.enable-windows-ipam``.
    """

    def __init__(self, message: str, *, place: str = "") -> None:
        super().__init__(without_accounts(message))
        self.place = place


class WarmTargetError(InputError):
    """
    A warm target cannot be used, or no ConfigMap can set it.

    Attributes
    ----------
    findings : tuple of Finding
        Findings from reading the targets; the last one is the cause.
    """

    def __init__(self, message: str, *, findings: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)


class MissingValueError(InputError):
    """
    A column of instance types has missing values.

    Attributes
    ----------
    positions : tuple of int
        The first few positions, counted from 0 in the flattened column.
    count : int
        The number of missing values.
    """

    def __init__(self, message: str, *, positions: Sequence[int], count: int) -> None:
        super().__init__(message)
        self.positions = tuple(positions)
        self.count = count


class TooLittleHistoryError(InputError):
    """
    A history is too short for a forecast.

    Attributes
    ----------
    subnets : tuple of str
        The first few such subnets.
    count : int
        The number of such subnets.
    needed : int
        Periods with a value that a forecast needs.
    """

    def __init__(self, message: str, *, subnets: Sequence[str], count: int, needed: int) -> None:
        super().__init__(message)
        self.subnets = tuple(subnets)
        self.count = count
        self.needed = needed


class MissingCapacityError(InputError):
    """
    The capacity of subnets of a history is unknown.

    Attributes
    ----------
    subnets : tuple of str
        Subnets without a capacity if others have one; empty if no capacity was given.
    """

    def __init__(self, message: str, *, subnets: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.subnets = tuple(subnets)


class SubnetCidrError(InputError):
    """
    A CIDR is not valid for a subnet of Windows nodes.

    Attributes
    ----------
    cidr : str
        The CIDR as given.
    """

    def __init__(self, message: str, *, cidr: str) -> None:
        super().__init__(message)
        self.cidr = cidr


class AddressError(InputError):
    """
    An address cannot be in use in the given subnet.

    Attributes
    ----------
    address : str
        The address, range or prefix as given or read.
    reason : {"malformed", "ipv6", "outside", "kept", "duplicate"}
        What is wrong with it.
    subnet : str
        CIDR of the subnet; empty if the string itself is malformed.
    """

    def __init__(self, message: str, *, address: str, reason: str, subnet: str = "") -> None:
        super().__init__(message)
        self.address = address
        self.reason = reason
        self.subnet = subnet


class ReservationError(InputError):
    """
    A CIDR reservation is outside the subnet, or overlaps another one.

    Attributes
    ----------
    cidr : str
        The reservation.
    reason : {"malformed", "type", "foreign", "overlap"}
        What is wrong with it.
    """

    def __init__(self, message: str, *, cidr: str, reason: str) -> None:
        super().__init__(message)
        self.cidr = cidr
        self.reason = reason


class PlacementUnknownError(InputError):
    """
    Only the number of used addresses is known, but the answer depends on where they lie.

    Attributes
    ----------
    cidr : str
        The subnet.
    used : int
        The number of its addresses in use.
    """

    def __init__(self, message: str, *, cidr: str, used: int) -> None:
        super().__init__(message)
        self.cidr = cidr
        self.used = used


class DocumentError(CapacityError, ValueError):
    """
    Saved output of kubectl or the AWS CLI cannot be read.

    Attributes
    ----------
    source : str
        The file, or what stood in for one.
    place : str
        Position of the error in it, such as ``items[3].spec``; empty for the whole file.
    """

    def __init__(self, message: str, *, source: str, place: str = "") -> None:
        super().__init__(without_accounts(message))
        self.source = source
        self.place = place


class StateConflictError(CapacityError, ValueError):
    """
    Two sources contradict each other about one cluster.

    Attributes
    ----------
    part : str
        The part of the state on which they disagree.
    """

    def __init__(self, message: str, *, part: str) -> None:
        super().__init__(without_accounts(message))
        self.part = part


class UnknownInstanceTypeError(CapacityError, KeyError):
    """
    An instance type has no row in the catalog.

    Attributes
    ----------
    names : tuple
        The first few unknown names, in order of appearance.
    positions : tuple of int
        Their first positions, counted from 0; empty for a single name.
    count : int
        The number of unknown values.
    close_matches : tuple of str
        Names in the catalog that resemble the first unknown one.
    as_of : str
        Date of the catalog that was searched.
    """

    def __init__(
        self,
        message: str,
        *,
        names: Sequence[object],
        positions: Sequence[int] = (),
        count: int = 1,
        close_matches: Sequence[str] = (),
        as_of: str = "",
    ) -> None:
        super().__init__(message)
        self.names = tuple(names)
        self.positions = tuple(positions)
        self.count = count
        self.close_matches = tuple(close_matches)
        self.as_of = as_of

    def __str__(self) -> str:
        """Message itself; KeyError would print its repr."""
        return str(self.args[0])


class CatalogFileError(CapacityError, ValueError):
    """
    A file of instance types, or another saved answer, cannot be used.

    Attributes
    ----------
    source : str
        The file, or what stood in for one.
    place : str
        Position of the error in it, such as ``InstanceTypes[3].NetworkInfo``.
    """

    def __init__(self, message: str, *, source: str, place: str = "") -> None:
        super().__init__(without_accounts(message))
        self.source = source
        self.place = place


class CatalogConflictError(CapacityError, ValueError):
    """
    Two answers about one instance type disagree.

    Attributes
    ----------
    conflicts : tuple of str
        One line for each disagreement.
    """

    def __init__(self, message: str, *, conflicts: Sequence[str]) -> None:
        super().__init__(message)
        self.conflicts = tuple(conflicts)


class AwsError(CapacityError, RuntimeError):
    """
    AWS did not return a complete answer.

    Attributes
    ----------
    operation : str
        The API call that failed, such as ``DescribeInstanceTypes``.
    code : str
        The error code from AWS or botocore.
    region : str
        The region of the call; empty if unknown.
    action : str
        The IAM action that was refused, such as ``eks:ListNodegroups``; empty for other errors.
    """

    def __init__(
        self, message: str, *, operation: str, code: str, region: str = "", action: str = ""
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.code = code
        self.region = region
        self.action = action


def allowing(action: str) -> str:
    """Remedy if AWS refused an action."""
    return f"allow the action {action} for the caller"


class MissingExtraError(CapacityError, ImportError):
    """
    A required optional package is not installed.

    Attributes
    ----------
    extra : str
        The extra of this distribution that installs the package.
    """

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed: "
            f'pip install "eks-win-capacity[{extra}]"'
        )
        self.extra = extra


class UnlikelyQuantityWarning(UserWarning):
    """
    A quantity is valid but probably not intended, such as a memory of 2 bytes.

    It is interpreted as in Kubernetes.
    """


def count_of(number: int, one: str, many: str = "") -> str:
    """
    Number with its noun in singular or plural.

    Examples
    --------
    >>> count_of(1, "node is", "nodes are"), count_of(2_000, "pod")
    ('1 node is', '2,000 pods')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def positions_of(positions: Sequence[int]) -> str:
    """
    Positions in a column as words.

    Examples
    --------
    >>> positions_of([3]), positions_of([3, 5])
    ('position 3', 'positions 3, 5')
    """
    return f"position{'' if len(positions) == 1 else 's'} {', '.join(map(str, positions))}"


TOKENS = ("NextToken", "nextToken", "NextMarker", "Marker")
"""Members of an answer of AWS if more pages follow."""


def only_a_part(answer: Any) -> tuple[str, str]:
    """
    Member that shows that an answer of AWS or Kubernetes is incomplete, and a message; else empty.

    Callers refuse incomplete answers, because what is missing would look free.

    Examples
    --------
    >>> only_a_part({"Subnets": [], "NextToken": "abc"})[0], only_a_part({"Subnets": []})
    ('NextToken', ('', ''))
    """
    head = answer.get("metadata")
    if hasattr(head, "get") and head.get("continue"):
        key, more, cure = "metadata.continue", "objects", "a limit, as kubectl get does"
    else:
        key = next((one for one in (*TOKENS, "IsTruncated") if answer.get(one)), "")
        more, cure = "pages", "--max-items, --no-paginate and --starting-token"
    return key, f"only a part: more {more} follow ({key}); save it without {cure}" if key else ""


_ACCOUNT = (
    # A percent-encoded colon or slash ends in a letter that is not part of a word.
    r"(?:(?<![0-9A-Za-z])|(?<=%3[Aa])|(?<=%253[Aa])|(?<=%2[Ff])|(?<=%252[Ff]))"
    r"[0-9]{12}(?![0-9A-Za-z])"
)

MASK = "ACCOUNT_ID"
"""Replacement of an account id."""


def without_accounts(text: str) -> str:
    """
    String with `MASK` in place of every AWS account id.

    ARNs, image names and messages about permissions contain account ids, which no result needs
    and which must not be in a report that is passed on.

    Examples
    --------
    >>> without_accounts("arn:aws:iam::123456789012:role/win may not do that")
    'arn:aws:iam::ACCOUNT_ID:role/win may not do that'
    >>> without_accounts("arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fwin")
    'arn%3Aaws%3Aiam%3A%3AACCOUNT_ID%3Arole%2Fwin'
    >>> without_accounts("i-0123456789012 of 2026-10-03")
    'i-0123456789012 of 2026-10-03'
    """
    import re  # the first answer of a script needs no expression

    return re.sub(_ACCOUNT, MASK, text)


def account_mark(arn: str) -> str:
    """
    Mark that shows whether two ARNs are of different accounts, but not of which.

    Millions of account ids share each mark. ``masked`` if the ARN does not show its account, and
    empty without an ARN.

    Examples
    --------
    >>> account_mark("arn:aws:iam::123456789012:role/win") == account_mark("x:123456789012:y")
    True
    >>> account_mark("arn:aws:iam::***:role/win"), account_mark("win")
    ('masked', '')
    """
    import re
    from hashlib import sha256

    if account := re.search(_ACCOUNT, arn):
        return sha256(account[0].encode()).hexdigest()[:4]
    return "masked" if ":" in arn else ""
