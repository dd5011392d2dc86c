"""Graph: describe how workers feed each other, then run it, as often as you like."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any, Literal, NamedTuple, cast, get_args

from planai.bills import Bills
from planai.call import CacheMode, Scope, mode_of_environment
from planai.errors import ConfigurationError, RunFailed
from planai.executors import Executor, InlineExecutor, ThreadExecutor
from planai.join import InitialTaskWorker as InitialTaskWorker  # noqa: PLC0414 - programs for PlanAI import it from here
from planai.listening import wait_for
from planai.plan import initial_pair
from planai.planning import doubts_of, make_plan
from planai.run.beside import Announce, beside
from planai.run.dispatcher import Dispatcher
from planai.run.forecast import Forecast, forecast
from planai.run.loop import Run
from planai.run.observer import Observer
from planai.run.result import RunResult
from planai.run.running import execute, open_run
from planai.run.service import Service
from planai.run.terminal import Progress, Reporter
from planai.serving import ServedGraph
from planai.task import Task
from planai.worker import TaskWorker

InitialTasks = Iterable[tuple[TaskWorker, Task]]
ExecutorName = Literal["threads", "inline"]


class Choice(NamedTuple):
    """How a run is made; see `Graph.run`."""

    executor: ExecutorName | Executor = "threads"
    max_workers: int = 64
    max_concurrency: int = 256
    cache_mode: CacheMode | None = None
    max_cost_usd: float | Decimal | None = None


class Graph(ServedGraph):
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
        super().__init__(name, strict)
        self._result: RunResult | None = None
        self._prepared: Callable[[Choice], Run] | None = None
        self._doubted: set[str] = set()

    # ---- run

    def run(  # noqa: PLR0913 - PlanAI's parameters, and those of a run
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
        max_cost_usd: float | Decimal | None = None,
    ) -> RunResult:
        """Run the graph over `initial_tasks`, and what was added since `prepare`, until nothing is left to do.

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
            max_cost_usd: US dollars that models may be paid. Before an answer might pass the limit, the run ends: what
                is being asked is waited for, `RunResult.interrupted` is True, and `RunResult.remarks` tells why.

        Returns:
            Outputs, failures and figures.

        Raises:
            WiringError: the graph cannot run; all mistakes are in the message.
            ConfigurationError: an argument cannot be meant, or would leave out work that was added since `prepare`.
            RunFailed: see `raise_on_failure`; it carries the result.
            KeyboardInterrupt: Ctrl-C; `result` holds what was done until then, and cached workers' answers are kept.
        """
        chosen = Choice(executor, max_workers, max_concurrency, cache_mode, max_cost_usd)
        run = self._next_run(run_dashboard, display_terminal, chosen)
        return self._execute(run, initial_tasks, partial(execute, run), raise_on_failure)

    async def arun(  # noqa: PLR0913 - as above
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
        max_cost_usd: float | Decimal | None = None,
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
        chosen = Choice(executor, max_workers, max_concurrency, cache_mode, max_cost_usd)
        run = self._next_run(run_dashboard, display_terminal, chosen)

        def go(announce: Announce) -> RunResult:
            return self._execute(run, initial_tasks, partial(execute, run, announce=announce), raise_on_failure)

        return await beside(go)

    def prepare(
        self, run_dashboard: bool = False, display_terminal: bool | None = None, dashboard_port: int = 5000
    ) -> None:
        """Validate the graph, and let work be added; `execute` or `run` then runs it. For the arguments, see `run`.

        Raises:
            WiringError: the graph cannot run; all mistakes are in the message.
            ConfigurationError: it is prepared, and would forget work that was added since.
        """
        if self._service is not None and self._service.waits_with_work:
            raise ConfigurationError(
                f"work was added to graph {self.name!r} since it was prepared, and would get lost: "
                "call execute([]) first"
            )
        self._prepared = partial(self._new_run, run_dashboard, display_terminal)
        self._open(Service(self._prepared(Choice())))

    def execute(self, initial_tasks: InitialTasks) -> RunResult:
        """Run what `prepare` has validated.

        With an empty list, the graph serves: it works on what `add_work` brings, from whatever thread, until `shutdown`
        is called. Where the calling thread itself has added work before, it ends when that is done. Where the graph
        serves along with another already, see `register_dispatcher`, it waits until that ends.

        Args:
            initial_tasks: as for `run`.

        Raises:
            ConfigurationError: `prepare` was not called.
        """
        if self._prepared is None:
            raise ConfigurationError(f"graph {self.name!r} is not prepared: call prepare(), or run() for both")
        service = self.service
        if service is None or not service.claim():
            if (
                service is not None
                and initial_tasks == []
                and self._figures is not None
                and self._figures.serves(service)
            ):
                wait_for(service.run.is_over)
                return cast("RunResult", self._result)
            service = self._open(Service(self._prepared(Choice())))
            service.claim()
        go = partial(self._execute, service.run, initial_tasks, service.execute, raise_on_failure=False)
        try:
            return go() if self._figures is None else cast("RunResult", self._figures.lead(self, go))
        finally:
            service.give_up()

    def register_dispatcher(self, dispatcher: Dispatcher) -> None:
        """Serve along with the graphs of `dispatcher`, which is what ``get_dispatcher()`` of one of them returns.

        The graph is prepared, and serves in a thread of its own as long as one of the others is executed.
        """
        if self._prepared is None:
            self.prepare(display_terminal=False)
        self._serve_along(dispatcher)

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
        return forecast(make_plan(self.wires), initial_tasks, _scope(cache_mode))

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

    def _next_run(self, run_dashboard: bool, display_terminal: bool | None, chosen: Choice) -> Run:
        """Return the run that work was added to since `prepare`, or a new one."""
        service = self._service
        if service is None or not service.waits_with_work:
            service = self._open(Service(self._new_run(run_dashboard, display_terminal, chosen)))
            service.claim()
            return service.run
        if chosen != Choice():
            raise ConfigurationError(
                f"work was added to graph {self.name!r} since it was prepared, to be done as prepare() decided: "
                "pass run() nothing but initial_tasks, or call execute([]) first"
            )
        service.claim()
        service.run.observer = self._observer(run_dashboard, display_terminal)
        return service.run

    def _new_run(self, run_dashboard: bool, display_terminal: bool | None, chosen: Choice) -> Run:
        observer, scope = (
            self._observer(run_dashboard, display_terminal),
            _scope(chosen.cache_mode, chosen.max_cost_usd),
        )
        executor, in_flight = _way(chosen.executor, chosen.max_workers, chosen.max_concurrency)
        plan = make_plan(self.wires)
        return open_run(plan, executor, observer, scope, max_concurrency=in_flight, entries=self.wires.entries)

    def _observer(self, run_dashboard: bool, display_terminal: bool | None) -> Observer:
        if run_dashboard:
            warnings.warn("planai has no dashboard in this version: the terminal shows the run instead", stacklevel=5)
        shown = sys.stderr.isatty() if display_terminal is None else display_terminal and sys.stderr.isatty()
        return Progress(self.name) if shown else Reporter()

    def _execute(
        self, run: Run, initial_tasks: InitialTasks, go: Callable[[InitialTasks], RunResult], raise_on_failure: bool
    ) -> RunResult:
        roots: dict[TaskWorker, None] = {}
        if isinstance(initial_tasks, list | tuple):
            for pair in initial_tasks:
                worker, task = initial_pair(pair)
                run.plan.entry(worker, task)
                roots[worker] = None
        self._tell_doubts(run.observer, [*roots, *self.wires.entries])
        result = self._result = go(initial_tasks)
        if result.interrupted and not run.must_stop:
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

    def _tell_doubts(self, observer: Observer, roots: list[TaskWorker]) -> None:
        """Say what is seldom meant in the wiring, once."""
        new = [doubt for doubt in doubts_of(self.wires, roots or None) if doubt not in self._doubted]
        if new:
            self._doubted.update(new)
            observer.doubted(self.name, new, self.describe())


def _scope(cache_mode: CacheMode | None, max_cost_usd: float | Decimal | None = None) -> Scope:
    if cache_mode is not None and cache_mode not in get_args(CacheMode):
        modes = ", ".join(map(repr, get_args(CacheMode)))
        raise ConfigurationError(f"there is no cache_mode {cache_mode!r}: choose one of {modes}")
    if max_cost_usd is not None and not max_cost_usd >= 0:
        raise ConfigurationError(f"max_cost_usd is {max_cost_usd!r}: pass US dollars, 0 or more")
    limit = None if max_cost_usd is None else Decimal(str(max_cost_usd))
    return Scope(cache_mode or mode_of_environment(), bills=Bills(limit))


def _way(chosen: ExecutorName | Executor, max_workers: int, max_concurrency: int) -> tuple[Executor, int | None]:
    """Return who makes calls, and how many async ones are in flight beside them; None for one after the other."""
    if chosen == "threads":
        return ThreadExecutor(max_workers), max_concurrency
    if chosen == "inline":
        return InlineExecutor(), None
    if isinstance(chosen, str):
        raise ConfigurationError(f"there is no executor {chosen!r}: choose 'threads' or 'inline', or pass an Executor")
    return chosen, max_concurrency
