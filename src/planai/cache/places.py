"""Places: what names are looked up in, and which of them a function changes when it runs."""

from __future__ import annotations

import inspect
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

from planai.cache.changes import effects_of
from planai.cache.instructions import MISSING
from planai.cache.state import state_of
from planai.cache.touched import Path, touched_by

OF_FUNCTIONS = ("__code__", "__defaults__", "__kwdefaults__")
"""What of a function may be replaced while a program runs."""

_NAMESPACES = (type, types.ModuleType, types.FunctionType)
Place = tuple[Any, str]
"""What a name is looked up in, and the name."""

_METHOD = 3  # the length of the path to an attribute of a global


def changes_of(function: types.FunctionType) -> Iterator[tuple[Any, str, bool]]:
    """Yield where a function changes something: the place, the name there, and whether it is changed in place.

    It changes also what the methods change that it calls on a global object, such as the counter of a client.
    """
    touched = touched_by(function.__code__)
    for is_filled, paths in ((False, touched.assigned), (True, touched.filled)):
        for path in paths:
            place = _place_of(path, function)
            if place is not None:
                yield from ((*where, is_filled) for where in _wherever(place, path[-1]))
    for path in touched.used:
        if path[0] == "global" and len(path) == _METHOD:
            yield from ((*place, True) for place in changes_of_call(function.__globals__.get(path[1]), path[2]))


def changes_of_call(owner: Any, method: str, seen: frozenset[tuple[int, str]] = frozenset()) -> Iterator[Place]:
    """Yield what a method of an object changes, of that object as of those that it holds."""
    if owner is None or isinstance(owner, _NAMESPACES) or (id(owner), method) in seen:
        return
    effects = effects_of(type(owner), method)
    yield from (where for name in effects.changed for where in _wherever(owner, name))
    held = (state_of(owner) or {}) if effects.calls else {}
    for name, inner in effects.calls:
        yield from changes_of_call(held.get(name), inner, seen | {(id(owner), method)})


def _place_of(path: Path, function: types.FunctionType) -> Any:
    """Return what the last name of a path is looked up in; None for what is none of the user's places."""
    if path[0] == "free":
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        cell = cells.get(path[1])
        return cell if len(path) < _METHOD or cell is None else look_up(cell, "")
    if path[0] != "global":
        return None
    if len(path) < _METHOD:
        return function.__globals__
    return function.__globals__.get(path[1])


def _wherever(owner: Any, name: str) -> Iterator[Place]:
    """Yield where an attribute may be: on the object itself, and on the class that has it for all."""
    yield owner, name
    if not isinstance(owner, (*_NAMESPACES, dict, types.CellType)) and name not in (state_of(owner) or {}):
        yield from ((base, name) for base in type(owner).__mro__ if name in vars(base))


def look_up(place: Any, name: str) -> Any:
    """Return what is called `name` in a dict of globals, on a class, module, function or object, or in a cell.

    An environment variable is the same object as long as it has the same value.
    """
    if isinstance(place, dict):
        return place.get(name, MISSING)
    if place is os.environ:
        return sys.intern(os.environ[name]) if name in os.environ else MISSING
    if isinstance(place, types.CellType):
        try:
            return place.cell_contents
        except ValueError:  # a name that has no value yet
            return MISSING
    if isinstance(place, types.FunctionType) and name in OF_FUNCTIONS:
        return getattr(place, name)
    if not isinstance(place, _NAMESPACES):
        return (state_of(place) or {}).get(name, MISSING)
    found = vars(place).get(name, MISSING)
    return found if found is not MISSING else inspect.getattr_static(place, name, MISSING)
