"""llm_from_config: a model by the names of its provider and itself."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from planai.errors import ConfigurationError
from planai.llm.borrowed import borrowed
from planai.llm.client import LLM
from planai.llm.embedded import EmbeddedModel
from planai.llm.foreign import ForeignModel, foreign
from planai.llm.offline import OfflineModel
from planai.llm.prices import checked
from planai.llm.remote import SERVERS, Api, RemoteModel

_IN_PROCESS = ("embedded", "offline")
_WITHOUT_EFFECT = frozenset({"hostname", "json_mode", "log_dir", "max_tool_rounds", "use_cache", "username"})


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
    thinking: bool | None = None,
    effort: str | None = None,
    prompt_caching: bool = True,
    openai_api: Api = "chat",
    prices: Mapping[str, float | Decimal] | None = None,
    model_settings: Mapping[str, Any] | None = None,
    **without_effect: Any,
) -> LLM:
    """Return the model called `model_name`. Making it needs no key and no network; asking it does.

    >>> llm_from_config("openai", "gpt-4").model_name
    'gpt-4'

    Args:
        provider: ``"openai"``, ``"anthropic"``, ``"gemini"``, ``"openrouter"``, ``"ollama"``; any name together with
            `base_url`, for a server that speaks OpenAI's protocol; ``"embedded"`` (in this process, without network);
            ``"offline"`` (made-up answers that fit the schema, for first steps and tests); or ``"provider:model"`` for
            any that pydantic-ai knows.
        model_name: as the provider calls it. For ``"embedded"``, the path of a GGUF file, or ``"default"``.
        max_tokens: tokens of an answer at most.
        host: the address of Ollama, such as ``"http://10.0.0.5:11434"``.
        base_url: the address of a server; where it speaks OpenAI's protocol, up to and with ``/v1``.
        api_key: the key; by default it is read from the provider's variable when the model is first asked.
        temperature: 0 for the likeliest answer; by default, what the model does.
        seed: for servers that can repeat an answer.
        timeout: seconds that one try of a request may take.
        max_retries: how often a request is tried again after a time-out, a 429 or a 5xx.
        structured_outputs: whether the server follows JSON schemas.
        thinking: whether the model thinks before it answers; None for its default.
        effort: how much it thinks: ``"minimal"``, ``"low"``, ``"medium"``, ``"high"``, ``"xhigh"`` or ``"max"``.
        prompt_caching: whether a provider that has to be told keeps the beginning of requests in a cache of its own.
        openai_api: ``"chat"`` or ``"responses"``.
        prices: US dollars per million tokens, as in ``{"input": 0.5, "output": 2.0, "cached": 0.05}``, for a model
            that the list of genai-prices does not have, or not at this price.
        model_settings: any other setting by its name, such as ``top_p``.
        without_effect: ``log_dir``, ``use_cache``, ``json_mode`` and ``max_tool_rounds``, which programs for PlanAI
            pass: nothing is logged, workers have the cache, and `max_tool_rounds`.

    Raises:
        ConfigurationError: the provider is not known, and there is no `base_url`; or a parameter, named in the message,
            is none that can be meant.
    """
    _require_known(without_effect)
    _require_sense(max_tokens, temperature, timeout, max_retries, openai_api, base_url)
    if provider == "embedded":
        return _embedded(model_name, max_tokens, temperature, seed, model_settings or {})
    if provider == "offline":
        return OfflineModel(model_name)
    thought = effort if effort is not None else thinking
    more = dict(model_settings or {}) | ({} if thought is None else {"thinking": thought})
    if ":" in provider and base_url is None and host is None:
        _require_no_key(provider, api_key)
        given = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
        more |= {name: value for name, value in given.items() if value is not None}
        return ForeignModel(provider, more, timeout, max_retries, checked(prices), structured_outputs)
    _require_server(provider, model_name, base_url)
    if host is not None and base_url is None:
        base_url = (host if "://" in host else f"http://{host}").rstrip("/") + "/v1"
    return RemoteModel(
        provider=provider,
        model_name=model_name,
        base_url=base_url,
        api_key=api_key,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
        more=more,
        timeout=timeout,
        max_retries=max_retries,
        structured_outputs=structured_outputs,
        prompt_caching=prompt_caching,
        api=openai_api,
        prices=checked(prices),
    )


def _require_known(without_effect: Mapping[str, Any]) -> None:
    if not without_effect.keys() <= _WITHOUT_EFFECT:
        unknown = ", ".join(sorted(without_effect.keys() - _WITHOUT_EFFECT))
        raise ConfigurationError(f"llm_from_config has no parameter {unknown}: other settings go into model_settings")


def _require_no_key(name: str, api_key: str | None) -> None:
    if api_key is not None:
        raise ConfigurationError(
            f"{name!r} is made by pydantic-ai, which reads the key from its provider's variable: set that in place of "
            "passing api_key, or make the model object with its key, and pass it as llm"
        )


def _require_server(provider: str, model_name: str, base_url: str | None) -> None:
    if provider == "remote_ollama":
        raise ConfigurationError(
            "planai opens no tunnels: run `ssh -L 11434:localhost:11434 user@host`, and use the provider 'ollama'"
        )
    if provider not in SERVERS and base_url is None:
        known = ", ".join(repr(name) for name in sorted({*SERVERS, *_IN_PROCESS}))
        raise ConfigurationError(
            f"there is no provider {provider!r}: choose one of {known}, pass base_url for a server that speaks "
            "OpenAI's protocol, or write 'provider:model' for one that pydantic-ai knows"
        )
    if not model_name:
        raise ConfigurationError(f"which model of {provider!r}? pass model_name")


def _require_sense(
    max_tokens: Any, temperature: Any, timeout: Any, max_retries: Any, openai_api: Any, url: Any
) -> None:
    rules: tuple[tuple[str, Any, bool, str], ...] = (
        ("max_tokens", max_tokens, max_tokens is None or _is_whole(max_tokens, 1), "pass 1 or more, or None"),
        ("temperature", temperature, temperature is None or _is_number(temperature, 0), "pass 0 or more, or None"),
        ("timeout", timeout, _is_number(timeout, 0) and timeout > 0, "pass seconds, more than 0"),
        ("max_retries", max_retries, _is_whole(max_retries, 0), "pass 0 or more, as a whole number"),
        ("openai_api", openai_api, openai_api in get_args(Api), "pass 'chat' or 'responses'"),
        (
            "base_url",
            url,
            url is None or str(url).startswith(("http://", "https://")),
            "begin it with http:// or https://",
        ),
    )
    for name, value, is_right, advice in rules:
        if not is_right:
            raise ConfigurationError(f"{name} is {value!r}: {advice}")


def _is_number(value: Any, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= least


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and _is_number(value, least)


def _embedded(
    model_name: str, max_tokens: int | None, temperature: float | None, seed: int | None, more: Mapping[str, Any]
) -> EmbeddedModel:
    path = None if model_name in ("", "default", "llama3") else Path(model_name)
    return EmbeddedModel(path, max_tokens=max_tokens or 256, temperature=temperature or 0.0, seed=seed or 0, more=more)


def as_llm(llm: object) -> LLM:
    """Return `llm` as a model that can be asked.

    Raises:
        ValueError: it is none, nor one of pydantic-ai or llm_interface, nor the name of one.
    """
    found = llm if isinstance(llm, LLM) else foreign(llm) or borrowed(llm)
    if found is None:
        raise ValueError(f"{llm!r} is no model: pass llm=llm_from_config(provider, model_name)")
    return found
