"""A program in which many threads run graphs on one store at once, next to other processes that do the same.

Its arguments are the folder, its own number, and how many threads. It says so when it is ready, waits for a line on
stdin, and prints as JSON what came of all runs together.
"""

from __future__ import annotations

import dataclasses
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from faults.lines import say, wait_for_go
from faults.squares import Report, Squarer, hearing, run

COMMON = range(40)


def own_values(process: int, thread: int) -> range:
    """Return the values that only this thread computes."""
    first = 10_000 * (process + 1) + 100 * thread
    return range(first, first + 5)


def values_of(process: int, thread: int) -> list[int]:
    """Return the values of a thread's run: all that everybody has, in some order, and its own twice."""
    own = own_values(process, thread)
    values = [*COMMON, *own]
    random.Random(own.start).shuffle(values)
    return [*values, *own]


def main(folder: str, process: int, threads: int) -> None:
    """Print what came of it."""
    reports = [Report() for _ in range(threads)]
    together = threading.Barrier(threads)

    def work(thread: int) -> None:
        together.wait(30)
        run(Squarer(cache_dir=folder), values_of(process, thread), executor="inline", report=reports[thread])

    wait_for_go()
    with hearing() as said, ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    for report in reports:
        report.warnings = said
    say([dataclasses.asdict(report) for report in reports])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
