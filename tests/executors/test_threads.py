"""Threads: as many as are needed, also where all was short before."""

from __future__ import annotations

import threading

from planai import Graph, Task, TaskWorker

SHORT = 2_000
MET = 8


class Number(Task):
    value: int


class Meets(TaskWorker):
    """Does next to nothing for a long time; then its calls wait until all of them are there."""

    output_types = [Number]

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.barrier = threading.Barrier(MET, timeout=30)

    def consume_work(self, task: Number) -> None:
        if task.value >= SHORT:
            self.barrier.wait()
        self.publish_work(task)


def test_calls_that_wait_for_each_other_get_threads_after_many_that_were_short() -> None:
    worker = Meets()
    graph = Graph(name="barrier").add_workers(worker)
    graph.set_sink(worker, Number)
    result = graph.run([(worker, Number(value=value)) for value in range(SHORT + MET)], display_terminal=False)
    assert result.failures == []
    assert len(result.outputs) == SHORT + MET
