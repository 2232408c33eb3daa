"""One function applied to each group of rows, such as subnets or clusters, by the engine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eks_win_capacity.core.arguments import mapping
from eks_win_capacity.core.errors import InputError, UnsupportedInputError
from eks_win_capacity.core.lazy import checked_call
from eks_win_capacity.core.values import is_missing
from eks_win_capacity.frames import backends

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

_SPARK_TYPES: Final = {
    "bool": "boolean",
    "datetime64[ns]": "timestamp",
    "float64": "double",
    "int64": "bigint",
    "str": "string",
}
"""Types of answer columns, in the notations of pandas and Spark."""


@checked_call
def study(
    frame: Any,
    answer: Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame],
    *,
    by: str | Sequence[str],
    columns: Mapping[str, str],
    seed: int = 0,
) -> Any:
    """
    Answers of one function for each group of rows, computed in the engine.

    The random numbers of each group depend only on `seed` and the values that name the group.
    So the answer is the same for any number of partitions, workers or retries: an engine that
    loses a worker computes its groups again with the same result.

    Parameters
    ----------
    frame : pandas, Polars, PyArrow, Dask or PySpark frame
        For rows in memory, groups are processed one after the other. Dask and Spark shuffle the
        rows of a group together and stay lazy. Collect other lazy frames first.
    answer : callable
        Called with the rows of one group, in their order, and a Generator; returns the rows of
        the answer. Dask and Spark send it to their workers, where this package must be
        installed.
    by : str or sequence of str
        Columns of strings, integers or booleans, without missing values, that name
        a group.
    columns : mapping of str to str
        Columns of the answer and their types: ``int64``, ``float64``, ``bool``,
        ``str`` or ``datetime64[ns]``.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    frame
        Of the kind of the input: the columns of `by`, then those of the answer; sorted by `by`
        if rows are in memory.

    Raises
    ------
    InputError, UnsupportedInputError
        If a column is missing, a group has no name, a type is unknown, or the frame is lazy and
        cannot be split.

    Examples
    --------
    >>> import pandas as pd
    >>> import eks_win_capacity as ewc
    >>> def waits(rows, rng):
    ...     one = rows.iloc[0]
    ...     work = ewc.Poisson(
    ...         pods_per_minute=one.pods_per_minute, lifetime=ewc.Exponential(60)
    ...     )
    ...     ran = ewc.simulate_churn(
    ...         work, nodes=1, slots=9, pool=ewc.WarmPool.secondary(), hours=1, rng=rng
    ...     )
    ...     return pd.DataFrame({"most": [ran.over_time["addresses"].max()]})
    >>> scenarios = pd.DataFrame({"scenario": ["calm", "busy"], "pods_per_minute": [0.1, 2.0]})
    >>> study(scenarios, waits, by="scenario", columns={"most": "int64"})
      scenario  most
    0     busy     9
    1     calm     4
    """
    data = backends.read_frame(frame)
    names = backends.group_names(data, by)
    if not names:
        raise InputError("by must name a column at least")
    promised = mapping(columns, name="columns", of="names to types")
    if not callable(answer):
        raise UnsupportedInputError(f"answer must be a function; got {type(answer).__name__}")
    _check_call(answer)
    _check_groups(data, names, promised)
    for name, kind in promised.items():
        if not isinstance(kind, str) or kind not in _SPARK_TYPES:
            raise InputError(
                f"columns[{name!r}] must be one of {', '.join(_SPARK_TYPES)}; got {kind!r}"
            )
    asked = _Study(answer, tuple(names), dict(promised), _whole(seed))
    engine, native = data.implementation, data.to_native()
    if engine.is_dask():
        return native.shuffle(on=names).map_partitions(asked, meta=asked.empty(native._meta))  # noqa: SLF001
    if engine.is_pyspark():
        keys = ", ".join(
            f"`{f.name}` {f.dataType.simpleString()}" for f in native.select(names).schema
        )
        kinds = ", ".join(f"{backends.ticked(n)} {_SPARK_TYPES[k]}" for n, k in promised.items())
        # Spark counts the arguments of the function, and counts one too many for a method.
        whole = lambda group: asked.whole(group)  # noqa: E731, PLW0108
        return native.groupBy(*names).applyInPandas(whole, f"{keys}, {kinds}")
    if backends.is_lazy(data):
        raise UnsupportedInputError(f"a plan of {engine} cannot be split; collect it first")
    answers = asked(data.to_pandas())
    return answers if engine.is_pandas() else backends.like(answers, data)


def _check_groups(data: Any, names: list[str], columns: Mapping[str, str]) -> None:
    for name in names:
        dtype = backends.column(data, name, "by")
        if dtype.is_float() or dtype.is_temporal() or dtype.is_nested():
            raise UnsupportedInputError(
                f"by: {name!r} is of {dtype}; name groups by strings, integers or booleans"
            )
        if name in columns:
            raise InputError(f"by: {name!r} is a column of the answer too; rename one")


def _check_call(answer: Callable[..., Any]) -> None:
    """Refuse a function that does not accept the rows of a group and a generator."""
    import inspect

    try:
        taken = inspect.signature(answer)
    except (TypeError, ValueError):  # some functions written in C have no signature
        return
    try:
        taken.bind(None, None)
    except TypeError:
        name = getattr(answer, "__name__", type(answer).__name__)
        raise UnsupportedInputError(
            f"answer is called with the rows of a group and a random generator: write def "
            f"{name if name.isidentifier() else 'answer'}(rows, rng); it takes {taken}"
        ) from None


def _kind(value: object) -> str:
    """Name of a type, with its library unless it is a builtin."""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    return kind.__name__ if library == "builtins" else f"a {kind.__name__} of {library}"


@dataclass(frozen=True)
class _Study:
    """The function and its arguments, as sent to the workers."""

    answer: Callable[[Any, np.random.Generator], Any]
    by: tuple[str, ...]
    columns: dict[str, str]
    seed: int

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Answers for all groups in some rows; each group must be complete."""
        import pandas as pd

        groups = [group for _, group in rows.groupby(list(self.by), sort=True, dropna=False)]
        parts = [self.whole(group) for group in groups]
        return pd.concat(parts, ignore_index=True) if parts else self.empty(rows)

    def whole(self, group: pd.DataFrame) -> pd.DataFrame:
        """Answer for one group."""
        key = [_plain(group[name].iloc[0], name) for name in self.by]
        try:
            answer = self.answer(group.reset_index(drop=True), _generator(self.seed, key))
        except Exception as error:
            error.add_note(f"while the group {', '.join(map(repr, key))} was asked about")
            raise
        import pandas as pd

        if not isinstance(answer, pd.DataFrame):
            raise UnsupportedInputError(
                f"the function must give a pandas DataFrame for each group; got {_kind(answer)}"
            )
        lacking = [name for name in self.columns if name not in answer]
        if lacking:
            raise InputError(f"the answer has no column {lacking[0]!r}; columns= promises it")
        asked = answer[list(self.columns)]
        if asked.shape[1] != len(self.columns):
            raise InputError("the answer has two columns of one name; rename one")
        kinds = self.columns.items()
        answers = pd.DataFrame({name: _cast(asked[name], kind) for name, kind in kinds})
        answers = answers.reset_index(drop=True)
        for position, name in enumerate(self.by):
            values = group[name].iloc[:1].repeat(len(answers)).reset_index(drop=True)
            answers.insert(position, name, values)
        return answers

    def empty(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Empty answer with the right types."""
        import pandas as pd

        kinds = {name: pd.Series(dtype=kind) for name, kind in self.columns.items()}
        keys = {name: rows[name].iloc[:0].reset_index(drop=True) for name in self.by}
        return pd.DataFrame({**keys, **kinds})


def _cast(column: pd.Series[Any], kind: str) -> pd.Series[Any]:
    """
    A column of an answer, converted to the promised type without changing values.

    Raises
    ------
    InputError
        If a value would change, such as 3.7 or a number beyond int64 as an integer.
    """
    import pandas as pd

    promised = f"the answer's column {column.name!r} is not {kind}, which columns= promises"
    try:
        with np.errstate(invalid="ignore"):
            cast: pd.Series[Any] = column.astype(kind)  # type: ignore[call-overload]
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{promised}: {error}") from error
    if kind == "str":  # missing values become the strings "None" and "nan" in pandas 2
        return cast.where(column.notna(), None)
    if kind == "bool" or (kind == "int64" and pd.api.types.is_numeric_dtype(column)):
        other = column[(column != cast).fillna(True)]
        if len(other):
            raise InputError(f"{promised}: it holds {other.tolist()[0]!r}")
    return cast


def _plain(value: Any, name: str) -> str | int | bool:
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, (str, int, bool)):
        # With a missing value, pandas converts integers to floats.
        if is_missing(value) or isinstance(value, float):
            raise InputError(f"by: {name!r} has missing values; fill or drop them")
        raise UnsupportedInputError(
            f"by: {name!r} holds a {type(value).__name__}; name groups by strings, integers or booleans"
        )
    return value


def _whole(seed: object) -> int:
    """A seed as an int, from Python or NumPy."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise InputError(f"seed must be a whole number; got {seed!r}")
    return int(seed)


def _generator(seed: int, key: list[Any]) -> np.random.Generator:
    """Random generator of a group, determined by the seed and the group's name only."""
    digest = hashlib.sha256(repr((seed, key)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest))
