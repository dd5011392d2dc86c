"""What a worker changes while it computes: its state, such as a counter, of which only the first value can count."""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Iterator
from typing import Any

from planai.cache.memo import per_class
from planai.cache.own import Own

_MUTATORS = frozenset(
    {
        *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "insert", "move_to_end"),
        *("pop", "popitem", "popleft", "remove", "setdefault", "sort", "update", "reverse"),
    }
)
_NOT_WHILE_COMPUTING = frozenset({"__init__", "init", "completed", "model_post_init"})


@per_class
def changed_names(kind: type) -> frozenset[str]:
    """Return the attributes and globals to which a call assigns: in ``consume_work``, hooks, and what these call.

    What is assigned elsewhere, as in a method that sets something up between runs, counts with its present value.
    """
    own = Own(kind.__module__)
    foreign = {name for base in kind.__mro__ if not own.holds(base) for name in vars(base)}
    waiting = {"consume_work", *(name for base in kind.__mro__ if own.holds(base) for name in vars(base))}
    waiting = {name for name in waiting if name in foreign or name == "consume_work"} - _NOT_WHILE_COMPUTING
    seen: set[str] = set()
    changed: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for code in _codes(kind, name, own):
            changed.update(step.argval for step in dis.get_instructions(code) if _assigns(step))
            waiting |= set(code.co_names) - seen - _NOT_WHILE_COMPUTING
    return frozenset(changed)


@per_class
def first_values(kind: type) -> dict[str, Any]:
    """Return where to keep the first values of the class variables of `kind` that calls change."""
    return {}


def mutates(code: types.CodeType) -> bool:
    """Tell whether `code` may change a container in place: which one, its instructions do not say."""
    return any(
        step.opname in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE")
        or (step.opname in ("LOAD_METHOD", "LOAD_ATTR") and step.argval in _MUTATORS)
        for step in dis.get_instructions(code)
    )


@per_class
def filled_names(kind: type) -> frozenset[str]:
    """Return the attributes whose contents methods of `kind` may change in place, such as those of a memo."""
    own = Own(kind.__module__)
    names = {name for base in kind.__mro__ if own.holds(base) for name in vars(base)}
    return frozenset(
        attribute for name in names for code in _codes(kind, name, own) if mutates(code) for attribute in code.co_names
    )


def _assigns(step: dis.Instruction) -> bool:
    return step.opname in ("STORE_ATTR", "STORE_GLOBAL")


def _codes(kind: type, name: str, own: Own) -> Iterator[types.CodeType]:
    """Yield the code of all versions of a method, and of the functions inside it."""
    for base in kind.__mro__:
        value = vars(base).get(name)
        if value is None or not own.holds(base):
            continue
        accessors = (value.fget, value.fset) if isinstance(value, property) else (getattr(value, "__func__", value),)
        for accessor in accessors:
            function = inspect.unwrap(accessor) if callable(accessor) else accessor
            if isinstance(function, types.FunctionType):
                yield from _with_inner(function.__code__)


def _with_inner(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _with_inner(constant)
