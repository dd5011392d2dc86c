"""Plan: the wiring of a graph, validated once and then frozen; it tells where a published task goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from planai.call import Performer, Router
from planai.errors import ConfigurationError, PublishError
from planai.task import Task
from planai.task_types import check_published, type_names
from planai.wires import Sink
from planai.worker import TaskWorker


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` calls at once, of all workers together whose key is in `workers`.

    Attributes:
        of: what it was set for; another one set for the same takes its place.
    """

    workers: frozenset[str]
    count: int
    of: object = None


Role = Literal["call", "join", "collect", "drop", "enter", "leave"]


@dataclass(frozen=True, slots=True)
class Retry:
    """What becomes of a failed call of a worker.

    Attributes:
        count: how often it is tried again.
        on: the exceptions after which it is.
        delay: seconds before the second try; they are doubled for each that follows.
    """

    count: int = 0
    on: tuple[type[BaseException], ...] = (Exception,)
    delay: float = 0.0


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
        retry: what becomes of a failed call.
        timeout: seconds that a call may take.
        is_async: whether its calls are made on the event loop.
        level: how many graphs it is inside of.
        needed_by: keys of joins that cannot do without what comes of it.
        enters: for a worker in whose place a graph works: the key of the worker in there that gets what it gets.
        leaves: for the way out of such a graph: the key of the worker in whose place it works.
        drops: whether nobody ever asks for what this sink would collect.
        role: what is done with a task that comes here.
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
    retry: Retry = Retry()
    timeout: float | None = None
    is_async: bool = False
    level: int = 0
    needed_by: tuple[str, ...] = ()
    enters: str = ""
    leaves: str = ""
    drops: bool = False
    role: Role = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", self._find_role())

    @property
    def is_called(self) -> bool:
        """Whether calls are made here: of a worker, or of a sink that tells somebody."""
        return self.role in ("call", "join")

    def at(self, depth: int, needed_by: tuple[str, ...]) -> Node:
        """Return the same node at its place among all others."""
        return replace(self, depth=depth, rank=(self.rank[0], depth), needed_by=needed_by)

    def _find_role(self) -> Role:
        if self.enters:
            return "enter"
        if self.leaves:
            return "leave"
        if isinstance(self.performer, Sink) and self.performer.notify is None:
            return "drop" if self.drops else "collect"
        return "call" if self.joins is None else "join"


@dataclass(frozen=True, slots=True)
class Plan:
    """A graph that can run.

    Attributes:
        nodes: by key.
        keys: the key of each worker of the outermost graph.
        strict: refuse to publish a task that has a provenance already.
    """

    name: str
    nodes: Mapping[str, Node]
    keys: Mapping[TaskWorker, str]
    limits: tuple[Limit, ...] = ()
    strict: bool = False

    @property
    def workers(self) -> dict[str, TaskWorker]:
        """By key, all workers that are called."""
        return {
            key: node.performer
            for key, node in self.nodes.items()
            if isinstance(node.performer, TaskWorker) and node.is_called
        }

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
                known[asked] = self.resolve(key, type(task), consumer)
            return known[asked]

        return route

    def resolve(self, key: str, kind: type[Task], consumer: object = None) -> tuple[str, ...]:
        """Return the keys of the nodes that a task of the type `kind` goes to which the worker at `key` publishes.

        Raises:
            PublishError: the type is not declared, or nobody (or more than one) would get the task.
        """
        node = self.nodes[key]
        check_published(key, node.publishes, kind)
        takers = [self.nodes[name] for name in node.downstream if issubclass(kind, self.nodes[name].accepts)]
        ways_out = [taker for taker in takers if taker.leaves and consumer is None]
        if consumer is not None:
            takers = [taker for taker in takers if consumer in (taker.performer, taker.key)]
        takers = _most_specific([taker for taker in takers if not taker.leaves], kind)
        sinks = [taker for taker in takers if isinstance(taker.performer, Sink)]
        workers = [taker for taker in takers if taker not in sinks]
        for way in ways_out:  # somebody outside has to get it: the call that publishes it can still be told
            self.resolve(way.leaves, kind)
        if not workers and not sinks and not ways_out:
            raise PublishError(_nobody(node, kind, consumer))
        if len(workers) > 1:
            keys = ", ".join(repr(worker.key) for worker in workers)
            raise PublishError(
                f"{key!r} publishes a {kind.__name__!r} that {keys} all consume: "
                "say who gets it, with publish_work(task, consumer=worker)"
            )
        return tuple(taker.key for taker in (*workers, *sinks, *ways_out))


def initial_pair(pair: object) -> tuple[TaskWorker, Task]:
    """Return one of the initial tasks, if it is a pair of a worker and a task.

    Raises:
        ConfigurationError: it is something else.
    """
    if isinstance(pair, (tuple, list)) and len(pair) == 2:  # noqa: PLR2004 - a pair
        worker, task = pair
        if isinstance(worker, TaskWorker) and isinstance(task, Task):
            return worker, task
    raise ConfigurationError(f"initial_tasks has {pair!r}: it is a list of pairs (worker, task), in this order")


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
