"""What a payload holds, as JSON that people can read, without the classes of any program.

The codec tags what JSON alone would forget. Here the tags are turned into what a person expects.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from planai.cache.frame import DamagedPayload, open_frame
from planai.cache.outside import TAG, brought_in, in_base64
from planai.cache.shown import HIDDEN, is_secret


def readable(payload: bytes) -> Any:
    """Return what a payload holds as JSON values, for people: it can not be turned back into the answer.

    Models and dataclasses are objects with their class under ``$``; tuples and sets are lists; dates, paths and
    numbers that JSON does not know are texts; bytes are text in base64; texts whose name says that they are secret are
    hidden. What a worker published is a list of objects with ``task`` and ``consumer``, or the task alone.

    Raises:
        DamagedPayload: the payload is damaged.
    """
    is_json, body, outside = open_frame(payload)
    if not is_json:
        return _bytes(base64.b64encode(body).decode())
    try:
        return _plain(brought_in(json.loads(body.decode("utf-8", "surrogatepass")), outside, in_base64))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DamagedPayload(f"what is in the payload cannot be read: {error}") from error


def _plain(packed: Any) -> Any:
    if isinstance(packed, list):
        return [_plain(item) for item in packed]
    if not isinstance(packed, dict):
        return packed
    tag = packed.get(TAG)
    if not isinstance(tag, str) or "v" not in packed:
        return _fields(packed)
    try:
        return _SHOWN.get(tag, _unknown)(packed)
    except (TypeError, ValueError, KeyError, IndexError):  # of a later version, which writes it differently
        return _unknown(packed)


def _unknown(packed: dict[str, Any]) -> Any:
    return _fields(packed)


def _fields(packed: dict[str, Any]) -> dict[str, Any]:
    return {name: HIDDEN if is_secret(name, item) else _plain(item) for name, item in packed.items()}


def _object(packed: dict[str, Any]) -> Any:
    return {TAG: packed["c"], **_fields(packed["v"])}


def _dict(packed: dict[str, Any]) -> Any:
    pairs = [(_plain(key), _plain(item)) for key, item in packed["v"]]
    if all(isinstance(key, str) for key, _ in pairs):
        return dict(pairs)
    return [list(pair) for pair in pairs]


def _bundle(packed: dict[str, Any]) -> Any:
    return [{"task": _plain(task), "consumer": consumer} for consumer, task in packed["v"]]


def _time(packed: dict[str, Any]) -> Any:
    text, _, zone = packed["v"]
    return f"{text}[{zone}]" if zone else text


def _timedelta(packed: dict[str, Any]) -> Any:
    days, seconds, microseconds = packed["v"]
    return str(dt.timedelta(days, seconds, microseconds))


def _bytes(text: str) -> Any:
    return {TAG: "bytes", "base64": text}


_SHOWN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "model": _object,
    "dataclass": _object,
    "enum": lambda packed: packed["v"],
    "dict": _dict,
    "bundle": _bundle,
    "bytes": lambda packed: _bytes(packed["v"]),
    "datetime": _time,
    "time": _time,
    "timedelta": _timedelta,
    "path": lambda packed: packed["v"][1],
    **dict.fromkeys(("date", "decimal", "uuid", "complex"), lambda packed: packed["v"]),
    **dict.fromkeys(("tuple", "set", "frozenset"), lambda packed: _plain(packed["v"])),
}
