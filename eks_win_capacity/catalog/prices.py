"""What does a Windows node cost per hour: known prices and estimates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core.arguments import mapping, number, real, text
from eks_win_capacity.core.display import html_table
from eks_win_capacity.core.errors import InputError, UnsupportedInputError, count_of
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.values import same_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from eks_win_capacity.catalog import Catalog

LICENCE_PER_VCPU: Final = 0.046
"""What the Windows licence adds for most families. [USD per vCPU and hour]

Source: Windows less Linux in the AWS price list; the same in every region, and within
0.001 for 95 percent of the types. Strategic Blue, "Understanding Windows License Costs
on AWS", 2023-06-21, which names the T family as the exception.
"""

_LICENCE_OF_T3: Final = {
    "nano": 0.0046, "micro": 0.0092, "small": 0.0184, "medium": 0.0184, "large": 0.0276,
    "xlarge": 0.0736, "2xlarge": 0.1472,
}  # fmt: skip
_LICENCE_OF_T2: Final = {
    "nano": 0.0023, "micro": 0.0046, "small": 0.009, "medium": 0.018, "large": 0.028,
    "xlarge": 0.041, "2xlarge": 0.062,
}  # fmt: skip
LICENCE_OF_T: Final = {"t2": _LICENCE_OF_T2, "t3": _LICENCE_OF_T3, "t3a": _LICENCE_OF_T3}
"""What the Windows licence adds for T types, by family and size. [USD per hour]

Source: Amazon EC2 on-demand pricing, Windows less Linux, US East (N. Virginia). Held
against single entries of the price list: t2.micro 0.0162 - 0.0116 (us-west-2), t3.medium
0.0640 - 0.0456 (eu-west-1), and 0.0736 for "Windows t3.xlarge Dedicated Host Instance",
where the licence stands alone. A T family without a line here has no known rate.
"""

COLUMNS: Final = (
    "instance_type", "market", "zone", "price", "currency", "licence", "as_of", "estimated",
)  # fmt: skip


@checked_call
@dataclass(frozen=True, kw_only=True)
class Prices:
    """
    Prices of Windows nodes.

    Attributes
    ----------
    table : DataFrame
        One row per type, market (``on-demand`` or ``spot``) and zone (spot only): ``price`` per
        hour, ``currency``, ``licence``, ``as_of``, ``estimated``.
    region : str
    currency : str
    as_of : str
        Date of the newest price.
    licence : str
        ``included``: the price includes the Windows licence.
    left_out : tuple of str
        Products without a usable price, and why.

    Examples
    --------
    >>> prices = estimate_windows_prices({"m5.large": 0.096}, as_of="2026-10-02")
    >>> prices.currency, prices.as_of, prices.licence
    ('USD', '2026-10-02', 'included')
    """

    table: pd.DataFrame
    region: str
    currency: str
    as_of: str
    licence: str = "included"
    left_out: tuple[str, ...] = ()

    __eq__ = same_values

    def series(self, market: str = "on-demand") -> pd.Series:
        """
        The price of each type, the lowest of all zones.

        Raises
        ------
        InputError
            If no price of that market is known.
        """
        rows = self.table[self.table["market"] == market]
        if rows.empty:
            raise InputError(f"no {market} price is known in {self.region or 'this table'}")
        cheapest: pd.Series = rows.groupby("instance_type")["price"].min()
        return cheapest.rename("price")

    def to_pandas(self) -> pd.DataFrame:
        """`table`: one row for each type, market and zone."""
        return self.table

    def _title(self) -> str:
        where = f" in {self.region}" if self.region else ""
        return f"Prices per hour{where} in {self.currency}, of {self.as_of}"

    def __repr__(self) -> str:
        """How many prices, where and when."""
        return f"<{self._title()}: {count_of(len(self.table), 'row')}>"

    def _repr_html_(self) -> str:
        title = self._title()
        return html_table([*map(str, self.table)], self.table.itertuples(index=False), title=title)


_ESTIMATE: Final = {
    "market": "on-demand", "zone": None, "currency": "USD", "licence": "included", "estimated": True,
}  # fmt: skip
"""What every estimated price has in common."""


@checked_call
def estimate_windows_prices(
    linux: Mapping[str, float] | pd.Series,
    *,
    licence_per_vcpu: float = LICENCE_PER_VCPU,
    licences: Mapping[str, float] | None = None,
    region: str = "",
    as_of: str = "unknown",
    catalog: Catalog | None = None,
) -> Prices:
    """
    Estimated Windows prices: Linux prices plus the Windows licence.

    Parameters
    ----------
    linux : mapping or Series of float
        Linux on-demand price by instance type. [USD per hour]
    licence_per_vcpu : float
        Price of the licence for all but T types. [USD per vCPU and hour]
    licences : mapping of float, optional
        Price of the licence for single types, which overrides any rate. T types have separate
        rates by size; those of t2, t3 and t3a are known. [USD per hour]
    region, as_of : str, optional
        Region and date of the Linux prices.
    catalog : Catalog, optional
        The bundled one by default.

    Returns
    -------
    Prices
        With ``estimated`` true in every row; ``left_out`` names the types that
        cannot run Windows.

    Raises
    ------
    InputError
        If a price is not above zero, none is given, or the rate of a T type is not
        known.
    UnknownInstanceTypeError
        If the catalog lacks a type.
    UnsupportedInputError
        If the prices are not a mapping or a Series.

    References
    ----------
    Amazon EC2 on-demand pricing, Windows less Linux.

    Examples
    --------
    >>> estimate_windows_prices({"m5.large": 0.096}).series()["m5.large"].round(3).item()
    0.188
    """
    import pandas as pd

    if not hasattr(linux, "items"):
        raise UnsupportedInputError(
            f"linux must be a mapping or Series of prices by instance type; got {type(linux).__name__}"
        )
    from eks_win_capacity.catalog import given_or_bundled

    catalog = given_or_bundled(catalog)
    licence_per_vcpu = number(licence_per_vcpu, name="licence_per_vcpu")
    licences = {
        name: number(price, name=f"licences[{name!r}]")
        for name, price in mapping({} if licences is None else licences, name="licences").items()
    }
    text(region, name="region")
    text(as_of, name="as_of")
    rows: list[dict[str, Any]] = []
    left_out: list[str] = []
    for name, price in linux.items():
        hourly = _hourly(name, price)
        row = catalog[str(name)]
        if "x86_64" not in row.architectures:
            left_out.append(f"{row.name}: {', '.join(row.architectures)} cannot run Windows")
            continue
        if (licence := licences.get(row.name)) is None:
            licence = _licence(row.name, licence_per_vcpu * row.vcpus)
        rows.append(_ESTIMATE | {"instance_type": row.name, "price": hourly + licence})
    if not rows:
        raise InputError("no Linux price is given" + "".join(f"; {text}" for text in left_out[:3]))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).assign(as_of=as_of)
    return Prices(table=table, region=region, currency="USD", as_of=as_of, left_out=tuple(left_out))


def _hourly(name: object, price: object) -> float:
    hourly = real(price)
    if hourly is None or not 0 < hourly < 1e6:
        raise InputError(f"the Linux price of {name} must be above zero; got {price!r}")
    return hourly


def _licence(name: str, common: float) -> float:
    """Price of the licence of one type. [USD per hour]; InputError if unknown."""
    family, _, size = name.partition(".")
    if not re.fullmatch(r"t[0-9][a-z]*", family):
        return common
    known = LICENCE_OF_T.get(family, {}).get(size)
    if known is None:
        raise InputError(
            f"the Windows licence of {name} is not known: T types have rates of their own; give "
            f"licences={{{name!r}: ...}} or leave the type out"
        )
    return known
