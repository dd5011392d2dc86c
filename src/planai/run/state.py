"""RunState: all that a run knows. It changes by events, and answers with the calls to make next.

It is pure: no thread, no clock, no user code and no input or output. One loop feeds it; hence it has no locks.
"""

from __future__ import annotations

from itertools import count

from planai.board import Board, WorkerFigures
from planai.call import Call
from planai.errors import CacheMiss, ConfigurationError
from planai.events import Aborted, Event, Failed, Finished, Output, Parked, Stopped, Submitted, Woken
from planai.plan import Node, Plan
from planai.provenance import INITIAL, ROOT, Provenance
from planai.run.ledger import Ledger
from planai.run.result import Failure
from planai.run.slots import Slots
from planai.task import Lineage, Task, lineage_of, set_lineage, snapshot


class RunState:
    """The state of one run.

    Attributes:
        board: figures by worker.
        outputs: what the sinks collected, in the order in which it arrived.
        failures: the calls that failed for good.
        stopped: whether nothing new may start.
        dropped: calls that waited when the run was stopped.
    """

    def __init__(self, plan: Plan, capacity: int) -> None:
        self.board = Board({key: WorkerFigures() for key in plan.nodes})
        self.outputs: list[Task] = []
        self.failures: list[Failure] = []
        self.stopped = False
        self.dropped = 0
        self._plan = plan
        self._ledger = Ledger()
        self._slots = Slots(plan, capacity)
        self._running: dict[int, Call] = {}
        self._parked: dict[int, Call] = {}
        self._as_they_came: dict[int, tuple[Task, ...]] = {}
        self._ids = count(1)
        self._steps: dict[str, int] = {}
        self._ranks = {node.key: node.rank for node in plan.nodes.values()}
        self._revived: list[Provenance] = []

    @property
    def hungry(self) -> bool:
        """Whether more initial tasks could start at once."""
        return not self.stopped and self._slots.hungry

    @property
    def idle(self) -> bool:
        """Whether no call runs, and none waits."""
        return not self._running and not self._parked and not len(self._slots)

    @property
    def running(self) -> int:
        """Calls that were given out and have not ended."""
        return len(self._running)

    def handle(self, event: Event) -> list[Call]:
        """Take note of `event`, and return the calls to make next."""
        if type(event) is Finished:
            self._finish(event)
            return self._next()
        match event:
            case Failed():
                self._fail(event)
            case Aborted():
                self._abort(event)
            case Submitted():
                self._submit(event)
            case Parked():
                self._park(event)
            case Woken():
                self._wake(event)
            case Stopped():
                self.stopped = True
                self.dropped += self._slots.clear() + len(self._parked)
                self._parked.clear()
        return self._next()

    def _next(self) -> list[Call]:
        calls = self._slots.take()
        for call in calls:
            self._running[call.id] = call
        return calls

    def give_back(self, calls: list[Call]) -> None:
        """Take note that `calls` were given out, but will not be made any more."""
        for call in calls:
            del self._running[call.id]
            self._slots.release(call)
        self.dropped += len(calls)

    def _submit(self, event: Submitted) -> None:
        lineage = lineage_of(event.task)
        provenance = self._step(ROOT, INITIAL)
        task = set_lineage(snapshot(event.task), lineage._replace(provenance=provenance))
        self._queue(event.worker, task, provenance)

    def _finish(self, event: Finished) -> None:
        call = self._running.pop(event.call)
        self._as_they_came.pop(call.id, None)
        self._slots.release(call)
        self.board.see(event)
        for output in event.outputs:
            self._deliver(output, call)
        while self._revived:
            self._release(self._revived.pop())
        self._release(call.scope)

    def _fail(self, event: Failed) -> None:
        call = self._running.pop(event.call)
        self._slots.release(call)
        again = call.attempt < self._plan.nodes[call.worker].retries and not self.stopped
        again = again and not isinstance(event.error, CacheMiss)  # which is a miss as often as it is tried
        self.board.see(event, retried=again)
        if again:
            self._retry(call)
            return
        task = call.tasks[0]
        self.failures.append(
            Failure(call.worker, task, event.error, event.traceback, task.provenance(), call.attempt + 1)
        )
        self._release(call.scope)

    def _abort(self, event: Aborted) -> None:
        call = self._running.pop(event.call)
        self._as_they_came.pop(call.id, None)
        self._slots.release(call)
        self.board.see(event)
        self.dropped += 1
        self._release(call.scope)

    def _park(self, event: Parked) -> None:
        call = self._running.pop(event.call)
        self._slots.release(call)
        if self.stopped:
            self.dropped += 1
        else:
            self._parked[call.id] = call._replace(resumed=True)

    def _wake(self, event: Woken) -> None:
        call = self._parked.pop(event.call, None)
        if call is not None:  # else the run was stopped meanwhile
            self._slots.add(call)

    def _retry(self, call: Call) -> None:
        for task in call.tasks:
            task.increment_retry_count()
        # What the failed try has changed in its task must not reach the next one.
        unchanged = zip(self._as_they_came.pop(call.id), call.tasks, strict=True)
        tasks = tuple(set_lineage(task, lineage_of(tried)) for task, tried in unchanged)
        self.board.queue(call.worker)
        self._add(Call(next(self._ids), call.worker, tasks, call.scope, call.attempt + 1))

    def _add(self, call: Call) -> None:
        """Let `call` wait for its turn; if it may be tried again, keep its tasks as they are now."""
        if call.attempt < self._plan.nodes[call.worker].retries:
            self._as_they_came[call.id] = tuple(snapshot(task) for task in call.tasks)
        self._slots.add(call)

    def _deliver(self, output: Output, call: Call) -> None:
        """Give a published task its provenance, and send it to all that consume it."""
        base = call.scope
        if output.previous is not None and lineage_of(output.previous).provenance is not ROOT:
            base = lineage_of(output.previous).provenance
        provenance = self._step(base, self._plan.nodes[call.worker].name)
        known = lineage_of(output.task)
        lineage = Lineage(
            provenance, output.previous, known.injected, known.private_state, known.retries, known.sources
        )
        for number, target in enumerate(output.targets):
            # Each gets a copy of its own: one that changes it does not change it for the others.
            task = set_lineage(snapshot(output.task) if number else output.task, lineage)
            node = self._plan.nodes[target]
            if node.collects:
                self.outputs.append(task)
            elif node.joins is not None:
                self._gather(node, node.joins, task, provenance)
            else:
                self._queue(target, task, provenance)

    def _gather(self, node: Node, joins: frozenset[str], task: Task, provenance: Provenance) -> None:
        ancestor = provenance.nearest(joins)
        if ancestor is None:
            error = ConfigurationError(
                f"{node.key!r} joins on {', '.join(sorted(joins))}, from which this task does not come"
            )
            self.failures.append(Failure(node.key, task, error, str(error), task.provenance(), 1))
            return
        if not self._ledger.is_alive(ancestor):  # no work of its own, or ended before this came of it
            self._ledger.hold(ancestor)
            self._revived.append(ancestor)
        self._ledger.gather(ancestor, node.key, task)

    def _release(self, scope: Provenance) -> None:
        ended = self._ledger.release(scope)
        if ended is not None:
            self._fire(ended)

    def _fire(self, ended: Provenance) -> None:
        if self.stopped:
            return
        join, tasks = self._ledger.take(ended, self._ranks)
        self._ledger.hold(ended)
        self.board.queue(join)
        self._add(Call(next(self._ids), join, tasks, ended))

    def _queue(self, worker: str, task: Task, provenance: Provenance) -> None:
        if self.stopped:
            self.dropped += 1
            return
        self._ledger.hold(provenance)
        self.board.queue(worker)
        self._add(Call(next(self._ids), worker, (task,), provenance))

    def _step(self, parent: Provenance, name: str) -> Provenance:
        number = self._steps.get(name, 0) + 1
        self._steps[name] = number
        return parent.child(name, number)
