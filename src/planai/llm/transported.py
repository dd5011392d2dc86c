"""Transported: a model that is asked by way of a server, through the client that is loaded when it is first needed."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from planai.errors import MissingDependency
from planai.llm.client import Answer, MayTryAgain, OnChunk, Request
from planai.llm.direct import Direct
from planai.llm.prices import price_of
from planai.llm.secrets import secrets_in, secrets_in_address

_TRANSPORT = "planai.llm.transport"
_SECRET_VARIABLES = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_SHORTEST_SECRET = 8


class Transported(Direct, ABC):
    """Asks by the transport that all models share.

    Attributes:
        provider: the name of the provider.
        model_name: the name of the model.
        prices: US dollars per million tokens of ``input``, ``output`` and ``cached`` input; None for the list's.
        structured_outputs: whether the server follows a JSON schema; where not, the schema is put into the prompt.
    """

    provider: str
    model_name: str
    prices: Mapping[str, Decimal] | None
    structured_outputs: bool

    @property
    def support_structured_outputs(self) -> bool:
        """PlanAI's name for `structured_outputs`; programs written for it set it."""
        return self.structured_outputs

    @support_structured_outputs.setter
    def support_structured_outputs(self, follows: bool) -> None:
        self.structured_outputs = follows

    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """Return the settings that change the answers."""

    @abstractmethod
    def url(self) -> str | None:
        """Return where the model is served; None for where its provider does."""

    def addresses(self) -> list[str]:
        """Return where the model is served as it is, secrets included."""
        return [self.url() or ""]

    @abstractmethod
    def find_key(self) -> str:
        """Return the key to send; it is looked for before the client is loaded."""

    tries_again = True
    """Whether it may ask a question several times, and takes `MayTryAgain`."""

    @property
    def is_ready(self) -> bool:
        """Whether the client library is loaded, which takes a second or more."""
        return hasattr(sys.modules.get(_TRANSPORT), "ask_async")  # while it is imported, it is there, and empty

    def prepare(self) -> None:
        """Load the client library.

        Raises:
            ModelUnavailable: there is no key to ask with.
            MissingDependency: it is not installed.
        """
        self._transport()

    def ask(
        self, request: Request, on_chunk: OnChunk | None = None, *, may_try_again: MayTryAgain = lambda: True
    ) -> Answer:
        """Ask the model, on the event loop that all models share."""
        found: Answer = self._transport().ask(self, request, on_chunk, may_try_again)
        return found

    async def ask_async(
        self, request: Request, on_chunk: OnChunk | None = None, *, may_try_again: MayTryAgain = lambda: True
    ) -> Answer:
        """Ask the model from an event loop, whichever that is."""
        found: Answer = await self._transport().ask_async(self, request, on_chunk, may_try_again)
        return found

    def dollars_for(self, tokens_in: int, tokens_out: int, cached: int = 0) -> Decimal | None:
        """Return what so many tokens would cost in US dollars; None where nobody knows."""
        return price_of(self.provider, self.model_name, tokens_in, tokens_out, self.prices, cached)

    def secrets(self, request: Request) -> set[str]:
        """Return what must not be shown: the key, what is a secret of what is sent, and what the environment calls one.

        Both where the model has it, and where the request has.
        """
        named = {value for name, value in os.environ.items() if name.endswith(_SECRET_VARIABLES)}
        found = {word for word in named if len(word) >= _SHORTEST_SECRET}
        found = found.union(*map(secrets_in_address, self.addresses()))
        return found.union(secrets_in(self.settings()), secrets_in(request.settings), filter(None, [self.find_key()]))

    def _transport(self) -> Any:
        self.find_key()
        try:
            from planai.llm import transport  # noqa: PLC0415 - a second of CPU, which a cached run does not need
        except ImportError as error:
            raise MissingDependency(
                f"asking {self.model_name!r} of {self.provider!r} needs pydantic-ai: "
                f"pip install pydantic-ai-slim openai ({error})"
            ) from error
        return transport
