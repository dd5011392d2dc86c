"""Asking OpenAI-compatible servers through pydantic-ai; importing this module costs about a second of CPU."""

from __future__ import annotations

import weakref
from typing import Any, cast

import httpx2
from openai import AsyncOpenAI
from pydantic_ai import ModelMessage, ModelRequest, ModelResponse, ModelSettings
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import (
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelRequestTimeout,
    ModelTimeoutError,
)
from pydantic_ai.messages import SystemPromptPart, TextPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters, create_async_httpx2_client
from pydantic_ai.models.ollama import OllamaModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.profiles import merge_profile
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from planai.errors import ModelUnavailable
from planai.llm.client import Answer, Message, Request
from planai.llm.loop import LoopThread, run, running_loop_thread
from planai.llm.remote import RemoteModel

_CONNECT_SECONDS = 10.0
_bound: weakref.WeakKeyDictionary[RemoteModel, tuple[LoopThread, OpenAIChatModel]] = weakref.WeakKeyDictionary()


def ask(model: RemoteModel, request: Request) -> Answer:
    """Ask `model`, and wait for its answer.

    Raises:
        ModelUnavailable: the server cannot be reached, or answers with an error.
    """
    try:
        return _answer(run(_ask(model, request)))
    except Exception as error:  # noqa: BLE001 - three libraries raise what they like, on what a server sends
        # Not chained: the text of an error may hold the key, and a traceback would show it.
        raise ModelUnavailable(_explained(error, model)) from None


def _explained(error: Exception, model: RemoteModel) -> str:
    """Say what went wrong, and what to do."""
    who, cause = (
        f"{model.model_name!r} of {model.provider!r}",
        f"({type(error).__name__}: {_without_key(error, model)})",
    )
    match error:
        case ModelTimeoutError() | ModelRequestTimeout():
            return f"{who} did not answer within {model.timeout:g} s: raise timeout, or ask for less {cause}"
        case ModelConnectionError():
            return f"no server answers for {who} at {model.url()}: start it, or pass another base_url {cause}"
        case ModelAuthenticationError() if model.key_variable:
            return f"{who} refuses the key: look at {model.key_variable}, or pass api_key {cause}"
        case ModelHTTPError():
            return f"{who} at {model.url()} answered with an error {cause}"
    return (
        f"what came from {model.url()} for {who} is no answer of a model: "
        f"is it an OpenAI-compatible server, and does base_url go up to and with /v1? {cause}"
    )


async def _ask(model: RemoteModel, request: Request) -> ModelResponse:
    bound = _bind(model)
    settings: dict[str, Any] = {**model.settings(), **request.settings}
    settings.pop("structured_outputs")
    return await model_request(
        bound,
        [_turn(message) for message in request.messages],
        model_settings=cast("ModelSettings", settings),
        model_request_parameters=_parameters(model, bound, request),
    )


def _turn(message: Message) -> ModelMessage:
    if message.role == "assistant":
        return ModelResponse(parts=[TextPart(message.text)])
    return ModelRequest(parts=[(SystemPromptPart if message.role == "system" else UserPromptPart)(message.text)])


def _parameters(model: RemoteModel, bound: OpenAIChatModel, request: Request) -> ModelRequestParameters:
    """Ask for JSON by schema; of a server that cannot do that, with the schema in the prompt."""
    if request.schema is None:
        return ModelRequestParameters()
    native = model.structured_outputs and bound.profile.get("supports_json_schema_output", False)
    target = OutputObjectDefinition(json_schema=dict(request.schema), name=request.schema_name)
    return ModelRequestParameters(output_mode="native" if native else "prompted", output_object=target)


def _answer(response: ModelResponse) -> Answer:
    return Answer(
        text=response.text or "",
        finish_reason=response.finish_reason,
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        refusal=(response.provider_details or {}).get("refusal"),
        dollars=_price(response),
    )


def _price(response: ModelResponse) -> float:
    """Return what an answer cost in US dollars by the price list that comes with pydantic-ai; 0 if it is not there."""
    try:
        return float(response.cost().total_price)
    except (LookupError, AssertionError, ValueError):
        return 0.0


def _bind(model: RemoteModel) -> OpenAIChatModel:
    """Return the client of `model` on the present loop: after a fork, there is another loop and another client."""
    owner = running_loop_thread()
    known = _bound.get(model)
    if known is not None and known[0] is owner:
        return known[1]
    client = _client(model)
    built = _build(model, client)
    _bound[model] = (owner, built)
    owner.closers.add(client.close)
    weakref.finalize(model, owner.drop, client.close).atexit = False
    return built


def _client(model: RemoteModel) -> AsyncOpenAI:
    http = create_async_httpx2_client(timeout=httpx2.Timeout(model.timeout, connect=_CONNECT_SECONDS))
    client = AsyncOpenAI(
        base_url=model.url(),
        api_key=model.find_key(),
        http_client=http,
        max_retries=model.max_retries,
    )
    if model.provider != "openai":  # read from OpenAI's variables, which are nobody else's business
        client.organization = client.project = None
    return client


def _build(model: RemoteModel, client: AsyncOpenAI) -> OpenAIChatModel:
    if model.provider == "openai":
        return OpenAIChatModel(model.model_name, provider=OpenAIProvider(openai_client=client))
    profile = OpenAIModelProfile(
        openai_chat_supports_max_completion_tokens=False,  # other servers know max_tokens only, and ignore this one
        openai_chat_supports_multiple_system_messages=False,
    )
    if model.provider == "ollama":
        ollama = OllamaProvider(openai_client=client)
        known = OllamaModel(model.model_name, provider=ollama).profile  # knows which servers follow no schema
        return OllamaModel(model.model_name, provider=ollama, profile=merge_profile(known, profile))
    provider = OpenAICompatibleProvider(model.provider, openai_client=client)
    return OpenAIChatModel(model.model_name, provider=provider, profile=profile)


def _without_key(error: Exception, model: RemoteModel) -> str:
    """Return the error's text; a server that echoes the key must not make us show it."""
    return str(error).replace(model.find_key(), "***")
