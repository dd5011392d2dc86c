"""Planning: wires become a plan, with every graph inside of a graph laid out in its place."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from planai.checks import Accepted, accepted, doubts, mistakes
from planai.drawing import as_text
from planai.errors import WiringError
from planai.join import InitialTaskWorker, JoinedTaskWorker
from planai.plan import Limit, Node, Plan, Retry
from planai.provenance import INITIAL
from planai.wires import NestedWorker, Wires
from planai.worker import TaskWorker


@dataclass(frozen=True, slots=True)
class Level:
    """A graph at its place: the outermost one, or one inside of a worker of another.

    Attributes:
        gate: the key of the worker in whose place the graph works; "" for the outermost one.
        nested: that worker.
        keys: of the workers, each of which begins with the gate's.
    """

    wires: Wires
    gate: str
    nested: NestedWorker | None
    keys: dict[TaskWorker, str]
    accepts: Accepted


def make_plan(wires: Wires) -> Plan:
    """Validate `wires` and freeze them.

    Raises:
        WiringError: with every mistake that was found, and a drawing.
    """
    problems: list[str] = []
    levels = list(_levels(wires, None, "", problems, ()))
    for place, level in enumerate(levels):
        if all(level.wires is not earlier.wires for earlier in levels[:place]):
            where = f"in {level.gate!r}: " if level.gate else ""
            problems += [where + problem for problem in mistakes(level.wires, level.accepts)]
    if problems:
        raise WiringError(wires.name, problems, as_text(wires))
    nodes = {node.key: node for level in levels for node in _nodes(level)}
    following = {key: _following(node, nodes) for key, node in nodes.items()}
    depths, needed_by = _depths(following), _needed_by(nodes, following)
    placed = {key: node.at(depths[key], needed_by.get(key, ())) for key, node in nodes.items()}
    return Plan(wires.name, placed, levels[0].keys, _limits(levels), wires.strict)


def doubts_of(wires: Wires, roots: list[TaskWorker] | None = None) -> list[str]:
    """Return what is seldom meant, for a graph and all graphs inside of it; see `checks.doubts`."""
    found: list[str] = []
    for level in _levels(wires, None, "", [], ()):
        where = f"in {level.gate!r}: " if level.gate else ""
        start = roots if level.nested is None else [level.nested.entry]
        found += [where + text for text in doubts(level.wires, level.accepts, start, _way_out(level))]
    return found


def _levels(
    wires: Wires, nested: NestedWorker | None, gate: str, problems: list[str], around: tuple[Wires, ...]
) -> Iterator[Level]:
    if any(other is wires for other in around):
        problems.append(f"{gate!r} is a graph inside of itself: it would never come to an end")
        return
    prefix = f"{gate}/" if gate else ""
    keys = {worker: prefix + key for worker, key in wires.keys().items()}
    accepts, unsaid = accepted(wires)
    problems += [problem for problem in unsaid if problem not in problems]
    yield Level(wires, gate, nested, keys, accepts)
    for worker, key in keys.items():
        if isinstance(worker, NestedWorker):
            yield from _levels(worker.inner_wires, worker, key, problems, (*around, wires))


def _way_out(level: Level) -> TaskWorker | None:
    return level.wires.exit if level.nested is None else level.nested.way_out


def _nodes(level: Level) -> Iterator[Node]:
    """Yield the nodes of one level: workers, sinks, and the way out."""
    wires, keys = level.wires, level.keys
    ways_out = f"way out of {level.gate}"
    sinks = {f"sink {number} of {keys[up]}": (up, sink) for number, (up, sink) in enumerate(wires.sinks, 1)}
    for worker, key in keys.items():
        downstream = [keys[down] for down in wires.downstream(worker)]
        downstream += [name for name, (up, _) in sinks.items() if up is worker]
        if level.nested is not None and worker is level.nested.way_out:
            downstream.append(ways_out)
        yield Node(
            key=key,
            name=worker.name,
            performer=worker,
            accepts=tuple(level.accepts[worker]),
            publishes=tuple(worker.output_types),
            downstream=tuple(downstream),
            rank=(_joins_upstream(worker, wires), 0),
            joins=_joined_names(worker, wires.workers),
            retry=Retry(worker.num_retries, worker.retry_on, worker.retry_delay),
            timeout=worker.timeout,
            is_async=worker.is_async_worker,
            level=level.gate.count("/") + 1 if level.gate else 0,
            enters=f"{key}/{worker.inner_wires.keys()[worker.entry]}" if isinstance(worker, NestedWorker) else "",
        )
        if isinstance(worker, NestedWorker):
            way_out = f"way out of {key}"
            yield Node(way_out, worker.name, worker, tuple(worker.output_types), leaves=key)
    for name, (_, sink) in sinks.items():
        yield Node(name, "sink", sink, (sink.output_type,), drops=bool(level.gate))


def _joins_upstream(worker: TaskWorker, wires: Wires) -> int:
    """Count the joins that `worker` may wait for: a join that feeds another has fewer, on whatever ways."""
    if not isinstance(worker, JoinedTaskWorker):
        return 0
    return sum(isinstance(other, JoinedTaskWorker) for other in wires.upstream(worker))


def _joined_names(worker: TaskWorker, workers: list[TaskWorker]) -> frozenset[str] | None:
    if not isinstance(worker, JoinedTaskWorker):
        return None
    if issubclass(InitialTaskWorker, worker.join_type):
        return frozenset({INITIAL})
    return frozenset(other.name for other in workers if isinstance(other, worker.join_type))


def _depths(following: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Count the steps to each node from the nearest one that nobody feeds."""
    fed = {down for downs in following.values() for down in downs}
    depths = {key: 1 for key in following if key not in fed}
    waiting = deque(depths)
    while waiting:
        current = waiting.popleft()
        for down in following[current]:
            if down not in depths:
                depths[down] = depths[current] + 1
                waiting.append(down)
    return {key: depths.get(key, 1) for key in following}


def _needed_by(nodes: dict[str, Node], following: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return for each node the joins downstream of it that fail when a part of their group is missing."""
    found: dict[str, tuple[str, ...]] = {}
    for key, node in nodes.items():
        if isinstance(node.performer, JoinedTaskWorker) and node.performer.on_failure == "fail":
            upstream, before = {key}, 0
            while len(upstream) > before:
                before = len(upstream)
                upstream |= {up for up, downs in following.items() if not upstream.isdisjoint(downs)}
            for up in upstream - {key}:
                found[up] = (*found.get(up, ()), key)
    return found


def _following(node: Node, nodes: dict[str, Node]) -> tuple[str, ...]:
    if node.leaves:
        return nodes[node.leaves].downstream
    return (node.enters,) if node.enters else node.downstream


def _limits(levels: list[Level]) -> tuple[Limit, ...]:
    """Return the limits that graphs set for their own workers and for those of the graphs inside of them."""
    found: dict[tuple[int, type], set[str]] = {}
    counts: dict[tuple[int, type], int] = {}
    for level in levels:
        for kind, count in level.wires.limits.items():
            limit = (id(level.wires), kind)  # a graph in two places has one limit
            counts[limit] = count
            found.setdefault(limit, set()).update(
                key
                for other in levels
                if not level.gate or other.gate == level.gate or other.gate.startswith(f"{level.gate}/")
                for worker, key in other.keys.items()
                if isinstance(worker, kind)
            )
    return tuple(Limit(frozenset(keys), counts[limit], limit) for limit, keys in found.items())
