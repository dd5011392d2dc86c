"""RunDesk: where the threads of workers, and all others, meet a run: they ask here, and the loop hears by events."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from planai.call import Activation, current_activation
from planai.desk import Session, TaskStatusCallback, WatchCallback
from planai.errors import ConfigurationError
from planai.events import Event, Printed, Step, Submitted, Unwatched, Watched
from planai.plan import Plan
from planai.provenance import INITIAL, ROOT, Provenance, ProvenanceChain
from planai.run.history import History
from planai.run.people import People
from planai.run.state import RunState
from planai.task import Task, lineage_of
from planai.worker import TaskWorker

_NOTHING = Session({}, None)
_Watcher = tuple[object, WatchCallback | None]


class RunDesk:
    """Answers what is asked of one run, in any thread; see `planai.desk.Desk`.

    Attributes:
        entries: the workers that tasks may be added to; any where it is empty.
        people: who is asked by workers.
        history: what has happened, for those who ask for it.
        adders: the threads that have added work.
    """

    def __init__(
        self, plan: Plan, state: RunState, put: Callable[[Event], None], entries: Sequence[TaskWorker] = ()
    ) -> None:
        self.entries = entries
        self.people = People(put)
        self.history = History()
        self.adders: set[int] = set()
        self._plan = plan
        self._state = state
        self._put = put
        self._lock = threading.Lock()
        self._closed = False
        self._sessions: dict[Step, Session] = {}
        self._added: set[Step] = set()
        self._states: dict[Step, dict[TaskWorker, dict[str, Any]]] = {}
        self._watchers: dict[Step, list[_Watcher]] = {}
        self._told: dict[Step, dict[object, list[WatchCallback | None]]] = {}

    # ---- work from outside

    def add_work(
        self,
        worker: TaskWorker,
        task: Task,
        metadata: dict[str, Any] | None,
        status_callback: TaskStatusCallback | None,
    ) -> ProvenanceChain:
        """Submit `task` to `worker`, and return the chain that begins with it.

        Raises:
            ConfigurationError: the worker is no entry, does not consume such tasks, or the run is over.
        """
        if self.entries and worker not in self.entries:
            names = ", ".join(repr(entry.name) for entry in self.entries)
            raise ConfigurationError(
                f"work is added to {worker.name!r}, which is no entry; those are {names}: "
                "name it with graph.set_entry(...)"
            )
        key = self._plan.entry(worker, task)
        start = ROOT.child(INITIAL, next(self._state.traffic.starts))
        step = _step(start)
        with self._lock:
            if self._closed:
                raise ConfigurationError(f"graph {self._plan.name!r} takes no more work: its run is over")
            self._added.add(step)
            self.adders.add(threading.get_ident())
            self._sessions[step] = Session({} if metadata is None else metadata, status_callback)
            self._put(Submitted(key, task, start))
        return start.chain()

    def knows(self, step: Step) -> bool:
        """Tell whether `step` is one that `add_work` made, and there is work below it."""
        return step in self._added

    def close(self, *, unless: Callable[[], bool] = lambda: False) -> bool:
        """Take no more work, and return True; change nothing where there is a reason not to."""
        with self._lock:
            if not unless():
                self._closed = True
            return self._closed

    def session(self, task: Task) -> Session:
        """Return what came with the task from outside that `task` descends from."""
        return self._sessions.get(_step(lineage_of(task).provenance.top()), _NOTHING)

    def sessions(self) -> dict[ProvenanceChain, Session]:
        """Return what came with all tasks from outside of which there is work left."""
        with self._lock:
            return {(step,): session for step, session in self._sessions.items()}

    def remove_session(self, task: Task) -> None:
        """Forget that; nobody is told."""
        self._sessions.pop(_step(lineage_of(task).provenance.top()), None)

    def notify_status(self, worker: TaskWorker, task: Task, message: str | None, object: BaseModel | None) -> None:  # noqa: A002 - PlanAI's name
        """Call the status callback; what it raises is reported, and stays there."""
        session = self.session(task)
        chain = lineage_of(task).provenance.top().chain()
        self._call_back(session.callback, session.metadata, chain, worker, task, message, object)

    # ---- what workers remember and watch

    def worker_state(self, worker: TaskWorker, prefix: ProvenanceChain) -> dict[str, Any]:
        """Return what `worker` remembers as long as there is work below `prefix`."""
        step = last_step(prefix)
        with self._lock:
            known = self._states.get(step)
            if known is None:
                known = self._states[step] = {}
                self._put(Watched(step, _near(step)))
            return known.setdefault(worker, {})

    def watch(self, worker: TaskWorker, prefix: ProvenanceChain, callback: WatchCallback | None) -> bool:
        """Let `callback`, or ``worker.notify``, be called when no work is left below `prefix`."""
        step, watcher = last_step(prefix), (worker, callback)
        activation = current_activation()
        task = activation.tasks[0] if activation is not None else Task()
        with self._lock:
            watchers = self._watchers.setdefault(step, [])
            if watcher in watchers:
                return False
            watchers.append(watcher)
            self._put(Watched(step, _near(step), self._plan.keys.get(worker) or _key(activation), task))
        return True

    def unwatch(self, worker: TaskWorker, prefix: ProvenanceChain, callback: WatchCallback | None) -> bool:
        """Undo `watch`; one who is being told has watched until now."""
        step, watcher = last_step(prefix), (worker, callback)
        activation = current_activation()
        with self._lock:
            watchers = self._watchers.get(step, [])
            if watcher not in watchers:
                return _is_told_no_more(activation, watcher, step)
            watchers.remove(watcher)
            if all(other is not worker for other, _ in watchers):
                self._put(Unwatched(step, self._plan.keys.get(worker) or _key(activation)))
        return True

    def told(self, activation: Activation) -> list[WatchCallback | None]:
        """Let the worker that is told now watch no more, and return the callbacks with which it did."""
        if activation.call is None:
            return [None]
        step, worker = _step(activation.call.scope), activation.worker
        with self._lock:
            if activation.call.attempt == 0:  # a second try tells the same
                watchers = self._watchers.pop(step, [])
                others = [watcher for watcher in watchers if watcher[0] is not worker]
                if others:
                    self._watchers[step] = others
                mine = [callback for other, callback in watchers if other is worker]
                self._told.setdefault(step, {})[worker] = mine
            told = self._told[step][worker]
        activation.notes["told"] = list(told)
        return told

    def trace(self, prefix: ProvenanceChain) -> None:
        """Keep a record of what happens below `prefix`."""
        last_step(prefix)
        self.history.traces.setdefault(prefix, [])

    def forget(self, step: Step) -> None:
        """Forget all that is known of a step that has ended. The loop calls this."""
        with self._lock:
            self._added.discard(step)
            self._states.pop(step, None)
            self._watchers.pop(step, None)
            self._told.pop(step, None)
        self._end_session(step)

    # ---- persons

    def ask_user(self, task: Task, instruction: str, accepted_mime_types: Sequence[str]) -> tuple[Any, str | None]:
        """Ask, and wait; meanwhile somebody else has the place of this call."""
        return self.people.ask(task, instruction, accepted_mime_types, self.session(task).metadata)

    async def ask_user_async(
        self, task: Task, instruction: str, accepted_mime_types: Sequence[str]
    ) -> tuple[Any, str | None]:
        """Ask, and await the answer; meanwhile somebody else has the place of this call."""
        return await self.people.ask_async(task, instruction, accepted_mime_types, self.session(task).metadata)

    def _end_session(self, step: Step) -> None:
        session = self._sessions.pop(step, None)
        if session is not None:
            self._call_back(session.callback, session.metadata, (step,), None, None, "Task removed", None)

    def _call_back(self, callback: TaskStatusCallback | None, *arguments: Any) -> None:
        """Call the user; what is raised there is reported, and must not end what is going on here."""
        if callback is None:
            return
        try:
            callback(*_as_taken(callback, arguments))
        except Exception as error:  # noqa: BLE001 - a user's function
            name = getattr(callback, "__qualname__", repr(callback))
            self._put(Printed("", f"planai: the callback {name} raised {type(error).__name__}: {error}"))


def _as_taken(callback: TaskStatusCallback, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Leave out the last of `arguments`, the object, for a callback of the time when PlanAI's got none."""
    with suppress(TypeError, ValueError):  # it has no signature, or another one
        inspect.signature(callback).bind(*arguments)
        return arguments
    with suppress(TypeError, ValueError):
        inspect.signature(callback).bind(*arguments[:-1])
        return arguments[:-1]
    return arguments


def _step(node: Provenance) -> Step:
    return (node.worker, node.index)


def last_step(prefix: ProvenanceChain) -> Step:
    """Return the last step of a chain, by which it is known.

    Raises:
        ConfigurationError: it is no chain, or an empty one.
    """
    if not isinstance(prefix, tuple) or not prefix:
        raise ConfigurationError(f"{prefix!r} is no prefix of a provenance: pass what task.prefix(1) returns")
    return prefix[-1]


def _near(step: Step) -> Provenance | None:
    """Return the node of a step from which the present call descends, or None."""
    activation = current_activation()
    if activation is None or activation.call is None:
        return None
    for node in (activation.call.scope, lineage_of(activation.tasks[0]).provenance):
        current: Provenance | None = node
        while current is not None and current.parent is not None:
            if (current.worker, current.index) == step:
                return current
            current = current.parent
    return None


def _key(activation: Activation | None) -> str:
    """Return the key of the worker that asks, which may be inside of a graph."""
    return activation.call.worker if activation is not None and activation.call is not None else ""


def _is_told_no_more(activation: Activation | None, watcher: _Watcher, step: Step) -> bool:
    """Tell whether a worker is being told what it watched, which it has not undone before."""
    worker, callback = watcher
    if activation is None or activation.call is None or activation.worker is not worker:
        return False
    told = activation.notes.get("told", [])
    if _step(activation.call.scope) != step or callback not in told:
        return False
    told.remove(callback)
    return True
