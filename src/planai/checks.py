"""What is wrong with the wiring of a graph, and what may be: found before anything runs, all together."""

from __future__ import annotations

from planai.errors import ConfigurationError
from planai.join import InitialTaskWorker, JoinedTaskWorker, MergedTaskWorker
from planai.task import Task
from planai.task_types import type_names
from planai.wires import Wires, related
from planai.worker import TaskWorker

Accepted = dict[TaskWorker, list[type[Task]]]
"""The types that each worker consumes; none where it does not say."""


def accepted(wires: Wires) -> tuple[Accepted, list[str]]:
    """Return what each worker consumes, and a sentence for each that does not say."""
    found: Accepted = {}
    problems: list[str] = []
    for worker in wires.workers:
        try:
            found[worker] = worker.get_task_classes()
        except ConfigurationError as error:
            found[worker] = []
            problems.append(str(error))
    return found, problems


def mistakes(wires: Wires, accepts: Accepted) -> list[str]:
    """Return a sentence for each mistake with which a graph cannot run."""
    keys = wires.keys()
    problems = _edge_problems(wires, keys, accepts)
    for worker in wires.workers:
        problems += _join_problems(worker, wires, keys) + _merge_problems(worker, wires, keys)
    return problems


def doubts(
    wires: Wires, accepts: Accepted, roots: list[TaskWorker] | None = None, way_out: TaskWorker | None = None
) -> list[str]:
    """Return a sentence for each thing that is seldom meant, but may be.

    Args:
        wires: what the graph was told.
        accepts: what each worker consumes.
        roots: the workers that get tasks from outside; by default those that were named as entries, or else those that
            nobody feeds.
        way_out: the worker whose outputs are those of the graph.
    """
    keys = wires.keys()
    start = roots or wires.entries or wires.unfed()
    unused = _unreached(wires, keys, start) + _unconsumed(wires, keys, accepts, way_out)
    return unused + _cycles(wires, keys) + _groups_of_one(wires, keys)


def _edge_problems(wires: Wires, keys: dict[TaskWorker, str], accepts: Accepted) -> list[str]:
    found = [edge_problem(keys[up], up, keys[down], accepts[down]) for up, down in wires.edges]
    found += [sink_problem(keys[worker], worker, sink.output_type) for worker, sink in wires.sinks]
    return [problem for problem in found if problem]


def edge_problem(name: str, upstream: TaskWorker, consumer: str, accepts: list[type[Task]]) -> str:
    """Say so when nothing that `upstream` publishes is consumed by a worker that accepts these types."""
    if not accepts or related(upstream.output_types, accepts):
        return ""
    return (
        f"{name!r} publishes {type_names(upstream.output_types)}, but {consumer!r} consumes {type_names(accepts)}: "
        f"add the type to {upstream.name}.output_types, or put a worker between the two"
    )


def sink_problem(name: str, worker: TaskWorker, output_type: type[Task]) -> str:
    """Say so when `worker` publishes nothing that a sink of this type collects."""
    if related(worker.output_types, [output_type]):
        return ""
    return (
        f"the sink of {name!r} collects {output_type.__name__!r}, but the worker publishes "
        f"{type_names(worker.output_types)}: add the type to {worker.name}.output_types"
    )


def _join_problems(worker: TaskWorker, wires: Wires, keys: dict[TaskWorker, str]) -> list[str]:
    """Say so when a join could never fire, because nothing upstream is of its `join_type`."""
    if not isinstance(worker, JoinedTaskWorker) or issubclass(InitialTaskWorker, worker.join_type):
        return []
    upstream = wires.upstream(worker)
    if any(isinstance(other, worker.join_type) for other in upstream):
        return []
    names = ", ".join(sorted(keys[other] for other in upstream)) or "nothing"
    problem = (
        f"{keys[worker]!r} joins on {worker.join_type.__name__!r}, but upstream of it there is {names}: "
        "set join_type to one of these, or to InitialTaskWorker"
    )
    return [problem]


def _merge_problems(worker: TaskWorker, wires: Wires, keys: dict[TaskWorker, str]) -> list[str]:
    """Say so when nobody publishes a type for which a merge waits."""
    if not isinstance(worker, MergedTaskWorker):
        return []
    published = [kind for up, down in wires.edges if down is worker for kind in up.output_types]
    return [
        f"{keys[worker]!r} merges {kind.__name__!r}, which no worker before it publishes: "
        "wire one that does, or take the type out of merged_types"
        for kind in worker.merged_types
        if not related(published, [kind])
    ]


def _unreached(wires: Wires, keys: dict[TaskWorker, str], roots: list[TaskWorker]) -> list[str]:
    reached = wires.reached(roots)
    start = ", ".join(repr(keys[worker]) for worker in dict.fromkeys(roots) if worker in keys) or "nothing"
    return [
        f"{keys[worker]!r} gets no work: nothing leads to it from {start}; "
        "wire it with graph.set_dependency(...), name it with graph.set_entry(...), or leave it out"
        for worker in wires.workers
        if worker not in reached
    ]


def _unconsumed(wires: Wires, keys: dict[TaskWorker, str], accepts: Accepted, way_out: TaskWorker | None) -> list[str]:
    return [
        f"{keys[worker]!r} publishes {kind.__name__!r}, which nobody consumes: wire a consumer, collect it with "
        f"graph.set_sink(worker, {kind.__name__}), or take it out of {worker.name}.output_types"
        for worker in wires.workers
        if worker is not way_out
        for kind in worker.output_types
        if not related([kind], _taken(worker, wires, accepts))
    ]


def _taken(worker: TaskWorker, wires: Wires, accepts: Accepted) -> list[type[Task]]:
    """Return all types that somebody consumes from `worker`."""
    by_workers = [kind for down in wires.downstream(worker) for kind in accepts[down]]
    return by_workers + [sink.output_type for up, sink in wires.sinks if up is worker]


def _cycles(wires: Wires, keys: dict[TaskWorker, str]) -> list[str]:
    """Say of each cycle, once, that work which is fed back has to come to an end by itself."""
    problems, told = [], set[TaskWorker]()
    for worker in wires.workers:
        if worker in told or worker not in wires.upstream(worker):
            continue
        around = wires.upstream(worker) & {other for other in wires.workers if worker in wires.upstream(other)}
        told |= around
        names = " -> ".join(keys[other] for other in wires.workers if other in around)
        problems.append(f"{names} -> {keys[worker]} is a cycle: work that is fed back has to come to an end by itself")
    return problems


def _groups_of_one(wires: Wires, keys: dict[TaskWorker, str]) -> list[str]:
    """Say so when a join joins on just those that feed it, whose every task is then a group."""
    return [
        f"{keys[worker]!r} joins on {worker.join_type.__name__!r}, which feeds it directly, so that each of its groups "
        "is one task: set join_type to a worker further upstream, or to InitialTaskWorker"
        for worker in wires.workers
        if isinstance(worker, JoinedTaskWorker)
        and (feeding := [up for up, down in wires.edges if down is worker])
        and all(isinstance(up, worker.join_type) for up in feeding)
    ]
