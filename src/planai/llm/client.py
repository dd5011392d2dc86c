"""The seam between workers and models: a request and an answer as plain data, and who turns one into the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant", "tool"]
OnChunk = Callable[[str], None]
"""Gets the text of an answer, a piece at a time, while the model says it."""

MayTryAgain = Callable[[], bool]
"""Tells whether a question may be asked again, though the try before may be charged for."""


class RunLimit(int):
    """Tokens of an answer at most, as the limit of a run sets them and nobody who asks: a part of no key."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that a model is shown.

    Attributes:
        media_type: such as ``"image/png"``.
        data: its bytes; empty where it is named by its address.
        url: its address, where the model is to fetch it.
    """

    media_type: str
    data: bytes = b""
    url: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model wants to be done for it.

    Attributes:
        id: what the result is to be labelled with.
        name: the tool.
        arguments: JSON, as the model wrote it.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: whose turn.
        text: what is said; of a tool, its result.
        images: what is shown.
        calls: what a model wants to be done.
        call: of a tool's turn, the call that this is the result of.
        native: of a model's turn, the same in its provider's form, where that holds more than text and calls.
    """

    role: Role
    text: str
    images: tuple[Image, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    call: ToolCall | None = None
    native: str = ""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told about a tool.

    Attributes:
        name: how the model calls it.
        description: what it is for.
        parameters: the JSON schema of its arguments.
        strict: whether the provider is to hold the model to the schema.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """All that a model is told.

    Attributes:
        messages: the conversation, oldest turn first.
        schema: the JSON schema that the answer has to fit; None for free text.
        schema_name: what the schema is called on the wire.
        settings: such as ``temperature`` and ``max_tokens``; one that is left out is the model's own default.
        tools: what the model may call.
    """

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    settings: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[ToolSpec, ...] = ()

    def then(self, *messages: Message) -> Request:
        """Return the request that goes on with `messages`."""
        return replace(self, messages=(*self.messages, *messages))


@dataclass(frozen=True, slots=True)
class Rendered:
    """A request, with what its last message was made of.

    Attributes:
        request: all that the model is told.
        tools: what the model may call, as what does it; see `planai.llm.tools.Tool`.
        pieces: the last message by what it consists of, such as ``prompt``; what the input alone decides is left out.
        shown: the input as the model reads it: equal inputs may be written differently, as times in two zones are.
            Empty where fields of it are marked with `CacheIgnore` or `CacheKey`, or it is among the pieces.
    """

    request: Request
    tools: tuple[Any, ...] = ()
    pieces: Mapping[str, Any] = field(default_factory=dict)
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said.

    Attributes:
        text: the answer; empty when it was refused.
        finish_reason: ``"stop"`` when the model was done, ``"length"`` when the token limit cut it off.
        input_tokens: tokens of the request, cached ones included.
        output_tokens: tokens of the answer.
        refusal: why the model would not answer; None when it did.
        dollars: what it cost in US dollars; None where no price is known.
        cached_tokens: tokens of the request that the provider had in a cache of its own.
        calls: what the model wants to be done before it answers.
        model: what the provider calls the model that answered; empty where it does not say.
        priced: the date of the prices, as ``"2026-01-31"``; empty without any.
        native: see `Message`.
        seconds: how long it took, as who asked has found.
        kept: whether a cache of the model's own had it: nothing was paid now, and all figures are of the first time.
    """

    text: str
    finish_reason: str | None = "stop"
    input_tokens: int = 0
    output_tokens: int = 0
    refusal: str | None = None
    dollars: Decimal | None = None
    cached_tokens: int = 0
    calls: tuple[ToolCall, ...] = ()
    model: str = ""
    priced: str = ""
    native: str = ""
    seconds: float = 0.0
    kept: bool = False

    def as_turn(self) -> Message:
        """Return the answer as a turn of the conversation."""
        return Message("assistant", self.text, calls=self.calls, native=self.native)


@runtime_checkable
class LLM(Protocol):
    """A model that can be asked. Making one needs neither a key nor a network; asking does."""

    model_name: str

    def identity(self) -> Mapping[str, str | None]:
        """Return what tells this model from others: provider, model, and where it is served. No key."""

    def settings(self) -> Mapping[str, Any]:
        """Return the settings that change its answers, as far as they were given. No time-outs, and no key."""

    def ask(self, request: Request, on_chunk: OnChunk | None = None) -> Answer:
        """Ask, and wait for the answer.

        Args:
            request: what the model is told.
            on_chunk: gets the text while it comes, in the thread that asks; None for all of it at the end.

        Raises:
            ModelUnavailable: there is no key, no server, or no model file; the message says what to do.
        """
