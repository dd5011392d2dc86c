"""Where a task comes from: an immutable chain of steps, shared by all that descend from it.

A chain reads ``(("InitialTaskWorker", 1), ("Split", 1), ("Count", 7))``. Each node points to its parent, so that
publishing a task costs the same forty workers deep as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

ProvenanceChain = tuple[tuple[str, int], ...]
"""A chain as plain tuples, oldest step first: what users read, compare and pass around."""

INITIAL = "InitialTaskWorker"
"""The name of the first step of every chain, and of the worker that stands for it in joins."""


class Provenance:
    """One node of a chain: a worker's name and a number that is unique for that name within a run.

    >>> start = ROOT.child(INITIAL, 1)
    >>> start.child("Count", 7).chain()
    (('InitialTaskWorker', 1), ('Count', 7))
    """

    __slots__ = ("depth", "index", "parent", "worker")

    def __init__(self, parent: Provenance | None, worker: str, index: int) -> None:
        self.parent = parent
        self.worker = worker
        self.index = index
        self.depth: int = 0 if parent is None else parent.depth + 1

    def child(self, worker: str, index: int) -> Provenance:
        """Return the node of a task that `worker` published as its `index`-th."""
        return Provenance(self, worker, index)

    def ancestry(self) -> Iterator[Provenance]:
        """Yield this node, then its parent, up to and without the root."""
        node = self
        while node.parent is not None:
            yield node
            node = node.parent

    def chain(self) -> ProvenanceChain:
        """Return the whole chain, oldest step first."""
        return tuple((node.worker, node.index) for node in self.ancestry())[::-1]

    def nearest(self, workers: AbstractSet[str]) -> Provenance | None:
        """Return the last node of the chain that one of `workers` made, or None."""
        return next((node for node in self.ancestry() if node.worker in workers), None)

    def order(self) -> tuple[int, ...]:
        """Return what sorts tasks in the order in which their ancestors were published."""
        return tuple(node.index for node in self.ancestry())[::-1]

    def __repr__(self) -> str:
        return f"Provenance{self.chain()!r}"


ROOT = Provenance(None, "", 0)
"""The parent of every chain's first step; the provenance of a task that is in no run."""
