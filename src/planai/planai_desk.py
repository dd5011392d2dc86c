"""What tests written for PlanAI put in place of a worker's graph, such as a mock, asked in the way one asks a run."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import BaseModel

from planai.call import Activation
from planai.desk import Session, TaskStatusCallback, WatchCallback
from planai.provenance import ProvenanceChain
from planai.task import Task

_states: WeakKeyDictionary[object, dict[ProvenanceChain, dict[str, Any]]] = WeakKeyDictionary()


class StandInDesk:
    """Passes on to `graph` what a worker asks, by the names that PlanAI's graphs have for it.

    Args:
        graph: has been set as ``worker._graph``, or passed to ``worker.set_graph``.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph

    def add_work(
        self, worker: Any, task: Task, metadata: dict[str, Any] | None, status_callback: TaskStatusCallback | None
    ) -> ProvenanceChain:
        """Submit a task."""
        chain: ProvenanceChain = self._graph.add_work(worker, task, metadata, status_callback)
        return chain

    def session(self, task: Task) -> Session:
        """Return metadata and callback."""
        state = self._graph._provenance_tracker.get_state(task.prefix(1))  # noqa: SLF001 - what tests prepare
        return Session(state["metadata"], state["callback"])

    def remove_session(self, task: Task) -> None:
        """Forget them."""
        self._graph._provenance_tracker.remove_state(task.prefix(1))  # noqa: SLF001 - as above

    def notify_status(self, worker: Any, task: Task, message: str | None, object: BaseModel | None) -> None:  # noqa: A002 - PlanAI's name
        """Tell how it goes."""
        self._graph._provenance_tracker.notify_status(worker, task, message, object)  # noqa: SLF001 - as above

    def worker_state(self, worker: Any, prefix: ProvenanceChain) -> dict[str, Any]:
        """Return what `worker` remembers of `prefix`, as long as there is the worker."""
        return _states.setdefault(worker, {}).setdefault(prefix, {})

    def watch(self, worker: Any, prefix: ProvenanceChain, callback: WatchCallback | None) -> bool:
        """Watch."""
        return bool(self._graph.watch(prefix, worker, callback))

    def unwatch(self, worker: Any, prefix: ProvenanceChain, callback: WatchCallback | None) -> bool:
        """Watch no more."""
        return bool(self._graph.unwatch(prefix, worker, callback))

    def told(self, activation: Activation) -> list[WatchCallback | None]:
        """Return what stands for ``notify``."""
        return [None]

    def trace(self, prefix: ProvenanceChain) -> None:
        """Trace."""
        self._graph.trace(prefix)

    def ask_user(self, task: Task, instruction: str, accepted_mime_types: Sequence[str]) -> tuple[Any, str | None]:
        """Ask a person."""
        request = importlib.import_module("planai.run.user_input").UserInputRequest
        answer: tuple[Any, str | None] = self._graph.wait_on_user_request(
            request("0", instruction, task.provenance(), accepted_mime_types)
        )
        return answer

    async def ask_user_async(
        self, task: Task, instruction: str, accepted_mime_types: Sequence[str]
    ) -> tuple[Any, str | None]:
        """Ask a person."""
        return self.ask_user(task, instruction, accepted_mime_types)
