"""Finding the classes that an entry names, among those of the program, without importing anything."""

from __future__ import annotations

import dataclasses
import enum
import sys
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from planai.cache.canonical import qualified


def find_class(name: str, expected: tuple[type, ...]) -> type:
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
