"""The state of objects that are no data: what they consist of, as far as that is honestly to be had.

Of what has none, such as a lock, a logger, a socket, an iterator or a generator of random numbers, the class alone
counts: what it holds differs from process to process, or from call to call.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

from planai.cache.memo import per_class
from planai.cache.names import module_of, qualified

INTERNAL = frozenset({"_wirings_", "_lock_", "_by_hand_", "_cache_", "_first_", "_flight_", "_missed_", "_registered_"})
"""What planai's own workers keep on themselves besides settings, and what decides nothing."""

_MACHINES = frozenset(
    {
        *("_asyncio", "_contextvars", "_io", "_queue", "_random", "_socket", "_ssl", "_thread", "_weakref", "asyncio"),
        *("concurrent", "contextvars", "io", "logging", "mmap", "multiprocessing", "planai", "queue", "random"),
        *(
            "select",
            "selectors",
            "signal",
            "socket",
            "sqlite3",
            "ssl",
            "subprocess",
            "tempfile",
            "threading",
            "weakref",
        ),
    }
)
_ESSENCE: dict[str, tuple[str, ...]] = {
    "cachetools._cached:_WrapperBase": ("__wrapped__", "cache_key"),
    "functools:singledispatchmethod": ("func", "dispatcher"),
    "jinja2.environment:Environment": (
        *("autoescape", "block_end_string", "block_start_string", "comment_end_string", "comment_start_string"),
        *("extensions", "filters", "finalize", "globals", "keep_trailing_newline", "line_comment_prefix"),
        *("line_statement_prefix", "loader", "lstrip_blocks", "newline_sequence", "policies", "tests", "trim_blocks"),
        *("undefined", "variable_end_string", "variable_start_string"),
    ),
    "jinja2.environment:Template": ("name", "root_render_func", "blocks", "globals"),
    "pydantic.type_adapter:TypeAdapter": ("_type", "_config"),
}
"""What decides of objects that also hold what their use fills, such as templates that were loaded."""


_COPYING = ("__reduce__", "__reduce_ex__", "__getstate__")
_UNCOPIED = frozenset({"numpy", "planai", "pydantic", "pydantic_core"})
"""Of these, what counts is known by name; what else numpy copies are generators of random numbers."""


def state_of(value: Any) -> dict[str, Any] | None:
    """Return the attributes of an object by name; None where only its class can count.

    >>> import fractions, threading
    >>> state_of(slice(1, 2))
    {'start': 1, 'step': None, 'stop': 2}
    >>> state_of(threading.Lock()) is None
    True
    """
    kind = type(value)
    if _has_none(kind):
        return None
    essence = _essence(kind)
    if essence is not None:
        return {name: getattr(value, name, None) for name in essence}
    lazy = lazy_names(kind)
    state = {name: item for name, item in _attributes(value) if name not in lazy}
    if _is_copied_by_c(kind) or (not state and _is_of_python(kind)):
        state |= _reduced(value)
    return dict(sorted(state.items()))


def surplus_of(model: Any) -> dict[str, Any]:
    """Return what a model keeps besides its fields, and what its cached properties keep."""
    known = type(model).__pydantic_fields__.keys() | INTERNAL | lazy_names(type(model))
    return {name: value for name, value in model.__dict__.items() if name not in known}


def surplus_of_dataclass(value: Any) -> dict[str, Any]:
    """Return what a dataclass keeps besides its fields, such as what ``__post_init__`` makes of an ``InitVar``."""
    known = {field.name for field in dataclasses.fields(value)} | lazy_names(type(value))
    kept = getattr(value, "__dict__", {})
    return {name: item for name, item in kept.items() if name not in known}


@per_class
def _has_none(kind: type) -> bool:
    package = module_of(kind).partition(".")[0]
    if package == "planai" and module_of(kind).startswith("planai.demo"):
        return False
    if package in _MACHINES:
        return True
    return _is_of_python(kind) and hasattr(kind, "__next__")


@per_class
def _is_copied_by_c(kind: type) -> bool:
    """Tell whether a class of a package that is written in another language says how its objects are to be copied.

    They may have no attributes that Python could see: without this, two of them would be alike.
    """
    for base in kind.__mro__:
        if not _is_of_python(base) and module_of(base).partition(".")[0] not in _UNCOPIED:
            told = [vars(base)[name] for name in _COPYING if name in vars(base)]
            if told:
                return not any(isinstance(item, types.FunctionType) for item in told)
    return False


def _is_of_python(kind: type) -> bool:
    return module_of(kind).partition(".")[0] in sys.stdlib_module_names


@per_class
def _essence(kind: type) -> tuple[str, ...] | None:
    return next((_ESSENCE[qualified(base)] for base in kind.__mro__ if qualified(base) in _ESSENCE), None)


@per_class
def lazy_names(kind: type) -> frozenset[str]:
    """Return the names of cached properties, whose values come and go, and of what people read."""
    lazy = {name for base in kind.__mro__ for name, item in vars(base).items() if _is_lazy(item)}
    return frozenset(lazy | {"__doc__", "__orig_class__"})


def _is_lazy(item: Any) -> bool:
    return isinstance(item, functools.cached_property)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is in the ``__dict__`` of an object, and in its slots; a class written in C has such, too."""
    for base in type(value).__mro__:
        for name, slot in vars(base).items():
            if isinstance(slot, types.MemberDescriptorType) and not name.startswith("__"):
                try:
                    yield name, slot.__get__(value)
                except AttributeError:  # an empty slot
                    continue
    if isinstance(value, BaseException):
        yield "args", value.args
        came_from = {"__cause__": value.__cause__, "__context__": value.__context__}
        yield from ((name, error) for name, error in came_from.items() if error is not None)
    own = getattr(value, "__dict__", None)
    if isinstance(own, dict):
        yield from ((name, item) for name, item in own.copy().items() if isinstance(name, str))


def _reduced(value: Any) -> dict[str, Any]:
    """Return what types that are written in C say of themselves; no code written in Python is asked."""
    try:
        reduced = value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 - whoever cannot be copied has no state to be had
        return {}
    if not isinstance(reduced, tuple):
        return {}
    parts = ("args", "state", "items", "pairs")
    found = dict(zip(parts, reduced[1:], strict=False))
    return {name: list(part) if name in ("items", "pairs") and part else part for name, part in found.items()}
