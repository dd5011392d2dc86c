"""Requests of pydantic-ai as plain data: for keys, and for people."""

from __future__ import annotations

import json
from typing import Any

from pydantic_ai import ModelMessage, ModelSettings
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai.models import Model, ModelRequestParameters

from planai.cache.shown import short_text
from planai.llm.request_key import Asked, deciding

TEXT = "asked"
"""What the text that is new in a request is called in `shown`."""

_PASSING = frozenset(
    {
        "conversation_id",
        "failed_attempts",
        "history_digest",
        "metadata",
        "model_id",
        "provider_response_id",
        "run_id",
        "timestamp",
        "usage",
        "workspace_ref",
    }
)
"""Fields of messages that no model is told."""
_PASSING_IN_PARTS = frozenset({"metadata", "timestamp"})


def shown(
    model: Model,
    whose: Asked,
    messages: list[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
) -> dict[str, str]:
    """Return a request as short texts, for people."""
    fields: dict[str, Any] = {"model": model.model_name, TEXT: plain(messages[-1:])}
    fields |= deciding({**(model.settings or {}), **(settings or {})})
    tools = [tool.name for tool in (*parameters.function_tools, *parameters.output_tools)]
    fields |= {"tools": tools} if tools else {}
    fields |= {name: value for name, value in (("scope", whose.scope), ("sample", whose.sample)) if value}
    return {name: short_text(value) for name, value in fields.items()}


def plain(messages: list[ModelMessage]) -> list[dict[str, Any]]:
    """Return messages as plain data, without what differs from time to time though the same is said."""
    dumped = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    return [
        {**_without(_PASSING, message), "parts": [_without(_PASSING_IN_PARTS, part) for part in message["parts"]]}
        for message in dumped
    ]


def lines_of(messages: list[dict[str, Any]]) -> list[str]:
    """Return the text of messages, as `plain` returns them."""
    texts = [text for message in messages for text in (message.get("instructions"), *map(_content, message["parts"]))]
    return [line for text in texts if text for line in text.splitlines()]


def _content(part: dict[str, Any]) -> str:
    content = part.get("content")
    return content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)


def _without(names: frozenset[str], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}
