"""Workloads for comparing two libraries that both call themselves `planai`.

    python workloads.py NAME N [--dir CACHE_DIR]

Runs the workload NAME with N initial tasks against whichever `planai` this interpreter imports and
writes one JSON line to stdout. Wall and CPU time cover `graph.run` alone (all threads). `computed`
counts the calls of the middle worker's `consume_work`; fewer `outputs` than `n` means lost tasks.
For `import`, N is the number of fresh interpreters, the figures are medians over them, and
`peak_kb_per_item` is the whole process's peak, the interpreter included.

Peaks come from `ru_maxrss`, which a child inherits from the process that spawned it: start this
script from a small process (a shell), not from one that has grown large.
"""

import argparse
import itertools
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

CALLS = itertools.count()  # next() is atomic, so worker threads may share it
STREAMED = itertools.count()

HEADER = """
import asyncio
from typing import List, Type
from planai import CachedTaskWorker, Graph, Task, TaskWorker
"""

TASK = """
class Task{i}(Task):
    value: int
"""

WORKER = """
class Worker{i}({base}):
    output_types: List[Type[Task]] = [Task{out}]

    {define} consume_work(self, task: Task{i}) -> None:
        {body}
        self.publish_work(Task{out}(value=task.value + 1), input_task=task)
"""

JOINED = """
from planai import InitialTaskWorker, JoinedTaskWorker

class Spread(TaskWorker):
    output_types: List[Type[Task]] = [Task1]

    def consume_work(self, task: Task0) -> None:
        for value in range(task.value):
            self.publish_work(Task1(value=value), input_task=task)


class Join(JoinedTaskWorker):
    join_type: Type[TaskWorker] = InitialTaskWorker
    output_types: List[Type[Task]] = [Task0]

    def consume_work_joined(self, tasks: List[Task2]) -> None:
        self.publish_work(Task0(value=len(tasks)), input_task=tasks[0])
"""

IMPORT_PROBE = """
import json, resource, time
wall, cpu = time.perf_counter(), time.process_time()
import planai
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("\\n" + json.dumps([wall, cpu, peak]))
"""


@dataclass(frozen=True)
class Shape:
    """A linear graph: how many workers, and what its middle one is and does before publishing.

    With `in_flight`, the middle worker is async, and so many of its calls wait at once. What `streams` comes from a
    generator, and goes to a callback that counts it, so that nothing but the work in flight is in memory.
    """

    depth: int
    cached: bool = False
    body: str = "next(CALLS)"
    in_flight: int = 0
    streams: bool = False


SHAPES: dict[str, Shape] = {
    "stages": Shape(3),
    "chain5": Shape(5),
    "chain40": Shape(40),
    "cached": Shape(3, cached=True),
    "sleep": Shape(1, body="next(CALLS); time.sleep(0.2)"),
    "streamed": Shape(3, streams=True),
    "async256": Shape(1, body="next(CALLS); await asyncio.sleep(0.2)", in_flight=256),
    "async1000": Shape(1, body="next(CALLS); await asyncio.sleep(0.2)", in_flight=1_000),
    "async10000": Shape(1, body="next(CALLS); await asyncio.sleep(2)", in_flight=10_000),
    "async-cached": Shape(3, cached=True, body="next(CALLS); await asyncio.sleep(0)", in_flight=256),
}


def peak_kb() -> int:
    """Return this process's peak resident size so far, in kB (Linux units)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def source(shape: Shape) -> str:
    """Return the source of the shape's Task types and worker classes."""
    parts = [HEADER, *(TASK.format(i=i) for i in range(shape.depth + 1))]
    for i in range(shape.depth):
        middle = i == shape.depth // 2
        base = "CachedTaskWorker" if middle and shape.cached else "TaskWorker"
        define = "async def" if middle and shape.in_flight else "def"
        body = shape.body if middle else "pass"
        parts.append(WORKER.format(i=i, out=i + 1, base=base, body=body, define=define))
    return "".join(parts)


def build(shape: Shape, cache_dir: str) -> tuple[Any, Any]:
    """Define the classes in this module (so that they pickle); return the graph and its first worker."""
    scope = globals()
    exec(source(shape), scope)
    workers = [
        scope[f"Worker{i}"](**({"cache_dir": cache_dir} if shape.cached and i == shape.depth // 2 else {}))
        for i in range(shape.depth)
    ]
    graph = scope["Graph"](name="workload")
    graph.add_workers(*workers)
    last = workers[0]
    for worker in workers[1:]:
        last = graph.set_dependency(last, worker)
    last.sink(scope[f"Task{shape.depth}"], notify=count_streamed if shape.streams else None)
    return graph, workers[0]


def count_streamed(metadata: dict[str, Any], task: Any) -> None:
    """Count a task that came through."""
    next(STREAMED)


def run_graph(name: str, n: int, cache_dir: str) -> dict[str, Any]:
    """Run the named graph once with n initial tasks and return its figures."""
    graph, first = build(SHAPES[name], cache_dir)
    before = peak_kb()
    made = ((first, globals()["Task0"](value=i)) for i in range(n))
    tasks = made if SHAPES[name].streams else list(made)
    settings = {"max_concurrency": SHAPES[name].in_flight} if SHAPES[name].in_flight else {}
    wall, cpu = time.perf_counter(), time.process_time()
    graph.run(initial_tasks=tasks, display_terminal=False, run_dashboard=False, **settings)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    grown = (peak_kb() - before) / n
    outputs = next(STREAMED) if SHAPES[name].streams else len(graph.get_output_tasks())
    return figures(name, n, wall, cpu, grown, outputs, next(CALLS))


def run_joined(n: int) -> dict[str, Any]:
    """Let one task become n, each of which passes a worker, and join them all."""
    scope = globals()
    exec("\n".join([HEADER, *(TASK.format(i=i) for i in range(3))]), scope)
    exec(WORKER.format(i=1, out=2, base="TaskWorker", body="next(CALLS)", define="def") + JOINED, scope)
    spread, work, join = scope["Spread"](), scope["Worker1"](), scope["Join"]()
    graph = scope["Graph"](name="joined")
    graph.add_workers(spread, work, join)
    spread.next(work).next(join).sink(scope["Task0"])
    before = peak_kb()
    wall, cpu = time.perf_counter(), time.process_time()
    graph.run(initial_tasks=[(spread, scope["Task0"](value=n))], display_terminal=False, run_dashboard=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    [output] = graph.get_output_tasks()
    return figures("joined", n, wall, cpu, (peak_kb() - before) / n, output.value, next(CALLS))


def run_import(n: int) -> dict[str, Any]:
    """Import planai in n fresh interpreters, one after the other, and return the median figures."""
    rows = []
    for _ in range(n):
        done = subprocess.run([sys.executable, "-c", IMPORT_PROBE], capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    wall, cpu, peak = (statistics.median(column) for column in zip(*rows, strict=True))
    return figures("import", n, wall, cpu, peak, n, n)


def figures(name: str, n: int, wall: float, cpu: float, peak: float, outputs: int, computed: int) -> dict[str, Any]:
    """Return one result row, rounded."""
    return {
        "workload": name,
        "n": n,
        "wall_s": round(wall, 4),
        "cpu_s": round(cpu, 4),
        "peak_kb_per_item": round(peak, 3),
        "outputs": outputs,
        "computed": computed,
    }


def positive(text: str) -> int:
    """Parse a count of at least one."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def silence() -> int:
    """Send stdout to /dev/null and disable logging; return a descriptor of the real stdout."""
    real = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    logging.disable(logging.CRITICAL)
    return real


def main() -> None:
    """Run the workload named on the command line."""
    parser = argparse.ArgumentParser(description="Run one planai workload and print its figures as JSON.")
    parser.add_argument("name", choices=[*SHAPES, "joined", "import"])
    parser.add_argument("n", type=positive)
    parser.add_argument("--dir", help="cache directory of `cached` (default: a fresh temporary one)")
    args = parser.parse_args()
    out = silence()
    with tempfile.TemporaryDirectory() as fresh:
        if args.name == "import":
            row = run_import(args.n)
        elif args.name == "joined":
            row = run_joined(args.n)
        else:
            row = run_graph(args.name, args.n, args.dir or fresh)
    os.write(out, (json.dumps(row) + "\n").encode())


if __name__ == "__main__":
    main()
