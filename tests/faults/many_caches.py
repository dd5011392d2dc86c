"""A program that has many caches open at once, and prints as JSON what came of it and which files it left open.

Its arguments are a folder for all caches, how many there are, and how many files the process may open.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from faults.lines import say
from faults.squares import Item, Square, Squarer, hearing, square_of
from planai import Graph
from waiting import wait_until

ENOUGH = 1000


def open_files() -> list[str]:
    """Return what the descriptors of this process stand for, standard streams included."""
    found = []
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        try:
            found.append(str(descriptor.readlink()))
        except FileNotFoundError:  # the descriptor that the list itself was read from
            continue
    return found


def room() -> int:
    """Return how many files this process can still open."""
    files: list[int] = []
    with contextlib.suppress(OSError):
        while len(files) < ENOUGH:
            files.append(os.open(os.devnull, os.O_RDONLY))
    for file in files:
        os.close(file)
    return len(files)


def run_all(folder: str, count: int) -> dict[str, Any]:
    """Run a graph of so many workers with a cache each, twice, and return what came of it."""
    workers = [Squarer(cache_dir=f"{folder}/{number}") for number in range(count)]
    graph = Graph(name="many").add_workers(*workers)
    for worker in workers:
        graph.set_sink(worker, Square)
    tasks = [(worker, Item(value=number + more)) for number, worker in enumerate(workers) for more in (0, count)]
    results = [graph.run(tasks, display_terminal=False) for _ in range(2)]
    right = Counter(str(square_of(task.value, 40)) for _, task in tasks)
    return {
        "right": [Counter(map(str, result.outputs)) == right for result in results],
        "failures": [str(failure) for result in results for failure in result.failures],
        "hits": [result.cache_hits for result in results],
        "room": room(),  # while the caches are still there
        "errors": sum(worker.get_cache().errors > 0 for worker in workers),
    }


def main(folder: str, count: int, limit: int) -> None:
    """Print what came of it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    run_all(f"{folder}/first", 1)  # after which everything is imported, and whatever stays open once and for all is
    before = Counter(open_files())
    with hearing() as said:
        found = run_all(f"{folder}/all", count)
        wait_until(lambda: threading.active_count() == 1)  # a thread may be about to end, with its last call in hand
        gc.collect()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # as looking at what is open takes a file, too
    left = Counter(open_files()) - before
    say({**found, "warnings": said, "left": sorted(left.elements())})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
