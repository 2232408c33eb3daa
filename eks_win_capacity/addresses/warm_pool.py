"""How many addresses does a node keep attached: the warm pool and its steady state."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eks_win_capacity.addresses.targets import (
    CONFIGMAP_NAME,
    CONFIGMAP_NAMESPACE,
    MINIMUM_IP,
    TARGETS,
    WARM_IP,
    WARM_PREFIX,
    asking,
    read_pairs,
    read_targets,
    refuse_large,
    target_findings,
    uses_prefix_rule,
)
from eks_win_capacity.catalog.limits import by_mode, secondary
from eks_win_capacity.core.constants import ADDRESSES_PER_PREFIX, MAX_COUNT
from eks_win_capacity.core.display import Listed, Shown, html_fields, html_table, plain_fields
from eks_win_capacity.core.errors import InvalidCountError, UnsupportedInputError, WarmTargetError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.values import same_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from eks_win_capacity.core.findings import Finding

__all__ = ["PoolState", "WarmPool", "attached_addresses"]

_LOWEST: Final = -(2**63)


@checked_call
@dataclass(frozen=True, kw_only=True)
class WarmPool(Shown):
    """
    The address mode of a node and its effective warm targets.

    Use :meth:`from_configmap`, :meth:`secondary` or :meth:`prefix` to make one: they apply the
    defaults of the controller.

    Attributes
    ----------
    prefix_delegation : bool
        Whether the node runs in prefix mode.
    warm_ip_target, minimum_ip_target : int
        Effective targets. In prefix mode with only a warm-prefix target they keep the values
        that were read, without effect. [addresses]
    warm_prefix_target : int
        Effective target; it has an effect in prefix mode if neither of the others is above
        zero. [prefixes]
    findings : tuple of Finding
        Problems in the source of the targets. Pools with equal targets are equal even if their
        findings differ.

    Raises
    ------
    InvalidCountError
        If a target is not a whole number, or below what its mode allows.
    WarmTargetError
        If a target is above 10**6, or no target of a prefix pool is above zero.

    Examples
    --------
    >>> WarmPool.secondary(warm_ip_target=1, minimum_ip_target=0)
    WarmPool(prefix_delegation=False, warm_ip_target=1, minimum_ip_target=0, warm_prefix_target=0)
    """

    prefix_delegation: bool
    warm_ip_target: int
    minimum_ip_target: int
    warm_prefix_target: int = 0
    findings: tuple[Finding, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.findings, (list, tuple)):
            raise UnsupportedInputError(f"findings must be Findings; got {self.findings!r:.60}")
        object.__setattr__(self, "findings", Listed(self.findings))
        if not isinstance(self.prefix_delegation, bool):
            raise UnsupportedInputError(
                f"prefix_delegation must be True or False; got {self.prefix_delegation!r}"
            )
        targets = targets_of(self)
        low = _LOWEST if self.prefix_delegation else 0
        for name, value in targets.items():
            object.__setattr__(self, name, _target(value, name, low=low))
        refuse_large(targets_of(self))
        if not self.prefix_delegation and self.warm_prefix_target:
            raise WarmTargetError(
                "warm_prefix_target has no meaning in secondary mode; "
                f"got {self.warm_prefix_target:,}"
            )
        if self.prefix_delegation and not (
            self.prefix_rule or (self.warm_ip_target > 0 and self.minimum_ip_target > 0)
        ):
            raise WarmTargetError(
                "a prefix pool has a warm-ip and a minimum-ip target above zero, or a warm-prefix "
                f"target alone; got {targets}: WarmPool.prefix() fills in the defaults"
            )

    @property
    def prefix_rule(self) -> bool:
        """Whether the pool keeps whole warm prefixes rather than warm addresses."""
        return self.prefix_delegation and uses_prefix_rule(
            self.warm_ip_target, self.minimum_ip_target, self.warm_prefix_target
        )

    @classmethod
    def from_configmap(
        cls, source: object, *, nitro: bool = True, slots: int | None = None
    ) -> WarmPool:
        """
        Pool of the effective mode and targets, as the controller reads them.

        Parameters
        ----------
        source : mapping, str, bytes or None
            The ``data`` mapping of kube-system/amazon-vpc-cni, the whole
            ConfigMap, its YAML or JSON string, or None if the cluster has none.
        nitro : bool
            Whether the instance type is Nitro or bare metal.
        slots : int, optional
            IPv4 addresses per interface - 1, for the finding
            ``target-above-capacity``; the largest interface by default.

        Returns
        -------
        WarmPool
            With `findings`. A ConfigMap that does not manage Windows nodes gives a secondary
            pool with the finding ``windows-ipam-off``.

        Raises
        ------
        ConfigMapError
            If the source is not a ConfigMap, or holds values that are not strings.
        InvalidCountError
            If `slots` is not a whole number from 1.
        WarmTargetError
            If an effective target is above 10**6.

        References
        ----------
        amazon-vpc-resource-controller-k8s, commit b8d425119bdb, ``pkg/config``.

        Examples
        --------
        >>> WarmPool.from_configmap({"enable-windows-ipam": "true", "warm-ip-target": "1"})
        WarmPool(prefix_delegation=False, warm_ip_target=1, minimum_ip_target=0, ...)
        """
        from eks_win_capacity.addresses.configmap import read_configmap

        configmap = read_configmap(source)
        return cls(**read_targets(configmap, nitro=_flag(nitro, "nitro"), slots=_room(slots)))

    @classmethod
    def secondary(
        cls,
        *,
        warm_ip_target: int = WARM_IP.secondary,
        minimum_ip_target: int = MINIMUM_IP.secondary,
    ) -> WarmPool:
        """
        Pool in secondary mode, from its effective targets.

        A warm target of 0 is accepted, although a ConfigMap can only set it by a minimum
        without a warm target. Then nothing is created beyond the minimum.

        Parameters
        ----------
        warm_ip_target, minimum_ip_target : int
            From 0 to 10**6; the controller's defaults if left out. [addresses]

        Raises
        ------
        InvalidCountError, WarmTargetError
            If a target is not a whole number, negative, or above 10**6.
        """
        return cls._filled(
            False,
            _target(warm_ip_target, "warm_ip_target"),
            _target(minimum_ip_target, "minimum_ip_target"),
        )

    @classmethod
    def prefix(
        cls,
        *,
        warm_ip_target: int | None = None,
        minimum_ip_target: int | None = None,
        warm_prefix_target: int | None = None,
    ) -> WarmPool:
        """
        Pool in prefix mode, from targets as written in a ConfigMap.

        As in the controller, 0 is the same as a missing target. A warm-prefix target has an
        effect only if it is the only one; otherwise a missing warm-ip target is 1 and a missing
        minimum is 3.

        Parameters
        ----------
        warm_ip_target, minimum_ip_target : int, optional
            From 0 to 10**6. [addresses]
        warm_prefix_target : int, optional
            From 0 to 10**6. [prefixes]

        Raises
        ------
        InvalidCountError, WarmTargetError
            If a target is not a whole number, negative, or above 10**6.

        Examples
        --------
        >>> WarmPool.prefix(warm_prefix_target=2).prefix_rule
        True
        >>> WarmPool.prefix(warm_ip_target=5).minimum_ip_target
        3
        """
        given = {
            "warm_ip_target": warm_ip_target,
            "minimum_ip_target": minimum_ip_target,
            "warm_prefix_target": warm_prefix_target,
        }
        wished = (_target(0 if x is None else x, name) for name, x in given.items())
        return cls._filled(True, *wished)

    @classmethod
    @functools.lru_cache(maxsize=64)
    def _filled(cls, prefixes: bool, warm: int, minimum: int, warm_prefix: int = 0) -> WarmPool:  # noqa: FBT001
        """
        Pool of targets as written, with the controller's defaults for 0, and its findings.

        Cached, because hundreds of types share a few pools.
        """
        if prefixes and not uses_prefix_rule(warm, minimum, warm_prefix):
            warm, minimum = warm or WARM_IP.prefix, minimum or MINIMUM_IP.prefix
        pool = cls(
            prefix_delegation=prefixes,
            warm_ip_target=warm,
            minimum_ip_target=minimum,
            warm_prefix_target=warm_prefix,
        )
        object.__setattr__(pool, "findings", pool.lint())
        return pool

    def lint(self, *, slots: int | None = None) -> Listed[Finding]:
        """
        Problems in the targets themselves, on a node with this number of slots.

        Parameters
        ----------
        slots : int, optional
            IPv4 addresses per interface - 1; the largest interface by default.

        Returns
        -------
        Listed of Finding

        Raises
        ------
        InvalidCountError
            If `slots` is not a whole number from 1.
        """
        return Listed(
            target_findings(
                *targets_of(self).values(),
                prefix_delegation=self.prefix_delegation,
                slots=_room(slots),
            )
        )

    def to_configmap(self) -> str:
        """
        ConfigMap that sets these targets.

        Returns
        -------
        str
            YAML for ``kubectl apply -f -``. Reading it back gives an equal pool.

        Raises
        ------
        WarmTargetError
            If no ConfigMap can set these targets: in secondary mode, both at 0.

        Examples
        --------
        >>> print(WarmPool.prefix(warm_prefix_target=1).to_configmap())
        # The keys warm-ip-target, minimum-ip-target and warm-prefix-target must
        # not stand beside these: they would win.
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: amazon-vpc-cni
          namespace: kube-system
        data:
          enable-windows-ipam: "true"
          enable-windows-prefix-delegation: "true"
          windows-warm-prefix-target: "1"
        """
        if not self.prefix_delegation and self.warm_ip_target == self.minimum_ip_target == 0:
            raise WarmTargetError(
                "no ConfigMap gives a warm and a minimum target of 0 in secondary mode: "
                "the controller puts 3 and 3 in their place"
            )
        values = dict(zip(TARGETS, targets_of(self).values(), strict=True))
        if self.prefix_delegation:
            values = {target: value for target, value in values.items() if value}
        else:
            del values[WARM_PREFIX]
            if self.warm_ip_target == 0:
                # Zero would be read as 1: only a missing key gives it.
                del values[WARM_IP]
        pairs = {
            **asking(prefixes=self.prefix_delegation),
            **{f"windows-{target.key}": value for target, value in values.items()},
        }
        return (
            f"# The keys {WARM_IP.key}, {MINIMUM_IP.key} and {WARM_PREFIX.key} must\n"
            "# not stand beside these: they would win.\n"
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n"
            f"  name: {CONFIGMAP_NAME}\n  namespace: {CONFIGMAP_NAMESPACE}\ndata:\n"
            + "".join(f'  {key}: "{value}"\n' for key, value in pairs.items())
        )

    def _repr_html_(self) -> str:
        targets = mode_and_targets(self)
        if not self.prefix_delegation:
            targets[WARM_PREFIX.name] = None
        notes = [f"{finding.seen}: {finding.why}" for finding in self.findings]
        return html_fields("Warm pool", targets, notes=notes)


def pool_of_pairs(
    data: Mapping[str, str], *, nitro: bool = True, slots: int | None = None
) -> WarmPool:
    """Pool of the pairs of a ConfigMap, as `WarmPool.from_configmap` reads them."""
    return WarmPool(**read_pairs(data, nitro=nitro, slots=slots))


def targets_of(pool: WarmPool) -> dict[str, int]:
    """Targets of a pool by name, in the order of `TARGETS`."""
    return {target.name: getattr(pool, target.name) for target in TARGETS}


def mode_and_targets(pool: WarmPool) -> dict[str, Any]:
    """Mode and targets of a pool, as a row of a table."""
    return {"mode": "prefix" if pool.prefix_delegation else "secondary", **targets_of(pool)}


def pool_of_targets(values: Mapping[str, Any], *, prefix_delegation: bool) -> WarmPool:
    """Pool of targets by name, without those that do not exist in its mode."""
    make = WarmPool.prefix if prefix_delegation else WarmPool.secondary
    known = (x.name for x in TARGETS if prefix_delegation or not x.prefix_only)
    return make(**{name: values[name] for name in known})


def lean(*, prefix_delegation: bool, warm_ip_target: int = 1) -> WarmPool:
    """Pool with the lowest targets with which every pod still gets an address."""
    if prefix_delegation:
        return WarmPool.prefix(warm_ip_target=warm_ip_target, minimum_ip_target=1)
    return WarmPool.secondary(warm_ip_target=warm_ip_target, minimum_ip_target=0)


def _target(value: object, name: str, *, low: int = 0) -> int:
    """One target as a whole number from `low`; `refuse_large` checks the upper limit."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise InvalidCountError(f"{name} must be a whole number; got {value!r}")
    if number < low:
        raise InvalidCountError(
            f"{name} must be a whole number from {max(low, 0):,} to {MAX_COUNT:,}; got {number:,}"
        )
    return int(number)


def _room(slots: object) -> int | None:
    """Slots of a node; None for those of the largest interface."""
    return None if slots is None else _target(slots, "slots", low=1)


def _flag(value: object, name: str) -> bool:
    if type(value).__name__ not in {"bool", "bool_"}:
        raise UnsupportedInputError(f"{name} must be True or False; got {value!r}")
    return bool(value)


class Choices(NamedTuple):
    """Minimum, maximum and choice for one kind of columns or numbers."""

    least: Callable[..., Any]
    most: Callable[..., Any]
    where: Callable[[Any, Any, Any], Any]


def either(known: bool, yes: Any, no: Any) -> Any:  # noqa: FBT001
    """One of two values by a single flag: the `where` of one pool."""
    return yes if known else no


def prefixes_for(addresses: Any) -> Any:
    """Prefixes needed for a number of addresses."""
    return (addresses + (ADDRESSES_PER_PREFIX - 1)) // ADDRESSES_PER_PREFIX


def used_addresses(pods: Any, slots: Any, pool: Any, ops: Choices) -> Any:
    """Pods that get an address; in secondary mode without a warm target, at most the minimum."""
    starved = ops.where(pool.warm_ip_target == 0, ops.least(slots, pool.minimum_ip_target), slots)
    return ops.least(pods, ops.where(pool.prefix_delegation, slots * ADDRESSES_PER_PREFIX, starved))


def kept_prefixes(used: Any, occupied: Any, slots: Any, pool: Any, ops: Choices) -> Any:
    """Prefixes attached, with `used` addresses in `occupied` of them."""
    # Pods beyond the capacity are not part of `used`, so the target ignores them.
    wanted = prefixes_for(_wanted(used, pool, ops))
    by_rule = ops.where(
        pool.prefix_rule, occupied + pool.warm_prefix_target, ops.most(wanted, occupied)
    )
    return ops.where(pool.prefix_delegation, ops.least(slots, by_rule), slots * 0)


def kept_addresses(used: Any, prefixes: Any, slots: Any, pool: Any, ops: Choices) -> Any:
    """Addresses attached, with `used` of them in use and `prefixes` attached."""
    single = ops.least(slots, _wanted(used, pool, ops))
    return ops.where(pool.prefix_delegation, prefixes * ADDRESSES_PER_PREFIX, single)


def _wanted(used: Any, pool: Any, ops: Choices) -> Any:
    return ops.most(used + pool.warm_ip_target, pool.minimum_ip_target)


def _all_of(ufunc: Any) -> Callable[..., Any]:
    return lambda *values: functools.reduce(ufunc, values)


def steady_state(
    pods: Any, slots: Any, pool: Any, *, peak: Any, fragmented: Any, where: Callable[..., Any]
) -> tuple[Any, Any, Any]:
    """
    Addresses and prefixes attached, and addresses used, in the steady state.

    `pool` is one pool, or columns with the names of its fields; `where` is `either` for one and
    ``numpy.where`` for columns. `peak` is the maximum of prefixes that the node ever had; if it
    is fragmented, every pod may use a separate prefix.
    """
    import numpy as np

    ops = Choices(_all_of(np.minimum), _all_of(np.maximum), where)
    used = used_addresses(pods, slots, pool, ops)
    occupied = prefixes_for(used)
    worst = np.maximum(occupied, np.minimum(np.minimum(slots, peak), used))
    prefixes = kept_prefixes(used, np.where(fragmented, worst, occupied), slots, pool, ops)
    return kept_addresses(used, prefixes, slots, pool, ops), prefixes, used


@dataclass(frozen=True, kw_only=True, eq=False)
class AddressCurve:
    """
    Addresses and prefixes that one node attaches, as a function of its pods.

    Attributes
    ----------
    addresses, prefixes : ndarray of int64, shape (capacity + 1,)
        For 0, 1, ... pods up to the capacity of the interface; read-only. The node's own
        address is not counted.
    most : int
        Maximum number of pods that get an address; below the capacity if the warm target is 0,
        because the pool then creates nothing beyond its minimum. [pods]
    """

    addresses: NDArray[np.int64]
    prefixes: NDArray[np.int64]
    most: int


@functools.lru_cache(maxsize=512)
def curve_of(ipv4_per_interface: int, pool: Any, *, fragmented: bool = False) -> AddressCurve:
    """
    Curve of a node by the addresses of its interface and the pool that acts there.

    Cached, because hundreds of types share a few curves. `fragmented` as in `attached_addresses`.

    Examples
    --------
    >>> curve = curve_of(10, WarmPool.prefix())
    >>> curve.addresses[[0, 16, 17]], curve.most
    (array([16, 32, 32]), 144)
    """
    import numpy as np

    slots = secondary(ipv4_per_interface)
    capacity = by_mode(ipv4_per_interface, int(pool.prefix_delegation))
    pods = np.arange(capacity + 1)
    state = steady_state(pods, slots, pool, peak=slots, fragmented=fragmented, where=either)
    addresses, prefixes, used = (np.broadcast_to(column, pods.shape).copy() for column in state)
    for column in (addresses, prefixes):
        column.flags.writeable = False
    return AddressCurve(addresses=addresses, prefixes=prefixes, most=int(used[-1]))


@checked_call
@dataclass(frozen=True)
class PoolState(Shown):
    """
    Addresses that a node keeps attached for its pods.

    Attributes
    ----------
    addresses : int, ndarray or Series
        Pod addresses attached; 16 for every prefix. The node's own primary
        address is not counted. [addresses]
    prefixes : int, ndarray or Series
        Prefixes attached; 0 in secondary mode. [prefixes]
    used : int, ndarray or Series
        Pods that got an address. [pods]
    warm : int, ndarray or Series
        Free addresses, ready for the next pod. [addresses]

    Examples
    --------
    >>> state = attached_addresses(5, slots=9, pool=WarmPool.prefix(warm_prefix_target=1))
    >>> state
    PoolState(addresses=32, prefixes=2, used=5, warm=27)
    """

    addresses: Any
    prefixes: Any
    used: Any
    warm: Any

    def _repr_html_(self) -> str:
        import numpy as np

        columns = plain_fields(self)
        rows = zip(*(np.ravel(values).tolist() for values in columns.values()), strict=True)
        return html_table(list(columns), rows, title="Attached to a node")

    __eq__ = same_values


@checked_call
def attached_addresses(
    pods: Any, *, slots: Any, pool: Any, fragmented: Any = False, peak_prefixes: Any = None
) -> PoolState:
    """
    Addresses that a node keeps attached in the steady state.

    A node takes more addresses from its subnet than it has pods: the warm targets keep
    addresses in reserve, and a prefix is always whole. The answer is exact for a node that has
    only grown. In prefix mode, pods that end may leave prefixes half empty, and the controller
    never compacts them; `fragmented` gives the worst case.

    Parameters
    ----------
    pods : int, array_like or Series
        Pods that need an address. Any shape. [pods]
    slots : int, array_like or Series
        IPv4 addresses per interface - 1. [slots]
    pool : WarmPool, or array_like or Series of WarmPool
        Mode and targets. All arguments broadcast.
    fragmented : bool, array_like or Series
        Whether each pod may use a separate prefix. Without effect in secondary mode.
    peak_prefixes : int, array_like or Series, optional
        With `fragmented`: the maximum number of prefixes that the node ever had, as pods cannot
        be spread over more. All slots by default. [prefixes]

    Returns
    -------
    PoolState
        Each field has the kind of the input: int, array or Series.

    Raises
    ------
    InvalidCountError
        If a count is not a whole number or out of range.
    UnsupportedInputError
        If `pool` holds anything but warm pools.
    ShapeMismatchError, IndexMismatchError
        If the arguments do not go together.

    References
    ----------
    amazon-vpc-resource-controller-k8s, commit b8d425119bdb, ``pkg/pool``.

    Examples
    --------
    >>> attached_addresses(9, slots=9, pool=WarmPool.secondary())
    PoolState(addresses=9, prefixes=0, used=9, warm=0)
    >>> attached_addresses([0, 15, 16], slots=9, pool=WarmPool.prefix()).prefixes
    array([1, 1, 2])
    >>> attached_addresses(20, slots=14, pool=WarmPool.prefix(), fragmented=True).addresses
    224
    """
    import numpy as np

    from eks_win_capacity.core import arrays

    peaks = slots if peak_prefixes is None else peak_prefixes
    columns = {"pods": pods, "slots": slots, "pool": pool, "fragmented": fragmented}
    if peak_prefixes is not None:
        columns["peak_prefixes"] = peak_prefixes
    shape = arrays.common_shape(**columns)
    one = isinstance(pool, WarmPool)
    addresses, prefixes, used = steady_state(
        arrays.counts(pods, name="pods"),
        arrays.counts(slots, name="slots", low=1),
        pool if one else _pool_columns(pool),
        peak=arrays.counts(peaks, name="peak_prefixes"),
        fragmented=arrays.flags(fragmented, name="fragmented"),
        where=either if one else np.where,
    )

    def given(column: NDArray[np.int64], answer: str) -> Any:
        whole = np.broadcast_to(column, shape).astype(np.int64)
        return arrays.in_kind(whole, answer=answer, **columns)

    return PoolState(
        addresses=given(addresses, "addresses"),
        prefixes=given(prefixes, "prefixes"),
        used=given(used, "used"),
        warm=given(addresses - used, "warm"),
    )


def _pool_columns(pool: Any) -> SimpleNamespace:
    """Modes and targets of pools as columns, with the names of the fields of a pool."""
    import numpy as np

    from eks_win_capacity.core import arrays

    arrays.refuse_frame(pool, "pool")
    array = np.asarray(arrays.unmasked(pool, "pool"), dtype=object)
    for position, item in enumerate(array.flat):
        if not isinstance(item, WarmPool):
            where = f" at position {position}" if array.ndim else ""
            raise UnsupportedInputError(f"pool must be a WarmPool; got {item!r}{where}")
    pools = list(array.flat)
    names = {
        "prefix_delegation": bool,
        "prefix_rule": bool,
        **dict.fromkeys((target.name for target in TARGETS), np.int64),
    }
    return SimpleNamespace(
        **{
            name: np.array([getattr(x, name) for x in pools], dtype=dtype).reshape(array.shape)
            for name, dtype in names.items()
        }
    )
