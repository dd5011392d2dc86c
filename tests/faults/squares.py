"""Cached workers that square numbers, and a run of one that tells all that came of it."""

from __future__ import annotations

import contextlib
import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from planai import CachedTaskWorker, Graph, Task
from planai.cache.canonical import CacheIgnore

Saw = Callable[[str, int], None]
"""Called with ``"began"`` when a computation begins and ``"published"`` when its output has left the run."""


class Item(Task):
    value: int


class Square(Task):
    value: int
    square: int
    text: str


def see_nothing(what: str, value: int) -> None:
    """Do nothing."""


def square_of(value: int, letters: int) -> Square:
    """Return the one right answer; its text is different for each value, and hard to compress."""
    return Square(value=value, square=value**2, text=random.Random(value).randbytes(letters // 2).hex())


class Squarer(CachedTaskWorker):
    """Squares; a larger text makes a larger entry."""

    output_types = [Square]
    letters: int = 40
    saw: Annotated[Saw, CacheIgnore()] = see_nothing

    def consume_work(self, task: Item) -> None:
        self.saw("began", task.value)
        self.publish_work(square_of(task.value, self.letters))


@dataclass
class Report:
    """What came of one or several runs.

    Attributes:
        published: the value of each output, in the order in which they came.
        wrong: the values whose output was not the right one.
        computed: the values that were computed, in the order in which that began.
        cached: the values that `find_cached` found before the run.
        warnings: what was warned of.
        errors: how often the store failed, as the cache counts it.
        damaged: how many entries could not be read, as the cache counts it.
    """

    published: list[int] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    computed: list[int] = field(default_factory=list)
    cached: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    hits: int = 0
    misses: int = 0
    errors: int = 0
    damaged: int = 0

    def assert_right(self, values: Iterable[int]) -> None:
        """Assert that each of `values` was published exactly once, and rightly, and that nothing failed."""
        assert self.failures == []
        assert self.wrong == []
        assert Counter(self.published) == Counter(values)
        assert self.hits + self.misses == len(self.published)

    def assert_well(self, values: Iterable[int]) -> None:
        """Assert what `assert_right` does, and that the cache did its part."""
        self.assert_right(values)
        assert (self.warnings, self.errors, self.damaged) == ([], 0, 0)

    def assert_without_cache(self, values: Iterable[int]) -> None:
        """Assert what `assert_right` does, and that the cache failed and said so once."""
        self.assert_right(values)
        assert self.errors > 0
        assert_one_cache_warning(self.warnings)

    def assert_right_with_at_most_one_warning(self, values: Iterable[int]) -> None:
        """Assert what `assert_right` does; the cache may have mended itself, or failed and said so once."""
        self.assert_right(values)
        if self.warnings:
            assert_one_cache_warning(self.warnings)
            assert self.errors + self.damaged > 0


def assert_one_cache_warning(said: list[str]) -> None:
    """Assert that the cache was the one that warned, once."""
    assert len(said) == 1, said
    assert said[0].startswith("CacheWarning: ")


def run(
    worker: Squarer,
    values: Iterable[int],
    *,
    executor: Literal["threads", "inline"] = "threads",
    max_workers: int = 64,
    report: Report | None = None,
) -> Report:
    """Run `worker` over `values` in a graph of its own; add to `report` where one is given."""
    found = Report() if report is None else report
    saw = worker.saw

    def computing(what: str, value: int) -> None:
        found.computed.append(value)
        saw(what, value)

    def publish(_: object, task: Any) -> None:
        found.published.append(task.value)
        if task != square_of(task.value, worker.letters):
            found.wrong.append(task.value)
        saw("published", task.value)

    graph = Graph(name="squares").add_workers(worker)
    graph.set_sink(worker, Square, notify=publish)
    worker.saw = computing
    try:
        pairs = ((worker, Item(value=value)) for value in values)
        result = graph.run(pairs, executor=executor, max_workers=max_workers, display_terminal=False)
    finally:
        worker.saw = saw
    cache = worker.get_cache()
    found.hits += result.cache_hits
    found.misses += result.cache_misses
    found.failures += [str(failure) for failure in result.failures]
    found.errors, found.damaged = cache.errors, cache.damaged
    return found


def run_hearing(worker: Squarer, values: Iterable[int], **settings: Any) -> Report:
    """Do what `run` does, and report the warnings, too."""
    with hearing() as said:
        report = run(worker, values, **settings)
    report.warnings = said
    return report


def find_cached(folder: str | Path, values: Iterable[int]) -> list[int]:
    """Return those of `values` whose answer is in the cache."""
    worker = Squarer(cache_dir=folder)
    return [value for value in values if worker.is_cached(Item(value=value))]


@contextlib.contextmanager
def hearing() -> Iterator[list[str]]:
    """Let nothing be raised as a warning; yield a list that has them all at the end."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
        said += [f"{warning.category.__name__}: {warning.message}" for warning in caught]


def with_fault(values: Iterable[int], at: int, fault: Callable[[], object]) -> Iterator[int]:
    """Yield `values`, and let `fault` happen before the one with the number `at`, while earlier ones are computed."""
    for number, value in enumerate(values):
        if number == at:
            fault()
        yield value
