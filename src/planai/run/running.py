"""Running: a run from its beginning to its result."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from queue import Empty

from planai.call import Scope
from planai.executors.base import Executor
from planai.executors.event_loop import holding_up, shared_loop
from planai.plan import Plan
from planai.run.desk import RunDesk
from planai.run.inbox import Inbox
from planai.run.interrupts import Interrupts
from planai.run.lanes import Lanes
from planai.run.loop import Run
from planai.run.observer import Observer
from planai.run.performing import Performing
from planai.run.result import RunResult
from planai.run.state import RunState
from planai.task import Task, lineage_of
from planai.worker import TaskWorker


def open_run(
    plan: Plan,
    executor: Executor,
    observer: Observer,
    scope: Scope | None = None,
    *,
    max_concurrency: int | None = None,
    entries: Sequence[TaskWorker] = (),
) -> Run:
    """Return a run of `plan` that has not begun; work may be added to it by its desk.

    Args:
        plan: what is run.
        executor: makes the calls of workers that are not async.
        observer: is told how it goes.
        scope: what all calls have in common.
        max_concurrency: async calls in flight at once; None lets `executor` make them one by one.
        entries: the workers that work may be added to; any where there are none.
    """
    inbox = Inbox(lambda: executor.waiting > executor.capacity // 2)
    lanes = Lanes(plan, executor, max_concurrency)
    state = RunState(lanes.limited(plan), lanes.capacity)
    desk = RunDesk(plan, state, inbox.put, entries)
    shared = Scope() if scope is None else scope
    shared.desk = desk
    return Run(plan, lanes, observer, state, inbox, shared, Interrupts(inbox.interrupt), desk)


def execute(
    run: Run,
    initial: Iterable[tuple[TaskWorker, Task]],
    announce: Callable[[Callable[[], None]], object] = lambda _: None,
) -> RunResult:
    """Let `run` begin with `initial` tasks, and return what came of it when it is over.

    After Ctrl-C, the result tells that the run was interrupted.

    Args:
        run: what has not begun.
        initial: pairs of a worker and a task.
        announce: is given, before the run begins, what interrupts it from any thread, as Ctrl-C does.

    Raises:
        ConfigurationError: an initial task does not fit its worker.
    """
    run.thread = threading.get_ident()
    announce(run.interrupts.ask)
    try:
        with holding_up(), run.interrupts:
            return _result_of(run, initial)
    finally:
        run.desk.close()
        run.is_over.set()


def _result_of(run: Run, initial: Iterable[tuple[TaskWorker, Task]]) -> RunResult:
    began = time.perf_counter()
    total = len(initial) if isinstance(initial, list | tuple) else None
    run.observer.started(run.state.board, total)
    interrupted = True
    try:
        interrupted = not _goes_through(run, initial)
    finally:
        run.lanes.stop()
        result = _result(run, began, total, interrupted=interrupted or run.must_stop)
        run.observer.ended(result)
    return result


def _goes_through(run: Run, initial: Iterable[tuple[TaskWorker, Task]]) -> bool:
    """Run with every worker's ``init`` before and ``completed`` after it; tell whether that went on to the end."""
    started: list[TaskWorker] = []
    performing = Performing(run.plan, run.inbox.put, run.scope, run.interrupts)
    run.lanes.start(performing.perform, performing.perform_async, run.inbox.put)
    try:
        for worker in dict.fromkeys(run.plan.workers.values()):
            started.append(worker)
            run.interrupts.let(_settled, worker.init)
        run.go(run.interrupts.let(iter, initial))
        if run.must_stop:
            _stop_quietly(run)
    except KeyboardInterrupt:
        _stop_quietly(run)
        return False
    except BaseException:
        _stop_quietly(run)
        raise
    finally:
        for worker in started:
            _complete(worker, run)
    return True


def _settled(hook: Callable[[], Awaitable[None] | None]) -> None:
    """Call a hook of a worker, and wait for an async one."""
    pending = hook()
    if pending is not None:
        shared_loop().wait_for(_awaited(pending))


async def _awaited(pending: Awaitable[None]) -> None:
    await pending


def _stop_quietly(run: Run) -> None:
    """Stop; a second Ctrl-C, or the end of the grace period, leaves running calls behind."""
    try:
        run.stop()
    except (KeyboardInterrupt, Empty):
        return


def _complete(worker: TaskWorker, run: Run) -> None:
    """Let `worker` clean up; what goes wrong there is reported, and must not hide what the run has brought."""
    try:
        run.interrupts.let(_settled, worker.completed)
    except Exception as error:  # noqa: BLE001 - a user's method
        run.observer.printed(worker.name, f"completed() raised {type(error).__name__}: {error}")


def _result(run: Run, began: float, total: int | None, *, interrupted: bool) -> RunResult:
    state = run.state
    never_submitted = total - run.submitted if total is not None else 0
    return RunResult(
        outputs=sorted(state.outputs, key=lambda task: lineage_of(task).provenance.order()),
        failures=list(state.failures),
        workers={key: state.board.workers[key] for key in run.plan.workers},
        seconds=time.perf_counter() - began,
        interrupted=interrupted,
        unfinished=state.dropped + state.running + never_submitted,
        aborted=state.aborted,
        total=state.board.total(),
        bills=run.scope.bills.by_worker(),
        remarks=list(_remarks(run)),
    )


def _remarks(run: Run) -> Iterator[str]:
    if run.ends_for:
        yield run.ends_for
    for worker in dict.fromkeys(run.plan.workers.values()):
        yield from worker.run_remarks(run.scope)
