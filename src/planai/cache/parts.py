"""Parts: what a class, a module or a function of the user's own consists of, as a walk over code encodes it."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Protocol

from pydantic import BaseModel

from planai.cache.changes import changed_names, filled_names, first_values, idle_code
from planai.cache.environment import variables_of_settings
from planai.cache.findings import Findings
from planai.cache.instructions import Finder, Instructions, short_digest
from planai.cache.names import module_name
from planai.cache.own import is_machinery
from planai.cache.places import OF_FUNCTIONS
from planai.cache.touched import names_in
from planai.cache.words import types_in

_FIELD = (
    "alias",
    "validation_alias",
    "serialization_alias",
    "discriminator",
    "exclude",
    "frozen",
    "validate_default",
    "repr",
)


class Walker(Finder, Protocol):
    """What encodes whatever a part refers to.

    Attributes:
        root: the class that is walked from.
        found: where to note down what was found.
    """

    root: type
    found: Findings

    def kind(self, kind: type) -> bytes:
        """Encode a class by its number, and what is not the user's own by its name."""

    def counts_fields(self, kind: type) -> bool:
        """Tell whether the types and defaults of a model's fields count."""

    def hold(self, value: Any) -> bytes:
        """Encode a value, and remember it if it may be changed in place."""

    def variable(self, name: str) -> bytes:
        """Encode an environment variable, if there is one of that name."""

    def at_first(self, place: Any, name: str) -> tuple[Any, bytes]:
        """Return what was somewhere at first, and its form."""


def parts_of(walk: Walker, value: Any) -> Iterator[bytes]:
    """Yield what a class, module or function consists of; any other value as it is."""
    if isinstance(value, type):
        yield from _class(walk, value)
    elif isinstance(value, types.ModuleType):
        yield from _module(walk, value)
    elif isinstance(value, types.FunctionType):
        yield from _function(walk, value)
    else:
        yield walk.value(value)


def _class(walk: Walker, kind: type) -> Iterator[bytes]:
    """Encode the attributes of a class; its bases are met, and encoded in their turn."""
    found = walk.found
    found.kinds.add(kind)
    if type(kind) is not type:
        walk.kind(type(kind))
    yield from map(walk.kind, kind.__bases__)
    if issubclass(kind, BaseModel) and walk.counts_fields(kind):
        yield from _fields(walk, kind)
    yield walk.value(types_in(kind))
    yield from map(walk.variable, variables_of_settings(kind))
    found.sizes.append((kind, len(vars(kind))))
    for name, value in sorted(vars(kind).items()):
        if not (is_machinery(name) or found.firsts.was_missing(kind, name)):
            yield name.encode()
            yield _attribute(walk, kind, name, value)
    for name, private in vars(kind).get("__private_attributes__", {}).items():
        yield name.encode()
        yield walk.hold(private.default_factory or private.default)


def _attribute(walk: Walker, kind: type, name: str, value: Any) -> bytes:
    """Encode an attribute of a class; what calls change counts as it was at first."""
    if walk.found.firsts.has(kind, name):
        return walk.at_first(kind, name)[1]
    if kind in walk.root.__mro__ and not _is_code(value):
        if name in changed_names(walk.root):
            return walk.value(first_values(kind).setdefault(name, value))
        if name in filled_names(walk.root):
            walk.found.firsts.fill(kind, name, value)
    walk.found.reads.append((kind, name, value))
    return walk.hold(value)


def _fields(walk: Walker, model: type[BaseModel]) -> Iterator[bytes]:
    """Encode the fields of a model: their types, validators, aliases and defaults, and its config."""
    yield walk.value(dict(model.model_config))
    for name, field in model.model_fields.items():
        yield name.encode()
        yield walk.value(field.annotation)
        yield walk.value(field.metadata)
        yield walk.hold(field.default_factory or field.default)
        yield walk.value([getattr(field, attribute) for attribute in _FIELD])


def _module(walk: Walker, module: types.ModuleType) -> Iterator[bytes]:
    """Encode all that a module holds: it was handed on, and nobody knows what will be looked up in it."""
    walk.found.sizes.append((module, len(vars(module))))
    for name in sorted(vars(module)):
        if not name.startswith("__"):
            yield name.encode()
            found, form = walk.read(module, name)
            yield walk.value(found) if isinstance(found, types.ModuleType) else form


def _function(walk: Walker, function: types.FunctionType) -> Iterator[bytes]:
    """Encode the defaults, instructions and attributes of a function."""
    found = walk.found
    called = f"{module_name(function.__module__)}.{function.__qualname__}"
    is_idle = function.__code__ in idle_code(walk.root)
    found.reads += [(function, name, getattr(function, name)) for name in OF_FUNCTIONS]
    found.names.update(names_in(function.__code__))
    if not is_idle:
        found.firsts.note(function)
    yield from map(walk.hold, (function.__defaults__, function.__kwdefaults__))
    found.outline[called] = short_digest(function)
    instructions = Instructions(walk, function)
    yield from instructions.forms()
    if instructions.takes_unknown and not is_idle:
        found.unknown.add(called)
    found.sizes.append((function, len(vars(function))))
    for name in sorted(vars(function)):
        is_private = name.startswith("__") and name.endswith("__")
        if not is_private and name != "_clear_cache" and not found.firsts.was_missing(function, name):
            yield name.encode()
            yield walk.read(function, name)[1]


def _is_code(value: Any) -> bool:
    return callable(value) or hasattr(type(value), "__get__")
