"""The fields of models: which of them decide, and what stands for those that are marked."""

from __future__ import annotations

from collections.abc import Callable
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
def ignored_fields(model: type) -> frozenset[str]:
    """Return the names of the fields of `model` that are marked with `CacheIgnore`."""
    return frozenset(
        name
        for name, field in getattr(model, "model_fields", {}).items()
        if any(isinstance(mark, CacheIgnore) or mark is CacheIgnore for mark in field.metadata)
    )


@per_class
def stand_ins(model: type) -> dict[str, Callable[[Any], Any]]:
    """Return what takes the place of the fields of `model` that are marked with `CacheKey`."""
    return {
        name: mark.function
        for name, field in getattr(model, "model_fields", {}).items()
        for mark in field.metadata
        if isinstance(mark, CacheKey)
    }
