"""Sub-graphs: a graph in the place of a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from planai import Graph, InitialTaskWorker, JoinedTaskWorker, SubGraphWorker, Task, TaskWorker
from planai.errors import ConfigurationError, OutsideCallError, WiringError
from planai.graph import ExecutorName
from planai.testing import run_inline

BOTH: list[ExecutorName] = ["inline", "threads"]


class Number(Task):
    value: int


class Text(Task):
    text: str


class Sum(Task):
    total: int


class Spread(TaskWorker):
    """Publishes as many numbers as it gets."""

    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        for value in range(task.value):
            self.publish_work(Number(value=value))


class Show(TaskWorker):
    output_types = [Text]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Text(text=str(task.value)))


class Add(JoinedTaskWorker):
    join_type = InitialTaskWorker
    output_types = [Sum]

    def consume_work_joined(self, tasks: list[Number]) -> None:
        self.publish_work(Sum(total=sum(task.value for task in tasks)))


class Concatenate(JoinedTaskWorker):
    join_type = InitialTaskWorker
    output_types = [Text]

    def consume_work_joined(self, tasks: list[Text]) -> None:
        self.publish_work(Text(text="".join(task.text for task in tasks)))


class Pick(TaskWorker):
    """Tells what it can see of where its task comes from."""

    output_types = [Text]

    def consume_work(self, task: Number) -> None:
        seen = [type(each).__name__ for each in task.copy_input_provenance()]
        self.publish_work(Text(text=f"{task.provenance()} {seen} {task.get_private_state('owner')}"))


class Own(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        task.add_private_state("owner", "me")
        self.publish_work(task)


def summing() -> Graph:
    spread, add = Spread(), Add()
    graph = Graph(name="summing").add_workers(spread, add)
    graph.set_entry(spread).set_exit(add)
    spread.next(add)
    return graph


def showing() -> Graph:
    spread, show = Spread(), Show()
    graph = Graph(name="showing").add_workers(spread, show)
    graph.set_entry(spread).set_exit(show)
    spread.next(show)
    return graph


def of_one(worker: TaskWorker) -> Graph:
    return Graph(name=f"only {worker.name}").add_workers(worker).set_entry(worker).set_exit(worker)


@pytest.mark.parametrize("executor", BOTH)
def test_a_join_inside_joins_what_comes_of_each_task_that_came_in(executor: ExecutorName) -> None:
    spread, sub = Spread(), SubGraphWorker(graph=summing())
    graph = Graph(name="g").add_workers(spread, sub)
    spread.next(sub).sink(Sum)
    result = graph.run([(spread, Number(value=5))], executor=executor)
    assert [task.model_dump()["total"] for task in result.outputs] == [0, 1, 3, 6]  # 0 spreads to nothing
    assert result.ok


@pytest.mark.parametrize("executor", BOTH)
def test_a_join_outside_waits_for_all_that_is_inside(executor: ExecutorName) -> None:
    sub, join = SubGraphWorker(graph=showing()), Concatenate()
    graph = Graph(name="g").add_workers(sub, join)
    sub.next(join).sink(Text)
    result = graph.run([(sub, Number(value=value)) for value in (3, 5)], executor=executor)
    assert [str(task.model_dump()["text"]) for task in result.outputs] == ["012", "01234"]


def test_outside_only_the_worker_itself_is_seen() -> None:
    sub = SubGraphWorker(graph=showing(), name="Shown")
    [first, _] = run_inline(sub, Number(value=2)).outputs
    assert first.provenance() == (("InitialTaskWorker", 1), ("Shown", 1))
    assert first.copy_input_provenance() == [Number(value=2)]


def test_inside_a_task_that_comes_in_is_the_beginning_and_keeps_its_private_state() -> None:
    own, sub = Own(), SubGraphWorker(graph=of_one(Pick()))
    graph = Graph(name="g").add_workers(own, sub)
    own.next(sub).sink(Text)
    [output] = graph.run([(own, Number(value=1))], executor="inline").outputs
    assert output == Text(text="(('InitialTaskWorker', 2),) [] me")


@pytest.mark.parametrize("executor", BOTH)
def test_graphs_inside_of_graphs(executor: ExecutorName) -> None:
    middle = SubGraphWorker(graph=showing(), name="Middle")
    join = Concatenate()
    around = Graph(name="around").add_workers(middle, join)
    around.set_entry(middle).set_exit(join)
    middle.next(join)
    outer = SubGraphWorker(graph=around, name="Outer")
    result = Graph(name="g").add_workers(outer)
    outer.sink(Text)
    found = result.run([(outer, Number(value=3)), (outer, Number(value=4))], executor=executor)
    assert found.outputs == [Text(text="012"), Text(text="0123")]
    assert set(found.workers) == {"Outer/Concatenate", "Outer/Middle/Spread", "Outer/Middle/Show"}


def test_the_same_graph_in_two_places_and_by_itself() -> None:
    spreading = of_one(Spread())
    [spread] = spreading.workers
    spreading.set_sink(spread, Number)
    first, second = SubGraphWorker(graph=spreading, name="First"), SubGraphWorker(graph=spreading, name="Second")
    graph = Graph(name="g").add_workers(first, second)
    first.next(second)
    graph.set_sink(second, Number)
    assert [task.model_dump()["value"] for task in graph.run([(first, Number(value=4))]).outputs] == [0, 0, 1, 0, 1, 2]
    assert len(spreading.run([(spread, Number(value=4))]).outputs) == 4


def test_two_places_of_one_graph_share_its_limits_and_those_around_it() -> None:
    barrier = threading.Barrier(2)

    class Meet(TaskWorker):
        output_types = [Text]

        def consume_work(self, task: Number) -> None:
            barrier.wait(timeout=0.3)
            self.publish_work(Text(text="met"))

    inner = of_one(Meet())
    one, other = SubGraphWorker(graph=inner), SubGraphWorker(graph=inner)
    graph = Graph(name="g").add_workers(one, other)
    graph.set_sink(one, Text)
    graph.set_sink(other, Text)
    work: list[tuple[TaskWorker, Task]] = [(one, Number(value=1)), (other, Number(value=2))]
    assert len(graph.run(work, display_terminal=False).outputs) == 2
    for limiting in (inner, graph):
        barrier.reset()
        inner.wires.limits.clear()
        limiting.set_max_parallel_tasks(Meet, 1)
        assert len(graph.run(work, display_terminal=False).failures) == 2


def test_a_sink_with_a_callback_inside_is_called() -> None:
    seen: list[Task] = []
    inner = showing()
    [spread] = inner.get_entry_workers()
    inner.set_sink(spread, Number, notify=lambda metadata, task: seen.append(task))
    result = run_inline(SubGraphWorker(graph=inner), Number(value=2))
    assert seen == [Number(value=0), Number(value=1)]
    assert len(result.outputs) == 2


def test_a_failure_inside_is_a_failure_of_the_run() -> None:
    class Break(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            raise LookupError("no")

    result = run_inline(SubGraphWorker(graph=of_one(Break())), Number(value=2))
    assert [failure.worker for failure in result.failures] == ["SubGraphWorker/Break"]


def test_an_output_that_nobody_outside_gets_fails_the_call_that_publishes_it() -> None:
    sub = SubGraphWorker(graph=of_one(Show()))
    graph = Graph(name="g").add_workers(sub)
    [failure] = graph.run([(sub, Number(value=2))], executor="inline", display_terminal=False).failures
    assert failure.worker == "SubGraphWorker/Show"
    assert "'SubGraphWorker' publishes a 'Text' that nobody consumes" in str(failure.error)


def test_mistakes_inside_are_found_before_anything_runs() -> None:
    show, spread = Show(), Spread()
    inner = Graph(name="inner").add_workers(show, spread)
    inner.set_entry(show).set_exit(show)
    graph = Graph(name="g").add_workers(SubGraphWorker(graph=inner, name="Sub"))
    spread.next(show)
    spread.output_types = [Text]
    with pytest.raises(WiringError, match="in 'Sub': 'Spread' publishes 'Text', but 'Show' consumes 'Number'"):
        graph.check()


def test_a_graph_inside_of_itself_is_a_mistake() -> None:
    inner = of_one(Spread())
    inner.add_workers(SubGraphWorker(graph=inner, name="Again"))
    with pytest.raises(WiringError, match="'Again' is a graph inside of itself"):
        inner.check()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SubGraphWorker(graph=Graph(name="g")), "graph 'g' has nothing as entry"),
        (lambda: SubGraphWorker(graph=of_one(Spread()), entry_worker=Spread()), "has 'Spread' as entry"),
        (lambda: SubGraphWorker(graph=of_one(Spread()), exit_worker=Show()), "has 'Show' as exit"),
        (lambda: SubGraphWorker(graph=of_one(Spread(output_types=[Number, Text]))), "exactly one output type"),
    ],
)
def test_an_entry_and_an_exit_are_needed(make: Callable[[], SubGraphWorker], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_it_does_nothing_by_itself() -> None:
    sub = SubGraphWorker(graph=of_one(Show()))
    assert sub.name == "SubGraphWorker"
    assert sub.get_task_classes() == [Number]
    assert sub.graph.name == "only Show"
    with pytest.raises(OutsideCallError, match="stands for the graph 'only Show'"):
        sub.consume_work(Number(value=1))
