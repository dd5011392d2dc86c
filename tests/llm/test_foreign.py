"""Model objects of pydantic-ai as the model of a worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic_ai import ModelResponse, TextPart, ThinkingPart, ToolCallPart
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from llm.dialects import OpenAIResponses
from llm.openai_server import OpenAIServer, Reply, failure
from llm.workers import Analysis, Analyze, Document
from planai import CachedLLMTaskWorker, llm_from_config, tool
from planai.cache.about import QUARANTINE
from planai.errors import ModelUnavailable
from planai.llm import CachedModel
from planai.llm.client import Message, Request
from planai.llm.foreign import ForeignModel
from planai.testing import run_inline
from planai.testing.fixtures import FixtureStore

HELLO = Request((Message("user", "Hello?"),))


def model(*said: Any, name: str = "function") -> FunctionModel:
    """A model of pydantic-ai that says what it is given, or raises it."""
    lines = iter(said)

    def answer(messages: Any, info: AgentInfo) -> ModelResponse:
        line = next(lines)
        if isinstance(line, Exception):
            raise line
        parts = line if isinstance(line, list) else [TextPart(line) if isinstance(line, str) else line]
        return ModelResponse(parts=parts)

    return FunctionModel(answer, model_name=name)


def run(worker: CachedLLMTaskWorker) -> Any:
    return run_inline(worker, Document(text="a"))


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}!"


def test_a_model_object_answers(tmp_path: Path) -> None:
    said = (ToolCallPart("look_up", {"word": "a"}, "c1"), '{"wrong": 1}', '{"insight": "x"}')
    worker = Analyze(llm=model(*said), tools=[look_up], cache_dir=tmp_path)
    assert run(worker).outputs == [Analysis(insight="x")]
    again = Analyze(llm=model(), tools=[look_up], cache_dir=tmp_path, cache_name="another")
    assert run(again).outputs == [Analysis(insight="x")]


@pytest.mark.parametrize("damaged", ["[{}]", "[", '[{"parts": [], "kind": "request"}]'])
def test_thoughts_that_were_damaged_are_asked_for_again(tmp_path: Path, damaged: str) -> None:
    said = ([ThinkingPart("Hm."), ToolCallPart("look_up", {"word": "a"}, "c1")], '{"insight": "x"}')

    def worker(*lines: Any, name: str) -> Analyze:
        return Analyze(llm=model(*lines), tools=[look_up], cache_store=FixtureStore(tmp_path), cache_name=name)

    assert run(worker(*said, name="a")).ok
    assert run(worker(name="b")).ok
    (file,) = [file for file in tmp_path.rglob("*.json") if "Hm." in file.read_text()]
    content = json.loads(file.read_text())
    (turn,) = content["answer"]["v"]["said"]
    turn["v"]["native"] = damaged
    file.write_text(json.dumps(content))
    again = worker(*said, name="c")
    assert run(again).ok
    assert len(FixtureStore(tmp_path).scan(QUARANTINE)) == 1
    assert run(worker(name="d")).ok


def test_model_objects_are_told_apart_by_what_they_are(tmp_path: Path) -> None:
    outputs = [
        run(Analyze(llm=model(f'{{"insight": "{name}"}}', name=name), cache_dir=tmp_path)).outputs
        for name in ("one", "two")
    ]
    assert outputs == [[Analysis(insight="one")], [Analysis(insight="two")]]


def test_a_model_object_may_have_others_within_which_count_with_their_settings(tmp_path: Path) -> None:
    def worker(insight: str, temperature: float) -> Analyze:
        lines = iter([json.dumps({"insight": insight})])

        def answer(messages: Any, info: AgentInfo) -> ModelResponse:
            return ModelResponse(parts=[TextPart(next(lines))])

        inner = FunctionModel(answer, model_name="inner", settings={"temperature": temperature})
        return Analyze(llm=FallbackModel(model(ModelHTTPError(418, "m")), inner), cache_dir=tmp_path)

    assert run(worker("cold", 0)).outputs == [Analysis(insight="cold")]
    assert run(worker("", 0)).outputs == [Analysis(insight="cold")]
    assert run(worker("warm", 1)).outputs == [Analysis(insight="warm")]


def test_a_model_object_is_asked_again_as_any_other(tmp_path: Path) -> None:
    busy = ModelHTTPError(429, "function", headers={"retry-after": "0"})
    assert run(Analyze(llm=model(busy, '{"insight": "x"}'), cache_dir=tmp_path)).outputs == [Analysis(insight="x")]


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: FallbackModel(one, model())], ids=["one", "several"])
def test_the_client_of_a_model_object_does_not_try_again_by_itself(
    server: OpenAIServer, wrap: Callable[[Model], Model]
) -> None:
    server.fallback = lambda _: failure(500, retry_after="0")
    http = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0))
    own = OpenAIChatModel("m", provider=OpenAIProvider(base_url=server.url, api_key="sk-none", http_client=http))
    with pytest.raises(ModelUnavailable):
        ForeignModel(wrap(own), max_retries=0).ask(HELLO)
    assert len(server.seen) == 1


def test_a_cached_model_may_be_a_workers_model(tmp_path: Path) -> None:
    shared = CachedModel(model('{"insight": "x"}'), cache=tmp_path / "shared")
    for name in ("a", "b"):
        assert run(Analyze(llm=shared, cache_dir=tmp_path / name)).outputs == [Analysis(insight="x")]
    assert shared.cache_stats.hits == 1


def test_a_name_is_looked_up_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Analyze(llm="openai:gpt-4o").llm
    assert isinstance(made, ForeignModel)
    assert (made.provider, made.model_name) == ("openai", "gpt-4o")
    with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY"):
        made.ask(HELLO)


def test_the_key_of_a_model_object_is_not_shown(server: OpenAIServer) -> None:
    server.script(failure(401, "bad key sk-foreign-0123"))
    http = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0))  # which leaves no connection open
    provider = OpenAIProvider(base_url=server.url, api_key="sk-foreign-0123", http_client=http)
    with pytest.raises(ModelUnavailable, match=r"bad key \*\*\*"):
        ForeignModel(OpenAIChatModel("m", provider=provider), max_retries=0).ask(HELLO)


def test_the_password_in_the_address_of_a_model_object_is_kept_nowhere(server: OpenAIServer, tmp_path: Path) -> None:
    url = server.url.replace("://", "://me:hushhush@")
    http = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0))
    provider = OpenAIProvider(base_url=url, api_key="sk-none", http_client=http)
    thinking = OpenAIResponses()
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}
    first = thinking.answer("", [("c1", "look_up", {"word": "a"})])
    first["output"].insert(0, thought)
    server.script(Reply(json.dumps(first).encode()), thinking.text('{"insight": "x"}'))
    own = OpenAIResponsesModel("gpt-5", provider=provider)
    assert run(Analyze(llm=own, tools=[look_up], cache_store=FixtureStore(tmp_path))).ok
    kept = "".join(file.read_text() for file in tmp_path.rglob("*.json"))
    assert "127.0.0.1" in kept
    assert "Hm." in kept
    assert "hushhush" not in kept


def test_a_name_counts_with_the_address_that_a_variable_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ForeignModel("openai-responses:gpt-4o")
    known = made.identity()
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert known["base_url"] != made.identity()["base_url"] == "http://127.0.0.1:9/v1"


def test_an_unknown_name_says_so() -> None:
    with pytest.raises(ModelUnavailable, match="'nobody:nothing' cannot be asked: Unknown model"):
        llm_from_config("nobody:nothing").ask(HELLO)
