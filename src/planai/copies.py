"""Copies of tasks that later assignments to them do not reach."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

T = TypeVar("T", bound="Traced")

# What a model consists of, read and written past pydantic's own attributes, which takes several times as long.
_VALUES, _EXTRA, _GIVEN, _PRIVATE = (
    vars(BaseModel)[f"__{name}__"] for name in ("dict", "pydantic_extra", "pydantic_fields_set", "pydantic_private")
)
_get_values, _set_values = _VALUES.__get__, _VALUES.__set__
_get_extra, _set_extra = _EXTRA.__get__, _EXTRA.__set__
_get_given, _set_given = _GIVEN.__get__, _GIVEN.__set__
_get_private, _set_private = _PRIVATE.__get__, _PRIVATE.__set__
_SHARED = frozenset({str, int, float, bool, bytes, type(None)})
_ALL_FIELDS: dict[type[BaseModel], set[str]] = {}


class Traced(BaseModel):
    """A model of which a run knows more than its fields, such as where it comes from; no copy made here has that."""

    # A slot, since reading a pydantic private attribute takes microseconds, and every call reads several.
    __slots__ = ("_lineage",)


def snapshot(task: T) -> T:
    """Return a copy that later assignments to `task` do not reach, without its lineage."""
    kind = type(task)
    copied = kind.__new__(kind)
    values = _get_values(task).copy()
    for name, value in values.items():
        if type(value) not in _SHARED:
            values[name] = _fresh(value)
    extra, private, given = _get_extra(task), _get_private(task), _get_given(task)
    if private is not None:
        private = {name: value for name, value in private.items() if value is not PydanticUndefined}
    # Most tasks have all their fields given: they share one set of names instead of 232 bytes each.
    every = _ALL_FIELDS.get(kind) or _ALL_FIELDS.setdefault(kind, set(kind.__pydantic_fields__))
    _set_values(copied, values)
    _set_extra(copied, _fresh(extra) if extra else extra)
    _set_given(copied, every if extra is None and given == every else given.copy())
    _set_private(copied, private)
    return copied


def put_back(task: T, before: T) -> None:
    """Let `task` have the fields of `before` again, a `snapshot` of it."""
    _set_values(task, _get_values(before))
    _set_extra(task, _get_extra(before))
    _set_given(task, _get_given(before))
    _set_private(task, _get_private(before))


def _fresh(value: Any) -> Any:
    """Copy containers and models, however deep; what else there is, such as an array, is shared."""
    kind = type(value)
    if kind is list:
        return value.copy() if _SHARED.issuperset(map(type, value)) else [_fresh(item) for item in value]
    if kind is dict:
        return {key: _fresh(item) for key, item in value.items()}
    if kind is set:
        return value.copy()
    if kind is tuple:
        return value if _SHARED.issuperset(map(type, value)) else tuple(_fresh(item) for item in value)
    if isinstance(value, Traced):
        return snapshot(value)
    if isinstance(value, BaseModel):
        return _fresh_model(value)
    return value


def _fresh_model(model: BaseModel) -> BaseModel:
    copied = model.model_copy()
    copied.__dict__.update({name: _fresh(item) for name, item in copied.__dict__.items()})
    return copied
