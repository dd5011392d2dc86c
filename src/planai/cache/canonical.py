"""The canonical form of a value: bytes that are equal exactly when the values are, in every process.

Each part is framed with its type and length, so that ``1``, ``"1"``, ``True`` and ``[1]`` differ, and no separator
can be forged. Dicts and sets are sorted by encoded form. A value without identity is refused, never passed over.
"""

from __future__ import annotations

import array
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import hashlib
import math
import pathlib
import re
import struct
import types
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from planai.cache.memo import per_class
from planai.errors import UnkeyableValue


class CacheIgnore:
    """Marks a field that decides nothing: ``run_id: Annotated[str, CacheIgnore()]`` stays out of keys."""


class CacheKey:
    """Lets something else stand for a field in keys: ``url: Annotated[str, CacheKey(str.lower)]``.

    Args:
        function: takes the field's value, and returns what decides in its place.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function


def digest(*parts: bytes) -> str:
    """Return 64 hexadecimal digits for `parts`, each framed by its length."""
    hashed = hashlib.blake2b(digest_size=32)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.hexdigest()


def canonical(value: Any, where: str = "value") -> bytes:
    """Return the canonical form of `value`.

    Args:
        value: data of any depth: scalars, containers, dates, enums, paths, pydantic models, dataclasses, arrays.
        where: what the value is called in an error.

    Raises:
        UnkeyableValue: something in it has no identity, such as a lock, an open file, or a lambda.
    """
    try:
        return _encode(value, ())
    except RecursionError:
        raise UnkeyableValue(f"{where} is nested too deeply to make a key of: use flat data") from None
    except _NoIdentity as error:
        raise UnkeyableValue(f"{where}{''.join(reversed(error.path))} {error.reason}") from None


@per_class
def qualified(kind: type) -> str:
    """Return the name of a class with its module; a script's classes are in the module that its file would be."""
    module = kind.__module__
    if module == "__main__":
        module = main_module()
    return f"{module}:{kind.__qualname__}"


@functools.cache
def main_module() -> str:
    """Return what the module ``__main__`` is called when it is imported: the stem of its file."""
    import __main__  # noqa: PLC0415 - it differs from process to process

    spec = getattr(__main__, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(__main__, "__file__", None)
    return pathlib.Path(file).stem if file else "__main__"


class _NoIdentity(Exception):
    """Something cannot be encoded; the path to it grows on the way out, so that finding nothing costs nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []

    def inside(self, step: str) -> _NoIdentity:
        """Take note that this happened at `step` of what is around it."""
        self.path.append(step)
        return self


Above = tuple[int, ...]
Encoder = Callable[[Any, Above], bytes]


def _frame(tag: bytes, body: bytes = b"") -> bytes:
    """Frame `body` by its type and length. A tag ends with the only colon in it."""
    return tag + len(body).to_bytes(8, "big") + body


def _encode(value: Any, above: Above) -> bytes:
    kind = type(value)
    scalar = _SCALARS.get(kind)
    if scalar is not None:
        return scalar(value)
    if id(value) in above:
        raise _NoIdentity("contains itself, and so has no finite key")
    encoder = _FOUND.get(kind)
    if encoder is None:
        encoder = _FOUND[kind] = _find(kind)
    return encoder(value, (*above, id(value)))


def _find(kind: type) -> Encoder:
    for base, encoder in _CONTAINERS:
        if issubclass(kind, base):
            return encoder
    if dataclasses.is_dataclass(kind):
        return _dataclass
    if kind.__module__.partition(".")[0] == "numpy" and hasattr(kind, "dtype"):
        return _array
    return _refuse


def _refuse(value: Any, above: Above) -> bytes:
    raise _NoIdentity(
        f"is a {type(value).__module__}.{type(value).__qualname__}, which has no identity to make a key of: "
        "leave it out of the key with Annotated[..., CacheIgnore()] if it decides nothing, "
        "else replace it by data, or override get_cache_key"
    )


# ---- scalars


def _float(value: float) -> bytes:
    return _frame(b"nan:") if math.isnan(value) else _frame(b"float:", struct.pack(">d", value))


def _datetime(value: dt.datetime) -> bytes:
    """Encode the instant, so that equal instants in two time zones are equal; naive times are of their own kind."""
    if value.tzinfo is None:
        return _frame(b"naive datetime:", f"{value.isoformat()} {value.fold}".encode())
    try:
        instant = value.astimezone(dt.UTC).isoformat()
    except OverflowError:  # before the year 1, or after 9999, in UTC
        instant = value.isoformat()
    return _frame(b"datetime:", instant.encode())


def _text(tag: bytes, show: Callable[[Any], str] = str) -> Callable[[Any], bytes]:
    return lambda value: _frame(tag, show(value).encode("utf-8", "surrogatepass"))


_SCALARS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: _frame(b"none:"),
    bool: lambda value: _frame(b"bool:", bytes([value])),
    int: _text(b"int:", hex),  # in hexadecimal, which has no limit of digits
    float: _float,
    complex: lambda value: _frame(b"complex:", _float(value.real) + _float(value.imag)),
    str: _text(b"str:"),
    bytes: lambda value: _frame(b"bytes:", value),
    bytearray: lambda value: _frame(b"bytearray:", bytes(value)),
    dt.datetime: _datetime,
    dt.date: _text(b"date:"),
    dt.time: _text(b"time:", repr),
    dt.timedelta: _text(b"timedelta:", repr),
    decimal.Decimal: _text(b"decimal:"),
    uuid.UUID: _text(b"uuid:"),
    range: _text(b"range:"),
    types.GenericAlias: _text(b"alias:"),
    type(...): lambda _: _frame(b"ellipsis:"),
}


# ---- what holds other values


def _items(values: Iterable[Any], above: Above) -> list[bytes]:
    parts: list[bytes] = []
    try:
        parts.extend(_encode(value, above) for value in values)
    except _NoIdentity as error:
        raise error.inside(f"[{len(parts)}]") from None
    return parts


def _list(value: list[Any], above: Above) -> bytes:
    if value and set(map(type, value)) == {float}:  # embeddings: a thousand numbers at once
        return _of_type(value, list, b"floats:", array.array("d", value).tobytes(), above)
    return _of_type(value, list, b"list:", b"".join(_items(value, above)), above)


def _tuple(value: tuple[Any, ...], above: Above) -> bytes:
    return _of_type(value, tuple, b"tuple:", b"".join(_items(value, above)), above)


def _unordered(base: type, tag: bytes) -> Encoder:
    return lambda value, above: _of_type(value, base, tag, b"".join(sorted(_items(value, above))), above)


def _mapping(value: Mapping[Any, Any], above: Above) -> bytes:
    pairs = []
    for key, item in value.items():
        try:
            pairs.append(_frame(b"pair:", _encode(key, above) + _encode(item, above)))
        except _NoIdentity as error:
            raise error.inside(f"[{key!r}]") from None
    return _of_type(value, dict, b"dict:", b"".join(sorted(pairs)), above)


def _of_type(value: Any, base: type, tag: bytes, body: bytes, above: Above) -> bytes:
    """Frame `body` by `tag`; of a subclass of `base` also by the name of the class, and its attributes."""
    if type(value) is base:
        return _frame(tag, body)
    attributes = _encode(dict(getattr(value, "__dict__", {})), above)
    return _frame(b"subclass:", _frame(b"name:", qualified(type(value)).encode()) + _frame(tag, body) + attributes)


def _model(value: BaseModel, above: Above) -> bytes:
    """Encode a model by its class and all its fields, extras included; excluded fields count, too."""
    fields = fields_of(value)
    ignored = ignored_fields(type(value))
    if ignored:
        fields = {name: item for name, item in fields.items() if name not in ignored}
    replaced = stand_ins(type(value))
    if replaced:
        fields = fields | {name: function(fields[name]) for name, function in replaced.items() if name in fields}
    if value.__pydantic_private__:
        fields = fields | {name: _Private(item) for name, item in value.__pydantic_private__.items()}
    return _named(type(value), fields, above)


class _Private:
    """The value of a private attribute: of what is no data, such as a lock, the class alone counts."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _private(value: _Private, above: Above) -> bytes:
    try:
        return _frame(b"private:", _encode(value.value, above))
    except _NoIdentity:
        return _frame(b"private class:", qualified(type(value.value)).encode())


def _dataclass(value: Any, above: Above) -> bytes:
    return _named(type(value), {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, above)


def _named(kind: type, fields: Mapping[str, Any], above: Above) -> bytes:
    parts = [_framed_name(kind)]
    for key in sorted(fields):
        value = fields[key]
        parts.append(_framed_field(key))
        scalar = _SCALARS.get(type(value))
        if scalar is not None:
            parts.append(scalar(value))
            continue
        try:
            parts.append(_encode(value, above))
        except _NoIdentity as error:
            raise error.inside(f".{key}") from None
    return _frame(b"object:", b"".join(parts))


_NAMES: weakref.WeakKeyDictionary[type, bytes] = weakref.WeakKeyDictionary()


def _framed_name(kind: type) -> bytes:
    found = _NAMES.get(kind)
    if found is None:
        found = _NAMES[kind] = _frame(b"name:", qualified(kind).encode())
    return found


@functools.lru_cache(4096)
def _framed_field(name: str) -> bytes:
    return _frame(b"field:", name.encode())


def _enum(value: enum.Enum, above: Above) -> bytes:
    return _named(type(value), {"name": value.name, "value": value.value}, above)


def _secret(value: SecretStr | SecretBytes, above: Above) -> bytes:
    return _frame(b"secret:", _encode(value.get_secret_value(), above))


def _array(value: Any, above: Above) -> bytes:
    """Encode a numpy array, or a scalar of one, by its dtype, shape and every byte."""
    dtype = value.dtype
    kind = _frame(b"dtype:", repr(dtype.descr).encode()) + _frame(b"shape:", repr(value.shape).encode())
    if dtype.hasobject:
        return _frame(b"objects:", kind + _encode(value.tolist(), above))
    return _frame(b"array:", kind + value.tobytes())


def _path(value: pathlib.PurePath, above: Above) -> bytes:
    tag = b"windows path:" if isinstance(value, pathlib.PureWindowsPath) else b"path:"
    return _frame(tag, value.as_posix().encode("utf-8", "surrogateescape"))


def _class(value: type, above: Above) -> bytes:
    return _frame(b"class:", qualified(value).encode())


def _pattern(value: re.Pattern[Any], above: Above) -> bytes:
    return _frame(b"pattern:", _encode(value.pattern, above) + _encode(value.flags, above))


def _special(base: type) -> Encoder:
    """Encode an instance of a subclass of a scalar type: by its class, its value and its attributes."""

    def encode(value: Any, above: Above) -> bytes:
        return _of_type(value, base, b"special:", _SCALARS[base](_PLAIN[base](value)), above)

    return encode


# By the methods of the base itself: a class may show itself as it likes, such as every instance as the same text.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    int: int.__int__,
    float: float.__float__,
    decimal.Decimal: lambda value: decimal.Decimal(decimal.Decimal.__str__(value)),
    dt.datetime: lambda value: dt.datetime.combine(
        dt.datetime.date(value), dt.datetime.timetz(value), tzinfo=value.tzinfo
    ),
    dt.date: lambda value: dt.date.fromordinal(dt.date.toordinal(value)),
}


_CONTAINERS: list[tuple[type, Encoder]] = [
    (_Private, _private),
    (list, _list),
    (tuple, _tuple),
    (dict, _mapping),
    (set, _unordered(set, b"set:")),
    (frozenset, _unordered(frozenset, b"frozenset:")),
    (enum.Enum, _enum),
    (BaseModel, _model),
    (SecretStr, _secret),
    (SecretBytes, _secret),
    (Mapping, _mapping),
    (pathlib.PurePath, _path),
    (re.Pattern, _pattern),
    (type, _class),
    *((base, _special(base)) for base in (str, bytes, int, float, decimal.Decimal, dt.datetime, dt.date)),
]

_FOUND: weakref.WeakKeyDictionary[type, Encoder] = weakref.WeakKeyDictionary()


def fields_of(model: BaseModel) -> dict[str, Any]:
    """Return the fields and extras of `model`, without what a cached property keeps among them."""
    declared = type(model).__pydantic_fields__
    fields: dict[str, Any] = model.__dict__
    if fields.keys() != declared.keys():
        fields = {name: value for name, value in fields.items() if name in declared}
    return fields | model.__pydantic_extra__ if model.__pydantic_extra__ else fields


@per_class
def ignored_fields(model: type) -> frozenset[str]:
    """Return the names of the fields of `model` that are marked with `CacheIgnore`."""
    return frozenset(
        name
        for name, field in getattr(model, "model_fields", {}).items()
        if any(isinstance(mark, CacheIgnore) or mark is CacheIgnore for mark in field.metadata)
    )


@per_class
def stand_ins(model: type) -> dict[str, Callable[[Any], Any]]:
    """Return what takes the place of the fields of `model` that are marked with `CacheKey`."""
    return {
        name: mark.function
        for name, field in getattr(model, "model_fields", {}).items()
        for mark in field.metadata
        if isinstance(mark, CacheKey)
    }
