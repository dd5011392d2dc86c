"""Names of PlanAI's workers that workers here have besides."""

import copy
from typing import Any
from unittest.mock import Mock

import pytest

from planai import Graph, Task, TaskWorker


class Number(Task):
    value: int = 0


class Count(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value + 1))


def test_a_worker_knows_the_graph_that_it_was_last_added_to() -> None:
    worker = Count()
    assert worker._graph is None
    first, second = Graph(name="first").add_workers(worker), Graph(name="second")
    assert worker._graph is first
    second.add_worker(worker)
    assert worker._graph is second
    assert copy.copy(worker)._graph is None


def test_an_authors_own_attribute_of_that_name_takes_its_place() -> None:
    class Own(Count):
        def __init__(self) -> None:
            super().__init__()
            self._graph = "mine"

    own = Own()
    graph = Graph(name="g").add_workers(own)
    graph.set_sink(own, Number)
    assert own._graph == "mine"
    assert graph.run([(own, Number())], display_terminal=False).outputs == [Number(value=1)]


def test_numbers_of_steps_grow_for_each_worker_by_itself() -> None:
    one, other = Count(), Count()
    assert [one.get_next_provenance() for _ in range(2)] == [("Count", 1), ("Count", 2)]
    assert other.get_next_provenance() == ("Count", 1)
    assert copy.copy(one).get_next_provenance() == ("Count", 1)


def test_a_worker_in_a_stand_in_for_a_graph_names_what_is_downstream() -> None:
    told: list[Any] = []

    class StandIn:
        desk = None

        def set_dependency(self, *workers: TaskWorker) -> Any:
            told.append(workers)

        def set_sink(self, *_: Any) -> None: ...

    first, second = Count(), Count()
    first.set_graph(StandIn())
    assert first.next(second) is second
    assert told == [(first, second)]


def test_a_worker_whose_graph_is_a_mock_wires_there() -> None:
    graph, worker, downstream = Mock(), Count(), Count()
    worker._graph = graph
    assert worker.next(downstream) is downstream
    graph.set_dependency.assert_called_once_with(worker, downstream)


def test_a_consumer_that_is_registered_before_there_is_a_graph_is_wired_in_it() -> None:
    worker, downstream = Count(), Count()
    worker.register_consumer(Number, downstream)
    with pytest.raises(ValueError, match="'Count' is registered with 'Count' for 'Number' already"):
        worker.register_consumer(Number, downstream)
    graph = Graph(name="g").add_workers(downstream, worker)
    graph.set_sink(downstream, Number)
    assert graph.run([(worker, Number())], display_terminal=False).outputs == [Number(value=2)]
