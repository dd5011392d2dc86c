"""Tests written for PlanAI put a mock in place of a worker's graph, and look at what the worker asks of it."""

import asyncio
from typing import Any
from unittest.mock import MagicMock, patch

import pytest

from planai import Graph, Task, TaskWorker
from planai.testing import InvokeTaskWorker

CHAIN = (("InitialTaskWorker", 1),)


class Number(Task):
    value: int = 0


class Talk(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        self.print("working on", task.value)
        self.notify_status(task, "half done", object=Number(value=5))
        self.get_worker_state(CHAIN)["seen"] = task.value
        self.watch(CHAIN)
        self.publish_work(Number(value=self.get_metadata(task)["value"]), input_task=task)


def mocked(talk: TaskWorker, *, by_method: bool) -> MagicMock:
    graph = MagicMock()
    graph._provenance_tracker.get_state.return_value = {"metadata": {"value": 7}, "callback": None}
    if by_method:
        talk.set_graph(graph)
    else:
        talk._graph = graph
    return graph


@pytest.mark.parametrize("by_method", [True, False])
def test_a_mock_hears_what_a_worker_asks_of_its_graph(by_method: bool, capsys: pytest.CaptureFixture[str]) -> None:
    talk = Talk()
    graph = mocked(talk, by_method=by_method)
    task = Number(value=3)
    with patch.object(Talk, "publish_work") as publish:
        talk.consume_work(task)
    publish.assert_called_once_with(Number(value=7), input_task=task)
    graph.print.assert_called_once_with("working on", 3)
    graph._provenance_tracker.notify_status.assert_called_once_with(talk, task, "half done", Number(value=5))
    graph.watch.assert_called_once_with(CHAIN, talk, None)
    assert talk.get_worker_state(CHAIN) == {"seen": 3}
    assert Talk().get_worker_state(CHAIN) == {}
    assert capsys.readouterr().out == ""


def test_a_mock_answers_what_a_worker_asks() -> None:
    talk, task = Talk(), Number()
    graph = mocked(talk, by_method=False)
    graph.add_work.return_value = CHAIN
    graph.unwatch.return_value = False
    graph.wait_on_user_request.return_value = (b"yes", "text/html")
    assert talk.add_work(task, {"a": 1}) == CHAIN
    graph.add_work.assert_called_once_with(talk, task, {"a": 1}, None)
    assert talk.get_state(task) == {"metadata": {"value": 7}, "callback": None}
    assert talk.request_user_input(task, "Well?") == (b"yes", "text/html")
    assert asyncio.run(talk.arequest_user_input(task, "Well?")) == (b"yes", "text/html")
    [request] = graph.wait_on_user_request.call_args.args
    assert (request.instruction, request.accepted_mime_types) == ("Well?", ["text/html"])
    assert talk.unwatch(CHAIN) is False
    talk.remove_state(task)
    graph._provenance_tracker.remove_state.assert_called_once_with(())
    talk.trace(CHAIN)
    graph.trace.assert_called_once_with(CHAIN)


def test_a_mock_hears_a_worker_that_is_invoked() -> None:
    invoked = InvokeTaskWorker(Talk)
    graph = mocked(invoked.worker, by_method=False)
    assert invoked.invoke(Number(value=3)) == [Number(value=7)]
    graph.print.assert_called_once_with("working on", 3)


def test_in_a_run_the_run_is_asked() -> None:
    talk = Talk()
    graph = Graph(name="g").add_workers(talk)
    sunk: list[tuple[Any, Task]] = []
    graph.set_sink(talk, Number, notify=lambda metadata, task: sunk.append((metadata, task)))
    mock = mocked(talk, by_method=False)
    graph.prepare(display_terminal=False)
    graph.add_work(talk, Number(), metadata={"value": 9})
    assert graph.execute([]).ok
    assert sunk == [({"value": 9}, Number(value=9))]
    assert mock.method_calls == []


def test_what_came_with_added_work_is_seen_as_long_as_there_is_work() -> None:
    graph, seen = Graph(name="g"), []

    class Look(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            seen.append(dict(graph._provenance_tracker.task_state))
            self.publish_work(Number(), input_task=task)

    look = Look()
    graph.add_workers(look).set_sink(look, Number)
    assert graph._provenance_tracker.task_state == {}
    graph.prepare(display_terminal=False)
    chain = graph.add_work(look, Number(), metadata={"who": "me"})
    graph.execute([])
    assert seen == [{chain: {"metadata": {"who": "me"}, "callback": None}}]
    assert graph._provenance_tracker.task_state == {}
    assert graph._dispatcher._num_active_tasks == 0
