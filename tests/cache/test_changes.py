"""What calls change decides with its first value; what is changed between runs decides with its present one."""

from __future__ import annotations

import collections
import copy
import enum
import functools
import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from planai import CachedTaskWorker, Task
from planai.testing import run_inline


class Number(Task):
    value: int


class Client:
    """Counts what it is asked, and keeps what it has answered."""

    def __init__(self, factor: int) -> None:
        self.factor, self.asked, self.session = factor, 0, None
        self.memo: dict[int, int] = {}

    def ask(self, value: int) -> int:
        self._count()
        self.session = self.session or object()  # type: ignore[assignment]
        return self.memo.setdefault(value, value * self.factor)

    def _count(self) -> None:
        self.asked += 1

    def set_up(self, factor: int) -> None:
        self.factor = factor
        self.memo.clear()


class Pool:
    """Asks a client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def ask(self, value: int) -> int:
        return self.client.ask(value)


class Counter:
    count = 0
    memo: ClassVar[dict[int, int]] = {}

    def note(self, value: int) -> None:
        self.memo[len(self.memo)] = value


def counted(value: int) -> int:
    counted.calls += 1  # type: ignore[attr-defined]
    return value


counted.calls = 0  # type: ignore[attr-defined]
COUNTER = Counter()
CLIENT, TABLE, MEMO, COUNT = Client(2), {"factor": 2}, dict[int, int](), 0
NUMBERS = random.Random()


def helper(value: int) -> int:
    global COUNT  # noqa: PLW0603 - this is what is tested
    COUNT += 1
    MEMO[value] = COUNT
    return value * 2


def make() -> type[CachedTaskWorker]:
    count = 0

    class OfClosure(Base):
        def answer(self, value: int) -> int:
            nonlocal count
            count += 1
            return value * 2

    return OfClosure


class Base(CachedTaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=self.answer(task.value)))

    def answer(self, value: int) -> int:
        raise NotImplementedError


class OfClient(Base):
    def answer(self, value: int) -> int:
        return CLIENT.ask(value)


class OfHelper(Base):
    def answer(self, value: int) -> int:
        NUMBERS.random()
        return helper(value)


class OfTable(Base):
    def answer(self, value: int) -> int:
        found = []
        found.append(value * TABLE["factor"])
        return found[0]


class OfAttributes(Base):
    count = 0
    seen: list[int] = Field(default_factory=list)
    _memo: dict[int, int] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.last: collections.deque[int] = collections.deque()
        self.table = {"factor": 2}

    def answer(self, value: int) -> int:
        OfAttributes.count += 1
        self.seen.append(value)
        self.last.appendleft(value)
        self._memo[value] = value
        return value * self.table["factor"]


class OfCounter(Base):
    def answer(self, value: int) -> int:
        COUNTER.count += 1
        COUNTER.note(value)
        return counted(value) * 2


class OfLazy(Base):
    def answer(self, value: int) -> int:
        self.count = getattr(self, "count", 0) + 1
        return value * self.client.factor

    @functools.cached_property
    def client(self) -> Client:
        return Client(2)


class Right(enum.Flag):
    READ, WRITE = 1, 2


@functools.singledispatch
def scored(value: int) -> int:
    return value * 2


class Scores:
    @functools.singledispatchmethod
    def score(self, value: int) -> int:
        return value * 2


SCORES = Scores()


class OfLibraries(Base):
    """Uses what keeps something on the user's own classes and functions."""

    def answer(self, value: int) -> int:
        copy.deepcopy(Client(1))
        assert SCORES.score(value) == value * 2
        return scored(value) if Right.READ | Right.WRITE else 0


class OfHeld(Base):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.pool = Pool(Client(2))

    def answer(self, value: int) -> int:
        return self.pool.ask(value)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    CLIENT.set_up(2)
    TABLE["factor"] = 2


def outcome(worker: CachedTaskWorker) -> tuple[int, list[Task]]:
    result = run_inline(worker, Number(value=1))
    assert result.failures == []
    return result.cache_hits, list(result.outputs)


@pytest.mark.parametrize(
    "kind", [OfClient, OfHelper, OfTable, OfAttributes, OfCounter, OfLazy, OfHeld, OfLibraries, make()]
)
def test_what_calls_change_loses_no_hit(tmp_path: Path, kind: type[CachedTaskWorker]) -> None:
    worker = kind(cache_dir=tmp_path)
    outcomes = [outcome(worker), outcome(worker), outcome(kind(cache_dir=tmp_path))]
    assert outcomes == [(hits, [Number(value=2)]) for hits in (0, 1, 1)]


def test_a_table_that_is_only_read_decides_though_the_code_fills_a_list(tmp_path: Path) -> None:
    worker = OfTable(cache_dir=tmp_path)
    assert outcome(worker) == (0, [Number(value=2)])
    TABLE["factor"] = 5
    assert outcome(worker) == (0, [Number(value=5)])


def test_what_a_client_is_set_up_with_between_runs_decides(tmp_path: Path) -> None:
    worker = OfClient(cache_dir=tmp_path)
    assert outcome(worker) == (0, [Number(value=2)])
    CLIENT.set_up(5)
    assert outcome(worker) == (0, [Number(value=5)])


def test_what_a_client_that_a_worker_holds_is_set_up_with_between_runs_decides(tmp_path: Path) -> None:
    worker = OfHeld(cache_dir=tmp_path)
    assert outcome(worker) == (0, [Number(value=2)])
    worker.pool.client.set_up(5)
    assert outcome(worker) == (0, [Number(value=5)])


def test_copies_of_a_worker_know_what_was_there_at_first(tmp_path: Path) -> None:
    worker = OfHeld(cache_dir=tmp_path)
    outcome(worker)
    other = copy.deepcopy(worker)
    assert outcome(other) == outcome(pickle.loads(pickle.dumps(other))) == (1, [Number(value=2)])


def test_an_attribute_that_is_only_read_decides_though_others_are_filled(tmp_path: Path) -> None:
    worker = OfAttributes(cache_dir=tmp_path)
    assert outcome(worker) == (0, [Number(value=2)])
    worker.table["factor"] = 5
    assert outcome(worker) == (0, [Number(value=5)])


class OfFew(OfAttributes):
    def should_cache(self, task: Any) -> bool:
        return bool(task.value == 1)


def test_a_call_that_is_not_cached_changes_no_key_of_the_others(tmp_path: Path) -> None:
    worker = OfFew(cache_dir=tmp_path)
    run_inline(worker, Number(value=5))
    assert [outcome(worker)[0], outcome(OfFew(cache_dir=tmp_path))[0]] == [0, 1]
