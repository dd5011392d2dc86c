"""Steps that programs for PlanAI take by hand."""

import pytest

from planai import Graph, Task, TaskWorker
from planai.errors import WiringError


class Number(Task):
    value: int


class Double(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=2 * task.value), input_task=task)


class Untyped(TaskWorker):
    def consume_work(self, task) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - the mistake under test
        """Do nothing."""


def test_a_graph_that_was_prepared_step_by_step_runs() -> None:
    double = Double()
    graph = Graph().add_workers(double)
    double.set_graph(graph)
    graph.set_sink(double, Number)
    graph.finalize()
    graph.compute_worker_distances()
    graph.init_workers()
    graph.validate_graph()
    assert graph.run([(double, Number(value=2))], executor="inline").outputs == [Number(value=4)]


@pytest.mark.parametrize("check", [Graph.finalize, Graph.validate_graph])
def test_a_graph_that_cannot_run_says_so(check: object) -> None:
    assert callable(check)
    with pytest.raises(WiringError, match="does not say what it consumes"):
        check(Graph().add_workers(Untyped()))
