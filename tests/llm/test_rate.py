"""RateLimit: how fast models are asked."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from planai import CachedLLMTaskWorker, Graph, LLMTaskWorker, RateLimit, RunResult, Task, TaskWorker
from planai.llm.client import Answer
from planai.testing import ScriptedLLM
from waiting import WAIT, wait_until


class Question(Task):
    number: int = 0


class Reply(Task):
    text: str


ANSWER = Reply(text="yes").model_dump_json()


class Ask(LLMTaskWorker):
    llm_input_type = Question
    output_types = [Reply]
    prompt = "Answer."


class AskAsync(Ask):
    async def consume_work(self, task: Question) -> None:
        await super().consume_work(task)


class Remember(CachedLLMTaskWorker):
    llm_input_type = Question
    output_types = [Reply]
    prompt = "Answer."


def model(input_tokens: int = 0, output_tokens: int = 0) -> ScriptedLLM:
    return ScriptedLLM(lambda request: Answer(ANSWER, input_tokens=input_tokens, output_tokens=output_tokens))


def run(worker: TaskWorker, count: int) -> RunResult:
    graph = Graph(name="g").add_workers(worker)
    graph.set_sink(worker, Reply)
    result = graph.run([(worker, Question(number=number)) for number in range(count)], display_terminal=False)
    assert (len(result.outputs), result.failures) == (count, [])
    return result


def test_calls_are_spread_evenly() -> None:
    limit = RateLimit(calls_per_second=2)
    assert [limit.seconds_until_free(1000) for _ in range(3)] == pytest.approx([0.0, 0.5, 1.0], abs=0.2)


def test_tokens_are_paid_for_with_time_and_put_right_afterwards() -> None:
    limit = RateLimit(tokens_per_minute=600)
    assert [limit.seconds_until_free(20) for _ in range(2)] == pytest.approx([0.0, 2.0], abs=0.2)
    limit.correct(reckoned=20, tokens=30)
    assert limit.seconds_until_free(1) == pytest.approx(5.0, abs=0.2)


@pytest.mark.parametrize("wrong", [{"calls_per_second": 0}, {"tokens_per_minute": -1}, {"calls_per_minute": 5}])
def test_what_is_no_limit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Ask(llm=model(), rate_limit=wrong)


@pytest.mark.parametrize("kind", [Ask, AskAsync])
def test_a_worker_asks_no_faster_than_it_may(kind: type[Ask]) -> None:
    began = time.monotonic()
    result = run(kind(llm=model(), rate_limit={"calls_per_second": 40}), 5)
    assert time.monotonic() - began >= 0.1
    assert result.ok


def test_the_tokens_of_answers_count() -> None:
    limit = RateLimit(tokens_per_minute=6_000_000)
    run(Ask(llm=model(input_tokens=1000, output_tokens=400_000), rate_limit=limit), 1)
    assert 3.0 < limit.seconds_until_free(1) < 4.1


def test_workers_share_a_limit_that_is_one_object() -> None:
    limit = RateLimit(calls_per_second=0.1)
    first, second = Ask(llm=model(), rate_limit=limit), Ask(llm=model(), rate_limit=limit)
    run(first, 1)
    assert second.rate_limit is limit
    assert limit.seconds_until_free(1) > 5.0


def test_what_is_kept_waits_for_nothing(tmp_path: Path) -> None:
    run(Remember(llm=model(), cache_dir=str(tmp_path)), 3)
    result = run(Remember(llm=model(), cache_dir=str(tmp_path), rate_limit={"calls_per_second": 0.001}), 3)
    assert result.cache.hits == 3


def test_waiting_is_no_part_of_what_an_answer_costs(tmp_path: Path) -> None:
    result = run(Remember(llm=model(), cache_dir=str(tmp_path), rate_limit={"calls_per_second": 4}), 2)
    assert result.workers["Remember"].spent.seconds < 0.2


@pytest.mark.parametrize("kind", [Ask, AskAsync])
def test_a_call_that_is_held_up_can_be_aborted(kind: type[Ask]) -> None:
    llm = model()
    worker = kind(llm=llm, rate_limit={"calls_per_second": 0.001})
    graph = Graph(name="g").add_workers(worker)
    graph.set_sink(worker, Reply)
    graph.prepare(display_terminal=False)
    thread = threading.Thread(target=graph.execute, args=([],), daemon=True)
    thread.start()
    graph.add_work(worker, Question(number=1))
    wait_until(lambda: len(llm.requests) == 1)
    held_up = graph.add_work(worker, Question(number=2))
    wait_until(lambda: graph.get_dispatcher().active_tasks == 1)
    assert graph.abort_work(held_up)
    assert graph.shutdown(WAIT)
    thread.join(WAIT)
    assert (len(llm.requests), not thread.is_alive()) == (1, True)


def test_a_limit_can_be_copied_and_sent_elsewhere() -> None:
    limit = RateLimit(calls_per_second=2)
    limit.seconds_until_free(1)
    assert [copy.deepcopy(limit), pickle.loads(pickle.dumps(limit))] == [limit, limit]
