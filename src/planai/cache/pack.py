"""Values as what JSON can hold, with a tag wherever JSON alone would forget something."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import importlib
import json
import pathlib
import uuid
import zoneinfo
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretBytes, SecretStr

from planai.cache.bundle import Bundle
from planai.cache.canonical import fields_of, qualified
from planai.cache.key import schema_digest
from planai.cache.outside import OUTSIDE_FROM, TAG, Outside, outside
from planai.cache.state import surplus_of_dataclass

_JSON_SCALARS = frozenset({str, int, float, bool, type(None)})


class Unpackable(Exception):
    """Something cannot be packed; the path to it grows on the way out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []


def pack(value: Any) -> Any:
    """Return `value` as what JSON can hold, tagged where JSON would forget something."""
    kind = type(value)
    if kind in _JSON_SCALARS:
        return outside(value) if kind is str and len(value) >= OUTSIDE_FROM else value
    if kind is list:
        return value if is_plain(value) else _each(value)
    if kind is dict:
        return _pack_dict(value)
    if issubclass(kind, BaseModel) and not issubclass(kind, enum.Enum):
        return _pack_model(value)
    packer = _PACKERS.get(kind)
    if packer is not None:
        return packer(value)
    if isinstance(value, enum.Enum):
        # Several flags at once have no name of their own.
        return {TAG: "enum", "c": qualified(kind), "v": value.value if isinstance(value, enum.Flag) else value.name}
    if isinstance(value, BaseModel):
        return _pack_model(value)
    if dataclasses.is_dataclass(value):
        return _pack_dataclass(value)
    return _pack_place(value, kind)


def _pack_place(value: Any, kind: type) -> dict[str, Any]:
    """Return what tells where something is: a path, or an address."""
    if isinstance(value, pathlib.PurePath):
        return {TAG: "path", "v": SCALARS["path"].dump(value)}
    if _ADDRESSES.get(kind.__name__) == kind.__module__:
        return {TAG: "address", "v": SCALARS["address"].dump(value)}
    raise Unpackable(f"is a {kind.__module__}.{kind.__qualname__}, which the cache cannot keep: use plain data")


def pack_answer(value: Any) -> Any:
    """Return `value` packed; a model, or each in a `Bundle`, tells also its schema, by which it may be migrated."""
    if type(value) is Bundle:
        return {TAG: "bundle", "v": [[output.consumer, pack_answer(output.task)] for output in value.outputs]}
    packed = pack(value)
    if isinstance(value, BaseModel):
        packed["s"] = schema_digest(type(value))
    return packed


def _each(values: Iterable[Any]) -> list[Any]:
    packed: list[Any] = []
    for value in values:
        try:
            packed.append(pack(value))
        except Unpackable as error:
            error.path.append(f"[{len(packed)}]")
            raise
    return packed


def _fields(values: dict[str, Any], show: str = ".{}") -> dict[str, Any]:
    packed = {}
    for name, value in values.items():
        kind = type(value)
        if kind in _JSON_SCALARS and (kind is not str or len(value) < OUTSIDE_FROM):
            packed[name] = value
            continue
        try:
            packed[name] = pack(value)
        except Unpackable as error:
            error.path.append(show.format(name))
            raise
    return packed


def _pack_dict(value: dict[Any, Any]) -> Any:
    if all(type(key) is str for key in value) and TAG not in value:
        return _fields(value, "[{!r}]")
    return {TAG: "dict", "v": [[pack(key), pack(item)] for key, item in value.items()]}


def _pack_model(value: BaseModel) -> dict[str, Any]:
    fields = fields_of(value)
    packed = {TAG: "model", "c": qualified(type(value)), "v": _fields(fields)}
    if len(value.__pydantic_fields_set__) < len(fields):
        packed["u"] = sorted(fields.keys() - value.model_fields_set)
    return packed


def _pack_dataclass(value: Any) -> dict[str, Any]:
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {TAG: "dataclass", "c": qualified(type(value)), "v": _fields(fields)}


_PATHS = {kind.__name__: kind for kind in (pathlib.PurePosixPath, pathlib.PureWindowsPath, type(pathlib.Path()))}


_ADDRESSES = {
    **dict.fromkeys(("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network"), "ipaddress"),
    **dict.fromkeys(("IPv4Interface", "IPv6Interface"), "ipaddress"),
    **dict.fromkeys(("AnyUrl", "AnyHttpUrl", "HttpUrl", "FileUrl", "FtpUrl"), "pydantic.networks"),
    **dict.fromkeys(("AnyWebsocketUrl", "WebsocketUrl"), "pydantic.networks"),
}
"""Addresses that are kept as text, and the modules that they are from: found by name, so that none is imported."""


def _address(parts: list[str]) -> Any:
    name, text = parts
    return getattr(importlib.import_module(_ADDRESSES[name]), name)(text)


def _pack_time(value: dt.datetime | dt.time) -> list[Any]:
    """Return the text, the fold, the time zone's key where it has one, and a name that its difference does not tell."""
    zone = value.tzinfo
    if zone is not None and not isinstance(zone, dt.timezone | zoneinfo.ZoneInfo):
        raise Unpackable(f"has a time zone of the class {type(zone).__qualname__}: use zoneinfo or datetime.timezone")
    key = zone.key if isinstance(zone, zoneinfo.ZoneInfo) else None
    named = []
    if isinstance(zone, dt.timezone) and zone.tzname(None) != dt.timezone(zone.utcoffset(None)).tzname(None):
        named = [zone.tzname(None)]
    return [value.replace(tzinfo=None).isoformat() if key else value.isoformat(), value.fold, key, *named]


def _time(kind: Any, parts: list[Any]) -> Any:
    text, fold, key, *named = parts
    value = kind.fromisoformat(text).replace(fold=fold)
    if named:
        return value.replace(tzinfo=dt.timezone(value.utcoffset(), *named))
    return value.replace(tzinfo=zoneinfo.ZoneInfo(key)) if key else value


class _Scalar(NamedTuple):
    """How a scalar that JSON does not know is written as text, and read."""

    kind: type
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


SCALARS: dict[str, _Scalar] = {
    "bytes": _Scalar(bytes, lambda value: base64.b64encode(value).decode(), base64.b64decode),
    "datetime": _Scalar(dt.datetime, _pack_time, lambda parts: _time(dt.datetime, parts)),
    "date": _Scalar(dt.date, dt.date.isoformat, dt.date.fromisoformat),
    "time": _Scalar(dt.time, _pack_time, lambda parts: _time(dt.time, parts)),
    "timedelta": _Scalar(
        dt.timedelta,
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda parts: dt.timedelta(*parts),
    ),
    "decimal": _Scalar(decimal.Decimal, str, decimal.Decimal),
    "uuid": _Scalar(uuid.UUID, str, uuid.UUID),
    "path": _Scalar(
        pathlib.PurePath,
        lambda value: [type(value).__name__, str(value)],
        lambda parts: _PATHS[parts[0]](parts[1]),
    ),
    "address": _Scalar(object, lambda value: [type(value).__name__, str(value)], _address),
    "complex": _Scalar(complex, repr, complex),
}
SEQUENCES: dict[str, Callable[[Iterable[Any]], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}


def _scalar_packer(tag: str, dump: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: {TAG: tag, "v": dump(value)}


def _pack_bytes(value: bytes) -> Any:
    return outside(value) if len(value) >= OUTSIDE_FROM else {TAG: "bytes", "v": SCALARS["bytes"].dump(value)}


def _refuse_secret(_: Any) -> Any:
    raise Unpackable("is a secret, and entries hold no secrets: publish what was done with it, not the secret")


_PACKERS: dict[type, Callable[[Any], Any]] = {
    **{scalar.kind: _scalar_packer(tag, scalar.dump) for tag, scalar in SCALARS.items() if tag != "address"},
    bytes: _pack_bytes,
    Bundle: pack_answer,
    tuple: lambda value: {TAG: "tuple", "v": _each(value)},
    set: lambda value: {TAG: "set", "v": _sorted(_each(value))},
    frozenset: lambda value: {TAG: "frozenset", "v": _sorted(_each(value))},
    SecretStr: _refuse_secret,
    SecretBytes: _refuse_secret,
}


def privates_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the private attributes of all models in a value, and what dataclasses keep besides their fields."""
    if isinstance(value, BaseModel):
        yield from filter(None, [value.__pydantic_private__])
        values: Iterable[Any] = [*value.__dict__.values(), *(value.__pydantic_extra__ or {}).values()]
    elif isinstance(value, Bundle):
        values = [output.task for output in value.outputs]
    elif isinstance(value, dict):
        values = [*value, *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        values = value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from filter(None, [surplus_of_dataclass(value)])
        values = [getattr(value, field.name) for field in dataclasses.fields(value)]
    else:
        return
    if not _JSON_SCALARS.issuperset(map(type, values)):
        for item in values:
            if type(item) not in _JSON_SCALARS:
                yield from privates_in(item)


def _sorted(packed: list[Any]) -> list[Any]:
    """Order what a set holds, so that equal sets are the same bytes."""
    return sorted(packed, key=compared)


def compared(packed: Any) -> str:
    """Return a text that is the same for equal values that were packed, with all that is outside."""
    return json.dumps(packed, sort_keys=True, default=_value_of)


def _value_of(value: Outside) -> str:
    return repr(value.value)


def is_plain(values: list[Any]) -> bool:
    """Tell whether a list holds only what JSON keeps as it is."""
    return _JSON_SCALARS.issuperset(map(type, values))
