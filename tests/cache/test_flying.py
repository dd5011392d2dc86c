"""Computing once, also where a worker asks its cache itself, and where a test replays from fixtures."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import pytest

from planai import CachedTaskWorker, Graph, Task, TaskWorker
from planai.cache.cache import CacheWarning
from planai.cache.canonical import CacheIgnore
from planai.cache.flight import LOCK_FILE, Callback, Flights
from planai.cache.leavings import Reference
from planai.cache.opening import overriding
from planai.call import CacheMode
from planai.errors import PublishedOutside
from planai.run.result import RunResult
from planai.testing import run_inline
from planai.testing.fixtures import FixtureStore
from waiting import wait_until


class Number(Task):
    value: int


class Word(Task):
    text: str


class ByHand(CachedTaskWorker):
    """Looks up and stores by itself, as PlanAI's users do."""

    output_types = [Word]

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.computed = 0
        self.all_have_asked = threading.Event()

    def consume_work(self, task: Number) -> None:
        if cached := self.get_from_cache(task):
            self.publish_work(cached)
            return
        with self.lock:
            self.computed += 1
        self.all_have_asked.wait(0.05)
        result = Word(text=str(task.value))
        self.save_to_cache(task, result)
        self.publish_work(result)


def graph_of(worker: CachedTaskWorker) -> Graph:
    graph = Graph(name="flying")
    graph.add_workers(worker).set_sink(worker, Word)
    return graph


def test_workers_that_ask_by_themselves_compute_once_what_is_asked_several_times_at_once(tmp_path: Path) -> None:
    worker = ByHand(cache_dir=tmp_path)
    result = graph_of(worker).run([(worker, Number(value=number % 3)) for number in range(60)])
    assert (worker.computed, len(result.outputs)) == (3, 60)
    assert (result.cache.hits, result.cache.misses) == (57, 3)
    assert dict(result.cache.reasons) == {"nothing is stored by this worker yet": 3}
    assert result.cache.spent.seconds >= 0.15


class Alone(ByHand):
    """Asks by itself for what it may not cache."""

    def consume_work(self, task: Number) -> None:
        with self.lock:
            self.computed += 1
        if self.is_cached(task) and (cached := self.get_from_cache(task)):
            self.publish_work(cached)
            return
        self.publish_work(Word(text=str(task.value)))


def test_a_worker_that_stores_nothing_computes_each_time_and_waits_for_nobody_for_ever(tmp_path: Path) -> None:
    worker = Alone(cache_dir=tmp_path)
    result = graph_of(worker).run([(worker, Number(value=1)) for _ in range(20)])
    assert (worker.computed, len(result.outputs)) == (20, 20)


@pytest.mark.parametrize("mode", ["refresh", "replay"])
def test_fixtures_leave_nothing_in_the_workers_own_folder(tmp_path: Path, mode: str) -> None:
    class Show(CachedTaskWorker):
        output_types = [Word]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Word(text=str(task.value)))

    store = FixtureStore(tmp_path / "fixtures")
    with overriding(store, "refresh"):
        run_inline(Show(cache_dir=tmp_path / "cache"), Number(value=1))
    with overriding(store, mode):  # type: ignore[arg-type]  # a mode
        assert run_inline(Show(cache_dir=tmp_path / "cache"), Number(value=1)).ok
    assert not (tmp_path / "cache" / LOCK_FILE).exists()
    assert not (tmp_path / "cache").exists()


class Crossing(CachedTaskWorker):
    """Asks, while it computes one answer, for the other, by a run of its own; once each."""

    output_types = [Word]

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.started = {1: threading.Event(), 2: threading.Event()}

    def other(self, task: Number) -> Number | None:
        """Return what else to ask for, when both answers are being computed."""
        other, own = self.started[3 - task.value], self.started[task.value]
        if own.is_set():
            return None
        own.set()
        assert other.wait(10)
        return Number(value=3 - task.value)

    def consume_work(self, task: Number) -> None:
        if other := self.other(task):
            graph_of(self).run([(self, other), (self, other)], raise_on_failure=True)
        self.publish_work(Word(text=str(task.value)))


class CrossingOnTheLoop(Crossing):
    async def consume_work(self, task: Number) -> None:  # type: ignore[override]
        if other := await asyncio.to_thread(self.other, task):
            await graph_of(self).arun([(self, other), (self, other)], raise_on_failure=True)
        self.publish_work(Word(text=str(task.value)))


@pytest.mark.parametrize("kind", [Crossing, CrossingOnTheLoop])
def test_calls_that_ask_for_each_others_answers_wait_for_nobody_for_ever(tmp_path: Path, kind: type[Crossing]) -> None:
    worker, results = kind(cache_dir=tmp_path), list[RunResult]()

    def go() -> None:
        results.append(graph_of(worker).run([(worker, Number(value=value)) for value in (1, 2, 1, 2)]))

    running = threading.Thread(target=go, daemon=True)
    running.start()
    running.join(20)
    (result,) = results
    assert result.outputs == [Word(text=text) for text in "1212"]
    assert (result.cache.hits, result.cache.misses) == (2, 2)


# ---- where nothing is stored


class Listed(Task):
    values: list[int]


class Waiting:
    """Counts who waits for somebody who computes the same; each of `others` is to be waited for once."""

    def __init__(self, others: int) -> None:
        self.others = others
        self.seen = 0

    def for_all(self) -> None:
        wait_until(lambda: self.seen >= self.others)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    waiting, when_over, lock = Waiting(3), Flights.when_over, threading.Lock()

    def seen(flights: Flights, name: str, callback: Callback, waiter: Reference | None = None) -> None:
        when_over(flights, name, callback, waiter)
        with lock:
            waiting.seen += 1

    monkeypatch.setattr(Flights, "when_over", seen)
    return waiting


class Together(CachedTaskWorker):
    """Computes while all others who ask for the same already wait."""

    output_types = [Listed]
    waiting: Annotated[Waiting, CacheIgnore()]

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.computed: list[int] = []

    def consume_work(self, task: Number) -> None:
        self.computed.append(task.value)
        self.waiting.for_all()
        self.publish_work(Listed(values=[task.value]))


class TogetherOnTheLoop(Together):
    async def consume_work(self, task: Number) -> None:  # type: ignore[override]
        self.computed.append(task.value)
        await asyncio.to_thread(self.waiting.for_all)
        self.publish_work(Listed(values=[task.value]))


def run_four(worker: CachedTaskWorker, *values: int, **options: Any) -> RunResult:
    graph = Graph(name="four")
    graph.add_workers(worker).set_sink(worker, Listed)
    tasks = [(worker, Number(value=value)) for value in values for _ in range(4)]
    return graph.run(tasks, display_terminal=False, **options)


UNKEPT: dict[str, dict[str, Any]] = {
    "read_only": {"cache_mode": "read_only"},
    "no time to live": {"cache_ttl": 0},
    "a file for a folder": {"cache_dir": __file__},
    "to be refreshed, a file for a folder": {"cache_dir": __file__, "cache_mode": "refresh"},
}


@pytest.mark.filterwarnings("ignore::planai.cache.cache.CacheWarning")
@pytest.mark.parametrize("kind", [Together, TogetherOnTheLoop])
@pytest.mark.parametrize("settings", UNKEPT.values(), ids=UNKEPT)
def test_where_nothing_is_stored_equal_calls_in_flight_compute_once(
    tmp_path: Path, waiting: Waiting, kind: type[Together], settings: dict[str, Any]
) -> None:
    waiting.others = 6
    worker = kind(**{"cache_dir": tmp_path, "waiting": waiting, **settings})
    result = run_four(worker, 1, 2)
    assert (sorted(worker.computed), result.failures) == ([1, 2], [])
    assert result.outputs == [Listed(values=[value]) for value in (1, 1, 1, 1, 2, 2, 2, 2)]
    assert len({id(output.values) for output in result.outputs if isinstance(output, Listed)}) == 8
    assert (result.cache.hits, result.cache.misses, result.cache.waits) == (6, 2, 6)
    stats = worker.cache_stats
    assert (stats.hits, stats.misses, stats.waits) == (6, 2, 6)
    waiting.seen, waiting.others = 0, 3
    run_four(worker, 1)
    assert sorted(worker.computed) == [1, 1, 2]  # for whoever comes later nothing is left


def test_calls_by_hand_get_what_the_one_they_wait_for_leaves(tmp_path: Path, waiting: Waiting) -> None:
    worker = Together(cache_dir=tmp_path, cache_ttl=0, waiting=waiting)
    calls = [threading.Thread(target=worker.consume_work, args=[Number(value=1)]) for _ in range(4)]
    for call in calls:
        call.start()
    for call in calls:
        call.join(20)
    stats = worker.cache_stats
    assert (worker.computed, stats.hits, stats.misses, stats.waits) == ([1], 3, 1, 3)


class Page(Task):
    url: str


class Fetch(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Page) -> None:
        self.publish_work(Number(value=1))


class Cite(Together):
    """Reads of what its input was made."""

    def consume_work(self, task: Number) -> None:
        page = task.find_input_task(Page)
        assert page is not None
        self.computed.append(len(page.url))
        self.waiting.for_all()
        self.publish_work(Listed(values=[len(page.url)]))


def test_nobody_gets_what_was_read_in_the_provenance_of_another(tmp_path: Path, waiting: Waiting) -> None:
    fetch, cite = Fetch(), Cite(cache_dir=tmp_path, cache_mode="read_only", waiting=waiting)
    graph = Graph(name="pages").add_workers(fetch, cite)
    graph.set_dependency(fetch, cite).sink(Listed)
    result = graph.run([(fetch, Page(url=url)) for url in ("a", "bb", "a", "bb")], display_terminal=False)
    assert result.outputs == [Listed(values=[length]) for length in (1, 2, 1, 2)]
    assert sorted(set(cite.computed)) == [1, 2]


class Cleared(Together):
    def consume_work(self, task: Number) -> None:
        super().consume_work(task)
        if len(self.computed) == 1:
            self.clear_cache()


def test_what_was_being_computed_when_the_cache_was_cleared_is_left_to_nobody(tmp_path: Path, waiting: Waiting) -> None:
    worker = Cleared(cache_dir=tmp_path, waiting=waiting)
    result = run_four(worker, 1)
    assert (worker.computed, result.cache.hits, result.cache.misses) == ([1, 1], 2, 2)


class Choosy(Together):
    def save_to_cache(self, task_or_key: Any, value: Any) -> None:
        """Keep nothing."""


def test_what_an_override_did_not_keep_is_left_to_nobody(tmp_path: Path, waiting: Waiting) -> None:
    worker = Choosy(cache_dir=tmp_path, waiting=waiting)
    result = run_four(worker, 1)
    assert (worker.computed, result.cache.hits) == ([1] * 4, 0)


class AtOnce(Together):
    """Computes what cannot be handed on, and, but for the first, only when all others do so, too."""

    barrier: Annotated[threading.Barrier, CacheIgnore()]

    def consume_work(self, task: Number) -> None:
        if self.computed:
            self.barrier.wait(20)
        task.add_private_state("key", object())
        super().consume_work(task)


@pytest.mark.filterwarnings("ignore::planai.cache.cache.CacheWarning")
def test_what_cannot_be_handed_on_is_computed_by_all_the_others_at_once(tmp_path: Path, waiting: Waiting) -> None:
    worker = AtOnce(cache_dir=tmp_path, waiting=waiting, barrier=threading.Barrier(3))
    result = run_four(worker, 1)
    assert (result.outputs, result.failures) == ([Listed(values=[1])] * 4, [])
    assert (result.cache.hits, result.cache.misses) == (0, 4)


class Down(CachedTaskWorker):
    """Counts down, by a run of its own for each step."""

    output_types = [Word]

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.computed: list[int] = []

    def consume_work(self, task: Number) -> None:
        self.computed.append(task.value)
        if task.value:
            graph_of(self).run([(self, Number(value=task.value - 1)) for _ in range(5)], raise_on_failure=True)
        self.publish_work(Word(text=str(task.value)))


def test_calls_that_are_as_deep_inside_of_others_compute_once(tmp_path: Path) -> None:
    worker = Down(cache_dir=tmp_path)
    graph_of(worker).run([(worker, Number(value=3)) for _ in range(5)], raise_on_failure=True)
    assert worker.computed == [3, 2, 1, 0]


class Gate:
    """Counts the calls that have come, by what they ask, and holds up whoever computes until all of them have."""

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._came: Counter[int] = Counter()
        self._changed = threading.Condition()

    def come(self, value: int) -> None:
        with self._changed:
            self._came[value] += 1
            self._changed.notify_all()

    def wait(self, value: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._came[value] >= self._calls, timeout=30)


class Slow(CachedTaskWorker):
    output_types = [Word]
    gate: Annotated[Gate, CacheIgnore()]

    def pre_consume_work(self, task: Number) -> None:
        self.gate.come(task.value)

    def consume_work(self, task: Number) -> None:
        self.gate.wait(task.value)
        self.publish_work(Word(text=str(task.value)))


class SlowOnTheLoop(CachedTaskWorker):
    output_types = [Word]
    gate: Annotated[Gate, CacheIgnore()]

    def pre_consume_work(self, task: Number) -> None:
        self.gate.come(task.value)

    async def consume_work(self, task: Number) -> None:
        await asyncio.to_thread(self.gate.wait, task.value)
        self.publish_work(Word(text=str(task.value)))


@pytest.mark.parametrize("mode", ["read_write", "refresh"])
@pytest.mark.parametrize("kind", [Slow, SlowOnTheLoop, ByHand])
def test_the_figures_of_a_worker_count_each_call_once(
    tmp_path: Path, kind: type[CachedTaskWorker], mode: CacheMode
) -> None:
    gate: dict[str, Any] = {} if kind is ByHand else {"gate": Gate(10)}
    worker = kind(cache_dir=tmp_path, **gate)
    result = graph_of(worker).run([(worker, Number(value=number % 3)) for number in range(30)], cache_mode=mode)
    stats = worker.cache_stats
    assert (stats.hits, stats.misses, stats.waits) == (27, 3, result.cache.waits)
    assert (result.cache.hits, result.cache.misses) == (27, 3)
    assert stats.waits > 0
    assert dict(stats.reasons) == dict(result.cache.reasons)
    assert stats.hit_rate == 0.9


def test_calls_by_hand_that_wait_count_once(tmp_path: Path) -> None:
    worker = Slow(cache_dir=tmp_path, gate=Gate(5))
    calls = [threading.Thread(target=worker.consume_work, args=[Number(value=1)]) for _ in range(5)]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    stats = worker.cache_stats
    assert (stats.hits, stats.misses, dict(stats.reasons)) == (4, 1, {"nothing is stored by this worker yet": 1})


# ---- after a miss, a call looks once only: when it is its turn to compute


class Plus(CachedTaskWorker):
    """Computes what is under its gate; nothing of what it does is by hand."""

    output_types = [Word]

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.computed: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def consume_work(self, task: Number) -> None:
        assert self.gate.wait(30)
        self.computed.append(task.value)
        self.publish_work(Word(text=str(task.value + 1)))

    def get_cache_key(self, task: Number) -> str:
        return str(task.value)


def run(worker: CachedTaskWorker, *numbers: int, executor: Any = "inline") -> RunResult:
    return graph_of(worker).run(
        [(worker, Number(value=number)) for number in numbers], executor=executor, display_terminal=False
    )


def test_what_is_there_after_a_miss_is_a_hit_that_waited_for_nobody(tmp_path: Path) -> None:
    run(Plus(cache_dir=tmp_path), 2, 4)
    worker = Plus(cache_dir=tmp_path)
    result = run(worker, 1, 2, 3, 4, 5)
    assert worker.computed == [1, 3, 5]
    assert [output.model_dump() for output in result.outputs] == [{"text": str(number + 1)} for number in range(1, 6)]
    assert (result.cache.hits, result.cache.misses, result.cache.waits) == (2, 3, 0)
    assert (worker.cache_stats.hits, worker.cache_stats.misses, worker.cache_stats.waits) == (2, 3, 0)
    assert sum(result.cache.reasons.values()) == sum(worker.cache_stats.reasons.values()) == 3


def test_what_expired_says_so_after_a_miss_too(tmp_path: Path) -> None:
    run(Plus(cache_dir=tmp_path), 2)
    worker = Plus(cache_dir=tmp_path, cache_ttl=1e-9)
    result = run(worker, 1, 2)
    assert worker.computed == [1, 2]
    assert result.cache.reasons["expired"] == 1
    assert sum(result.cache.reasons.values()) == result.cache.misses == 2


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_many_equal_calls_after_a_miss_compute_once(tmp_path: Path, executor: Any) -> None:
    worker = Plus(cache_dir=tmp_path)
    assert run(worker, 0).cache.misses == 1
    result = run(worker, *[1, 2] * 50, executor=executor)
    assert sorted(worker.computed) == [0, 1, 2]
    assert (len(result.outputs), result.cache.hits, result.cache.misses) == (100, 98, 2)


def test_a_damaged_answer_after_a_miss_is_set_aside_and_computed_once(tmp_path: Path) -> None:
    run(Plus(cache_dir=tmp_path), 2)
    worker = Plus(cache_dir=tmp_path)
    cache = worker.get_cache()
    record = cache.store.get(cache.space, "2")
    assert record is not None
    cache.store.put(cache.space, "2", record._replace(payload=record.payload[:-1] + b"x"))
    result = run(worker, 1, 2)
    assert worker.computed == [1, 2]
    assert (result.cache.misses, worker.cache_stats.quarantined) == (2, 1)
    assert run(Plus(cache_dir=tmp_path), 2).cache.hits == 1


@pytest.mark.parametrize(("mode", "hits"), [("refresh", 0), ("read_only", 1), ("replay", 1), ("off", 0)])
def test_other_modes_look_as_ever(tmp_path: Path, mode: CacheMode, hits: int) -> None:
    worker = Plus(cache_dir=tmp_path)
    run(worker, 1)  # a miss
    worker.cache_mode = mode
    result = run(worker, 1)
    assert (len(result.outputs), result.cache.hits, len(worker.computed)) == (1, hits, 2 - hits)


def test_what_a_thread_could_not_publish_is_missing_once_and_not_for_ever(tmp_path: Path) -> None:
    class Helped(Plus):
        """Publishes once by itself, and once from a thread that does not say what it consumes."""

        def consume_work(self, task: Number) -> None:
            self.computed.append(task.value)
            self.publish_work(Word(text="mine"))
            thread = threading.Thread(target=self.try_to_publish)
            thread.start()
            thread.join()

        def try_to_publish(self) -> None:
            with pytest.raises(PublishedOutside):
                self.publish_work(Word(text="the thread's"))

    worker = Helped(cache_dir=tmp_path)
    with pytest.warns(CacheWarning, match="from a thread that does not say for which call"):
        run(worker, 1)
    with pytest.warns(CacheWarning, match="not cached"):
        assert run(worker, 1).cache.hits == 0
    assert worker.computed == [1, 1]
