"""Cached workers with a model: the same question is asked once, and every other question is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, List, Type  # noqa: UP035 - as the page writes them

import pytest
from pydantic import field_validator

from llm.openai_server import OpenAIServer, Reply, answer, completion, failure
from planai import CachedLLMTaskWorker, Graph, Task, llm_from_config
from planai.cache.fields import CacheIgnore
from planai.errors import ModelUnavailable
from planai.llm.client import LLM, Request
from planai.run.result import RunResult
from planai.testing import ScriptedLLM, run_inline
from waiting import wait_until


class Document(Task):
    text: str


class Analysis(Task):
    insight: str


class CachedAnalyzer(CachedLLMTaskWorker):
    prompt = "Analyze this document and provide insights"
    llm_input_type: Type[Task] = Document  # noqa: UP006
    output_types: List[Type[Task]] = [Analysis]  # noqa: UP006

    # LLM-specific cache settings
    cache_ttl = 86400  # Cache for 24 hours
    include_model_in_key = True  # Include model name in cache key


class Analyze(CachedLLMTaskWorker):
    prompt = "Analyze it."
    llm_input_type = Document
    output_types = [Analysis]


Make = Callable[..., CachedLLMTaskWorker]


@pytest.fixture
def make(server: OpenAIServer, tmp_path: Path) -> Make:
    """Make a worker with a model on the server, and a cache in a folder of the test."""
    server.fallback = lambda body: answer(insight=f"insight {len(server.seen)}")

    def made(kind: type[CachedLLMTaskWorker] = Analyze, **settings: Any) -> CachedLLMTaskWorker:
        return kind(**{"llm": model(server), "cache_dir": tmp_path, **settings})

    return made


def model(server: OpenAIServer, name: str = "m", **settings: Any) -> LLM:
    return llm_from_config("local", name, base_url=server.url, max_retries=0, timeout=20, **settings)


def run(worker: CachedLLMTaskWorker, text: str = "a") -> RunResult:
    return run_inline(worker, Document(text=text))


# ---- the page's form


def test_the_pages_worker_is_made_without_key_and_network(tmp_path: Path) -> None:
    analyzer = CachedAnalyzer(llm=llm_from_config("openai", "gpt-4"), cache_dir=str(tmp_path))
    assert (analyzer.cache_ttl, analyzer.include_model_in_key) == (86400, True)
    assert analyzer.get_cache_key(Document(text="a")) != analyzer.get_cache_key(Document(text="b"))
    assert not analyzer.is_cached(Document(text="a"))
    (failed,) = run(analyzer).failures
    assert isinstance(failed.error, ModelUnavailable)
    assert "OPENAI_API_KEY" in str(failed.error)


def test_the_pages_worker_asks_once(server: OpenAIServer, make: Make) -> None:
    results = [run(make(CachedAnalyzer)) for _ in range(3)]
    assert [result.outputs for result in results] == [[Analysis(insight="insight 1")]] * 3
    assert [result.cache_hits for result in results] == [0, 1, 1]
    assert len(server.seen) == 1


def test_an_answer_is_replayed_without_a_key(server: OpenAIServer, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def openai() -> LLM:
        return llm_from_config("openai", "gpt-4", base_url=server.url, max_retries=0)

    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    first = run(make(llm=openai()))
    monkeypatch.delenv("OPENAI_API_KEY")
    assert run(make(llm=openai())).outputs == first.outputs == [Analysis(insight="insight 1")]


def test_what_an_answer_cost_is_what_its_hits_save(
    server: OpenAIServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    said = answer(insight="priced")
    worker = make()
    server.fallback = lambda _: replace(said, body=said.body.replace(b'"served"', b'"gpt-4"'))
    worker.llm = llm_from_config("openai", "gpt-4", base_url=server.url, max_retries=0)
    spent, saved = run(worker).cache.spent, run(worker).cache.saved
    assert (spent.tokens, saved.tokens) == (18, 18)  # 11 and 7
    assert spent.dollars == saved.dollars == pytest.approx(11 * 30e-6 + 7 * 60e-6)
    assert 0 < saved.seconds <= spent.seconds


def test_a_model_without_a_known_price_costs_tokens_and_no_dollars(make: Make) -> None:
    spent = run(make()).cache.spent
    assert (spent.tokens, spent.dollars) == (18, 0.0)


# ---- what asks again


def make_worker(*, strict: bool, more: bool = False) -> type[CachedLLMTaskWorker]:
    """Make a class of one name whose answer has, or has not, another field or another validator."""
    if more:

        class Insight(Task):
            insight: str
            score: int = 0

    elif strict:

        class Insight(Task):  # type: ignore[no-redef]  # the three are versions of one class
            insight: str

            @field_validator("insight")
            @classmethod
            def shout(cls, value: str) -> str:
                return value.upper()

    else:

        class Insight(Task):  # type: ignore[no-redef]
            insight: str

    class Analyze(CachedLLMTaskWorker):
        prompt = "Analyze it."
        llm_input_type = Document
        llm_output_type = Insight
        output_types = [Analysis]

        def post_process(self, response: Insight, input_task: Document) -> None:
            self.publish_work(Analysis(insight=response.insight))

    return Analyze


CHANGES: dict[str, dict[str, Any]] = {
    "prompt": {"prompt": "Analyze it well."},
    "system prompt": {"system_prompt": "You are terse."},
    "instructions first": {"instructions_first": True},
    "examples": {"few_shot": [("q", '{"insight": "x"}')]},
    "form of the input": {"use_xml": True},
    "temperature": {"temperature": 0.5},
    "temperature of the model": {"model": {"temperature": 0.5}},
    "max_tokens of the model": {"model": {"max_tokens": 5}},
    "seed of the model": {"model": {"seed": 1}},
    "model": {"model": {"name": "other"}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_decides_the_answer_asks_again(server: OpenAIServer, make: Make, change: dict[str, Any]) -> None:
    settings = {name: value for name, value in change.items() if name != "model"}
    run(make())
    changed = run(make(llm=model(server, **change.get("model", {})), **settings))
    assert changed.outputs == [Analysis(insight="insight 2")]
    assert len(server.seen) == 2
    assert run(make()).outputs == [Analysis(insight="insight 1")]
    assert len(server.seen) == 2


SAME: dict[str, dict[str, Any]] = {
    "time-out": {"model": {"timeout": 5}},
    "key": {"model": {"api_key": "k"}},
    "retries": {"num_retries": 2, "max_validation_retries": 5},
    "ttl": {"cache_ttl": 60},
    "limits": {"cache_size_limit": 100, "cache_disk_limit": 10**9},
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_does_not_decide_the_answer_does_not_ask_again(
    server: OpenAIServer, make: Make, change: dict[str, Any]
) -> None:
    settings = {name: value for name, value in change.items() if name != "model"}
    run(make())
    llm = llm_from_config("local", "m", base_url=server.url, **change.get("model", {}))
    assert run(make(llm=llm, **settings)).cache_hits == 1
    assert len(server.seen) == 1


def test_another_task_asks_again(server: OpenAIServer, make: Make) -> None:
    assert [run(make(), text).cache_hits for text in ("a", "b", "a")] == [0, 0, 1]


class Meeting(Task):
    at: datetime
    topics: dict[str, str] = {}
    noted: Annotated[str, CacheIgnore()] = ""


class Plan(CachedLLMTaskWorker):
    prompt = "Plan it."
    llm_input_type = Meeting
    output_types = [Analysis]


class Unmarked(Task):
    at: datetime
    topics: dict[str, str] = {}


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "other",
    [
        Unmarked(at=NOON.astimezone(timezone(timedelta(hours=9)))),
        Unmarked(at=NOON, topics={"b": "2", "a": "1"}),
    ],
    ids=["zone", "order"],
)
def test_an_equal_task_that_is_written_otherwise_asks_again(server: OpenAIServer, make: Make, other: Task) -> None:
    first = Unmarked(at=NOON, topics={"a": "1", "b": "2"} if getattr(other, "topics", None) else {})
    for task in (first, other, first, other):
        run_inline(make(Plan, llm_input_type=Unmarked), task)
    assert len(server.seen) == 2


def test_a_field_that_decides_nothing_asks_nobody_though_it_is_shown(server: OpenAIServer, make: Make) -> None:
    for noted in ("one", "two"):
        run_inline(make(Plan), Meeting(at=NOON, noted=noted))
    assert len(server.seen) == 1


def test_another_schema_asks_again(server: OpenAIServer, make: Make) -> None:
    plain, more = make_worker(strict=False), make_worker(strict=False, more=True)
    assert [run(make(kind)).cache_hits for kind in (plain, more, plain)] == [0, 0, 1]
    assert len(server.seen) == 2


def test_another_validator_of_the_answer_computes_again(make: Make) -> None:
    assert run(make(make_worker(strict=False))).outputs == [Analysis(insight="insight 1")]
    (output,) = run(make(make_worker(strict=True))).outputs
    assert isinstance(output, Analysis)
    assert output.insight.isupper()


def test_a_prompt_made_from_elsewhere_asks_again(server: OpenAIServer, make: Make) -> None:
    class Styled(Analyze):
        style: str = "brief"

        def format_prompt(self, task: Document) -> str:
            return f"{self.prompt} Be {self.style}."

    assert [run(make(Styled, style=style)).cache_hits for style in ("brief", "long", "brief")] == [0, 0, 1]


# ---- answers of any model


def any_model(make: Make, llm: LLM, **settings: Any) -> int:
    return run(make(llm=llm, include_model_in_key=False, **settings)).cache_hits


def test_models_may_share_their_answers(server: OpenAIServer, make: Make) -> None:
    assert [any_model(make, model(server, name)) for name in ("m", "other", "third")] == [0, 1, 1]
    assert len(server.seen) == 1


def test_shared_answers_are_still_those_to_one_question(server: OpenAIServer, make: Make) -> None:
    any_model(make, model(server))
    other = model(server, "other")
    assert any_model(make, other, temperature=0.5) == 0
    assert any_model(make, model(server, "other", max_tokens=5)) == 0
    assert any_model(make, other, prompt="Analyze it well.") == 0
    assert any_model(make, other) == 1


def test_shared_answers_are_still_those_of_one_schema(server: OpenAIServer, make: Make) -> None:
    kinds = make_worker(strict=False), make_worker(strict=False, more=True)
    runs = [run(make(kind, llm=model(server, name), include_model_in_key=False)) for kind in kinds for name in "ab"]
    assert [result.cache_hits for result in runs] == [0, 1, 0, 1]


def test_a_worker_that_shares_does_not_take_what_was_kept_for_one_model(server: OpenAIServer, make: Make) -> None:
    run(make())
    assert any_model(make, model(server)) == 0


# ---- what is kept


USELESS: dict[str, Reply] = {
    "invalid": answer(insights="x"),
    "no JSON": completion("no"),
    "refused": completion(None, refusal="no"),
    "filtered": completion("", "content_filter"),
    "cut off": completion('{"insight": "x"}', "length"),
    "an error": failure(500),
}


@pytest.mark.parametrize("reply", USELESS.values(), ids=USELESS)
def test_an_answer_that_is_none_is_not_kept(server: OpenAIServer, make: Make, reply: Reply) -> None:
    server.script(reply)
    worker = make(max_validation_retries=0)
    assert len(run(worker).failures) == 1
    assert len(worker.get_cache()) == 0
    assert run(worker).outputs == [Analysis(insight="insight 2")]
    assert len(worker.get_cache()) == 1


def test_an_answer_that_was_put_right_is_kept(server: OpenAIServer, make: Make) -> None:
    server.script(answer(insights="x"), answer(insight="right"))
    assert run(make()).outputs == run(make()).outputs == [Analysis(insight="right")]
    assert len(server.seen) == 2


def test_what_post_process_publishes_is_kept(server: OpenAIServer, make: Make) -> None:
    class Twice(Analyze):
        def post_process(self, response: Analysis, input_task: Document) -> None:
            for number in range(2):
                self.publish_work(Analysis(insight=f"{response.insight} {number}"))

    first, second = run(make(Twice)), run(make(Twice))
    assert first.outputs == second.outputs == [Analysis(insight=f"insight 1 {number}") for number in range(2)]
    assert len(server.seen) == 1


def test_the_prompt_is_worked_out_once_a_call(make: Make) -> None:
    prompts: list[str] = []

    class Counting(Analyze):
        def get_full_prompt(self, task: Document, system_prompt: str | None = None) -> str:
            prompts.append(task.text)
            return super().get_full_prompt(task, system_prompt)

    run(make(Counting))
    assert prompts == ["a"]


def test_consume_work_may_change_the_task(server: OpenAIServer, make: Make) -> None:
    class Changing(CachedLLMTaskWorker):
        prompt = "Analyze it."
        output_types = [Analysis]

        def consume_work(self, task: Document) -> None:  # the documented form
            super().consume_work(Document(text=f"changed {task.text}"))

    run(make(Changing))
    assert "changed a" in server.seen[0].turns[-1][1]


def test_a_key_is_the_same_inside_and_outside_of_a_call(make: Make) -> None:
    keys: list[str] = []

    class Looking(Analyze):
        def post_process(self, response: Analysis, input_task: Document) -> None:
            keys.append(self.get_cache_key(Document(text="other")))

    worker = make(Looking)
    run(worker)
    assert keys == [worker.get_cache_key(Document(text="other"))]


@pytest.mark.parametrize("executor", ["threads", "async"])
def test_who_waits_for_an_equal_question_words_its_own_once(tmp_path: Path, executor: str) -> None:
    worded: list[str] = []
    calls = 8

    class Wording(Analyze):
        def format_prompt(self, task: Document) -> str:
            worded.append(task.text)
            return self.prompt

    class WordingAside(Wording):
        async def consume_work(self, task: Document) -> None:
            await super().consume_work(task)

    def say(_: Request) -> Analysis:
        wait_until(lambda: sum(map(len, worker._flights_()._waiting.values())) == calls - 1)
        return Analysis(insight="x")

    llm = ScriptedLLM(say)
    worker = (WordingAside if executor == "async" else Wording)(llm=llm, cache_dir=tmp_path)
    graph = Graph(name="equal").add_workers(worker)
    graph.set_sink(worker, Analysis)
    result = graph.run([(worker, Document(text="a"))] * calls, display_terminal=False)
    assert len(result.outputs) == calls
    assert len(llm.requests) == 1
    assert worded == ["a"] * calls
