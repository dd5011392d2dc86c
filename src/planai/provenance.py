"""Where a task comes from: an immutable chain of steps, shared by all that descend from it.

A chain reads ``(("InitialTaskWorker", 1), ("Split", 1), ("Count", 7))``. Each node points to its parent, so that
publishing a task costs the same forty workers deep as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

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
        """Yield this node, then its parent, up to the first step in the same graph."""
        node = self
        while node.parent is not None:
            yield node
            if type(node) is Start:
                return
            node = node.parent

    def start(self) -> Start | None:
        """Return the first step of the chain, if it was made in a graph that works inside of another."""
        return next((node for node in self.ancestry() if isinstance(node, Start)), None)

    def out_of(self, graphs: int) -> Provenance:
        """Return the node of the task that came into the innermost graph, or into so many graphs around it."""
        node = self
        for _ in range(graphs):
            start = node.start()
            node = node if start is None or start.parent is None else start.parent
        return node

    def is_below(self, node: Provenance) -> bool:
        """Tell whether `node` is this node or an ancestor of it, also one outside of the graph."""
        current = self
        while current.parent is not None and current.depth > node.depth:
            current = current.parent
        return current is node

    def top(self) -> Provenance:
        """Return the first step of all, outside of all graphs; the root for what is in no run."""
        current = self
        while current.parent is not None and current.parent.parent is not None:
            current = current.parent
        return current

    def chain(self) -> ProvenanceChain:
        """Return the whole chain, oldest step first."""
        return tuple((node.worker, node.index) for node in self.ancestry())[::-1]

    def nearest(self, workers: AbstractSet[str]) -> Provenance | None:
        """Return the last node of the chain that one of `workers` made, or None."""
        return next((node for node in self.ancestry() if node.worker in workers), None)

    def order(self) -> tuple[int, ...]:
        """Return what sorts tasks in the order in which their ancestors were published, outside of the graph, too."""
        indices = []
        node = self
        while node.parent is not None:
            indices.append(node.index)
            node = node.parent
        return tuple(indices[::-1])

    def __repr__(self) -> str:
        return f"Provenance{self.chain()!r}"


class Start(Provenance):
    """The first step in a graph that works inside of another, which has the task that came in as its `origin`.

    To all who read a chain it is the beginning; work is counted on the nodes beyond it, too.
    """

    __slots__ = ("origin",)

    def __init__(self, parent: Provenance, worker: str, index: int, origin: Any) -> None:
        super().__init__(parent, worker, index)
        self.origin = origin


class Said(Provenance):
    """A step that a program has put into a provenance by hand; the run that gets it has, or makes, one of its own."""

    __slots__ = ()


ROOT = Provenance(None, "", 0)
"""The parent of every chain's first step; the provenance of a task that is in no run."""
