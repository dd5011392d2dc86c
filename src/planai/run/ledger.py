"""Ledger: how much work is alive below each node of the provenance, and what waits for a node to end."""

from __future__ import annotations

from planai.provenance import Provenance
from planai.task import Task, lineage_of


class Ledger:
    """Counts live work on provenance nodes, one step up and down a chain at a time.

    A node is alive while a call for its task waits or runs, or while a child of it is alive. When nothing keeps it
    alive any more, the joins that wait for it fire one by one, nearest first; then it ends, once and for all.
    """

    def __init__(self) -> None:
        self._alive: dict[Provenance, int] = {}
        self._groups: dict[Provenance, dict[str, list[Task]]] = {}

    def is_alive(self, node: Provenance) -> bool:
        """Tell whether something keeps `node` alive."""
        return node in self._alive

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
        """Undo one `hold`, and return the node, if any, whose joins are to fire now.

        Whoever gets a node back must `hold` it before anything else happens.
        """
        current = node
        while current.parent is not None:
            self._alive[current] -= 1
            if self._alive[current]:
                return None
            if current in self._groups:
                return current
            del self._alive[current]
            current = current.parent
        return None

    def gather(self, node: Provenance, join: str, task: Task) -> None:
        """Let `task` wait for `node` to end, for the join at the key `join`; `node` has to be alive."""
        self._groups.setdefault(node, {}).setdefault(join, []).append(task)

    def take(self, node: Provenance, ranks: dict[str, tuple[int, int]]) -> tuple[str, tuple[Task, ...]]:
        """Take out the nearest join that waits for `node`, and its tasks in the order of their provenance."""
        groups = self._groups[node]
        join = min(groups, key=ranks.__getitem__)
        tasks = groups.pop(join)
        if not groups:
            del self._groups[node]
        return join, tuple(sorted(tasks, key=lambda task: lineage_of(task).provenance.order()))
