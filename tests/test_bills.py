"""What models of a run are paid, and the limit that it does not pass: through a server on loopback."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from llm.dialects import Anthropic, OpenAIChat
from llm.openai_server import SILENCE, OpenAIServer, Reply, answer, completion, failure, garbage
from llm.workers import Analysis, Analyze, Document, make, model
from planai import (
    CachedLLMTaskWorker,
    CachedTaskWorker,
    Graph,
    LLMTaskWorker,
    MediaTask,
    RunResult,
    Task,
    llm_from_config,
)
from planai.bills import Bill, Bills, Usage
from planai.cache.stats import stats, total
from planai.cache.stores.disk import DiskStore
from planai.cli import pages
from planai.errors import BudgetExceeded, ConfigurationError, ModelUnavailable
from planai.llm import CachedModel
from planai.llm.client import Answer as ModelAnswer
from planai.llm.client import Message, Request, ToolCall
from planai.llm.foreign import ForeignModel
from planai.testing import ScriptedLLM, run_inline
from waiting import wait_until


def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}!"


PRICES = {"input": 1_000_000, "output": 0}  # a dollar for each token of a request: 11 for each answer of the server
OUTPUT_PRICES = {"input": 0, "output": 10_000}  # a dollar for a hundred tokens of an answer


class Plain(LLMTaskWorker):
    prompt = "Analyze it."
    llm_input_type = Document
    output_types = [Analysis]


class Awaiting(Plain):
    async def consume_work(self, task: Document) -> None:
        await super().consume_work(task)


@pytest.fixture
def running_server() -> Any:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(running_server: OpenAIServer) -> OpenAIServer:
    running_server.fallback = lambda _: answer(insight="x")
    return running_server


def documents(count: int) -> list[Document]:
    return [Document(text=str(number)) for number in range(count)]


def test_a_run_tells_what_its_models_were_paid(server: OpenAIServer) -> None:
    result = run_inline(Plain(llm=model(server, prices={"input": 1, "output": 2})), *documents(3))
    spent = result.bills["Plain"].spent
    assert (spent.answers, spent.input_tokens, spent.output_tokens, spent.unpriced) == (3, 33, 21, 0)
    assert spent.dollars == Decimal(33 + 2 * 21) / 1_000_000
    assert len(spent.priced) == len("2026-01-31")
    assert result.bill.spent == spent


def test_an_unknown_price_is_not_nothing(server: OpenAIServer) -> None:
    spent = run_inline(Plain(llm=model(server)), *documents(2)).bill.spent
    assert (spent.dollars, spent.unpriced, spent.priced) == (Decimal(0), 2, "")
    assert str(Bill(spent)) == "2 answers, 22 + 14 tokens, 2 answers of unknown price"


def test_a_store_tells_which_answers_have_no_price(
    server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown() -> str:
        with closing(DiskStore(tmp_path)) as store:
            rows = stats(store, 0)
        pages.stats([*rows, total(rows)], 0)
        return capsys.readouterr().out

    free = model(server, "free", prices={"input": 0, "output": 0})
    run_inline(make(server, tmp_path, llm=free), *documents(2))
    assert "unknown price" not in shown()
    run_inline(make(server, tmp_path), *documents(2))
    assert shown().count("2 answers of unknown price") == 6  # twice: of the worker, the responses, and all


def test_a_plan_tells_which_answers_have_no_price(server: OpenAIServer, tmp_path: Path) -> None:
    worker = make(server, tmp_path)
    graph = Graph(name="papers").add_workers(worker)
    graph.set_sink(worker, Analysis)
    first = graph.plan([(worker, Document(text="0"))])
    assert (first.unforeseen, first.workers["Analyze"].expected) == (1, None)
    result = graph.run([(worker, one) for one in documents(2)], display_terminal=False)
    found = graph.plan([(worker, one) for one in documents(5)])
    row = found.workers["Analyze"]
    assert row.expected is not None
    assert (row.saved.unpriced, row.expected.unpriced, found.expected.unpriced, found.unforeseen) == (2, 3, 3, 0)
    assert "54 tokens, 3 answers of unknown price" in str(found)
    again = graph.run([(worker, one) for one in documents(2)], display_terminal=False)
    assert (result.cache.spent.unpriced, again.cache.saved.unpriced, again.cache.spent.unpriced) == (2, 2, 0)


class ByItself(CachedTaskWorker):
    """A worker that asks a model without being one of models."""

    output_types = [Analysis]
    llm: Any

    def consume_work(self, task: Document) -> None:
        self.publish_work(Analysis(insight=self.llm.chat([{"role": "user", "content": task.text}])))


def test_what_a_worker_asks_by_itself_is_kept_with_its_price_and_saved(server: OpenAIServer, tmp_path: Path) -> None:
    def run() -> RunResult:
        return run_inline(ByItself(llm=model(server), cache_dir=tmp_path), *documents(1))

    spent, again = run().bill.spent, run()
    assert (again.bill.spent, again.bill.saved) == (Usage(), spent)
    assert (spent.unpriced, again.cache.saved.unpriced) == (1, 1)


def test_what_a_cached_model_said_tells_of_its_price(server: OpenAIServer, tmp_path: Path) -> None:
    http = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0))
    provider = OpenAIProvider(base_url=server.url, api_key="sk-none", http_client=http)
    found = CachedModel(OpenAIChatModel("gpt-4o", provider=provider), cache=tmp_path)
    server.script(OpenAIChat().text('{"insight": "x"}'), answer(insight="y"))  # the second is of a model "served"
    run_inline(Plain(llm=found), *documents(2))
    with closing(DiskStore(tmp_path)) as store:
        (row,) = stats(store, 0)
    assert (row.worker, row.entries, row.cost.unpriced) == ("planai.llm:responses", 2, 1)


class Shown(CachedLLMTaskWorker):
    prompt = "Analyze it."
    llm_input_type = Document
    output_types = [Analysis]
    stream = True


def test_an_answer_that_is_shown_once_more_is_saved_once(tmp_path: Path) -> None:
    said = ModelAnswer('{"insight": "x"}', input_tokens=11, output_tokens=7, dollars=Decimal("0.5"))

    def run() -> RunResult:
        worker = Shown(llm=ScriptedLLM([said, said]), cache_dir=tmp_path)
        found = run_inline(worker, *documents(2))
        worker.get_cache().close()  # which writes down what was used
        return found

    spent, saved = run().bill.spent, run().bill.saved
    with closing(DiskStore(tmp_path)) as store:
        found = total(stats(store, 0))
    assert saved == spent
    assert found.hits == 2
    assert found.saved.dollars == float(spent.dollars) == 1.0


def test_what_came_to_nothing_was_paid_for_all_the_same(server: OpenAIServer) -> None:
    server.fallback = lambda _: completion("no JSON")
    result = run_inline(Plain(llm=model(server), max_validation_retries=1), *documents(1))
    assert (len(result.failures), result.bill.spent.answers) == (1, 2)


def test_an_error_of_the_server_costs_nothing(server: OpenAIServer) -> None:
    server.fallback = lambda _: failure(400)
    assert run_inline(Plain(llm=model(server)), *documents(1)).bill.spent == Usage()


def test_spent_and_saved_are_never_mixed(server: OpenAIServer, tmp_path: Path) -> None:
    class Edited(Analyze):
        cache_name = "edited"

        def post_process(self, response: Analysis, input_task: Document) -> None:
            self.publish_work(Analysis(insight=response.insight * 2))

    llm = model(server, prices=PRICES)
    first, edited, again = (
        run_inline(make(server, tmp_path, kind, llm=llm), Document(text="a")) for kind in (Analyze, Edited, Edited)
    )
    assert first.bill.spent.dollars == Decimal(11)
    assert [float(first.bill.saved.dollars), first.cache.saved.dollars] == [0, 0]
    assert (edited.bill.spent, edited.bill.saved.dollars) == (Usage(), Decimal(11))
    assert (edited.cache.spent.dollars, edited.cache.saved.dollars) == (0, 11)
    assert (again.bill.spent, again.bill.saved.dollars, again.cache.saved.dollars) == (Usage(), Decimal(11), 11.0)
    assert edited.bill.saved == again.bill.saved == first.bill.spent  # tokens of each kind, and the date of the prices


def test_a_plan_tells_what_has_to_be_paid_for(server: OpenAIServer, tmp_path: Path) -> None:
    class Edited(Analyze):
        cache_name = "llm.workers:Analyze"

        def post_process(self, response: Analysis, input_task: Document) -> None:
            self.publish_work(Analysis(insight=response.insight * 2))

    class Refusing(Analyze):
        cache_name = "llm.workers:Analyze"

        def extra_validation(self, response: Analysis, input_task: Document) -> str | None:
            return "say something else"

    def expected(kind: type[Analyze], count: int) -> float:
        worker = make(server, tmp_path, kind, llm=model(server, prices=PRICES))
        graph = Graph(name="planned")
        graph.add_workers(worker).set_sink(worker, Analysis)
        return graph.plan([(worker, task) for task in documents(count)]).expected.dollars

    run_inline(make(server, tmp_path, llm=model(server, prices=PRICES)), *documents(3))
    asked = len(server.seen)
    found = [expected(*case) for case in ((Analyze, 3), (Analyze, 5), (Edited, 3), (Edited, 5), (Refusing, 3))]
    assert found == [0, 22, 0, 22, 33]
    assert len(server.seen) == asked


def test_rounds_and_answers_that_were_put_right_are_all_saved(tmp_path: Path) -> None:
    script = [
        ModelAnswer("", "tool_call", 10, 1, dollars=Decimal(1), calls=(ToolCall("c1", "look_up", '{"word": "a"}'),)),
        ModelAnswer('{"no": "insight"}', "stop", 20, 2, dollars=Decimal(2), cached_tokens=5, priced="2026-01-31"),
        ModelAnswer('{"insight": "x"}', "stop", 30, 3),
    ]
    bills = [
        run_inline(Analyze(llm=ScriptedLLM(script), tools=[look_up], cache_dir=tmp_path), Document(text="a")).bill
        for _ in range(2)
    ]
    assert bills[0].spent == bills[1].saved == Usage(3, 60, 6, 5, Decimal(3), 1, "2026-01-31")
    assert bills[0].saved == bills[1].spent == Usage()
    assert str(bills[1]) == (
        "0 answers, 0 + 0 tokens, $0.00; "
        "saved: 3 answers, 60 (5 cached) + 6 tokens, at least $3.00, 1 answer of unknown price"
    )


# ---- the limit


def spend_at_most(
    server: OpenAIServer | None, dollars: float | None, count: int, worker: Any = None, **settings: Any
) -> Any:
    if worker is None:
        assert server is not None
        worker = Plain(llm=model(server, prices=PRICES, max_tokens=10))
    graph = Graph(name="limited")
    graph.add_workers(worker).set_sink(worker, Analysis)
    pairs = [(worker, task) for task in documents(count)]
    return graph.run(pairs, max_cost_usd=dollars, display_terminal=False, **settings)


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_a_run_ends_before_it_spends_more_than_it_may(server: OpenAIServer, executor: Any) -> None:
    result = spend_at_most(server, 900, 50, executor=executor)
    assert 100 < result.bill.spent.dollars <= 900
    assert len(result.outputs) == result.bill.spent.answers == len(server.seen)
    assert (result.failures, result.interrupted, result.ok) == ([], True, False)
    assert "the run has spent $" in result.remarks[0]
    assert len(result.outputs) + result.unfinished + result.aborted == 50


def test_a_run_that_may_spend_enough_goes_on_to_its_end(server: OpenAIServer) -> None:
    result = spend_at_most(server, 11 * 20 + 750, 20)
    assert (len(result.outputs), result.ok) == (20, True)


def test_what_was_answered_before_the_limit_is_kept(server: OpenAIServer, tmp_path: Path) -> None:
    def worker() -> Any:
        return make(server, tmp_path, llm=model(server, prices=PRICES, max_tokens=10))

    counts = [len(spend_at_most(server, 800, 20, worker()).outputs) for _ in range(4)]
    assert counts == sorted(counts)
    assert counts[0] < counts[1] < 20
    assert len(spend_at_most(server, 2000, 20, worker()).outputs) == 20
    assert len(server.seen) == 20


def test_a_model_that_the_server_calls_otherwise_has_the_price_of_the_one_that_was_asked(server: OpenAIServer) -> None:
    llm = llm_from_config("openai", "gpt-4o", base_url=server.url, api_key="k", max_retries=0, max_tokens=10)
    result = spend_at_most(server, 0.003, 50, Plain(llm=llm))
    assert result.bill.spent.unpriced == 0
    assert 0 < result.bill.spent.dollars <= Decimal("0.003")
    assert len(result.outputs) < 50


def test_a_limit_of_answers_that_is_sent_as_it_is_counts(server: OpenAIServer) -> None:
    settings = {"extra_body": {"max_tokens": 100_000}}
    result = spend_at_most(server, 50, 1, Plain(llm=model(server, prices=OUTPUT_PRICES), model_settings=settings))
    assert result.interrupted
    assert server.seen == []


def test_an_answer_that_does_not_say_what_it_took_counts_as_the_most_it_may(server: OpenAIServer) -> None:
    def without_usage(_: Any) -> Reply:
        body = json.loads(answer(insight="x").body)
        del body["usage"]
        return Reply(json.dumps(body).encode())

    server.fallback = without_usage
    result = spend_at_most(server, 2000, 50)
    assert 1 <= len(server.seen) < 50
    assert result.interrupted
    assert result.bill.spent.unpriced == len(server.seen)


def test_what_a_cached_model_has_kept_costs_nothing(server: OpenAIServer, tmp_path: Path) -> None:
    server.fallback = lambda _: OpenAIChat().text('{"insight": "x"}')

    def bill(limit: float | None) -> Bill:
        http = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0))  # which leaves no connection open
        provider = OpenAIProvider(base_url=server.url, api_key="k", http_client=http)
        llm = CachedModel(OpenAIChatModel("gpt-4o", provider=provider), cache=tmp_path)
        found: Bill = spend_at_most(None, limit, 1, Plain(llm=llm)).bill
        return found

    first, again, in_a_run_without_a_limit = bill(1), bill(1), bill(None)
    assert first.spent.dollars > 0
    assert first.spent.unpriced == 0
    assert first.saved == Usage()
    assert (again.spent, again.saved) == (Usage(), first.spent)
    assert in_a_run_without_a_limit.spent == Usage()


@pytest.mark.parametrize("kind", [Plain, Awaiting])
def test_what_a_cached_model_has_kept_is_found_where_nothing_is_left_to_spend(
    server: OpenAIServer, tmp_path: Path, kind: type[Plain]
) -> None:
    server.fallback = lambda _: OpenAIChat().text('{"insight": "x"}')

    def run(dollars: float | None, name: str) -> tuple[bool, int, Decimal, int]:
        http = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0))  # which leaves no connection open
        provider = OpenAIProvider(base_url=server.url, api_key="k", http_client=http)
        llm = CachedModel(OpenAIChatModel(name, provider=provider), cache=tmp_path)
        found = spend_at_most(None, dollars, 1, kind(llm=llm))
        return found.ok, len(server.seen), found.bill.spent.dollars, found.bill.spent.unpriced

    assert run(None, "gpt-4o")[:2] == (True, 1)
    assert run(0, "gpt-4o") == (True, 1, Decimal(0), 0)
    assert run(None, "of unknown price")[:2] == (True, 2)
    assert run(0, "of unknown price") == (True, 2, Decimal(0), 0)


def test_a_cached_model_knows_what_it_was_asked_in_a_run_without_a_limit(server: OpenAIServer, tmp_path: Path) -> None:
    server.fallback = lambda _: OpenAIChat().text('{"insight": "x"}')

    def run(dollars: float | None, **settings: Any) -> int:
        http = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0))  # which leaves no connection open
        provider = OpenAIProvider(base_url=server.url, api_key="k", http_client=http)
        llm = CachedModel(OpenAIChatModel("gpt-4o", provider=provider), cache=tmp_path)
        assert spend_at_most(None, dollars, 1, Plain(llm=llm, model_settings=settings)).ok
        return len(server.seen)

    assert [run(1), run(None), run(1)] == [1, 1, 1]
    assert server.seen[0].body["max_completion_tokens"] == 4096
    assert [run(1, max_tokens=4096), run(None, max_tokens=4096)] == [2, 2]


class Talkative(ScriptedLLM):
    """Says as many tokens as it may, at a dollar for a hundred; and is done where it may say enough."""

    def __init__(self, wants: int) -> None:
        super().__init__(self.say)
        self.wants = wants

    def dollars_for(self, tokens_in: int, tokens_out: int) -> Decimal:
        return Decimal(tokens_in + tokens_out) / 100

    def say(self, request: Request) -> ModelAnswer:
        count = min(self.wants, request.settings.get("max_tokens", self.wants))
        reason = "stop" if count == self.wants else "length"
        return ModelAnswer('{"insight": "x"}', reason, 1, count, dollars=self.dollars_for(1, count))


class Moody(Talkative):
    """Wants to say now as much, and now as much."""

    def __init__(self, lengths: list[int]) -> None:
        super().__init__(0)
        self.lengths = itertools.cycle(lengths)

    def say(self, request: Request) -> ModelAnswer:
        self.wants = next(self.lengths)
        return super().say(request)


def test_an_answer_is_no_longer_than_what_was_set_aside_for_it() -> None:
    result = spend_at_most(None, 100, 5, Plain(llm=Talkative(100_000)))
    assert [str(one.error)[:59] for one in result.failures] == [
        "'scripted', asked by 'Plain', was cut off after 4096 tokens"
    ] * 2
    assert all(str(one.error).endswith("set max_tokens") for one in result.failures)
    assert 80 < result.bill.spent.dollars <= 100


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 6000), min_size=1, max_size=12), st.integers(1, 150))
def test_whatever_answers_take_the_limit_is_not_passed(lengths: list[int], dollars: int) -> None:
    result = spend_at_most(None, dollars, 30, Plain(llm=Moody(lengths)))
    assert result.bill.spent.dollars <= dollars


@pytest.mark.parametrize(("limit", "least"), [(20, 9), (60, 49), (200, 189)])
def test_what_is_left_goes_to_shorter_answers_where_nobody_said_how_long_they_may_be(limit: int, least: int) -> None:
    result = spend_at_most(None, limit, 300, Plain(llm=Moody([100])))  # of which each costs a dollar and a cent
    assert least < result.bill.spent.dollars <= limit
    assert result.interrupted
    assert result.failures == []


def test_where_a_shorter_answer_did_not_do_the_run_ends() -> None:
    result = spend_at_most(None, 47, 30, Plain(llm=Moody([100, 100, 4000])), executor="inline")
    assert (len(result.outputs), result.failures, result.interrupted) == (2, [], True)
    assert "which needed more: the run ends here" in result.remarks[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"thinking": True},
        {"effort": "high"},
        {"model_settings": {"anthropic_thinking": {"type": "enabled", "budget_tokens": 9000}}},
    ],
)
def test_an_answer_may_be_longer_than_the_thoughts_before_it(server: OpenAIServer, settings: dict[str, Any]) -> None:
    server.fallback = lambda _: Anthropic().text('{"insight": "x"}')
    url = server.url.removesuffix("/v1")
    llm = llm_from_config("anthropic", "claude-haiku-4-5", base_url=url, api_key="k", prices=PRICES, **settings)
    assert spend_at_most(server, 1000, 1, Plain(llm=llm)).ok
    (body,) = (seen.body for seen in server.seen)
    assert body["max_tokens"] == body["thinking"]["budget_tokens"] + 4096


def test_a_limit_of_the_run_makes_no_other_question_of_it(tmp_path: Path) -> None:
    def spent(dollars: float | None) -> list[Decimal]:
        llm = Talkative(500)
        worker = Analyze(llm=llm, cache_dir=tmp_path)
        run = partial(spend_at_most, None, dollars, 3, worker)
        return [run().bill.spent.dollars, run().bill.spent.dollars]

    assert spent(100) == [15 + Decimal("0.03"), 0]
    assert spent(None) == [0, 0]


def test_a_limit_needs_a_price(server: OpenAIServer) -> None:
    result = spend_at_most(server, 1, 1, Plain(llm=model(server)))
    (failed,) = result.failures
    assert isinstance(failed.error, ConfigurationError)
    assert "nobody knows the price of 'm'" in str(failed.error)
    assert server.seen == []


def test_a_limit_is_no_negative_number(server: OpenAIServer) -> None:
    with pytest.raises(ConfigurationError, match="max_cost_usd is -1"):
        spend_at_most(server, -1, 1)


def test_nobody_waits_for_what_rounding_has_left() -> None:
    bills = Bills(Decimal(20))
    parts = [Decimal(1) / 3, Decimal(100) / 7]
    for model_name, dollars in zip("mn", parts, strict=True):
        assert bills.reserve(dollars, "a", model_name)
    for model_name, dollars in zip("nm", reversed(parts), strict=True):
        bills.release(dollars, model_name)
    with pytest.raises(BudgetExceeded):
        bills.reserve(Decimal(21), "b", "m")
    assert bills.reserve(Decimal(20), "c", "m")


def test_what_is_set_aside_comes_back() -> None:
    bills, called = Bills(Decimal(10)), []
    assert bills.reserve(Decimal(8), "a", "m")
    assert not bills.reserve(Decimal(8), "b", "m")
    bills.when_released(lambda: called.append(1))
    bills.spend("w", Usage(dollars=Decimal(1)))
    bills.release(Decimal(8), "m")
    assert called == [1]
    assert bills.reserve(Decimal(8), "b", "m")
    bills.release(Decimal(8), "m")
    with pytest.raises(BudgetExceeded, match=r"spent \$1.0000 of max_cost_usd=10, and c may cost \$9.5000"):
        bills.reserve(Decimal("9.5"), "c", "m")


def test_the_first_answer_of_a_model_tells_what_others_may_cost() -> None:
    bills = Bills(Decimal(10))
    assert bills.reserve(Decimal(1), "a", "m")
    assert not bills.reserve(Decimal(1), "b", "m")
    assert bills.reserve(Decimal(1), "of another model", "n")
    bills.spend("w", Usage(dollars=Decimal(4)))
    bills.release(Decimal(1), "m", paid=Decimal(4))
    assert bills.reckoned(Decimal(1), "m") == 4
    assert bills.reckoned(Decimal(1), "n") == 1
    assert bills.reserve(Decimal(4), "b", "m")
    assert not bills.reserve(Decimal(4), "c", "m"), "nine of ten are spent or set aside"


@pytest.mark.parametrize("is_known", [True, False])
def test_where_the_first_question_to_a_model_has_failed_nobody_goes_on_one_by_one(is_known: bool) -> None:
    bills = Bills(Decimal(10))
    assert bills.reserve(Decimal(1), "a", "m")
    assert not bills.reserve(Decimal(1), "b", "m")
    bills.release(Decimal(1), "m", is_known=is_known)
    assert bills.reserve(Decimal(1), "b", "m")
    assert bills.reserve(Decimal(1), "c", "m")


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_answers_that_cost_more_than_was_reckoned_do_not_pass_the_limit(server: OpenAIServer, executor: Any) -> None:
    llm = model(server, prices={"input": 0, "output": 1_000_000}, max_tokens=5)
    result = spend_at_most(server, 27, 20, Plain(llm=llm), executor=executor)  # the server says 7 tokens, not 5
    assert (len(server.seen), result.bill.spent.dollars) == (3, 21)


def test_an_answer_that_breaks_the_program_counts_at_what_was_set_aside() -> None:
    class Broken(Plain):
        stream = True

        def handle_stream(self, chunk: str) -> None:
            raise LookupError("no screen")

    result = spend_at_most(None, 100, 5, Broken(llm=Talkative(500)))
    assert [type(one.error) for one in result.failures] == [LookupError] * 2
    assert result.interrupted


# ---- what is set aside is never too little


class Pictured(MediaTask):
    text: str = ""


def run_with_limit(worker: Plain, task: Task, dollars: float) -> Any:
    graph = Graph(name="limited")
    graph.add_workers(worker).set_sink(worker, Analysis)
    return graph.run([(worker, task)], max_cost_usd=dollars, display_terminal=False)


def charging(count: Callable[[dict[str, Any]], int]) -> Callable[[dict[str, Any]], Reply]:
    """Answer, and charge what `count` says."""

    def reply(body: dict[str, Any]) -> Reply:
        said = json.loads(answer(insight="x").body)
        said["usage"]["prompt_tokens"] = count(body)
        return Reply(json.dumps(said).encode())

    return reply


def told(body: dict[str, Any]) -> str:
    return "".join(str(turn["content"]) for turn in body["messages"])


@pytest.mark.parametrize("text", ["0123456789" * 80, "机器学习" * 70, "🦀🎈" * 100, "3f9a0c" * 140])
def test_text_that_has_many_tokens_does_not_pass_the_limit(server: OpenAIServer, text: str) -> None:
    server.fallback = charging(lambda body: len(told(body).encode()))  # a token for each byte
    worker = Plain(llm=model(server, prices=PRICES, max_tokens=10))
    graph = Graph(name="limited")
    graph.add_workers(worker).set_sink(worker, Analysis)
    pairs = [(worker, Document(text=f"{number}{text}")) for number in range(10)]
    result = graph.run(pairs, max_cost_usd=4000, display_terminal=False)
    assert result.interrupted
    assert 0 < result.bill.spent.dollars <= 4000


@pytest.mark.parametrize(
    "picture", ["https://example.org/a.png", base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()]
)
def test_a_picture_that_has_many_tokens_is_not_sent(server: OpenAIServer, picture: str) -> None:
    server.fallback = charging(lambda _: 48_169)
    llm = llm_from_config("mine", "gpt-4o-mini", base_url=server.url, prices=PRICES, max_tokens=10)
    result = run_with_limit(Plain(llm=llm, llm_input_type=Pictured), Pictured(images=[picture]), 40_000)
    assert (result.interrupted, result.bill.spent.answers, server.seen) == (True, 0, [])
    again = run_with_limit(Plain(llm=llm, llm_input_type=Pictured), Pictured(images=[picture]), 60_000)
    assert (again.ok, again.bill.spent.dollars) == (True, 48_169)


def test_what_may_be_of_any_length_is_refused_where_there_is_a_limit(server: OpenAIServer) -> None:
    worker = Plain(llm=model(server, prices=PRICES, max_tokens=10), llm_input_type=Pictured)
    (failed,) = run_with_limit(worker, Pictured(images=["data:application/pdf;base64,JVBERi0="]), 1e6).failures
    assert "of the type 'application/pdf'" in str(failed.error)
    assert server.seen == []


def test_thoughts_and_results_of_tools_count_in_the_next_round(server: OpenAIServer) -> None:
    def read(path: str) -> str:
        """Read a file."""
        return "7" * 3000

    server.fallback = charging(lambda body: len(told(body).encode()))
    server.script(OpenAIChat().calls(("c1", "read", {"path": "a"})))
    worker = Plain(llm=model(server, prices=PRICES, max_tokens=10), tools=[read])
    result = run_with_limit(worker, Document(text="a"), 3000)
    assert result.interrupted
    assert len(server.seen) == 1


def test_what_a_provider_is_to_keep_costs_more_at_first(server: OpenAIServer) -> None:
    def limit(**settings: Any) -> str:
        llm = llm_from_config("anthropic", "claude-haiku-4-5", base_url=server.url, api_key="k", **settings)
        return str(run_with_limit(Plain(llm=llm), Document(text="a"), 0).remarks[0])

    found = [limit(max_tokens=10, **more) for more in ({}, {"model_settings": {"anthropic_cache_messages": "1h"}})]
    costs = [Decimal(text.split("may cost $")[1].split(":")[0]) for text in found]
    tokens = int(found[0].split("reckoned at ")[1].split(" ")[0])
    assert costs == [round(Decimal(tokens * per + 50) / 10**6, 4) for per in (Decimal("1.25"), 2)]


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("gpt-5", "service_tier", "priority"),
        ("gpt-5", "openai_service_tier", "priority"),
        ("claude-opus-4-6", "anthropic_speed", "fast"),
    ],
)
def test_to_be_answered_sooner_costs_more(name: str, setting: str, value: str) -> None:
    def cost(**settings: Any) -> Decimal:
        provider = "anthropic" if name.startswith("claude") else "openai"
        llm = llm_from_config(provider, name, api_key="k", max_tokens=10, model_settings=settings)
        remark = str(run_with_limit(Plain(llm=llm, prompt="x" * 9000), Document(text="a"), 0).remarks[0])
        return Decimal(remark.split("may cost $")[1].split(":", maxsplit=1)[0])

    assert abs(cost(**{setting: value}) / cost() - Decimal("2.5")) < Decimal("0.1")


def test_a_run_that_ends_for_want_of_max_tokens_says_so(server: OpenAIServer) -> None:
    def remark(**settings: Any) -> str:
        worker = Plain(llm=model(server, prices=PRICES, **settings))
        return str(run_with_limit(worker, Document(text="a"), 0).remarks[0])

    assert "set max_tokens" in remark()
    assert "set max_tokens" not in remark(max_tokens=10)


@pytest.mark.parametrize("body", [{"n": 10}, {"guided_json": "x" * 1000}])
def test_what_is_sent_as_it_is_counts(server: OpenAIServer, body: dict[str, Any]) -> None:
    worker = Plain(llm=model(server, prices={"input": 1_000_000, "output": 1_000_000}, max_tokens=100))
    assert run_with_limit(worker, Document(text="a"), 1500).ok
    worker.model_settings = {"extra_body": body}
    assert run_with_limit(worker, Document(text="a"), 1500).interrupted


# ---- tries that a provider may charge for


CUT = Reply(answer(insight="x").body, cut=True)
LOST = {"silence": SILENCE, "cut": CUT, "gateway": failure(504), "garbage": garbage("<html>")}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("name", LOST)
def test_a_try_that_may_be_charged_counts_as_the_most_it_may_cost(
    server: OpenAIServer, name: str, is_async: bool
) -> None:
    """Each try takes 740 dollars at most: the limit leaves room for two."""
    llm = model(server, prices=PRICES, max_tokens=10, timeout=0.5 if name == "silence" else 20, max_retries=5)
    worker = (Awaiting if is_async else Plain)(llm=llm)
    server.fallback = lambda _: LOST[name]
    result = spend_at_most(server, 1500, 3, worker, max_workers=1, max_concurrency=1)
    assert (len(server.seen), result.interrupted) == (2, True)
    assert "with $1480.0000 for what was asked, and may be charged without an answer" in result.remarks[0]


def test_a_try_that_was_refused_costs_nothing(server: OpenAIServer) -> None:
    llm = model(server, prices=PRICES, max_tokens=10, max_retries=1)
    server.script(*(failure(status, retry_after="0") for status in (429, 500) for _ in range(2)), failure(400))
    server.fallback = lambda _: answer(insight="x")
    result = spend_at_most(server, 900, 4, Plain(llm=llm))
    assert (len(result.failures), len(result.outputs)) == (3, 1)
    gone = llm_from_config("local", "m", base_url="http://127.0.0.1:9/v1", prices=PRICES, max_tokens=10, max_retries=0)
    assert len(spend_at_most(server, 900, 4, Plain(llm=gone)).failures) == 4


def test_a_try_after_one_that_may_be_charged_may_answer(server: OpenAIServer) -> None:
    llm = model(server, prices=PRICES, max_tokens=10, max_retries=1)
    server.script(CUT)
    result = spend_at_most(server, 1600, 3, Plain(llm=llm))
    assert len(result.outputs) == result.bill.spent.answers == 3
    server.script(CUT, CUT)
    assert len(spend_at_most(server, 2500, 3, Plain(llm=llm), executor="inline").failures) == 1


def test_a_call_that_is_aborted_may_be_charged(server: OpenAIServer) -> None:
    chains: list[Any] = []

    class Noting(Plain):
        def pre_process(self, task: Document) -> Document:
            chains.append(task.prefix(1))
            return task

    server.script(SILENCE)
    worker = Noting(llm=model(server, prices=PRICES, max_tokens=10))
    graph = Graph(name="limited")
    graph.add_workers(worker).set_sink(worker, Analysis)
    work = [(worker, document) for document in documents(2)]
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(graph.run, work, max_cost_usd=1000, display_terminal=False, max_workers=1)
        wait_until(lambda: len(server.seen) == 1)
        assert graph.abort_work(chains[0])
        result = run.result(20)
    assert (len(server.seen), result.interrupted) == (1, True)


def test_a_client_of_pydantic_ai_does_not_try_again_by_itself(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    server.fallback = lambda _: failure(500, connection="close")  # which leaves no connection open
    with pytest.raises(ModelUnavailable):
        ForeignModel("openai:gpt-4o", max_retries=0).ask(Request((Message("user", "Hello?"),)))
    assert len(server.seen) == 1
