"""One suite for all providers, each behind a server on loopback that speaks its protocol."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm.dialects import CACHED, DIALECTS, INPUT, KEY, OUTPUT, Dialect
from llm.openai_server import SILENCE, OpenAIServer, Reply, garbage
from planai import CachedLLMTaskWorker, LLMTaskWorker, MediaTask, Task, llm_from_config, tool
from planai.errors import ModelUnavailable
from planai.llm.client import Message, Request
from planai.testing import run_inline

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
HELLO = Request((Message("system", "Be brief."), Message("user", "Hello?")))


class Place(MediaTask):
    name: str


class City(Task):
    name: str
    people: int


class Describe(LLMTaskWorker):
    prompt = "Describe the city."
    llm_input_type = Place
    output_types = [City]


class Keep(CachedLLMTaskWorker):
    prompt = "Describe the city."
    llm_input_type = Place
    output_types = [City]


@tool
def population(city: str) -> int:
    """Look up how many people live somewhere."""
    return len(city)


@pytest.fixture(params=DIALECTS, ids=repr)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


PARIS = json.dumps({"name": "Paris", "people": 2})


def run(server: OpenAIServer, worker: LLMTaskWorker, *replies: Reply, **fields: Any) -> Any:
    server.script(*replies)
    return run_inline(worker, Place(name="Paris", **fields))


def why(server: OpenAIServer, dialect: Dialect, *replies: Reply, **settings: Any) -> str:
    server.script(*replies)
    with pytest.raises(ModelUnavailable) as caught:
        dialect.make(server, **settings).ask(HELLO)
    assert KEY not in str(caught.value)
    return str(caught.value)


# ---- what is asked, and what comes back


def test_free_text(server: OpenAIServer, dialect: Dialect) -> None:
    server.script(dialect.text("Hello!"))
    answer = dialect.make(server, temperature=0.5, max_tokens=99).ask(HELLO)
    (seen,) = server.seen
    assert (answer.text, answer.finish_reason, answer.calls, answer.refusal) == ("Hello!", "stop", (), None)
    assert seen.path == dialect.path
    assert dialect.key(seen) == KEY
    assert "Be brief." in dialect.told(seen)
    assert (dialect.setting(seen, "temperature"), dialect.setting(seen, "max_tokens")) == (0.5, 99)


def test_usage(server: OpenAIServer, dialect: Dialect) -> None:
    server.script(dialect.text("Hello!"))
    answer = dialect.make(server).ask(HELLO)
    assert (answer.input_tokens, answer.output_tokens, answer.cached_tokens) == (INPUT, OUTPUT, CACHED)
    assert answer.model == dialect.model


def test_a_price_is_known_or_said_to_be_unknown(server: OpenAIServer, dialect: Dialect) -> None:
    server.script(dialect.text("Hello!"), dialect.text("Hello!"))
    listed = dialect.make(server).ask(HELLO)
    if dialect.name in ("ollama", "compatible"):
        assert (listed.dollars, listed.priced) == (None, "")
    else:
        assert listed.dollars is not None
        assert 0 < listed.dollars < 1
        assert len(listed.priced) == len("2026-01-31")
    own = dialect.make(server, prices={"input": 1, "output": 10, "cached": 0.1}).ask(HELLO).dollars
    assert str(own) == str(((INPUT - CACHED) + CACHED / 10 + 10 * OUTPUT) / 1e6)


def test_structured_output(server: OpenAIServer, dialect: Dialect) -> None:
    result = run(server, Describe(llm=dialect.make(server)), dialect.text(PARIS))
    assert result.outputs == [City(name="Paris", people=2)]
    schema = dialect.schema(server.seen[0])
    if schema is None:  # then it is in the prompt
        assert "people" in dialect.told(server.seen[0])
    else:
        assert set(schema["properties"]) == {"name", "people"}


def test_asking_again(server: OpenAIServer, dialect: Dialect) -> None:
    wrong = json.dumps({"name": "Paris", "people": "many"})
    result = run(server, Describe(llm=dialect.make(server)), dialect.text(wrong), dialect.text(PARIS))
    assert result.outputs == [City(name="Paris", people=2)]
    again = dialect.told(server.seen[1])
    assert "many" in again
    assert "people: Input should be a valid integer" in again


def test_tools(server: OpenAIServer, dialect: Dialect) -> None:
    worker = Describe(llm=dialect.make(server), tools=[population])
    calls = dialect.calls(("call_1", "population", {"city": "Paris"}), ("call_2", "population", {"city": "Rome"}))
    result = run(server, worker, calls, dialect.text(PARIS))
    assert result.outputs == [City(name="Paris", people=2)]
    first, second = server.seen
    assert dialect.tools(first)["population"]["properties"]["city"]["type"].lower() == "string"
    (one, five), (two, four) = dialect.results(second)
    assert ("5" in five, "4" in four) == (True, True)
    assert (one, two) == ("call_1", "call_2")


def test_rounds_of_tools_are_kept(server: OpenAIServer, dialect: Dialect, tmp_path: Path) -> None:
    def ask(name: str) -> Any:
        return Keep(llm=dialect.make(server), tools=[population], cache_dir=tmp_path, cache_name=name)

    calls = dialect.calls(("call_1", "population", {"city": "Paris"}))
    assert run(server, ask("a"), calls, dialect.text(PARIS)).outputs == [City(name="Paris", people=2)]
    assert run(server, ask("b")).outputs == [City(name="Paris", people=2)]
    assert len(server.seen) == 2


def test_images(server: OpenAIServer, dialect: Dialect) -> None:
    image = base64.b64encode(PIXEL).decode()
    run(server, Describe(llm=dialect.make(server)), dialect.text(PARIS), images=[image])
    assert dialect.images(server.seen[0]) == [PIXEL]


def test_streams(server: OpenAIServer, dialect: Dialect) -> None:
    server.script(dialect.stream('{"name": ', '"Paris", ', '"people": 2}'))
    pieces: list[str] = []
    answer = dialect.make(server).ask(HELLO, pieces.append)
    assert pieces == ['{"name": ', '"Paris", ', '"people": 2}']
    assert (answer.text, answer.input_tokens, answer.output_tokens) == (PARIS, INPUT, OUTPUT)


def test_asking_from_an_event_loop(server: OpenAIServer, dialect: Dialect) -> None:
    server.script(dialect.stream("a", "b"), dialect.text("c"))
    pieces: list[str] = []

    async def ask() -> list[str]:
        model = dialect.make(server)
        return [(await model.ask_async(HELLO, pieces.append)).text, (await model.ask_async(HELLO)).text]

    assert asyncio.run(ask()) == ["ab", "c"]
    assert pieces == ["a", "b"]


# ---- what goes wrong


def test_an_answer_that_was_cut_off_says_so(server: OpenAIServer, dialect: Dialect) -> None:
    (failed,) = run(server, Describe(llm=dialect.make(server)), dialect.cut_off('{"name": "Par')).failures
    assert "was cut off by its token limit after 7 tokens: raise max_tokens" in str(failed.error)


def test_retry_after_is_honoured(server: OpenAIServer, dialect: Dialect) -> None:
    server.script(dialect.error(429, "slow down", retry_after="1"), dialect.text("now"))
    assert dialect.make(server, max_retries=1).ask(HELLO).text == "now"
    first, second = server.seen
    assert 1.0 <= second.at - first.at < 3.0


def test_retrying_comes_to_an_end(server: OpenAIServer, dialect: Dialect) -> None:
    server.fallback = lambda _: dialect.error(429, "slow down", retry_after="0")
    assert "429" in why(server, dialect, max_retries=2)
    assert len(server.seen) == 3


def test_a_pause_longer_than_the_time_out_is_not_waited_for(server: OpenAIServer, dialect: Dialect) -> None:
    text = why(server, dialect, dialect.error(429, "later", retry_after="3600"), max_retries=3)
    assert "asks for a pause of 3600 s" in text
    assert "429" in text
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_a_broken_server_is_asked_again(server: OpenAIServer, dialect: Dialect, status: int) -> None:
    server.script(dialect.error(status, retry_after="0"), dialect.text("now"))
    assert dialect.make(server, max_retries=1).ask(HELLO).text == "now"


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_request_that_is_refused_is_not_sent_again(server: OpenAIServer, dialect: Dialect, status: int) -> None:
    text = why(server, dialect, dialect.error(status, "the server's own words"), max_retries=3)
    assert "the server's own words" in text
    assert len(server.seen) == 1


def test_a_server_that_stalls_is_a_time_out(server: OpenAIServer, dialect: Dialect) -> None:
    assert "timed out" in why(server, dialect, SILENCE, timeout=0.3)


def test_a_server_that_stalls_is_asked_again(server: OpenAIServer, dialect: Dialect) -> None:
    server.script(SILENCE, dialect.text("now"))
    assert dialect.make(server, timeout=0.5, max_retries=1).ask(HELLO).text == "now"


def test_a_connection_that_is_cut_in_mid_answer_says_so(server: OpenAIServer, dialect: Dialect) -> None:
    cut = replace(dialect.text("Hello! " * 100), cut=True)
    assert "closed the connection before its answer was complete" in why(server, dialect, cut)


def test_a_stream_that_ends_in_mid_answer_says_so(server: OpenAIServer, dialect: Dialect) -> None:
    events = dialect.events(["one ", "two ", "three ", "four"]).split("\n\n")
    half = "".join(f"{event}\n\n" for event in events[: len(events) // 2]).encode()
    server.script(Reply(half, events=half, headers={"content-type": "text/event-stream"}))
    with pytest.raises(ModelUnavailable, match="closed the connection before its answer was complete"):
        dialect.make(server).ask(HELLO, lambda _: None)


def test_a_stream_that_a_client_asks_for_by_itself_may_end_in_mid_answer_too(server: OpenAIServer) -> None:
    dialect = next(one for one in DIALECTS if one.name == "anthropic")
    whole = dialect.text("Hello! " * 100)
    events = whole.events.decode().split("\n\n")
    half = "".join(f"{event}\n\n" for event in events[: len(events) // 2 + 1]).encode()
    server.script(replace(whole, events=half), dialect.text("now"))
    assert dialect.make(server, max_retries=1).ask(HELLO).text == "now"
    assert server.seen[0].body["stream"]


def test_a_connection_that_is_cut_is_made_again(server: OpenAIServer, dialect: Dialect) -> None:
    server.script(replace(dialect.text("Hello! " * 100), cut=True), dialect.text("now"))
    assert dialect.make(server, max_retries=1).ask(HELLO).text == "now"


@pytest.mark.parametrize("body", ["", "<html></html>", "[]", "null", '{"a": 1}', "\x00\xff"])
def test_garbage_is_no_answer(server: OpenAIServer, dialect: Dialect, body: str) -> None:
    text = why(server, dialect, garbage(body), max_retries=2)
    assert "is no answer of a model" in text
    assert len(server.seen) == 1


def test_a_key_that_is_missing_is_named(dialect: Dialect, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY"}
    for name in (*variables.values(), "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    if dialect.provider in variables:
        with pytest.raises(ModelUnavailable, match=variables[dialect.provider]):
            llm_from_config(dialect.provider, dialect.model).ask(HELLO)


def test_a_call_that_is_given_up_is_cancelled(server: OpenAIServer, dialect: Dialect) -> None:
    server.script(dialect.text("first"), SILENCE)
    assert dialect.make(server).ask(HELLO).text == "first"

    async def give_up() -> None:
        await asyncio.wait_for(dialect.make(server).ask_async(HELLO), 0.3)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    server.script(dialect.text("next"))
    assert dialect.make(server).ask(HELLO).text == "next"


# ---- many at once


def test_a_thousand_calls_at_once(server: OpenAIServer) -> None:
    (dialect, *_) = DIALECTS
    server.meet = 500
    server.fallback = lambda body: dialect.text(body["messages"][-1]["content"])
    model = dialect.make(server, timeout=60)

    async def ask(number: int) -> str:
        return (await model.ask_async(Request((Message("user", str(number)),)))).text

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*map(ask, range(1000)))

    assert asyncio.run(all_of_them()) == [str(number) for number in range(1000)]
    assert server.most_at_once >= 500


# ---- what the provider keeps


@pytest.mark.parametrize("tools", [[], [population]], ids=["without tools", "with tools"])
def test_a_provider_that_has_to_be_told_keeps_how_requests_begin(server: OpenAIServer, tools: list[Any]) -> None:
    dialect = next(one for one in DIALECTS if one.name == "anthropic")
    for caching in (True, False):
        worker = Describe(llm=dialect.make(server, prompt_caching=caching), tools=tools)
        run(server, worker, dialect.text(PARIS))
    told, untold = (json.dumps(seen.body) for seen in server.seen)
    assert "cache_control" in told
    assert "cache_control" not in untold
    system = json.dumps(server.seen[0].body["system"])
    assert "cache_control" in system or tools
