"""The same graph gives the same outputs, and the same failures, wherever its calls are made."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planai import Graph, InitialTaskWorker, JoinedTaskWorker, RunResult, SubGraphWorker, Task, TaskWorker
from planai.provenance import ProvenanceChain


class Item(Task):
    value: int


class Stage(TaskWorker):
    """Makes some numbers of one, fails for good on some, and on others for once or twice."""

    output_types = [Item]
    num_retries = 2
    spread: int = 1
    breaks_on: int = 0
    flaky: int = 0

    def consume_work(self, task: Item) -> None:
        self.compute(task)

    def compute(self, task: Item) -> None:
        for number in range(self.spread):
            self.publish_work(Item(value=task.value * 3 + number))
        if self.breaks_on and task.value % self.breaks_on == 0:
            raise LookupError("for good")
        if task.retry_count < self.flaky:
            raise ValueError("for now")


class AsyncStage(Stage):
    async def consume_work(self, task: Item) -> None:  # type: ignore[override]
        self.compute(task)


class Sum(JoinedTaskWorker):
    join_type = InitialTaskWorker
    output_types = [Item]

    def consume_work_joined(self, tasks: list[Item]) -> None:
        self.publish_work(Item(value=sum(task.value for task in tasks)))


class Tally(TaskWorker):
    """Keeps a sum for each chain, and publishes it when the chain has no more work."""

    output_types = [Item]

    def consume_work(self, task: Item) -> None:
        with self.lock:
            state = self.get_worker_state(task.prefix(1))
            state["sum"] = state.get("sum", 0) + task.value
        self.watch(task.prefix(1))

    def notify(self, prefix: ProvenanceChain) -> None:
        self.publish_work(Item(value=self.get_worker_state(prefix)["sum"]))


Made = tuple[str, dict[str, Any]]
KINDS: dict[str, type[TaskWorker]] = {"stage": Stage, "async": AsyncStage, "sum": Sum, "tally": Tally}
stages = st.tuples(
    st.sampled_from(["stage", "async"]),
    st.fixed_dictionaries(
        {"spread": st.integers(0, 3), "breaks_on": st.sampled_from([0, 0, 4]), "flaky": st.integers(0, 3)}
    ),
)
joins = st.tuples(st.just("sum"), st.fixed_dictionaries({"on_failure": st.sampled_from(["deliver", "fail"])}))
tallies: st.SearchStrategy[Made] = st.tuples(st.just("tally"), st.just({}))
parts: st.SearchStrategy[Any] = stages | joins | tallies
chains = st.lists(parts | st.lists(parts, min_size=1, max_size=3), min_size=1, max_size=5)


def make(chain: list[Any], name: str = "chain") -> Graph:
    """Make a graph of a chain, in which a list stands for a graph inside."""
    graph = Graph(name=name)
    workers: list[TaskWorker] = []
    for part in chain:
        if isinstance(part, list):
            workers.append(SubGraphWorker(graph=make(part, "inner")))
        else:
            workers.append(KINDS[part[0]](**part[1]))
    graph.add_workers(*workers).set_entry(workers[0]).set_exit(workers[-1])
    for up, down in pairwise(workers):
        up.next(down)
    return graph


def outcome(result: RunResult) -> tuple[Counter[Any], Counter[Any], dict[str, int]]:
    values = Counter(output.model_dump()["value"] for output in result.outputs)
    failures = Counter((failure.worker, type(failure.error).__name__, failure.attempts) for failure in result.failures)
    return values, failures, {key: row.completed for key, row in result.workers.items()}


def run(chain: list[Any], values: list[int], **settings: Any) -> tuple[Any, ...]:
    graph = make(chain)
    last = graph.get_exit_worker()
    assert last is not None
    graph.set_sink(last, Item)
    [first] = graph.get_entry_workers()
    work = [(first, Item(value=value)) for value in values]
    return outcome(graph.run(work, display_terminal=False, **settings))


@settings(max_examples=60, deadline=None)
@given(chain=chains, values=st.lists(st.integers(0, 50), max_size=4))
def test_random_graphs_have_the_same_outcome_on_every_executor(chain: list[Any], values: list[int]) -> None:
    expected = run(chain, values, executor="inline")
    assert run(chain, values, max_workers=1) == expected
    assert run(chain, values, max_workers=8) == expected
    assert run(chain, values, max_workers=8, max_concurrency=1) == expected


@pytest.mark.parametrize("settings_of_run", [{"executor": "inline"}, {"max_workers": 4}])
def test_an_example_that_is_worked_out_by_hand(settings_of_run: dict[str, Any]) -> None:
    chain = [
        ("stage", {"spread": 3}),
        [("stage", {"breaks_on": 4}), ("sum", {"on_failure": "deliver"})],
        ("tally", {}),
    ]
    # 3 and 4 become 9, 10, 11 and 12, 13, 14; on 12 the stage breaks; thrice each; one tally for each start
    values, failures, _ = run(chain, [3, 4], **settings_of_run)
    assert values == {3 * (9 + 10 + 11): 1, 3 * (13 + 14): 1}
    assert failures == {("SubGraphWorker/Stage", "LookupError", 3): 1}
