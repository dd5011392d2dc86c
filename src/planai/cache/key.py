"""The key of a call: a digest over named parts, each of which decides the answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from planai.cache.canonical import digest, qualified
from planai.cache.memo import per_class

FORMAT = b"2"
"""Counts up when keys or entries change their form: entries of another format are not found."""


def digest_of_parts(parts: Mapping[str, str]) -> str:
    """Return the digest of named digests, whatever their order.

    >>> digest_of_parts({"task": "1", "code": "2"}) == digest_of_parts({"code": "2", "task": "1"})
    True
    """
    return digest(FORMAT, *[text.encode() for pair in sorted(parts.items()) for text in pair])


def key_of(profile: str, parts: Mapping[str, str]) -> str:
    """Return the key made of the digest of what decides all answers of a worker, and of the parts of one task."""
    return digest_of_parts({"profile": profile, **parts})


def schemas_of(kinds: Iterable[type[BaseModel]]) -> dict[str, str]:
    """Return what identifies models: the digest of the schema of each by its name."""
    return {qualified(kind): schema_digest(kind) for kind in kinds}


@per_class
def schema_digest(kind: type) -> str:
    """Return 16 hexadecimal digits for the schema of a model, without titles and descriptions."""
    if not issubclass(kind, BaseModel):
        return ""
    try:
        schema = kind.model_json_schema(schema_generator=_Quiet)
    except PydanticInvalidForJsonSchema:
        return ""  # the identity of the model's code has its fields, too
    text = json.dumps(_without_words(schema), sort_keys=True, default=lambda value: type(value).__qualname__)
    return digest(text.encode("utf-8", "surrogatepass"))[:16]


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
