"""The key of a call: a digest over named parts, each of which decides the answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from planai.cache.canonical import canonical, digest, qualified
from planai.cache.memo import per_class

FORMAT = "1"
"""Counts up when keys or entries change their form: entries of another format are not found."""


def key_of(parts: Mapping[str, bytes]) -> str:
    """Return the key made of `parts`, whatever their order.

    >>> key_of({"task": b"1", "code": b"2"}) == key_of({"code": b"2", "task": b"1"})
    True
    """
    framed = [part for name in sorted(parts) for part in (name.encode(), parts[name])]
    return digest(FORMAT.encode(), *framed)


def schemas_of(kinds: Iterable[type[BaseModel]]) -> bytes:
    """Return what identifies models by name and schema."""
    return canonical([(qualified(kind), _schema(kind)) for kind in kinds])


@per_class
def _schema(kind: type) -> str:
    if not issubclass(kind, BaseModel):
        return ""
    try:
        return json.dumps(kind.model_json_schema(), sort_keys=True, default=repr)
    except PydanticInvalidForJsonSchema:
        fields = kind.model_fields.items()
        return json.dumps([(name, repr(field.annotation), repr(field.default)) for name, field in fields])
