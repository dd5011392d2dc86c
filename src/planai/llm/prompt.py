"""What a model is told: the input, the instructions, and what was wrong with an answer."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel

from planai.llm.client import Message, Request
from planai.llm.media import picture_fields
from planai.xml import to_xml

SYSTEM = "You carry out one step of a larger job. Follow the instructions exactly, and answer in JSON."
"""What a model is told about its part, unless a worker says otherwise."""


_BEFORE = "The input:\n\n"
_AFTER = "\n\nWhat to do with it:\n\n"
_BYTES_PER_TOKEN = 4
_TOKENS_PER_TURN = 4
_TOKENS_PER_IMAGE = 1000


def full_prompt(instructions: str, shown: Any, *, as_xml: bool) -> str:
    """Return the message for one task; where nothing is shown, the instructions alone.

    Args:
        instructions: what to do.
        shown: the input: a task, or another model; one that wraps a model as its ``instance`` stands for that.
        as_xml: whether it is shown as XML, in place of JSON.
    """
    return message_of(instructions, None if shown is None else input_text(shown, as_xml=as_xml))


def message_of(instructions: str, shown: str | None) -> str:
    """Return the message for an input that is text already; None where nothing is shown."""
    if shown is None:
        return instructions
    return f"{_BEFORE}{shown}{_AFTER}{instructions}" if instructions else f"{_BEFORE}{shown}"


def taken_apart(message: str) -> tuple[str, str]:
    """Return the input and the instructions in a message that `full_prompt` has made; of another one, itself."""
    body, found, instructions = message.removeprefix(_BEFORE).rpartition(_AFTER)
    return (body, instructions) if message.startswith(_BEFORE) and found else ("", message)


def between_markers(message: str) -> str:
    """Return the input in a message that `full_prompt` has made; empty for another one."""
    if not message.startswith(_BEFORE):
        return ""
    return taken_apart(message)[0] if _AFTER in message else message.removeprefix(_BEFORE)


def input_text(shown: Any, *, as_xml: bool) -> str:
    """Return an input as a model reads it, without the pictures that it is shown besides."""
    model: BaseModel = shown if isinstance(shown, BaseModel) else shown.instance
    pictures = picture_fields(model)
    if as_xml:
        return to_xml(type(model).__name__, model.model_dump(mode="json", exclude=pictures, fallback=str))
    return model.model_dump_json(indent=2, exclude=pictures)


def unfenced(text: str) -> str:
    """Return JSON without the code fence that some models put around it."""
    inner = text.strip()
    if inner.startswith("```") and inner.endswith("```"):
        inner = inner.removeprefix("```").removesuffix("```").strip().removeprefix("json")
    return inner


def correction(problem: str) -> str:
    """Return the message that asks for another answer."""
    return f"That answer cannot be used: {problem}\n\nAnswer again, in full, with this put right."


def token_estimate(request: Request) -> int:
    """Return about how many tokens a request has: a quarter of its bytes, and a thousand for each picture.

    The schema of the answer and the tools are a part of it.

    Each model counts in its own way; only the model itself could tell exactly.
    """
    told = [*request.tools, *filter(None, [request.schema])]
    return sum(map(_tokens, request.messages)) + sum(
        math.ceil(len(str(one).encode("utf-8", "surrogatepass")) / _BYTES_PER_TOKEN) for one in told
    )


def _tokens(message: Message) -> int:
    size = len(message.text.encode("utf-8", "surrogatepass")) + sum(len(call.arguments) for call in message.calls)
    return math.ceil(size / _BYTES_PER_TOKEN) + _TOKENS_PER_TURN + _TOKENS_PER_IMAGE * len(message.images)
