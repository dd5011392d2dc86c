"""Lanes: async calls and all others side by side, each within room of their own."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from planai import Graph, JoinedTaskWorker, RunResult, Task, TaskWorker
from planai.executors import InlineExecutor, ThreadExecutor
from planai.executors.event_loop import shared_loop
from planai.plan import Limit
from planai.planning import make_plan
from planai.run.lanes import Lanes
from planai.wires import Sink, Wires

WAIT = 30.0


class Number(Task):
    value: int = 0


class Gate:
    """Counts who has come, in threads or on the loop, and lets all of them through when enough have."""

    def __init__(self, needed: int) -> None:
        self.needed = needed
        self.came = 0
        self.open = threading.Event()
        self._lock = threading.Lock()

    def enter(self) -> None:
        with self._lock:
            self.came += 1
            if self.came == self.needed:
                self.open.set()

    def pass_through(self) -> None:
        self.enter()
        assert self.open.wait(WAIT)

    async def pass_on_the_loop(self) -> None:
        self.enter()
        deadline = time.monotonic() + WAIT
        while not self.open.is_set():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.001)


class Blocks(TaskWorker):
    """Waits in a thread."""

    output_types = [Number]
    enter: Callable[[], object] = lambda: None

    def consume_work(self, task: Number) -> None:
        self.enter()
        self.publish_work(task)


class Waits(TaskWorker):
    """Waits on the loop."""

    output_types = [Number]
    enter: Any = asyncio.sleep

    async def consume_work(self, task: Number) -> None:
        await self.enter()
        self.publish_work(task)


def graph_of(*workers: TaskWorker) -> Graph:
    graph = Graph(name="lanes").add_workers(*workers)
    for worker in workers:
        graph.set_sink(worker, Number)
    return graph


def tasks_for(*counts: tuple[TaskWorker, int]) -> list[tuple[TaskWorker, Task]]:
    return [(worker, Number(value=value)) for worker, count in counts for value in range(count)]


def numbers(result: RunResult) -> list[int]:
    return [task.value for task in result.outputs if isinstance(task, Number)]


def test_threads_and_coroutines_do_not_take_each_others_room() -> None:
    """All sixteen threads and all two hundred coroutines have to be at it at once to get through."""
    gate = Gate(16 + 200)
    blocks, waits = Blocks(enter=gate.pass_through), Waits(enter=gate.pass_on_the_loop)
    result = graph_of(blocks, waits).run(
        tasks_for((blocks, 16), (waits, 200)), max_workers=16, max_concurrency=200, raise_on_failure=True
    )
    assert len(result.outputs) == 216


@pytest.mark.parametrize("first", ["threads", "loop"])
def test_a_lane_that_is_full_does_not_hold_up_the_other(first: str) -> None:
    """What comes first fills its lane twice over, and waits for the other lane."""
    opened = Gate(1)
    if first == "threads":
        full: TaskWorker = Blocks(enter=lambda: opened.open.wait(WAIT))
        other: TaskWorker = Waits(enter=opened.pass_on_the_loop)
    else:
        full, other = Waits(enter=lambda: asyncio.to_thread(opened.open.wait, WAIT)), Blocks(enter=opened.enter)
    result = graph_of(full, other).run(
        tasks_for((full, 4), (other, 1)), max_workers=2, max_concurrency=2, raise_on_failure=True
    )
    assert len(result.outputs) == 5


@pytest.mark.parametrize(("in_flight", "most"), [(1, 1), (7, 7), (256, 40)])
def test_no_more_coroutines_are_in_flight_than_asked_for(in_flight: int, most: int) -> None:
    now, seen = [0], [0]

    async def count() -> None:
        now[0] += 1
        seen[0] = max(seen[0], now[0])
        await asyncio.sleep(0.02)
        now[0] -= 1

    worker = Waits(enter=count)
    graph_of(worker).run(tasks_for((worker, 40)), max_concurrency=in_flight, raise_on_failure=True)
    assert seen == [most]


def test_inline_calls_are_made_one_after_the_other_also_async_ones() -> None:
    order: list[tuple[str, int]] = []

    class Note(TaskWorker):
        output_types = [Number]

        async def consume_work(self, task: Number) -> None:
            order.append(("begin", task.value))
            await asyncio.sleep(0.001 * (3 - task.value))
            order.append(("end", task.value))
            self.publish_work(task)

    worker = Note()
    assert numbers(graph_of(worker).run(tasks_for((worker, 3)), executor="inline")) == [0, 1, 2]
    assert order == [(what, value) for value in range(3) for what in ("begin", "end")]


def test_async_workers_need_no_threads() -> None:
    before = set(threading.enumerate())
    seen: set[threading.Thread] = set()

    async def look() -> None:
        seen.update(threading.enumerate())
        await asyncio.sleep(0)

    worker = Waits(enter=look)
    graph_of(worker).run(tasks_for((worker, 500)), raise_on_failure=True)
    assert seen - before <= {shared_loop()}


def test_plans_have_a_limit_for_each_lane_only_where_there_are_two() -> None:
    blocks, waits = Blocks(), Waits()
    one = make_plan(Wires("one", [blocks], [], [(blocks, Sink(Number))]))
    both = make_plan(Wires("both", [blocks, waits], [], [(blocks, Sink(Number))]))
    lanes = Lanes(one, ThreadExecutor(4), 8)
    assert (lanes.capacity, lanes.limited(one)) == (4, one)
    lanes = Lanes(both, ThreadExecutor(4), 8)
    assert lanes.capacity == 12
    assert set(lanes.limited(both).limits) == {
        Limit(frozenset({"Waits"}), 8),
        Limit(frozenset({"Blocks", "sink 1 of Blocks"}), 4),
    }
    lanes = Lanes(both, InlineExecutor(), None)
    assert (lanes.capacity, lanes.limited(both)) == (1, both)


@pytest.mark.parametrize("kinds", ["".join(kinds) for kinds in itertools.product("sa", repeat=3)])
@pytest.mark.parametrize("how", [{}, {"executor": "inline"}, {"max_workers": 2, "max_concurrency": 2}])
def test_the_outputs_are_the_same_wherever_calls_are_made(kinds: str, how: dict[str, Any]) -> None:
    """Two stages and a join, each in threads or on the loop; the first stage fails now and then, and tries again."""

    async def fail_at_first(task: Number) -> None:
        await asyncio.sleep(0)
        if task.value % 3 == 0 and not task.retry_count:
            raise LookupError("try again")

    class Split(Blocks):
        num_retries = 1

        def consume_work(self, task: Number) -> None:
            if task.value % 3 == 0 and not task.retry_count:
                raise LookupError("try again")
            for number in range(3):
                self.publish_work(Number(value=10 * task.value + number))

    class SplitOnLoop(Waits):
        num_retries = 1

        async def consume_work(self, task: Number) -> None:
            await fail_at_first(task)
            for number in range(3):
                self.publish_work(Number(value=10 * task.value + number))

    class Join(JoinedTaskWorker):
        output_types = [Number]

        def consume_work_joined(self, tasks: list[Number]) -> None:
            self.publish_work(Number(value=sum(task.value for task in tasks)))

    class JoinOnLoop(JoinedTaskWorker):
        output_types = [Number]

        async def consume_work_joined(self, tasks: list[Number]) -> None:
            await asyncio.sleep(0)
            self.publish_work(Number(value=sum(task.value for task in tasks)))

    split = Split() if kinds[0] == "s" else SplitOnLoop()
    middle = Blocks() if kinds[1] == "s" else Waits(enter=lambda: asyncio.sleep(0))
    join = Join() if kinds[2] == "s" else JoinOnLoop()
    graph = Graph(name=kinds).add_workers(split, middle, join)
    graph.set_dependency(split, middle).next(join).sink(Number)
    result = graph.run(tasks_for((split, 20)), **how)
    assert result.ok
    assert numbers(result) == [30 * value + 3 for value in range(20)]
    assert result.workers[split.name].retried == 7
