"""Cached async workers: all that cached workers do, on the event loop, and together with those in threads."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from planai import CachedTaskWorker, Graph, RunResult, Task, TaskWorker
from planai.cache.flight import Flights
from planai.cache.opening import open_flights
from planai.cache.stores.memory import MemoryStore
from planai.errors import CacheMiss
from planai.executors.event_loop import shared_loop
from planai.testing import run_inline

WAIT = 30.0


class Number(Task):
    value: int


class Doubled(Task):
    value: int


class Double(CachedTaskWorker):
    """Counts how often it computes, and waits meanwhile until it is let go."""

    output_types = [Doubled]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.seen: list[int] = []
        self.began = threading.Semaphore(0)
        self.release = threading.Event()
        self.release.set()
        self.failures = 0

    async def consume_work(self, task: Number) -> None:
        self.seen.append(task.value)
        self.began.release()
        if not self.release.is_set():
            await asyncio.to_thread(self.release.wait, WAIT)
        if self.failures:
            self.failures -= 1
            raise LookupError("not this time")
        self.publish_work(Doubled(value=2 * task.value))


def graph_of(*workers: TaskWorker) -> Graph:
    graph = Graph(name="cached").add_workers(*workers)
    for worker in workers:
        graph.set_sink(worker, Doubled)
    return graph


def tasks_for(worker: TaskWorker, *values: int) -> list[tuple[TaskWorker, Task]]:
    return [(worker, Number(value=value)) for value in values]


def numbers(result: RunResult) -> list[int]:
    return [task.value for task in result.outputs if isinstance(task, Doubled)]


@contextlib.contextmanager
def running(graph: Graph, tasks: list[tuple[TaskWorker, Task]], **settings: Any) -> Iterator[Callable[[], RunResult]]:
    """Run a graph in a thread; yield what waits for its result."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(functools.partial(graph.run, tasks, display_terminal=False, **settings))
        yield lambda: future.result(WAIT)


# ---- hits and misses


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_what_was_computed_is_replayed(tmp_path: Path, executor: Any) -> None:
    worker = Double(cache_dir=tmp_path)
    cold = graph_of(worker).run(tasks_for(worker, 1, 2, 3), executor=executor)
    warm = graph_of(again := Double(cache_dir=tmp_path)).run(tasks_for(again, 1, 2, 3), executor=executor)
    assert (cold.cache_misses, warm.cache_hits, sorted(worker.seen), again.seen) == (3, 3, [1, 2, 3], [])
    assert numbers(cold) == numbers(warm) == [2, 4, 6]
    assert cold.cache.stored > 0
    assert warm.cache.saved.seconds > 0


def test_hooks_modes_and_hand_picked_tasks_are_as_in_threads(tmp_path: Path) -> None:
    class Hooked(Double):
        def pre_consume_work(self, task: Number) -> None:
            hooks.append(("pre", task.value))

        def post_consume_work(self, task: Number) -> None:
            hooks.append(("post", task.value))

        def should_cache(self, task: Number) -> bool:
            return task.value != 2

    hooks: list[tuple[str, int]] = []
    worker = Hooked(cache_dir=tmp_path)
    for _ in range(2):
        graph_of(worker).run(tasks_for(worker, 1, 2), executor="inline")
    assert worker.seen == [1, 2, 2]
    assert hooks == [(what, value) for _ in range(2) for value in (1, 2) for what in ("pre", "post")]
    for mode, seen in (("off", [1]), ("refresh", [1]), ("read_only", []), ("replay", [])):
        worker.seen.clear()
        assert numbers(graph_of(worker).run(tasks_for(worker, 1), cache_mode=mode)) == [2]  # type: ignore[arg-type]
        assert (mode, worker.seen) == (mode, seen)
    failure = graph_of(worker).run(tasks_for(worker, 7), cache_mode="replay").failures[0]
    assert isinstance(failure.error, CacheMiss)
    assert "the nearest earlier answer" in str(failure.error)


def test_a_failure_is_not_kept_and_tried_again(tmp_path: Path) -> None:
    worker = Double(cache_dir=tmp_path, num_retries=1)
    worker.failures = 3
    assert len(graph_of(worker).run(tasks_for(worker, 1)).failures) == 1
    result = graph_of(worker).run(tasks_for(worker, 1))
    assert (numbers(result), result.cache_hits, worker.seen) == ([2], 0, [1] * 4)
    assert graph_of(worker).run(tasks_for(worker, 1)).cache_hits == 1


def test_what_is_looked_up_upstream_decides(tmp_path: Path) -> None:
    class Page(Task):
        title: str

    class Read(TaskWorker):
        output_types = [Number]

        async def consume_work(self, task: Page) -> None:
            self.publish_work(Number(value=1))

    class Title(CachedTaskWorker):
        output_types = [Doubled]

        async def consume_work(self, task: Number) -> None:
            await asyncio.sleep(0)
            page = await self._page(task)
            self.publish_work(Doubled(value=len(page.title)))

        async def _page(self, task: Number) -> Page:
            await asyncio.sleep(0)
            page = task.find_input_task(Page)
            assert page is not None
            return page

    read, title = Read(), Title(cache_dir=tmp_path)
    graph = Graph(name="pages").add_workers(read, title)
    graph.set_dependency(read, title).sink(Doubled)
    found = [graph.run([(read, Page(title=text))]) for text in ("a", "bb", "a", "bb")]
    assert [numbers(result) for result in found] == [[1], [2], [1], [2]]
    assert [result.cache_hits for result in found] == [0, 0, 1, 1]


def test_an_old_answer_is_given_while_it_is_renewed_on_the_loop(tmp_path: Path) -> None:
    worker = Double(cache_dir=tmp_path, cache_ttl=0.01, stale_while_revalidate=60)
    graph_of(worker).run(tasks_for(worker, 1))
    assert worker.began.acquire(timeout=WAIT)
    threading.Event().wait(0.02)
    result = graph_of(worker).run(tasks_for(worker, 1))
    assert (result.cache_hits, result.total.stale) == (1, 1)
    assert worker.began.acquire(timeout=WAIT)


def test_by_hand_it_is_awaited_and_kept(tmp_path: Path) -> None:
    worker = Double(cache_dir=tmp_path)

    async def twice() -> None:
        await worker.consume_work(Number(value=5))
        await worker.consume_work(Number(value=5))

    asyncio.run(twice())
    assert worker.seen == [5]
    assert worker.is_cached(Number(value=5))
    assert run_inline(worker, Number(value=5)).cache_hits == 1


class ByHand(Double):
    """Looks up and stores by itself."""

    async def consume_work(self, task: Number) -> None:
        if cached := self.get_from_cache(task):
            self.publish_work(cached)
            return
        result = await self._made(task)
        self.save_to_cache(task, result)
        self.publish_work(result)

    async def _made(self, task: Number) -> Doubled:
        self.seen.append(task.value)
        await asyncio.sleep(0.01)
        return Doubled(value=2 * task.value)


def test_workers_that_ask_by_themselves_compute_once(tmp_path: Path) -> None:
    worker = ByHand(cache_dir=tmp_path)
    assert worker.looks_by_hand
    result = graph_of(worker).run(tasks_for(worker, *[1, 2, 3] * 20))
    assert sorted(worker.seen) == [1, 2, 3]
    assert sorted(numbers(result)) == [2] * 20 + [4] * 20 + [6] * 20
    assert (result.cache_hits, result.cache_misses) == (57, 3)
    again = graph_of(worker).run(tasks_for(worker, 1, 2, 3))
    assert (again.cache_hits, len(worker.seen)) == (3, 3)


# ---- one computation


def test_equal_tasks_in_flight_compute_once_and_hold_no_place_on_the_loop(tmp_path: Path) -> None:
    worker, other = Double(cache_dir=tmp_path), Double(cache_dir=tmp_path, cache_name="other")
    worker.release.clear()
    with running(graph_of(worker, other), tasks_for(worker, *[1] * 50) + tasks_for(other, 2), max_concurrency=2) as end:
        assert worker.began.acquire(timeout=WAIT)
        assert other.began.acquire(timeout=WAIT)  # the second place is free for it
        worker.release.set()
        result = end()
    assert (worker.seen, len(result.outputs), result.cache_hits, result.cache_misses) == ([1], 51, 49, 2)
    assert result.cache.waits == 49


class InThread(CachedTaskWorker):
    """Does what `Shared` does, in a thread."""

    output_types = [Doubled]
    cache_code = False
    cache_name = "shared"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.began = threading.Semaphore(0)
        self.release = threading.Event()
        self.seen: list[int] = []

    def get_cache_key(self, task: Number) -> str:
        return str(task.value)

    def consume_work(self, task: Number) -> None:
        self.seen.append(task.value)
        self.began.release()
        assert self.release.wait(WAIT)
        self.publish_work(Doubled(value=2 * task.value))


class Shared(Double):
    """Has the answers of `InThread`, on the loop."""

    cache_code = False
    cache_name = "shared"

    def get_cache_key(self, task: Number) -> str:
        return str(task.value)


@pytest.mark.parametrize("owner", ["thread", "loop"])
@pytest.mark.parametrize("runs", ["one run", "two runs"])
def test_workers_in_threads_and_on_the_loop_compute_once_between_them(tmp_path: Path, owner: str, runs: str) -> None:
    in_thread, on_loop = InThread(cache_dir=tmp_path), Shared(cache_dir=tmp_path)
    on_loop.release.clear()
    first: Any = in_thread if owner == "thread" else on_loop
    second: Any = on_loop if owner == "thread" else in_thread

    def first_then_second() -> Iterator[tuple[TaskWorker, Task]]:
        yield first, Number(value=1)
        assert first.began.acquire(timeout=WAIT)
        yield from tasks_for(second, *[1] * 10)
        yield from tasks_for(second, 2)

    if runs == "one run":
        with running(graph_of(first, second), first_then_second()) as end:  # type: ignore[arg-type]  # any iterable
            assert second.began.acquire(timeout=WAIT)  # by which time those before it wait
            in_thread.release.set()
            on_loop.release.set()
            results = [end()]
    else:
        with running(graph_of(first), tasks_for(first, 1)) as end_first:
            assert first.began.acquire(timeout=WAIT)
            with running(graph_of(second), tasks_for(second, *[1] * 10, 2)) as end_second:
                assert second.began.acquire(timeout=WAIT)
                in_thread.release.set()
                on_loop.release.set()
                results = [end_first(), end_second()]
    assert (first.seen, second.seen) == ([1], [2])
    assert sorted(number for result in results for number in numbers(result)) == [2] * 11 + [4]
    assert sum(result.cache_hits for result in results) == 10


def test_when_the_owner_fails_exactly_one_takes_over(tmp_path: Path) -> None:
    worker = Double(cache_dir=tmp_path)
    worker.failures = 1
    result = graph_of(worker).run(tasks_for(worker, *[1] * 10))
    assert (len(result.failures), len(result.outputs), worker.seen) == (1, 9, [1, 1])


def test_a_cancelled_owner_does_not_take_its_waiters_down(tmp_path: Path) -> None:
    owner, waiter = Double(cache_dir=tmp_path), Double(cache_dir=tmp_path)
    owner.release.clear()
    flights = open_flights(tmp_path)

    async def cancel_when_somebody_waits() -> None:
        running_owner = asyncio.ensure_future(graph_of(owner).arun(tasks_for(owner, 1)))
        assert await asyncio.to_thread(owner.began.acquire, timeout=WAIT)
        start.set()
        await until_somebody_waits(flights)
        running_owner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running_owner

    def when_started() -> Iterator[tuple[TaskWorker, Task]]:
        assert start.wait(WAIT)
        yield from tasks_for(waiter, 1)

    start = threading.Event()
    with running(graph_of(waiter), when_started()) as end:  # type: ignore[arg-type]  # any iterable
        asyncio.run(cancel_when_somebody_waits())
        owner.release.set()  # for the thread that waits for it
        assert numbers(end()) == [2]
    assert (owner.seen, waiter.seen) == ([1], [1])
    assert graph_of(waiter).run(tasks_for(waiter, 1)).cache_hits == 1


async def until_somebody_waits(flights: Flights) -> None:
    """Wait until somebody waits for what another computes."""
    async with asyncio.timeout(WAIT):
        while not any(flights._waiting.values()):  # noqa: ASYNC110 - of which nobody gives a sign
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("owner", ["run", "hand"])
def test_who_calls_by_hand_waits_without_blocking_the_loop(tmp_path: Path, owner: str) -> None:
    worker = Double(cache_dir=tmp_path)
    worker.release.clear()

    async def call() -> None:
        first = (
            asyncio.ensure_future(worker.consume_work(Number(value=1)))
            if owner == "hand"
            else asyncio.ensure_future(graph_of(worker).arun(tasks_for(worker, 1)))
        )
        assert await asyncio.to_thread(worker.began.acquire, timeout=WAIT)
        others = [asyncio.ensure_future(worker.consume_work(Number(value=1))) for _ in range(20)]
        await until_somebody_waits(open_flights(tmp_path))
        others.pop().cancel()
        worker.release.set()
        await asyncio.gather(first, *others)

    asyncio.run(call())
    assert worker.seen == [1]


def test_a_worker_within_a_worker_waits_for_nobody(tmp_path: Path) -> None:
    class Outer(Double):
        inner: Any = None

        async def consume_work(self, task: Number) -> None:
            async with asyncio.TaskGroup() as group:
                for value in (task.value, 0):
                    group.create_task(self.inner.consume_work(Number(value=value)))
            self.publish_work(Doubled(value=task.value))

        def get_cache_key(self, task: Number) -> str:
            return str(task.value)

    inner = Double(cache_dir=tmp_path)
    outer = Outer(cache_dir=tmp_path, inner=inner)
    with running(graph_of(inner, outer), tasks_for(outer, *range(20)) + tasks_for(inner, *range(20))) as end:
        assert len(end().outputs) == 40


# ---- the loop is never blocked


class Slow(MemoryStore):
    """A store each of whose operations takes until it is let go, as one may that waits for another process."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()
        self.threads: set[threading.Thread] = set()

    def get(self, *args: Any) -> Any:
        self._wait()
        return super().get(*args)

    def put(self, *args: Any) -> Any:
        self._wait()
        return super().put(*args)

    def generation(self, *args: Any) -> Any:
        self._wait()
        return super().generation(*args)

    def _wait(self) -> None:
        self.threads.add(threading.current_thread())
        self.entered.release()
        assert self.release.wait(WAIT)


def test_a_store_that_waits_does_not_hold_up_the_loop() -> None:
    store = Slow()
    worker = Double(cache_store=store)
    with running(graph_of(worker), tasks_for(worker, 1, 2)) as end:
        assert store.entered.acquire(timeout=WAIT)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.001), shared_loop().loop).result(WAIT)  # comes round
        store.release.set()
        assert numbers(end()) == [2, 4]
    assert shared_loop() not in store.threads
    assert graph_of(worker).run(tasks_for(worker, 1, 2)).cache_hits == 2


def test_what_was_computed_is_stored_though_its_run_is_cancelled_meanwhile() -> None:
    class SlowToPut(Slow):
        def get(self, *args: Any) -> Any:
            return MemoryStore.get(self, *args)

        def generation(self, *args: Any) -> Any:
            return MemoryStore.generation(self, *args)

    store = SlowToPut()
    worker = Double(cache_store=store)

    async def cancel_while_it_stores() -> None:
        run = asyncio.ensure_future(graph_of(worker).arun(tasks_for(worker, 1)))
        assert await asyncio.to_thread(store.entered.acquire, timeout=WAIT)
        run.cancel()
        await asyncio.sleep(0.02)
        store.release.set()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(cancel_while_it_stores())
    assert graph_of(worker).run(tasks_for(worker, 1)).cache_hits == 1
    assert worker.seen == [1]


# ---- processes

PROGRAM = """
import asyncio, os, sys
from planai import CachedTaskWorker, Graph, Task

class Number(Task):
    value: int

class Work(CachedTaskWorker):
    output_types = [Number]

    async def consume_work(self, task: Number) -> None:
        with open("computed", "a") as file:
            file.write(f"{task.value} ")
        sys.stdout.write("computing\\n")
        sys.stdout.flush()
        if os.path.exists("hold"):
            await asyncio.to_thread(sys.stdin.read)
        await asyncio.sleep(0.005)
        self.publish_work(Number(value=task.value * 2))

work, graph = Work(cache_dir="cache"), Graph(name="flight")
graph.add_workers(work).set_sink(work, Number)

async def main():
    ticks = 0
    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)
    ticking = asyncio.create_task(tick())
    result = await graph.arun([(work, Number(value=value)) for value in range(int(sys.argv[2]))])
    ticking.cancel()
    print(len(result.outputs), result.cache_misses, flush=True)

if sys.argv[1] == "hold":  # what calls read of the command line is in their keys
    open("hold", "w").close()
elif os.path.exists("hold"):
    os.remove("hold")
asyncio.run(main())
"""


@contextlib.contextmanager
def program(folder: Path, mode: str, count: int) -> Iterator[subprocess.Popen[str]]:
    file = folder / "program.py"
    if not file.exists():
        file.write_text(textwrap.dedent(PROGRAM))
    pipe = subprocess.PIPE
    command = [sys.executable, "program.py", mode, str(count)]
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_processes_compute_each_item_once(tmp_path: Path) -> None:
    with program(tmp_path, "go", 40) as one, program(tmp_path, "go", 40) as other:
        said = [process.communicate(timeout=WAIT)[0].splitlines()[-1] for process in (one, other)]
    assert [words.split()[0] for words in said] == ["40"] * 2
    assert sum(int(words.split()[1]) for words in said) == 40
    assert sorted((tmp_path / "computed").read_text().split(), key=int) == [str(value) for value in range(40)]


@pytest.mark.parametrize("owner_is", ["ended", "killed"])
def test_a_process_waits_for_another_and_takes_over_when_it_is_killed(tmp_path: Path, owner_is: str) -> None:
    with program(tmp_path, "hold", 1) as owner:
        assert line(owner) == "computing"
        with program(tmp_path, "go", 1) as waiter:
            assert owner.stdin is not None
            owner.kill() if owner_is == "killed" else owner.stdin.close()
            if owner_is == "killed":
                assert line(waiter) == "computing"
            assert line(waiter) == f"1 {int(owner_is == 'killed')}"


# ---- code that is awaited

HELPERS = """
import asyncio

async def deeper(value):
    await asyncio.sleep(0)
    return value{change}

async def helper(value):
    return await deeper(value)

async def several(value):
    async with asyncio.Lock():
        async for number in numbers(value):
            yield_from = [part async for part in numbers(number)]
    return max(yield_from) + await helper(value)

async def numbers(value):
    yield value{change_of_generator}
"""
WORKER = """
from planai import CachedTaskWorker, Task
from {helpers} import several

class Number(Task):
    value: int

class Work(CachedTaskWorker):
    output_types = [Number]

    async def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=await self._made(task)))

    async def _made(self, task):
        return await several(task.value){change_of_method}
"""


def load(folder: Path, name: str, text: str) -> ModuleType:
    file = folder / f"{name}.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


@pytest.mark.parametrize("what", ["change", "change_of_generator", "change_of_method"])
def test_an_edit_of_what_is_awaited_is_a_miss_and_undone_a_hit(
    tmp_path: Path, what: str, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(lambda: [sys.modules.pop(name, None) for name in ("awaited_code", "awaiting_code")])

    def computed(text: str) -> tuple[int, int]:
        changes = dict.fromkeys(("change", "change_of_generator", "change_of_method"), "") | {what: text}
        load(tmp_path, "awaited_code", HELPERS.format(**changes))
        module = load(tmp_path, "awaiting_code", WORKER.format(helpers="awaited_code", **changes))
        result = run_inline(module.Work(cache_dir=tmp_path / "cache"), module.Number(value=1))
        return result.cache_misses, result.outputs[0].value  # type: ignore[attr-defined]

    before, changed, undone, alike = computed(""), computed(" + 10"), computed(""), computed("  # the same")
    assert [misses for misses, _ in (before, changed, undone, alike)] == [1, 1, 0, 0]
    assert changed[1] > before[1] == undone[1] == alike[1]
