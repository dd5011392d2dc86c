"""The key of a call: a digest over named parts, each of which decides the answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

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
        schema = kind.model_json_schema(schema_generator=_Quiet)
    except PydanticInvalidForJsonSchema:
        return ""  # the identity of the model's code has its fields, too
    return json.dumps(_without_words(schema), sort_keys=True, default=lambda value: type(value).__qualname__)


class _Quiet(GenerateJsonSchema):
    """Says nothing of defaults that JSON cannot hold."""

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Say nothing."""


def _without_words(schema: Any) -> Any:
    """Leave out titles and descriptions, which docstrings make, and which decide nothing."""
    if isinstance(schema, list):
        return [_without_words(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    words = {key for key in ("title", "description") if isinstance(schema.get(key), str)}
    return {key: _without_words(item) for key, item in schema.items() if key not in words}
