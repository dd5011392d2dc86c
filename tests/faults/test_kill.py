from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from faults.children import carried_out, command_of, has_line, read_line, report_of, started, tell
from faults.program import Log
from faults.soundness import assert_sound
from faults.squares import Report
from waiting import wait_until

KILLS = 100
PROCESSES = 4
COUNT = 300


class Step(NamedTuple):
    """A line of the log of all processes; for ``killing``, the value is the process that is killed next."""

    what: str
    value: int
    pid: int


class Journal:
    """The log, as it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write = Log(str(path))

    def steps(self, since: int = 0) -> list[Step]:
        """Return the steps from the byte `since` on."""
        with self.path.open() as file:
            file.seek(since)
            lines = file.read().splitlines()
        return [Step(what, int(value), int(pid)) for what, value, pid in (line.split() for line in lines)]

    def count(self, what: str, since: int = 0) -> int:
        """Return how many steps are a `what`."""
        with self.path.open() as file:
            file.seek(since)
            return file.read().count(f"{what} ")

    @property
    def size(self) -> int:
        """How long the log is."""
        return self.path.stat().st_size


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "log")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def launcher() -> Iterator[subprocess.Popen[str]]:
    with started(command_of("launcher")) as process:
        yield process


def launch(launcher: subprocess.Popen[str], *orders: dict[str, Any]) -> list[int]:
    """Start a process for each order, and return their ids."""
    tell(launcher, json.dumps(orders, default=str))
    pids = answer(launcher, "pids")
    assert isinstance(pids, list)
    return pids


def answer(launcher: subprocess.Popen[str], name: str) -> Any:
    return json.loads(read_line(launcher))[name]


def report_of_one(launcher: subprocess.Popen[str], **order: Any) -> Report:
    """Let one process carry out an order to its end. Its report may come before its id."""
    tell(launcher, json.dumps([order], default=str))
    said: dict[str, Any] = {}
    while "statuses" not in said:
        said |= json.loads(read_line(launcher))
    assert said["statuses"] == [0]
    return Report(**said["report"])


def kill_at_random_moments(rng: random.Random, pids: list[int], journal: Journal, since: int) -> None:
    """Kill all of `pids`: most when some random number of computations has begun, some at once."""
    begun = sorted(rng.randrange(COUNT) for _ in pids)
    for pid, count in zip(rng.sample(pids, len(pids)), begun, strict=True):
        if rng.random() < 0.2:
            threading.Event().wait(rng.random() * 0.02)  # a random moment is what is wanted, not what comes in it
        else:
            wait_until(lambda count=count: journal.count("began", since) >= count)  # type: ignore[misc]
        journal.write("killing", pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def assert_computed_again_only_where_the_one_at_it_was_killed(steps: list[Step]) -> None:
    at_it: dict[int, int] = {}
    published: set[int] = set()
    killed: set[int] = set()
    for step in steps:
        if step.what == "killing":
            killed.add(step.value)
        elif step.what == "published":
            published.add(step.value)
        else:
            assert step.value not in published, f"{step} although it was published"
            assert at_it.get(step.value) in {None, *killed}, f"{step} although {at_it[step.value]} was at it"
            at_it[step.value] = step.pid


def test_what_was_published_before_a_kill_is_never_computed_again_however_often_processes_are_killed(
    folder: Path, journal: Journal, launcher: subprocess.Popen[str]
) -> None:
    rng = random.Random(0)
    killed = rounds = 0
    while killed < KILLS:
        assert rounds < KILLS, "the processes come to their end before they are killed"
        since = journal.size
        order = {"folder": folder, "first": rounds * COUNT, "count": COUNT, "log": journal.path}
        orders = [{**order, "shuffle": number if rounds % 2 else None} for number in range(PROCESSES)]
        kill_at_random_moments(rng, launch(launcher, *orders), journal, since)
        killed += answer(launcher, "statuses").count(-signal.SIGKILL)

        steps = journal.steps(since)
        assert_computed_again_only_where_the_one_at_it_was_killed(steps)
        began = {step.value for step in steps if step.what == "began"}
        published = {step.value for step in steps if step.what == "published"}
        again = report_of_one(launcher, **order, look=True)
        again.assert_well(range(rounds * COUNT, (rounds + 1) * COUNT))
        assert published <= set(again.cached) <= began
        assert set(again.cached).isdisjoint(again.computed)
        assert (again.hits, again.misses) == (len(again.cached), COUNT - len(again.cached))
        rounds += 1
    assert_sound(folder, rounds * COUNT)


@contextlib.contextmanager
def interrupted_after(begun: int, journal: Journal, **order: Any) -> Iterator[list[subprocess.Popen[str]]]:
    """Start 4 processes in one group, and press Ctrl-C when so many computations have begun."""
    command = command_of("program", json.dumps({**order, "log": journal.path, "wait": True}, default=str))
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(started(command, process_group=0))]
        group = processes[0].pid
        processes += [stack.enter_context(started(command, process_group=group)) for _ in range(PROCESSES - 1)]
        for process in processes:
            assert json.loads(read_line(process)) == "ready"
        for process in processes:
            tell(process, "go")
        wait_until(lambda: journal.count("began") >= begun)
        os.killpg(group, signal.SIGINT)
        yield processes


def test_after_ctrl_c_in_four_processes_what_was_computed_is_kept(folder: Path, journal: Journal) -> None:
    count = 4000
    with interrupted_after(300, journal, folder=folder, count=count) as processes:
        for process in processes:
            _, said = process.communicate(timeout=30)
            assert process.returncode in (-signal.SIGINT, 130), said  # the second is what a shell makes of the first
            assert "KeyboardInterrupt: run of 'squares' was interrupted" in said
    steps = journal.steps()
    began = [step.value for step in steps if step.what == "began"]
    published = {step.value for step in steps if step.what == "published"}
    assert 200 < len(published) < count
    assert len(began) == len(set(began))
    again = carried_out(folder=folder, count=count, look=True)
    again.assert_well(range(count))
    assert published <= set(again.cached) == set(began)  # what was being computed was computed to its end
    assert again.hits == len(again.cached)
    assert_sound(folder, count)


def test_runs_whose_calls_are_short_end_soon_after_ctrl_c(
    folder: Path, journal: Journal, launcher: subprocess.Popen[str]
) -> None:
    rng = random.Random(0)
    count = 1200  # of which only some are computed, lest a process is done before it is interrupted
    for first in range(0, 20 * count, count):
        since, begun = journal.size, rng.randrange(20, 250)
        order = {"folder": folder, "first": first, "count": count, "log": journal.path}
        pids = launch(launcher, *[order] * PROCESSES)
        wait_until(lambda since=since, begun=begun: journal.count("began", since) >= begun)  # type: ignore[misc]
        for pid in pids:
            os.kill(pid, signal.SIGINT)
        assert has_line(launcher, within=5), "no end in 5 seconds"
        assert answer(launcher, "statuses") == [130] * PROCESSES


def test_when_the_one_that_computes_is_killed_one_of_three_that_wait_takes_over_within_two_seconds(
    folder: Path, journal: Journal
) -> None:
    def program(**order: Any) -> list[str]:
        common = {"folder": folder, "first": 9, "count": 1, "log": journal.path, "threads": 1}
        return command_of("program", json.dumps({**common, **order}, default=str))

    with contextlib.ExitStack() as stack:
        owner = stack.enter_context(started(program(hold=9)))
        wait_until(lambda: journal.count("began 9") == 1)
        others = [stack.enter_context(started(program(then=value))) for value in (101, 102, 103)]
        # There is one thread in each: what comes after 9 was published because 9 was found to be computed elsewhere.
        wait_until(lambda: journal.count("published") == 3)
        owner.send_signal(signal.SIGKILL)
        before = time.monotonic()
        wait_until(lambda: journal.count("began 9") == 2)
        assert time.monotonic() - before < 2
        reports = [report_of(process.communicate(timeout=30)[0]) for process in others]
    for value, report in zip((101, 102, 103), reports, strict=True):
        report.assert_well([9, value])
    assert sorted(report.misses for report in reports) == [1, 1, 2]
    assert journal.count("began 9") == 2
