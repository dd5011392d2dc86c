"""Seeing from its code whether a worker looks up, or stores, its answers itself."""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Iterator
from typing import NamedTuple

_LOOKS = frozenset({"get_from_cache", "is_cached", "get_cache"})
_STORES = frozenset({"save_to_cache", "get_cache"})


class ByHand(NamedTuple):
    """What ``consume_work`` does itself, so that nobody may do it for it."""

    looks: bool
    stores: bool


def by_hand(worker: type, method: str, library: frozenset[type]) -> ByHand:
    """Tell what `method` of `worker` does itself, or lets the worker's other methods do.

    Only code counts, not whether it is reached: a worker that saves an answer, but not an error, is in charge of
    saving. The methods of the classes in `library` are not looked into.
    """
    names = _names(worker, method, library)
    return ByHand(looks=bool(names & _LOOKS), stores=bool(names & _STORES))


def replaces(worker: type, method: str, library: frozenset[type]) -> bool:
    """Tell whether `worker` has a `method` of its own that does not call the one of the library."""
    versions = list(_versions(worker, method, library))
    return bool(versions) and not _calls_overridden(versions[-1], worker)


def _names(worker: type, method: str, library: frozenset[type]) -> set[str]:
    """Return what `method`, its versions in base classes, and the methods that these call use of the worker itself.

    That it asks another worker's cache is its own business.
    """
    seen: set[str] = set()
    waiting = [method]
    while waiting:
        for function in _versions(worker, waiting.pop(), library):
            new = set(_names_of_self(function.__code__, _first_parameter(function))) - seen
            seen |= new
            waiting += sorted(new - _LOOKS - _STORES)
    return seen


def _versions(worker: type, name: str, library: frozenset[type]) -> Iterator[types.FunctionType]:
    """Yield the functions called `name` on the user's own classes of the worker."""
    for base in worker.__mro__:
        value = vars(base).get(name)
        if base in library or value is None:
            continue
        inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        function = inspect.unwrap(inner) if callable(inner) else inner
        if isinstance(function, types.FunctionType):
            yield function
            if not _calls_overridden(function, worker):
                return


def _calls_overridden(function: types.FunctionType, worker: type) -> bool:
    """Tell whether `function` may call the versions of itself that it overrides."""
    return bool({"super", *(base.__name__ for base in worker.__mro__)} & set(_names_in(function.__code__)))


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)


def _first_parameter(function: types.FunctionType) -> str:
    return function.__code__.co_varnames[0] if function.__code__.co_argcount else ""


def _names_of_self(code: types.CodeType, me: str) -> Iterator[str]:
    """Yield the attributes that code reads of `me`, or of what ``super()`` returns."""
    before: dis.Instruction | None = None
    uses_super = "super" in code.co_names
    for step in dis.get_instructions(code):
        if isinstance(step.argval, types.CodeType):
            yield from _names_of_self(step.argval, me)
        is_read = step.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")
        if is_read and (_is_load_of(before, me) or uses_super):
            yield step.argval
        before = step


def _is_load_of(step: dis.Instruction | None, name: str) -> bool:
    """Tell whether an instruction leaves the variable `name` on top: newer Pythons load two at once."""
    if step is None or not step.opname.startswith(("LOAD_FAST", "LOAD_DEREF")):
        return False
    return bool(step.argval == name or (isinstance(step.argval, tuple) and step.argval[-1] == name))
