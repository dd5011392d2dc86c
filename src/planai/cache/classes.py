"""Finding the classes that an entry names, among those of the program, without importing anything."""

from __future__ import annotations

import dataclasses
import enum
import sys
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from planai.cache.canonical import main_module, qualified


def find_class(name: str, expected: tuple[type, ...]) -> type:
    """Return the class called `name`, as `qualified` gives names, without importing anything.

    Beyond what the fields of the `expected` classes name, it has to come from a package of one of these: an entry that
    somebody has crafted makes no other class of the program run its validators.
    """
    for kind in _reachable(expected):
        if qualified(kind) == name:
            return kind
    module_name, _, path = name.partition(":")
    packages = {qualified(kind).partition(":")[0].partition(".")[0] for kind in expected}
    if packages and module_name.partition(".")[0] not in packages:
        raise TypeError(f"{name} is no class of {', '.join(sorted(packages))}")
    found: Any = sys.modules.get(module_name)
    if found is None and module_name == main_module():
        found = sys.modules.get("__main__")  # a class of the script that nobody's annotation names
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
