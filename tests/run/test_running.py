"""Running: how much memory a long run takes."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, resource, sys
from planai import Graph, InitialTaskWorker, JoinedTaskWorker, Task, TaskWorker

class Item(Task):
    value: int

class Pass(TaskWorker):
    output_types = [Item]
    def consume_work(self, task: Item) -> None:
        self.publish_work(task)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

def stream(count):
    first, last, seen = Pass(), Pass(), []
    graph = Graph(name="stream").add_workers(first, last)
    first.next(last).sink(Item, notify=lambda metadata, task: seen.append(None))
    graph.run(((first, Item(value=value)) for value in range(count)), display_terminal=False)
    return len(seen)

stream(1000)
before = peak()
print(json.dumps([stream(30_000), peak() - before]))
"""


def test_a_stream_of_tasks_leaves_nothing_behind() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    count, grown = json.loads(done.stdout)
    assert count == 30_000
    assert grown < 8 * 2**20  # each task that was kept would take a kilobyte
