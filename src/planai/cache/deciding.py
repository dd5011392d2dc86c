"""Which fields of an object decide, what stands for those that are marked, and the refusal of what has no identity."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from planai.cache.fields import fields_of, ignored_fields, misplaced_mark, stand_ins
from planai.cache.memo import per_class
from planai.cache.names import framed_field
from planai.cache.state import surplus_of


class NoIdentity(Exception):
    """Something cannot be encoded; the path to it grows on the way out, so that finding nothing costs nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []

    def inside(self, step: str) -> NoIdentity:
        """Take note that this happened at `step` of what is around it."""
        self.path.append(step)
        return self


class Private:
    """The value of a private attribute."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


@per_class
def plain_fields(kind: Any) -> tuple[tuple[str, bytes], ...]:
    """Return the names of the fields of a model class in order, framed; none where a field is marked."""
    check_marks(kind)
    marked = ignored_fields(kind) or stand_ins(kind)
    return () if marked else tuple((name, framed_field(name)) for name in sorted(kind.__pydantic_fields__))


def all_fields(value: BaseModel) -> dict[str, Any]:
    """Return what of a model decides: fields, extras, and what is private."""
    fields = deciding(type(value), fields_of(value))
    private = surplus_of(value) | (value.__pydantic_private__ or {})
    return fields | {name: Private(item) for name, item in private.items()}


def deciding(kind: type, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields without those that are marked, or with what stands for them."""
    ignored, replaced = ignored_fields(kind), stand_ins(kind)
    if not (ignored or replaced):
        return fields
    fields = {name: item for name, item in fields.items() if name not in ignored}
    for name in replaced.keys() & fields.keys():
        try:
            fields[name] = replaced[name](fields[name])
        except Exception as error:
            reason = f"has a CacheKey whose function raised {type(error).__name__}: {error}"
            raise NoIdentity(reason).inside(f".{name}") from error
    return fields


def check_marks(kind: type) -> None:
    """Refuse a mark that would have no effect."""
    name = misplaced_mark(kind)
    if name:
        raise NoIdentity(
            "is marked where that has no effect: write Annotated[list[X], CacheIgnore()] for all of the field, mark "
            "fields of X itself for parts of it, and not list[Annotated[X, CacheIgnore()]]; give CacheKey a function"
        ).inside(f".{name}")
