"""Async calls on one event loop; and async workers in graphs, with all that other workers can do."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

import pytest

from planai import Graph, InitialTaskWorker, JoinedTaskWorker, MergedTaskWorker, RunResult, Task, TaskWorker
from planai.call import Call
from planai.errors import ConfigurationError, OutsideCallError
from planai.events import Aborted, Event, Failed, Finished
from planai.executors import ThreadExecutor
from planai.executors.aio import AioExecutor
from planai.executors.event_loop import shared_loop
from planai.provenance import ROOT
from planai.testing import run_inline

WAIT = 30.0


class Number(Task):
    value: int = 0


class Word(Task):
    text: str = ""


class Work(TaskWorker):
    """Awaits what it is given, and publishes its task."""

    output_types = [Number]
    action: Callable[[Number], Awaitable[object]] = lambda _: asyncio.sleep(0)

    async def consume_work(self, task: Number) -> None:
        await self.action(task)
        self.publish_work(Number(value=task.value * 2))


def graph_of(*workers: TaskWorker, collects: type[Task] = Number) -> Graph:
    graph = Graph(name="async").add_workers(*workers)
    for up, down in pairwise(workers):
        graph.set_dependency(up, down)
    graph.set_sink(workers[-1], collects)
    return graph


def tasks_for(worker: TaskWorker, count: int) -> list[tuple[TaskWorker, Task]]:
    return [(worker, Number(value=value)) for value in range(count)]


def numbers(result: RunResult) -> list[int]:
    return [task.value for task in result.outputs if isinstance(task, Number)]


# ---- the executor


class Driven:
    """An executor that is driven by hand."""

    def __init__(self, perform: Callable[[Call], Awaitable[object]], capacity: int = 256) -> None:
        async def performed(call: Call) -> Event:
            await perform(call)
            return Finished(call.id, call.worker, (), 0.0)

        self.executor = AioExecutor(capacity)
        self.inbox: SimpleQueue[Event] = SimpleQueue()
        self.executor.start(performed, self.inbox.put)

    def submit(self, count: int) -> None:
        for number in range(count):
            self.executor.submit(Call(number, "W", (), ROOT))

    def events(self, count: int) -> list[Event]:
        found = [self.inbox.get(timeout=WAIT) for _ in range(count)]
        assert self.inbox.empty()
        return found


@pytest.mark.parametrize("count", [0, -1])
def test_at_least_one_call_is_in_flight(count: int) -> None:
    with pytest.raises(ConfigurationError, match="at least one call has to be in flight"):
        AioExecutor(count)


def test_thousands_of_calls_wait_side_by_side_in_one_thread() -> None:
    threads: set[threading.Thread] = set()
    waiting: list[asyncio.Future[None]] = []

    async def perform(call: Call) -> None:
        threads.add(threading.current_thread())
        waiting.append(asyncio.get_running_loop().create_future())
        if len(waiting) == 3000:
            for future in waiting:
                future.set_result(None)
        await waiting[call.id]

    driven = Driven(perform)
    driven.submit(3000)
    assert sorted(event.call for event in driven.events(3000) if isinstance(event, Finished)) == list(range(3000))
    assert threads == {shared_loop()}


def test_one_call_is_told_to_end_and_the_others_go_on() -> None:
    began, released = threading.Barrier(2), asyncio.Event()

    async def perform(call: Call) -> None:
        if call.id == 2:
            await asyncio.to_thread(began.wait, WAIT)
        await released.wait()

    driven = Driven(perform)
    driven.submit(3)
    began.wait(WAIT)
    driven.executor.cancel(1)
    assert driven.events(1) == [Aborted(1, "W")]
    driven.executor.cancel(1)
    driven.executor.cancel(77)
    shared_loop().loop.call_soon_threadsafe(released.set)
    assert sorted(event.call for event in driven.events(2) if isinstance(event, Finished)) == [0, 2]


def test_all_calls_are_told_to_end_also_those_that_have_not_begun() -> None:
    async def perform(call: Call) -> None:
        await asyncio.sleep(WAIT)

    driven = Driven(perform)
    driven.submit(50)
    driven.executor.cancel()  # the loop may have made a task of each, and begun none
    assert set(driven.events(50)) == {Aborted(number, "W") for number in range(50)}


def test_a_call_that_ends_well_though_it_was_told_to_end_has_ended_well() -> None:
    began = threading.Event()

    async def perform(call: Call) -> None:
        began.set()
        try:
            await asyncio.sleep(WAIT)
        except asyncio.CancelledError:
            return

    driven = Driven(perform)
    driven.submit(1)
    assert began.wait(WAIT)
    driven.executor.cancel()
    assert driven.events(1) == [Finished(0, "W", (), 0.0)]


def test_a_call_posts_an_event_even_if_performing_it_raises() -> None:
    async def fail(call: Call) -> None:
        raise LookupError("gone")

    driven = Driven(fail)
    driven.submit(2)
    assert [str(event.error) for event in driven.events(2) if isinstance(event, Failed)] == ["gone"] * 2


def test_calls_that_the_loop_has_not_taken_are_given_back() -> None:
    began, release = threading.Event(), threading.Event()

    async def perform(call: Call) -> None:
        began.set()
        assert release.wait(WAIT)  # which blocks the loop

    driven = Driven(perform)
    driven.submit(1)
    assert began.wait(WAIT)
    driven.submit(3)
    assert driven.executor.waiting == 3
    assert [call.id for call in driven.executor.discard()] == [0, 1, 2]
    assert driven.executor.waiting == 0
    release.set()
    driven.events(1)


# ---- what an async worker can do


@pytest.mark.parametrize("how", [{}, {"executor": "inline"}, {"max_concurrency": 1}, {"executor": ThreadExecutor(2)}])
def test_async_workers_run_in_graphs(how: dict[str, Any]) -> None:
    worker = Work()
    result = graph_of(worker).run(tasks_for(worker, 40), **how)
    assert result.ok
    assert numbers(result) == [2 * value for value in range(40)]


def test_methods_of_the_worker_know_their_call_also_in_tasks_and_threads_that_it_starts() -> None:
    class Page(Task):
        title: str

    class Read(TaskWorker):
        output_types = [Number]

        async def consume_work(self, task: Page) -> None:
            await asyncio.sleep(0)
            self.publish_work(Number(value=len(task.title)))

    class Tell(TaskWorker):
        output_types = [Word]

        async def consume_work(self, task: Number) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tell(task, "group"))
            await asyncio.gather(self._tell(task, "gather"), self._tell(task, "gather"))
            await asyncio.to_thread(self._say, task, "thread")

        async def _tell(self, task: Number, where: str) -> None:
            await asyncio.sleep(0.001)
            self._say(task, where)

        def _say(self, task: Number, where: str) -> None:
            page = task.find_input_task(Page)
            assert page is not None
            assert 0 < self.elapsed_time < WAIT
            self.print(where)
            self.publish_work(Word(text=f"{where} {page.title}"))

    read, tell = Read(), Tell()
    graph = graph_of(read, tell, collects=Word)
    result = graph.run([(read, Page(title=title)) for title in ("one", "other")], raise_on_failure=True)
    found = Counter(task.text for task in result.outputs if isinstance(task, Word))
    assert found == {
        f"{where} {title}": times
        for where, times in (("group", 1), ("gather", 2), ("thread", 1))
        for title in ("one", "other")
    }


def test_calls_side_by_side_do_not_take_each_other_for_themselves() -> None:
    async def wait_longer_the_earlier(task: Number) -> None:
        await asyncio.sleep((20 - task.value) / 1000)

    worker = Work(action=wait_longer_the_earlier)
    result = graph_of(worker).run(tasks_for(worker, 20))
    assert [(task.value, task.previous_input_task()) for task in result.outputs if isinstance(task, Number)] == [
        (2 * value, Number(value=value)) for value in range(20)
    ]


def test_what_is_published_after_the_call_has_ended_is_an_error() -> None:
    late: list[asyncio.Task[None]] = []

    class Hasty(Work):
        async def consume_work(self, task: Number) -> None:
            async def later() -> None:
                await asyncio.sleep(0.01)
                self.publish_work(task)

            late.append(asyncio.create_task(later()))

    async def outcome() -> BaseException | None:
        await asyncio.wait(late)
        return late[0].exception()

    worker = Hasty()
    assert graph_of(worker).run(tasks_for(worker, 1)).outputs == []
    error = shared_loop().wait_for(outcome())
    assert isinstance(error, OutsideCallError)
    assert "wait in consume_work for the threads and asyncio tasks that it starts" in str(error)


def test_a_failed_call_is_tried_again_as_its_task_came() -> None:
    seen: list[tuple[int, int]] = []

    class Flaky(Work):
        async def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.value))
            await asyncio.sleep(0)
            seen.append((task.value, task.retry_count))
            task.value += 100
            if task.retry_count < 2:
                raise LookupError("not yet")

    worker = Flaky(num_retries=2)
    result = graph_of(worker).run([(worker, Number(value=1))])
    assert (seen, numbers(result)) == ([(1, 0), (1, 1), (1, 2)], [1])
    failed = graph_of(worker := Flaky(num_retries=1)).run([(worker, Number(value=1))])
    assert (failed.outputs, failed.failures[0].attempts) == ([], 2)
    assert "in consume_work" in failed.failures[0].traceback


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), StopIteration(1)])
def test_whatever_is_raised_is_a_failure_and_the_run_goes_on(error: BaseException) -> None:
    async def fail(task: Number) -> None:
        await asyncio.sleep(0)
        if task.value == 1:
            raise error

    worker = Work(action=fail)
    result = graph_of(worker).run(tasks_for(worker, 3))
    assert (len(result.failures), numbers(result), result.interrupted) == (1, [0, 4], False)


def test_a_child_task_that_was_cancelled_is_no_reason_to_take_the_call_for_aborted() -> None:
    async def cancel_a_child(task: Number) -> None:
        child = asyncio.ensure_future(asyncio.sleep(WAIT))
        asyncio.get_running_loop().call_soon(child.cancel)
        await child

    worker = Work(action=cancel_a_child)
    assert isinstance(graph_of(worker).run(tasks_for(worker, 1)).failures[0].error, asyncio.CancelledError)


def test_limits_hold_for_async_workers() -> None:
    now, most = Counter[str](), Counter[str]()

    class Limited(Work):
        async def consume_work(self, task: Number) -> None:
            now["calls"] += 1
            most["calls"] = max(now["calls"], most["calls"])
            await asyncio.sleep(0.001)
            now["calls"] -= 1
            self.publish_work(task)

    worker = Limited()
    graph = graph_of(worker)
    graph.set_max_parallel_tasks(Limited, 3)
    assert len(graph.run(tasks_for(worker, 30)).outputs) == 30
    assert most["calls"] == 3


def test_joins_and_merges_may_be_async() -> None:
    class Join(JoinedTaskWorker):
        output_types = [Number]
        join_type = InitialTaskWorker

        async def consume_work_joined(self, tasks: list[Number]) -> None:
            await asyncio.sleep(0)
            self.publish_work(Number(value=sum(task.value for task in tasks)))

    class Merge(MergedTaskWorker):
        output_types = [Word]
        merged_types = [Number]

        async def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
            await asyncio.sleep(0)
            self.publish_work(Word(text=str(dict(tasks))))

    work, join, merge = Work(), Join(), Merge()
    assert join.is_async_worker
    assert merge.is_async_worker
    result = graph_of(work, join, merge, collects=Word).run(tasks_for(work, 3), raise_on_failure=True)
    assert [task.text for task in result.outputs if isinstance(task, Word)] == [
        f"{{'Number': [Number(value={2 * value})]}}" for value in range(3)
    ]


def test_hooks_of_a_run_may_be_async_and_share_the_loop_with_the_work() -> None:
    seen: list[tuple[str, object]] = []

    class Hooked(Work):
        async def init(self) -> None:
            await asyncio.sleep(0)
            seen.append(("init", asyncio.get_running_loop()))

        async def completed(self) -> None:
            await asyncio.sleep(0)
            seen.append(("completed", asyncio.get_running_loop()))

    worker = Hooked()
    assert graph_of(worker).run(tasks_for(worker, 1)).ok
    assert seen == [("init", shared_loop().loop), ("completed", shared_loop().loop)]


def test_what_an_async_worker_keeps_for_its_loop_serves_all_runs() -> None:
    class Keeps(Work):
        async def consume_work(self, task: Number) -> None:
            if "gate" not in self.__dict__:
                self.gate = asyncio.Semaphore(1)
            async with self.gate:  # which belongs to the loop that it was first waited for on
                await asyncio.sleep(0)
            self.publish_work(task)

    worker = Keeps()
    graph = graph_of(worker)
    for how in ({}, {"executor": "inline"}, {}):
        assert graph.run(tasks_for(worker, 5), raise_on_failure=True, **how).ok  # type: ignore[arg-type]


# ---- by hand, and by mistake


def test_called_by_hand_it_gives_what_is_to_be_awaited() -> None:
    class Collect(Work):
        async def consume_work(self, task: Number) -> None:
            await asyncio.sleep(0)
            seen.append((task.value, self.elapsed_time > 0))

    seen: list[tuple[int, bool]] = []
    pending = Collect().consume_work(Number(value=3))
    assert seen == []
    asyncio.run(pending)
    assert seen == [(3, True)]
    with pytest.raises(OutsideCallError, match="run the worker in a graph"):
        asyncio.run(Work().consume_work(Number()))


def test_a_subclass_calls_the_method_that_it_overrides() -> None:
    class More(Work):
        async def consume_work(self, task: Number) -> None:
            await super().consume_work(task)
            self.publish_work(Number(value=-1))

    assert run_inline(More(), Number(value=4)).outputs == [Number(value=8), Number(value=-1)]


def test_a_worker_that_is_called_by_another_one_is_a_call_of_its_own() -> None:
    class Outer(TaskWorker):
        output_types = [Number]
        inner: Work = Work()

        async def consume_work(self, task: Number) -> None:
            with pytest.raises(OutsideCallError):
                await self.inner.consume_work(task)
            self.publish_work(task)

    assert run_inline(Outer(), Number(value=4)).outputs == [Number(value=4)]


def test_what_async_work_returns_is_passed_over_with_a_warning() -> None:
    class Return(TaskWorker):
        output_types = [Number]

        async def consume_work(self, task: Number) -> Number:  # type: ignore[override]
            self.publish_work(task)
            return task

    worker = Return()
    with pytest.warns(UserWarning, match=r"Return\.consume_work returned a Number, which nobody gets: publish it"):
        result = graph_of(worker).run(tasks_for(worker, 1))
    assert (len(result.outputs), result.failures) == (1, [])


def test_a_plain_method_that_returns_a_coroutine_is_told_to_be_async() -> None:
    class Forgot(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> Awaitable[None]:
            return self._work(task)

        async def _work(self, task: Number) -> None:
            self.publish_work(task)

    worker = Forgot()
    failure = graph_of(worker).run(tasks_for(worker, 1)).failures[0]
    assert "write it as async def" in str(failure.error)

    class ForgotJoin(JoinedTaskWorker):
        output_types = [Number]

        def consume_work_joined(self, tasks: list[Number]) -> Awaitable[None]:
            return asyncio.sleep(0)

    work, join = Work(), ForgotJoin()
    failure = graph_of(work, join).run(tasks_for(work, 1)).failures[0]
    assert "write it as async def" in str(failure.error)


def test_hooks_that_nobody_awaits_may_not_be_async() -> None:
    with pytest.raises(ConfigurationError, match=r"Wrong\.expected_call_cost is async, which nobody awaits"):

        class Wrong(Work):
            async def expected_call_cost(self) -> None:  # type: ignore[override]
                """Do nothing."""


def test_a_decorated_method_is_async_if_what_is_decorated_is() -> None:
    def twice(method: Callable[[Any, Number], Awaitable[None]]) -> Callable[[Any, Number], Awaitable[None]]:
        @functools.wraps(method)
        def repeated(self: Any, task: Number) -> Awaitable[None]:
            return method(self, Number(value=task.value + 1))

        return repeated

    class Decorated(TaskWorker):
        output_types = [Number]

        @twice
        async def consume_work(self, task: Number) -> None:
            await asyncio.sleep(0)
            self.publish_work(task)

    assert Decorated().is_async_worker
    assert run_inline(Decorated(), Number(value=1)).outputs == [Number(value=2)]
