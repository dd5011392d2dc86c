"""Reckoning: how many tokens a request has at most, whichever model counts them."""

from __future__ import annotations

import json
from typing import Any
from unicodedata import normalize

from planai.llm.client import Message, Request
from planai.llm.pictures import most_tokens_of_picture

_PER_TURN = 20
"""Tokens that mark where a turn begins and ends, and whose it is."""

_PER_REQUEST = 100
"""Tokens that a server tells a model besides, such as the day, or a system prompt where there is none."""

_FOR_TOOLS = 1_000
"""Tokens that a provider itself tells a model which may call tools: Anthropic, up to 804."""

_FOR_A_FORM = 300
"""Tokens that tell a model that it is to answer in a form."""


def most_tokens(request: Request, model_name: str) -> int:
    """Return how many tokens a request may have for a model.

    Of text, that is one for each byte: models make tokens of bytes, and of digits, of what is no English and of what
    is made by machines they make about as many. Prose has a quarter of them.

    >>> most_tokens(Request((Message("user", "0123456789"),)), "gpt-4o")
    130

    Raises:
        ConfigurationError: there is something in it of which nobody can tell.
    """
    found = _PER_REQUEST + sum(_most_tokens_of_turn(message, model_name) for message in request.messages)
    if request.tools:
        tools = [(one.name, one.description, one.parameters) for one in request.tools]
        found += _FOR_TOOLS + _most_tokens_of_json(tools)
    if request.schema is not None:
        found += _FOR_A_FORM + _most_tokens_of_json([request.schema_name, request.schema])
    return found


def most_tokens_of_text(text: str) -> int:
    """Return how many bytes a text has, also where it is brought into the normal form that some models read.

    >>> most_tokens_of_text("ﷺ")
    33
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    return size if text.isascii() else max(size, len(normalize("NFKC", text).encode("utf-8", "surrogatepass")))


def _most_tokens_of_json(value: Any) -> int:
    return most_tokens_of_text(json.dumps(value, ensure_ascii=False, default=str))


def _most_tokens_of_turn(message: Message, model_name: str) -> int:
    names = [part for call in (*message.calls, message.call) if call for part in (call.id, call.name, call.arguments)]
    said = _native_tokens(message.native) if message.native else 0
    told = sum(map(most_tokens_of_text, (message.text, *names)))
    shown = sum(most_tokens_of_picture(model_name, image) for image in message.images)
    return _PER_TURN + max(told, said) + shown


def _native_tokens(native: str) -> int:
    """Return the tokens of what a model said, with its thoughts: of hidden ones, as many as the answer had in all."""
    try:
        turns = json.loads(native)
        parts = json.dumps([turn["parts"] for turn in turns], ensure_ascii=False)
        tokens = sum(int(turn["usage"]["output_tokens"]) for turn in turns)
    except (ValueError, TypeError, KeyError):  # in a form of another version
        return most_tokens_of_text(native)
    return max(most_tokens_of_text(parts), tokens)
