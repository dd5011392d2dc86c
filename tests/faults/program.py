"""A program that runs a graph once, and prints as JSON what came of it; for tests that kill, starve and mislead it.

Its argument is an `Order` as JSON. Each step is appended to a log with one write, so that the log of all processes has
one order, and what a killed process did until then is in it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass

from faults.lines import say, wait_for_go
from faults.squares import Report, Squarer, find_cached, hearing, run


@dataclass(frozen=True)
class Order:
    """What a process is to do.

    Attributes:
        folder: the cache.
        first: the first value.
        count: how many values.
        log: a file for `Log`; none for no log.
        shuffle: the seed of the order of the values; None for ascending.
        then: a value that comes last; none when None.
        letters: how large an answer is.
        ttl: the time to live of answers.
        clock: how many seconds the wall clock is ahead.
        jump: how many seconds further it is from the middle of the run on.
        look: find out before the run what is cached.
        wait: say so, and wait for a line on stdin, before the run.
        hold: this value is computed as long as stdin is open.
        threads: how many at most.
    """

    folder: str
    first: int = 0
    count: int = 500
    log: str | None = None
    shuffle: int | None = None
    then: int | None = None
    letters: int = 40
    ttl: float | None = None
    clock: float = 0.0
    jump: float = 0.0
    look: bool = False
    wait: bool = False
    hold: int | None = None
    threads: int = 64

    @property
    def values(self) -> list[int]:
        """The values in the order of the run."""
        values = list(range(self.first, self.first + self.count))
        if self.shuffle is not None:
            random.Random(self.shuffle).shuffle(values)
        return values if self.then is None else [*values, self.then]


class Log:
    """Appends a line ``what value pid`` for each step."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)

    def __call__(self, what: str, value: int) -> None:
        os.write(self._file, f"{what} {value} {os.getpid()}\n".encode())


class Clock:
    """A wall clock that is wrong by so many seconds."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead
        self._right = time.time
        time.time = self  # of this process, which ends with the run

    def __call__(self) -> float:
        return self._right() + self.ahead


def carry_out(order: Order) -> Report:
    """Run what `order` says."""
    log = Log(order.log) if order.log else lambda what, value: None
    clock = Clock(order.clock)

    def saw(what: str, value: int) -> None:
        log(what, value)
        if what == "began" and value == order.hold:
            sys.stdin.read()
        if what == "published" and value == order.values[order.count // 2]:
            clock.ahead += order.jump

    worker = Squarer(cache_dir=order.folder, cache_ttl=order.ttl, letters=order.letters, saw=saw)
    with hearing() as said:
        cached = find_cached(order.folder, order.values) if order.look else []
        report = run(worker, order.values, max_workers=order.threads)
    report.cached, report.warnings = cached, said
    return report


def main(text: str) -> None:
    """Carry out the order in `text`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have switched off
    order = Order(**json.loads(text))
    if order.wait:
        wait_for_go()
    say(dataclasses.asdict(carry_out(order)))


if __name__ == "__main__":
    main(sys.argv[1])
