"""What is known of an instance type: its fields, whether it runs Windows, its compact form."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, get_args

from eks_win_capacity._data import windows as facts
from eks_win_capacity.core.display import Shown, plain_fields
from eks_win_capacity.core.errors import InputError, count_of
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
    from typing import Any

    import pandas as pd


Status = Literal["supported", "warned", "unsupported"]

STATUSES: Final[tuple[Status, ...]] = get_args(Status)


class Reason(NamedTuple):
    """
    Reason why a type cannot be a Windows node, or only with a caveat.

    Attributes
    ----------
    code : str
        Stable name of the limit, in kebab-case.
    why : str
        What it means for a node.
    date : str
        When, or as of when, the source says so; ISO 8601, as exact as known.
    source : str
        Who says so.
    """

    code: str
    why: str
    date: str
    source: str


@dataclass(frozen=True, slots=True)
class WindowsVerdict(Shown):
    """
    Whether a type can be a Windows node on EKS.

    Attributes
    ----------
    status : {"supported", "warned", "unsupported"}
        Warned types can run Windows as far as is known, with a caveat.
    reasons : tuple of Reason
        Every known limit, those that forbid Windows first; empty if supported.
    source : str
        Who says so: the sources of the reasons, or of the general rule.
    possible : bool
        Whether nothing is known that forbids Windows; a caveat does not.

    Raises
    ------
    InputError
        If the status is unknown, or does not go with the reasons.
    """

    status: Status
    reasons: tuple[Reason, ...]
    source: str
    possible: bool = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise InputError(f"status must be one of {', '.join(STATUSES)}; got {self.status!r}")
        if (self.status == "supported") is bool(self.reasons):
            raise InputError(
                "a supported type has no reasons against it, any other has at least one; "
                f"got {self.status!r} with {len(self.reasons)}"
            )
        object.__setattr__(self, "possible", self.status != "unsupported")

    def __str__(self) -> str:
        """Status and codes of the reasons."""
        return self.status + (f" ({', '.join(self.codes)})" if self.reasons else "")

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the reasons."""
        return tuple(reason.code for reason in self.reasons)


_SUPPORTED = WindowsVerdict("supported", (), facts.SUPPORTED_SOURCE)


def verdict(name: str, architectures: tuple[str, ...]) -> WindowsVerdict:
    """
    Windows support of a type by the manually maintained facts, independent of its catalog.

    If several reasons apply, one that excludes Windows has precedence over warnings, which remain
    in the list.

    Examples
    --------
    >>> verdict("m6a.large", ("x86_64",)).codes
    ('once-listed-unsupported',)
    >>> print(verdict("c9g.large", ("arm64",)))
    unsupported (arm64, unknown-to-controller)
    """
    family = name.partition(".")[0]
    verdicts = [
        (rule["status"], _reasons()[rule["code"]])
        for rule in facts.RULES
        if (name in rule["types"] or (family in rule["families"] and name not in rule["except"]))
        or (rule["absent_from"] and name not in controller_types())
    ]
    if "x86_64" not in architectures:
        verdicts.insert(0, ("unsupported", _architecture_reason(architectures)))
    if not verdicts:
        return _SUPPORTED
    # Stable sort by status only, which keeps the order of the facts.
    verdicts.sort(key=lambda pair: pair[0] != "unsupported")
    reasons = tuple(reason for _, reason in verdicts)
    sources = "; ".join(dict.fromkeys(reason.source for reason in reasons))
    return WindowsVerdict(verdicts[0][0], reasons, sources)


@cache
def _reasons() -> Mapping[str, Reason]:
    return {
        rule["code"]: Reason(rule["code"], rule["why"], rule["date"], rule["source"])
        for rule in facts.RULES
    }


def _architecture_reason(architectures: tuple[str, ...]) -> Reason:
    """Reason why a type without x86_64 cannot run Windows."""
    named = next(
        rule
        for rule in facts.RULES
        if rule["architectures"] == ["*"] or set(rule["architectures"]) & set(architectures)
    )
    return _reasons()[named["code"]]


@cache
def controller_types() -> frozenset[str]:
    """Types in the controller's table of 2026-03-20."""
    names = []
    for line in facts.CONTROLLER_TYPES.split("\n"):
        family, *sizes = line.split()
        names += [f"{family}.{size}" for size in sizes]
    return frozenset(names)


HYPERVISORS: Final = ("nitro", "xen")
"""EC2's values of Hypervisor; bare metal has none.

Source: EC2 API reference, ``InstanceTypeInfo``.
"""

PATHS: Final[dict[str, tuple[str, ...]]] = {
    "name": ("InstanceType",),
    "ipv4_per_interface": ("NetworkInfo", "Ipv4AddressesPerInterface"),
    "network_interfaces": ("NetworkInfo", "MaximumNetworkInterfaces"),
    "vcpus": ("VCpuInfo", "DefaultVCpus"),
    "memory_mib": ("MemoryInfo", "SizeInMiB"),
    "architectures": ("ProcessorInfo", "SupportedArchitectures"),
    "hypervisor": ("Hypervisor",),
    "bare_metal": ("BareMetal",),
    "current_generation": ("CurrentGeneration",),
    "usage_classes": ("SupportedUsageClasses",),
}
"""Path of each field in EC2's row."""

PER_REGION: Final = ("usage_classes",)
"""Fields that differ between regions, so that the values of several regions are combined."""

COUNTS: Final = {
    # Maximum values, far above those of EC2.
    "ipv4_per_interface": 4_096,
    "network_interfaces": 4_096,
    "vcpus": 1_000_000,
    "memory_mib": 2**40,
}
_TEXTS: Final = ("architectures", "usage_classes", "regions")


class FieldError(InputError):
    """A field of a row has an invalid value."""

    def __init__(self, field: str, must: str, value: object) -> None:
        super().__init__(f"{field} must be {must}; got {value!r}")
        self.field = field
        self.must = must
        self.value = value


# Without slots, so that properties can be cached: most calls read all rows.
@checked_call
@dataclass(frozen=True, kw_only=True)
class InstanceType(Shown):
    """
    EC2's data on an instance type, and whether it can run Windows on EKS.

    Attributes
    ----------
    name : str
        The type, such as ``m5.large``.
    ipv4_per_interface : int
        IPv4 addresses on one network interface, the node's own included. [addresses]
    network_interfaces : int
        Interfaces of the default network card. A Windows node uses one.
    vcpus : int
        Virtual CPUs.
    memory_mib : int
        Memory. [MiB]
    architectures : tuple of str
        Processor architectures, in EC2's words, sorted.
    hypervisor : {"nitro", "xen"} or None
        None on bare metal.
    bare_metal : bool
        Whether it is a whole server.
    current_generation : bool
        Whether EC2 counts it as current.
    usage_classes : tuple of str
        How it can be bought, such as ``on-demand`` and ``spot``, sorted.
    regions : tuple of str
        Regions known to offer it, sorted. Empty for a retired type, and in a catalog that was
        made without offerings.
    windows : WindowsVerdict
        Whether it can be a Windows node; judged by the bundled facts unless
        given.

    Raises
    ------
    InputError
        If a value is of the wrong kind or outside its limits.

    Examples
    --------
    >>> from eks_win_capacity import Catalog
    >>> m5_large = Catalog.bundled()["m5.large"]
    >>> m5_large.ipv4_per_interface, m5_large.nitro, m5_large.windows.status
    (10, True, 'supported')
    """

    name: str
    ipv4_per_interface: int
    network_interfaces: int
    vcpus: int
    memory_mib: int
    architectures: tuple[str, ...]
    hypervisor: str | None
    bare_metal: bool
    current_generation: bool
    usage_classes: tuple[str, ...]
    regions: tuple[str, ...] = ()
    windows: WindowsVerdict = None  # type: ignore[assignment]  # judged below unless given

    def __post_init__(self) -> None:
        family, _, size = self.name.partition(".") if type(self.name) is str else ("", "", "")
        if not (family and size) or self.name.split() != [self.name]:
            raise FieldError("name", "an instance type such as 'm5.large'", self.name)
        for field, most in COUNTS.items():
            count = getattr(self, field)
            if type(count) is not int or not 1 <= count <= most:
                raise FieldError(field, f"a whole number from 1 to {most:,}", count)
        for field in _TEXTS:
            self._sort(field)
        if not self.architectures:
            raise FieldError("architectures", "at least one architecture", self.architectures)
        for field in ("bare_metal", "current_generation"):
            if type(getattr(self, field)) is not bool:
                raise FieldError(field, "true or false", getattr(self, field))
        # An unknown hypervisor would silently count as not Nitro.
        if self.hypervisor not in HYPERVISORS and not (self.bare_metal and self.hypervisor is None):
            must = " or ".join(HYPERVISORS) + ", or absent on bare metal"
            raise FieldError("hypervisor", must, self.hypervisor)
        windows: Any = self.windows
        if windows is None:
            object.__setattr__(self, "windows", verdict(self.name, self.architectures))
        elif not isinstance(windows, WindowsVerdict):
            raise FieldError("windows", "a WindowsVerdict", windows)

    def _sort(self, field: str) -> None:
        """Sort a field of several strings, so that equal facts give equal rows."""
        texts: Any = getattr(self, field)
        if not isinstance(texts, (tuple, list)) or not all(type(x) is str and x for x in texts):
            raise FieldError(field, "several strings", texts)
        object.__setattr__(self, field, tuple(sorted(set(texts))))

    @cached_property
    def nitro(self) -> bool:
        """Whether prefix delegation acts on it: Nitro or bare metal."""
        return self.bare_metal or self.hypervisor == "nitro"

    @property
    def family(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]

    @property
    def size(self) -> str:
        """The part of the name after the dot."""
        return self.name.partition(".")[2]

    def to_dict(self) -> dict[str, Any]:
        """
        Every field, and whether prefix delegation acts on it, as plain values.

        Examples
        --------
        >>> from eks_win_capacity import Catalog
        >>> row = Catalog.bundled()["m5.large"].to_dict()
        >>> row["vcpus"], row["nitro"], row["windows"], row["windows_reasons"]
        (2, True, 'supported', ())
        """
        values: dict[str, Any] = {"instance_type": self.name}
        for field in (*PATHS, "regions"):
            if field != "name":
                values[field] = getattr(self, field)
            if field == "bare_metal":
                values["nitro"] = self.nitro
        return values | {"windows": self.windows.status, "windows_reasons": self.windows.codes}

    def __repr__(self) -> str:
        """The fields that determine capacity."""
        size = f"{count_of(self.vcpus, 'vCPU')}, {self.memory_mib / 1024:,.4g} GiB"
        kind = "Nitro" if self.nitro else "not Nitro"
        return (
            f"<InstanceType {self.name}: {size}, {self.ipv4_per_interface} IPv4 addresses per "
            f"interface, {kind}, Windows {self.windows.status}>"
        )

    def _fields_shown(self) -> dict[str, Any]:
        verdict = self.windows
        return plain_fields(self) | {
            "regions": f"{len(self.regions)} Regions" if self.regions else "",
            "windows": "; ".join([verdict.status, *(reason.why for reason in verdict.reasons)]),
        }


class InstanceTable(Protocol):
    """Rows by name, with date and source: the interface of `Catalog` for modules below it."""

    @property
    def as_of(self) -> str:
        """Date of the data."""

    @property
    def source(self) -> str:
        """Source of the data."""

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions that the data cover."""

    def __getitem__(self, name: str, /) -> InstanceType: ...

    def __iter__(self) -> Iterator[str]: ...

    def keys(self) -> KeysView[str]:
        """Names of the types."""

    def values(self) -> ValuesView[InstanceType]:
        """Rows of the types."""


_HYPERVISORS = {"n": "nitro", "x": "xen", "-": None}
_LETTERS = {hypervisor: letter for letter, hypervisor in _HYPERVISORS.items()}


def from_text(
    text: str, regions: Sequence[str], sets: Sequence[tuple[str, ...]]
) -> list[InstanceType]:
    """
    Rows of the compact table, which has one line for each type.

    ``name addresses interfaces vcpus memory architectures hypervisor flags usage regions``:
    architectures and usage are indices of `sets`; flags are the sum of 1 for the current
    generation and 2 for bare metal; regions are a bit mask in hexadecimal digits.
    """
    # Masks are decoded once, because many types have the same regions.
    offered: dict[str, tuple[str, ...]] = {}
    rows = []
    for line in text.strip().split("\n"):
        name, addresses, interfaces, vcpus, memory, arch, hypervisor, flags, usage, mask = (
            line.split(" ")
        )
        if mask not in offered:
            bits = int(mask, 16)
            offered[mask] = tuple(r for bit, r in enumerate(regions) if bits >> bit & 1)
        rows.append(
            InstanceType(
                name=name,
                ipv4_per_interface=int(addresses),
                network_interfaces=int(interfaces),
                vcpus=int(vcpus),
                memory_mib=int(memory),
                architectures=sets[int(arch)],
                hypervisor=_HYPERVISORS[hypervisor],
                bare_metal=flags in "23",
                current_generation=flags in "13",
                usage_classes=sets[int(usage)],
                regions=offered[mask],
            )
        )
    return rows


def sets_of(rows: Iterable[InstanceType]) -> list[tuple[str, ...]]:
    """Sets of strings that rows of the compact table refer to by index."""
    return sorted({words for row in rows for words in (row.architectures, row.usage_classes)})


def to_text(
    rows: Iterable[InstanceType], regions: Sequence[str], sets: Sequence[tuple[str, ...]]
) -> str:
    """The compact table as a string; see `from_text`."""
    number = {texts: index for index, texts in enumerate(sets)}
    bit = {region: 1 << index for index, region in enumerate(regions)}
    lines = [
        f"{row.name} {row.ipv4_per_interface} {row.network_interfaces} {row.vcpus} "
        f"{row.memory_mib} {number[row.architectures]} {_LETTERS[row.hypervisor]} "
        f"{row.current_generation + 2 * row.bare_metal} {number[row.usage_classes]} "
        f"{sum(bit[region] for region in row.regions):x}"
        for row in rows
    ]
    return "\n" + "\n".join(lines) + "\n"


_FLAGS: Final = ("bare_metal", "nitro", "current_generation")


def frame(catalog: InstanceTable) -> pd.DataFrame:
    """Frame of `Catalog.to_pandas`; that of an empty catalog has the same dtypes."""
    import pandas as pd

    rows = list(catalog.values())
    columns: dict[str, pd.Series] = {}
    names = pd.Index(list(catalog), name="instance_type", dtype=None if rows else object)

    def column(values: list[object], dtype: str | None) -> pd.Series:
        return pd.Series(values, index=names, dtype=dtype if rows or dtype else "object")

    kinds = {"family": None, **dict.fromkeys(COUNTS, "int64"), "hypervisor": None}
    kinds |= dict.fromkeys(_FLAGS, "bool") | dict.fromkeys(_TEXTS, "object")
    for name, dtype in kinds.items():
        columns[name] = column([getattr(row, name) for row in rows], dtype)
    columns["windows"] = column([row.windows.status for row in rows], None)
    columns["windows_reasons"] = column([row.windows.codes for row in rows], "object")
    frame = pd.DataFrame(columns, index=names)
    frame.attrs.update(as_of=catalog.as_of, source=catalog.source)
    return frame
