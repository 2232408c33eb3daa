"""What a Windows node costs by the hour, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from eks_win_capacity.catalog import Catalog

LICENCE_PER_VCPU: Final = 0.046
"""What the Windows licence adds for most families. [USD per vCPU and hour]

Source: Amazon EC2 on-demand pricing, Windows less Linux, US East (N. Virginia).
"""

LICENCE_OF_T3: Final = {
    "nano": 0.0046, "micro": 0.0092, "small": 0.0184, "medium": 0.0184, "large": 0.0276,
    "xlarge": 0.0736, "2xlarge": 0.1472,
}  # fmt: skip
LICENCE_OF_T2: Final = {
    "nano": 0.0023, "micro": 0.0046, "small": 0.009, "medium": 0.018, "large": 0.028,
    "xlarge": 0.041, "2xlarge": 0.062,
}  # fmt: skip
"""What the Windows licence adds for T types, by size. [USD per hour]

Source: Amazon EC2 on-demand pricing, Windows less Linux, US East (N. Virginia).
"""

COLUMNS: Final = (
    "instance_type", "market", "zone", "price", "currency", "licence", "as_of", "estimated",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Prices:
    """
    Prices of Windows nodes.

    Attributes
    ----------
    table : DataFrame
        One row a type, market (``on-demand`` or ``spot``) and zone (spot only):
        ``price`` per hour, ``currency``, ``licence``, ``as_of``, ``estimated``.
    region : str
    currency : str
    as_of : str
        Date of the newest price.
    licence : str
        ``included``: the price holds the Windows licence.
    left_out : tuple of str
        Products that carry no usable price, and why.

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

    def series(self, market: str = "on-demand") -> pd.Series:
        """
        Give the price of each type; of several zones, the lowest.

        Raises
        ------
        InputError
            If there is no price of that market.
        """
        rows = self.table[self.table["market"] == market]
        if rows.empty:
            raise InputError(f"no {market} price is known in {self.region or 'this table'}")
        found: pd.Series = rows.groupby("instance_type")["price"].min()
        return found.rename("price")


def estimate_windows_prices(
    linux: Mapping[str, float] | pd.Series,
    *,
    licence_per_vcpu: float = LICENCE_PER_VCPU,
    region: str = "",
    as_of: str = "unknown",
    catalog: Catalog | None = None,
) -> Prices:
    """
    Add the Windows licence to Linux prices; every price is marked as estimated.

    Parameters
    ----------
    linux : mapping or Series of float
        Linux on-demand price by instance type. [USD per hour]
    licence_per_vcpu : float
        What the licence adds; T types have rates of their own. [USD per vCPU and hour]
    region, as_of : str, optional
        Where and of what day the Linux prices are.
    catalog : Catalog, optional
        The bundled one by default.

    Returns
    -------
    Prices
        With ``estimated`` true in every row.

    Raises
    ------
    InputError
        If a price is not above zero, or none is given.
    UnknownInstanceTypeError
        If the catalog lacks a type.

    Examples
    --------
    >>> estimate_windows_prices({"m5.large": 0.096}).series()["m5.large"].round(3).item()
    0.188
    """
    import pandas as pd

    if catalog is None:
        from eks_win_capacity.catalog import Catalog

        catalog = Catalog.bundled()
    rows: list[dict[str, Any]] = []
    for name, price in linux.items():
        if not isinstance(price, (int, float)) or isinstance(price, bool) or not 0 < price < 1e6:
            raise InputError(f"the Linux price of {name} must be above zero; got {price!r}")
        row = catalog[str(name)]
        family, _, size = row.name.partition(".")
        special = {"t3": LICENCE_OF_T3, "t3a": LICENCE_OF_T3, "t2": LICENCE_OF_T2}.get(family, {})
        licence = special.get(size, licence_per_vcpu * row.vcpus)
        rows.append(
            {
                "instance_type": row.name,
                "market": "on-demand",
                "zone": None,
                "price": float(price) + licence,
                "currency": "USD",
                "licence": "included",
                "as_of": as_of,
                "estimated": True,
            }
        )
    if not rows:
        raise InputError("no Linux price is given")
    return Prices(
        table=pd.DataFrame(rows, columns=list(COLUMNS)), region=region, currency="USD", as_of=as_of
    )
