"""RemoteModel: a model behind a server, described; the client is loaded when it is first asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from planai.errors import ConfigurationError, ModelUnavailable
from planai.llm.secrets import shown_address
from planai.llm.transported import Transported

Api = Literal["chat", "responses"]
"""Which of OpenAI's two protocols is spoken."""


class Server(NamedTuple):
    """How a provider is reached.

    Attributes:
        base_url: where it serves its models.
        key_variables: the variables with the key, the first that is set counts; empty where no key is needed.
        url_variable: the variable that may name another address.
    """

    base_url: str
    key_variables: tuple[str, ...] = ()
    url_variable: str = ""


SERVERS = {
    "openai": Server("https://api.openai.com/v1", ("OPENAI_API_KEY",), "OPENAI_BASE_URL"),
    "anthropic": Server("https://api.anthropic.com", ("ANTHROPIC_API_KEY",), "ANTHROPIC_BASE_URL"),
    "gemini": Server("https://generativelanguage.googleapis.com", ("GEMINI_API_KEY", "GOOGLE_API_KEY")),
    "openrouter": Server("https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",)),
    "ollama": Server("http://localhost:11434/v1", (), "OLLAMA_BASE_URL"),
}
"""The providers that are known by name alone."""


@dataclass(eq=False)
class RemoteModel(Transported):
    """A model of a provider, or of any server that speaks OpenAI's protocol.

    Attributes:
        provider: such as ``"openai"`` or ``"ollama"``.
        model_name: as the server calls it.
        base_url: where it is served; None for where the provider serves it.
        api_key: the key; None for looking into the environment when the model is first asked.
        max_tokens: tokens of an answer at most; None for what the server allows.
        temperature: 0 for the likeliest answer; None for the model's default.
        seed: for servers that can repeat an answer.
        more: other settings by their names, such as ``top_p`` and ``thinking``.
        timeout: seconds that one try of a request may take.
        max_retries: how often a request is tried again after a time-out, a 429 or a 5xx.
        structured_outputs: whether the server follows a JSON schema; where not, the schema is put into the prompt.
        prompt_caching: whether a provider that has to be told keeps the beginning of a request in a cache of its own.
        api: of OpenAI, which protocol.
        prices: US dollars per million tokens of ``input``, ``output`` and ``cached`` input; None for the list's.
    """

    provider: str
    model_name: str
    base_url: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict, repr=False)
    timeout: float = 600.0
    max_retries: int = 3
    structured_outputs: bool = True
    prompt_caching: bool = True
    api: Api = "chat"
    prices: Mapping[str, Decimal] | None = None

    def __post_init__(self) -> None:
        self.url()

    def identity(self) -> Mapping[str, str | None]:
        """Return provider, model and server."""
        return {"provider": self.provider, "model": self.model_name, "base_url": shown_address(self.url())}

    def url(self) -> str:
        """Return where the model is served; a variable such as OPENAI_BASE_URL counts, too.

        Raises:
            ConfigurationError: the address has a name and a password in it.
        """
        server = SERVERS.get(self.provider, _OTHER)
        url = (self.base_url or os.environ.get(server.url_variable, "") or server.base_url).rstrip("/")
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise ConfigurationError(
                f"the base_url of {self.model_name!r} has a name or a password in it, which messages would show: "
                'pass api_key, or model_settings={"extra_headers": {...}}'
            )
        return url

    def settings(self) -> Mapping[str, Any]:
        """Return what changes the answers."""
        api = {} if self.api == "chat" else {"api": self.api}
        return {**self.sent(), "structured_outputs": self.structured_outputs, **api}

    def sent(self) -> dict[str, Any]:
        """Return the settings that are sent."""
        given = {"max_tokens": self.max_tokens, "temperature": self.temperature, "seed": self.seed}
        return {**{name: value for name, value in given.items() if value is not None}, **self.more}

    def variables(self) -> tuple[str, ...]:
        """Return the names of the variables with the key; the first that is set counts."""
        return SERVERS.get(self.provider, _OTHER).key_variables

    def find_key(self) -> str:
        """Return the key to send.

        Raises:
            ModelUnavailable: there is none, or it is none that a header can carry. The key itself is never shown.
        """
        variables = self.variables()
        found = (os.environ.get(name, "") for name in variables)
        key = (self.api_key or next(filter(None, found), "")).strip()
        if variables and not key:
            raise ModelUnavailable(
                f"model {self.model_name!r} of {self.provider!r} needs a key: "
                f"set the environment variable {variables[0]}, or pass api_key to llm_from_config"
            )
        if not all("!" <= char <= "~" for char in key):
            raise ModelUnavailable(
                f"the API key for {self.provider!r} has characters that no key has: copy it again, without quotes"
            )
        return key or "not-needed"


_OTHER = Server("https://api.openai.com/v1")
