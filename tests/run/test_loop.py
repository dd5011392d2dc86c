"""The loop: feeds state and executor, and tells whoever watches."""

import threading
from collections.abc import Callable, Iterable

import pytest

from planai import RunResult, Task, TaskWorker
from planai.board import Board
from planai.executors import Executor, InlineExecutor, ThreadExecutor
from planai.plan import Plan
from planai.planning import make_plan
from planai.run.observer import Observer
from planai.run.running import execute, open_run
from planai.wires import Sink, Wires

WAIT = 30.0
Initial = Iterable[tuple[TaskWorker, Task]]


class Number(Task):
    value: int = 0


class Work(TaskWorker):
    """Does what it is given, and publishes its task."""

    output_types = [Number]
    action: Callable[[Number], object] = lambda _: None

    def consume_work(self, task: Number) -> None:
        self.action(task)
        self.publish_work(task)


class Watcher(Observer):
    """Notes all that it is told."""

    def __init__(self, at_stop: Callable[[], object] = lambda: None) -> None:
        self.heard: list[tuple[str, object]] = []
        self._at_stop = at_stop

    def started(self, board: Board, total: int | None) -> None:
        self.board = board
        self.heard.append(("started", total))

    def printed(self, worker: str, text: str) -> None:
        self.heard.append(("printed", f"{worker}: {text}"))

    def stopping(self, running: int) -> None:
        self.heard.append(("stopping", running))
        self._at_stop()

    def ended(self, result: RunResult) -> None:
        self.heard.append(("ended", result.interrupted))
        self.result = result


def plan_of(worker: TaskWorker) -> Plan:
    return make_plan(Wires("loop", [worker], [], [(worker, Sink(Number))]))


def tasks_for(worker: TaskWorker, count: int) -> list[tuple[TaskWorker, Task]]:
    return [(worker, Number(value=value)) for value in range(count)]


def run_plan(
    plan: Plan, initial: Iterable[tuple[TaskWorker, Task]], executor: Executor, observer: Observer
) -> RunResult:
    return execute(open_run(plan, executor, observer), initial)


def numbers(result: RunResult) -> list[int]:
    return [task.value for task in result.outputs if isinstance(task, Number)]


@pytest.mark.parametrize("make", [InlineExecutor, ThreadExecutor, lambda: ThreadExecutor(1)])
def test_all_is_done_and_observed(make: Callable[[], Executor]) -> None:
    worker, watcher = Work(), Watcher()
    result = run_plan(plan_of(worker), tasks_for(worker, 50), make(), watcher)
    assert numbers(result) == list(range(50))
    assert watcher.heard == [("started", 50), ("ended", False)]
    assert watcher.result is result
    assert watcher.board.workers["Work"].completed == result.workers["Work"].completed == 50
    assert result.seconds > 0


def test_the_number_of_tasks_of_a_generator_is_not_known() -> None:
    worker, watcher = Work(), Watcher()
    run_plan(plan_of(worker), iter(tasks_for(worker, 2)), InlineExecutor(), watcher)
    assert watcher.heard[0] == ("started", None)


def test_what_is_printed_is_heard_before_the_end() -> None:
    worker, watcher = Work(), Watcher()
    worker.action = lambda task: worker.print("at", task.value)
    run_plan(plan_of(worker), tasks_for(worker, 2), ThreadExecutor(1), watcher)
    assert watcher.heard[1:] == [("printed", "Work: at 0"), ("printed", "Work: at 1"), ("ended", False)]


def test_threads_end_with_the_run() -> None:
    seen: set[threading.Thread] = set()
    worker = Work(action=lambda _: seen.add(threading.current_thread()))
    run_plan(plan_of(worker), tasks_for(worker, 5), ThreadExecutor(), Watcher())
    for thread in seen:
        thread.join(WAIT)
    assert seen
    assert not any(thread.is_alive() for thread in seen)


def test_an_interrupted_run_waits_for_the_call_that_is_made_and_starts_no_other() -> None:
    began, release = threading.Event(), threading.Event()

    def hold(task: Number) -> None:
        began.set()
        assert release.wait(WAIT)

    worker, watcher = Work(action=hold), Watcher(at_stop=release.set)

    def source() -> Initial:
        yield worker, Number(value=1)
        assert began.wait(WAIT)
        raise KeyboardInterrupt

    result = run_plan(plan_of(worker), source(), ThreadExecutor(4), watcher)
    assert result.interrupted
    assert numbers(result) == [1]
    assert result is watcher.result
    assert watcher.heard == [("started", None), ("stopping", 1), ("ended", True)]


def test_calls_that_wait_in_the_executor_are_counted_as_left() -> None:
    began, release = threading.Event(), threading.Event()

    def hold(task: Number) -> None:
        began.set()
        assert release.wait(WAIT)

    class Lazy(ThreadExecutor):
        """Has room for four calls, and one thread."""

        def nudge(self) -> None:
            """Do nothing."""

    worker = Work(action=hold)

    def source() -> Initial:
        yield from tasks_for(worker, 3)
        assert began.wait(WAIT)
        raise KeyboardInterrupt

    result = run_plan(plan_of(worker), source(), Lazy(4), Watcher(at_stop=release.set))
    assert len(result.outputs) + result.unfinished == 3
    assert 0 in numbers(result)


def test_after_the_grace_period_a_call_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planai.run.loop.GRACE_SECONDS", 0.01)
    release = threading.Event()
    worker = Work(action=lambda _: release.wait(WAIT))

    def source() -> Initial:
        yield worker, Number()
        raise KeyboardInterrupt

    executor = ThreadExecutor(4)
    try:
        result = run_plan(plan_of(worker), source(), executor, Watcher())
    finally:
        release.set()
    assert (result.outputs, result.unfinished, result.interrupted) == ([], 1, True)


def test_an_interrupt_in_init_ends_the_run() -> None:
    class Impatient(Work):
        def init(self) -> None:
            raise KeyboardInterrupt

    worker = Impatient()
    assert run_plan(plan_of(worker), tasks_for(worker, 1), InlineExecutor(), Watcher()).interrupted


def test_who_watches_is_told_of_the_end_when_the_source_fails() -> None:
    worker, watcher = Work(), Watcher()

    def source() -> Initial:
        yield worker, Number()
        raise LookupError("dry")

    with pytest.raises(LookupError, match="dry"):
        run_plan(plan_of(worker), source(), ThreadExecutor(), watcher)
    assert watcher.heard[-1] == ("ended", True)


def test_the_observer_that_does_not_look_is_no_trouble() -> None:
    worker = Work()
    assert run_plan(plan_of(worker), tasks_for(worker, 1), InlineExecutor(), Observer()).ok
