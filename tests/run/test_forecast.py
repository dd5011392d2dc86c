"""What a run would find in its caches: the same as the run finds, without computing or storing anything."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planai import CachedTaskWorker, Graph, InitialTaskWorker, JoinedTaskWorker, RunResult, Task, TaskWorker
from planai.cache.entries import EXPIRED
from planai.cache.reasons import FIRST, NEW_INPUT, REFRESH
from planai.call import CacheMode
from planai.errors import ConfigurationError, UnkeyableValue, WiringError
from planai.run.forecast import Forecast, WorkerForecast
from planai.testing import run_inline


class Number(Task):
    value: int


class Word(Task):
    text: str


class Page(Task):
    url: str


COMPUTED: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_computed() -> None:
    COMPUTED.clear()


class Counting(CachedTaskWorker):
    output_types = [Number]
    factor: int = 2

    def consume_work(self, task: Number) -> None:
        COMPUTED.append(self.name)
        self.publish_work(Number(value=task.value * self.factor))


class First(Counting):
    pass


class Second(Counting):
    pass


class Spell(CachedTaskWorker):
    output_types = [Word]

    def consume_work(self, task: Number) -> None:
        COMPUTED.append(self.name)
        self.publish_work(Word(text=str(task.value)))


class Uncached(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        COMPUTED.append(self.name)
        self.publish_work(task)


class Sum(JoinedTaskWorker):
    output_types = [Word]
    join_type = InitialTaskWorker

    def consume_work_joined(self, tasks: list[Number]) -> None:
        COMPUTED.append(self.name)
        self.publish_work(Word(text=str(sum(task.value for task in tasks))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def chain(*workers: TaskWorker) -> Graph:
    graph = Graph(name="chain").add_workers(*workers)
    for up, down in itertools.pairwise(workers):
        graph.set_dependency(up, down)
    graph.set_sink(workers[-1], workers[-1].output_types[0])
    return graph


def numbers(worker: TaskWorker, *values: int) -> list[tuple[TaskWorker, Task]]:
    return [(worker, Number(value=value)) for value in values]


def run(graph: Graph, initial: list[tuple[TaskWorker, Task]], **options: Any) -> RunResult:
    return graph.run(initial, executor="inline", display_terminal=False, **options)


def figures(found: Forecast) -> dict[str, tuple[int, int, int, int]]:
    return {key: (row.hits, row.misses, row.repeats, row.unknown) for key, row in found.workers.items()}


def dump(folder: Path) -> list[tuple[Any, ...]]:
    """Return all that is in the store, without when and how often it was used."""
    with contextlib.closing(sqlite3.connect(folder / "planai.sqlite3")) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = []
        for table in sorted(tables):
            names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            kept = ", ".join(name for name in names if name not in ("used", "hits", "uses"))
            rows += [(table, *row) for row in database.execute(f"SELECT {kept} FROM {table} ORDER BY rowid")]
        return rows


# ---- figures


def test_of_a_cold_cache_all_is_computed_and_what_lies_behind_is_not_known(folder: Path) -> None:
    first, second = First(cache_dir=folder), Second(cache_dir=folder)
    found = chain(first, second).plan(numbers(first, 1, 2))
    assert figures(found) == {"First": (0, 2, 0, 0)}
    assert found.workers["First"].reasons == {FIRST: 2}
    assert found.workers["First"].expected is None
    assert COMPUTED == []


def test_of_a_warm_cache_all_is_a_hit_down_to_the_end(folder: Path) -> None:
    first, second = First(cache_dir=folder), Second(cache_dir=folder)
    graph = chain(first, second)
    run(graph, numbers(first, 1, 2))
    COMPUTED.clear()
    found = graph.plan(numbers(first, 1, 2))
    assert figures(found) == {"First": (2, 0, 0, 0), "Second": (2, 0, 0, 0)}
    assert found.workers["First"].saved == run(graph, numbers(first, 1, 2)).workers["First"].saved
    assert (found.hits, found.misses, found.unknown, found.expected.seconds) == (4, 0, 0, 0.0)
    assert COMPUTED == []


def test_what_is_asked_again_in_the_same_run_is_a_repeat(folder: Path) -> None:
    first = First(cache_dir=folder)
    graph = chain(first)
    assert figures(graph.plan(numbers(first, 1, 1, 2, 1))) == {"First": (0, 2, 2, 0)}
    assert run(graph, numbers(first, 1, 1, 2, 1)).cache_misses == 2


def test_misses_are_told_by_reason_and_cost_what_the_others_did(folder: Path) -> None:
    first = First(cache_dir=folder)
    graph = chain(first)
    run(graph, numbers(first, 1, 2))
    spent = first.cache_stats.spent
    found = graph.plan(numbers(first, 1, 3, 4, 5))
    row = found.workers["First"]
    assert (row.hits, row.reasons) == (1, {NEW_INPUT: 3})
    assert row.expected is not None
    assert row.expected.seconds == pytest.approx(spent.seconds / 2 * 3)
    assert found.expected == row.expected


def test_a_setting_that_changed_is_named(folder: Path) -> None:
    run_inline(First(cache_dir=folder), Number(value=1))
    first = First(cache_dir=folder, factor=5)
    found = chain(first).plan(numbers(first, 1, 2))
    assert found.workers["First"].reasons == {"setting factor changed from 2 to 5": 1, NEW_INPUT: 1}


def test_of_workers_without_a_cache_nothing_is_known(folder: Path) -> None:
    plain, first = Uncached(), First(cache_dir=folder)
    graph = chain(plain, first)
    run(graph, numbers(plain, 1))
    assert figures(graph.plan(numbers(plain, 1, 2))) == {"Uncached": (0, 0, 0, 2)}


def test_of_a_join_nothing_is_known(folder: Path) -> None:
    first, join = First(cache_dir=folder), Sum()
    graph = chain(first, join)
    run(graph, numbers(first, 1, 2))
    COMPUTED.clear()
    assert figures(graph.plan(numbers(first, 1, 2))) == {"First": (2, 0, 0, 0), "Sum": (0, 0, 0, 2)}
    assert COMPUTED == []


def test_each_of_two_consumers_is_asked(folder: Path) -> None:
    class Both(Counting):
        output_types = [Number, Page]

        def consume_work(self, task: Number) -> None:
            self.publish_work(task)
            self.publish_work(Page(url=str(task.value)))

    both, spell, reduce = Both(cache_dir=folder), Spell(cache_dir=folder), Reduce(cache_dir=folder)
    graph = Graph(name="two").add_workers(both, spell, reduce)
    for down in (spell, reduce):
        graph.set_dependency(both, down)
        graph.set_sink(down, down.output_types[0])
    run(graph, numbers(both, 1))
    spell.clear_cache()
    found = graph.plan(numbers(both, 1, 2))
    assert figures(found) == {"Both": (1, 1, 0, 0), "Spell": (0, 1, 0, 0), "Reduce": (1, 0, 0, 0)}


def test_what_was_published_to_one_of_two_consumers_goes_there_only(folder: Path) -> None:
    second, spell = Second(cache_dir=folder), Spell(cache_dir=folder)

    class Send(Counting):
        def consume_work(self, task: Number) -> None:
            self.publish_work(task, consumer=spell)

    send = Send(cache_dir=folder)
    graph = Graph(name="two").add_workers(send, second, spell)
    for down in (second, spell):
        graph.set_dependency(send, down)
        graph.set_sink(down, down.output_types[0])
    run(graph, numbers(send, 1))
    assert figures(graph.plan(numbers(send, 1))) == {"Send": (1, 0, 0, 0), "Spell": (1, 0, 0, 0)}


def test_several_outputs_and_none_are_followed(folder: Path) -> None:
    class Divide(Counting):
        def consume_work(self, task: Number) -> None:
            for value in range(task.value):
                self.publish_work(Number(value=value))

    divide, spell = Divide(cache_dir=folder), Spell(cache_dir=folder)
    graph = chain(divide, spell)
    run(graph, numbers(divide, 0, 3))
    assert figures(graph.plan(numbers(divide, 0, 3))) == {"Divide": (2, 0, 0, 0), "Spell": (3, 0, 0, 0)}


def test_what_was_not_to_be_cached_is_unknown(folder: Path) -> None:
    class Picky(Counting):
        def should_cache(self, task: Any) -> bool:
            return bool(task.value > 1)

    picky = Picky(cache_dir=folder)
    assert figures(chain(picky).plan(numbers(picky, 1, 2))) == {"Picky": (0, 1, 0, 1)}


def test_a_worker_that_looks_by_hand_is_unknown(folder: Path) -> None:
    class ByHand(Counting):
        def consume_work(self, task: Number) -> None:
            if (cached := self.get_from_cache(task)) is None:
                cached = task
                self.save_to_cache(task, cached)
            self.publish_work(cached)

    by_hand = ByHand(cache_dir=folder)
    run(chain(by_hand), numbers(by_hand, 1))
    assert figures(Graph(name="again").add_workers(by_hand).plan(numbers(by_hand, 1))) == {"ByHand": (0, 0, 0, 1)}


MODES: list[tuple[CacheMode, tuple[int, int, int, int], dict[str, int]]] = [
    ("read_write", (1, 1, 0, 0), {NEW_INPUT: 1}),
    ("read_only", (1, 1, 0, 0), {NEW_INPUT: 1}),
    ("replay", (1, 1, 0, 0), {NEW_INPUT: 1}),
    ("refresh", (0, 2, 0, 0), {REFRESH: 2}),
    ("off", (0, 0, 0, 2), {}),
]


@pytest.mark.parametrize(("mode", "expected", "reasons"), MODES, ids=[mode for mode, _, _ in MODES])
@pytest.mark.parametrize("way", ["plan", "worker", "environment"])
def test_the_mode_counts_however_it_is_chosen(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: CacheMode,
    expected: tuple[int, ...],
    reasons: dict[str, int],
    way: str,
) -> None:
    run_inline(First(cache_dir=folder), Number(value=1))
    first = First(cache_dir=folder, cache_mode=mode if way == "worker" else None)
    if way == "environment":
        monkeypatch.setenv("PLANAI_CACHE_MODE", mode)
    found = chain(first).plan(numbers(first, 1, 2), cache_mode=mode if way == "plan" else None)
    assert figures(found) == {"First": expected}
    assert found.workers["First"].reasons == reasons


def test_what_has_expired_is_told(folder: Path) -> None:
    first = First(cache_dir=folder, cache_ttl=3600)
    run_inline(first, Number(value=1))
    with contextlib.closing(sqlite3.connect(folder / "planai.sqlite3")) as database, database:
        database.execute("UPDATE entries SET expires = 1.0 WHERE expires IS NOT NULL")
    assert chain(first).plan(numbers(first, 1)).workers["First"].reasons == {EXPIRED: 1}


# ---- provenance


class Reduce(CachedTaskWorker):
    output_types = [Number]

    def consume_work(self, task: Page) -> None:
        self.publish_work(Number(value=1))


class Label(CachedTaskWorker):
    output_types = [Word]

    def consume_work(self, task: Number) -> None:
        page = task.find_input_task(Page)
        self.publish_work(Word(text=page.url if page else ""))


def test_what_is_looked_up_in_the_provenance_decides_as_in_a_run(folder: Path) -> None:
    reduce, label = Reduce(cache_dir=folder), Label(cache_dir=folder)
    graph = chain(reduce, label)
    run(graph, [(reduce, Page(url="a")), (reduce, Page(url="b"))])
    label.clear_cache()
    run(graph, [(reduce, Page(url="a"))])
    pages: list[tuple[TaskWorker, Task]] = [(reduce, Page(url=url)) for url in "aba"]
    assert figures(graph.plan(pages)) == {"Reduce": (3, 0, 0, 0), "Label": (2, 1, 0, 0)}
    assert run(graph, pages).workers["Label"].misses == 1


def test_calls_that_look_up_different_pages_are_no_repeats(folder: Path) -> None:
    reduce, label = Reduce(cache_dir=folder), Label(cache_dir=folder)
    graph = chain(reduce, label)
    run(graph, [(reduce, Page(url=url)) for url in "abc"])
    label.clear_cache()
    run(graph, [(reduce, Page(url="c"))])
    pages: list[tuple[TaskWorker, Task]] = [(reduce, Page(url=url)) for url in "ab"]
    found = figures(graph.plan(pages))
    assert run(graph, pages).workers["Label"].misses == 2
    assert found == {"Reduce": (2, 0, 0, 0), "Label": (0, 2, 0, 0)}


def test_private_state_that_a_worker_takes_out_is_not_seen_further_down(folder: Path) -> None:
    class Take(Counting):
        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.get_private_state("more") or 0))

    class Look(Counting):
        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.get_private_state("more") or -1))

    take, look = Take(cache_dir=folder), Look(cache_dir=folder)
    graph = chain(take, look)

    def initial() -> list[tuple[TaskWorker, Task]]:
        task = Number(value=1)
        task.add_private_state("more", 5)
        return [(take, task)]

    run(graph, initial())
    assert run(graph, initial()).cache_hits == 2
    assert figures(graph.plan(initial())) == {"Take": (1, 0, 0, 0), "Look": (1, 0, 0, 0)}


# ---- nothing happens


def test_planning_stores_nothing_and_counts_no_use(folder: Path) -> None:
    first, second = First(cache_dir=folder), Second(cache_dir=folder)
    graph = chain(first, second)
    result = run(graph, numbers(first, 1, 2))
    before = dump(folder)
    for _ in range(2):
        graph.plan(numbers(first, 1, 2, 3, 3))
    assert dump(folder) == before
    assert graph.result is result
    assert (first.cache_stats.misses, first.cache_stats.stores) == (2, 2)


def test_planning_is_no_hit(folder: Path) -> None:
    first = First(cache_dir=folder)
    run_inline(first, Number(value=1))
    chain(first).plan(numbers(first, 1))
    assert first.cache_stats.hits == 0


def test_planning_makes_no_folder(folder: Path) -> None:
    first = First(cache_dir=folder)
    chain(first).plan(numbers(first, 1))
    assert not list(folder.rglob("*.lock"))


def test_neither_hooks_nor_callbacks_are_called(folder: Path) -> None:
    calls = list[str]()

    class Hooked(Counting):
        def init(self) -> None:
            calls.append("init")

        def completed(self) -> None:
            calls.append("completed")

        def pre_consume_work(self, task: Any) -> None:
            calls.append("pre")

        def post_consume_work(self, task: Any) -> None:
            calls.append("post")

    hooked = Hooked(cache_dir=folder)
    graph = Graph(name="hooks").add_workers(hooked)
    graph.set_sink(hooked, Number, lambda _, __: calls.append("sink"))
    run(graph, numbers(hooked, 1))
    assert sorted(calls) == ["completed", "init", "post", "pre", "sink"]
    graph.plan(numbers(hooked, 1, 2))
    assert len(calls) == 5


# ---- mistakes


def test_what_a_run_refuses_a_plan_refuses(folder: Path) -> None:
    class Loose(Task):
        value: Any

    class Use(CachedTaskWorker):
        output_types = [Number]

        def consume_work(self, task: Loose) -> None:
            self.publish_work(Number(value=1))

    use, first = Use(cache_dir=folder), First(cache_dir=folder)
    graph = chain(use)
    with pytest.raises(UnkeyableValue, match=r"Loose\.value"):
        graph.plan([(use, Loose(value=object()))])
    with pytest.raises(ConfigurationError, match="Use"):
        graph.plan(numbers(use, 1))
    with pytest.raises(ConfigurationError, match="no cache_mode 'on'"):
        graph.plan([], cache_mode="on")  # type: ignore[arg-type]  # that is the point
    lonely = Graph(name="lonely").add_workers(first, use)
    first.output_types = [Loose]
    lonely.set_dependency(first, use)
    first.output_types = [Number]
    with pytest.raises(WiringError):
        lonely.plan([])


def test_a_cache_that_is_broken_breaks_no_plan(folder: Path) -> None:
    class Broken(Counting):
        def get_from_cache(self, task_or_key: Any) -> Any:
            raise ValueError("cannot read")

    broken = Broken(cache_dir=folder)
    graph = chain(broken)
    with pytest.warns(UserWarning, match="cannot read"):
        run(graph, numbers(broken, 1))
    assert figures(graph.plan(numbers(broken, 1))) == {"Broken": (0, 1, 0, 0)}


def test_an_answer_that_is_rejected_is_a_miss(folder: Path) -> None:
    class Rejecting(Counting):
        def get_from_cache(self, task_or_key: Any) -> Any:
            super().get_from_cache(task_or_key)

    rejecting = Rejecting(cache_dir=folder)
    graph = chain(rejecting)
    run(graph, numbers(rejecting, 1))
    assert run(graph, numbers(rejecting, 1)).cache_misses == 1
    assert figures(graph.plan(numbers(rejecting, 1))) == {"Rejecting": (0, 1, 0, 0)}


# ---- the law, and how long it takes


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 5), max_size=8))
def test_a_plan_tells_what_the_run_does_as_far_as_it_knows(
    tmp_path_factory: pytest.TempPathFactory, before: list[int], values: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    first, second = First(cache_dir=folder), Second(cache_dir=folder)
    graph = chain(first, second)
    run(graph, numbers(first, *before))
    found = graph.plan(numbers(first, *values))
    result = run(graph, numbers(first, *values))
    row = found.workers.get("First", WorkerForecast())
    assert (row.hits + row.repeats, row.misses) == (result.workers["First"].hits, result.workers["First"].misses)
    behind = found.workers.get("Second", WorkerForecast())
    assert (behind.hits, behind.misses, behind.unknown) == (row.hits, 0, 0)


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes, at best."""
    times = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def test_a_plan_of_ten_thousand_tasks_takes_no_longer_than_a_warm_run(folder: Path) -> None:
    first = First(cache_dir=folder)
    graph, initial = chain(first), numbers(first, *range(10_000))
    run(graph, initial)
    warm, planned = seconds(lambda: run(graph, initial)), seconds(lambda: graph.plan(initial))
    assert planned < 3 * warm


def test_a_plan_of_many_tasks_behind_one_takes_no_longer_than_a_warm_run(folder: Path) -> None:
    class Divide(Counting):
        def consume_work(self, task: Number) -> None:
            for value in range(task.value):
                self.publish_work(Number(value=value))

    divide, first = Divide(cache_dir=folder), First(cache_dir=folder)
    graph, initial = chain(divide, first), numbers(divide, 2000)
    run(graph, initial)
    warm, planned = seconds(lambda: run(graph, initial)), seconds(lambda: graph.plan(initial))
    assert planned < 3 * warm


def test_a_plan_reads_well(folder: Path) -> None:
    first, second = First(cache_dir=folder), Uncached()
    graph = chain(first, second)
    run(graph, numbers(first, 1))
    text = str(graph.plan(numbers(first, 1, 2, 2)))
    head, *rows = text.splitlines()
    assert head == "plan of 'chain': 1 hits, 1 misses, 1 unknown"
    assert rows[0].startswith("  First: 1 hits, 1 misses (new input: 1), about ")
    assert rows[0].endswith(" s, 1 repeats")
    assert rows[1] == "  Uncached: 0 hits, 0 misses, 1 unknown"
