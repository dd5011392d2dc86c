"""Dispatcher: figures of graphs that serve."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from planai import Graph, Task, TaskWorker
from planai.run.dispatcher import Dispatcher

WAIT = 30.0


class Number(Task):
    value: int


class Work(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        self.print("working on", task.value)
        if task.value == 3:
            begun.put(None)
            go.wait(WAIT)
        if task.value == 2:
            raise LookupError("two")
        self.publish_work(Number(value=-task.value))


class Once(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value + 1))


begun: SimpleQueue[None] = SimpleQueue()
go = threading.Event()


def test_figures_while_a_graph_serves_and_afterwards() -> None:
    work = Work()
    graph = Graph(name="g").add_workers(work).set_entry(work)
    graph.set_max_parallel_tasks(Work, 1)
    graph.set_sink(work, Number)
    graph.prepare(display_terminal=False)
    dispatcher = graph.get_dispatcher()
    assert isinstance(dispatcher, Dispatcher)
    thread = threading.Thread(target=graph.execute, args=([],), daemon=True)
    thread.start()
    for value in (1, 2, 3, 4):
        graph.add_work(work, Number(value=value))
    begun.get(timeout=WAIT)
    [active] = dispatcher.get_active_tasks()
    assert active == {
        "id": "InitialTaskWorker_3",
        "type": "Number",
        "worker": "Work",
        "provenance": ["InitialTaskWorker_3"],
        "input_provenance": [],
        "task": {"value": 3},
    }
    assert dispatcher.active_tasks == 1
    assert (dispatcher.work_queue.qsize(), dispatcher.work_queue.empty()) == (len(dispatcher.get_queued_tasks()), False)
    assert (dispatcher.total_completed_tasks, dispatcher.total_failed_tasks) == (1, 1)
    assert [task["task"]["value"] for task in dispatcher.get_completed_tasks()] == [1]
    [failed] = dispatcher.get_failed_tasks()
    assert (failed["task"]["value"], failed["error"]) == (2, "two")
    assert dispatcher.completed_tasks == [(work, Number(value=1))]
    assert dispatcher.failed_tasks == [(work, Number(value=2), "two")]
    go.set()
    assert graph.shutdown(WAIT)
    thread.join(WAIT)
    row = dispatcher.get_execution_statistics()["Work"]
    assert {name: row[name] for name in ("count", "completed", "active", "queued", "failed")} == {
        "count": 4,
        "completed": 3,
        "active": 0,
        "queued": 0,
        "failed": 1,
    }
    assert 0.0 <= row["min"] <= row["median"] <= row["max"] < WAIT
    assert row["stdDev"] >= 0.0
    assert dispatcher.get_logs() == [f"working on {value}" for value in (1, 2, 3, 4)]
    assert dispatcher.get_queued_tasks() == []
    assert dispatcher.get_graphs() == [graph]


def test_figures_of_a_run_that_is_over() -> None:
    tried: list[int] = []

    class Fail(TaskWorker):
        num_retries = 2

        def consume_work(self, task: Number) -> None:
            tried.append(task.value)
            raise LookupError("no")

    once, fail = Once(), Fail()
    graph = Graph(name="g").add_workers(once, fail)
    once.next(fail)
    graph.run([(once, Number(value=7))], display_terminal=False)
    dispatcher = graph.get_dispatcher()
    assert dispatcher.completed_tasks == [(once, Number(value=7))]
    assert dispatcher.get_completed_tasks()[0]["id"] == "InitialTaskWorker_1"
    assert len(tried) == 3
    assert dispatcher.failed_tasks == [(fail, Number(value=8), "no")]
    [failed] = dispatcher.get_failed_tasks()
    assert (failed["id"], failed["input_provenance"]) == ("Once_1", [{"Number": {"value": 7}}])
    assert {name: row["count"] for name, row in dispatcher.get_execution_statistics().items()} == {"Once": 1, "Fail": 3}


def test_a_graph_that_is_deregistered_ends() -> None:
    first, second = Work(), Work()
    lead, other = Graph(name="lead").add_workers(first), Graph(name="other").add_workers(second)
    lead.prepare(display_terminal=False)
    other.register_dispatcher(lead.get_dispatcher())
    other.register_dispatcher(lead.get_dispatcher())
    assert lead.get_dispatcher().get_graphs() == [lead, other]
    lead.get_dispatcher().deregister_graph(other)
    assert lead.get_dispatcher().get_graphs() == [lead]
    assert lead.execute([(first, Number(value=1))]).failures[0].worker == "Work"
