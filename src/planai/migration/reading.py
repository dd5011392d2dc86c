"""Read the entries of a PlanAI cache, and print each as a line of JSON: a program of its own, without planai.

Unpickling may run any code that the pickle names. Here it makes stand-ins in place of all classes but a few harmless
ones, so that nothing is imported and nothing called; and what is left of the risk stays in this process.
"""

from __future__ import annotations

import base64
import collections
import datetime as dt
import decimal
import io
import json
import pickle
import sqlite3
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

_HARMLESS = {
    ("builtins", kind.__name__): kind
    for kind in (bytearray, bytes, complex, dict, float, frozenset, int, list, set, str, tuple)
} | {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("datetime", "date"): dt.date,
    ("datetime", "datetime"): dt.datetime,
    ("datetime", "time"): dt.time,
    ("datetime", "timedelta"): dt.timedelta,
    ("datetime", "timezone"): dt.timezone,
    ("decimal", "Decimal"): decimal.Decimal,
    ("uuid", "UUID"): uuid.UUID,
}
_PICKLED = 4
"""What diskcache writes into the column ``mode`` for a pickle."""


class StandIn:
    """Stands for an instance of a class that is not imported."""

    kind = ""

    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> Self:
        """Make one; pickles call this alone, or the class."""
        made = super().__new__(cls)
        made.args, made.state = args, None
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state

    @property
    def is_model(self) -> bool:
        """Whether there are fields, as pydantic writes them."""
        return isinstance(self.state, dict) and isinstance(self.state.get("__dict__"), dict)


class Reader(pickle.Unpickler):
    """Makes stand-ins."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a harmless class, or one of stand-ins."""
        known = _HARMLESS.get((module, name))
        return known or type(name, (StandIn,), {"kind": name})


def entries(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what is in a cache folder: key, input and outputs of each entry, or what is wrong with it."""
    connection = sqlite3.connect(f"file:{folder / 'cache.db'}?mode=ro", uri=True)
    try:
        for key, mode, filename, value in connection.execute("SELECT key, mode, filename, value FROM Cache"):
            if mode != _PICKLED or not isinstance(key, str):
                continue
            try:
                yield {"key": key, **_entry(_file(folder, filename).read_bytes() if filename else value)}
            except Exception as error:  # noqa: BLE001 - a pickle may hold whatever
                yield {"key": key, "problem": f"{type(error).__name__}: {error}"}
    finally:
        connection.close()


def _file(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r} is outside of the folder")
    return path


def _entry(payload: bytes) -> dict[str, Any]:
    outputs, given = Reader(io.BytesIO(payload)).load()
    return {"input": _task(given), "outputs": [[consumer, _task(output)] for consumer, output in outputs]}


def _task(value: Any) -> dict[str, Any]:
    if not isinstance(value, StandIn) or not value.is_model:
        raise TypeError(f"a {getattr(value, 'kind', type(value).__name__)} is no task")
    return {"class": value.kind, "fields": _inside(value)}


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it, and pydantic takes it back."""
    if isinstance(value, StandIn):
        return _inside(value)
    if isinstance(value, dict):
        return {str(key if not isinstance(key, StandIn) else _inside(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be taken along")


def _inside(value: StandIn) -> Any:
    """Return the fields of a model, or the value of an enumeration's member."""
    if value.is_model:
        return {name: _plain(item) for name, item in value.state["__dict__"].items()}
    if value.state is None and len(value.args) == 1:
        return _plain(value.args[0])
    raise TypeError(f"a {value.kind} cannot be taken along")


if __name__ == "__main__":
    for found in entries(Path(sys.argv[1])):
        print(json.dumps(found))  # noqa: T201 - the line is the result
