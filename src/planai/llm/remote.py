"""RemoteModel: a model behind an OpenAI-compatible server, described; the client is loaded when it is first asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from planai.errors import MissingDependency, ModelUnavailable
from planai.llm.client import Answer, Request

_OPENAI_URL = "https://api.openai.com/v1"


@dataclass(eq=False)
class RemoteModel:
    """A model of a provider, or of any server that speaks OpenAI's protocol.

    Attributes:
        provider: such as ``"openai"`` or ``"ollama"``.
        model_name: as the server calls it.
        base_url: where it is served, up to and with ``/v1``; None for OpenAI itself.
        api_key: the key; None for looking into the environment when the model is first asked.
        key_variable: the variable to look into; None for servers that need no key.
        max_tokens: tokens of an answer at most; None for what the server allows.
        temperature: 0 for the likeliest answer; None for the model's default.
        seed: for servers that can repeat an answer.
        timeout: seconds that one try of a request may take.
        max_retries: how often a request is tried again after a time-out, a 429 or a 5xx.
        structured_outputs: whether the server follows a JSON schema; where not, the schema is put into the prompt.
    """

    provider: str
    model_name: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    key_variable: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    timeout: float = 600.0
    max_retries: int = 3
    structured_outputs: bool = True

    def identity(self) -> Mapping[str, str | None]:
        """Return provider, model and server."""
        return {"provider": self.provider, "model": self.model_name, "base_url": self.url()}

    def url(self) -> str:
        """Return where the model is served; for OpenAI, the variable OPENAI_BASE_URL counts, too."""
        if self.base_url is not None:
            return self.base_url
        return (os.environ.get("OPENAI_BASE_URL", "") if self.provider == "openai" else "") or _OPENAI_URL

    def settings(self) -> Mapping[str, Any]:
        """Return what changes the answers."""
        given = {"max_tokens": self.max_tokens, "temperature": self.temperature, "seed": self.seed}
        return {name: value for name, value in given.items() if value is not None} | {
            "structured_outputs": self.structured_outputs
        }

    def ask(self, request: Request) -> Answer:
        """Ask the server, on the event loop that all models share."""
        self.find_key()
        try:
            from planai.llm import transport  # noqa: PLC0415 - a second of CPU, which a cached run does not need
        except ImportError as error:
            raise MissingDependency(
                f"asking {self.provider!r} needs pydantic-ai: pip install pydantic-ai-slim openai ({error})"
            ) from error
        return transport.ask(self, request)

    def find_key(self) -> str:
        """Return the key to send.

        Raises:
            ModelUnavailable: there is none, or it is none that a header can carry. The key itself is never shown.
        """
        variable = self.key_variable
        key = (self.api_key or (os.environ.get(variable, "") if variable else "")).strip()
        if variable and not key:
            raise ModelUnavailable(
                f"model {self.model_name!r} of {self.provider!r} needs a key: "
                f"set the environment variable {variable}, or pass api_key to llm_from_config"
            )
        if not all("!" <= char <= "~" for char in key):
            raise ModelUnavailable(
                f"the API key for {self.provider!r} has characters that no key has: copy it again, without quotes"
            )
        return key or "not-needed"
