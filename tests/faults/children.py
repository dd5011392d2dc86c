"""Starting child processes, talking to them, and waiting for what they do."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from faults.squares import Report

TESTS = Path(__file__).parents[1]
SOURCE = TESTS.parent / "src"
WAIT = 60.0


def environment() -> dict[str, str]:
    """Return an environment in which a child finds these modules, and the planai that is beside them."""
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), str(TESTS), *([known] if known else [])])}


def command_of(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this folder."""
    return [sys.executable, "-m", f"faults.{module}", *arguments]


@contextlib.contextmanager
def started(command: Sequence[str], process_group: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start `command` with pipes; it does not outlive the context."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment(), process_group=process_group
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def output_of(command: Sequence[str]) -> str:
    """Return what `command` prints; it has to end well, and in time."""
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=WAIT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def report_of(text: str) -> Report:
    """Return the report that a program has printed."""
    return Report(**json.loads(text))


def carried_out(prefix: Sequence[str] = (), **order: Any) -> Report:
    """Let a program carry out an order, and return its report; `prefix` is a command that starts it."""
    return report_of(output_of([*prefix, *command_of("program", json.dumps(order, default=str))]))


def read_line(process: subprocess.Popen[str]) -> str:
    """Return the next line of a child, which has to come."""
    assert process.stdout is not None
    line: str = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    return line.strip()


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Write a line to a child."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def has_line(process: subprocess.Popen[str], within: float) -> bool:
    """Tell whether a child that was silent so far says something within so many seconds."""
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], within)[0])
