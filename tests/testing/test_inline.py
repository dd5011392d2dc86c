"""What users test their workers with."""

import threading

from planai import Task, TaskWorker
from planai.provenance import INITIAL
from planai.testing import run_inline


class Number(Task):
    value: int = 0


class BigNumber(Number):
    pass


class Text(Task):
    text: str = ""


class Spell(TaskWorker):
    output_types = [Number, BigNumber, Text]
    num_retries = 1

    def consume_work(self, task: Number) -> None:
        if task.value < 0:
            raise LookupError(task.value)
        self.publish_work(Text(text=str(task.value)))
        self.publish_work(BigNumber(value=10 * task.value))


def test_all_that_is_published_is_in_the_outputs_once_and_in_order() -> None:
    result = run_inline(Spell(), Number(value=1), Number(value=2))
    assert result.ok
    assert result.outputs == [Text(text="1"), BigNumber(value=10), Text(text="2"), BigNumber(value=20)]
    assert result.outputs[2].provenance() == ((INITIAL, 2), ("Spell", 3))


def test_failures_are_in_the_result() -> None:
    result = run_inline(Spell(), Number(value=-1), Number(value=2))
    assert [(failure.task, failure.attempts) for failure in result.failures] == [(Number(value=-1), 2)]
    assert len(result.outputs) == 2


def test_calls_are_made_in_this_thread_one_after_the_other() -> None:
    seen: list[tuple[int, threading.Thread]] = []

    class See(TaskWorker):
        def consume_work(self, task: Number) -> None:
            seen.append((task.value, threading.current_thread()))

    run_inline(See(), *(Number(value=value) for value in range(5)))
    assert seen == [(value, threading.current_thread()) for value in range(5)]


def test_a_worker_can_be_run_several_times_and_without_tasks() -> None:
    spell = Spell()
    assert run_inline(spell).outputs == []
    assert run_inline(spell, Number(value=1)).outputs == run_inline(spell, Number(value=1)).outputs
