"""What a worker changes while it computes: its state, such as a counter, of which only the first value can count."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from planai.cache.memo import per_class
from planai.cache.own import Own
from planai.cache.touched import Path, names_in, touched_by

_NOT_WHILE_COMPUTING = frozenset({"__init__", "init", "completed", "model_post_init"})
_START = "consume_work"
_ON_ATTRIBUTE = 3  # the length of the path to what is looked up on an attribute


@per_class
def computing_names(kind: type) -> frozenset[str]:
    """Return the names of the methods that a call may run: ``consume_work``, hooks, and what these call.

    What others change, such as a method that sets something up between runs, counts with its present value.
    """
    own = Own(kind.__module__)
    foreign = {name for base in kind.__mro__ if not own.holds(base) for name in vars(base)}
    names = {name for base in kind.__mro__ if own.holds(base) for name in vars(base)}
    waiting = ({name for name in names if name in foreign} | {_START}) - _NOT_WHILE_COMPUTING
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for function in _functions(kind, name, own):
            waiting |= names_in(function.__code__) - seen - _NOT_WHILE_COMPUTING
    return frozenset(seen)


@per_class
def idle_code(kind: type) -> frozenset[types.CodeType]:
    """Return the code of the methods of a worker that no call runs."""
    if not hasattr(kind, _START):
        return frozenset()
    own, computing = Own(kind.__module__), computing_names(kind)
    names = {name for base in kind.__mro__ if own.holds(base) for name in vars(base)} - computing
    return frozenset(function.__code__ for name in names for function in _functions(kind, name, own))


@per_class
def changed_names(kind: type) -> frozenset[str]:
    """Return the attributes of an object of `kind`, and of the class, to which a call assigns."""
    own = Own(kind.__module__)
    changed: set[str] = set()
    for name in computing_names(kind):
        for function in _functions(kind, name, own):
            for where, *rest in touched_by(function.__code__).assigned:
                owner = function.__globals__.get(rest[0]) if where == "global" else None
                if where == "self" or any(
                    owner is base for base in kind.__mro__
                ):  # == is up to the owner, as of arrays
                    changed.add(rest[-1])
    return frozenset(changed)


@per_class
def filled_names(kind: type) -> frozenset[str]:
    """Return the attributes whose contents a call may change in place, such as those of a memo."""
    own = Own(kind.__module__)
    return frozenset(
        path[1]
        for name in computing_names(kind)
        for function in _functions(kind, name, own)
        for path in touched_by(function.__code__).filled
        if path[0] == "self"
    )


@per_class
def first_values(kind: type) -> dict[str, Any]:
    """Return where to keep the first values of the class variables of `kind` that calls change."""
    return {}


class Effects(NamedTuple):
    """What a method does.

    Attributes:
        changed: the attributes of its object that it, and what it calls there, assigns to or fills.
        calls: what it calls on objects that are attributes: the attribute, and the method.
    """

    changed: frozenset[str]
    calls: frozenset[tuple[str, str]]


def effects_of(kind: type, method: str) -> Effects:
    """Return what a method of the objects of `kind` changes and calls."""
    own = Own(kind.__module__)
    changed, used = set[str](), set[Path]()
    waiting, seen = {method}, set[str]()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for function in _functions(kind, name, own):
            touched = touched_by(function.__code__)
            changed |= {path[1] for path in touched.assigned | touched.filled if path[0] == "self"}
            mine = {path for path in touched.used if path[0] == "self"}
            used |= mine
            waiting |= {path[1] for path in mine} - seen
    return Effects(frozenset(changed), calls_in(used))


def calls_in(used: Iterable[Path]) -> frozenset[tuple[str, str]]:
    """Return what is looked up on objects that are attributes of ``self``: the attribute, and the name there."""
    return frozenset((path[1], path[2]) for path in used if path[0] == "self" and len(path) == _ON_ATTRIBUTE)


@per_class
def calls_on_attributes(kind: type) -> frozenset[tuple[str, str]]:
    """Return what a call of a worker looks up on objects that are its attributes: the attribute, and the name there."""
    own = Own(kind.__module__)
    return calls_in(
        path
        for name in computing_names(kind)
        for function in _functions(kind, name, own)
        for path in touched_by(function.__code__).used
    )


def _functions(kind: type, name: str, own: Own) -> Iterator[types.FunctionType]:
    """Yield the functions behind all versions of a method."""
    for base in kind.__mro__:
        value = vars(base).get(name)
        if value is None or not own.holds(base):
            continue
        accessors = (value.fget, value.fset) if isinstance(value, property) else (getattr(value, "__func__", value),)
        for accessor in accessors:
            function = inspect.unwrap(accessor) if callable(accessor) else accessor
            if isinstance(function, types.FunctionType):
                yield function
