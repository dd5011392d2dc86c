"""Desk: what workers ask of the run that they are in, beyond publishing; and the methods by which they ask."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel

from planai.call import Activation, current_activation, need_activation
from planai.errors import OutsideCallError
from planai.provenance import ProvenanceChain
from planai.task import Task

TaskStatusCallback = Callable[[dict[str, Any], ProvenanceChain, Any, Any, str | None, BaseModel | None], None]
"""Is called with metadata, the chain that `add_work` returned, the worker, the task, a message and an object.

When the chain has ended, worker, task and object are None. A function that takes five arguments gets no object.
"""

WatchCallback = Callable[[ProvenanceChain], Any]
"""Is called with the prefix that was watched."""


class Session(NamedTuple):
    """What came with a task that was added to a run from outside."""

    metadata: dict[str, Any]
    callback: TaskStatusCallback | None


class Desk(Protocol):
    """Answers what workers ask of their run, in whatever thread."""

    def add_work(
        self, worker: Any, task: Task, metadata: dict[str, Any] | None, status_callback: TaskStatusCallback | None
    ) -> ProvenanceChain:
        """Submit `task` to `worker`, and return the chain that begins with it."""

    def session(self, task: Task) -> Session:
        """Return what came with the task from outside that `task` descends from."""

    def remove_session(self, task: Task) -> None:
        """Forget that; nobody is told."""

    def notify_status(self, worker: Any, task: Task, message: str | None, object: BaseModel | None) -> None:  # noqa: A002 - PlanAI's name
        """Call the callback that came with the task from outside that `task` descends from."""

    def worker_state(self, worker: Any, prefix: ProvenanceChain) -> dict[str, Any]:
        """Return what `worker` remembers as long as there is work below `prefix`."""

    def watch(self, worker: Any, prefix: ProvenanceChain, callback: WatchCallback | None) -> bool:
        """Let `callback`, or ``worker.notify``, be called when no work is left below `prefix`; tell if that is new."""

    def unwatch(self, worker: Any, prefix: ProvenanceChain, callback: WatchCallback | None) -> bool:
        """Undo `watch`, and tell whether there was something to undo."""

    def told(self, activation: Activation) -> list[WatchCallback | None]:
        """Return the callbacks with which the worker watched that is told now, None for its ``notify``."""

    def trace(self, prefix: ProvenanceChain) -> None:
        """Keep a record of what happens below `prefix`."""

    def ask_user(self, task: Task, instruction: str, accepted_mime_types: Sequence[str]) -> tuple[Any, str | None]:
        """Wait for a person's answer, and return it with its type."""

    async def ask_user_async(
        self, task: Task, instruction: str, accepted_mime_types: Sequence[str]
    ) -> tuple[Any, str | None]:
        """Await a person's answer, and return it with its type."""


class Attended:
    """What a worker may ask of its run. Outside of one, it has no metadata, nothing to watch, and nobody to tell."""

    def notify(self, prefix: ProvenanceChain) -> Awaitable[None] | None:
        """Take note that no work is left below `prefix`, which this worker watched, and publish what is to follow."""

    @property
    def aborted(self) -> bool:
        """Whether the present call was told to end: its work was aborted, took too long, or the run is stopping.

        Long computations look at it now and then, and return; nothing of what they publish is kept.
        """
        activation = current_activation()
        return activation is not None and activation.aborted

    def add_work(
        self,
        task: Task,
        metadata: dict[str, Any] | None = None,
        status_callback: TaskStatusCallback | None = None,
    ) -> ProvenanceChain:
        """Submit `task` to this worker, as if it came from outside, and return the chain that begins with it.

        Args:
            task: what the worker is to consume.
            metadata: what `get_metadata` returns for all that comes of the task, and sinks are called with.
            status_callback: is called by `notify_status`, and when the chain has ended.

        Raises:
            ConfigurationError: the worker is no entry of a graph that runs or is prepared.
        """
        desk = self._desk_()
        if desk is None:
            name = type(self).__name__
            raise OutsideCallError(f"{name!r} is in no graph that runs: call graph.prepare(), then add work")
        return desk.add_work(self, task, metadata, status_callback)

    def get_metadata(self, task: Task) -> dict[str, Any]:
        """Return the metadata that came with the work that `task` descends from; {} where none did."""
        desk = self._desk_()
        return {} if desk is None else desk.session(task).metadata

    def get_state(self, task: Task) -> dict[str, Any]:
        """Return the metadata and the callback that came with the work that `task` descends from."""
        desk = self._desk_()
        found = Session({}, None) if desk is None else desk.session(task)
        return {"metadata": found.metadata, "callback": found.callback}

    def remove_state(self, task: Task) -> None:
        """Forget the metadata and the callback of the work that `task` descends from; the callback is not called."""
        desk = self._desk_()
        if desk is not None:
            desk.remove_session(task)

    def notify_status(self, task: Task, message: str | None = None, object: BaseModel | None = None) -> None:  # noqa: A002 - PlanAI's name
        """Tell the status callback of the work that `task` descends from how it goes."""
        desk = self._desk_()
        if desk is not None:
            desk.notify_status(self, task, message, object)

    def get_worker_state(self, provenance: ProvenanceChain) -> dict[str, Any]:
        """Return a dict that this worker alone has for `provenance`, as long as there is work below it.

        Calls that run at the same time get the same dict: use `lock` where they change it.
        """
        desk = self._desk_()
        return {} if desk is None else desk.worker_state(self, provenance)

    def watch(self, prefix: ProvenanceChain, callback: WatchCallback | None = None) -> bool:
        """Let `notify` be called, once, when no work is left below `prefix`.

        Args:
            prefix: the beginning of a provenance, such as ``task.prefix(1)``.
            callback: is called with the prefix in place of `notify`, and may publish like it.

        Returns:
            Whether it was not watched in this way before.
        """
        desk = self._desk_()
        return desk is not None and desk.watch(self, prefix, callback)

    def unwatch(self, prefix: ProvenanceChain, callback: WatchCallback | None = None) -> bool:
        """Undo `watch`, and tell whether there was something to undo."""
        desk = self._desk_()
        return desk is not None and desk.unwatch(self, prefix, callback)

    def trace(self, prefix: ProvenanceChain) -> None:
        """Keep a record of what happens below `prefix`, which ``graph.get_dispatcher().get_traces()[prefix]`` is."""
        desk = self._desk_()
        if desk is not None:
            desk.trace(prefix)

    def request_user_input(
        self, task: Task, instruction: str, accepted_mime_types: Sequence[str] = ("text/html",)
    ) -> tuple[Any, str | None]:
        """Ask a person, and wait for the answer; others run meanwhile, as many as if this call did not.

        Args:
            task: what is being consumed.
            instruction: what the person is to do.
            accepted_mime_types: the types that the answer may have.

        Returns:
            The answer and its type; None and None where the person declined.

        Raises:
            OutsideCallError: there is no run.
            ConfigurationError: nobody would see the request.
            WorkAborted: the work was aborted meanwhile.
        """
        desk = self._desk_()
        if desk is None:
            raise OutsideCallError("a person can only be asked while a graph runs")
        return desk.ask_user(task, instruction, accepted_mime_types)

    async def arequest_user_input(
        self, task: Task, instruction: str, accepted_mime_types: Sequence[str] = ("text/html",)
    ) -> tuple[Any, str | None]:
        """Do what `request_user_input` does, in an async worker: nothing but memory is held meanwhile."""
        desk = self._desk_()
        if desk is None:
            raise OutsideCallError("a person can only be asked while a graph runs")
        return await desk.ask_user_async(task, instruction, accepted_mime_types)

    def perform_notice(self, prefix: ProvenanceChain) -> Awaitable[None] | None:
        """Tell the worker that no work is left below `prefix`, or return what is to be awaited for it."""
        desk = self._desk_()
        told = [None] if desk is None else desk.told(need_activation("a notice"))
        calls = [self.notify if callback is None else callback for callback in sorted(told, key=callable)]
        if self.is_async_worker:
            return _one_by_one(calls, prefix)
        for call in calls:
            pending = call(prefix)
            if inspect.isawaitable(pending):
                return pending
        return None

    @property
    @abstractmethod
    def is_async_worker(self) -> bool:
        """Whether what the worker does is to be awaited."""

    def _desk_(self) -> Desk | None:
        activation = current_activation()
        if activation is not None and activation.scope.desk is not None:
            desk: Desk = activation.scope.desk
            return desk
        wirings: list[Any] = self.__dict__.get("_wirings_", [])
        return next((wiring.desk for wiring in reversed(wirings) if wiring.desk is not None), None)


async def _one_by_one(calls: Sequence[WatchCallback], prefix: ProvenanceChain) -> None:
    for call in calls:
        pending = call(prefix)
        if inspect.isawaitable(pending):
            await pending
