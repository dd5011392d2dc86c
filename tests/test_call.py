"""Calls: how one consumption is performed, and what is published meanwhile."""

import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from planai import Task
from planai.call import Activation, Call, current_activation, need_activation, perform
from planai.errors import OutsideCallError
from planai.events import Failed, Finished
from planai.provenance import ROOT, ProvenanceChain
from planai.task import Lineage, set_lineage


class Number(Task):
    value: int = 0


class Numbers(Task):
    values: list[int]


@dataclass
class Doing:
    """A performer that does what it is given."""

    action: Callable[[tuple[Task, ...]], None]

    def perform_notice(self, prefix: ProvenanceChain) -> None:
        raise NotImplementedError

    def perform_call(self, tasks: tuple[Task, ...]) -> None:
        self.action(tasks)


def everywhere(task: Task, consumer: object) -> tuple[str, ...]:
    return ("next", "sink")


def call_of(*tasks: Task) -> Call:
    return Call(7, "Doing", tasks, ROOT.child("InitialTaskWorker", 1))


def performed(action: Callable[[tuple[Task, ...]], None], *tasks: Task) -> Finished | Failed:
    event = perform(call_of(*(tasks or (Number(),))), Doing(action), everywhere, print)
    assert isinstance(event, Finished | Failed)
    return event


def publishing(*made: Task, input_task: Task | None = None) -> Finished:
    def action(tasks: tuple[Task, ...]) -> None:
        for task in made:
            need_activation("test").publish(task, input_task, None)

    event = performed(action)
    assert isinstance(event, Finished)
    return event


def test_what_is_published_leaves_the_call_when_it_ends() -> None:
    event = publishing(Number(value=1), Number(value=2))
    assert (event.call, event.worker) == (7, "Doing")
    assert [output.task for output in event.outputs] == [Number(value=1), Number(value=2)]
    assert [output.targets for output in event.outputs] == [("next", "sink")] * 2
    assert event.seconds >= 0


def test_a_call_that_raises_publishes_nothing() -> None:
    def action(tasks: tuple[Task, ...]) -> None:
        need_activation("test").publish(Number(), None, None)
        raise LookupError("gone")

    event = performed(action)
    assert isinstance(event, Failed)
    assert isinstance(event.error, LookupError)
    assert "in action" in event.traceback
    assert "in perform\n" not in event.traceback


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit()])
def test_a_worker_cannot_end_the_run(error: BaseException) -> None:
    def action(tasks: tuple[Task, ...]) -> None:
        raise error

    event = performed(action)
    assert isinstance(event, Failed)
    assert event.error is error


def test_ctrl_c_in_the_main_thread_goes_through() -> None:
    def action(tasks: tuple[Task, ...]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        performed(action)
    assert current_activation() is None


def test_a_keyboard_interrupt_in_another_thread_is_a_failure() -> None:
    def action(tasks: tuple[Task, ...]) -> None:
        raise KeyboardInterrupt

    events: list[Finished | Failed] = []
    thread = threading.Thread(target=lambda: events.append(performed(action)))
    thread.start()
    thread.join()
    assert isinstance(events[0], Failed)


def test_a_copy_is_published_so_that_the_object_may_be_used_again() -> None:
    task = Number()

    def action(tasks: tuple[Task, ...]) -> None:
        for value in range(3):
            task.value = value
            need_activation("test").publish(task, None, None)

    event = performed(action)
    assert isinstance(event, Finished)
    assert [output.task for output in event.outputs] == [Number(value=0), Number(value=1), Number(value=2)]


def test_a_list_in_a_published_task_may_be_used_again() -> None:
    task = Numbers(values=[])

    def action(tasks: tuple[Task, ...]) -> None:
        for value in range(2):
            task.values.append(value)
            need_activation("test").publish(task, None, None)

    event = performed(action)
    assert isinstance(event, Finished)
    assert [output.task for output in event.outputs] == [Numbers(values=[0]), Numbers(values=[0, 1])]


def test_the_input_is_what_is_consumed_unless_another_is_named() -> None:
    consumed, other = Number(value=1), Number(value=2)

    def action(tasks: tuple[Task, ...]) -> None:
        need_activation("test").publish(Number(), None, None)
        need_activation("test").publish(Number(), other, None)

    event = performed(action, consumed, Number(value=9))
    assert isinstance(event, Finished)
    assert [output.previous for output in event.outputs] == [consumed, other]


def test_what_is_republished_forgets_where_it_came_from() -> None:
    task = set_lineage(Number(value=1), Lineage(provenance=ROOT.child("X", 1), injected=(Number(value=5),), retries=2))
    published = publishing(task).outputs[0].task
    assert published.provenance() == ()
    assert published.retry_count == 0
    assert published.copy_input_provenance() == []


def test_an_activation_is_current_only_while_it_is_entered() -> None:
    outer = Activation(object(), (), everywhere)
    inner = Activation(object(), (), everywhere)
    with outer:
        with inner:
            assert current_activation() is inner
        assert current_activation() is outer
    assert current_activation() is None


def test_another_thread_needs_a_copy_of_the_context() -> None:
    found: list[Activation | None] = []
    with Activation(object(), (), everywhere) as activation:
        copied = contextvars.copy_context()
        for target in (current_activation, lambda: copied.run(current_activation)):
            thread = threading.Thread(target=lambda look=target: found.append(look()))
            thread.start()
            thread.join()
    assert found == [None, activation]


def test_needing_an_activation_names_what_was_wanted() -> None:
    with pytest.raises(OutsideCallError, match="the moon exists only while"):
        need_activation("the moon")


def test_telling_reaches_who_listens() -> None:
    heard: list[str] = []

    def action(tasks: tuple[Task, ...]) -> None:
        need_activation("test").tell("hi")

    perform(call_of(Number()), Doing(action), everywhere, heard.append)
    assert heard == ["hi"]
