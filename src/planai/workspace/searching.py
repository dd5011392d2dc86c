"""Searching: regular expressions of models, matched where one that never ends can be ended."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

SECONDS = 10.0
"""For how long a model's search may go on."""

_REPEATS = re.compile(r"[*+?{]")

_CHILD = """
import json, re, sys
wanted = re.compile(json.loads(sys.stdin.readline()))
for lines in sys.stdin:
    print(json.dumps([number for number, line in enumerate(json.loads(lines)) if wanted.search(line)]), flush=True)
"""

Search = Callable[[Sequence[str]], list[int]]
"""Returns the positions of those lines in which something was found."""


@contextlib.contextmanager
def searching(pattern: str, seconds: float = SECONDS) -> Iterator[Search]:
    """Let lines be searched for a regular expression.

    One that repeats anything is matched in a process of its own: ``(a+)+b`` takes longer than the universe is old for a
    line of 50 letters, and the other threads of this process would stand still for as long.

    >>> with searching("b+") as search:
    ...     search(["abc", "xyz", "bb"])
    [0, 2]

    Raises:
        re.error: the pattern is none, or the search took longer than `seconds`.
    """
    wanted = re.compile(pattern)
    if not _REPEATS.search(pattern):
        yield lambda lines: [number for number, line in enumerate(lines) if wanted.search(line)]
        return
    command = [sys.executable, "-I", "-S", "-c", _CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:  # noqa: S603
        alarm = threading.Timer(seconds, child.kill)
        alarm.daemon = True
        alarm.start()
        try:
            _ask(child, pattern)
            yield lambda lines: _answer(child, lines, seconds)
        finally:
            alarm.cancel()
            child.kill()
            with contextlib.suppress(OSError):  # what it has not read any more
                child.communicate()


def _ask(child: subprocess.Popen[bytes], value: object) -> None:
    with contextlib.suppress(OSError):  # it was ended: that there is no answer tells it
        child.stdin.write(json.dumps(value).encode() + b"\n")  # type: ignore[union-attr]  # a pipe
        child.stdin.flush()  # type: ignore[union-attr]


def _answer(child: subprocess.Popen[bytes], lines: Sequence[str], seconds: float) -> list[int]:
    _ask(child, list(lines))
    said = child.stdout.readline()  # type: ignore[union-attr]
    if not said:
        raise re.error(f"the search took longer than {seconds:g} s: use a simpler pattern, or search fewer files")
    found: list[int] = json.loads(said)
    return found
