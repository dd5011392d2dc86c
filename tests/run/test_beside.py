"""Runs that are awaited: beside the caller's event loop, and ended when they are cancelled."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from planai import CachedTaskWorker, CacheIgnore, Graph, RunResult, Task, TaskWorker
from planai.errors import ConfigurationError, RunFailed, WiringError

WAIT = 30.0


class Number(Task):
    value: int = 0


class Work(TaskWorker):
    """Does what it is given in a thread."""

    output_types = [Number]
    action: Callable[[Number], object] = lambda _: None

    def consume_work(self, task: Number) -> None:
        self.action(task)
        self.publish_work(task)


class AsyncWork(TaskWorker):
    """Awaits what it is given."""

    output_types = [Number]
    action: Callable[[Number], Awaitable[object]] = lambda _: asyncio.sleep(0)

    async def consume_work(self, task: Number) -> None:
        await self.action(task)
        self.publish_work(task)


class CachedWork(CachedTaskWorker, AsyncWork):
    """Keeps its answers, too."""

    output_types = [Number]
    cache_code = False
    action: Annotated[Callable[[Number], Awaitable[object]], CacheIgnore()] = lambda _: asyncio.sleep(0)


def graph_of(*workers: TaskWorker) -> Graph:
    graph = Graph(name="beside").add_workers(*workers)
    for worker in workers:
        graph.set_sink(worker, Number)
    return graph


def tasks_for(worker: TaskWorker, count: int) -> list[tuple[TaskWorker, Task]]:
    return [(worker, Number(value=value)) for value in range(count)]


def numbers(result: RunResult | None) -> list[int]:
    assert result is not None
    return [task.value for task in result.outputs if isinstance(task, Number)]


@pytest.mark.parametrize("kind", [Work, AsyncWork])
@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_a_run_is_awaited(kind: type[TaskWorker], executor: Any) -> None:
    worker = kind()
    graph = graph_of(worker)
    result = asyncio.run(graph.arun(tasks_for(worker, 30), executor=executor))
    assert numbers(result) == list(range(30))
    assert graph.result is result


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_the_callers_loop_goes_on_meanwhile(kind: str) -> None:
    release = threading.Event()
    if kind == "thread":
        worker: TaskWorker = Work(action=lambda _: release.wait(WAIT))
    else:
        worker = AsyncWork(action=lambda _: asyncio.to_thread(release.wait, WAIT))

    async def both() -> RunResult:
        running = asyncio.ensure_future(graph_of(worker).arun(tasks_for(worker, 3)))
        await asyncio.sleep(0.02)
        assert not running.done()
        release.set()
        return await running

    assert numbers(asyncio.run(both())) == [0, 1, 2]


def test_runs_are_awaited_side_by_side_and_within_each_other() -> None:
    inner = AsyncWork()
    graph = graph_of(inner)

    async def run_inner(task: Number) -> None:
        result = await graph.arun(tasks_for(inner, task.value), display_terminal=False)
        assert numbers(result) == list(range(task.value))

    outer = AsyncWork(action=run_inner)

    async def all_of_them() -> list[RunResult]:
        return await asyncio.gather(*(graph_of_outer.arun(tasks_for(outer, 5)) for _ in range(3)))

    graph_of_outer = graph_of(outer)
    assert [numbers(result) for result in asyncio.run(all_of_them())] == [list(range(5))] * 3


@pytest.mark.parametrize("kind", [Work, AsyncWork])
def test_run_in_a_running_loop_blocks_that_loop_and_ends(kind: type[TaskWorker]) -> None:
    async def block() -> RunResult:
        worker = kind()
        return graph_of(worker).run(tasks_for(worker, 20))

    assert numbers(asyncio.run(block())) == list(range(20))


def test_run_in_an_async_worker_blocks_the_others_and_ends() -> None:
    inner = AsyncWork()
    graph = graph_of(inner)

    def run_in_a_thread_of_a_run(task: Number) -> None:
        assert numbers(graph.run(tasks_for(inner, 3), display_terminal=False)) == [0, 1, 2]

    middle = Work(action=run_in_a_thread_of_a_run)
    graph_of_middle = graph_of(middle)

    async def block(task: Number) -> None:
        assert graph_of_middle.run(tasks_for(middle, 2), display_terminal=False, raise_on_failure=True).ok

    outer = AsyncWork(action=block)
    assert numbers(graph_of(outer).run(tasks_for(outer, 3), raise_on_failure=True)) == [0, 1, 2]


def test_mistakes_and_failures_are_raised_where_the_run_is_awaited() -> None:
    worker = AsyncWork()
    graph = Graph(name="wrong").add_workers(worker, Work())
    graph.set_dependency(worker, worker)
    with pytest.raises(ConfigurationError):
        asyncio.run(graph_of(worker).arun([(Work(), Number())]))

    class Lost(TaskWorker):
        def consume_work(self, task: int) -> None:
            """Consume what is no task."""

    with pytest.raises(WiringError):
        asyncio.run(Graph(name="lost").add_workers(Lost()).arun([]))

    async def fail(task: Number) -> None:
        raise LookupError("gone")

    failing = AsyncWork(action=fail)
    with pytest.raises(RunFailed, match="gone"):
        asyncio.run(graph_of(failing).arun(tasks_for(failing, 1), raise_on_failure=True))


# ---- cancelled


class Held:
    """Awaits a run whose last call is held up, cancels it, and tells what came of it."""

    def __init__(self, worker: TaskWorker, count: int, max_concurrency: int = 256) -> None:
        self.graph = graph_of(worker)
        self.tasks = tasks_for(worker, count)
        self.max_concurrency = max_concurrency
        self.began = threading.Event()

    async def cancelled(self, times: int = 1) -> float:
        """Return how many seconds the run took to end."""
        running = asyncio.ensure_future(self.graph.arun(self.tasks, max_concurrency=self.max_concurrency))
        assert await asyncio.to_thread(self.began.wait, WAIT)
        began = time.monotonic()
        for _ in range(times):
            running.cancel()
            await asyncio.sleep(0.02)
        with pytest.raises(asyncio.CancelledError):
            await running
        return time.monotonic() - began


def test_cancelled_it_cancels_what_runs_and_keeps_what_was_done() -> None:
    seen: list[str] = []

    async def stay_at_the_last(task: Number) -> None:
        if task.value < 3:
            return
        await asyncio.sleep(0.02)  # by then the others have ended
        held.began.set()
        try:
            await asyncio.sleep(WAIT)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            seen.append("cleaned up")
            raise

    held = Held(AsyncWork(action=stay_at_the_last), 4)
    assert asyncio.run(held.cancelled()) < WAIT / 3
    result = held.graph.result
    assert (seen, numbers(result)) == (["cleaned up"], [0, 1, 2])
    assert result is not None
    assert (result.interrupted, result.unfinished, result.failures) == (True, 1, [])


def test_what_waits_is_not_begun_and_what_was_computed_is_stored(tmp_path: Path) -> None:
    seen: list[int] = []

    async def stay_at_the_second(task: Number) -> None:
        seen.append(task.value)
        if task.value == 1:
            await asyncio.sleep(0.02)
            held.began.set()
            await asyncio.sleep(WAIT)

    worker = CachedWork(action=stay_at_the_second, cache_dir=tmp_path)
    held = Held(worker, 100, max_concurrency=1)
    asyncio.run(held.cancelled())
    assert seen == [0, 1]
    result = held.graph.result
    assert result is not None
    assert (numbers(result), result.unfinished) == ([0], 99)

    async def go_on(task: Number) -> None:
        seen.append(task.value)

    again = graph_of(worker := CachedWork(action=go_on, cache_dir=tmp_path)).run(tasks_for(worker, 3))
    assert (again.cache_hits, again.cache_misses, sorted(seen[2:])) == (1, 2, [1, 2])


def test_calls_in_threads_have_their_grace_and_cancelled_again_it_does_not_wait() -> None:
    release = threading.Event()

    def hold(task: Number) -> None:
        held.began.set()
        assert release.wait(WAIT)

    held = Held(Work(action=hold), 1)
    try:
        assert asyncio.run(held.cancelled(times=2)) < WAIT / 6
    finally:
        release.set()
    assert numbers(held.graph.result) == []

    def end_soon(task: Number) -> None:
        held.began.set()
        threading.Event().wait(0.05)

    held = Held(Work(action=end_soon), 1)
    asyncio.run(held.cancelled())
    assert numbers(held.graph.result) == [0]


def test_cancelled_before_it_has_begun_it_does_nothing() -> None:
    seen: list[int] = []

    async def note(task: Number) -> None:
        seen.append(task.value)
        await asyncio.Event().wait()  # for ever, lest a busy machine be through before it is cancelled

    worker = AsyncWork(action=note)

    async def cancel_at_once() -> None:
        running = asyncio.ensure_future(graph_of(worker).arun(tasks_for(worker, 1000)))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel_at_once())
    assert len(seen) < 1000


def test_a_time_limit_ends_it() -> None:
    worker = AsyncWork(action=lambda _: asyncio.sleep(WAIT))

    async def limited() -> None:
        async with asyncio.timeout(0.05):
            await graph_of(worker).arun(tasks_for(worker, 500))

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(limited())
    assert time.monotonic() - began < WAIT / 3


# ---- Ctrl-C

PROGRAM = """
import asyncio, sys
from planai import Graph, Task, TaskWorker

class Number(Task):
    value: int

class Stay(TaskWorker):
    output_types = [Number]

    async def consume_work(self, task: Number) -> None:
        if task.value == 1:
            print("began", flush=True)
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
                print("cleaned up", flush=True)
        self.publish_work(task)

stay, graph = Stay(), Graph()
graph.add_workers(stay).set_sink(stay, Number)
tasks = [(stay, Number(value=value)) for value in range(2)]
try:
    if sys.argv[1] == "arun":
        asyncio.run(graph.arun(tasks))
    else:
        graph.run(tasks, executor=sys.argv[1])
except KeyboardInterrupt:
    print("interrupted", len(graph.result.outputs), graph.result.unfinished, flush=True)
"""


@pytest.mark.parametrize("how", ["arun", "threads", "inline"])
def test_an_interrupted_program_cancels_its_coroutines_and_ends(how: str) -> None:
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", textwrap.dedent(PROGRAM), how]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=WAIT)
        assert time.monotonic() - began < WAIT / 3
    assert (out.splitlines(), process.returncode) == (["cleaned up", "interrupted 1 1"], 0)
    assert all(line.startswith("planai: ") for line in err.splitlines()), err
