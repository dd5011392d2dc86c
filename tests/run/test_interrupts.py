"""Ctrl-C: raised where the user's code runs, and else taken at one point of the loop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from planai import Graph, RunResult, Task, TaskWorker
from planai.executors import Executor, InlineExecutor, ThreadExecutor
from planai.plan import Plan
from planai.planning import make_plan
from planai.run.interrupts import Interrupts
from planai.run.observer import Observer
from planai.run.running import execute, open_run
from planai.run.state import RunState
from planai.wires import Sink, Wires

WAIT = 30.0


class Number(Task):
    value: int = 0


class Work(TaskWorker):
    """Does what it is given, and publishes its task."""

    output_types = [Number]
    action: Callable[[Number], object] = lambda _: None

    def consume_work(self, task: Number) -> None:
        self.action(task)
        self.publish_work(task)


def press(*_: object) -> None:
    """Press Ctrl-C; in the main thread, its handler runs before this returns."""
    os.kill(os.getpid(), signal.SIGINT)


def pressing_at(value: int) -> Callable[[Number], None]:
    """Return what presses Ctrl-C at one of the tasks."""

    def action(task: Number) -> None:
        if task.value == value:
            press()

    return action


def press_while_blocked(*_: object) -> None:
    """Block for ever, and press Ctrl-C meanwhile."""
    threading.Timer(0.05, press).start()
    time.sleep(WAIT)


def plan_of(worker: TaskWorker) -> Plan:
    return make_plan(Wires("loop", [worker], [], [(worker, Sink(Number))]))


def tasks_for(worker: TaskWorker, count: int) -> list[tuple[TaskWorker, Task]]:
    return [(worker, Number(value=value)) for value in range(count)]


def run(worker: TaskWorker, count: int, executor: Executor, observer: Observer | None = None) -> RunResult:
    return execute(open_run(plan_of(worker), executor, observer or Observer()), tasks_for(worker, count))


def numbers(result: RunResult) -> list[int]:
    return [task.value for task in result.outputs if isinstance(task, Number)]


@pytest.fixture(autouse=True)
def handler_is_restored() -> Iterator[None]:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- in a run's own work


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("at", range(1, 40, 3))
def test_no_event_gets_lost_when_it_falls_into_handling_one(
    monkeypatch: pytest.MonkeyPatch, moment: str, at: int
) -> None:
    handle, count = RunState.handle, iter(range(1, 10_000))

    def pressed(self: RunState, event: Any) -> Any:
        now = next(count) == at
        if now and moment == "before":
            press()
        calls = handle(self, event)
        if now and moment == "after":
            press()
        return calls

    monkeypatch.setattr(RunState, "handle", pressed)
    began = time.monotonic()
    result = run(Work(), 500, ThreadExecutor(4))
    assert time.monotonic() - began < 5
    assert result.interrupted
    assert len(result.outputs) + result.unfinished == 500


def test_runs_of_short_calls_end_soon_wherever_it_falls() -> None:
    for at in range(0, 200, 5):
        began = time.monotonic()
        result = run(Work(action=pressing_at(at)), 500, ThreadExecutor())
        assert time.monotonic() - began < 5
        assert result.interrupted
        assert len(result.outputs) + result.unfinished == 500


def test_it_wakes_a_loop_that_waits_for_an_event() -> None:
    began, release = threading.Event(), threading.Event()

    class Watcher(Observer):
        def stopping(self, running: int) -> None:
            release.set()

    def hold(task: Number) -> None:
        began.set()
        assert release.wait(WAIT)

    def press_soon() -> None:
        assert began.wait(WAIT)
        press()

    threading.Thread(target=press_soon).start()
    result = run(Work(action=hold), 1, ThreadExecutor(), Watcher())
    assert result.interrupted
    assert numbers(result) == [0]


def test_pressed_again_it_leaves_at_once() -> None:
    release = threading.Event()

    class Watcher(Observer):
        def stopping(self, running: int) -> None:
            press()

    def hold(task: Number) -> None:
        press()
        assert release.wait(WAIT)

    began = time.monotonic()
    result = run(Work(action=hold), 1, ThreadExecutor(), Watcher())
    release.set()
    assert time.monotonic() - began < 5
    assert (result.outputs, result.unfinished, result.interrupted) == ([], 1, True)


def test_pressed_when_all_is_done_it_is_not_forgotten() -> None:
    class Watcher(Observer):
        def ended(self, result: RunResult) -> None:
            press()

    with pytest.raises(KeyboardInterrupt):
        run(Work(), 3, ThreadExecutor(), Watcher())


def test_a_run_that_takes_no_note_of_it_is_left_when_it_is_pressed_a_third_time() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts(lambda: None):  # noqa: PT012 - of which only the third raises
        press()
        press()
        seen = True
        press()
    assert seen


# ---- in the user's code


def test_it_ends_an_inline_call_that_blocks() -> None:
    def block_on_the_second(task: Number) -> None:
        if task.value == 1:
            press_while_blocked()

    result = run(Work(action=block_on_the_second), 4, InlineExecutor())
    assert (numbers(result), result.unfinished, result.interrupted) == ([0], 3, True)


def test_it_ends_a_generator_of_tasks_that_blocks() -> None:
    worker = Work()

    def source() -> Iterator[tuple[TaskWorker, Task]]:
        yield worker, Number(value=1)
        press_while_blocked()

    result = execute(open_run(plan_of(worker), ThreadExecutor(), Observer()), source())
    assert (numbers(result), result.interrupted) == ([1], True)


@pytest.mark.parametrize("hook", ["init", "completed"])
def test_it_ends_a_hook_that_blocks(hook: str) -> None:
    class Blocking(Work):
        def init(self) -> None:
            if hook == "init":
                press_while_blocked()

        def completed(self) -> None:
            if hook == "completed":
                press_while_blocked()

    worker = Blocking()
    if hook == "init":
        assert run(worker, 1, ThreadExecutor()).interrupted
    else:
        with pytest.raises(KeyboardInterrupt):
            run(worker, 1, ThreadExecutor())


def test_it_ends_who_watches_and_blocks() -> None:
    class Watcher(Observer):
        def printed(self, worker: str, text: str) -> None:
            press_while_blocked()

    worker = Work()
    worker.action = lambda _: worker.print("hello")
    assert run(worker, 1, ThreadExecutor(), Watcher()).interrupted


def test_one_that_came_before_the_user_s_code_does_not_wait_for_its_end() -> None:
    with Interrupts(lambda: None) as interrupts:
        press()
        with pytest.raises(KeyboardInterrupt):
            interrupts.let(time.sleep, WAIT)


def test_code_that_takes_it_for_its_own_goes_on() -> None:
    def skip(task: Number) -> None:
        with pytest.raises(KeyboardInterrupt):
            press_while_blocked()

    assert run(Work(action=skip), 1, InlineExecutor()).ok


@pytest.mark.parametrize("inner", ["inline", "threads"])
def test_it_ends_a_run_within_a_run_and_then_the_outer_one(inner: Any) -> None:
    within = Work(action=pressing_at(3))
    graph = Graph(name="inner").add_workers(within)
    graph.set_sink(within, Number)

    def nest(task: Number) -> None:
        graph.run(tasks_for(within, 20), executor=inner, display_terminal=False)

    result = run(Work(action=nest), 3, InlineExecutor())
    assert (result.outputs, result.unfinished, result.interrupted) == ([], 3, True)
    assert graph.result is not None
    assert graph.result.interrupted


# ---- handlers


def test_a_handler_of_somebody_else_is_left_alone() -> None:
    heard: list[int] = []
    earlier = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        assert run(Work(action=press), 1, ThreadExecutor()).ok
        assert run(Work(action=press), 1, InlineExecutor()).ok
    finally:
        signal.signal(signal.SIGINT, earlier)
    assert heard == [signal.SIGINT] * 2


def test_the_handler_is_restored_whatever_happens() -> None:
    def fail(task: Number) -> None:
        raise SystemExit

    class Failing(Observer):
        def ended(self, result: RunResult) -> None:
            raise LookupError

    assert run(Work(action=fail), 1, InlineExecutor()).failures
    with pytest.raises(LookupError):
        run(Work(), 1, ThreadExecutor(), Failing())


def test_a_run_in_another_thread_sets_no_handler() -> None:
    seen: list[Any] = []
    worker = Work(action=lambda _: seen.append(signal.getsignal(signal.SIGINT)))
    thread = threading.Thread(target=run, args=(worker, 1, InlineExecutor()))
    thread.start()
    thread.join(WAIT)
    assert seen == [signal.default_int_handler]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork where there are threads, which is the matter
def test_in_a_child_that_another_thread_has_forked_it_is_raised() -> None:
    statuses: list[int] = []

    def fork(task: Number) -> None:
        child = os.fork()
        if child == 0:
            try:
                os.kill(os.getpid(), signal.SIGINT)  # interrupt_main() reaches nobody there on Python 3.13
                time.sleep(WAIT)
            except KeyboardInterrupt:
                os._exit(7)
            os._exit(1)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    assert run(Work(action=fork), 1, ThreadExecutor()).ok
    assert statuses == [7]
