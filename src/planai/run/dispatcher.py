"""Dispatcher: the figures of one or several services, as PlanAI's programs read them."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from planai.alive import calls_in
from planai.board import WorkerFigures
from planai.call import Call
from planai.errors import ConfigurationError
from planai.provenance import ProvenanceChain
from planai.run.history import KEPT_CALLS, History, Past
from planai.run.loop import Run
from planai.run.result import Failure
from planai.run.service import Service
from planai.run.user_input import UserInputRequest
from planai.task import Task


class Serving(Protocol):
    """A graph, as a dispatcher sees it."""

    name: str

    @property
    def service(self) -> Service | None:
        """Its last run, prepared, going on, or over; None before the first."""

    def execute(self, initial_tasks: Iterable[Any]) -> object:
        """Run what was prepared."""

    def set_max_parallel_tasks(self, worker_class: type, max_parallel_tasks: int) -> None:
        """Make at most so many calls at once of some workers."""

    def shutdown(self, timeout: float = 5.0) -> bool:
        """End the run."""


_LOOK_SECONDS = 0.05


class Waiting(list[dict[str, Any]]):
    """Tasks that wait, which one may ask as one asks a queue."""

    def qsize(self) -> int:
        """Return how many there are."""
        return len(self)

    def empty(self) -> bool:
        """Tell whether there are none."""
        return not self


class Dispatcher:
    """What graphs that serve together have done, and do: figures of all of them, and what persons are asked.

    Each graph has a loop and limits of its own. Those that were registered with the dispatcher of another graph serve,
    in threads of their own, as long as that one is executed.

    Args:
        graphs: those that are registered from the start.
        web_port: kept for programs that pass it; nothing listens there.
    """

    def __init__(self, *graphs: Serving, web_port: int | None = None) -> None:
        self._graphs = list(graphs)
        self._threads: list[tuple[Service, threading.Thread]] = []
        self._lead: Serving | None = None

    # ---- graphs

    def register_graph(self, graph: Serving) -> None:
        """Let `graph`, which is prepared, serve along with those that are registered."""
        if graph not in self._graphs:
            self._graphs.append(graph)
            if self._lead is not None:
                self._serve(graph)

    def deregister_graph(self, graph: Serving) -> None:
        """End the run of `graph`, and forget it."""
        if graph in self._graphs:
            self._graphs.remove(graph)
            graph.shutdown()

    def get_graphs(self) -> list[dict[str, Any]]:
        """Return the name of each graph that is registered, with its number."""
        return [{"index": index, "name": graph.name} for index, graph in enumerate(self._graphs)]

    def graph(self, index: int = 0) -> Serving:
        """Return the graph with this number.

        Raises:
            ConfigurationError: there is none.
        """
        if not 0 <= index < len(self._graphs):
            raise ConfigurationError(f"there is no graph with the number {index}; {len(self._graphs)} are registered")
        return self._graphs[index]

    def set_max_parallel_tasks(self, worker_class: type, max_parallel_tasks: int) -> None:
        """Make at most so many calls at once, in each of the graphs, of the workers that are instances of a class."""
        for graph in self._graphs:
            graph.set_max_parallel_tasks(worker_class, max_parallel_tasks)

    def start(self) -> None:
        """Do nothing: a graph begins to work when it is executed."""

    def wait_for_completion(self, timeout: float | None = None, wait_for_quit: bool = False) -> None:
        """Wait until the graphs that are executed have nothing left to do, for `timeout` seconds at most.

        Args:
            timeout: how long; None for as long as it takes.
            wait_for_quit: kept for programs that pass it.
        """
        until = time.monotonic() + (threading.TIMEOUT_MAX if timeout is None else timeout)
        for run in self._runs():
            while run.thread and not (run.serves and run.state.idle and not len(run.inbox)):
                if run.is_over.wait(min(_LOOK_SECONDS, max(0.0, until - time.monotonic()))) or time.monotonic() > until:
                    break

    def stop(self, timeout: float | None = None) -> None:
        """End the runs of all graphs when all is done, or when `timeout` seconds are over."""
        for graph in list(self._graphs):
            graph.shutdown(threading.TIMEOUT_MAX if timeout is None else timeout)

    def initiate_shutdown(self) -> None:
        """End the runs of all graphs: what waits is dropped, and what runs is told to end."""
        self.stop(timeout=0.0)

    def has_dashboard(self) -> bool:
        """Tell whether somebody watches in a browser: not in this version."""
        return False

    def lead(self, graph: Serving, execute: Callable[[], Any]) -> Any:
        """Execute `graph`, let all others serve meanwhile, and then end when they are done."""
        if self._lead is not None or graph not in self._graphs:
            return execute()
        self._lead = graph
        for other in self._graphs:
            if other is not graph:
                self._serve(other)
        try:
            return execute()
        finally:
            self._lead = None
            for service, thread in self._threads:
                service.shutdown(threading.TIMEOUT_MAX)
                thread.join()
            self._threads.clear()

    def serves(self, service: Service) -> bool:
        """Tell whether `service` serves along with the graph that is executed."""
        return any(other is service for other, _ in self._threads)

    def _serve(self, graph: Serving) -> None:
        service = graph.service
        if service is not None and not service.has_begun:
            thread = threading.Thread(target=graph.execute, args=([],), name=f"planai-{graph.name}", daemon=True)
            self._threads.append((service, thread))
            thread.start()

    # ---- figures

    @property
    def total_completed_tasks(self) -> int:
        """Calls that ended well."""
        return sum(figures.completed for _, figures in self._figures())

    @property
    def total_failed_tasks(self) -> int:
        """Calls that failed for good."""
        return sum(figures.failed for _, figures in self._figures())

    @property
    def active_tasks(self) -> int:
        """Calls that are being made."""
        return len(self.get_active_tasks())

    @property
    def _num_active_tasks(self) -> int:
        return self.active_tasks

    @property
    def work_queue(self) -> Waiting:
        """What waits, as far as programs ask how much it is."""
        return Waiting(self.get_queued_tasks())

    @property
    def completed_tasks(self) -> list[tuple[Any, Task]]:
        """What was consumed last, each task with its worker, the newest first."""
        return [(run.plan.nodes[past.call.worker].performer, past.call.tasks[0]) for run, past in self._completed()]

    @property
    def failed_tasks(self) -> list[tuple[Any, Task, str]]:
        """What could not be consumed, each task with its worker and the error, the newest first."""
        return [
            (run.plan.nodes[failure.worker].performer, failure.task, str(failure.error))
            for run, failure in self._failed()
        ]

    def get_queued_tasks(self) -> list[dict[str, Any]]:
        """Return what waits: for each task its id, type, worker, provenance, inputs and fields.

        When it began and ended to be consumed is given in seconds since 1970.
        """
        return [_of_call(call) for run in self._runs() for call in run.state.calls()[0]]

    def get_active_tasks(self) -> list[dict[str, Any]]:
        """Return what is being consumed, likewise."""
        return [
            _of_task(call.worker, call.tasks[0], began.get(call.id))
            for run in self._runs()
            for began in [_beginnings(run)]
            for call in run.state.calls()[1]
        ]

    def get_completed_tasks(self) -> list[dict[str, Any]]:
        """Return what was consumed last, likewise, the newest first; a hundred tasks of each graph at most."""
        return [_of_task(past.call.worker, past.call.tasks[0], past.began, past.ended) for _, past in self._completed()]

    def get_failed_tasks(self) -> list[dict[str, Any]]:
        """Return what could not be consumed, likewise, with the error."""
        times = {id(past.call.tasks[0]): past for run in self._runs() for past in list(run.desk.history.failed)}
        return [
            {
                **_of_task(failure.worker, failure.task, *_times(times.get(id(failure.task)))),
                "error": str(failure.error),
            }
            for _, failure in self._failed()
        ]

    def get_execution_statistics(self) -> dict[str, dict[str, float]]:
        """Return by worker how long its last calls took, in seconds, and how many calls there were of each kind."""
        seconds = {key: list(taken) for history in self._histories() for key, taken in list(history.seconds.items())}
        active = [call["worker"] for call in self.get_active_tasks()]
        return {key: _statistics(seconds.get(key, []), row, active.count(key)) for key, row in self._figures()}

    def get_traces(self, index: int = 0) -> dict[ProvenanceChain, list[dict[str, Any]]]:
        """Return, by the prefixes for which `trace` was called in one graph, what has happened below them since."""
        service = self._graphs[index].service if 0 <= index < len(self._graphs) else None
        return {} if service is None else dict(service.run.desk.history.traces)

    def get_logs(self) -> list[dict[str, Any]]:
        """Return what workers have printed, and when; each line once."""
        lines = [history.lines.popleft() for history in self._histories() for _ in range(len(history.lines))]
        return sorted(lines, key=lambda line: line["timestamp"])

    # ---- persons

    def get_user_input_requests(self) -> list[UserInputRequest]:
        """Return what persons are asked and have not answered."""
        return [request for run in self._runs() for request in list(run.desk.people.requests.values())]

    def set_user_input_result(self, task_id: str, result: Any, mime_type: str | None = None) -> bool:
        """Answer the request with this id, and tell whether there is one; see `UserInputRequest.respond`."""
        found = [request for request in self.get_user_input_requests() if request.task_id == task_id]
        for request in found:
            request.respond(result, mime_type)
        return bool(found)

    def _runs(self) -> list[Run]:
        return [graph.service.run for graph in self._graphs if graph.service is not None]

    def _histories(self) -> list[History]:
        return [run.desk.history for run in self._runs()]

    def _completed(self) -> list[tuple[Run, Past]]:
        return [(run, past) for run in self._runs() for past in list(run.desk.history.completed)[::-1]]

    def _failed(self) -> list[tuple[Run, Failure]]:
        return [(run, failure) for run in self._runs() for failure in run.state.failures[: -KEPT_CALLS - 1 : -1]]

    def _figures(self) -> list[tuple[str, WorkerFigures]]:
        return [item for run in self._runs() for item in run.state.board.workers.items()]


def _of_call(call: Call) -> dict[str, Any]:
    return _of_task(call.worker, call.tasks[0])


def _beginnings(run: Run) -> dict[int, float]:
    """Return when the calls that are being made began; those that wait for a thread have not."""
    made = [activation for activation in calls_in(run.scope) if activation.call is not None]
    return {activation.call.id: time.time() - activation.elapsed for activation in made}


def _times(past: Past | None) -> tuple[float | None, float | None]:
    return (None, None) if past is None else (past.began, past.ended)


def _of_task(worker: str, task: Task, began: float | None = None, ended: float | None = None) -> dict[str, Any]:
    steps = [f"{name}_{number}" for name, number in task.provenance()]
    return {
        "id": steps[-1] if steps else "",
        "type": type(task).__name__,
        "worker": worker,
        "start_time": began,
        "end_time": ended,
        "provenance": steps,
        "input_provenance": [{one.name: one.model_dump()} for one in task.copy_input_provenance()],
        "task": task.model_dump(),
    }


def _statistics(seconds: list[float], row: WorkerFigures, active: int) -> dict[str, float]:
    return {
        "min": min(seconds, default=0.0),
        "median": statistics.median(seconds) if seconds else 0.0,
        "max": max(seconds, default=0.0),
        "stdDev": statistics.stdev(seconds) if len(seconds) > 1 else 0.0,
        "count": len(seconds),
        "completed": row.completed,
        "active": active,
        "queued": row.queued - active,
        "failed": row.failed,
    }
