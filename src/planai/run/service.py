"""Service: what may be asked of a run from outside of it, by any thread."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from typing import Any

from planai.call import current_activation
from planai.desk import TaskStatusCallback, WatchCallback
from planai.events import Abandoned, Closing, Limited
from planai.provenance import ProvenanceChain
from planai.run.desk import last_step
from planai.run.loop import Run
from planai.run.people import UserRequestCallback
from planai.run.result import RunResult
from planai.run.running import execute
from planai.run.user_input import UserInputRequest
from planai.task import Task
from planai.worker import TaskWorker

_LISTEN_SECONDS = 0.05
_ATTEMPTS = 40
"""For how long at most an abort is waited for: the loop may be in a callback that waits for whoever aborts."""


class Service:
    """A run, prepared or going on, as those see it who add work to it.

    Args:
        run: the run; whoever prepares one calls `execute`, in a thread of his own if he wants to go on.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._is_claimed = False

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.run.is_over.is_set()

    @property
    def has_begun(self) -> bool:
        """Whether the run has been executed, or is about to be."""
        return self._is_claimed

    @property
    def waits_with_work(self) -> bool:
        """Whether work was added to the run, and nobody has executed it yet."""
        return bool(self.run.desk.adders) and not self.has_begun and not self.is_over

    def claim(self) -> bool:
        """Let nobody else execute the run, and tell whether nobody else does."""
        with self._lock:
            is_free, self._is_claimed = not self._is_claimed, True
        return is_free

    def give_up(self) -> None:
        """Let others execute the run, if it did not come to that after `claim`."""
        if self.run.thread == 0:
            self._is_claimed = False

    def execute(self, initial: Iterable[tuple[TaskWorker, Task]]) -> RunResult:
        """Run until nothing is left to do; or, with neither initial tasks nor work of this thread, until `shutdown`.

        Who has added work and then executes a run in the same thread wants it to end: nobody else could end it.
        """
        is_empty = isinstance(initial, list | tuple) and not initial
        self.run.serves = is_empty and threading.get_ident() not in self.run.desk.adders and not self.run.is_closing
        self.run.tells_failures = True
        return execute(self.run, initial)

    def add_work(
        self,
        worker: TaskWorker,
        task: Task,
        metadata: dict[str, Any] | None,
        status_callback: TaskStatusCallback | None,
    ) -> ProvenanceChain:
        """Submit `task` to `worker`; see `Graph.add_work`."""
        return self.run.desk.add_work(worker, task, metadata, status_callback)

    def limit(self, kind: type, count: int, of: object) -> None:
        """Let at most `count` calls be made at once of the workers that are instances of `kind`, from now on."""
        workers = frozenset(key for key, worker in self.run.plan.workers.items() if isinstance(worker, kind))
        limited = Limited(workers, count, of)
        with self._lock:
            if not self._is_claimed:
                self.run.state.handle(limited)
                return
        self.run.inbox.put(limited)

    def abort_work(self, prefix: ProvenanceChain) -> bool:
        """Drop all work below `prefix`, and tell whether there was any; see `Graph.abort_work`."""
        run, step = self.run, last_step(prefix)
        known = run.desk.knows(step)
        if self.is_over:
            return False
        if not self.has_begun or run.thread == threading.get_ident():  # the loop could not answer while it waits here
            run.inbox.put(Abandoned(step))
            return known or run.state.has(step)
        answers: SimpleQueue[bool] = SimpleQueue()
        run.inbox.put(Abandoned(step, answers.put))
        for _ in range(_ATTEMPTS):
            try:
                return answers.get(timeout=_LISTEN_SECONDS)
            except Empty:
                if self.is_over:
                    return False
        return known

    def shutdown(self, timeout: float) -> bool:
        """Take no more work, and end the run; see `Graph.shutdown`."""
        run = self.run
        run.is_closing = True
        run.desk.close()
        run.inbox.put(Closing())
        activation = current_activation()
        within = activation is not None and activation.scope is run.scope
        if self.waits_with_work:
            text = "nobody has executed the graph, and work that was added is not done: call execute([]) before that"
            warnings.warn(text, RuntimeWarning, stacklevel=3)
            return False
        if not self.has_begun or within or run.thread == threading.get_ident():
            return True
        if run.is_over.wait(timeout):
            return True
        run.must_stop = True
        run.inbox.put(Closing())
        run.is_over.wait(timeout)
        return False

    def watch(self, prefix: ProvenanceChain, notifier: TaskWorker, callback: WatchCallback | None) -> bool:
        """Let ``callback(prefix)``, or ``notifier.notify(prefix)``, be called when no work is left below `prefix`."""
        return self.run.desk.watch(notifier, prefix, callback)

    def unwatch(self, prefix: ProvenanceChain, notifier: TaskWorker, callback: WatchCallback | None) -> bool:
        """Undo `watch`."""
        return self.run.desk.unwatch(notifier, prefix, callback)

    def on_user_request(self, callback: UserRequestCallback | None, *, takes_requests: bool) -> None:
        """Say who shows requests to persons."""
        self.run.desk.people.on_request = callback
        self.run.desk.people.takes_requests = takes_requests

    def wait_on_user_request(self, request: UserInputRequest) -> tuple[Any, str | None]:
        """Hand `request` over to whoever shows it to a person, and wait for the answer."""
        return self.run.desk.people.wait_for(request, {})
