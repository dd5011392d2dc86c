"""The key of a request: everything that decides what a model says to it, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import dropwhile
from typing import Any, NamedTuple

from planai.cache.canonical import canonical, digest
from planai.cache.key import digest_of_parts
from planai.cache.shown import short_text
from planai.llm.client import LLM, Message, Rendered, Request, RunLimit
from planai.llm.secrets import QUERY_SECRET, SECRET, SECRET_HEADER

_IDLE = frozenset(
    {
        "anthropic_cache",
        "anthropic_cache_diagnostics",
        "anthropic_cache_instructions",
        "anthropic_cache_messages",
        "anthropic_cache_tool_definitions",
        "anthropic_metadata",
        "anthropic_service_tier",
        "api_key",
        "bedrock_cache_instructions",
        "bedrock_cache_messages",
        "bedrock_cache_tool_definitions",
        "bedrock_request_metadata",
        "bedrock_service_tier",
        "cache",
        "first_event_timeout",
        "google_cloud_service_tier",
        "google_labels",
        "google_service_tier",
        "max_retries",
        "metadata",
        "openai_background",
        "openai_cache_instructions",
        "openai_continuous_usage_stats",
        "openai_metadata",
        "openai_prompt_cache_diagnostics",
        "openai_prompt_cache_key",
        "openai_prompt_cache_options",
        "openai_prompt_cache_retention",
        "openai_safety_identifier",
        "openai_service_tier",
        "openai_store",
        "openai_user",
        "openrouter_cache_instructions",
        "openrouter_cache_messages",
        "openrouter_cache_tool_definitions",
        "openrouter_usage",
        "request_timeout",
        "retry_delay",
        "service_tier",
        "timeout",
        "user",
    }
)
"""Settings that change when, at what price or on whose account a model answers, but not what it says."""

_IDLE_IN_BODY = _IDLE | {
    "keep_alive",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "stream_options",
}
"""The same by the names that they have on the wires, where they are sent as they are."""

_BODY = "extra_body"
_QUERY = "extra_query"
ANSWER = "answer"
"""What the form of the answer is called in `shown`; in the space of responses, only those of workers have it."""

_HEADERS = "extra_headers"
_TELLING_HEADERS = ("-beta", "-version")
_IDLE_HEADER = re.compile(
    r"(accept.*|b3|baggage|connection|content-.*|date|dnt|forwarded|from|(http-)?refer+er|.*(correlation|request|"
    r"session|span|trace|user)-?id|openai-(organization|project)|trace(parent|state)|user-agent|via|"
    r"x-(b3|cloud-trace|datadog|forwarded|ratelimit|real|stainless)-.*|x-(openrouter-)?(title|categories))",
    re.IGNORECASE,
)
"""Headers that tell who asks, from where, on whose account or for which trace, and change nothing of an answer."""


class Asked(NamedTuple):
    """Whose question it is, where one request may have several answers.

    Attributes:
        scope: such as a tenant, whose answers nobody else gets.
        sample: which of several answers; 0 for the first.
        salt: what a worker adds of its own.
        with_model: whether another model's answer is another answer.
    """

    scope: str = ""
    sample: int = 0
    salt: str = ""
    with_model: bool = True


def deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that change what a model says; one that is left out is not one that is zero.

    >>> deciding({"temperature": 0, "timeout": 5, "extra_headers": {"X-Key": "k", "openai-beta": "v2"}})
    {'temperature': 0, 'extra_headers': {'openai-beta': 'v2'}}
    """
    found = {name: value for name, value in settings.items() if name not in _IDLE and not isinstance(value, RunLimit)}
    if isinstance(found.get(_BODY), Mapping):
        body = {name: value for name, value in found.pop(_BODY).items() if name not in _IDLE_IN_BODY}
        told = _without_secrets(body)
        found |= {_BODY: told} if told else {}
    if isinstance(found.get(_QUERY), Mapping):
        asked = {name: value for name, value in found.pop(_QUERY).items() if not QUERY_SECRET.search(name)}
        found |= {_QUERY: asked} if asked else {}
    if _HEADERS in found:
        told = _telling(found.pop(_HEADERS) or {})
        found |= {_HEADERS: told} if told else {}
    return found


def _telling(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that may choose who answers, such as a deployment; of their values, digests are enough."""
    given = {name.lower(): str(value) for name, value in headers.items()}
    return {
        name: value if name.endswith(_TELLING_HEADERS) else digest(value.encode("utf-8", "surrogatepass"))[:16]
        for name, value in given.items()
        if name.endswith(_TELLING_HEADERS) or not (SECRET_HEADER.search(name) or _IDLE_HEADER.fullmatch(name))
    }


def _without_secrets(value: Any) -> Any:
    """Return what is sent without what is called a secret, however deep it is."""
    if isinstance(value, Mapping):
        return {
            name: _without_secrets(one)
            for name, one in value.items()
            if not (isinstance(name, str) and SECRET.search(name))
        }
    return [_without_secrets(one) for one in value] if isinstance(value, list | tuple) else value


def told(rendered: Rendered) -> dict[str, bytes]:
    """Return what a model is told besides the input, by name."""
    request = rendered.request
    parts = {name: canonical(piece, f"the {name}") for name, piece in rendered.pieces.items()}
    parts["schema"] = in_order([request.schema_name, request.schema], "the schema of the answer")
    for name, value in deciding(request.settings).items():
        parts[f"model setting {name}"] = in_order(value, f"the model setting {name!r}")
    system = [message.text for message in request.messages if message.role == "system"]
    if system:
        parts["system prompt"] = canonical(system)
    if request.tools:
        tools = [(tool.name, tool.description, tool.parameters, tool.strict) for tool in request.tools]
        parts["tools"] = in_order(tools, "the tools")
    return parts


def in_order(value: Any, what: str = "the value") -> bytes:
    """Return a form of what a model is told as JSON, where the order of names counts.

    A model that is asked for ``reasons`` before ``verdict`` says something else than one asked for them the other way
    round.

    >>> in_order({"a": 1, "b": 2}) == in_order({"b": 2, "a": 1})
    False
    """
    try:
        return canonical(json.dumps(value, default=_as_dict))
    except (TypeError, ValueError):  # some object in a setting
        return canonical(value, what)


def whose(asked: Asked) -> dict[str, bytes]:
    """Return whose question it is, by name; nothing for what is as it is mostly."""
    found = {"cache_scope": asked.scope, "sample": asked.sample, "salt": asked.salt}
    return {name: canonical(value) for name, value in found.items() if value}


def key_of_request(llm: LLM, request: Request, asked: Asked) -> str:
    """Return the key of what a model says to a request."""
    after_system = dropwhile(lambda message: message.role == "system", request.messages)
    whole = replace(request, settings={**llm.settings(), **request.settings})
    parts = told(Rendered(whole, pieces={"prompt": list(map(_turn, after_system))})) | whose(asked)
    if asked.with_model:
        parts["model"] = canonical(dict(llm.identity()))
    return digest_of_parts({name: digest(part) for name, part in parts.items()})


def shown(llm: LLM, request: Request, asked: Asked) -> dict[str, str]:
    """Return a request as short texts, for people."""
    fields: dict[str, Any] = {f"{message.role} prompt": message.text for message in request.messages}
    fields["model"] = ":".join(filter(None, (llm.identity().get("provider"), llm.model_name)))
    fields[ANSWER] = request.schema_name if request.schema is not None else "free text"
    fields |= deciding({**llm.settings(), **request.settings})
    fields |= {"tools": [tool.name for tool in request.tools]} if request.tools else {}
    fields |= {name: value for name, value in (("cache_scope", asked.scope), ("sample", asked.sample)) if value}
    return {name: short_text(value) for name, value in fields.items()}


def _turn(message: Message) -> tuple[Any, ...]:
    images = [(image.media_type, image.data, image.url) for image in message.images]
    calls = [(call.id, call.name, call.arguments) for call in message.calls]
    call = None if message.call is None else (message.call.id, message.call.name)
    return (message.role, message.text, images, calls, call, *_native_parts(message.native))


def _native_parts(native: str) -> list[str]:
    """Return what a model said, thoughts included, without when it did, and what that took."""
    if not native:
        return []
    try:
        return [json.dumps([turn["parts"] for turn in json.loads(native)])]
    except (ValueError, TypeError, KeyError):
        return [native]


def _as_dict(value: Any) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError
