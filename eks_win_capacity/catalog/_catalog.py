"""What is the row of an instance type: a table of types from one source and one date."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, overload

from eks_win_capacity.catalog import responses
from eks_win_capacity.catalog._instance_type import InstanceType
from eks_win_capacity.catalog.type_names import absent
from eks_win_capacity.core.arguments import names, text
from eks_win_capacity.core.display import html_frame
from eks_win_capacity.core.errors import (
    CatalogConflictError,
    InputError,
    UnknownInstanceTypeError,
    UnsupportedInputError,
    positions_of,
)
from eks_win_capacity.core.lazy import checked_call

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    import pandas as pd

    from eks_win_capacity.catalog._diff import CatalogDiff
    from eks_win_capacity.catalog._filters import Conditions
    from eks_win_capacity.catalog.limit_table import LimitTable

DefaultT = TypeVar("DefaultT")

UNKNOWN_DATE: Final = "unknown"
"""Date of a catalog whose data have no date."""


@checked_call
class Catalog(Mapping[str, InstanceType]):
    """
    Immutable table of instance types by name, from one source and one date.

    Parameters
    ----------
    rows : iterable of InstanceType
        The types, in any order; they are kept sorted by name.
    as_of : str or date
        The date of the data, or ``"unknown"``.
    source : str
        Where the data are from.
    regions : iterable of str, optional
        All regions that the data cover, including those that offer none of the rows. By default
        the regions of the rows.

    Raises
    ------
    CatalogConflictError
        If a type appears twice.
    InputError
        If the date is invalid.

    Examples
    --------
    >>> catalog = Catalog.bundled()
    >>> catalog["m5.large"].ipv4_per_interface
    10
    >>> "m5.large" in catalog.windows()
    True
    >>> len(catalog.filter(family="m5", region="eu-west-1", max_vcpus=4))
    2
    """

    __slots__ = ("__weakref__", "_as_of", "_hash", "_limits", "_regions", "_rows", "_source")

    _as_of: str
    _hash: int
    _limits: LimitTable
    _regions: tuple[str, ...]
    _rows: dict[str, InstanceType]
    _source: str

    def __init__(
        self,
        rows: Iterable[InstanceType],
        *,
        as_of: str | dt.date,
        source: str,
        regions: Iterable[str] | None = None,
    ) -> None:
        kept: dict[str, InstanceType] = {}
        if not isinstance(rows, Iterable):
            raise UnsupportedInputError(f"rows must be InstanceTypes; got {type(rows).__name__}")
        for row in rows:
            if not isinstance(row, InstanceType):
                raise UnsupportedInputError(
                    f"a catalog is made of InstanceType; got {type(row).__name__}"
                )
            if kept.setdefault(row.name, row) is not row:
                differing = responses.conflicts(kept[row.name], row) or [f"{row.name} comes twice"]
                raise CatalogConflictError(
                    f"two rows for one type: {'; '.join(differing)}", conflicts=differing
                )
        of_rows = {region for row in kept.values() for region in row.regions}
        # Set without __setattr__, which refuses all changes.
        for field, value in (
            ("_rows", {name: kept[name] for name in sorted(kept)}),
            ("_as_of", _iso_day(as_of)),
            ("_source", text(source, name="source")),
            (
                "_regions",
                tuple(
                    sorted(of_rows | set(names(() if regions is None else regions, name="regions")))
                ),
            ),
        ):
            object.__setattr__(self, field, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Catalog cannot be changed; {name!r} was to be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Catalog cannot be changed; {name!r} was to be deleted")

    # -- making one ------------------------------------------------------

    @classmethod
    def bundled(cls) -> Catalog:
        """
        The table that comes with this package.

        It is EC2's answer of `as_of` for all regions; nothing is fetched. Types that EC2 no
        longer lists are included without a region.
        """
        return _bundled()

    @classmethod
    def from_describe_instance_types(
        cls,
        source: Any,
        *,
        offerings: Any = None,
        as_of: str | dt.date | None = None,
        source_name: str | None = None,
    ) -> Catalog:
        """
        Catalog of EC2's own answer.

        Parameters
        ----------
        source : path, file, mapping or iterable of mapping
            Output of ``aws ec2 describe-instance-types``, as a file (also gzipped, or with a
            byte order mark, as PowerShell writes) or parsed; or the pages from boto3.
        offerings : same kinds, optional
            Output of ``aws ec2 describe-instance-type-offerings --location-type region``, for
            one or more regions. Without it, the regions of the types are unknown. Offerings of
            types that `source` lacks are ignored.
        as_of : str or date, optional
            The date of the answer. By default it is read from the answer: boto3's pages contain
            it; output of the CLI does not, and the date is then ``"unknown"``.
        source_name : str, optional
            Name of the source; by default the file's name.

        Raises
        ------
        CatalogFileError
            If the answer is damaged, incomplete, empty or of another kind; the
            error names file and place.
        CatalogConflictError
            If two rows about one type disagree.
        OSError
            If a file cannot be read.

        Examples
        --------
        >>> answer = {"InstanceTypes": []}
        >>> Catalog.from_describe_instance_types(answer)
        Traceback (most recent call last):
        eks_win_capacity.core.errors.CatalogFileError: DescribeInstanceTypes answer holds no instance types
        """
        document, name = _document(source, "DescribeInstanceTypes answer")
        regions: dict[str, list[str]] = {}
        if offerings is not None:
            offered, offerings_name = _document(offerings, "DescribeInstanceTypeOfferings answer")
            regions = responses.regions_of(offered, source=offerings_name)
        rows = responses.instance_types(document, source=name, regions=regions)
        day = responses.day_of(document) if as_of is None else as_of
        return cls(
            rows.values(),
            as_of=day or UNKNOWN_DATE,
            source=source_name or name,
            regions={region for each in regions.values() for region in each},
        )

    @classmethod
    def load(cls, path: Any) -> Catalog:
        """
        Catalog from a file that `save` wrote, without loss.

        Raises
        ------
        CatalogFileError
            If the file is damaged, truncated, empty or of another kind; the
            error names file and place.
        """
        from eks_win_capacity.catalog import saved

        return saved.load(path, catalog=cls)

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        File of the whole catalog in JSON, gzipped if the name ends in ``.gz``.

        The file is replaced as a whole or not at all.
        """
        from eks_win_capacity.catalog import saved

        saved.save(self, path)

    # -- what it says ----------------------------------------------------

    @property
    def as_of(self) -> str:
        """The date of the data, ISO 8601, or ``"unknown"``."""
        return self._as_of

    @property
    def source(self) -> str:
        """Where the data are from."""
        return self._source

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions that the data cover; empty if the data name none."""
        return self._regions

    @property
    def limits(self) -> LimitTable:
        """Limits for the formulas, as arrays; built once."""
        try:
            return self._limits
        except AttributeError:
            from eks_win_capacity.catalog.limit_table import LimitTable

            rows = self._rows.values()
            limits = LimitTable(
                tuple(self._rows),
                tuple(row.ipv4_per_interface for row in rows),
                tuple(row.nitro for row in rows),
                as_of=self._as_of,
                source=self._source,
            )
            object.__setattr__(self, "_limits", limits)
            return limits

    def __getitem__(self, name: str) -> InstanceType:
        """Row of a type; UnknownInstanceTypeError if it is unknown."""
        if name not in self:
            raise self.unknown_error([name])
        return self._rows[name]

    @overload
    def get(self, key: object) -> InstanceType | None: ...

    @overload
    def get(self, key: object, default: DefaultT) -> InstanceType | DefaultT: ...

    def get(self, key: object, default: Any = None) -> Any:
        """The row of a type, or the default for an unknown one."""
        return self._rows.get(key, default) if isinstance(key, str) else default

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        """Whether two catalogs have the same rows, date and source."""
        if not isinstance(other, Catalog):
            return NotImplemented
        return self._all() == other._all()

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            object.__setattr__(self, "_hash", hash(self._all()))
            return self._hash

    def _all(self) -> tuple[Any, ...]:
        return (tuple(self._rows.values()), self._as_of, self._source, self._regions)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuilt, self._all())

    def __repr__(self) -> str:
        return f"<Catalog: {len(self):,} instance types of {self._as_of}, {self._source}>"

    def _repr_html_(self) -> str:
        columns = ["ipv4_per_interface", "nitro", "vcpus", "memory_mib", "windows"]
        rows = self.to_pandas()[columns].head(8)
        return html_frame(rows.reset_index(), title=repr(self).strip("<>"), notes=["..."])

    def unknown_error(
        self, names: Iterable[object], *, positions: Iterable[int] = (), count: int | None = None
    ) -> UnknownInstanceTypeError:
        """
        Error for names without a row, for the caller to raise.

        Parameters
        ----------
        names : iterable
            The first few unknown names, at least one.
        positions : iterable of int, optional
            Where they stand, if they come from a column.
        count : int, optional
            How many there are in all; as many as names by default.
        """
        names, positions = tuple(names), tuple(positions)
        count = len(names) if count is None else count
        close = self.close_matches(names[0])
        shown = ", ".join(map(repr, names))
        at = f" at {positions_of(positions)}"
        more = f" ({count:,} in all)" if count > len(names) else ""
        message = f"no row for {shown}{at * bool(positions)}{more} in the catalog of {self._as_of}."
        why = absent(names[0]) if isinstance(names[0], str) else ""
        if why:
            message += f" {names[0]}: {why}."
        elif close:
            message += f" Did you mean {' or '.join(map(repr, close))}?"
        elif not isinstance(names[0], str):
            message += f" Instance types are named by strings, not {type(names[0]).__name__}."
        else:
            message += (
                " A newer or a filtered-out type? `eks-win-capacity catalog list` tells all; see "
                "`Catalog.source` and `aws.load_catalog`."
            )
        return UnknownInstanceTypeError(
            message,
            names=names,
            positions=positions,
            count=count,
            close_matches=close,
            as_of=self._as_of,
        )

    def close_matches(self, name: object) -> tuple[str, ...]:
        """
        The names similar to a given one, the most similar first.

        Examples
        --------
        >>> Catalog.bundled().close_matches("M5.Large ")
        ('m5.large',)
        """
        if not isinstance(name, str):
            return ()
        from eks_win_capacity.catalog.limits import close_names

        plain = name.strip().lower()
        return (plain,) if plain in self._rows else tuple(close_names(plain, self._rows))

    # -- parts and comparisons -------------------------------------------

    def filter(
        self,
        predicate: Callable[[InstanceType], bool] | None = None,
        **conditions: Unpack[Conditions],
    ) -> Catalog:
        """
        The types that meet all given conditions, as a catalog.

        Parameters
        ----------
        predicate : callable, optional
            Called with each InstanceType; true keeps it.
        names : str or iterable of str, optional
            Names or patterns such as ``m5.*``; one of them must match.
        family, region, architecture, hypervisor, usage_class : str or iterable of str, optional
            One of them must be the type's, or among the type's.
        windows : {"supported", "warned", "unsupported"} or iterable of these, optional
            The status as a Windows node.
        nitro, bare_metal, current_generation : bool, optional
            The type's flag must be this.
        vcpus, memory_mib, ipv4_per_interface, network_interfaces : int, optional
            The type's count must be this. [vCPUs], [MiB], [addresses], [interfaces]
        min_vcpus, max_vcpus, min_memory_mib, ... : int, optional
            Limits of the same counts, included.

        Raises
        ------
        InputError
            If a condition is unknown; the error names similar ones. Also if the catalog
            contains no such region, architecture, hypervisor, usage class or status, so that a
            typing error does not look like an empty result.

        Examples
        --------
        >>> list(Catalog.bundled().filter(names="m5.*large", nitro=True, max_vcpus=4))
        ['m5.large', 'm5.xlarge']
        >>> len(Catalog.bundled().filter(family="m5", vcpus=4))
        1
        """
        from eks_win_capacity.catalog._filters import tests_of

        tests = [*([] if predicate is None else [predicate]), *tests_of(self, conditions)]
        rows = [row for row in self._rows.values() if all(test(row) for test in tests)]
        return Catalog(rows, as_of=self._as_of, source=self._source, regions=self._regions)

    def windows(self) -> Catalog:
        """The types that can run Windows on EKS, those with a warning included."""
        return self.filter(windows=("supported", "warned"))

    def diff(self, other: Catalog) -> CatalogDiff:
        """
        Differences between this catalog and another one.

        Examples
        --------
        >>> old = Catalog.bundled().filter(family="m5")
        >>> new = Catalog.bundled().filter(family=("m5", "t1"))
        >>> print(old.diff(new))
        1 added (t1.micro), 0 removed, 0 changed
        """
        from eks_win_capacity.catalog._diff import compared

        return compared(self, other)

    def to_pandas(self) -> pd.DataFrame:
        """
        The table as a frame, one row for each type.

        Returns
        -------
        DataFrame
            Index ``instance_type``. Columns: the fields of `InstanceType`, its
            family and whether it is Nitro; ``windows`` is the status and
            ``windows_reasons`` the codes. Fields of several strings are tuples.
            ``attrs`` hold ``as_of`` and ``source``.
        """
        from eks_win_capacity.catalog._instance_type import frame

        return frame(self)


def given_or_bundled(catalog: object) -> Catalog:
    """
    The given catalog, or the bundled one if it is None.

    Raises
    ------
    InputError
        If it is not a Catalog.
    """
    if catalog is None:
        return _bundled()
    if not isinstance(catalog, Catalog):
        raise InputError(f"catalog must be a Catalog or None; got {catalog!r:.60}")
    return catalog


@cache
def _bundled() -> Catalog:
    from eks_win_capacity._data import instance_types as data
    from eks_win_capacity.catalog._instance_type import from_text

    rows = from_text(data.ROWS, data.REGIONS, data.SETS)
    return Catalog(rows, as_of=data.AS_OF, source=data.SOURCE, regions=data.REGIONS)


def _rebuilt(
    rows: tuple[InstanceType, ...], as_of: str, source: str, regions: tuple[str, ...]
) -> Catalog:
    return Catalog(rows, as_of=as_of, source=source, regions=regions)


def _document(source: Any, name: str) -> tuple[Any, str]:
    """Parsed document from a file, or one that is already parsed, and its name."""
    if isinstance(source, (str, os.PathLike)) or hasattr(source, "read"):
        from eks_win_capacity.catalog.saved import read_json

        return read_json(source)
    if isinstance(source, Mapping):
        return source, name
    if isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        return list(source), name
    raise UnsupportedInputError(
        f"{name} must be a path, an open file, a mapping or pages; got {type(source).__name__}"
    )


def _iso_day(value: Any) -> str:
    if isinstance(value, dt.date):
        return dt.date(value.year, value.month, value.day).isoformat()
    if not isinstance(value, str) or value != UNKNOWN_DATE:
        try:
            # fromisoformat also accepts 20261123 and week dates, which are refused here.
            known = dt.date.fromisoformat(value).isoformat() == value
        except (TypeError, ValueError):
            known = False
        if not known:
            raise InputError(
                f"as_of must be a day such as '2026-10-02', or {UNKNOWN_DATE!r}; got {value!r}"
            )
    return str(value)
