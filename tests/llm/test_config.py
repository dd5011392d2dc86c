"""llm_from_config: which model comes of which names, without a key, a network or a model file."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from planai.errors import ConfigurationError
from planai.llm.client import LLM
from planai.llm.config import llm_from_config
from planai.llm.embedded import EmbeddedModel
from planai.llm.remote import RemoteModel

PROVIDERS = ["openai", "openrouter", "ollama", "embedded"]


def remote(provider: str, **settings: str) -> RemoteModel:
    model = llm_from_config(provider, "m", **settings)  # type: ignore[arg-type]  # str settings only
    assert isinstance(model, RemoteModel)
    return model


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_makes_a_model(provider: str) -> None:
    model = llm_from_config(provider, "m")
    assert isinstance(model, LLM)
    assert model.model_name == "m"
    assert model.identity()["provider"] == provider


def test_an_unknown_provider_is_refused_with_a_list_of_the_known() -> None:
    with pytest.raises(ConfigurationError, match=r"no provider 'opanai'.*base_url") as caught:
        llm_from_config("opanai", "m")
    assert all(repr(provider) in str(caught.value) for provider in PROVIDERS)


def test_any_name_will_do_with_an_address() -> None:
    model = remote("mine", base_url="http://10.0.0.5/v1")
    assert model.identity() == {"provider": "mine", "model": "m", "base_url": "http://10.0.0.5/v1"}
    assert model.variables() == ()


@pytest.mark.parametrize("host", ["http://10.0.0.5:11434", "http://10.0.0.5:11434/", "10.0.0.5:11434"])
def test_ollama_is_found_by_its_host(host: str) -> None:
    assert remote("ollama", host=host).base_url == "http://10.0.0.5:11434/v1"


def test_ollama_is_looked_for_on_this_machine() -> None:
    assert remote("ollama").url() == "http://localhost:11434/v1"


def test_an_address_goes_before_a_host() -> None:
    assert remote("ollama", host="http://a", base_url="http://b/v1").base_url == "http://b/v1"


def test_only_settings_that_were_given_count() -> None:
    assert llm_from_config("openai", "m").settings() == {"structured_outputs": True}
    given = llm_from_config("openai", "m", max_tokens=5, temperature=0.0, seed=0, structured_outputs=False)
    assert given.settings() == {"max_tokens": 5, "temperature": 0.0, "seed": 0, "structured_outputs": False}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"timeout": 0}, "timeout is 0: pass seconds"),
        ({"max_retries": -1}, "max_retries is -1"),
        ({"max_retries": 2.5}, "max_retries is 2.5"),
        ({"max_tokens": 9.5}, "max_tokens is 9.5"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"provider": "groq:llama", "api_key": "k"}, "'groq:llama' is made by pydantic-ai, which reads the key"),
        ({"openai_api": "old"}, "pass 'chat' or 'responses'"),
        ({"base_url": "localhost:8000/v1"}, "begin it with http://"),
        ({"model_name": ""}, "which model of 'openai'"),
        ({"prices": {"in": 1}}, "prices has in: pass US dollars"),
        ({"prices": {"input": -1, "output": 1}}, "the price of 'input' is -1"),
        ({"prices": {"input": 1, "output": "dear"}}, "the price of 'output' is 'dear'"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        llm_from_config(**{"provider": "openai", "model_name": "m", **wrong})


def test_time_outs_and_keys_do_not_count() -> None:
    plain = llm_from_config("openai", "m")
    other = llm_from_config("openai", "m", timeout=1, max_retries=0, api_key="k")
    assert (other.settings(), other.identity()) == (plain.settings(), plain.identity())


@pytest.mark.parametrize("name", ["default", "", "llama3"])
def test_the_default_embedded_model_has_many_names(name: str) -> None:
    model = llm_from_config("embedded", name)
    assert isinstance(model, EmbeddedModel)
    assert model.path is None


def test_an_embedded_model_is_named_by_its_file() -> None:
    more = {"top_p": 0.5}
    model = llm_from_config("embedded", "/models/tiny.gguf", max_tokens=9, temperature=0.5, seed=3, model_settings=more)
    assert isinstance(model, EmbeddedModel)
    assert (model.path, model.model_name) == (Path("/models/tiny.gguf"), "tiny")
    assert (model.max_tokens, model.temperature, model.seed, model.more) == (9, 0.5, 3, more)
    assert model.settings()["top_p"] == 0.5


def test_what_programs_for_planai_pass_is_taken() -> None:
    made = llm_from_config("openai", "m", log_dir="logs", use_cache=False, json_mode=True, max_tool_rounds=3)
    assert made.identity()["model"] == "m"


def test_a_parameter_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no parameter top_k, top_p: other settings go into model_settings"):
        llm_from_config("openai", "m", top_p=1, top_k=2)


def test_tunnels_are_not_opened() -> None:
    with pytest.raises(ConfigurationError, match="ssh -L"):
        llm_from_config("remote_ollama", "m", hostname="h", username="u")
    assert remote("ollama", host="http://10.0.0.1:1").url() == "http://10.0.0.1:1/v1"


def test_any_model_that_pydantic_ai_knows_will_do() -> None:
    made = llm_from_config("groq:llama-3.3-70b-versatile", temperature=0.5)
    assert dict(made.identity()) == {"provider": "groq", "model": "llama-3.3-70b-versatile", "base_url": None}
    assert dict(made.settings()) == {"temperature": 0.5}


def test_a_client_that_is_being_imported_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the import has waited for no answer."""
    monkeypatch.setitem(sys.modules, "planai.llm.transport", ModuleType("planai.llm.transport"))
    llm = llm_from_config("local", "m", base_url="http://127.0.0.1:9/v1")
    assert not llm.is_ready  # type: ignore[attr-defined]  # of one behind a server


def test_prices_have_two_or_three_names() -> None:
    with pytest.raises(ConfigurationError, match="prices has input: pass US dollars"):
        llm_from_config("openai", "m", prices={"input": 1})
