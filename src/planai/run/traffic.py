"""Traffic: where a published task goes, with which provenance, and through which graphs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from planai.call import Call
from planai.copies import snapshot
from planai.events import Output, Submitted
from planai.plan import Node, Plan
from planai.provenance import INITIAL, ROOT, Provenance, Said, Start
from planai.run.ledger import Ledger
from planai.task import Lineage, Task, lineage_of, set_lineage


class Traffic:
    """Sends tasks on: to workers as calls, to joins, to sinks, into graphs and out of them.

    Args:
        plan: tells who is where.
        ledger: keeps what joins wait for.
        queue: takes the key of a worker, and what it is to consume.
        lose: takes a node, a task that cannot be sent on from there, and why.

    Attributes:
        outputs: what the sinks collected, in the order in which it arrived.
        starts: the numbers of first steps; whoever takes one may be in any thread.
        revived: nodes that were kept alive for joins alone, and are to be released.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        queue: Callable[[str, Task, Provenance], None],
        lose: Callable[[Node, Task, str], None],
    ) -> None:
        self.outputs: list[Task] = []
        self.starts = count(1)
        self.revived: list[Provenance] = []
        self._plan = plan
        self._ledger = ledger
        self._queue = queue
        self._lose = lose
        self._steps: dict[str, int] = {}

    def submit(self, event: Submitted) -> None:
        """Let a task from outside be the first of its chain."""
        start = ROOT.child(INITIAL, next(self.starts)) if event.start is None else event.start
        task = set_lineage(snapshot(event.task), Lineage(start, *lineage_of(event.task)[1:]))
        self._begin(event.worker, task)

    def deliver(self, output: Output, call: Call) -> None:
        """Give a published task its provenance, and send it to all that consume it."""
        published, targets, previous, _ = output
        parent = ROOT if previous is None else self._meant(lineage_of(previous).provenance)
        provenance = self._step(call.scope if parent is ROOT else parent, self._plan.nodes[call.worker].name)
        attached = lineage_of(published)[2:-1]  # what comes after the two, but not who watches
        self._send(published, Lineage(provenance, previous, *attached), targets)

    def _send(self, published: Task, lineage: Lineage, targets: tuple[str, ...]) -> None:
        if self._ledger.abandoned and self._ledger.is_abandoned(lineage.provenance):
            return
        for number, target in enumerate(targets):
            # Each gets a copy of its own: one that changes it does not change it for the others.
            task = set_lineage(snapshot(published) if number else published, lineage)
            node = self._plan.nodes[target]
            if node.role == "call":
                self._queue(target, task, lineage.provenance)
            elif node.role == "collect":
                self.outputs.append(task)
            elif node.joins is not None:
                self._gather(node, node.joins, task, lineage.provenance)
            elif node.role == "enter":
                self._enter(node, task)
            elif node.role == "leave":
                self._leave(node, task)

    def _begin(self, key: str, task: Task) -> None:
        """Let `task` be the first of its chain; a join gets it as a group of its own."""
        node = self._plan.nodes[key]
        if node.role == "enter":
            self._enter(node, task)
        else:
            self._queue(key, task, lineage_of(task).provenance)

    def _enter(self, node: Node, task: Task) -> None:
        """Let `task` be the start of a run of its own, as it seems to those in the graph that works for `node`."""
        known = lineage_of(task)
        start = Start(known.provenance, INITIAL, next(self.starts), task)
        lineage = Lineage(start, private_state=known.private_state, sources=known.sources)
        self._begin(node.enters, set_lineage(snapshot(task), lineage))

    def _leave(self, way: Node, task: Task) -> None:
        """Let `task` come out of the graph as something that the worker in whose place it works has published."""
        known = lineage_of(task)
        start = known.provenance.start()
        if start is None:
            self._lose(way, task, f"leads out of {way.leaves!r}, but nothing that came into it led to this task")
            return
        came: Task = start.origin
        provenance = self._step(lineage_of(came).provenance, way.name)
        lineage = Lineage(provenance, came, (), known.private_state, 0, known.sources)
        self._send(task, lineage, self._plan.resolve(way.leaves, type(task)))

    def _gather(self, node: Node, joins: frozenset[str], task: Task, provenance: Provenance) -> None:
        ancestor = provenance.nearest(joins)
        if ancestor is None:
            self._lose(node, task, f"joins on {', '.join(sorted(joins))}, from which this task does not come")
            return
        if not self._ledger.is_alive(ancestor):  # no work of its own, or ended before this came of it
            self._ledger.hold(ancestor)
            self.revived.append(ancestor)
        self._ledger.gather(ancestor, node.key, task)

    def _meant(self, node: Provenance) -> Provenance:
        """Return the node that `node` stands for, if that was put together by hand: work is counted by identity."""
        if not isinstance(node, Said):
            return node
        found = self._ledger.find_like(node)
        if found is not None:
            return found
        parent = ROOT if node.parent is None else self._meant(node.parent)
        return parent.child(node.worker, node.index)

    def _step(self, parent: Provenance, name: str) -> Provenance:
        number = self._steps[name] = self._steps.get(name, 0) + 1
        return Provenance(parent, name, number)
