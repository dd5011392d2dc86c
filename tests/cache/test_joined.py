"""Cached joins: the same group gets the same answer, cold and warm."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planai import (
    CachedJoinedTaskWorker,
    CachedTaskWorker,
    Graph,
    InitialTaskWorker,
    MergedTaskWorker,
    RunResult,
    Task,
    TaskWorker,
)
from planai.cache.cache import CacheWarning
from planai.cache.joined import TaskGroup

calls: list[str] = []


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


class Document(Task):
    title: str
    parts: int = 3


class Number(Task):
    value: int


class Text(Task):
    text: str


class Split(CachedTaskWorker):
    output_types = [Number]

    def consume_work(self, task: Document) -> None:
        for value in range(task.parts):
            self.publish_work(Number(value=value))


class Sum(CachedJoinedTaskWorker):
    join_type = InitialTaskWorker
    output_types = [Text]

    def consume_work_joined(self, tasks: list[Number]) -> None:
        calls.append("sum")
        self.publish_work(Text(text=str(sum(task.value for task in tasks))))


class AsyncSum(Sum):
    async def consume_work_joined(self, tasks: list[Number]) -> None:  # type: ignore[override]
        super().consume_work_joined(tasks)


class Titled(Sum):
    """Looks something up in the provenance of a task of its group."""

    def consume_work_joined(self, tasks: list[Number]) -> None:
        calls.append("titled")
        document = tasks[-1].find_input_task(Document)
        assert document is not None
        self.publish_work(Text(text=f"{document.title}: {len(tasks)}"), input_task=tasks[0])


def run(join: TaskWorker, *documents: Document, split: TaskWorker | None = None, **settings: Any) -> RunResult:
    split = split or Split(cache_dir=join.cache_dir)  # type: ignore[attr-defined]
    graph = Graph(name="joined").add_workers(split, join)
    split.next(join).sink(Text)
    return graph.run([(split, document) for document in documents], display_terminal=False, **settings)


def texts(result: RunResult) -> list[str]:
    return [task.model_dump()["text"] for task in result.outputs]


@pytest.mark.parametrize("kind", [Sum, AsyncSum])
@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_cold_and_warm_give_the_same_with_the_same_provenance(folder: str, kind: type[Sum], executor: str) -> None:
    documents = [Document(title="a", parts=3), Document(title="b", parts=4)]
    cold = run(kind(cache_dir=folder), *documents, executor=executor)
    warm = run(kind(cache_dir=folder), *documents, executor=executor)
    assert texts(cold) == texts(warm) == ["3", "6"]
    assert calls == ["sum", "sum"]
    assert (cold.workers[kind.__name__].misses, warm.workers[kind.__name__].hits) == (2, 2)
    for result in (cold, warm):
        first = result.outputs[0]
        assert [type(task).__name__ for task in first.copy_input_provenance()] == ["Document", "Number"]
        assert [name for name, _ in first.provenance()] == ["InitialTaskWorker", "Split", kind.__name__]


def test_the_order_of_arrival_does_not_count_but_each_task_does(folder: str) -> None:
    class Late(TaskWorker):
        """Publishes what comes first last."""

        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            if task.value == 0 and order[0] == "late":
                others.wait(30)
            self.publish_work(task)
            if task.value == 2:
                others.set()

    others = threading.Event()
    order = ["early"]
    for arrival in ("early", "late"):
        order[0] = arrival
        others.clear()
        split, late, join = Split(cache_dir=folder), Late(), Sum(cache_dir=folder)
        graph = Graph(name="g").add_workers(split, late, join)
        split.next(late).next(join).sink(Text)
        assert texts(graph.run([(split, Document(title="a"))])) == ["3"]
    assert calls == ["sum"]
    run(Sum(cache_dir=folder), Document(title="a", parts=2))
    assert calls == ["sum", "sum"]


def test_what_is_looked_up_of_a_task_of_the_group_counts(folder: str) -> None:
    for title, expected in (("a", 1), ("b", 2), ("a", 2), ("b", 2)):
        assert texts(run(Titled(cache_dir=folder), Document(title=title))) == [f"{title}: 3"]
        assert len(calls) == expected


def test_equal_groups_at_once_are_computed_once(folder: str) -> None:
    result = run(Sum(cache_dir=folder), *[Document(title=f"{number}") for number in range(20)])
    assert texts(result) == ["3"] * 20
    assert len(calls) == 1


def test_another_input_than_the_first_of_the_group_is_not_kept_and_says_so(folder: str) -> None:
    class Last(Sum):
        def consume_work_joined(self, tasks: list[Number]) -> None:
            calls.append("last")
            self.publish_work(Text(text="x"), input_task=tasks[-1])

    for _ in range(2):
        with pytest.warns(CacheWarning, match="publishes with another input task"):
            result = run(Last(cache_dir=folder), Document(title="a"))
        assert result.outputs[0].find_input_task(Number) == Number(value=2)
    assert calls == ["last", "last"]


def test_what_a_join_changes_in_its_tasks_is_seen_by_nobody(folder: str) -> None:
    class Changes(Sum):
        def consume_work_joined(self, tasks: list[Number]) -> None:
            tasks[0].value = 99
            super().consume_work_joined(tasks)

    for _ in range(2):
        [output] = run(Changes(cache_dir=folder), Document(title="a")).outputs
        assert output == Text(text="102")
        assert output.find_input_task(Number) == Number(value=0)
    assert calls == ["sum"]


def test_a_failed_join_is_tried_again_and_only_its_answer_is_kept(folder: str) -> None:
    class Fragile(Sum):
        num_retries = 1

        def consume_work_joined(self, tasks: list[Number]) -> None:
            super().consume_work_joined(tasks)
            if len(calls) == 1:
                raise LookupError("once")

    for _ in range(2):
        result = run(Fragile(cache_dir=folder), Document(title="a"))
        assert (texts(result), result.failures) == (["3"], [])
    assert calls == ["sum", "sum"]


def test_hooks_get_the_group(folder: str) -> None:
    seen: list[Any] = []

    class Hooked(Sum):
        def should_cache(self, task: TaskGroup) -> bool:
            return len(task.tasks) > 2

        def extra_cache_key(self, task: TaskGroup) -> str:
            return f"{len(task.tasks)}"

        def pre_consume_work(self, task: TaskGroup) -> None:
            seen.append([type(each).__name__ for each in task.tasks])

    for parts in (2, 2, 3, 3):
        run(Hooked(cache_dir=folder), Document(title="a", parts=parts))
    assert calls == ["sum", "sum", "sum"]
    assert seen == [["Number"] * 2] * 2 + [["Number"] * 3] * 2


def test_a_join_that_looks_by_itself_is_left_in_charge(folder: str) -> None:
    class ByHand(Sum):
        def consume_work_joined(self, tasks: list[Number]) -> None:
            key = f"{len(tasks)}"
            found = self.get_from_cache(key)
            if found is None:
                calls.append("by hand")
                found = Text(text=f"{len(tasks)} tasks")
                self.save_to_cache(key, found)
            self.publish_work(found)

    for _ in range(2):
        assert texts(run(ByHand(cache_dir=folder), Document(title="a"))) == ["3 tasks"]
    assert calls == ["by hand"]


class Merge(CachedJoinedTaskWorker, MergedTaskWorker):
    join_type = InitialTaskWorker
    merged_types = [Number, Text]
    output_types = [Text]

    def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
        calls.append("merge")
        self.publish_work(Text(text=f"{len(tasks['Number'])} and {len(tasks['Text'])}"))


def test_a_merge_may_be_cached(folder: str) -> None:
    class Both(TaskWorker):
        output_types = [Number, Text]

        def consume_work(self, task: Document) -> None:
            for value in range(task.parts):
                self.publish_work(Number(value=value))
            self.publish_work(Text(text=task.title))

    for _ in range(2):
        assert texts(run(Merge(cache_dir=folder), Document(title="a"), split=Both())) == ["3 and 1"]
    assert calls == ["merge"]


def test_by_hand_it_consumes_a_group_or_a_single_task(folder: str) -> None:
    join = Sum(cache_dir=folder)
    consume: Callable[..., Any] = join.consume_work
    consume(TaskGroup(tasks=[Number(value=1), Number(value=2)]))
    consume(Number(value=1))
    assert calls == ["sum", "sum"]


@pytest.mark.parametrize("on_failure", ["deliver", "fail"])
def test_what_is_delivered_of_an_incomplete_group_has_a_key_of_its_own(folder: str, on_failure: Any) -> None:
    class Fragile(Split):
        def consume_work(self, task: Document) -> None:
            super().consume_work(task)

    class Pass(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            if task.value == fails_on[0]:
                raise LookupError("gone")
            self.publish_work(task)

    fails_on = [2]
    expected = {"deliver": ["1"], "fail": []}[on_failure]
    for broken in (2, 2, -1):
        fails_on[0] = broken
        split, middle, join = Split(cache_dir=folder), Pass(), Sum(cache_dir=folder, on_failure=on_failure)
        graph = Graph(name="g").add_workers(split, middle, join)
        split.next(middle).next(join).sink(Text)
        result = graph.run([(split, Document(title="a"))], display_terminal=False)
        assert texts(result) == (expected if broken == 2 else ["3"])
    assert calls == ["sum"] * (2 if on_failure == "deliver" else 1)
