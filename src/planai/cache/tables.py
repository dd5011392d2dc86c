"""What stands for the tables of pandas, and for what is in them; pandas itself is never imported here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _table(value: Any) -> Any:
    """Return the columns of a table, or the values of a series, and all that they are called."""
    attributes = {name: item for name, item in vars(value).items() if not name.startswith("_")}
    if value.ndim == 1:
        return (value.array, value.index, value.name, value.attrs, attributes)
    columns = [value.iloc[:, number].array for number in range(value.shape[1])]
    return (columns, value.index, value.columns, value.attrs, attributes)


def _index(value: Any) -> Any:
    if value.nlevels > 1:
        return (value.names, list(value.levels), [list(map(int, codes)) for codes in value.codes])
    return (value.names, value.array, getattr(value, "freqstr", None))


def _column(value: Any) -> Any:
    """Return the values of a column, with the type; of categories also those that no value has."""
    categories = getattr(value, "categories", None)
    ordered = getattr(value, "ordered", None)
    return (str(value.dtype), value.to_numpy(), categories, ordered)


def _interval(value: Any) -> Any:
    return (value.left, value.right, value.closed)


OF_PANDAS: dict[str, Callable[[Any], Any]] = {
    "pandas._libs.interval:IntervalMixin": _interval,
    "pandas._libs.missing:C_NAType": lambda _: None,
    "pandas._libs.tslibs.nattype:_NaT": lambda _: None,
    "pandas._libs.tslibs.period:_Period": lambda value: (value.ordinal, value.freqstr),
    "pandas._libs.tslibs.timedeltas:_Timedelta": lambda value: (value.to_pytimedelta(), value.nanoseconds),
    "pandas._libs.tslibs.timestamps:_Timestamp": lambda value: (value.to_pydatetime(warn=False), value.nanosecond),
    "pandas.api.extensions:ExtensionArray": _column,
    "pandas.core.arrays.base:ExtensionArray": _column,
    "pandas.core.generic:NDFrame": _table,
    "pandas.core.indexes.base:Index": _index,
    "pandas:Index": _index,
}
"""What makes data of the objects of each class, or of one of its bases; pandas 2 and 3 differ in some names."""
