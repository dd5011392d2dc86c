"""llm_from_config: a model by the names of its provider and itself."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from planai.errors import ConfigurationError
from planai.llm.client import LLM
from planai.llm.embedded import EmbeddedModel
from planai.llm.remote import RemoteModel


class _Server(NamedTuple):
    """Where a provider serves its models, and the variable with the key to them."""

    base_url: str | None = None
    key_variable: str | None = None


_SERVERS = {
    "openai": _Server(key_variable="OPENAI_API_KEY"),
    "openrouter": _Server("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "ollama": _Server("http://localhost:11434/v1"),
}


def llm_from_config(  # noqa: PLR0913 - PlanAI's parameters, and those of a model
    provider: str = "ollama",
    model_name: str = "llama3",
    max_tokens: int | None = None,
    host: str | None = None,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    timeout: float = 600.0,
    max_retries: int = 3,
    structured_outputs: bool = True,
) -> LLM:
    """Return the model called `model_name`. Making it needs no key and no network; asking it does.

    >>> llm_from_config("openai", "gpt-4").model_name
    'gpt-4'

    Args:
        provider: ``"openai"``, ``"openrouter"``, ``"ollama"``, ``"embedded"`` (in this process, without network), or
            any name together with `base_url`, for a server that speaks OpenAI's protocol.
        model_name: as the provider calls it. For ``"embedded"``, the path of a GGUF file, or ``"default"``.
        max_tokens: tokens of an answer at most.
        host: the address of Ollama, such as ``"http://10.0.0.5:11434"``.
        base_url: the address of a server, up to and with ``/v1``.
        api_key: the key; by default it is read from the provider's variable when the model is first asked.
        temperature: 0 for the likeliest answer; by default, what the model does.
        seed: for servers that can repeat an answer.
        timeout: seconds that one try of a request may take.
        max_retries: how often a request is tried again after a time-out, a 429 or a 5xx.
        structured_outputs: whether the server follows JSON schemas.

    Raises:
        ConfigurationError: the provider is not known, and there is no `base_url`.
    """
    if provider == "embedded":
        return _embedded(model_name, max_tokens, temperature, seed)
    server = _SERVERS.get(provider)
    if server is None and base_url is None:
        known = ", ".join(repr(name) for name in sorted({*_SERVERS, "embedded"}))
        raise ConfigurationError(
            f"there is no provider {provider!r}: choose one of {known}, "
            "or pass base_url for a server that speaks OpenAI's protocol"
        )
    server = server or _Server()
    if host is not None and base_url is None:
        base_url = host.rstrip("/") + "/v1"
    return RemoteModel(
        provider=provider,
        model_name=model_name,
        base_url=base_url or server.base_url,
        api_key=api_key,
        key_variable=server.key_variable,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
        timeout=timeout,
        max_retries=max_retries,
        structured_outputs=structured_outputs,
    )


def _embedded(model_name: str, max_tokens: int | None, temperature: float | None, seed: int | None) -> EmbeddedModel:
    path = None if model_name in ("", "default", "llama3") else Path(model_name)
    return EmbeddedModel(path, max_tokens=max_tokens or 256, temperature=temperature or 0.0, seed=seed or 0)
