from __future__ import annotations

import contextlib
import logging
import random
import re
import shutil
import sqlite3
import threading
import zlib
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from planai import CachedTaskWorker, Graph, JoinedTaskWorker, RunResult, Task, TaskWorker
from planai.cache.bundle import Bundle
from planai.cache.cache import CacheWarning
from planai.cache.canonical import CacheIgnore
from planai.cost import FREE
from planai.errors import ConfigurationError, PublishError, UnkeyableValue
from planai.testing import run_inline
from planai.worker import Foreseen
from waiting import wait_until


class Number(Task):
    value: int


class Word(Task):
    text: str


class Base(CachedTaskWorker):
    """Counts how often it really computes."""

    output_types = [Number]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.computed: list[int] = []


class Double(Base):
    def consume_work(self, task: Number) -> None:
        self.computed.append(task.value)
        self.publish_work(Number(value=task.value * 2))


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


def figures(result: RunResult) -> tuple[int, int]:
    return result.cache_hits, result.cache_misses


def entries(folder: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(Path(folder) / "planai.sqlite3")) as database:
        return database.execute("SELECT space, key, payload FROM entries ORDER BY stored").fetchall()


def test_the_second_run_computes_nothing(folder: str) -> None:
    worker = Double(cache_dir=folder)
    assert figures(run_inline(worker, Number(value=1), Number(value=2))) == (0, 2)
    again = run_inline(worker, Number(value=2), Number(value=1))
    assert figures(again) == (2, 0)
    assert again.outputs == [Number(value=4), Number(value=2)]
    assert worker.computed == [1, 2]


def test_a_replayed_task_has_the_provenance_of_the_new_run(folder: str) -> None:
    worker = Double(cache_dir=folder)
    run_inline(worker, Number(value=1))
    replayed = run_inline(worker, Number(value=5), Number(value=1)).outputs[1]
    assert replayed.provenance() == (("InitialTaskWorker", 2), ("Double", 2))
    assert replayed.find_input_task(Number) == Number(value=1)


def test_another_worker_class_in_the_same_folder_shares_nothing(folder: str) -> None:
    class Triple(Base):
        def get_cache_key(self, task: Any) -> str:
            return "one key"

        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.value * 3))

    class Quadruple(Triple):
        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.value * 4))

    assert run_inline(Triple(cache_dir=folder), Number(value=1)).outputs == [Number(value=3)]
    assert run_inline(Quadruple(cache_dir=folder), Number(value=1)).outputs == [Number(value=4)]


def test_another_setting_is_another_answer(folder: str) -> None:
    class Times(Base):
        factor: int = 2

        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.value * self.factor))

    assert run_inline(Times(cache_dir=folder), Number(value=1)).outputs == [Number(value=2)]
    assert run_inline(Times(cache_dir=folder, factor=7), Number(value=1)).outputs == [Number(value=7)]
    assert figures(run_inline(Times(cache_dir=folder, num_retries=3), Number(value=1))) == (1, 0)


def test_a_changed_class_variable_is_another_answer(folder: str) -> None:
    class Plus(Base):
        summand = 1

        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.value + self.summand))

    worker = Plus(cache_dir=folder)
    assert run_inline(worker, Number(value=1)).outputs == [Number(value=2)]
    Plus.summand = 10
    assert run_inline(worker, Number(value=1)).outputs == [Number(value=11)]
    Plus.summand = 1
    assert figures(run_inline(worker, Number(value=1))) == (1, 0)


def test_a_changed_method_of_the_task_is_another_answer(folder: str) -> None:
    def task_type(factor: int) -> type[Task]:
        class Sized(Task):
            value: int

            def size(self) -> int:
                return self.value * factor

        return Sized

    class Measure(Base):
        def consume_work(self, task: Task) -> None:
            self.publish_work(Number(value=task.size()))  # type: ignore[attr-defined]

    worker = Measure(cache_dir=folder)
    assert run_inline(worker, task_type(2).model_validate({"value": 1})).outputs == [Number(value=2)]
    assert run_inline(worker, task_type(3).model_validate({"value": 1})).outputs == [Number(value=3)]
    assert figures(run_inline(worker, task_type(2).model_validate({"value": 1}))) == (1, 0)


def test_what_the_constructor_leaves_on_the_worker_decides_too(folder: str) -> None:
    class Times(Base):
        def __init__(self, factor: int, **settings: Any) -> None:
            super().__init__(**settings)
            self.factor = factor

        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.value * self.factor))

    assert run_inline(Times(2, cache_dir=folder), Number(value=1)).outputs == [Number(value=2)]
    worker = Times(3, cache_dir=folder)
    assert run_inline(worker, Number(value=1)).outputs == [Number(value=3)]
    worker.factor = 4
    assert run_inline(worker, Number(value=1)).outputs == [Number(value=4)]
    assert figures(run_inline(Times(2, cache_dir=folder), Number(value=1))) == (1, 0)


def test_what_is_set_up_by_a_method_decides_with_its_present_value(folder: str) -> None:
    class Adjustable(Base):
        threshold: int = 1

        def __init__(self, factor: int = 1, **settings: Any) -> None:
            super().__init__(**settings)
            self.factor = factor

        def adjust(self, factor: int, threshold: int) -> None:
            self.factor = factor
            self.threshold = threshold

        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.value * self.factor + self.threshold))

    for factor, threshold in ((2, 1), (3, 1), (2, 5)):
        made = Adjustable(factor, threshold=threshold, cache_dir=folder)
        assert run_inline(made, Number(value=1)).outputs == [Number(value=factor + threshold)]
    made.adjust(7, 8)
    assert run_inline(made, Number(value=1)).outputs == [Number(value=15)]


def test_what_calls_change_decides_with_its_first_value(folder: str) -> None:
    class Stepping(Base):
        step: int = 1

        def consume_work(self, task: Number) -> None:
            before, self.step = self.step, self.step + 1
            self.publish_work(Number(value=before))

    assert run_inline(Stepping(step=1, cache_dir=folder), Number(value=1)).outputs == [Number(value=1)]
    assert run_inline(Stepping(step=5, cache_dir=folder), Number(value=1)).outputs == [Number(value=5)]
    assert figures(run_inline(Stepping(step=1, cache_dir=folder), Number(value=1))) == (1, 0)


def test_what_the_worker_itself_counts_decides_nothing(folder: str) -> None:
    class Counting(Base):
        total: int = 0
        calls = 0

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.seen = 0

        def consume_work(self, task: Number) -> None:
            self.seen += 1
            self.total += 1
            type(self).calls += 1
            self.publish_work(Number(value=task.value))

    worker = Counting(cache_dir=folder)
    assert figures(run_inline(worker, Number(value=1), Number(value=2))) == (0, 2)
    assert figures(run_inline(worker, Number(value=1), Number(value=2))) == (2, 0)


def test_what_the_input_was_computed_from_decides_where_the_code_looks_at_it(folder: str) -> None:
    class Mid(Task):
        same: int = 1

    class Forget(TaskWorker):
        output_types = [Mid]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Mid())

    class Recall(Base):
        def consume_work(self, task: Mid) -> None:
            origin = task.find_input_task(Number)
            self.publish_work(Number(value=origin.value if origin else -1))

    forget, recall = Forget(), Recall(cache_dir=folder)
    graph = Graph(name="ancestry").add_workers(forget, recall)
    graph.set_dependency(forget, recall).sink(Number)
    for _ in range(2):
        result = graph.run([(forget, Number(value=value)) for value in (1, 2)])
        assert result.outputs == [Number(value=1), Number(value=2)]
    assert figures(result) == (2, 0)


def test_private_attributes_decide_and_are_not_lost_in_silence(folder: str) -> None:
    class Hidden(Task):
        value: int
        _secret: int = 0

    class Copy(Base):
        output_types = [Hidden]

        def consume_work(self, task: Hidden) -> None:
            out = Hidden(value=task.value)
            out._secret = task._secret
            self.publish_work(out)

    def hidden(secret: int) -> Hidden:
        task = Hidden(value=1)
        task._secret = secret
        return task

    worker = Copy(cache_dir=folder)
    assert run_inline(worker, hidden(0)).ok
    with pytest.warns(CacheWarning, match="private attribute"):
        result = run_inline(worker, hidden(5))
    assert isinstance(result.outputs[0], Hidden)
    assert result.outputs[0]._secret == 5
    assert figures(run_inline(worker, hidden(0))) == (1, 0)


def test_what_a_replay_could_not_repeat_is_not_stored(folder: str) -> None:
    class Inject(Base):
        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=2).inject_input(Word(text="from elsewhere")))

    worker = Inject(cache_dir=folder)
    with pytest.warns(CacheWarning, match="injects one"):
        result = run_inline(worker, Number(value=1))
    assert result.outputs[0].find_input_task(Word) == Word(text="from elsewhere")
    assert not worker.is_cached(Number(value=1))


def test_an_answer_for_one_of_two_consumers_of_a_name_is_not_stored(folder: str) -> None:
    class Send(Base):
        target: Annotated[TaskWorker | None, CacheIgnore()] = None

        def consume_work(self, task: Number) -> None:
            self.publish_work(task, consumer=self.target)

    class Take(TaskWorker):
        prefix: str = ""
        output_types = [Word]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Word(text=f"{self.prefix}{task.value}"))

    slow, fast = Take(prefix="slow"), Take(prefix="fast")
    send = Send(cache_dir=folder, target=fast)
    for order in ((slow, fast), (fast, slow)):
        graph = Graph(name="consumers").add_workers(send, *order)
        for down in order:
            graph.set_dependency(send, down)
            graph.set_sink(down, Word)
        with pytest.warns(CacheWarning, match="several consumers of the same name"):
            assert graph.run([(send, Number(value=1))]).outputs == [Word(text="fast1")]


def test_a_cached_join_is_refused_when_it_is_made(folder: str) -> None:
    class Both(CachedTaskWorker, JoinedTaskWorker):
        output_types = [Number]

        def consume_work_joined(self, tasks: list[Number]) -> None:
            self.publish_work(tasks[0])

    with pytest.raises(ConfigurationError, match="is a join and cached"):
        Both(cache_dir=folder)


def test_an_override_that_leaves_the_cache_alone_is_cached(folder: str) -> None:
    class ByHand(Base):
        def consume_work(self, task: Number) -> None:
            if cached := self.get_from_cache(task):
                self.publish_work(cached)
                return
            self.save_to_cache(task, Number(value=1))
            self.publish_work(Number(value=1))

    class Plain(ByHand):
        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=2))

    worker = Plain(cache_dir=folder)
    run_inline(worker, Number(value=1))
    assert figures(run_inline(worker, Number(value=1))) == (1, 0)


def test_a_folder_that_cannot_be_made_hinders_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    cache_dir = tmp_path / "file" / "cache"
    told = "results are computed without it: .*, in " + re.escape(f"DiskStore('{cache_dir}')")
    with pytest.warns(CacheWarning, match=told):
        result = run_inline(Double(cache_dir=cache_dir), Number(value=1), Number(value=1))
    assert result.outputs == [Number(value=2)] * 2


def test_extra_cache_key_decides_too(folder: str) -> None:
    class Dated(Double):
        day: Annotated[str, CacheIgnore()] = "monday"

        def extra_cache_key(self, task: Any) -> str:
            return self.day

    assert figures(run_inline(Dated(cache_dir=folder), Number(value=1))) == (0, 1)
    assert figures(run_inline(Dated(cache_dir=folder, day="tuesday"), Number(value=1))) == (0, 1)
    assert figures(run_inline(Dated(cache_dir=folder), Number(value=1))) == (1, 0)


def test_a_field_marked_to_be_ignored_decides_nothing(folder: str) -> None:
    class Request(Task):
        value: int
        run_id: Annotated[str, CacheIgnore()] = ""

    class Answer(Base):
        def consume_work(self, task: Request) -> None:
            self.publish_work(Number(value=task.value))

    worker = Answer(cache_dir=folder)
    assert figures(run_inline(worker, Request(value=1, run_id="a"))) == (0, 1)
    assert figures(run_inline(worker, Request(value=1, run_id="b"))) == (1, 0)


def test_a_value_without_identity_is_refused_with_its_place(folder: str) -> None:
    class Locked(Task):
        lock: Any

    class Use(Base):
        def consume_work(self, task: Locked) -> None:
            self.publish_work(Number(value=1))

    result = run_inline(Use(cache_dir=folder), Locked(lock=threading.Lock()))
    error = result.failures[0].error
    assert isinstance(error, UnkeyableValue)
    assert "'Use'" in str(error)
    assert "Locked.lock" in str(error)
    assert "CacheIgnore" in str(error)


def test_publishing_nothing_is_an_answer(folder: str) -> None:
    class Silent(Base):
        def consume_work(self, task: Number) -> None:
            self.computed.append(task.value)

    worker = Silent(cache_dir=folder)
    assert figures(run_inline(worker, Number(value=1))) == (0, 1)
    assert figures(run_inline(worker, Number(value=1))) == (1, 0)
    assert worker.computed == [1]
    assert worker.get_from_cache(Number(value=1)) == Bundle(())
    assert worker.get_from_cache(Number(value=2)) is None


def test_several_outputs_are_replayed_in_order_to_the_same_consumers(folder: str) -> None:
    class Split(Base):
        output_types = [Number]
        targets: Annotated[list[TaskWorker], CacheIgnore()] = []

        def consume_work(self, task: Word) -> None:
            for place, letter in enumerate(task.text):
                self.publish_work(Number(value=ord(letter)), consumer=self.targets[place % 2])

    class Even(TaskWorker):
        output_types = [Word]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Word(text=f"even {chr(task.value)}"))

    class Odd(Even):
        def consume_work(self, task: Number) -> None:
            self.publish_work(Word(text=f"odd {chr(task.value)}"))

    even, odd = Even(), Odd()
    split = Split(cache_dir=folder, targets=[even, odd])
    graph = Graph(name="split").add_workers(split, even, odd)
    for down in (even, odd):
        graph.set_dependency(split, down)
        graph.set_sink(down, Word)
    cold = graph.run([(split, Word(text="abcd"))])
    warm = graph.run([(split, Word(text="abcd"))])
    assert figures(warm) == (1, 0)
    assert [task.text for task in cold.outputs if isinstance(task, Word)] == ["even a", "odd b", "even c", "odd d"]
    assert warm.outputs == cold.outputs


def test_a_single_output_is_stored_as_itself_and_read_as_a_copy(folder: str) -> None:
    worker = Double(cache_dir=folder)
    run_inline(worker, Number(value=1))
    first = worker.get_from_cache(Number(value=1))
    first.value = 99
    assert worker.get_from_cache(worker.get_cache_key(Number(value=1))) == Number(value=2)


def test_an_answer_is_true_even_when_it_is_empty(folder: str) -> None:
    class Empty(Task):
        items: list[int] = []

        def __len__(self) -> int:
            return len(self.items)

        def __bool__(self) -> bool:
            return False

    class Collect(Base):
        output_types = [Empty]

        def consume_work(self, task: Number) -> None:
            if cached := self.get_from_cache(task):
                self.publish_work(cached)
                return
            self.computed.append(task.value)
            self.save_to_cache(task, Empty())
            self.publish_work(Empty())

    worker = Collect(cache_dir=folder)
    for _ in range(2):
        assert run_inline(worker, Number(value=1)).outputs == [Empty()]
    assert worker.computed == [1]


def test_a_failed_call_is_not_stored_and_a_retry_is(folder: str) -> None:
    class Flaky(Base):
        num_retries = 1

        def consume_work(self, task: Number) -> None:
            self.computed.append(task.value)
            self.publish_work(Number(value=len(self.computed)))
            if len(self.computed) in (1, 2, 3):
                raise ValueError("not yet")

    worker = Flaky(cache_dir=folder)
    assert len(run_inline(worker, Number(value=1)).failures) == 1
    assert worker.computed == [1, 1]
    assert run_inline(worker, Number(value=1)).outputs == [Number(value=4)]
    assert figures(run_inline(worker, Number(value=1))) == (1, 0)


def test_a_direct_call_computes_into_the_cache(folder: str) -> None:
    worker = Double(cache_dir=folder)
    assert not worker.is_cached(Number(value=1))
    worker.consume_work(Number(value=1))
    worker.consume_work(Number(value=1))
    assert worker.is_cached(Number(value=1))
    assert worker.computed == [1]
    assert figures(run_inline(worker, Number(value=1))) == (1, 0)


def test_a_direct_call_inside_a_call_of_another_worker_stays_apart(folder: str) -> None:
    inner = Double(cache_dir=folder)

    class Outer(Base):
        def consume_work(self, task: Number) -> None:
            inner.consume_work(task)
            self.publish_work(Number(value=-1))

    assert run_inline(Outer(cache_dir=folder), Number(value=3)).outputs == [Number(value=-1)]
    assert inner.get_from_cache(Number(value=3)) == Number(value=6)


def test_a_direct_call_refuses_an_undeclared_type(folder: str) -> None:
    class Wrong(Base):
        def consume_work(self, task: Number) -> None:
            self.publish_work(Word(text="x"))

    worker = Wrong(cache_dir=folder)
    with pytest.raises(PublishError, match="output_types are 'Number'"):
        worker.consume_work(Number(value=1))
    assert not worker.is_cached(Number(value=1))


def test_hooks_run_on_hits_too(folder: str) -> None:
    class Hooked(Double):
        def pre_consume_work(self, task: Any) -> None:
            self.computed.append(-1)

        def post_consume_work(self, task: Any) -> None:
            self.computed.append(-2)

    worker = Hooked(cache_dir=folder)
    run_inline(worker, Number(value=5))
    run_inline(worker, Number(value=5))
    assert worker.computed == [-1, 5, -2, -1, -2]


def test_what_should_not_be_cached_is_neither_looked_up_nor_stored(folder: str) -> None:
    class Picky(Double):
        def should_cache(self, task: Any) -> bool:
            return bool(task.value > 5)

    worker = Picky(cache_dir=folder)
    for _ in range(2):
        run_inline(worker, Number(value=3), Number(value=8))
    assert worker.computed == [3, 8, 3]


def test_an_entry_past_its_time_to_live_is_computed_again(folder: str) -> None:
    worker = Double(cache_dir=folder, cache_ttl=0.2)
    run_inline(worker, Number(value=1))
    wait_until(lambda: not worker.is_cached(Number(value=1)))
    assert figures(run_inline(worker, Number(value=1))) == (0, 1)


def test_a_time_to_live_of_zero_stores_nothing(folder: str) -> None:
    worker = Double(cache_dir=folder, cache_ttl=0)
    run_inline(worker, Number(value=1))
    assert not worker.is_cached(Number(value=1))


def test_the_time_to_live_may_depend_on_the_task(folder: str) -> None:
    class Brief(Double):
        def get_ttl(self, task: Any) -> float | None:
            return 0 if task.value == 1 else None

    worker = Brief(cache_dir=folder)
    run_inline(worker, Number(value=1), Number(value=2))
    assert [worker.is_cached(Number(value=value)) for value in (1, 2)] == [False, True]


def test_the_least_recently_used_entries_go_first(folder: str) -> None:
    worker = Double(cache_dir=folder, cache_size_limit=3)
    for value in (1, 2, 3):
        run_inline(worker, Number(value=value))
    run_inline(worker, Number(value=1))
    run_inline(worker, Number(value=4))
    assert [worker.is_cached(Number(value=value)) for value in (1, 2, 3, 4)] == [True, False, True, True]


def test_the_limit_in_bytes_holds(folder: str) -> None:
    class Large(Base):
        output_types = [Word]

        def consume_work(self, task: Number) -> None:
            letters = random.Random(task.value)
            self.publish_work(Word(text="".join(chr(letters.randrange(33, 120)) for _ in range(3000))))

    worker = Large(cache_dir=folder, cache_disk_limit=10_000)
    run_inline(worker, *(Number(value=value) for value in range(8)))
    sizes = [len(row[2]) for row in entries(folder)]
    assert 0 < len(sizes) < 8
    assert sum(sizes) <= 10_000


def test_a_folder_removed_under_a_live_cache_leaves_one_that_works(folder: str) -> None:
    worker = Double(cache_dir=folder)
    run_inline(worker, Number(value=1))
    shutil.rmtree(folder)
    assert not worker.is_cached(Number(value=1))
    assert figures(run_inline(worker, Number(value=1))) == (0, 1)
    assert figures(run_inline(worker, Number(value=1))) == (1, 0)


def test_clear_cache_leaves_other_workers_alone(folder: str) -> None:
    class Other(Double):
        pass

    worker, other = Double(cache_dir=folder), Other(cache_dir=folder)
    run_inline(worker, Number(value=1))
    run_inline(other, Number(value=1))
    worker.clear_cache()
    assert not worker.is_cached(Number(value=1))
    assert other.is_cached(Number(value=1))


def test_a_worker_that_overrides_the_hooks_gets_keys_and_gives_what_it_likes(folder: str) -> None:
    class Squeezed(Base):
        output_types = [Word]

        def consume_work(self, task: Number) -> None:
            self.computed.append(task.value)
            self.publish_work(Word(text="x" * 10_000))

        def save_to_cache(self, key: str, value: Any) -> None:
            with self.get_cache() as cache:
                cache[key] = zlib.compress(value.text.encode())

        def get_from_cache(self, key: str) -> Any:
            with self.get_cache() as cache:
                found = cache.get(key)
                return None if found is None else Word(text=zlib.decompress(found).decode())

    worker = Squeezed(cache_dir=folder, cache_ttl=60)
    run_inline(worker, Number(value=1))
    again = run_inline(worker, Number(value=1))
    assert figures(again) == (1, 0)
    assert again.outputs == [Word(text="x" * 10_000)]
    assert len(entries(folder)[0][2]) < 100


def test_hooks_that_raise_break_no_run(folder: str) -> None:
    class Broken(Double):
        def save_to_cache(self, task_or_key: Any, value: Any) -> None:
            raise OSError("no more room")

        def get_from_cache(self, task_or_key: Any) -> Any:
            raise ValueError("garbled")

    with pytest.warns(CacheWarning) as caught:
        result = run_inline(Broken(cache_dir=folder), Number(value=1))
    assert result.outputs == [Number(value=2)]
    assert any("garbled" in str(warning.message) for warning in caught)
    assert any("no more room" in str(warning.message) for warning in caught)


def test_what_would_come_back_changed_is_not_stored_and_named(folder: str) -> None:
    class Loose(Task):
        anything: Any

    class Publish(Base):
        output_types = [Loose]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Loose(anything=[1, {"deep": print}]))

    worker = Publish(cache_dir=folder)
    with pytest.warns(CacheWarning, match=r"Loose.anything\[1\]\['deep'\]"):
        result = run_inline(worker, Number(value=1))
    assert len(result.outputs) == 1
    assert not worker.is_cached(Number(value=1))


def test_an_entry_of_a_class_that_has_gained_a_field_is_computed_again(folder: str) -> None:
    def made(fields: dict[str, Any]) -> type[Task]:
        return type("Grown", (Task,), {"__annotations__": fields, "__module__": __name__, "__qualname__": "Grown"})

    class Publish(Base):
        def get_cache_key(self, task: Any) -> str:
            return "always"

        def consume_work(self, task: Number) -> None:
            self.computed.append(1)
            more = {"more": 2} if len(self.computed) > 1 else {}
            self.publish_work(self.output_types[0].model_validate({"value": 1, **more}))

    worker = Publish(cache_dir=folder, output_types=[made({"value": int})])
    run_inline(worker, Number(value=1))
    worker.output_types = [made({"value": int, "more": int})]
    assert figures(run_inline(worker, Number(value=1))) == (0, 1)
    assert worker.get_cache().damaged == 1


def test_an_entry_holds_nothing_of_its_run(folder: str) -> None:
    class Hidden(Base):
        def consume_work(self, task: Word) -> None:
            self.publish_work(Number(value=1))

    task = Word(text="input text")
    task.add_private_state("state", "a secret of the run")
    run_inline(Hidden(cache_dir=folder), task)
    (space, key, payload) = entries(folder)[0]
    for hidden in (b"InitialTaskWorker", b"input text", b"a secret"):
        assert hidden not in payload + space.encode() + key.encode()


def test_seconds_saved_are_those_of_the_first_computation(folder: str) -> None:
    started = threading.Event()

    class Slow(Base):
        def consume_work(self, task: Number) -> None:
            started.wait(0.05)
            self.publish_work(Number(value=1))

    worker = Slow(cache_dir=folder)
    assert run_inline(worker, Number(value=1)).seconds_saved == 0
    assert 0.05 <= run_inline(worker, Number(value=1)).seconds_saved < 5


def test_automatic_caching_can_be_switched_off_and_on(folder: str) -> None:
    worker = Double(cache_dir=folder, cache_automatic=False)
    for _ in range(2):
        run_inline(worker, Number(value=1))
    assert worker.computed == [1, 1]

    class ByHand(Double):
        def consume_work(self, task: Number) -> None:
            self.is_cached(task)
            super().consume_work(task)

    forced = ByHand(cache_dir=folder, cache_automatic=True)
    for _ in range(2):
        run_inline(forced, Number(value=1))
    assert forced.computed == [1]


def test_debugging_shows_what_the_cache_does(folder: str, caplog: pytest.LogCaptureFixture) -> None:
    worker = Double(cache_dir=folder, debug_cache=True)
    with caplog.at_level(logging.DEBUG):
        run_inline(worker, Number(value=1))
        run_inline(worker, Number(value=1))
    said = [record.message.split()[1] for record in caplog.records if record.message.startswith("cache ")]
    assert said == ["MISS", "STORED", "HIT"]


def test_bad_settings_are_refused_when_the_worker_is_made() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'cache_dir'"):
        Double(cache_dri="typo")
    with pytest.raises(ValueError, match="cache_ttl"):
        Double(cache_ttl=-1)
    with pytest.raises(ValueError, match="cache_size_limit"):
        Double(cache_size_limit=0)


def test_a_key_that_is_no_text_is_refused(folder: str) -> None:
    class Numbered(Double):
        def get_cache_key(self, task: Any) -> str:
            return task.value  # type: ignore[no-any-return]

    result = run_inline(Numbered(cache_dir=folder), Number(value=1))
    assert "get_cache_key returned a int: return a str" in str(result.failures[0].error)
    with pytest.raises(ConfigurationError, match="pass a task, or a key"):
        Double(cache_dir=folder).get_from_cache(3)


def test_threads_share_one_cache(folder: str) -> None:
    worker = Double(cache_dir=folder)
    graph = Graph(name="threads").add_workers(worker)
    graph.set_sink(worker, Number)
    tasks = [(worker, Number(value=value)) for value in range(300)]
    cold = graph.run(tasks)
    warm = graph.run(tasks)
    assert cold.outputs == warm.outputs == [Number(value=2 * value) for value in range(300)]
    assert figures(warm) == (300, 0)


def test_plain_models_and_secrets_are_told_apart(folder: str) -> None:
    class Inner(BaseModel):
        value: int

    class Holder(Task):
        inner: Inner

    class Take(Base):
        def consume_work(self, task: Holder) -> None:
            self.publish_work(Number(value=task.inner.value))

    worker = Take(cache_dir=folder)
    assert figures(run_inline(worker, Holder(inner=Inner(value=1)))) == (0, 1)
    assert figures(run_inline(worker, Holder(inner=Inner(value=2)))) == (0, 1)


@pytest.mark.parametrize("name", ["_compute", "_consume", "_keep", "_look", "_migrate", "_once", "_origin"])
def test_helpers_of_a_worker_may_have_plain_names(folder: str, name: str) -> None:
    class Helped(Base):
        output_types = [Word]

        def consume_work(self, task: Number) -> None:
            self.publish_work(getattr(self, name)(task))

    setattr(Helped, name, lambda self, task: Word(text=str(task.value)))
    worker = Helped(cache_dir=folder, cache_code=False)
    result = run_inline(worker, Number(value=1), Number(value=1))
    assert (result.outputs, result.cache_hits) == ([Word(text="1")] * 2, 1)


# ---- names that users choose


@pytest.mark.parametrize("name", ["mode", "profile", "parts", "about", "age_limit", "answer_id"])
def test_a_setting_or_method_of_a_plain_name_is_the_users_own(folder: str, name: str) -> None:
    def consume_work(self: Any, task: Number) -> None:
        self.publish_work(Number(value=task.value * 2))

    body: dict[str, Any] = {"output_types": [Number], "consume_work": consume_work, "__module__": __name__}
    consume_work.__annotations__["task"] = Number
    of_settings = type("Work", (CachedTaskWorker,), {**body, "__annotations__": {name: str}, name: "fast"})
    of_methods = type("Work", (CachedTaskWorker,), {**body, name: lambda self, one, other: one})
    for kind in (of_settings, of_methods):
        worker = kind(cache_dir=folder)
        assert [figures(run_inline(worker, Number(value=1))) for _ in range(2)] == [(0, 1), (1, 0)]
    assert figures(run_inline(of_settings(cache_dir=folder, **{name: "slow"}), Number(value=1))) == (0, 1)


def test_planais_hook_may_refuse_an_answer(folder: str, tmp_path: Path) -> None:
    class Checks(Double):
        marker: Path

        def _cache_hit_is_valid(self, task: Task, cached_results: list[tuple[str | None, Task]]) -> bool:
            assert (task, cached_results) == (Number(value=1), [(None, Number(value=2))])
            return self.marker.exists()

    marker = tmp_path / "marker"
    for exists, expected in ((True, (0, 1)), (True, (1, 0)), (False, (0, 1)), (False, (0, 1)), (True, (1, 0))):
        marker.touch() if exists else marker.unlink(missing_ok=True)
        checks = Checks(cache_dir=folder, marker=marker)
        result = run_inline(checks, Number(value=1))
        assert (figures(result), result.outputs) == (expected, [Number(value=2)])
        assert checks.computed == [1] * expected[1]
        stats = checks.cache_stats
        assert ((stats.hits, stats.misses), stats.saved == FREE) == (expected, not expected[0])
        assert sum(stats.reasons.values()) == stats.misses
    marker.unlink()
    assert Checks(cache_dir=folder, marker=marker).foresee(Number(value=1)) == Foreseen(
        None, "the worker itself would not use what is stored", key=checks.get_cache_key(Number(value=1))
    )
