"""Places: what names are looked up in, and which of them a function changes when it runs."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Any

from planai.cache.changes import changed_by
from planai.cache.instructions import MISSING
from planai.cache.state import state_of
from planai.cache.touched import Path, touched_by

OF_FUNCTIONS = ("__code__", "__defaults__", "__kwdefaults__")
"""What of a function may be replaced while a program runs."""

_NAMESPACES = (type, types.ModuleType, types.FunctionType)
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
                yield place, path[-1], is_filled
    for path in touched.used:
        owner = function.__globals__.get(path[1]) if path[0] == "global" and len(path) == _METHOD else None
        if owner is not None and not isinstance(owner, _NAMESPACES):
            yield from ((owner, name, True) for name in changed_by(type(owner), path[2]))


def _place_of(path: Path, function: types.FunctionType) -> Any:
    """Return what the last name of a path is looked up in; None for what is none of the user's places."""
    if path[0] == "free":
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        return cells.get(path[1])
    if path[0] != "global":
        return None
    if len(path) < _METHOD:
        return function.__globals__
    owner = function.__globals__.get(path[1])
    return owner if isinstance(owner, _NAMESPACES) else None


def look_up(place: Any, name: str) -> Any:
    """Return what is called `name` in a dict of globals, on a class, module, function or object, or in a cell."""
    if isinstance(place, dict):
        return place.get(name, MISSING)
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
