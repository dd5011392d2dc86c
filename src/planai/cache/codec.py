"""Codec: values to bytes and back, exactly, and without pickle.

Tasks and other values become JSON with a tag wherever JSON alone would forget something: a tuple, a set, bytes, a date,
a model's class. Models are validated again on the way in. Bytes pass through as they are. A payload begins with one
byte that tells its form, and a checksum.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import json
import pathlib
import sys
import typing
import uuid
import zlib
import zoneinfo
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, RootModel, SecretBytes, SecretStr

from planai.cache.canonical import fields_of, qualified
from planai.errors import CacheError, UnstorableValue

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSED_FROM = 1024
"""Payloads of so many bytes and more are compressed, if that makes them smaller."""

_RAW, _JSON, _ZSTD = b"r", b"j", b"z"
_TAG = "$"
_JSON_SCALARS = frozenset({str, int, float, bool, type(None)})


class Undecodable(CacheError):
    """A payload is damaged, of another format, or no longer fits the classes of the program."""


class Published(NamedTuple):
    """One output of a worker, as it is kept: the task, and the consumer that was asked for, if one was."""

    task: BaseModel
    consumer: str | None = None


class Bundle(NamedTuple):
    """What a worker published for one task: several outputs, or none; it may be published in their place."""

    outputs: tuple[Published, ...]

    def __bool__(self) -> bool:
        # ``if cached := self.get_from_cache(task)`` must take an answer without outputs for an answer.
        return True


class Codec:
    """Encodes and decodes values in which the given classes may occur.

    Args:
        expected: classes of the program that may be decoded, besides the classes of their fields and all subclasses
            of these. A name in a payload is only looked up there and in modules that are loaded; nothing is imported.
    """

    def __init__(self, expected: Iterable[type] = ()) -> None:
        self._expected = tuple(expected)
        self._classes: dict[str, type] = {}

    def encode(self, value: Any) -> bytes:
        """Return a payload from which `decode` makes an equal value.

        Raises:
            UnstorableValue: something in `value` would not come back as it is; the message names it.
        """
        if isinstance(value, bytes):
            return _framed(_RAW, value)
        try:
            text = json.dumps(_pack(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        except _Unpackable as error:
            raise UnstorableValue(f"{type(value).__name__}{''.join(reversed(error.path))} {error.reason}") from None
        except RecursionError:
            raise UnstorableValue(f"{type(value).__name__} contains itself, or is nested too deeply") from None
        payload = _compressed(text)
        self._verify(value, payload)
        return payload

    def decode(self, payload: bytes) -> Any:
        """Return the value that was encoded.

        Raises:
            Undecodable: the payload is damaged, or its classes are gone or no longer accept it.
        """
        form, body = payload[:1], payload[5:]
        if payload[1:5] != _checksum(form, body):
            raise Undecodable("the checksum does not fit: the entry is damaged")
        if form == _RAW:
            return body
        try:
            text = zstd.decompress(body) if form == _ZSTD else body
            return self._unpack(json.loads(text.decode("utf-8", "surrogatepass")))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, zstd.ZstdError) as error:
            raise Undecodable(f"the entry does not fit this program any more: {error}") from error

    def _verify(self, value: Any, payload: bytes) -> None:
        """Decode what was encoded; what validators or conversions change would be a wrong answer later."""
        try:
            again = self.decode(payload)
        except Undecodable as error:
            raise UnstorableValue(f"a {type(value).__name__} would not come back from the cache: {error}") from error
        if not _same(again, value):
            raise UnstorableValue(
                f"a {type(value).__name__} would come back from the cache changed{_difference(again, value)}; "
                "a validator that changes its own result is the usual reason"
            )

    # ---- reading

    def _unpack(self, packed: Any) -> Any:
        if type(packed) is list:
            return packed if _plain(packed) else [self._unpack(item) for item in packed]
        if type(packed) is not dict:
            return packed
        tag = packed.get(_TAG)
        if tag is None:
            return {key: self._unpack(item) for key, item in packed.items()}
        return self._unpack_tagged(tag, packed["v"], packed)

    def _unpack_tagged(self, tag: str, body: Any, packed: dict[str, Any]) -> Any:
        if tag == "model":
            return self._model(packed)
        if tag == "enum":
            return self._class(packed["c"], enum.Enum)[body]
        if tag == "dataclass":
            return self._dataclass(packed)
        if tag == "bundle":
            return Bundle(tuple(Published(self._unpack(task), consumer) for consumer, task in body))
        if tag in _SCALARS:
            return _SCALARS[tag].load(body)
        if tag == "dict":
            return {self._unpack(key): self._unpack(item) for key, item in body}
        return _SEQUENCES[tag](self._unpack(item) for item in body)

    def _model(self, packed: dict[str, Any]) -> BaseModel:
        model = self._class(packed["c"], BaseModel)
        fields = {name: self._unpack(item) for name, item in packed["v"].items()}
        data = fields["root"] if issubclass(model, RootModel) else fields
        made: BaseModel = model.model_validate(data, by_name=True, by_alias=False)
        if "u" in packed:
            made.__pydantic_fields_set__.difference_update(packed["u"])
        return made

    def _dataclass(self, packed: dict[str, Any]) -> Any:
        kind: Any = self._class(packed["c"], object)
        known = {field.name for field in dataclasses.fields(kind) if field.init}
        fields = {name: self._unpack(item) for name, item in packed["v"].items()}
        made = kind(**{name: item for name, item in fields.items() if name in known})
        for name in fields.keys() - known:
            object.__setattr__(made, name, fields[name])
        return made

    def _class(self, name: str, base: type) -> Any:
        found = self._classes.get(name)
        if found is None:
            found = self._classes[name] = _find_class(name, self._expected)
        if not issubclass(found, base):
            raise TypeError(f"{name} is no {base.__name__} any more")
        return found


# ---- writing


class _Unpackable(Exception):
    """Something cannot be packed; the path to it grows on the way out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []


def _pack(value: Any) -> Any:
    """Return `value` as what JSON can hold, tagged where JSON would forget something."""
    kind = type(value)
    if kind in _JSON_SCALARS:
        return value
    if kind is list:
        return value if _plain(value) else _each(value)
    if kind is dict:
        return _pack_dict(value)
    packer = _PACKERS.get(kind)
    if packer is not None:
        return packer(value)
    if isinstance(value, enum.Enum):
        return {_TAG: "enum", "c": qualified(kind), "v": value.name}
    if isinstance(value, BaseModel):
        return _pack_model(value)
    if dataclasses.is_dataclass(value):
        return _pack_dataclass(value)
    if isinstance(value, pathlib.PurePath):
        return {_TAG: "path", "v": _SCALARS["path"].dump(value)}
    raise _Unpackable(f"is a {kind.__module__}.{kind.__qualname__}, which the cache cannot keep: use plain data")


def _each(values: Iterable[Any]) -> list[Any]:
    packed: list[Any] = []
    for value in values:
        try:
            packed.append(_pack(value))
        except _Unpackable as error:
            error.path.append(f"[{len(packed)}]")
            raise
    return packed


def _fields(values: dict[str, Any], show: str = ".{}") -> dict[str, Any]:
    packed = {}
    for name, value in values.items():
        try:
            packed[name] = _pack(value)
        except _Unpackable as error:
            error.path.append(show.format(name))
            raise
    return packed


def _pack_dict(value: dict[Any, Any]) -> Any:
    if all(type(key) is str for key in value) and _TAG not in value:
        return _fields(value, "[{!r}]")
    return {_TAG: "dict", "v": [[_pack(key), _pack(item)] for key, item in value.items()]}


def _pack_model(value: BaseModel) -> dict[str, Any]:
    fields = fields_of(value)
    packed = {_TAG: "model", "c": qualified(type(value)), "v": _fields(fields)}
    if len(value.model_fields_set) < len(fields):
        packed["u"] = sorted(fields.keys() - value.model_fields_set)
    return packed


def _pack_dataclass(value: Any) -> dict[str, Any]:
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {_TAG: "dataclass", "c": qualified(type(value)), "v": _fields(fields)}


def _pack_bundle(value: Bundle) -> dict[str, Any]:
    return {_TAG: "bundle", "v": [[output.consumer, _pack(output.task)] for output in value.outputs]}


_PATHS = {kind.__name__: kind for kind in (pathlib.PurePosixPath, pathlib.PureWindowsPath, type(pathlib.Path()))}


def _pack_time(value: dt.datetime | dt.time) -> list[Any]:
    """Return the text, the fold, and the time zone's name where there is one."""
    zone = value.tzinfo
    if zone is not None and not isinstance(zone, dt.timezone | zoneinfo.ZoneInfo):
        raise _Unpackable(f"has a time zone of the class {type(zone).__qualname__}: use zoneinfo or datetime.timezone")
    key = zone.key if isinstance(zone, zoneinfo.ZoneInfo) else None
    return [value.replace(tzinfo=None).isoformat() if key else value.isoformat(), value.fold, key]


def _time(kind: Any, parts: list[Any]) -> Any:
    text, fold, key = parts
    value = kind.fromisoformat(text).replace(fold=fold)
    return value.replace(tzinfo=zoneinfo.ZoneInfo(key)) if key else value


class _Scalar(NamedTuple):
    """How a scalar that JSON does not know is written as text, and read."""

    kind: type
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


_SCALARS: dict[str, _Scalar] = {
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
    "complex": _Scalar(complex, repr, complex),
}
_SEQUENCES: dict[str, Callable[[Iterable[Any]], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}


def _scalar_packer(tag: str, dump: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: {_TAG: tag, "v": dump(value)}


def _refuse_secret(_: Any) -> Any:
    raise _Unpackable("is a secret, and entries hold no secrets: publish what was done with it, not the secret")


_PACKERS: dict[type, Callable[[Any], Any]] = {
    **{scalar.kind: _scalar_packer(tag, scalar.dump) for tag, scalar in _SCALARS.items()},
    Bundle: _pack_bundle,
    tuple: lambda value: {_TAG: "tuple", "v": _each(value)},
    set: lambda value: {_TAG: "set", "v": _sorted(_each(value))},
    frozenset: lambda value: {_TAG: "frozenset", "v": _sorted(_each(value))},
    SecretStr: _refuse_secret,
    SecretBytes: _refuse_secret,
}


def _sorted(packed: list[Any]) -> list[Any]:
    """Order what a set holds, so that equal sets are the same bytes."""
    return sorted(packed, key=lambda item: json.dumps(item, sort_keys=True))


def _plain(values: list[Any]) -> bool:
    """Tell whether a list holds only what JSON keeps as it is."""
    return _JSON_SCALARS.issuperset(map(type, values))


def _compressed(text: bytes) -> bytes:
    if len(text) >= COMPRESSED_FROM:
        small = zstd.compress(text)
        if len(small) < len(text):
            return _framed(_ZSTD, small)
    return _framed(_JSON, text)


def _framed(form: bytes, body: bytes) -> bytes:
    return b"".join((form, _checksum(form, body), body))


def _checksum(form: bytes, body: bytes) -> bytes:
    return zlib.crc32(body, zlib.crc32(form)).to_bytes(4, "big")


def _same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal, NaN included; the packed forms have types, too."""
    try:
        if left == right:
            return True
    except ArithmeticError:  # a signalling NaN is compared with nothing
        pass
    return json.dumps(_pack(left), sort_keys=True) == json.dumps(_pack(right), sort_keys=True)


def _difference(left: Any, right: Any) -> str:
    """Name the first field in which two models differ."""
    if isinstance(left, BaseModel) and isinstance(right, BaseModel):
        for name, value in right.__dict__.items():
            if left.__dict__.get(name) != value:
                return f" in its field {name!r}"
    return ""


# ---- classes


def _find_class(name: str, expected: tuple[type, ...]) -> type:
    """Return the class called `name`, as `qualified` gives names, without importing anything."""
    for kind in _reachable(expected):
        if qualified(kind) == name:
            return kind
    module_name, _, path = name.partition(":")
    found: Any = sys.modules.get(module_name)
    for part in path.split("."):
        found = getattr(found, part, None)
    if isinstance(found, type) and (issubclass(found, BaseModel | enum.Enum) or dataclasses.is_dataclass(found)):
        return found
    raise TypeError(f"the program has no class {name} (any more)")


def _reachable(kinds: tuple[type, ...]) -> Iterator[type]:
    """Yield `kinds`, the classes in the annotations of their fields, and the subclasses of all these."""
    seen: set[type] = set()
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop(0)
        if kind in seen:
            continue
        seen.add(kind)
        yield kind
        waiting += kind.__subclasses__()[::-1]
        if issubclass(kind, BaseModel):
            for field in kind.model_fields.values():
                waiting += _classes_in(field.annotation)
        elif dataclasses.is_dataclass(kind):
            for hint in typing.get_type_hints(kind).values():
                waiting += _classes_in(hint)


def _classes_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and not typing.get_args(annotation):
        if issubclass(annotation, BaseModel | enum.Enum) or dataclasses.is_dataclass(annotation):
            yield annotation
        return
    for part in typing.get_args(annotation):
        yield from _classes_in(part)
