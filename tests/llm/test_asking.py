"""Conversations: tools, other models to turn to, streams and limits, through workers in a graph."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm.dialects import OpenAIChat
from llm.openai_server import OpenAIServer, failure
from llm.workers import Analysis, Analyze, Document, model
from planai import (
    ChatTaskWorker,
    Graph,
    LLMTaskWorker,
    Task,
    tool,
)
from planai.errors import MissingDependency, ModelUnavailable, RequestTooLong
from planai.llm.client import Answer, Request, ToolCall
from planai.testing import ScriptedLLM, run_inline


class Plain(LLMTaskWorker):
    prompt = "Analyze it."
    llm_input_type = Document
    output_types = [Analysis]


def calls(name: str, number: int = 1, **arguments: Any) -> Answer:
    return Answer("", "tool_call", calls=(ToolCall(f"c{number}", name, json.dumps(arguments)),))


def said(insight: str) -> Answer:
    return Answer(json.dumps({"insight": insight}))


def only_error(worker: LLMTaskWorker | ChatTaskWorker, task: Task | None = None) -> str:
    (failed,) = run_inline(worker, task or Document(text="a")).failures
    return f"{type(failed.error).__name__}: {failed.error}"


# ---- tools


used: list[str] = []


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    used.append(word)
    return f"{word} means {len(used)}"


@pytest.fixture(autouse=True)
def _nothing_used() -> None:
    used.clear()


def test_a_model_may_call_tools_before_it_answers() -> None:
    llm = ScriptedLLM([calls("look_up", word="a"), calls("look_up", 2, word="b"), said("both")])
    assert run_inline(Plain(llm=llm, tools=[look_up]), Document(text="a")).outputs == [Analysis(insight="both")]
    assert used == ["a", "b"]
    first, second, third = llm.requests
    assert [spec.name for spec in first.tools] == ["look_up"]
    assert second.messages[: len(first.messages)] == first.messages
    said_turn, result = second.messages[len(first.messages) :]
    assert (said_turn.role, said_turn.calls[0].arguments) == ("assistant", '{"word": "a"}')
    assert (result.role, result.text) == ("tool", "a means 1")
    assert result.call == said_turn.calls[0]
    assert third.messages[-1].text == "b means 2"


def test_several_calls_at_once_are_all_answered() -> None:
    both = Answer("", "tool_call", calls=(*calls("look_up", word="a").calls, *calls("look_up", 2, word="b").calls))
    llm = ScriptedLLM([both, said("x")])
    run_inline(Plain(llm=llm, tools=[look_up]), Document(text="a"))
    assert [turn.text for turn in llm.requests[1].messages[-2:]] == ["a means 1", "b means 2"]


def test_plain_functions_are_tools() -> None:
    def shout(word: str) -> str:
        """Shout."""
        return word.upper()

    llm = ScriptedLLM([calls("shout", word="a"), said("x")])
    run_inline(Plain(llm=llm, tools=[shout]), Document(text="a"))
    assert llm.requests[1].messages[-1].text == "A"


def test_tools_may_depend_on_the_task() -> None:
    class Choosing(Plain):
        def get_tools(self, task: Document) -> list[Any]:
            return [look_up] if task.text == "a" else []

    llm = ScriptedLLM([said("x"), said("x")])
    run_inline(Choosing(llm=llm), Document(text="a"), Document(text="b"))
    assert [len(request.tools) for request in llm.requests] == [1, 0]


def test_calling_tools_comes_to_an_end() -> None:
    llm = ScriptedLLM(lambda request: calls("look_up", word="again"))
    text = only_error(Plain(llm=llm, tools=[look_up], max_tool_rounds=2))
    assert text.startswith("InvalidAnswer")
    assert "still calls tools after 2 rounds" in text
    assert len(llm.requests) == 3
    assert len(used) == 2


def test_a_call_of_a_tool_that_nobody_offered_is_no_answer() -> None:
    assert "calls the tool 'look_up', though there is none" in only_error(Plain(llm=ScriptedLLM([calls("look_up")])))


def test_an_answer_after_tools_is_validated_and_put_right() -> None:
    llm = ScriptedLLM([calls("look_up", word="a"), Answer("{}"), said("right")])
    assert run_inline(Plain(llm=llm, tools=[look_up]), Document(text="a")).outputs == [Analysis(insight="right")]
    assert "insight: Field required" in llm.requests[2].messages[-1].text


def test_every_round_is_kept_by_itself(tmp_path: Path) -> None:
    class Failing(Analyze):
        def post_process(self, response: Analysis, input_task: Document) -> None:
            raise RuntimeError("edit me")

    script: list[Any] = [calls("look_up", word="a"), ModelUnavailable("gone"), said("x")]
    llm = ScriptedLLM(script)
    assert "gone" in only_error(Analyze(llm=llm, tools=[look_up], cache_dir=tmp_path))
    assert used == ["a"]
    used.clear()
    assert "edit me" in only_error(Failing(llm=llm, tools=[look_up], cache_dir=tmp_path))
    assert (len(llm.requests), used) == (3, ["a"])  # the first round came from the cache, its tool ran again
    used.clear()
    nobody = ScriptedLLM([])
    outputs = run_inline(Analyze(llm=nobody, tools=[look_up], cache_dir=tmp_path), Document(text="a")).outputs
    assert (outputs, nobody.requests) == ([Analysis(insight="x")], [])


def test_another_result_of_a_tool_is_told_to_the_model(tmp_path: Path) -> None:
    def ask(script: list[Any]) -> list[Task]:
        worker = Analyze(llm=ScriptedLLM(script), tools=[look_up], cache_dir=tmp_path, cache_mode="read_write")
        worker.get_cache().clear()
        return run_inline(worker, Document(text="a")).outputs

    assert ask([calls("look_up", word="a"), said("first")]) == [Analysis(insight="first")]
    assert ask([said("second")]) == [Analysis(insight="second")]  # "a means 2"


def test_an_edited_tool_runs_again(tmp_path: Path) -> None:
    def worker(answer: str) -> Analyze:
        def fetch() -> str:
            """Fetch."""
            return answer

        return Analyze(llm=ScriptedLLM(_call_then_repeat), tools=[tool(fetch)], cache_dir=tmp_path)

    assert [run_inline(worker(word), Document(text="a")).outputs for word in ("x", "y", "x")] == [
        [Analysis(insight="x")],
        [Analysis(insight="y")],
        [Analysis(insight="x")],
    ]


def _call_then_repeat(request: Request) -> Answer:
    last = request.messages[-1]
    return said(last.text) if last.role == "tool" else calls("fetch")


# ---- other models


def test_another_model_is_asked_when_the_first_is_not_available() -> None:
    gone, there = ScriptedLLM([ModelUnavailable("gone")], "gone"), ScriptedLLM([said("x")], "there")
    assert run_inline(Plain(llm=gone, fallback_llms=[there]), Document(text="a")).outputs == [Analysis(insight="x")]


def test_all_models_may_be_unavailable() -> None:
    models = [ScriptedLLM([ModelUnavailable(f"gone {number}")]) for number in range(2)]
    text = only_error(Plain(llm=models[0], fallback_llms=models[1:]))
    assert text == "ModelUnavailable: no model is available: gone 0; gone 1"


def test_an_answer_that_ended_with_an_error_is_none() -> None:
    assert "ended with an error" in only_error(Plain(llm=ScriptedLLM([Answer('{"insight": "x"}', "error")])))


def test_a_refusal_is_no_reason_to_ask_another_model() -> None:
    other = ScriptedLLM([said("x")])
    assert "refused" in only_error(Plain(llm=ScriptedLLM([Answer("", refusal="no")]), fallback_llms=[other]))
    assert other.requests == []


@pytest.mark.parametrize("gone", [ModelUnavailable("no key"), MissingDependency("no package")])
def test_a_run_tells_that_another_model_was_asked_and_why(gone: Exception) -> None:
    own = ScriptedLLM([gone, gone, said("its own")], "m")
    there = ScriptedLLM([said("x"), said("y")], "there")
    worker = Plain(llm=own, fallback_llms=[there])
    first = run_inline(worker, Document(text="a"), Document(text="b"))
    assert first.ok
    assert first.remarks == [f"'Plain' asked another model than 'm', which was not available: {gone}"]
    assert run_inline(worker, Document(text="c")).remarks == []


def test_what_another_model_said_is_kept_as_its_own(tmp_path: Path) -> None:
    there = ScriptedLLM([said("of the other")], "there")
    first = Analyze(llm=ScriptedLLM([ModelUnavailable("gone")], "m"), fallback_llms=[there], cache_dir=tmp_path)
    assert run_inline(first, Document(text="a")).outputs == [Analysis(insight="of the other")]
    back = Analyze(llm=ScriptedLLM([said("its own")], "m"), cache_dir=tmp_path)
    assert run_inline(back, Document(text="a")).outputs == [Analysis(insight="its own")]
    alone = Analyze(llm=ScriptedLLM([], "there"), cache_dir=tmp_path)
    assert run_inline(alone, Document(text="a")).outputs == [Analysis(insight="of the other")]


def test_a_model_that_is_back_is_asked_again_and_the_other_one_is_not_paid_twice(tmp_path: Path) -> None:
    gone = ModelUnavailable("gone")
    own, other = ScriptedLLM([gone, gone, said("its own")], "m"), ScriptedLLM([said("of the other")], "there")
    worker = Analyze(llm=own, fallback_llms=[other], cache_dir=tmp_path)
    outputs = [run_inline(worker, Document(text="a")).outputs for _ in range(4)]
    assert outputs == [[Analysis(insight=text)] for text in (*["of the other"] * 2, *["its own"] * 2)]
    assert (len(own.requests), len(other.requests)) == (3, 1)


def test_equal_calls_ask_a_model_that_is_not_available_once_in_a_run(tmp_path: Path) -> None:
    own, other = ScriptedLLM(lambda _: ModelUnavailable("gone"), "m"), ScriptedLLM([said("of the other")], "there")
    worker = Analyze(llm=own, fallback_llms=[other], cache_dir=tmp_path)
    for runs in (1, 2):
        assert len(run_inline(worker, *[Document(text="a")] * 5).outputs) == 5
        assert (len(own.requests), len(other.requests)) == (runs, 1)


def test_a_replay_finds_what_another_model_said(tmp_path: Path) -> None:
    models = ScriptedLLM([ModelUnavailable("gone")], "m"), ScriptedLLM([said("of the other")], "there")

    def worker(**settings: Any) -> Analyze:
        return Analyze(llm=models[0], fallback_llms=[models[1]], cache_dir=tmp_path, **settings)

    run_inline(worker(), Document(text="a"))
    replayed = run_inline(worker(cache_mode="replay"), Document(text="a"), Document(text="b"))
    assert replayed.outputs == [Analysis(insight="of the other")]
    assert "asks 'm' what is not recorded" in str(replayed.failures[0].error)
    assert [len(one.requests) for one in models] == [1, 1]


# ---- streams


class Streaming(Analyze):
    stream = True

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._chunks: list[str] = []

    def handle_stream(self, chunk: str) -> None:
        self._chunks.append(chunk)
        self.print(chunk)

    def shown(self) -> str:
        return "".join(self._chunks)


def test_a_kept_response_streams_too(tmp_path: Path) -> None:
    class Edited(Streaming):
        def post_process(self, response: Analysis, input_task: Document) -> None:
            self.publish_work(Analysis(insight=response.insight * 2))

    first = Streaming(llm=ScriptedLLM([said("x" * 200)]), cache_dir=tmp_path)
    run_inline(first, Document(text="a"))
    again = Edited(llm=ScriptedLLM([]), cache_dir=tmp_path)
    run_inline(again, Document(text="a"))
    assert first.shown() == again.shown() == json.dumps({"insight": "x" * 200})
    assert len(again._chunks) > 1


def test_a_replayed_answer_streams_too(tmp_path: Path) -> None:
    workers = [Streaming(llm=ScriptedLLM([said("x")]), cache_dir=tmp_path) for _ in range(2)]
    results = [run_inline(worker, Document(text="a")) for worker in workers]
    assert [result.cache_hits for result in results] == [0, 1]
    assert workers[0].shown() == workers[1].shown() == '{"insight": "x"}'


def test_a_replayed_answer_after_tools_streams_what_was_streamed(tmp_path: Path) -> None:
    first = Answer("Let me look.", "tool_call", calls=calls("look_up", word="a").calls)
    script = [first, Answer('{"no": "insight"}'), said("x")]
    workers = [Streaming(llm=ScriptedLLM(script), tools=[look_up], cache_dir=tmp_path) for _ in range(2)]
    results = [run_inline(worker, Document(text="a")) for worker in workers]
    assert [result.cache_hits for result in results] == [0, 1]
    assert workers[1].shown() == 'Let me look.{"insight": "x"}'
    assert used == ["a"]


def test_a_replayed_answer_streams_what_was_put_right(tmp_path: Path) -> None:
    class Strict(Streaming):
        cache_name = "strict"

        def extra_validation(self, response: Analysis, input_task: Document) -> str | None:
            return "say y" if response.insight == "x" else None

    run_inline(Analyze(llm=ScriptedLLM([said("x")]), cache_dir=tmp_path), Document(text="a"))
    workers = [Strict(llm=ScriptedLLM([said("y")]), cache_dir=tmp_path) for _ in range(2)]
    for worker in workers:
        run_inline(worker, Document(text="a"))
    assert workers[1]._chunks == ['{"insight": "x"}', "", '{"insight": "y"}']


def test_a_replayed_answer_streams_what_was_made_of_it_where_the_response_is_gone(tmp_path: Path) -> None:
    workers = [Streaming(llm=ScriptedLLM([said("x")]), cache_dir=tmp_path) for _ in range(2)]
    run_inline(workers[0], Document(text="a"))
    workers[0].response_room().cache.clear()
    run_inline(workers[1], Document(text="a"))
    assert workers[1].shown() == '{"insight":"x"}'


def test_an_empty_piece_says_that_the_answer_begins_anew(tmp_path: Path) -> None:
    worker = Streaming(llm=ScriptedLLM([Answer("{}"), said("x")]), cache_dir=tmp_path)
    run_inline(worker, Document(text="a"))
    assert worker._chunks == ["{}", "", '{"insight": "x"}']


# ---- async


class Awaiting(Streaming):
    async def consume_work(self, task: Document) -> None:
        await super().consume_work(task)

    async def post_process(self, response: Analysis, input_task: Document) -> None:
        await asyncio.sleep(0)
        self.publish_work(Analysis(insight=f"{response.insight} awaited"))


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_what_handle_stream_raises_fails_the_call_as_it_is(server: OpenAIServer, is_async: bool) -> None:
    class Picky(LLMTaskWorker):
        prompt = "Analyze it."
        llm_input_type = Document
        output_types = [Analysis]
        stream = True

        def handle_stream(self, chunk: str) -> None:
            raise ValueError(chunk)

    class PickyToo(Picky):
        async def consume_work(self, task: Document) -> None:
            await super().consume_work(task)

    server.fallback = lambda _: OpenAIChat().stream('{"insight":', ' "x"}')
    (failed,) = run_inline((PickyToo if is_async else Picky)(llm=model(server)), Document(text="a")).failures
    assert repr(failed.error) == repr(ValueError('{"insight":'))


@pytest.mark.parametrize("more", [{"num_retries": 1}, {"stands_in": True}], ids=["another call", "another model"])
def test_what_was_shown_of_a_stream_that_broke_is_void_before_another_comes(
    server: OpenAIServer, more: dict[str, Any]
) -> None:
    heard: list[str] = []

    class Hear(Plain):
        stream = True

        def handle_stream(self, chunk: str) -> None:
            heard.append(chunk)

    whole = OpenAIChat().stream('{"insight":', ' "x"}')
    half = replace(whole, body=b"\n\n".join(whole.body.split(b"\n\n")[:1]) + b"\n\n")
    server.script(half, whole)
    models = [model(server), *([model(server, "other")] if more.pop("stands_in", False) else [])]
    worker = Hear(llm=models[0], fallback_llms=models[1:], **more)
    assert run_inline(worker, Document(text="a")).outputs == [Analysis(insight="x")]
    assert heard == ['{"insight":', "", '{"insight":', ' "x"}']


def test_nothing_is_void_where_nothing_was_shown(server: OpenAIServer) -> None:
    heard: list[str] = []

    class Hear(Plain):
        stream = True

        def handle_stream(self, chunk: str) -> None:
            heard.append(chunk)

    server.script(failure(500, retry_after="0"), OpenAIChat().stream('{"insight":', ' "x"}'))
    assert run_inline(Hear(llm=model(server, max_retries=1)), Document(text="a")).ok
    assert heard == ['{"insight":', ' "x"}']


def test_an_async_worker_is_shown_a_stream_on_its_event_loop(server: OpenAIServer, tmp_path: Path) -> None:
    loops: list[object] = []

    class Looping(Analyze):
        stream = True

        async def consume_work(self, task: Document) -> None:
            loops.append(asyncio.get_running_loop())
            await super().consume_work(task)

        def handle_stream(self, chunk: str) -> None:
            loops.append(asyncio.get_running_loop())

    class Edited(Looping):
        def post_process(self, response: Analysis, input_task: Document) -> None:
            self.publish_work(Analysis(insight=response.insight * 2))

    server.fallback = lambda _: OpenAIChat().stream('{"insight":', ' "x"}')
    for kind, llm in ((Looping, model(server)), (Looping, ScriptedLLM([said("x")])), (Edited, model(server))):
        for _ in range(2):
            assert run_inline(kind(llm=llm, cache_dir=tmp_path), Document(text="a")).ok
    assert len(loops) == (1 + 2) + 1 + (1 + 1) + 1 + (1 + 1) + 1
    assert len(set(loops)) == 1


def test_a_worker_may_be_async(tmp_path: Path) -> None:
    script = [calls("look_up", word="a"), Answer("{}"), said("x")]
    worker = Awaiting(llm=ScriptedLLM(script), tools=[look_up], cache_dir=tmp_path)
    results = [run_inline(worker, Document(text="a")) for _ in range(2)]
    assert [result.outputs for result in results] == [[Analysis(insight="x awaited")]] * 2
    assert [result.cache_hits for result in results] == [0, 1]
    assert used == ["a"]


def test_an_async_model_holds_no_thread(tmp_path: Path) -> None:
    class Meeting(ScriptedLLM):
        """Answers nobody before a hundred have asked."""

        def __init__(self) -> None:
            super().__init__(lambda _: said("x"))
            self.waiting: list[asyncio.Future[None]] = []

        async def ask_async(self, request: Request, on_chunk: Any = None) -> Answer:
            self.waiting.append(asyncio.get_running_loop().create_future())
            if len(self.waiting) == 100:
                for future in self.waiting:
                    future.set_result(None)
            await self.waiting[-1]
            return self.ask(request, on_chunk)

    worker = Awaiting(llm=Meeting(), cache_dir=tmp_path)
    graph = Graph()
    graph.add_workers(worker).set_sink(worker, Analysis)
    result = graph.run([(worker, Document(text=str(number))) for number in range(100)], display_terminal=False)
    assert (len(result.outputs), result.failures) == (100, [])


# ---- limits, and what else a worker does


def test_a_long_request_is_refused_before_it_is_sent() -> None:
    llm = ScriptedLLM([])
    worker = Plain(llm=llm, max_input_tokens=100)
    (failed,) = run_inline(worker, Document(text="word " * 200)).failures
    assert isinstance(failed.error, RequestTooLong)
    assert "about 330 tokens" in str(failed.error)
    assert "max_input_tokens is 100" in str(failed.error)
    assert llm.requests == []


def test_a_request_that_has_grown_too_long_is_refused_before_it_is_sent() -> None:
    def read(path: str) -> str:
        """Read a file."""
        return "word " * 200

    llm = ScriptedLLM([calls("read", path="a")])
    (failed,) = run_inline(Plain(llm=llm, tools=[tool(read)], max_input_tokens=300), Document(text="a")).failures
    assert isinstance(failed.error, RequestTooLong)
    assert "max_input_tokens is 300" in str(failed.error)
    assert len(llm.requests) == 1


def test_debug_mode_writes_what_was_asked_and_answered(tmp_path: Path) -> None:
    llm = ScriptedLLM([said("x"), said("y")])
    run_inline(Plain(llm=llm, debug_mode=True, debug_dir=tmp_path), Document(text="a"), Document(text="b"))
    lines = [json.loads(line) for line in (tmp_path / "Plain.json").read_text().splitlines()]
    assert [(line["input_task"], line["response"]) for line in lines] == [
        ({"text": "a"}, {"insight": "x"}),
        ({"text": "b"}, {"insight": "y"}),
    ]
    assert lines[0]["prompt_template"].endswith("Analyze it.")


def test_pre_process_may_return_a_wrapped_dictionary() -> None:
    from planai import PydanticDictWrapper  # noqa: PLC0415 - as users write it

    class Wrapped(Plain):
        def pre_process(self, task: Document) -> Any:
            return PydanticDictWrapper({"words": task.text.split(), "size": {"letters": 3}}, name="Facts")

    for use_xml, text in ((False, '"letters": 3'), (True, "<letters>3</letters>")):
        llm = ScriptedLLM([said("x")])
        run_inline(Wrapped(llm=llm, use_xml=use_xml), Document(text="a b"))
        assert text in llm.requests[0].messages[-1].text


def test_hooks_run_once_a_call(tmp_path: Path) -> None:
    ran: list[str] = []

    class Counting(Analyze):
        def format_prompt(self, task: Document) -> str:
            ran.append("format_prompt")
            return self.prompt

        def pre_process(self, task: Document) -> Document:
            ran.append("pre_process")
            return task

        def get_system_prompt(self, task: Document) -> str:
            ran.append("get_system_prompt")
            return "s"

        def get_tools(self, task: Document) -> list[Any]:
            ran.append("get_tools")
            return []

        def get_cache_salt(self, task: Document) -> str:
            ran.append("get_cache_salt")
            return "salt"

        def should_cache(self, task: Document) -> bool:
            ran.append("should_cache")
            return True

        def extra_validation(self, response: Analysis, input_task: Document) -> None:
            ran.append("extra_validation")

        def post_process(self, response: Analysis, input_task: Document) -> None:
            ran.append("post_process")
            self.publish_work(response)

    run_inline(Counting(llm=ScriptedLLM([said("x")]), cache_dir=tmp_path), Document(text="a"))
    assert sorted(ran) == sorted(set(ran))
    assert len(ran) == 8
