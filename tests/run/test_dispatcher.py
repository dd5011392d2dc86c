"""Dispatcher: figures of graphs that serve."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue

import pytest

from planai import Graph, Task, TaskWorker
from planai.errors import ConfigurationError
from planai.run.dispatcher import Dispatcher
from waiting import wait_until

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
    started = time.time()
    for value in (1, 2, 3, 4):
        graph.add_work(work, Number(value=value))
    begun.get(timeout=WAIT)
    [active] = dispatcher.get_active_tasks()
    assert started < active.pop("start_time") < time.time()
    assert active == {
        "id": "InitialTaskWorker_3",
        "type": "Number",
        "worker": "Work",
        "end_time": None,
        "provenance": ["InitialTaskWorker_3"],
        "input_provenance": [],
        "task": {"value": 3},
    }
    assert dispatcher.active_tasks == 1
    assert (dispatcher.work_queue.qsize(), dispatcher.work_queue.empty()) == (len(dispatcher.get_queued_tasks()), False)
    assert (dispatcher.total_completed_tasks, dispatcher.total_failed_tasks) == (1, 1)
    [queued] = dispatcher.get_queued_tasks()
    assert (queued["start_time"], queued["end_time"]) == (None, None)
    [completed] = dispatcher.get_completed_tasks()
    assert completed["task"]["value"] == 1
    assert started < completed["start_time"] <= completed["end_time"] < time.time()
    [failed] = dispatcher.get_failed_tasks()
    assert (failed["task"]["value"], failed["error"]) == (2, "two")
    assert started < failed["start_time"] <= failed["end_time"] < time.time()
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
    logs = dispatcher.get_logs()
    assert [line["message"] for line in logs] == [f"working on {value}" for value in (1, 2, 3, 4)]
    assert started < logs[0]["timestamp"] <= logs[-1]["timestamp"] < time.time()
    assert dispatcher.get_logs() == []
    assert dispatcher.get_queued_tasks() == []
    assert dispatcher.get_graphs() == [{"index": 0, "name": "g"}]
    assert dispatcher.graph() is graph
    with pytest.raises(ConfigurationError, match="no graph with the number 1; 1 are registered"):
        dispatcher.graph(1)
    assert [task.model_dump()["value"] for _, task in dispatcher.completed_tasks] == [4, 3, 1]
    assert not dispatcher.has_dashboard()


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
    assert [lead.get_dispatcher().graph(index) for index in range(2)] == [lead, other]
    lead.get_dispatcher().deregister_graph(other)
    assert [row["name"] for row in lead.get_dispatcher().get_graphs()] == ["lead"]
    assert lead.execute([(first, Number(value=1))]).failures[0].worker == "Work"


@pytest.mark.parametrize("serves", [True, False])
def test_programs_may_wait_for_all_graphs_and_stop_them(serves: bool) -> None:
    first, second = Once(), Once()
    lead, other = Graph(name="lead").add_workers(first), Graph(name="other").add_workers(second)
    lead.set_sink(first, Number)
    other.set_sink(second, Number)
    lead.prepare(display_terminal=False)
    dispatcher = lead.get_dispatcher()
    other.register_dispatcher(dispatcher)
    dispatcher.start()
    dispatcher.wait_for_completion()  # nothing is executed yet
    other.add_work(second, Number(value=1))
    work = [] if serves else [(first, Number(value=2))]
    thread = threading.Thread(target=lead.execute, args=(work,), daemon=True)
    thread.start()
    wait_until(lambda: dispatcher.total_completed_tasks > 0)
    dispatcher.wait_for_completion(timeout=WAIT)
    assert dispatcher.total_completed_tasks == (1 if serves else 2)
    dispatcher.stop(timeout=WAIT)
    thread.join(WAIT)
    assert not thread.is_alive()


def test_waiting_for_all_graphs_ends_after_a_while() -> None:
    work = Work()
    graph = Graph(name="g").add_workers(work)
    graph.prepare(display_terminal=False)
    thread = threading.Thread(target=graph.execute, args=([(work, Number(value=3)), (work, Number(value=1))],))
    go.clear()
    thread.start()
    begun.get(timeout=WAIT)
    graph.get_dispatcher().wait_for_completion(timeout=0.01)
    assert thread.is_alive()
    go.set()
    graph.get_dispatcher().initiate_shutdown()
    thread.join(WAIT)
    assert not thread.is_alive()
