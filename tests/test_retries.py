"""Retries: how often, after which errors, when, and how long a call may take."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import Any

import pytest
from pydantic import ValidationError

from planai import Graph, Task, TaskWorker
from planai.graph import ExecutorName
from planai.testing import run_inline

WAIT = 30.0
both_executors = pytest.mark.parametrize("executor", ["inline", "threads"])


class Number(Task):
    value: int = 0


class Flaky(TaskWorker):
    """Fails as often as the task says."""

    output_types = [Number]
    error: type[Exception] = LookupError

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.tries: list[float] = []

    def consume_work(self, task: Number) -> None:
        self.tries.append(time.monotonic())
        self.publish_work(Number(value=task.retry_count))
        if task.retry_count < task.value:
            raise self.error(f"try {task.retry_count}")


class Stuck(TaskWorker):
    """Waits until it is told to end, or, on a later try, ends at once."""

    output_types = [Number]
    timeout = 0.05

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.ended: list[bool] = []
        self.all_ended = threading.Semaphore(0)

    def consume_work(self, task: Number) -> None:
        if task.retry_count == 0:
            deadline = time.monotonic() + WAIT
            while not self.aborted and time.monotonic() < deadline:
                threading.Event().wait(0.001)
            self.ended.append(self.aborted)
            self.all_ended.release()
        self.publish_work(Number(value=task.value))


def graph_of(worker: TaskWorker) -> Graph:
    graph = Graph(name="g").add_workers(worker)
    graph.set_sink(worker, Number)
    return graph


@both_executors
def test_a_delay_lies_between_the_tries_and_what_failed_has_published_nothing(executor: ExecutorName) -> None:
    flaky = Flaky(num_retries=2, retry_delay=0.02)
    result = graph_of(flaky).run([(flaky, Number(value=2))], executor=executor)
    assert result.outputs == [Number(value=2)]
    first, second, third = flaky.tries
    assert second - first >= 0.01
    assert third - second >= 0.02
    assert result.workers["Flaky"].retried == 2


def test_a_waiting_try_holds_nobody_up() -> None:
    flaky = Flaky(num_retries=1, retry_delay=0.2)
    began = time.monotonic()
    result = graph_of(flaky).run([(flaky, Number(value=1)) for _ in range(200)], max_workers=1)
    assert len(result.outputs) == 200
    assert time.monotonic() - began < 5.0  # one after the other, they would wait for 40 seconds


def test_only_some_errors_are_worth_another_try() -> None:
    flaky = Flaky(num_retries=3, retry_on=(KeyError, ValueError))
    [failure] = run_inline(flaky, Number(value=1)).failures
    assert (failure.attempts, len(flaky.tries)) == (1, 1)
    assert run_inline(Flaky(num_retries=3, retry_on=(KeyError, ValueError), error=KeyError), Number(value=2)).ok


def test_what_ends_a_program_is_not_tried_again() -> None:
    class Leaves(Flaky):
        def consume_work(self, task: Number) -> None:
            self.tries.append(0.0)
            raise SystemExit(3)

    leaves = Leaves(num_retries=3)
    assert len(run_inline(leaves, Number()).failures) == len(leaves.tries) == 1


@pytest.mark.parametrize("wrong", [{"retry_delay": -1.0}, {"retry_delay": float("inf")}, {"timeout": 0.0}])
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Flaky(**wrong)


def test_a_call_that_takes_too_long_has_failed_and_is_told() -> None:
    stuck = Stuck()
    [failure] = graph_of(stuck).run([(stuck, Number())], display_terminal=False).failures
    assert isinstance(failure.error, TimeoutError)
    assert str(failure.error) == "'Stuck' took longer than its timeout of 0.05 s"
    assert stuck.all_ended.acquire(timeout=WAIT)
    assert stuck.ended == [True]


def test_it_is_tried_again_and_its_late_end_changes_nothing() -> None:
    stuck = Stuck(num_retries=1)
    result = graph_of(stuck).run([(stuck, Number(value=value)) for value in range(10)], max_workers=1)
    assert result.outputs == [Number(value=value) for value in range(10)]
    assert all(stuck.all_ended.acquire(timeout=WAIT) for _ in range(10))
    assert (result.failures, result.workers["Stuck"].retried, stuck.ended) == ([], 10, [True] * 10)


def test_threads_that_are_stuck_take_no_place_of_others() -> None:
    release = threading.Event()

    class Deaf(Stuck):
        def consume_work(self, task: Number) -> None:
            if task.value == 0:
                release.wait(WAIT)
            self.publish_work(task)

    deaf = Deaf()
    work: list[tuple[TaskWorker, Task]] = [(deaf, Number(value=value)) for value in (0, 0, 1, 2, 3)]
    result = graph_of(deaf).run(work, max_workers=1, display_terminal=False)
    release.set()
    assert result.outputs == [Number(value=1), Number(value=2), Number(value=3)]
    assert len(result.failures) == 2


def test_inline_a_call_that_took_too_long_has_failed_when_it_has_ended() -> None:
    class Slow(Stuck):
        timeout = 0.001

        def consume_work(self, task: Number) -> None:
            deadline = time.perf_counter() + 0.002
            while time.perf_counter() < deadline:
                pass
            self.publish_work(task)

    result = run_inline(Slow(), Number())
    assert (result.outputs, [type(failure.error) for failure in result.failures]) == ([], [TimeoutError])


@both_executors
def test_an_async_call_that_takes_too_long_is_cancelled(executor: ExecutorName) -> None:
    import asyncio  # noqa: PLC0415 - as it is in the library

    cancelled: SimpleQueue[int] = SimpleQueue()

    class Endless(TaskWorker):
        output_types = [Number]
        timeout = 0.05
        num_retries = 1

        async def consume_work(self, task: Number) -> None:
            try:
                await asyncio.sleep(0.2 if task.retry_count == 0 else 0)
            except asyncio.CancelledError:
                cancelled.put(task.value)
                raise
            self.publish_work(task)

    endless = Endless()
    result = graph_of(endless).run([(endless, Number(value=value)) for value in (1, 2)], executor=executor)
    assert result.outputs == [Number(value=1), Number(value=2)]
    assert result.workers["Endless"].retried == 2
    if executor == "threads":  # inline, nobody could tell
        assert {cancelled.get(timeout=WAIT), cancelled.get(timeout=WAIT)} == {1, 2}
    assert cancelled.empty()
