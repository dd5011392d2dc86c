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


class Fail(TaskWorker):
    def consume_work(self, task: Number) -> None:
        raise ValueError(f"no {task.value}")


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


def test_the_present_figures_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    double, fail = Double(), Fail()
    graph = Graph(name="g").add_workers(double, fail)
    graph.display_terminal_status()
    assert capsys.readouterr().out == ""
    graph.set_dependency(double, fail)
    graph.run([(double, Number(value=2))], executor="inline", display_terminal=False)
    capsys.readouterr()
    graph.display_terminal_status()
    assert capsys.readouterr().out.splitlines() == [
        "Double: 1 completed, 0 active, 0 queued, 0 failed",
        "Fail: 0 completed, 0 active, 0 queued, 1 failed",
    ]


def test_tests_see_by_planais_names_what_was_told_and_done() -> None:
    double = Double()
    graph = Graph(name="g").add_workers(double)
    double.sink(Number)
    graph.set_max_parallel_tasks(Double, 3)
    assert graph._max_parallel_tasks == {Double: 3}
    assert graph._sink_workers == [double]
    graph.prepare(display_terminal=False)
    graph.execute([(double, Number(value=2))])
    dispatcher = graph._dispatcher
    assert dispatcher is graph.get_dispatcher()
    assert (dispatcher.active_tasks, dispatcher.total_completed_tasks) == (0, 1)
    [(worker, task)] = dispatcher.completed_tasks
    assert worker is double
    assert (task, task._provenance) == (Number(value=2), [("InitialTaskWorker", 1)])
