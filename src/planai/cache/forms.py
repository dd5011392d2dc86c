"""The forms of all kinds of values: what each consists of, framed, and read on by whoever reads it."""

from __future__ import annotations

import array
import collections
import dataclasses
import enum
import math
import os
import pathlib
import re
import types
import typing
import weakref
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from planai.cache.deciding import NoIdentity, Private, all_fields, check_marks, deciding, plain_fields
from planai.cache.known import stand_in
from planai.cache.memo import per_class
from planai.cache.names import framed_field, framed_name, module_of
from planai.cache.scalars import PLAIN, SCALARS, frame
from planai.cache.state import surplus_of_dataclass

Above = tuple[Any, ...]
"""Who reads, then the ids of what is around a value."""

Encoder = Callable[[Any, Above], bytes]


def encode(value: Any, above: Above) -> bytes:
    """Return the form of `value`; `above` begins with a `planai.cache.canonical.Reader`, whom the rest is up to."""
    kind = type(value)
    scalar = SCALARS.get(kind)
    if scalar is not None:
        return scalar(value)
    if id(value) in above:
        return above[0].again(value, above)  # type: ignore[no-any-return]
    return _encoder(kind)(value, (*above, id(value)))


@per_class
def _encoder(kind: type) -> Encoder:
    if hasattr(kind, "deciding_state"):
        return _told
    if all(callable(getattr(kind, name, None)) for name in ("identity", "settings", "ask")):
        return _language_model
    if stand_in(kind) is not None:  # also of some that are times, or act as mappings
        return _known
    for base, encoder in _CONTAINERS:
        if issubclass(kind, base):
            return encoder
    if dataclasses.is_dataclass(kind):
        return _dataclass
    if module_of(kind).partition(".")[0] == "numpy" and hasattr(kind, "dtype"):
        return _array
    if module_of(kind) in ("types", "typing"):
        return _annotation
    return _other


def _other(value: Any, above: Above) -> bytes:
    return above[0].other(value, above)  # type: ignore[no-any-return]


# ---- what holds other values


def _items(values: Iterable[Any], above: Above) -> list[bytes]:
    parts: list[bytes] = []
    try:
        parts.extend(encode(value, above) for value in values)
    except NoIdentity as error:
        raise error.inside(f"[{len(parts)}]") from None
    return parts


def _list(value: list[Any], above: Above) -> bytes:
    if value and set(map(type, value)) == {float}:  # embeddings: a thousand numbers at once
        numbers = array.array("d", value)
        if math.isnan(sum(value)):  # then there may be a NaN, of any sign; the sum of inf and -inf is none, either
            numbers = array.array("d", [math.nan if math.isnan(number) else number for number in value])
        return _of_type(value, list, b"floats:", numbers.tobytes(), above)
    return _of_type(value, list, b"list:", b"".join(_items(value, above)), above)


def _tuple(value: tuple[Any, ...], above: Above) -> bytes:
    return _of_type(value, tuple, b"tuple:", b"".join(_items(value, above)), above)


def _unordered(base: type, tag: bytes) -> Encoder:
    def form(value: Any, above: Above) -> bytes:
        return _of_type(value, base, tag, b"".join(sorted(_items(above[0].in_order(list(value), above), above))), above)

    return form


def _pairs(value: Mapping[Any, Any], above: Above, *, ordered: bool = False) -> bytes:
    """Encode what is under each key; the keys first, so that values are met in their order."""
    pairs = [(_key(key, above), key, item) for key, item in list(value.items())]  # others may add to it
    if not ordered:
        pairs.sort(key=itemgetter(0))
    parts = []
    for form, key, item in pairs:
        try:
            parts.append(frame(b"pair:", form + encode(item, above)))
        except NoIdentity as error:
            raise error.inside(f"[{key!r}]") from None
    return b"".join(parts)


def _key(key: Any, above: Above) -> bytes:
    try:
        return encode(key, above)
    except NoIdentity as error:
        raise error.inside(f"[{key!r}]") from None


def _mapping(value: Mapping[Any, Any], above: Above) -> bytes:
    return _of_type(value, dict, b"dict:", _pairs(value, above, ordered=above[0].keeps_order), above)


def _own_mapping(value: Mapping[Any, Any], above: Above) -> bytes:
    """Encode what is no dict and acts as one; pools, for one, do so, and refuse to tell what they hold."""
    try:
        list(value.items())
    except NotImplementedError:
        return _other(value, above)
    return _mapping(value, above)


def _ordered_dict(value: Mapping[Any, Any], above: Above) -> bytes:
    return _of_type(value, dict, b"ordered dict:", _pairs(value, above, ordered=True), above)


def _default_dict(value: collections.defaultdict[Any, Any], above: Above) -> bytes:
    """Encode with what makes missing values; the functions that pydantic makes for that count by name."""
    factory = encode(value.default_factory, (above[0].in_private(), *above[1:]))
    return frame(b"default dict:", factory + _mapping(value, above))


def _of_type(value: Any, base: type, tag: bytes, body: bytes, above: Above) -> bytes:
    """Frame `body` by `tag`; of a subclass of `base` also by the name of the class, and its attributes."""
    kind = type(value)
    if kind is base:
        return frame(tag, body)
    above[0].kinds[kind] = None
    attributes = encode(dict(getattr(value, "__dict__", {})), above)
    return frame(b"subclass:", framed_name(kind) + frame(tag, body) + attributes)


def _model(value: BaseModel, above: Above) -> bytes:
    """Encode a model by its class and all its fields, extras included; excluded fields count, too."""
    kind = type(value)
    fields = value.__dict__
    plan = plain_fields(kind)
    if len(plan) != len(fields) or value.__pydantic_extra__ or value.__pydantic_private__:
        return named(kind, all_fields(value), above)
    try:
        items = [(framed, name, fields[name]) for name, framed in plan]
    except KeyError:  # a field was deleted, and something else is there instead
        return named(kind, all_fields(value), above)
    return _object(kind, items, above)


def _private(value: Private, above: Above) -> bytes:
    return frame(b"private:", encode(value.value, (above[0].in_private(), *above[1:])))


def _told(value: Any, above: Above) -> bytes:
    """Encode an object that itself tells what decides of it, such as a worker."""
    return named(type(value), {name: Private(item) for name, item in value.deciding_state().items()}, above)


def _language_model(value: Any, above: Above) -> bytes:
    """Encode a model that can be asked by what decides its answers: neither its key nor its time-outs do."""
    return named(type(value), {"identity": dict(value.identity()), "settings": dict(value.settings())}, above)


def _dataclass(value: Any, above: Above) -> bytes:
    kind = type(value)
    check_marks(kind)
    fields = {field.name: getattr(value, field.name, Private(...)) for field in dataclasses.fields(value)}
    private = {name: Private(item) for name, item in surplus_of_dataclass(value).items()}
    return named(kind, above[0].at_first(value, deciding(kind, fields) | private), above)


def named(kind: type, fields: Mapping[str, Any], above: Above) -> bytes:
    """Return the form of an object of the class `kind` that consists of `fields`."""
    return _object(kind, [(framed_field(name), name, fields[name]) for name in sorted(fields)], above)


def _object(kind: type, fields: Iterable[tuple[bytes, str, Any]], above: Above) -> bytes:
    above[0].kinds[kind] = None
    parts = [framed_name(kind)]
    for framed, name, value in fields:
        parts.append(framed)
        scalar = SCALARS.get(type(value))
        if scalar is not None:
            parts.append(scalar(value))
            continue
        try:
            parts.append(encode(value, above))
        except NoIdentity as error:
            raise error.inside(f".{name}") from None
    return frame(b"object:", b"".join(parts))


def _enum(value: enum.Enum, above: Above) -> bytes:
    """Encode a member by its class, name and value; once, where the value can never be another."""
    kind = type(value)
    forms = _MEMBERS.get(kind)
    if forms is None:
        forms = _MEMBERS[kind] = {}
    form = forms.get(value._name_)
    if form is None:
        form = named(kind, {"name": value.name, "value": value.value}, above)
        if value._name_ in kind.__members__ and type(value.value) in (str, int):
            forms[value._name_] = form
    above[0].kinds[kind] = None
    return form


_MEMBERS: weakref.WeakKeyDictionary[type, dict[str, bytes]] = weakref.WeakKeyDictionary()


def _secret(value: SecretStr | SecretBytes | Secret[Any], above: Above) -> bytes:
    return frame(b"secret:", encode(value.get_secret_value(), above))


def _array(value: Any, above: Above) -> bytes:
    """Encode a numpy array, or a scalar of one, by its class, dtype, shape, order in memory, and every byte.

    A structured one is encoded by its fields, between which there may be bytes that mean nothing.
    """
    kind = type(value)
    dtype = value.dtype
    order = b"" if not value.flags.fnc else b"fortran"
    head = b"".join((framed_name(kind), *map(_framed_text, (dtype, value.shape)), frame(b"order:", order)))
    base = next((one for one in kind.__mro__ if one.__qualname__ == "ndarray" and one is not kind), None)
    if base is not None:  # such as one with a mask; where one is mapped from a file decides nothing
        attributes = {} if kind.__qualname__ == "memmap" else vars(value)
        return frame(b"array:", head + encode([value.view(base), attributes], above))
    if dtype.names:
        return frame(b"array:", head + b"".join(_items([value[name] for name in dtype.names], above)))
    if dtype.hasobject:
        return frame(b"array:", head + encode(value.tolist(), above))
    return frame(b"array:", head + value.tobytes())


def _framed_text(value: Any) -> bytes:
    return frame(b"text:", repr(value).encode())


def _environment(value: Mapping[str, str], above: Above) -> bytes:
    return above[0].environment(value, above)  # type: ignore[no-any-return]


def _path(value: pathlib.PurePath, above: Above) -> bytes:
    tag = b"windows path:" if isinstance(value, pathlib.PureWindowsPath) else b"path:"
    return frame(tag, value.as_posix().encode("utf-8", "surrogateescape"))


def _class(value: type, above: Above) -> bytes:
    above[0].kinds[value] = None
    return frame(b"class:", above[0].called(value).encode())


def _pattern(value: re.Pattern[Any], above: Above) -> bytes:
    return frame(b"pattern:", encode(value.pattern, above) + encode(value.flags, above))


def _annotation(value: Any, above: Above) -> bytes:
    """Encode such as ``list[int]`` by what it consists of."""
    origin = typing.get_origin(value)
    if origin is None:
        return _other(value, above)
    return frame(b"annotation:", encode(origin, above) + b"".join(_items(typing.get_args(value), above)))


def _known(value: Any, above: Above) -> bytes:
    make = stand_in(type(value))
    data = NotImplemented if make is None else make(value)
    return _other(value, above) if data is NotImplemented else named(type(value), {"": data}, above)


def _special(base: type) -> Encoder:
    """Encode an instance of a subclass of a scalar type: by its class, its value and its attributes."""

    def form(value: Any, above: Above) -> bytes:
        return _of_type(value, base, b"special:", SCALARS[base](PLAIN[base](value)), above)

    return form


_CONTAINERS: list[tuple[type, Encoder]] = [
    (Private, _private),
    (list, _list),
    (tuple, _tuple),
    (collections.OrderedDict, _ordered_dict),
    (collections.defaultdict, _default_dict),
    (dict, _mapping),
    (set, _unordered(set, b"set:")),
    (frozenset, _unordered(frozenset, b"frozenset:")),
    (enum.Enum, _enum),
    (BaseModel, _model),
    *((secret, _secret) for secret in (SecretStr, SecretBytes, Secret)),
    (type(os.environ), _environment),
    (Mapping, _own_mapping),
    (pathlib.PurePath, _path),
    (re.Pattern, _pattern),
    (types.GenericAlias, _annotation),
    (type, _class),
    *((base, _special(base)) for base in PLAIN),
]
