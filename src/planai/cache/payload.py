"""What a payload holds, as JSON that people can read, without the classes of any program.

The codec writes one byte for the form, four bytes of checksum, and the body; inside of JSON it tags what JSON alone
would forget. Here the frame is checked, and the tags are turned into what a person expects.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import sys
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from planai.cache.pack import TAG
from planai.errors import CacheError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_FORMS = frozenset({b"r", b"j", b"z"})
_RAW, _PACKED = b"r", b"z"
_HEAD = 5


class DamagedPayload(CacheError):
    """A payload is cut short, was changed, or is none at all."""


class Frame(NamedTuple):
    """A payload whose checksum fits: one letter for its form, and what is behind the checksum."""

    form: bytes
    body: bytes


def open_frame(payload: bytes) -> Frame:
    """Check a payload, and return what is in it.

    >>> open_frame(b"j")
    Traceback (most recent call last):
    planai.cache.payload.DamagedPayload: the payload has 1 bytes, fewer than its head alone

    Raises:
        DamagedPayload: it is cut short, of a form that is not known, or its checksum does not fit.
    """
    form, body = payload[:1], payload[_HEAD:]
    if len(payload) < _HEAD:
        raise DamagedPayload(f"the payload has {len(payload)} bytes, fewer than its head alone")
    if form not in _FORMS:
        raise DamagedPayload(f"the payload begins with {form!r}, which is no form that is known")
    if payload[1:_HEAD] != zlib.crc32(body, zlib.crc32(form)).to_bytes(4, "big"):
        raise DamagedPayload("the checksum of the payload does not fit")
    return Frame(form, body)


def readable(payload: bytes) -> Any:
    """Return what a payload holds as JSON values, for people: it can not be turned back into the answer.

    Models and dataclasses are objects with their class under ``$``; tuples and sets are lists; dates, paths and
    numbers that JSON does not know are texts; bytes are text in base64. What a worker published is a list of objects
    with ``task`` and ``consumer``, or the task alone.

    Raises:
        DamagedPayload: the payload is damaged.
    """
    form, body = open_frame(payload)
    if form == _RAW:
        return _bytes(base64.b64encode(body).decode())
    try:
        text = zstd.decompress(body) if form == _PACKED else body
        return _plain(json.loads(text.decode("utf-8", "surrogatepass")))
    except (ValueError, RecursionError, zstd.ZstdError) as error:
        raise DamagedPayload(f"what is in the payload cannot be read: {error}") from error


def _plain(packed: Any) -> Any:
    if isinstance(packed, list):
        return [_plain(item) for item in packed]
    if not isinstance(packed, dict):
        return packed
    tag = packed.get(TAG)
    if not isinstance(tag, str) or "v" not in packed:
        return {name: _plain(item) for name, item in packed.items()}
    try:
        return _SHOWN.get(tag, _unknown)(packed)
    except (TypeError, ValueError, KeyError, IndexError):  # of a later version, which writes it differently
        return _unknown(packed)


def _unknown(packed: dict[str, Any]) -> Any:
    return {name: _plain(item) for name, item in packed.items()}


def _object(packed: dict[str, Any]) -> Any:
    return {TAG: packed["c"], **{name: _plain(item) for name, item in packed["v"].items()}}


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
