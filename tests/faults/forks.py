"""A program that forks and spawns children which use the cache, while another of its threads writes into it.

Its arguments are the folder, the way in which children are made, and how many. Each child reports to the parent, which
prints all reports as JSON, its own last. Who does not come to an end shows on stderr where it hangs, and ends badly.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess, SpawnProcess
from typing import Any

from faults.lines import say
from faults.squares import Report, Squarer, hearing, run

SECONDS = 15
METHODS = {"fork": ForkProcess, "spawn": SpawnProcess}
COMMON = range(100)
"""What the parent has computed before there are children."""


def own_values(number: int) -> range:
    """Return the values that only child `number` computes."""
    return range(1000 * (number + 1), 1000 * (number + 1) + 50)


def work(worker: Squarer, number: int) -> Report:
    """Run over what is known, over what the parent is computing just now, and over what nobody else computes."""
    with hearing() as said:
        report = run(worker, [*COMMON, *range(-50, 0), *own_values(number)])
    report.warnings = said
    return report


def end_within(seconds: int) -> None:
    """Let the process show where all its threads are, and end badly, if it has not ended by then."""
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(seconds)


def be_child(worker: Squarer, number: int, answers: Connection) -> None:
    """Do a child's work, and report it."""
    end_within(SECONDS)
    answers.send(dataclasses.asdict(work(worker, number)))


def be_spawned_child(folder: str, number: int, answers: Connection) -> None:
    """Do a child's work in a process that inherits nothing."""
    be_child(Squarer(cache_dir=folder), number, answers)


def fork(worker: Squarer, folder: str, number: int, answers: Connection) -> Callable[[], int]:
    """Start a child as the system does it; return what waits for its status."""
    pid = os.fork()
    if pid == 0:
        try:
            be_child(worker, number, answers)
        except BaseException:  # noqa: BLE001 - nothing may go on in the child of a fork
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def start_process(method: str, target: Callable[..., None], *arguments: Any) -> Callable[[], int | None]:
    """Start a child as multiprocessing does it; return what waits for its status."""
    process = METHODS[method](target=target, args=arguments)
    process.start()

    def status() -> int | None:
        process.join()
        code: int | None = process.exitcode
        return code

    return status


WAYS: dict[str, Callable[[Squarer, str, int, Connection], Callable[[], int | None]]] = {
    "os.fork": fork,
    "fork": lambda worker, folder, *rest: start_process("fork", be_child, worker, *rest),
    "spawn": lambda worker, folder, *rest: start_process("spawn", be_spawned_child, folder, *rest),
}


def main(folder: str, way: str, count: int) -> None:
    """Print the reports of all children, and of the parent."""
    end_within(2 * SECONDS)
    worker, writer = Squarer(cache_dir=folder), Squarer(cache_dir=folder)
    run(worker, COMMON)
    over = threading.Event()
    parent = Report()

    def write() -> None:
        first = -50
        while not over.is_set():
            run(writer, range(first, first + 50), report=parent)
            first -= 50

    writing = threading.Thread(target=write)
    writing.start()
    reports: list[dict[str, Any]] = []
    statuses: list[int | None] = []
    for number in range(count):
        receiver, sender = multiprocessing.Pipe(duplex=False)
        status = WAYS[way](worker, folder, number, sender)
        sender.close()
        reports.append(receiver.recv())
        statuses.append(status())
    over.set()
    writing.join()
    say({"reports": [*reports, dataclasses.asdict(parent)], "statuses": statuses})


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork where there are threads, which is the matter
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
