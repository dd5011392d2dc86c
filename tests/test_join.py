"""Joins: each fires once for each ancestor, with all that descends from it, in order."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from planai import (
    Graph,
    InitialTaskWorker,
    JoinedTaskWorker,
    MergedTaskWorker,
    RunResult,
    SubGraphWorker,
    Task,
    TaskWorker,
)
from planai.errors import IncompleteGroup
from planai.graph import ExecutorName
from planai.provenance import INITIAL

Groups = list[tuple[str, list[Any]]]


class Number(Task):
    value: int = 0


class Part(Task):
    value: int = 0


class Piece(Task):
    value: int = 0


class Sum(Task):
    value: int = 0


class Total(Task):
    value: int = 0


class Log(Task):
    text: str = ""


class Split(TaskWorker):
    """Publishes as many parts as the number says, highest value first."""

    output_types = [Part]

    def consume_work(self, task: Number) -> None:
        for value in range(task.value, 0, -1):
            self.publish_work(Part(value=value))


class Cut(TaskWorker):
    """Publishes two pieces of each part; fails as `failing` says."""

    output_types = [Piece]
    failing: Callable[[Part], bool] = lambda _: False

    def consume_work(self, task: Part) -> None:
        if self.failing(task):
            raise LookupError(task.value)
        self.publish_work(Piece(value=10 * task.value))
        self.publish_work(Piece(value=10 * task.value + 1))


class Recording(JoinedTaskWorker):
    groups: Any  # a list would be copied

    def consume_work_joined(self, tasks: list[Piece]) -> None:
        self.groups.append((self.name, [task.value for task in tasks]))
        self.finish(tasks)

    def finish(self, tasks: list[Piece]) -> None:
        """Publish what the kind of worker publishes."""


class OnStart(Recording):
    """Joins all that comes of an initial task."""


class OnPart(Recording):
    """Joins the pieces of a part, and publishes their sum."""

    join_type = Split
    output_types = [Sum]

    def finish(self, tasks: list[Piece]) -> None:
        self.publish_work(Sum(value=sum(task.value for task in tasks)))


class SumAll(JoinedTaskWorker):
    output_types = [Total]
    groups: Any  # a list would be copied

    def consume_work_joined(self, tasks: list[Sum]) -> None:
        self.groups.append((self.name, [task.value for task in tasks]))
        self.publish_work(Total(value=sum(task.value for task in tasks)))


class SumTotals(JoinedTaskWorker):
    groups: Any  # a list would be copied

    def consume_work_joined(self, tasks: list[Total]) -> None:
        self.groups.append((self.name, [task.value for task in tasks]))


def run_chain(*workers: TaskWorker, numbers: tuple[int, ...] = (2, 1), executor: str = "inline") -> RunResult:
    graph = Graph(name="joins").add_workers(*workers)
    for up, down in pairwise(workers):
        graph.set_dependency(up, down)
    for kind in workers[-1].output_types:
        graph.set_sink(workers[-1], kind)
    initial = [(workers[0], Number(value=value)) for value in numbers]
    return graph.run(initial, executor="inline" if executor == "inline" else "threads", display_terminal=False)


both_executors = pytest.mark.parametrize("executor", ["inline", "threads"])


@both_executors
def test_a_join_on_the_initial_worker_fires_once_for_each_initial_task(executor: str) -> None:
    groups: Groups = []
    result = run_chain(Split(), Cut(), OnStart(groups=groups), executor=executor)
    assert result.ok
    assert sorted(groups) == [("OnStart", [10, 11]), ("OnStart", [20, 21, 10, 11])]


@both_executors
def test_a_join_on_a_worker_fires_once_for_each_task_that_it_published(executor: str) -> None:
    groups: Groups = []
    assert run_chain(Split(), Cut(), OnPart(groups=groups), executor=executor).ok
    assert sorted(groups) == [("OnPart", [10, 11]), ("OnPart", [10, 11]), ("OnPart", [20, 21])]


@both_executors
def test_joins_of_joins_wait_for_each_other(executor: str) -> None:
    groups: Groups = []
    workers = (Split(), Cut(), OnPart(groups=groups), SumAll(groups=groups), SumTotals(groups=groups))
    result = run_chain(*workers, numbers=(3,), executor=executor)
    assert sorted(groups[:3]) == [("OnPart", [10, 11]), ("OnPart", [20, 21]), ("OnPart", [30, 31])]
    assert groups[3:] == [("SumAll", [61, 41, 21]), ("SumTotals", [123])]
    assert [failure.worker for failure in result.failures] == []


def test_a_group_is_sorted_by_provenance_whatever_the_order_of_arrival() -> None:
    """The second part is done first, since the first one is tried again."""
    groups: Groups = []
    tried: list[int] = []

    def fail_first(part: Part) -> bool:
        tried.append(part.value)
        return tried == [3]

    result = run_chain(Split(), Cut(failing=fail_first, num_retries=1), OnStart(groups=groups), numbers=(3,))
    assert result.ok
    assert tried.index(3) < tried.index(2) < len(tried) - 1 - tried[::-1].index(3)
    assert groups == [("OnStart", [30, 31, 20, 21, 10, 11])]


@both_executors
def test_a_failed_task_does_not_hang_a_join(executor: str) -> None:
    groups: Groups = []
    result = run_chain(
        Split(), Cut(failing=lambda part: part.value == 2), OnStart(groups=groups), numbers=(3,), executor=executor
    )
    assert [failure.worker for failure in result.failures] == ["Cut"]
    assert groups == [("OnStart", [30, 31, 10, 11])]


def test_a_join_of_which_nothing_is_left_does_not_fire() -> None:
    groups: Groups = []
    result = run_chain(Split(), Cut(failing=lambda _: True), OnStart(groups=groups))
    assert groups == []
    assert len(result.failures) == 3


def test_a_join_that_fails_is_tried_again_with_the_same_group() -> None:
    groups: Groups = []

    class Flaky(OnStart):
        num_retries = 1

        def finish(self, tasks: list[Piece]) -> None:
            assert [task.retry_count for task in tasks] == [len(groups) - 1] * len(tasks)
            if len(groups) == 1:
                raise LookupError

    result = run_chain(Split(), Cut(), Flaky(groups=groups), numbers=(1,))
    assert result.ok
    assert groups == [("Flaky", [10, 11])] * 2


def test_a_join_that_fails_for_good_leaves_the_rest_of_the_run_alone() -> None:
    groups: Groups = []

    class Failing(OnPart):
        def finish(self, tasks: list[Piece]) -> None:
            if tasks[0].value == 20:
                raise LookupError
            super().finish(tasks)

    result = run_chain(Split(), Cut(), Failing(groups=groups), SumAll(groups=groups), numbers=(3,))
    assert [(failure.worker, failure.task) for failure in result.failures] == [("Failing", Piece(value=20))]
    assert ("SumAll", [61, 21]) in groups


def test_what_a_join_publishes_descends_from_its_group() -> None:
    class Collect(OnPart):
        def finish(self, tasks: list[Piece]) -> None:
            self.publish_work(Sum(value=len(tasks)), input_task=tasks[1])
            self.publish_work(Sum(value=len(tasks)))

    graph = Graph(name="g")
    split, cut, join = Split(), Cut(), Collect(groups=[])
    graph.add_workers(split, cut, join).set_dependency(split, cut)
    graph.set_dependency(cut, join)
    graph.set_sink(join, Sum)
    outputs = graph.run([(split, Number(value=1))], executor="inline").outputs
    assert [out.provenance() for out in outputs] == [
        ((INITIAL, 1), ("Split", 1), ("Cut", 1), ("Collect", 2)),
        ((INITIAL, 1), ("Split", 1), ("Cut", 2), ("Collect", 1)),
    ]
    assert [out.find_input_task(Piece) for out in outputs] == [Piece(value=10), Piece(value=11)]
    assert outputs[0].prefix_for_input_task(Split) == ((INITIAL, 1), ("Split", 1))


def test_a_join_directly_behind_the_worker_it_joins_on_gets_groups_of_one() -> None:
    groups: Groups = []

    class Direct(JoinedTaskWorker):
        join_type = Split

        def consume_work_joined(self, tasks: list[Part]) -> None:
            groups.append((self.name, [task.value for task in tasks]))

    assert run_chain(Split(), Direct(), numbers=(2,)).ok
    assert sorted(groups) == [("Direct", [1]), ("Direct", [2])]


def test_the_parameter_may_be_called_task() -> None:
    class Named(JoinedTaskWorker):
        def consume_work_joined(self, task: list[Part]) -> None:
            """Do nothing."""

    assert Named().get_task_class() is Part


def test_a_join_as_an_entry_consumes_a_group_of_one() -> None:
    groups: Groups = []
    join = OnStart(groups=groups)
    graph = Graph(name="g").add_workers(join)
    assert graph.run([(join, Piece(value=5))], executor="inline").ok
    assert groups == [("OnStart", [5])]


def test_a_task_that_does_not_come_from_the_joined_worker_is_a_failure_and_not_a_loss() -> None:
    groups: Groups = []
    split, cut, join = Split(), Cut(), OnPart(groups=groups)
    graph = Graph(name="g").add_workers(split, cut, join)
    split.next(cut).next(join)
    result = graph.run([(cut, Part(value=1))], executor="inline", display_terminal=False)
    assert groups == []
    assert [failure.worker for failure in result.failures] == ["OnPart", "OnPart"]
    assert "joins on Split, from which this task does not come" in str(result.failures[0])


def test_hundreds_of_groups_fire_once_each_in_threads() -> None:
    groups: Groups = []
    result = run_chain(
        Split(),
        Cut(),
        OnPart(groups=groups),
        SumAll(groups=groups),
        SumTotals(groups=groups),
        numbers=(20,) * 20,
        executor="threads",
    )
    assert result.ok
    names = [name for name, _ in groups]
    assert (names.count("OnPart"), names.count("SumAll"), names.count("SumTotals")) == (400, 20, 20)
    assert {len(values) for name, values in groups if name == "SumAll"} == {20}


# ---- merges


class Describe(TaskWorker):
    output_types = [Part, Log]

    def consume_work(self, task: Number) -> None:
        for value in range(task.value):
            self.publish_work(Log(text=f"log {value}"))
            self.publish_work(Part(value=value))


class Merge(MergedTaskWorker):
    merged_types = [Piece, Log]
    merged: list[dict[str, list[Task]]]

    def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
        self.merged.append(tasks)


def test_a_merge_gets_all_types_by_name_in_the_order_that_was_declared() -> None:
    describe, cut, merge = Describe(), Cut(), Merge(merged=[])
    graph = Graph(name="g").add_workers(describe, cut, merge)
    graph.set_dependency(describe, cut)
    graph.set_dependency(describe, merge)
    graph.set_dependency(cut, merge)
    assert graph.run([(describe, Number(value=2))], executor="inline").ok
    assert merge.merged == [
        {
            "Piece": [Piece(value=0), Piece(value=1), Piece(value=10), Piece(value=11)],
            "Log": [Log(text="log 0"), Log(text="log 1")],
        }
    ]
    assert list(merge.merged[0]) == ["Piece", "Log"]


def test_a_type_of_which_nothing_came_is_no_key_and_an_empty_list() -> None:
    describe, cut, merge = Describe(), Cut(failing=lambda _: True), Merge(merged=[])
    graph = Graph(name="g").add_workers(describe, cut, merge)
    graph.set_dependency(describe, cut).next(merge)
    graph.set_dependency(describe, merge)
    graph.run([(describe, Number(value=1))], executor="inline", display_terminal=False)
    assert merge.merged == [{"Log": [Log(text="log 0")]}]
    assert merge.merged[0]["Piece"] == []


def test_a_merge_needs_types() -> None:
    class Empty(MergedTaskWorker):
        def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
            """Do nothing."""

    with pytest.raises(ValidationError, match="merged_types"):
        Empty()


def test_a_merge_behind_a_join_and_behind_what_feeds_the_join_fires_once() -> None:
    class MergeSums(MergedTaskWorker):
        merged_types = [Log, Total]

        def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
            groups.append((self.name, [len(tasks["Log"]), len(tasks["Total"])]))

    class Count(JoinedTaskWorker):
        output_types = [Total]

        def consume_work_joined(self, tasks: list[Part]) -> None:
            self.publish_work(Total(value=len(tasks)))

    groups: Groups = []
    describe, count, merge = Describe(), Count(), MergeSums()
    graph = Graph(name="g").add_workers(describe, count, merge)
    describe.next(count).next(merge)
    describe.next(merge)
    assert graph.run([(describe, Number(value=2))], executor="inline").ok
    assert groups == [("MergeSums", [2, 1])]


def test_a_join_below_a_join_that_goes_further_up_is_waited_for() -> None:
    """OnPart joins on Split; SumPieces behind it joins on Cut, which is below Split and has ended by then."""

    class SumPieces(JoinedTaskWorker):
        join_type = Cut
        output_types = [Total]

        def consume_work_joined(self, tasks: list[Sum]) -> None:
            self.publish_work(Total(value=tasks[0].value))

    class Gather(MergedTaskWorker):
        merged_types = [Log, Total]

        def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
            groups.append((self.name, [len(tasks["Log"]), len(tasks["Total"])]))

    class Report(Split):
        output_types = [Part, Log]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Log(text="begin"))
            super().consume_work(task)

    groups: Groups = []
    split, cut, on_part, sum_pieces, gather = Report(), Cut(), OnPart(groups=[]), SumPieces(), Gather()
    graph = Graph(name="g").add_workers(split, cut, on_part, sum_pieces, gather)
    split.next(cut).next(on_part).next(sum_pieces).next(gather)
    split.next(gather)
    assert graph.run([(split, Number(value=2))], executor="inline", display_terminal=False).ok
    assert groups == [("Gather", [1, 2])]


def test_a_join_directly_behind_the_worker_it_joins_on_is_waited_for() -> None:
    class EachPart(JoinedTaskWorker):
        join_type = Describe
        output_types = [Total]

        def consume_work_joined(self, tasks: list[Part]) -> None:
            self.publish_work(Total(value=len(tasks)))

    class Pass(TaskWorker):
        output_types = [Piece]

        def consume_work(self, task: Log) -> None:
            self.publish_work(Piece())

    class Gather(MergedTaskWorker):
        merged_types = [Piece, Total]

        def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
            groups.append((self.name, [len(tasks["Piece"]), len(tasks["Total"])]))

    groups: Groups = []
    describe, each, forward, gather = Describe(), EachPart(), Pass(), Gather()
    graph = Graph(name="g").add_workers(describe, each, forward, gather)
    describe.next(each).next(gather)
    describe.next(forward).next(gather)
    assert graph.run([(describe, Number(value=2))], executor="inline").ok
    assert groups == [("Gather", [2, 2])]


def test_a_join_on_ended_tasks_waits_for_all_that_comes_of_them_later() -> None:
    """OnBoth joins on Split, and publishes two sums from one piece; EachCut, two steps further, joins on Cut."""

    class OnBoth(OnPart):
        def finish(self, tasks: list[Piece]) -> None:
            for value in (1, 2):
                self.publish_work(Sum(value=value), input_task=tasks[0])

    class Pass(TaskWorker):
        output_types = [Total]

        def consume_work(self, task: Sum) -> None:
            self.publish_work(Total(value=task.value))

    class EachCut(SumTotals):
        join_type = Cut

    groups: Groups = []
    assert run_chain(Split(), Cut(), OnBoth(groups=[]), Pass(), EachCut(groups=groups), numbers=(1,)).ok
    assert groups == [("EachCut", [1, 2])]


def test_the_default_joins_on_the_initial_worker() -> None:
    assert OnStart(groups=[]).join_type is InitialTaskWorker


# ---- incomplete groups


class Fragile(TaskWorker):
    """Fails on 3, for good."""

    output_types = [Piece]

    def consume_work(self, task: Piece) -> None:
        if task.value == 3:
            raise LookupError("three")
        self.publish_work(task)


class Scatter(TaskWorker):
    output_types = [Piece]

    def consume_work(self, task: Piece) -> None:
        for value in range(task.value):
            self.publish_work(Piece(value=value))


class Whole(JoinedTaskWorker):
    join_type = InitialTaskWorker
    output_types = [Piece]

    def consume_work_joined(self, tasks: list[Piece]) -> None:
        self.publish_work(Piece(value=sum(task.value for task in tasks)))


class Further(Whole):
    """A join behind a join."""


def incomplete(join: TaskWorker, *more: TaskWorker) -> Graph:
    scatter, fragile = Scatter(), Fragile()
    graph = Graph(name="g").add_workers(scatter, fragile, join, *more)
    scatter.next(fragile).next(join)
    last = join
    for worker in more:
        last = last.next(worker)
    last.sink(Piece)
    graph.set_entry(scatter)
    return graph


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_a_group_of_which_a_part_failed_is_delivered_by_default(executor: ExecutorName) -> None:
    graph = incomplete(Whole())
    [scatter] = graph.get_entry_workers()
    result = graph.run([(scatter, Piece(value=6))], executor=executor, display_terminal=False)
    assert (result.outputs, len(result.failures)) == ([Piece(value=0 + 1 + 2 + 4 + 5)], 1)


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_a_join_may_refuse_a_group_of_which_a_part_failed(executor: ExecutorName) -> None:
    graph = incomplete(Whole(on_failure="fail"))
    [scatter] = graph.get_entry_workers()
    work: list[tuple[TaskWorker, Task]] = [(scatter, Piece(value=6)), (scatter, Piece(value=3))]
    result = graph.run(work, executor=executor, display_terminal=False)
    assert result.outputs == [Piece(value=0 + 1 + 2)]
    assert [failure.worker for failure in result.failures] == ["Fragile", "Whole"]
    refused = result.failures[1]
    assert isinstance(refused.error, IncompleteGroup)
    assert str(refused.error) == "1 call failed on which the group depends, and Whole.on_failure is 'fail'"
    assert (refused.attempts, refused.provenance) == (0, (("InitialTaskWorker", 1),))
    assert result.workers["Whole"].failed == 1


def test_joins_behind_a_refused_group_refuse_theirs_and_those_that_take_anything_go_on() -> None:
    graph = incomplete(Whole(), Further(on_failure="fail"))
    [scatter] = graph.get_entry_workers()
    result = graph.run([(scatter, Piece(value=6))], executor="inline", display_terminal=False)
    assert (result.outputs, [failure.worker for failure in result.failures]) == ([], ["Fragile", "Further"])


def test_a_failure_beside_a_join_is_none_of_its_business() -> None:
    class Other(Fragile):
        pass

    other, join = Other(), Whole(on_failure="fail")

    class Both(Scatter):
        def consume_work(self, task: Piece) -> None:
            for value in range(task.value):
                self.publish_work(Piece(value=value), consumer=join)
            self.publish_work(Piece(value=3), consumer=other)

    both = Both()
    graph = Graph(name="g").add_workers(both, other, join)
    both.next(other)
    both.next(join).sink(Piece)
    result = graph.run([(both, Piece(value=3))], executor="inline", display_terminal=False)
    assert (result.outputs, len(result.failures)) == ([Piece(value=3)], 1)


def test_a_failure_inside_of_a_graph_reaches_the_join_outside() -> None:
    fragile = Fragile()
    inner = Graph(name="inner").add_workers(fragile).set_entry(fragile).set_exit(fragile)
    scatter, sub, join = Scatter(), SubGraphWorker(graph=inner), Whole(on_failure="fail")
    graph = Graph(name="g").add_workers(scatter, sub, join)
    scatter.next(sub).next(join).sink(Piece)
    work: list[tuple[TaskWorker, Task]] = [(scatter, Piece(value=6)), (scatter, Piece(value=3))]
    result = graph.run(work, executor="inline", display_terminal=False)
    assert result.outputs == [Piece(value=3)]
    assert [failure.worker for failure in result.failures] == ["SubGraphWorker/Fragile", "Whole"]
