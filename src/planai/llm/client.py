"""The seam between workers and models: a request and an answer as plain data, and who turns one into the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """All that a model is told.

    Attributes:
        messages: the conversation, oldest turn first.
        schema: the JSON schema that the answer has to fit; None for free text.
        schema_name: what the schema is called on the wire.
        settings: such as ``temperature`` and ``max_tokens``; one that is left out is the model's own default.
    """

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said.

    Attributes:
        text: the answer; empty when it was refused.
        finish_reason: ``"stop"`` when the model was done, ``"length"`` when the token limit cut it off.
        input_tokens: tokens of the request.
        output_tokens: tokens of the answer.
        refusal: why the model would not answer; None when it did.
        dollars: what it cost in US dollars; 0 where no price is known.
    """

    text: str
    finish_reason: str | None = "stop"
    input_tokens: int = 0
    output_tokens: int = 0
    refusal: str | None = None
    dollars: float = 0.0


@runtime_checkable
class LLM(Protocol):
    """A model that can be asked. Making one needs neither a key nor a network; asking does."""

    model_name: str

    def identity(self) -> Mapping[str, str | None]:
        """Return what tells this model from others: provider, model, and where it is served. No key."""

    def settings(self) -> Mapping[str, Any]:
        """Return the settings that change its answers, as far as they were given. No time-outs, and no key."""

    def ask(self, request: Request) -> Answer:
        """Ask, and wait for the answer.

        Raises:
            ModelUnavailable: there is no key, no server, or no model file; the message says what to do.
        """
