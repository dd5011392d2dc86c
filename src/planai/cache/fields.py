"""The fields of models: which of them decide, and what stands for those that are marked."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from planai.cache.memo import per_class


class CacheIgnore:
    """Marks a field that decides nothing: ``run_id: Annotated[str, CacheIgnore()]`` stays out of keys."""


class CacheKey:
    """Lets something else stand for a field in keys: ``url: Annotated[str, CacheKey(str.lower)]``.

    Args:
        function: takes the field's value, and returns what decides in its place.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function


def fields_of(model: BaseModel) -> dict[str, Any]:
    """Return the fields and extras of `model`, without what a cached property keeps among them."""
    declared = type(model).__pydantic_fields__
    fields: dict[str, Any] = model.__dict__
    if fields.keys() != declared.keys():
        fields = {name: value for name, value in fields.items() if name in declared}
    return fields | model.__pydantic_extra__ if model.__pydantic_extra__ else fields


@per_class
def ignored_fields(kind: type) -> frozenset[str]:
    """Return the names of the fields of a model or dataclass that are marked with `CacheIgnore`."""
    return frozenset(name for name, _, marks in _declared(kind) if any(map(_is_ignore, marks)))


@per_class
def stand_ins(kind: type) -> dict[str, Callable[[Any], Any]]:
    """Return what takes the place of the fields of a model or dataclass that are marked with `CacheKey`."""
    return {name: mark.function for name, _, marks in _declared(kind) for mark in marks if isinstance(mark, CacheKey)}


@per_class
def misplaced_mark(kind: type) -> str:
    """Return the name of a field of a model or dataclass that is marked where that has no effect; or nothing.

    >>> from dataclasses import dataclass
    >>> from typing import Annotated
    >>> @dataclass
    ... class Order:
    ...     tags: list[Annotated[str, CacheIgnore()]]
    >>> misplaced_mark(Order)
    'tags'
    """
    for name, annotation, marks in _declared(kind):
        if any(mark is CacheKey for mark in marks) or any(map(_is_mark, _inside(annotation))):
            return name
    return ""


@per_class
def has_marks(model: type) -> bool:
    """Tell whether a field of `model`, or of a model that its annotations name, is marked with one of these."""
    seen: set[Any] = set()
    left: list[Any] = [model]
    while left:
        kind = left.pop()
        if kind in seen:
            continue
        seen.add(kind)
        if isinstance(kind, type) and (ignored_fields(kind) or stand_ins(kind)):
            return True
        left += typing.get_args(kind)
        left += [annotation for _, annotation, _ in _declared(kind)] if isinstance(kind, type) else []
    return False


def _declared(kind: type) -> Iterator[tuple[str, Any, Sequence[Any]]]:
    """Yield the fields of a model or dataclass: the name, the annotation and what it is annotated with."""
    if not dataclasses.is_dataclass(kind):
        models = kind.model_fields if issubclass(kind, BaseModel) else {}
        yield from ((name, field.annotation, field.metadata) for name, field in models.items())
        return
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001 - they may name what is only there for those who check types
        return
    for field in dataclasses.fields(kind):
        metadata = getattr(hints[field.name], "__metadata__", ())
        yield field.name, typing.get_args(hints[field.name])[:1] if metadata else hints[field.name], metadata


def _inside(annotation: Any, seen: tuple[Any, ...] = ()) -> Iterator[Any]:
    """Yield what the parts of an annotation are annotated with, such as the items of a list."""
    if any(annotation is one for one in seen):  # an alias that names itself
        return
    inner = [getattr(annotation, "__value__", ()), *typing.get_args(annotation)]
    if isinstance(annotation, tuple):
        inner = list(annotation)
    for part in inner:
        yield from getattr(part, "__metadata__", ())
        yield from _inside(part, (*seen, annotation))


def _is_ignore(mark: Any) -> bool:
    return isinstance(mark, CacheIgnore) or mark is CacheIgnore


def _is_mark(mark: Any) -> bool:
    return _is_ignore(mark) or isinstance(mark, CacheKey) or mark is CacheKey
