"""Graph: describe how workers feed each other, then run it, as often as you like."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from functools import partial
from typing import Any, Literal, get_args

from planai.call import CacheMode, Scope, mode_of_environment
from planai.errors import ConfigurationError, RunFailed
from planai.executors import Executor, InlineExecutor, ThreadExecutor
from planai.plan import Plan, Sink, Wires, initial_pair, make_plan
from planai.run.beside import Announce, beside
from planai.run.forecast import Forecast, forecast
from planai.run.loop import Observer, run_plan
from planai.run.result import RunResult
from planai.run.terminal import Progress, Reporter
from planai.task import Task
from planai.worker import SinkCallback, TaskWorker

InitialTasks = Iterable[tuple[TaskWorker, Task]]
ExecutorName = Literal["threads", "inline"]


class Graph:
    """A description of workers and of who consumes what they publish. It holds nothing of a run but its last result.

    >>> from planai import Graph, Task, TaskWorker
    >>> class Number(Task):
    ...     value: int
    >>> class Double(TaskWorker):
    ...     output_types = [Number]
    ...     def consume_work(self, task: Number) -> None:
    ...         self.publish_work(Number(value=2 * task.value))
    >>> graph = Graph(name="doubles")
    >>> double = Double()
    >>> graph.add_workers(double).set_sink(double, Number)
    >>> graph.run([(double, Number(value=value)) for value in (1, 2, 3)]).outputs
    [Number(value=2), Number(value=4), Number(value=6)]

    Args:
        name: what the graph is called in messages and on screens.
        strict: refuse to publish a task that has a provenance already.
    """

    def __init__(self, name: str = "Graph", strict: bool = False) -> None:
        self.name = name
        self.strict = strict
        self._wires = Wires(name, strict=strict)
        self._entries: list[TaskWorker] = []
        self._exit: TaskWorker | None = None
        self._result: RunResult | None = None
        self._prepared: tuple[Plan, Observer] | None = None

    # ---- describe

    @property
    def workers(self) -> set[TaskWorker]:
        """The workers that were added."""
        return set(self._wires.workers)

    @property
    def dependencies(self) -> dict[TaskWorker, list[TaskWorker]]:
        """The workers downstream of each worker that has some."""
        found: dict[TaskWorker, list[TaskWorker]] = {}
        for up, down in self._wires.edges:
            found.setdefault(up, []).append(down)
        return found

    def add_worker(self, worker: TaskWorker) -> Graph:
        """Add `worker`, and return the graph.

        Raises:
            ConfigurationError: it is in the graph already, or is no worker.
        """
        if not isinstance(worker, TaskWorker):
            raise ConfigurationError(f"{worker!r} is not a TaskWorker: add an instance of one, not its class")
        if worker in self._wires.workers:
            raise ConfigurationError(f"worker {worker.name!r} is in graph {self.name!r} already: add it once")
        self._wires.workers.append(worker)
        worker.attach(self)
        return self

    def add_workers(self, *workers: TaskWorker) -> Graph:
        """Add several workers, and return the graph."""
        for worker in workers:
            self.add_worker(worker)
        return self

    def set_dependency(self, upstream: TaskWorker, downstream: TaskWorker) -> TaskWorker:
        """Let `downstream` consume what `upstream` publishes of its type; return `downstream`, for ``.next(...)``.

        Raises:
            ConfigurationError: one of the two was not added. Types are checked when the graph runs.
        """
        self._need(upstream)
        self._need(downstream)
        if (upstream, downstream) not in self._wires.edges:
            self._wires.edges.append((upstream, downstream))
        return downstream

    def set_sink(self, worker: TaskWorker, output_type: type[Task], notify: SinkCallback | None = None) -> None:
        """Collect what `worker` publishes of `output_type`.

        Args:
            worker: the worker upstream.
            output_type: the type, subclasses included.
            notify: called as ``notify(metadata, task)`` in place of collecting the task.
        """
        self._need(worker)
        if not (isinstance(output_type, type) and issubclass(output_type, Task)):
            raise ConfigurationError(f"the sink of {worker.name!r} collects {output_type!r}: pass a Task class")
        self._wires.sinks.append((worker, Sink(output_type, notify)))

    def set_entry(self, *workers: TaskWorker) -> Graph:
        """Name the workers that tasks from outside come to, and return the graph."""
        for worker in workers:
            self._need(worker)
        self._entries.extend(workers)
        return self

    def get_entry_workers(self) -> list[TaskWorker]:
        """Return what `set_entry` named."""
        return list(self._entries)

    def set_exit(self, worker: TaskWorker) -> Graph:
        """Name the worker whose outputs are those of the whole graph, and return the graph."""
        self._need(worker)
        self._exit = worker
        return self

    def get_exit_worker(self) -> TaskWorker | None:
        """Return what `set_exit` named."""
        return self._exit

    def set_max_parallel_tasks(self, worker_class: type, max_parallel_tasks: int) -> None:
        """Make at most so many calls at once of all workers together that are instances of `worker_class`.

        Raises:
            ConfigurationError: the number is not positive.
        """
        if not isinstance(worker_class, type):
            raise ConfigurationError(f"{worker_class!r} is limited: pass the class of a worker, not an instance")
        if max_parallel_tasks < 1:
            raise ConfigurationError(f"max_parallel_tasks is {max_parallel_tasks!r}: it has to be at least 1")
        self._wires.limits[worker_class] = max_parallel_tasks

    def get_worker_by_input_type(self, task_type: type[Task]) -> TaskWorker | None:
        """Return the first worker that consumes `task_type`, or None."""
        return next((worker for worker in self._wires.workers if task_type in worker.get_task_classes()), None)

    def get_worker_by_output_type(self, task_type: type[Task]) -> TaskWorker | None:
        """Return the first worker that publishes `task_type`, or None."""
        return next((worker for worker in self._wires.workers if task_type in worker.output_types), None)

    # ---- run

    def run(
        self,
        initial_tasks: InitialTasks,
        run_dashboard: bool = False,
        display_terminal: bool | None = None,
        dashboard_port: int = 5000,
        *,
        max_workers: int = 64,
        max_concurrency: int = 256,
        executor: ExecutorName | Executor = "threads",
        raise_on_failure: bool = False,
        cache_mode: CacheMode | None = None,
    ) -> RunResult:
        """Run the graph over `initial_tasks` until nothing is left to do.

        Args:
            initial_tasks: pairs of a worker and a task for it; any iterable, taken from as work gets done. A generator
                runs in the thread of the run: while it waits for something, no result is passed on.
            run_dashboard: not part of this version; a warning says so.
            display_terminal: draw the progress on stderr; by default, when stderr is a terminal. Failures are
                reported there in any case.
            dashboard_port: see `run_dashboard`.
            max_workers: threads at most. The default is high, since most calls wait for a model.
            max_concurrency: calls of async workers in flight at most. They wait side by side on one event loop, and
                thousands are no trouble; threads they need none.
            executor: makes the calls of workers that are not async: ``"threads"``, or ``"inline"`` for one call after
                the other in this thread, for tests, those of async workers included.
            raise_on_failure: raise `RunFailed` at the end when a call failed for good.
            cache_mode: how caches are used by workers that do not say so themselves: see `CachedTaskWorker`.

        Returns:
            Outputs, failures and figures.

        Raises:
            WiringError: the graph cannot run; all mistakes are in the message.
            RunFailed: see `raise_on_failure`; it carries the result.
            KeyboardInterrupt: Ctrl-C; `result` holds what was done until then, and cached workers' answers are kept.
        """
        prepared = self._prepare(run_dashboard, display_terminal)
        way = _way(executor, max_workers, max_concurrency)
        return self._run(prepared, initial_tasks, way, raise_on_failure, _scope(cache_mode))

    async def arun(
        self,
        initial_tasks: InitialTasks,
        run_dashboard: bool = False,
        display_terminal: bool | None = None,
        dashboard_port: int = 5000,
        *,
        max_workers: int = 64,
        max_concurrency: int = 256,
        executor: ExecutorName | Executor = "threads",
        raise_on_failure: bool = False,
        cache_mode: CacheMode | None = None,
    ) -> RunResult:
        """Run the graph as `run` does, while the caller's event loop goes on. For the arguments, see `run`.

        The run has a thread of its own. Cancelled, it is ended as by Ctrl-C: running coroutines are cancelled, other
        calls have ten seconds to end, `result` holds what was done, and what cached workers have answered is kept.

        >>> import asyncio
        >>> from planai import Graph, Task, TaskWorker
        >>> class Number(Task):
        ...     value: int
        >>> class Double(TaskWorker):
        ...     output_types = [Number]
        ...     async def consume_work(self, task: Number) -> None:
        ...         await asyncio.sleep(0.01)
        ...         self.publish_work(Number(value=2 * task.value))
        >>> double, graph = Double(), Graph(name="doubles")
        >>> graph.add_workers(double).set_sink(double, Number)
        >>> asyncio.run(graph.arun([(double, Number(value=value)) for value in (1, 2, 3)])).outputs
        [Number(value=2), Number(value=4), Number(value=6)]

        Raises:
            asyncio.CancelledError: it was cancelled.
        """
        prepared = self._prepare(run_dashboard, display_terminal)
        way = _way(executor, max_workers, max_concurrency)
        return await beside(partial(self._run, prepared, initial_tasks, way, raise_on_failure, _scope(cache_mode)))

    def prepare(
        self, run_dashboard: bool = False, display_terminal: bool | None = None, dashboard_port: int = 5000
    ) -> None:
        """Validate the graph; `execute` then runs it. For the arguments, see `run`."""
        self._prepared = self._prepare(run_dashboard, display_terminal)

    def execute(self, initial_tasks: InitialTasks) -> RunResult:
        """Run what `prepare` has validated.

        Raises:
            ConfigurationError: `prepare` was not called.
        """
        if self._prepared is None:
            raise ConfigurationError(f"graph {self.name!r} is not prepared: call prepare(), or run() for both")
        return self._run(self._prepared, initial_tasks, _way("threads", 64, 256))

    def plan(self, initial_tasks: InitialTasks, *, cache_mode: CacheMode | None = None) -> Forecast:
        """Return what a run over `initial_tasks` would find in its caches, without computing anything.

        Keys are made and entries read; ``consume_work`` is not called. What lies behind a call that would have to
        compute is not known, nor is what workers without a cache would publish.

        Args:
            initial_tasks: as for `run`.
            cache_mode: as for `run`.

        Raises:
            WiringError: the graph cannot run.
            UnkeyableValue: a task has something that cannot be put into a key.
        """
        return forecast(make_plan(self._wires), initial_tasks, _scope(cache_mode))

    @property
    def result(self) -> RunResult | None:
        """What came of the last run, also of one that was interrupted; None before the first."""
        return self._result

    def get_output_tasks(self) -> list[Task]:
        """Return what the sinks without a callback collected in the last run, in the order of provenance."""
        return [] if self._result is None else self._result.outputs

    def print(self, *args: Any) -> None:
        """Print a line."""
        print(*args)  # noqa: T201 - it is what the method is for

    def _prepare(self, run_dashboard: bool, display_terminal: bool | None) -> tuple[Plan, Observer]:
        if run_dashboard:
            warnings.warn("planai has no dashboard in this version: the terminal shows the run instead", stacklevel=3)
        shown = sys.stderr.isatty() if display_terminal is None else display_terminal and sys.stderr.isatty()
        return make_plan(self._wires), Progress(self.name) if shown else Reporter()

    def _run(
        self,
        prepared: tuple[Plan, Observer],
        initial_tasks: InitialTasks,
        way: tuple[Executor, int | None],
        raise_on_failure: bool = False,
        scope: Scope | None = None,
        announce: Announce = lambda _: None,
    ) -> RunResult:
        plan, observer = prepared
        if isinstance(initial_tasks, list | tuple):
            for pair in initial_tasks:
                plan.entry(*initial_pair(pair))
        executor, in_flight = way
        result = run_plan(plan, initial_tasks, executor, observer, scope, max_concurrency=in_flight, announce=announce)
        self._result = result
        if result.interrupted:
            raise KeyboardInterrupt(
                f"run of {self.name!r} was interrupted: {result.total.completed} calls done, {result.unfinished} left; "
                "what cached workers computed is kept and will be replayed"
            )
        if raise_on_failure and result.failures:
            first = result.failures[0]
            raise RunFailed(
                f"{len(result.failures)} calls of graph {self.name!r} failed; the first: {first}\n{first.traceback}",
                result,
            ) from first.error
        return result

    def _need(self, worker: TaskWorker) -> None:
        if worker not in self._wires.workers:
            raise ConfigurationError(
                f"worker {getattr(worker, 'name', worker)!r} is not in graph {self.name!r}: call add_workers first"
            )

    def __repr__(self) -> str:
        return f"Graph(name={self.name!r}, workers={[worker.name for worker in self._wires.workers]})"


def _scope(cache_mode: CacheMode | None) -> Scope:
    if cache_mode is not None and cache_mode not in get_args(CacheMode):
        modes = ", ".join(map(repr, get_args(CacheMode)))
        raise ConfigurationError(f"there is no cache_mode {cache_mode!r}: choose one of {modes}")
    return Scope(cache_mode or mode_of_environment())


def _way(chosen: ExecutorName | Executor, max_workers: int, max_concurrency: int) -> tuple[Executor, int | None]:
    """Return who makes calls, and how many async ones are in flight beside them; None for one after the other."""
    if chosen == "threads":
        return ThreadExecutor(max_workers), max_concurrency
    if chosen == "inline":
        return InlineExecutor(), None
    if isinstance(chosen, str):
        raise ConfigurationError(f"there is no executor {chosen!r}: choose 'threads' or 'inline', or pass an Executor")
    return chosen, max_concurrency
