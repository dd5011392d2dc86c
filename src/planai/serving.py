"""Served: what a graph that serves is asked by programs around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, NamedTuple

from planai.desk import Desk, TaskStatusCallback, WatchCallback
from planai.errors import ConfigurationError
from planai.planai_names import PlanAINames
from planai.provenance import ProvenanceChain
from planai.run.dispatcher import Dispatcher
from planai.run.people import UserRequestCallback
from planai.run.result import RunResult
from planai.run.service import Service
from planai.run.user_input import UserInputRequest
from planai.task import Task
from planai.worker import TaskWorker


class TaskStates(NamedTuple):
    """What tests written for PlanAI look at when a graph has run.

    Attributes:
        task_state: metadata and callbacks of the work that was added and is not done, by its chains.
    """

    task_state: dict[ProvenanceChain, dict[str, Any]]


class ServedGraph(PlanAINames, ABC):
    """A description that knows its last run, so that work can be added to it from any thread."""

    def __init__(self, name: str, strict: bool) -> None:
        super().__init__(name, strict)
        self._service: Service | None = None
        self._figures: Dispatcher | None = None
        self._on_user_request: UserRequestCallback | None = None

    @property
    def service(self) -> Service | None:
        """The last run, prepared, going on, or over; None before the first."""
        return self._service

    @property
    def desk(self) -> Desk | None:
        """What workers ask of the present run; None where there is none."""
        return None if self._service is None or self._service.is_over else self._service.run.desk

    @property
    def _provenance_tracker(self) -> TaskStates:
        found = {} if self._service is None else self._service.run.desk.sessions()
        return TaskStates({chain: session._asdict() for chain, session in found.items()})

    @abstractmethod
    def execute(self, initial_tasks: Iterable[tuple[TaskWorker, Task]]) -> RunResult:
        """Run what was prepared."""

    def set_max_parallel_tasks(self, worker_class: type, max_parallel_tasks: int) -> None:
        """Make at most so many calls at once of all workers together that are instances of `worker_class`.

        While the graph runs, that holds for what is begun from now on.

        Raises:
            ConfigurationError: the number is not positive, or `worker_class` can be no worker's.
        """
        super().set_max_parallel_tasks(worker_class, max_parallel_tasks)
        if self._service is not None and not self._service.is_over:
            self._service.limit(worker_class, max_parallel_tasks, (id(self.wires), worker_class))

    def add_work(
        self,
        worker: TaskWorker,
        task: Task,
        metadata: dict[str, Any] | None = None,
        status_callback: TaskStatusCallback | None = None,
    ) -> ProvenanceChain:
        """Submit a task to a graph that is prepared or runs, from any thread.

        Args:
            worker: who is to consume it; an entry, if `set_entry` has named some.
            task: what is to be consumed; a copy is taken.
            metadata: what ``worker.get_metadata`` returns for all that comes of the task; sinks are called with it.
            status_callback: is called by ``worker.notify_status``, and when all that comes of the task is done.

        Returns:
            The chain with which the provenance of all that comes of the task begins.

        Raises:
            ConfigurationError: the graph is not prepared, its run is over, or the worker is no entry or does not
                consume such tasks.
        """
        return self._need_service().add_work(worker, task, metadata, status_callback)

    def abort_work(self, provenance: ProvenanceChain) -> bool:
        """Drop all work below `provenance`: what waits is not made, what runs is told and its outputs are dropped.

        Joins and watchers below are not called any more; the status callback is told that the work has ended.

        Returns:
            Whether there was any work.
        """
        return bool(provenance) and self._service is not None and self._service.abort_work(provenance)

    def shutdown(self, timeout: float = 5.0) -> bool:
        """Take no more work, and end the run when all is done, or when `timeout` seconds are over.

        What runs then is told to end, and left behind when it does not; what waits is dropped.

        Returns:
            Whether everything was done in time. Within a call of the run itself nothing can be waited for.
        """
        return True if self._service is None or self._service.is_over else self._service.shutdown(timeout)

    def watch(self, prefix: ProvenanceChain, notifier: TaskWorker, callback: WatchCallback | None = None) -> bool:
        """Let `callback`, or ``notifier.notify``, be called with `prefix`, once, when no work is left below it."""
        return self._need_service().watch(prefix, notifier, callback)

    def unwatch(self, prefix: ProvenanceChain, notifier: TaskWorker, callback: WatchCallback | None = None) -> bool:
        """Undo `watch`, and tell whether there was something to undo."""
        return self._service is not None and self._service.unwatch(prefix, notifier, callback)

    def trace(self, prefix: ProvenanceChain) -> None:
        """Keep a record of what happens below `prefix`; ``get_dispatcher().get_traces()[prefix]`` is it."""
        self._need_service().run.desk.trace(prefix)

    def set_user_request_callback(self, callback: UserRequestCallback) -> None:
        """Let ``callback(metadata, request)`` show requests to a person; its thread is that of the worker that asks.

        It may answer at once with ``request.respond(...)``, or hand the request over to whoever does so later.
        """
        self._on_user_request = callback
        self._connect_persons()

    def wait_on_user_request(self, request: UserInputRequest) -> tuple[Any, str | None]:
        """Hand `request` over to whoever shows it to a person, and return the answer with its type."""
        return self._need_service().wait_on_user_request(request)

    def get_dispatcher(self) -> Dispatcher:
        """Return the figures of the present or last run, and of the graphs that serve along with it."""
        if self._figures is None:
            self._figures = Dispatcher(self)
        self._connect_persons(takes_requests=True)
        return self._figures

    def _serve_along(self, dispatcher: Dispatcher) -> None:
        self._figures = dispatcher
        self._connect_persons()
        dispatcher.register_graph(self)

    def _open(self, service: Service) -> Service:
        """Let `service` be what work is added to."""
        self._service = service
        self._connect_persons()
        return service

    def _connect_persons(self, *, takes_requests: bool = False) -> None:
        if self._service is not None:
            takes = takes_requests or self._figures is not None
            self._service.on_user_request(self._on_user_request, takes_requests=takes)

    def _need_service(self) -> Service:
        if self._service is None or self._service.is_over:
            state = "is not prepared" if self._service is None else "has run, and takes no more work"
            raise ConfigurationError(f"graph {self.name!r} {state}: call graph.prepare(), and then graph.execute([])")
        return self._service
