"""Ledger: how much work is alive below each node of the provenance, and who waits for a node to end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from planai.events import Step
from planai.provenance import Provenance
from planai.task import Task, lineage_of


class Due(NamedTuple):
    """Whose turn it is now that a node has no work left.

    Attributes:
        worker: the key of a join, or of a worker that watches.
        tasks: the group of a join, in the order of provenance; for others, the task that they consumed meanwhile.
        notice: whether it is no join.
        failures: how many calls failed that a join cannot do without.
    """

    worker: str
    tasks: tuple[Task, ...]
    notice: bool = False
    failures: int = 0


@dataclass(slots=True)
class Waiting:
    """Who waits for a node to end.

    Attributes:
        groups: tasks by the key of the join that they are for.
        spoiled: by join, how many calls failed that it cannot do without.
        watchers: workers that are told when all joins have fired, each with a task.
        is_marked: whether the run wants to know, too.
    """

    groups: dict[str, list[Task]] = field(default_factory=dict)
    spoiled: dict[str, int] = field(default_factory=dict)
    watchers: dict[str, Task] = field(default_factory=dict)
    is_marked: bool = False


class Ledger:
    """Counts live work on provenance nodes, one step up and down a chain at a time.

    A node is alive while a call for its task waits or runs, or while a child of it is alive. When nothing keeps it
    alive any more, the joins that wait for it fire one by one, nearest first; then those are told that watch it; then
    it ends, once and for all.

    Attributes:
        ended: marked nodes that have ended, for the run to take out.
        abandoned: live nodes below which nothing goes on.
    """

    def __init__(self) -> None:
        self.ended: list[Provenance] = []
        self.abandoned: set[Provenance] = set()
        self._alive: dict[Provenance, int] = {}
        self._waiting: dict[Provenance, Waiting] = {}

    def is_abandoned(self, node: Provenance) -> bool:
        """Tell whether nothing goes on at `node`, since it or one above it was abandoned."""
        return bool(self.abandoned) and any(node.is_below(each) for each in self.abandoned)

    def is_alive(self, node: Provenance) -> bool:
        """Tell whether something keeps `node` alive."""
        return node in self._alive

    def find(self, step: Step) -> Provenance | None:
        """Return the live node that ends with `step`, or None."""
        return next((node for node in self._alive if (node.worker, node.index) == step), None)

    def find_like(self, other: Provenance) -> Provenance | None:
        """Return the live node with the same steps as `other`, or None."""
        step, chain = (other.worker, other.index), other.chain()
        same = (node for node in self._alive if (node.worker, node.index) == step and node.chain() == chain)
        return next(same, None)

    def hold(self, node: Provenance) -> None:
        """Keep `node` alive once more; a node that was not alive keeps its parent alive from now on."""
        current = node
        while current.parent is not None:
            if current in self._alive:
                self._alive[current] += 1
                return
            self._alive[current] = 1
            current = current.parent

    def release(self, node: Provenance) -> Provenance | None:
        """Undo one `hold`, and return the node, if any, at which it is somebody's turn now.

        Whoever gets a node back must `hold` it before anything else happens.
        """
        current = node
        while current.parent is not None:
            self._alive[current] -= 1
            if self._alive[current]:
                return None
            if current in self._waiting:
                waiting = self._waiting[current]
                if waiting.groups or waiting.watchers:
                    return current
                del self._waiting[current]
                if waiting.is_marked:
                    self.ended.append(current)
                self.abandoned.discard(current)
            del self._alive[current]
            current = current.parent
        return None

    def gather(self, node: Provenance, join: str, task: Task) -> None:
        """Let `task` wait for `node` to end, for the join at the key `join`; `node` has to be alive."""
        self._at(node).groups.setdefault(join, []).append(task)

    def spoil(self, node: Provenance, join: str) -> None:
        """Take note that a call failed of which the join at `join` needs what it would have published."""
        spoiled = self._at(node).spoiled
        spoiled[join] = spoiled.get(join, 0) + 1

    def mark(self, node: Provenance) -> None:
        """Put `node` into `ended` when it ends; it has to be alive."""
        self._at(node).is_marked = True

    def watch(self, node: Provenance, worker: str, task: Task) -> None:
        """Let it be the turn of `worker` when `node` has no work left; `node` has to be alive."""
        self._at(node).watchers[worker] = task

    def unwatch(self, node: Provenance, worker: str) -> None:
        """Undo `watch`."""
        if node in self._waiting:
            self._waiting[node].watchers.pop(worker, None)

    def take(self, node: Provenance, ranks: dict[str, tuple[int, int]]) -> Due:
        """Take out whose turn it is: that of the nearest join; or, after all of them, that of somebody who watches."""
        waiting = self._waiting[node]
        if waiting.groups:
            join = min(waiting.groups, key=ranks.__getitem__)
            tasks = sorted(waiting.groups.pop(join), key=lambda task: lineage_of(task).provenance.order())
            due = Due(join, tuple(tasks), failures=waiting.spoiled.pop(join, 0))
        else:
            worker = next(iter(waiting.watchers))
            due = Due(worker, (waiting.watchers.pop(worker),), notice=True)
        is_empty = not (waiting.groups or waiting.spoiled or waiting.watchers)
        if is_empty and not waiting.is_marked and node not in self.abandoned:
            del self._waiting[node]
        return due

    def abandon(self, node: Provenance) -> None:
        """Let nobody have a turn any more at `node`, or at one below it, as long as it is alive."""
        self._at(node)  # so that its end is seen
        self.abandoned.add(node)
        for each, waiting in self._waiting.items():
            if each.is_below(node):
                waiting.groups.clear()
                waiting.watchers.clear()

    def _at(self, node: Provenance) -> Waiting:
        waiting = self._waiting.get(node)
        if waiting is None:
            waiting = self._waiting[node] = Waiting()
        return waiting
