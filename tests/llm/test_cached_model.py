"""CachedModel, with pydantic-ai alone: agents and direct requests over a server on loopback."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.direct import model_request, model_request_sync
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.tools import ToolDefinition

from llm.dialects import OpenAIChat
from llm.openai_server import OpenAIServer, Reply, completion
from planai.errors import CacheMiss, UnkeyableValue
from planai.llm import CachedModel
from planai.testing.fixtures import FixtureStore

OPENAI = OpenAIChat()


class City(BaseModel):
    name: str


def wrapped(server: OpenAIServer, name: str = "gpt-4o", url: str = "") -> Model:
    http = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0))  # which leaves no connection open
    provider = OpenAIProvider(base_url=url or server.url, api_key="sk-none", http_client=http)
    return OpenAIChatModel(name, provider=provider)


@pytest.fixture
def server(server: OpenAIServer) -> OpenAIServer:
    server.fallback = lambda _: OPENAI.text(f"answer {len(server.seen)}")
    return server


@contextmanager
def own_loop() -> Iterator[None]:
    """Let what runs an event loop without closing it use one of its own."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def ask(model: Model, text: str = "Hello?", **settings: Any) -> str:
    request = [ModelRequest.user_text_prompt(text)]
    with own_loop():
        return model_request_sync(model, request, model_settings=settings or None).text or ""  # type: ignore[arg-type]


def test_models_within_a_model_count_with_their_settings_and_servers(tmp_path: Path) -> None:
    def said(temperature: float, port: int) -> str:
        def answer(messages: Any, info: AgentInfo) -> ModelResponse:
            return ModelResponse(parts=[TextPart(f"{info.model_settings} {port}")])

        inner = FunctionModel(answer, model_name="m", settings={"temperature": temperature})
        provider = OpenAIProvider(base_url=f"http://127.0.0.1:{port}/v1", api_key="sk-none")
        other = OpenAIChatModel("n", provider=provider)
        model = CachedModel(WrapperModel(FallbackModel(inner, other)), cache=tmp_path)
        return ask(model)

    assert len({said(0, 1), said(1, 1), said(0, 2)}) == 3
    assert said(0, 1) == said(0, 1)


def test_models_for_tests_are_told_apart_by_what_they_answer(tmp_path: Path) -> None:
    models = [TestModel(custom_output_text=text) for text in "ABA"]
    cached = [CachedModel(one, cache=tmp_path) for one in models]
    assert [ask(one) for one in cached] == ["A", "B", "A"]
    assert [one.cache_stats.hits for one in cached] == [0, 0, 1]


def saying(text: str) -> tuple[FunctionModel, list[str]]:
    asked: list[str] = []

    def answer(messages: Any, info: AgentInfo) -> ModelResponse:
        asked.append(text)
        return ModelResponse(parts=[TextPart(text)])

    return FunctionModel(answer, model_name="m"), asked


def shouting(text: str) -> tuple[FunctionModel, list[str]]:
    asked: list[str] = []

    def answer(messages: Any, info: AgentInfo) -> ModelResponse:
        asked.append(text)
        return ModelResponse(parts=[TextPart(f"{text}!")])

    return FunctionModel(answer, model_name="m"), asked


def test_models_of_functions_are_told_apart_by_their_code(tmp_path: Path) -> None:
    models = [saying("A"), saying("B"), shouting("A"), saying("A"), shouting("A")]
    for _ in range(2):
        assert [ask(CachedModel(one, cache=tmp_path)) for one, _ in models] == ["A", "B", "A!", "A", "A!"]
    assert [asked for _, asked in models] == [["A"], ["B"], ["A"], [], []]


def test_functions_that_answer_are_not_kept_alive_for_ever(tmp_path: Path) -> None:
    def made(number: int) -> weakref.ref[Any]:
        model, _ = saying(f"answer {number}")
        ask(CachedModel(model, cache=tmp_path))
        return weakref.ref(model.function)

    known = [made(number) for number in range(40)]
    gc.collect()
    assert known[0]() is None


def test_a_function_that_nobody_can_follow_is_refused(tmp_path: Path) -> None:
    name = "json"

    def answer(messages: Any, info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(import_module(name[:4]).dumps("A"))])

    model = FunctionModel(answer, model_name="m")
    with pytest.raises(UnkeyableValue, match="answer"):
        ask(CachedModel(model, cache=tmp_path))
    assert ask(CachedModel(model, cache=tmp_path, mode="off")) == '"A"'


def test_the_same_request_is_asked_once(server: OpenAIServer, tmp_path: Path) -> None:
    models = [CachedModel(wrapped(server), cache=tmp_path) for _ in range(2)]
    assert [ask(model) for model in models for _ in range(2)] == ["answer 1"] * 4
    assert (models[0].cache_stats.misses, models[0].cache_stats.hits, models[1].cache_stats.hits) == (1, 1, 2)
    assert models[1].cache_stats.saved.tokens == 2 * 117
    assert models[1].cache_stats.saved.dollars > 0


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"top_p": 0.5}, {"stop_sequences": ["x"]}], ids=str)
def test_what_is_told_asks_again(server: OpenAIServer, tmp_path: Path, settings: Any) -> None:
    model = CachedModel(wrapped(server), cache=tmp_path)
    assert [ask(model), ask(model, **settings), ask(model), ask(model, **settings)] == [
        *["answer 1", "answer 2"],
        *["answer 1", "answer 2"],
    ]
    assert ask(model, timeout=9.0) == "answer 1"


def looked_up(found: dict[str, Any]) -> list[Any]:
    called = ModelResponse(parts=[ToolCallPart("look", {"word": "a"}, "c1")])
    return [ModelRequest.user_text_prompt("Which?"), called, ModelRequest(parts=[ToolReturnPart("look", found, "c1")])]


@pytest.mark.parametrize("name", ["usage", "timestamp", "metadata", "run_id", "model_id"])
def test_what_a_tool_found_is_told_whatever_it_is_called(server: OpenAIServer, tmp_path: Path, name: str) -> None:
    model = CachedModel(wrapped(server), cache=tmp_path)
    with own_loop():
        answers = [model_request_sync(model, looked_up({name: number})).text for number in (1, 2, 1)]
    assert answers == ["answer 1", "answer 2", "answer 1"]


def test_the_order_of_fields_is_told(server: OpenAIServer, tmp_path: Path) -> None:
    model = CachedModel(wrapped(server), cache=tmp_path)
    answers = []
    for names in (("reasons", "verdict"), ("verdict", "reasons")):
        schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
        tools = ModelRequestParameters(function_tools=[ToolDefinition(name="look", parameters_json_schema=schema)])
        with own_loop():
            request = [ModelRequest.user_text_prompt("Which?")]
            answers.append(model_request_sync(model, request, model_request_parameters=tools).text)
    assert answers == ["answer 1", "answer 2"]


def test_who_asks_the_same_within_a_request_does_not_wait_for_itself(server: OpenAIServer, tmp_path: Path) -> None:
    server.script(OPENAI.stream("one ", "two"))
    twice = CachedModel(CachedModel(wrapped(server), cache=tmp_path), cache=tmp_path)

    async def nested() -> list[str | None]:
        request: list[Any] = [ModelRequest.user_text_prompt("Hello?")]
        async with twice.request_stream(request, None, ModelRequestParameters()) as stream:
            inner = await model_request(twice, request)
            async for _ in stream:
                pass
        return [inner.text, stream.get().text, (await model_request(twice, request)).text]

    assert asyncio.run(asyncio.wait_for(nested(), 20)) == ["answer 2", "one two", "one two"]


def test_models_scopes_and_samples_have_answers_of_their_own(server: OpenAIServer, tmp_path: Path) -> None:
    models = [
        CachedModel(wrapped(server), tmp_path),
        CachedModel(wrapped(server, "gpt-4.1"), tmp_path),
        CachedModel(wrapped(server), tmp_path, scope="tenant"),
        CachedModel(wrapped(server), tmp_path, sample=1),
    ]
    answers = [f"answer {number}" for number in range(1, 5)]
    assert [ask(model) for model in models] == [ask(model) for model in models] == answers


def test_an_agent_with_tools_and_output_is_replayed(server: OpenAIServer, tmp_path: Path) -> None:
    server.script(OPENAI.calls(("c1", "look", {"word": "a"})), OPENAI.calls(("c2", "final_result", {"name": "Paris"})))
    used: list[str] = []

    def look(word: str) -> str:
        used.append(word)
        return f"{word}!"

    def run() -> City:
        agent = Agent(
            CachedModel(wrapped(server), tmp_path), output_type=City, tools=[look], instructions="Look it up."
        )
        with own_loop():
            return agent.run_sync("Which city?").output

    assert [run(), run()] == [City(name="Paris")] * 2
    assert (len(server.seen), used) == (2, ["a", "a"])


def test_streams_are_kept_and_replayed(server: OpenAIServer, tmp_path: Path) -> None:
    server.script(OPENAI.stream("one ", "two ", "three"))

    async def stream() -> tuple[list[str], str]:
        agent = Agent(CachedModel(wrapped(server), tmp_path))
        async with agent.run_stream("Count!") as result:
            pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
            return pieces, await result.get_output()

    (pieces, text), (again, same) = asyncio.run(stream()), asyncio.run(stream())
    assert text == same == "".join(pieces) == "".join(again) == "one two three"
    assert len(server.seen) == 1
    assert CachedModel(wrapped(server), tmp_path).cache_stats.errors == 0


def test_a_stream_that_nobody_reads_to_its_end_is_not_kept(server: OpenAIServer, tmp_path: Path) -> None:
    server.script(OPENAI.stream("one ", "two"))
    model = CachedModel(wrapped(server), tmp_path)

    async def leave() -> None:
        async with model.request_stream([ModelRequest.user_text_prompt("Hello?")], None, ModelRequestParameters()):
            pass

    asyncio.run(leave())
    assert ask(model) == "answer 2"


def test_equal_requests_at_once_are_asked_once(server: OpenAIServer, tmp_path: Path) -> None:
    async def many() -> list[str | None]:
        models = [CachedModel(wrapped(server), tmp_path) for _ in range(3)]
        request = [ModelRequest.user_text_prompt("Hello?")]
        return [
            answer.text
            for answer in await asyncio.gather(*(model_request(model, request) for model in models for _ in range(10)))
        ]

    assert asyncio.run(many()) == ["answer 1"] * 30
    assert len(server.seen) == 1


def test_the_one_who_waits_asks_when_the_first_fails(server: OpenAIServer, tmp_path: Path) -> None:
    server.script(OPENAI.error(400))

    async def two() -> list[Any]:
        model = CachedModel(wrapped(server), tmp_path)
        request = [ModelRequest.user_text_prompt("Hello?")]
        return await asyncio.gather(*(model_request(model, request) for _ in range(2)), return_exceptions=True)

    failed, answered = sorted(asyncio.run(two()), key=lambda found: not isinstance(found, Exception))
    assert isinstance(failed, Exception)
    assert answered.text == "answer 2"


def test_a_stream_that_ends_in_mid_answer_is_not_kept(server: OpenAIServer, tmp_path: Path) -> None:
    whole = OPENAI.events(["one ", "two ", "three"]).split("\n\n")
    half = "".join(f"{event}\n\n" for event in whole[:2]).encode()
    server.script(Reply(half, headers={"content-type": "text/event-stream"}))
    model = CachedModel(wrapped(server), tmp_path)

    async def read() -> None:
        request: list[Any] = [ModelRequest.user_text_prompt("Hello?")]
        async with model.request_stream(request, None, ModelRequestParameters()) as stream:
            async for _ in stream:
                pass

    asyncio.run(read())
    assert ask(model) == "answer 2"


@pytest.mark.parametrize(
    "reply",
    [
        completion("half", "length"),
        completion("half", "MAX_TOKENS"),
        completion("x", "error"),
        completion(None, refusal="no"),
    ],
)
def test_what_is_no_answer_is_not_kept(server: OpenAIServer, tmp_path: Path, reply: Any) -> None:
    model = CachedModel(wrapped(server), tmp_path)
    server.script(reply)
    ask(model)
    assert ask(model) == "answer 2"


def test_modes(server: OpenAIServer, tmp_path: Path) -> None:
    def once(mode: Any, text: str = "Hello?") -> str:
        return ask(CachedModel(wrapped(server), tmp_path, mode=mode), text)

    assert [once("read_only"), once("read_write"), once("replay")] == ["answer 1", "answer 2", "answer 2"]
    assert [once("off"), once("refresh"), once("replay")] == ["answer 3", "answer 4", "answer 4"]


def test_a_miss_in_a_replay_shows_the_nearest_recording(server: OpenAIServer, tmp_path: Path) -> None:
    ask(CachedModel(wrapped(server), tmp_path), "The capital\nof France?")
    ask(CachedModel(wrapped(server), tmp_path), "Something else?")
    model = CachedModel(wrapped(server), tmp_path, mode="replay")
    with pytest.raises(CacheMiss) as caught:
        ask(model, "The capital\nof Spain?")
    text = str(caught.value)
    assert "'gpt-4o' is asked what is not recorded, and the mode is 'replay'; the nearest recording is" in text
    assert text.endswith("    -of France?\n    +of Spain?")
    with pytest.raises(CacheMiss, match=r"  temperature: None -> 0\.5$"):
        ask(model, "Something else?", temperature=0.5)
    with pytest.raises(CacheMiss, match="nothing is recorded at all"):
        ask(CachedModel(wrapped(server), tmp_path / "empty", mode="replay"))


def test_an_expired_answer_is_asked_for_again(server: OpenAIServer, tmp_path: Path) -> None:
    assert [ask(CachedModel(wrapped(server), tmp_path, ttl=ttl)) for ttl in (None, 3600.0, 0.0)] == [
        "answer 1",
        "answer 1",
        "answer 2",
    ]


def test_a_kept_answer_costs_nothing(server: OpenAIServer, tmp_path: Path) -> None:
    agent = Agent(CachedModel(wrapped(server), tmp_path))
    with own_loop():
        assert [agent.run_sync("Hello?").usage.total_tokens for _ in range(2)] == [117, 0]


def test_answers_are_kept_as_readable_text(tmp_path: Path) -> None:
    def answer(messages: Any, info: AgentInfo) -> Any:
        return ModelResponse(parts=[TextPart("Paris")])

    model = CachedModel(FunctionModel(answer), FixtureStore(tmp_path))
    assert ask(model, "The capital of France?") == "Paris"
    (file,) = tmp_path.rglob("*.json")
    assert '"content": "The capital of France?"' in file.read_text()
    assert '"content": "Paris"' in file.read_text()


def test_no_password_of_an_address_is_kept_or_tells_requests_apart(server: OpenAIServer, tmp_path: Path) -> None:
    for password in ("hushhush", "quietquiet"):
        url = server.url.replace("://", f"://me:{password}@")
        assert ask(CachedModel(wrapped(server, url=url), FixtureStore(tmp_path))) == "answer 1"
    (file,) = tmp_path.rglob("*.json")
    assert "127.0.0.1" in file.read_text()
    assert "hushhush" not in file.read_text()
