"""Forecast: what a run would find in its caches, without computing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from planai.call import Activation, Call, Scope
from planai.cost import FREE, Cost, money
from planai.events import Finished, Submitted
from planai.plan import Node, Plan, initial_pair
from planai.run.state import RunState
from planai.task import Task
from planai.worker import TaskWorker


@dataclass(slots=True)
class WorkerForecast:
    """What is known of the calls that one worker would get.

    Attributes:
        hits: calls whose answer is there.
        misses: calls that would have to compute.
        repeats: calls that ask for what one of the `misses` computes.
        unknown: calls of which nothing can be known before they are made: those of workers without a cache, and of
            joins. What they would publish is not known either, nor what would come of it.
        reasons: the misses by reason.
        saved: what the hits took to compute at first.
        expected: what the misses will cost by past experience, or by what of them is kept; None where there is neither.
        foreseen: how many of the misses are of the latter kind.
    """

    hits: int = 0
    misses: int = 0
    repeats: int = 0
    unknown: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    saved: Cost = FREE
    expected: Cost | None = None
    foreseen: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would find in its caches, as far as keys are known.

    Attributes:
        name: what the graph is called.
        workers: by the key of each worker that would be called.
    """

    name: str
    workers: dict[str, WorkerForecast]

    @property
    def hits(self) -> int:
        """Calls whose answer is there."""
        return sum(row.hits for row in self.workers.values())

    @property
    def misses(self) -> int:
        """Calls that would have to compute."""
        return sum(row.misses for row in self.workers.values())

    @property
    def unknown(self) -> int:
        """Calls of which nothing can be known before they are made."""
        return sum(row.unknown for row in self.workers.values())

    @property
    def unforeseen(self) -> int:
        """Misses of which nobody knows what they will cost; they are not in `expected`."""
        return sum(row.misses - row.foreseen for row in self.workers.values() if row.expected is None)

    @property
    def expected(self) -> Cost:
        """What the misses will cost by past experience, as far as there is any; see `unforeseen`."""
        total = FREE
        for row in self.workers.values():
            total = total.plus(row.expected or FREE)
        return total

    def __str__(self) -> str:
        head = f"plan of {self.name!r}: {self.hits} hits, {self.misses} misses, {self.unknown} unknown"
        return "\n".join([head, *(f"  {key}: {_row(row)}" for key, row in self.workers.items())])


def forecast(plan: Plan, initial: Iterable[tuple[TaskWorker, Task]], scope: Scope) -> Forecast:
    """Follow `initial` tasks through `plan` as far as answers are stored, and compute nothing.

    Raises:
        ConfigurationError: an initial task does not fit its worker.
        UnkeyableValue: a task has something that cannot be put into a key.
    """
    state, rows = RunState(plan, capacity=1), dict[str, WorkerForecast]()
    asked: set[tuple[str, str]] = set()
    for pair in initial:
        worker, task = initial_pair(pair)
        waiting = state.handle(Submitted(plan.entry(worker, task), task))
        while waiting:
            call = waiting.pop(0)
            waiting += state.handle(_foreseen(plan, call, scope, rows, asked))
    for key, row in rows.items():
        performer = plan.nodes[key].performer
        unknown = row.misses - row.foreseen
        mean = performer.expected_call_cost() if unknown and isinstance(performer, TaskWorker) else FREE
        if row.misses:
            row.expected = None if mean is None else mean.times(unknown).plus(row.expected or FREE)
    order = [key for key in plan.nodes if key in rows]
    return Forecast(plan.name, {key: rows[key] for key in order})


def _foreseen(
    plan: Plan, call: Call, scope: Scope, rows: dict[str, WorkerForecast], asked: set[tuple[str, str]]
) -> Finished:
    """Return how the call would end, as far as that is known: with no outputs where it is not."""
    node: Node = plan.nodes[call.worker]
    if not isinstance(node.performer, TaskWorker):
        return Finished(call.id, call.worker, (), 0.0)
    row = rows.setdefault(call.worker, WorkerForecast())
    with Activation(node.performer, call.tasks, plan.router(call.worker), lambda _: None, call, scope) as activation:
        found = None if node.joins is not None else node.performer.foresee(call.tasks[0])
        if found is None:
            row.unknown += 1
        elif found.outputs is None:
            if (call.worker, found.key) in asked:
                row.repeats += 1
            else:
                asked.add((call.worker, found.key))
                row.misses += 1
                row.reasons[found.reason] += 1
                if found.expected is not None:
                    row.foreseen += 1
                    row.expected = found.expected.plus(row.expected or FREE)
        else:
            row.hits += 1
            row.saved = row.saved.plus(found.cost)
            for task, consumer in found.outputs:
                activation.publish(task, None, consumer)
    return Finished(call.id, call.worker, tuple(activation.outputs), 0.0)


def _row(row: WorkerForecast) -> str:
    texts = [f"{row.hits} hits", f"{row.misses} misses"]
    if row.misses:
        texts[-1] += f" ({'; '.join(f'{reason}: {count}' for reason, count in row.reasons.items())})"
        texts.append("of unknown cost" if row.expected is None else f"about {_shown(row.expected)}")
    texts += [f"{row.repeats} repeats"] if row.repeats else []
    texts += [f"{row.unknown} unknown"] if row.unknown else []
    return ", ".join(texts)


def _shown(cost: Cost) -> str:
    parts = [f"{cost.seconds:.3g} s"]
    parts += [f"{cost.tokens} tokens"] if cost.tokens else []
    parts += [money(cost.dollars, cost.unpriced)] if cost.dollars or cost.unpriced else []
    return ", ".join(parts)
