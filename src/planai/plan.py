"""Plan: the wiring of a graph, validated once and then frozen; it tells where a published task goes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from planai.call import Performer, Router
from planai.errors import ConfigurationError, PublishError, WiringError
from planai.join import InitialTaskWorker, JoinedTaskWorker, MergedTaskWorker
from planai.provenance import INITIAL
from planai.task import Task
from planai.worker import SinkCallback, TaskWorker, check_published, type_names


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` calls at once, of all workers together whose key is in `workers`."""

    workers: frozenset[str]
    count: int


@dataclass(frozen=True, slots=True)
class Sink:
    """The end of a chain: collects tasks, or hands each to a callback."""

    output_type: type[Task]
    notify: SinkCallback | None = None

    def perform_call(self, tasks: tuple[Task, ...]) -> None:
        """Notify."""
        if self.notify is not None:
            self.notify({}, tasks[0])


@dataclass(frozen=True, slots=True)
class Node:
    """A worker or a sink at its place in a plan.

    Attributes:
        key: the worker's name; where a name occurs twice, with a number.
        name: what its steps are called in a provenance.
        accepts: the types it consumes.
        downstream: keys of those that may consume what it publishes.
        depth: steps from the start of the graph.
        rank: sorts joins, those first on whose results others may wait.
        joins: names of the workers on whose steps it joins; None for all that are no joins.
        retries: how often a failed call is tried again.
        is_async: whether its calls are made on the event loop.
        collects: whether this is a sink that only keeps what it gets.
    """

    key: str
    name: str
    performer: Performer
    accepts: tuple[type[Task], ...]
    publishes: tuple[type[Task], ...] = ()
    downstream: tuple[str, ...] = ()
    depth: int = 0
    rank: tuple[int, int] = (0, 0)
    joins: frozenset[str] | None = None
    retries: int = 0
    is_async: bool = False
    collects: bool = field(init=False)

    def __post_init__(self) -> None:
        is_quiet = isinstance(self.performer, Sink) and self.performer.notify is None
        object.__setattr__(self, "collects", is_quiet)


@dataclass(slots=True)
class Wires:
    """What a graph was told: the input of `make_plan`."""

    name: str
    workers: list[TaskWorker] = field(default_factory=list)
    edges: list[tuple[TaskWorker, TaskWorker]] = field(default_factory=list)
    sinks: list[tuple[TaskWorker, Sink]] = field(default_factory=list)
    limits: dict[type, int] = field(default_factory=dict)
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A graph that can run.

    Attributes:
        nodes: by key.
        keys: the key of each worker.
        strict: refuse to publish a task that has a provenance already.
    """

    name: str
    nodes: Mapping[str, Node]
    keys: Mapping[TaskWorker, str]
    limits: tuple[Limit, ...] = ()
    strict: bool = False

    def entry(self, worker: TaskWorker, task: Task) -> str:
        """Return the key of `worker`, to which `task` is submitted from outside.

        Raises:
            ConfigurationError: the worker is not in the graph, or does not consume such tasks.
        """
        if worker not in self.keys:
            raise ConfigurationError(
                f"initial task for {getattr(worker, 'name', worker)!r}, which is not in graph {self.name!r}: "
                "add it with graph.add_workers(...)"
            )
        node = self.nodes[self.keys[worker]]
        if not isinstance(task, node.accepts):
            raise ConfigurationError(
                f"initial task for {node.key!r} is a {type(task).__name__!r}, "
                f"but the worker consumes {type_names(node.accepts)}"
            )
        return node.key

    def router(self, key: str) -> Router:
        """Return what tells where a task goes that the worker at `key` publishes."""
        known: dict[tuple[type[Task], object], tuple[str, ...]] = {}

        def route(task: Task, consumer: object) -> tuple[str, ...]:
            if self.strict and task.provenance():
                raise PublishError(
                    f"{key!r} publishes a {type(task).__name__!r} that has a provenance already, "
                    "which a strict graph refuses: publish task.copy_public()"
                )
            asked = (type(task), consumer)
            if asked not in known:
                known[asked] = self._resolve(self.nodes[key], type(task), consumer)
            return known[asked]

        return route

    def _resolve(self, node: Node, kind: type[Task], consumer: object) -> tuple[str, ...]:
        check_published(node.key, node.publishes, kind)
        takers = [self.nodes[name] for name in node.downstream if issubclass(kind, self.nodes[name].accepts)]
        if consumer is not None:
            takers = [taker for taker in takers if consumer in (taker.performer, taker.key)]
        sinks = tuple(taker.key for taker in takers if isinstance(taker.performer, Sink))
        workers = _most_specific([taker for taker in takers if taker.key not in sinks], kind)
        if not workers and not sinks:
            raise PublishError(_nobody(node, kind, consumer))
        if len(workers) > 1:
            keys = ", ".join(repr(worker.key) for worker in workers)
            raise PublishError(
                f"{node.key!r} publishes a {kind.__name__!r} that {keys} all consume: "
                "say who gets it, with publish_work(task, consumer=worker)"
            )
        return (*(worker.key for worker in workers), *sinks)


def initial_pair(pair: object) -> tuple[TaskWorker, Task]:
    """Return one of the initial tasks, if it is a pair of a worker and a task.

    Raises:
        ConfigurationError: it is something else.
    """
    if isinstance(pair, tuple | list) and len(pair) == 2:  # noqa: PLR2004 - a pair
        worker, task = pair
        if isinstance(worker, TaskWorker) and isinstance(task, Task):
            return worker, task
    raise ConfigurationError(f"initial_tasks has {pair!r}: it is a list of pairs (worker, task), in this order")


def make_plan(wires: Wires) -> Plan:
    """Validate `wires` and freeze them.

    Raises:
        WiringError: with every mistake that was found.
    """
    keys = _keys(wires.workers)
    problems: list[str] = []
    accepts = {worker: _accepted(worker, problems) for worker in wires.workers}
    problems += _edge_problems(wires, keys, accepts)
    for worker in wires.workers:
        problems += _join_problems(worker, wires, keys) + _merge_problems(worker, wires, keys)
    if problems:
        raise WiringError(wires.name, problems)
    depths = _depths(wires)
    sinks = {f"sink {number} of {keys[worker]}": (worker, sink) for number, (worker, sink) in enumerate(wires.sinks, 1)}
    nodes = {
        keys[worker]: Node(
            key=keys[worker],
            name=worker.name,
            performer=worker,
            accepts=tuple(accepts[worker]),
            publishes=tuple(worker.output_types),
            downstream=(
                *(keys[down] for up, down in wires.edges if up is worker),
                *(key for key, (up, _) in sinks.items() if up is worker),
            ),
            depth=depths[worker],
            rank=(_joins_upstream(worker, wires), depths[worker]),
            joins=_joined_names(worker, wires.workers),
            retries=worker.num_retries,
            is_async=worker.is_async,
        )
        for worker in wires.workers
    }
    for key, (worker, sink) in sinks.items():
        nodes[key] = Node(key, "sink", sink, (sink.output_type,), depth=depths[worker] + 1)
    return Plan(wires.name, nodes, keys, _limits(wires, keys), wires.strict)


_Keys = dict[TaskWorker, str]


def _keys(workers: list[TaskWorker]) -> _Keys:
    """Name each worker by its class; several of a name are called ``Name#1``, ``Name#2``, ..."""
    names = Counter(worker.name for worker in workers)
    numbers: Counter[str] = Counter()
    keys = {}
    for worker in workers:
        name = worker.name
        numbers[name] += 1
        keys[worker] = name if names[name] == 1 else f"{name}#{numbers[name]}"
    return keys


def _accepted(worker: TaskWorker, problems: list[str]) -> list[type[Task]]:
    try:
        return worker.get_task_classes()
    except ConfigurationError as error:
        problems.append(str(error))
        return []


def _edge_problems(wires: Wires, keys: _Keys, accepts: dict[TaskWorker, list[type[Task]]]) -> list[str]:
    problems = [
        f"{keys[up]!r} publishes {type_names(up.output_types)}, "
        f"but {keys[down]!r} consumes {type_names(accepts[down])}: "
        f"add the type to {up.name}.output_types, or put a worker between the two"
        for up, down in wires.edges
        if accepts[down] and not _related(up.output_types, accepts[down])
    ]
    problems += [
        f"the sink of {keys[worker]!r} collects {sink.output_type.__name__!r}, but the worker publishes "
        f"{type_names(worker.output_types)}: add the type to {worker.name}.output_types"
        for worker, sink in wires.sinks
        if not _related(worker.output_types, [sink.output_type])
    ]
    return problems


def _join_problems(worker: TaskWorker, wires: Wires, keys: _Keys) -> list[str]:
    """Say so when a join could never fire, because nothing upstream is of its `join_type`."""
    if not isinstance(worker, JoinedTaskWorker) or issubclass(InitialTaskWorker, worker.join_type):
        return []
    upstream = _upstream(worker, wires)
    if any(isinstance(other, worker.join_type) for other in upstream):
        return []
    names = ", ".join(sorted(keys[other] for other in upstream)) or "nothing"
    problem = (
        f"{keys[worker]!r} joins on {worker.join_type.__name__!r}, but upstream of it there is {names}: "
        "set join_type to one of these, or to InitialTaskWorker"
    )
    return [problem]


def _merge_problems(worker: TaskWorker, wires: Wires, keys: _Keys) -> list[str]:
    """Say so when nobody publishes a type for which a merge waits."""
    if not isinstance(worker, MergedTaskWorker):
        return []
    published = [kind for up, down in wires.edges if down is worker for kind in up.output_types]
    return [
        f"{keys[worker]!r} merges {kind.__name__!r}, which no worker before it publishes: "
        "wire one that does, or take the type out of merged_types"
        for kind in worker.merged_types
        if not _related(published, [kind])
    ]


def _joins_upstream(worker: TaskWorker, wires: Wires) -> int:
    """Count the joins that `worker` may wait for: a join that feeds another has fewer, on whatever ways."""
    if not isinstance(worker, JoinedTaskWorker):
        return 0
    return sum(isinstance(other, JoinedTaskWorker) for other in _upstream(worker, wires))


def _upstream(worker: TaskWorker, wires: Wires) -> set[TaskWorker]:
    found: set[TaskWorker] = set()
    waiting = [worker]
    while waiting:
        current = waiting.pop()
        new = [up for up, down in wires.edges if down is current and up not in found]
        found.update(new)
        waiting += new
    return found


def _depths(wires: Wires) -> dict[TaskWorker, int]:
    """Count the steps to each worker from the nearest one that nobody feeds."""
    fed = {down for _, down in wires.edges}
    depths = {worker: 1 for worker in wires.workers if worker not in fed}
    waiting = deque(depths)
    while waiting:
        current = waiting.popleft()
        for up, down in wires.edges:
            if up is current and down not in depths:
                depths[down] = depths[current] + 1
                waiting.append(down)
    return {worker: depths.get(worker, 1) for worker in wires.workers}


def _joined_names(worker: TaskWorker, workers: list[TaskWorker]) -> frozenset[str] | None:
    if not isinstance(worker, JoinedTaskWorker):
        return None
    if issubclass(InitialTaskWorker, worker.join_type):
        return frozenset({INITIAL})
    return frozenset(other.name for other in workers if isinstance(other, worker.join_type))


def _limits(wires: Wires, keys: _Keys) -> tuple[Limit, ...]:
    return tuple(
        Limit(frozenset(key for worker, key in keys.items() if isinstance(worker, kind)), count)
        for kind, count in wires.limits.items()
    )


def _related(published: list[type[Task]], consumed: list[type[Task]]) -> bool:
    return any(issubclass(out, into) or issubclass(into, out) for out in published for into in consumed)


def _most_specific(takers: list[Node], kind: type[Task]) -> list[Node]:
    """Keep those whose accepted type is the nearest to `kind` among its bases."""
    if len(takers) < 2:  # noqa: PLR2004 - one taker needs no comparison
        return takers
    distance = {
        taker.key: min(kind.__mro__.index(into) for into in taker.accepts if issubclass(kind, into)) for taker in takers
    }
    nearest = min(distance.values())
    return [taker for taker in takers if distance[taker.key] == nearest]


def _nobody(node: Node, kind: type[Task], consumer: object) -> str:
    if consumer is not None:
        name = getattr(consumer, "name", consumer)
        return (
            f"{node.key!r} publishes a {kind.__name__!r} for {name!r}, which does not consume it from there: "
            f"wire them with graph.set_dependency({node.name}, {name}), and let it consume that type"
        )
    return (
        f"{node.key!r} publishes a {kind.__name__!r} that nobody consumes: "
        f"wire a consumer with graph.set_dependency(...), or collect it with graph.set_sink(worker, {kind.__name__})"
    )
