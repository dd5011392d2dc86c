"""Values as short texts, for people who ask what an entry was made from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from planai.cache.canonical import canonical, digest
from planai.cache.names import is_credential
from planai.cache.scalars import SCALARS
from planai.errors import UnkeyableValue

LENGTH = 160
"""Characters at most; of a longer text the beginning is shown, and a digest in place of the rest."""

HIDDEN = "*" * 10
"""What is shown in place of a secret, as pydantic does."""

_MANY = 40
_quoted = json.JSONEncoder(ensure_ascii=False).encode


def short_text(value: Any) -> str:
    """Return `value` as a text of at most some 180 characters, without secrets.

    Equal data are equal texts in every process, and different data are different ones. Of objects, what they show of
    themselves is taken.

    >>> short_text("a"), short_text([1, 2]), short_text({"b", "a"})
    ('"a"', '[1, 2]', "{'a', 'b'}")
    """
    text = _quoted(value) if type(value) is str else _repr(value)
    if len(text) <= LENGTH:
        return text
    return f"{text[: LENGTH - 20]}… #{_digest(value)}"


def named_text(name: str, value: Any) -> str:
    """Return the short text of what has a name; by its name, a text or bytes may be a secret.

    >>> named_text("city", "Paris"), named_text("api_key", "sk-1"), named_text("settings", {"password": "x"})
    ('"Paris"', '**********', "{'password': **********}")
    """
    return HIDDEN if is_secret(name, value) else short_text(value)


def constant_text(name: str, value: Any, form: bytes) -> str:
    """Return the short text of a constant in code; of an object, which may show itself otherwise each time, a digest.

    Args:
        name: what it is called; by that, a text or bytes may be a secret.
        value: the constant.
        form: what its digest is made of.

    >>> constant_text("RATE", 2, b""), constant_text("PIN", SecretStr("1234"), b"")
    ('2', "SecretStr('**********')")
    """
    if type(value) in SCALARS or type(value) in _SHOW or isinstance(value, _SHOWN_BY_THEMSELVES) or is_dataclass(value):
        return named_text(name, value)
    return f"{type(value).__name__} #{digest(form)[:12]}"


def is_secret(name: object, value: Any) -> bool:
    """Tell whether a value is a secret by its name, and not to be shown."""
    return isinstance(value, str | bytes) and bool(value) and is_credential(name)


def _digest(value: Any) -> str:
    try:
        return digest(canonical(value))[:12]
    except UnkeyableValue:
        return "?"


def _repr(value: Any) -> str:
    try:
        return _in_order(value)
    except Exception:  # noqa: BLE001 - a user's method, or an integer with more digits than Python writes
        return f"<{type(value).__name__} #{_digest(value)}>"


def _in_order(value: Any) -> str:
    """Return what `repr` does, but with dicts and sets, whose order is another in each process, sorted."""
    kind: Any = type(value)
    if kind in _LONG and len(value) > _MANY:
        return f"{kind.__name__} of {len(value)} #{_digest(value)}"
    if kind in _SHOW:
        return _SHOW[kind](value)
    if isinstance(value, BaseModel) and kind.__repr__ is BaseModel.__repr__:
        return f"{kind.__name__}({', '.join(_fields_of_model(value))})"
    if is_dataclass(value) and kind.__dataclass_params__.repr and hasattr(kind.__repr__, "__wrapped__"):
        return f"{kind.__qualname__}({', '.join(_fields_of_dataclass(value))})"
    return repr(value)


def _fields_of_model(value: BaseModel) -> Iterator[str]:
    """Yield the fields with their values; of one that its class does not show, that there is one."""
    for name, item in value.__repr_args__():
        yield f"{name}={_under(name, item)}"
    yield from (f"{name}={HIDDEN}" for name, field in type(value).model_fields.items() if not field.repr)


def _fields_of_dataclass(value: Any) -> Iterator[str]:
    for field in fields(value):
        yield f"{field.name}={_under(field.name, getattr(value, field.name)) if field.repr else HIDDEN}"


def _pairs(value: dict[Any, Any]) -> str:
    return f"{{{', '.join(sorted(f'{_in_order(key)}: {_under(key, item)}' for key, item in value.items()))}}}"


def _under(name: object, value: Any) -> str:
    return HIDDEN if is_secret(name, value) else _in_order(value)


def _items(value: Iterable[Any]) -> list[str]:
    return [_in_order(item) for item in value]


def _set(value: Iterable[Any]) -> str:
    return f"{{{', '.join(sorted(_items(value)))}}}" if value else "set()"


_SHOW: dict[type, Callable[[Any], str]] = {
    dict: _pairs,
    list: lambda value: f"[{', '.join(_items(value))}]",
    tuple: lambda value: f"({', '.join(_items(value))}{',' * (len(value) == 1)})",
    set: _set,
    frozenset: lambda value: f"frozenset({_set(value)})",
}
_LONG = frozenset({*_SHOW, bytes})
_SHOWN_BY_THEMSELVES = (BaseModel, Enum, PurePath, Secret, SecretStr, SecretBytes)
