"""Requests and answers in the words of pydantic-ai, and back; importing this module costs about a second of CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby

from pydantic_ai import ModelMessage, ModelRequest, ModelResponse
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import (
    BinaryContent,
    ImageUrl,
    ModelMessagesTypeAdapter,
    ModelRequestPart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from planai.llm.client import Answer, Image, Message, Request, ToolCall
from planai.llm.foreign import single_models
from planai.llm.prices import cost_of_tokens
from planai.llm.secrets import shown_address

_REASONS = {
    "max_tokens": "length",
    "max_length": "length",
    "model_length": "length",
    "safety": "content_filter",
    "refusal": "content_filter",
    "blocked": "content_filter",
    "abort": "error",
    "aborted": "error",
    "other": "error",
}
"""What servers say in place of what their protocol has: gateways pass on the words of others."""

KEPT = "kept by planai"
"""Says of a response that it was kept, and what it took at first; no model is told."""

_SAYING_WHY = ("anthropic", "google")
"""Providers that say nothing besides at the end of a stream, but there why it ends."""

_STREAMING = "anthropic"
"""The provider whose client asks for a stream where an answer may be long, whoever wants one."""


def history_of(messages: Sequence[Message]) -> list[ModelMessage]:
    """Return a conversation: what the model said, and between it all that it was told, in order."""
    found: list[ModelMessage] = []
    for is_said, turns in groupby(messages, lambda message: message.role == "assistant"):
        if is_said:
            found += [_said(turn) for turn in turns]
        else:
            found.append(ModelRequest(parts=[_part(turn) for turn in turns]))
    return found


def parameters_of(request: Request, model: Model, *, follows_schemas: bool) -> ModelRequestParameters:
    """Ask for JSON by schema; of a model that cannot do that, with the schema in the prompt.

    Args:
        request: what is asked.
        model: who is asked.
        follows_schemas: whether the server does, as far as its user knows.
    """
    tools = [
        ToolDefinition(
            name=one.name,
            parameters_json_schema=dict(one.parameters),
            description=one.description,
            strict=one.strict or None,
        )
        for one in request.tools
    ]
    if request.schema is None:
        return ModelRequestParameters(function_tools=tools)
    target = OutputObjectDefinition(json_schema=dict(request.schema), name=request.schema_name)
    native = follows_schemas and all(_knows_schemas(one, with_tools=bool(tools)) for one in single_models(model))
    return ModelRequestParameters(
        function_tools=tools, output_mode="native" if native else "prompted", output_object=target
    )


def _knows_schemas(model: Model, *, with_tools: bool) -> bool:
    if with_tools and model.system.startswith("google") and not model.profile.get("google_supports_tool_combination"):
        return False
    return bool(model.profile.get("supports_json_schema_output", False))


def was_cut(response: ModelResponse, *, streamed: bool = True) -> bool:
    """Tell whether a stream has ended before the server said why: then its connection was closed in mid-answer.

    Args:
        response: what came.
        streamed: whether it was asked for as a stream; a client may do that by itself where an answer may be long.
    """
    details, provider = response.provider_details or {}, response.provider_name or ""
    if details.get("finish_reason") or response.finish_reason not in (None, "stop"):
        return False
    if not streamed:
        return response.finish_reason is None and provider.startswith(_STREAMING)
    return bool(details) or provider.startswith(_SAYING_WHY)


def reason_of(response: ModelResponse) -> str | None:
    """Return why a model ended: ``stop``, ``tool_call``, ``length``, ``content_filter``, ``error``, or another word."""
    said = str((response.provider_details or {}).get("finish_reason") or "").lower()
    return response.finish_reason or _REASONS.get(said, said) or None


def answer_of(
    response: ModelResponse,
    prices: Mapping[str, Decimal] | None = None,
    price: Callable[[int, int, int], Decimal | None] = lambda *_: None,
) -> Answer:
    """Return what a model said.

    Args:
        response: the same in the words of pydantic-ai.
        prices: what its tokens cost; None for the list of genai-prices.
        price: tells what tokens of the request, of the answer, and cached ones cost, where the list does not have the
            name that the server gave the model.

    Raises:
        UnexpectedModelBehavior: it said nothing, and was not done either.
    """
    parts = response.parts
    if not parts and reason_of(response) is None:
        raise UnexpectedModelBehavior("there is neither an answer in it, nor a reason why there is none")
    at_first = (response.metadata or {}).get(KEPT)
    if at_first is not None:  # the usage is that of now: nothing
        response = replace(response, usage=RequestUsage(**at_first))
    dollars = _dollars(response, prices, price)
    calls = tuple(
        ToolCall(part.tool_call_id, part.tool_name, part.args_as_json_str())
        for part in parts
        if isinstance(part, ToolCallPart)
    )
    plain = all(isinstance(part, TextPart | ToolCallPart) for part in parts)
    return Answer(
        text=response.text or "",
        finish_reason=reason_of(response),
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        refusal=(response.provider_details or {}).get("refusal"),
        dollars=dollars,
        priced="" if dollars is None else response.timestamp.date().isoformat(),
        cached_tokens=response.usage.cache_read_tokens,
        calls=calls,
        model=response.model_name or "",
        kept=at_first is not None,
        native="" if plain or not calls else written(response),
    )


def _dollars(
    response: ModelResponse,
    prices: Mapping[str, Decimal] | None,
    price: Callable[[int, int, int], Decimal | None],
) -> Decimal | None:
    """Return what an answer cost in US dollars; None where nobody knows."""
    usage = response.usage
    if not (usage.input_tokens or usage.output_tokens):
        return None
    if prices is not None:
        return cost_of_tokens(
            prices, tokens_in=usage.input_tokens, tokens_out=usage.output_tokens, cached=usage.cache_read_tokens
        )
    try:
        return response.cost().total_price
    except (LookupError, AssertionError, ValueError):
        return price(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)


def written(response: ModelResponse) -> str:
    """Return what a model said, to be kept: as JSON, without what is a secret in the address that it came from."""
    url = response.provider_url
    shown = replace(response, provider_url=None if url is None else shown_address(url))
    return ModelMessagesTypeAdapter.dump_json([shown]).decode()


def spoken(native: str) -> ModelResponse:
    """Return what a model said, of the form in which `Answer.native` has it.

    Raises:
        ValueError: it is damaged, or of a version of pydantic-ai that wrote it otherwise.
    """
    found = ModelMessagesTypeAdapter.validate_json(native)
    if len(found) != 1 or not isinstance(found[0], ModelResponse):
        raise ValueError("this is no turn of a model")
    return found[0]


def _said(turn: Message) -> ModelResponse:
    """Return what a model said, with its thoughts where there were any: some providers want them back with tools."""
    if turn.native:
        return spoken(turn.native)
    texts = [TextPart(turn.text)] if turn.text or not turn.calls else []
    return ModelResponse(parts=[*texts, *(ToolCallPart(call.name, call.arguments, call.id) for call in turn.calls)])


def _part(turn: Message) -> ModelRequestPart:
    if turn.role == "system":
        return SystemPromptPart(turn.text)
    if turn.call is not None:
        return ToolReturnPart(turn.call.name, turn.text, turn.call.id)
    content: list[UserContent] = [turn.text, *map(_picture, turn.images)]
    return UserPromptPart(content if turn.images else turn.text)


def _picture(image: Image) -> UserContent:
    if image.data:
        return BinaryContent(image.data, media_type=image.media_type)
    return ImageUrl(image.url, media_type=image.media_type)
