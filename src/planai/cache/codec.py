"""Codec: values to bytes and back, exactly, and without pickle.

Tasks and other values become JSON with a tag wherever JSON alone would forget something: a tuple, a set, bytes, a date,
a model's class. Models are validated again on the way in. Bytes pass through as they are.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel, RootModel

from planai.cache.bundle import Bundle, Published
from planai.cache.classes import find_class
from planai.cache.frame import DamagedPayload, frame_bytes, frame_json, open_frame
from planai.cache.json_bytes import read, write_apart
from planai.cache.key import schema_digest
from planai.cache.memo import per_class
from planai.cache.outside import TAG, brought_in, in_base64
from planai.cache.pack import SCALARS, SEQUENCES, Unpackable, compared, is_plain, pack, pack_answer, privates_in
from planai.errors import CacheError, UnstorableValue

_CONTAINERS = frozenset({list, dict})


class Undecodable(CacheError):
    """A payload is damaged, of another format, or no longer fits the classes of the program."""


class Codec:
    """Encodes and decodes values in which the given classes may occur.

    Args:
        expected: classes of the program that may be decoded, besides the classes of their fields and all subclasses
            of these. A name in a payload is only looked up there and in modules that are loaded; nothing is imported.
    """

    def __init__(self, expected: Iterable[type] = ()) -> None:
        self._expected = tuple(expected)
        self._classes: dict[tuple[str, type], type] = {}

    def encode(self, value: Any) -> bytes:
        """Return a payload from which `decode` makes an equal value.

        Raises:
            UnstorableValue: something in `value` would not come back as it is; the message names it.
        """
        if isinstance(value, bytes):
            return frame_bytes(value)
        try:
            content = write_apart(pack_answer(value))
        except Unpackable as error:
            raise UnstorableValue(f"{type(value).__name__}{''.join(reversed(error.path))} {error.reason}") from None
        except RecursionError:
            raise UnstorableValue(f"{type(value).__name__} contains itself, or is nested too deeply") from None
        payload = frame_json(*content)
        self._verify(value, payload)
        return payload

    def decode(self, payload: bytes) -> Any:
        """Return the value that was encoded.

        Raises:
            Undecodable: the payload is damaged, or its classes are gone or no longer accept it.
        """
        if not isinstance(payload, bytes):
            raise Undecodable(f"the payload is a {type(payload).__name__}: the entry is damaged")
        try:
            is_json, body, outside = open_frame(payload)
            return self._unpack(brought_in(read(body), outside)) if is_json else body
        except DamagedPayload as error:
            raise Undecodable(f"{error}: the entry is damaged") from error
        except Exception as error:
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
            return packed if is_plain(packed) else [self._unpack(item) for item in packed]
        if type(packed) is not dict:
            return packed
        tag = packed.get(TAG)
        if tag is None:
            return {key: self._unpack(item) for key, item in packed.items()}
        return self._unpack_tagged(tag, packed["v"], packed)

    def _unpack_tagged(self, tag: str, body: Any, packed: dict[str, Any]) -> Any:
        if tag == "model":
            return self._model(packed)
        if tag == "enum":
            kind = self._class(packed["c"], enum.Enum)
            return kind[body] if isinstance(body, str) else kind(body)
        if tag == "dataclass":
            return self._dataclass(packed)
        if tag == "bundle":
            return Bundle(tuple(Published(self._unpack(task), consumer) for consumer, task in body))
        if tag in SCALARS:
            return SCALARS[tag].load(body)
        if tag == "dict":
            return {self._unpack(key): self._unpack(item) for key, item in body}
        return SEQUENCES[tag](self._unpack(item) for item in body)

    def _model(self, packed: dict[str, Any]) -> BaseModel:
        model = self._class(packed["c"], BaseModel)
        fields = packed["v"]
        migrate = _migration(model)
        if migrate is not None and packed.get("s", "") not in ("", schema_digest(model)):
            fields = migrate(_plain(fields), packed["s"])
        else:
            for name, item in fields.items():
                if type(item) in _CONTAINERS:
                    fields[name] = self._unpack(item)
        data = fields["root"] if issubclass(model, RootModel) else fields
        made: BaseModel = model.__pydantic_validator__.validate_python(data, by_name=True, by_alias=False)
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
        found = self._classes.get((name, base))
        if found is None:
            found = find_class(name, self._expected)
            if not issubclass(found, base):
                raise TypeError(f"{name} is no {base.__name__} any more")
            self._classes[name, base] = found
        return found


@per_class
def _migration(kind: type) -> Callable[[Any, str], Any] | None:
    """Return the ``cache_migrate`` of a model, if it has one; to ask pydantic for what is missing takes long."""
    return getattr(kind, "cache_migrate", None)


def json_of(payload: bytes) -> Any:
    """Return what is in a payload as JSON values that `payload_of` takes; None where it is no JSON, or damaged."""
    try:
        is_json, body, outside = open_frame(payload)
    except DamagedPayload:
        return None
    return brought_in(read(body), outside, in_base64) if is_json else None


def payload_of(value: Any) -> bytes:
    """Return the payload that holds what `json_of` returned."""
    return frame_json(*write_apart(value))


def _plain(packed: Any) -> Any:
    """Return what was packed as plain data: of models and dataclasses their fields, of enums the names."""
    if isinstance(packed, list):
        return [_plain(item) for item in packed]
    if not isinstance(packed, dict):
        return packed
    tag, body = packed.get(TAG), packed.get("v")
    if tag in SCALARS:
        return SCALARS[tag].load(body)
    if tag == "dict" and isinstance(body, list):
        return {_plain(key): _plain(item) for key, item in body}
    if tag in SEQUENCES and isinstance(body, list):
        return SEQUENCES[tag](_plain(item) for item in body)
    if tag is not None:
        return _plain(body)
    return {key: _plain(item) for key, item in packed.items()}


def _same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal, NaN included; the packed forms have types, too."""
    private = list(privates_in(right))  # which not all models compare, and no entry holds
    if private and private != list(privates_in(left)):
        return False
    try:
        if left == right:
            return True
    except ArithmeticError:  # a signalling NaN is compared with nothing
        pass
    return compared(pack(left)) == compared(pack(right))


def _difference(left: Any, right: Any) -> str:
    """Name what makes two values differ: a private attribute, or the first field."""
    if list(privates_in(left)) != list(privates_in(right)):
        return " in a private attribute, which entries do not hold"
    if isinstance(left, BaseModel) and isinstance(right, BaseModel):
        for name, value in right.__dict__.items():
            if left.__dict__.get(name) != value:
                return f" in its field {name!r}"
    return ""
