"""Work in the background: whatever becomes of it, it is over, and the process waits for it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from textwrap import dedent

import pytest

from planai.cache.background import in_background

WAIT = 20.0


def said_by(work: Callable[[], None]) -> list[str]:
    """Do `work` in the background, wait for its end, and return what was warned of."""
    over, warnings = threading.Event(), list[str]()
    in_background(work, over.set, warnings.append)
    assert over.wait(WAIT)
    return warnings


def test_work_is_done_in_another_thread_and_is_over() -> None:
    threads = list[threading.Thread]()
    assert said_by(lambda: threads.append(threading.current_thread())) == []
    assert threads != [threading.current_thread()]
    assert len(threads) == 1


def test_work_that_fails_is_over_and_is_told() -> None:
    def fail() -> None:
        raise LookupError("no such price")

    assert said_by(fail) == ["could not renew a stale answer: LookupError: no such price"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_work_that_wants_to_end_the_program_is_over_and_ends_no_later_work() -> None:
    def leave() -> None:
        raise SystemExit(3)

    said_by(leave)
    done = list[int]()
    said_by(lambda: done.append(1))
    assert done == [1]


def test_several_are_done_at_once() -> None:
    together, over = threading.Barrier(3), threading.Semaphore(0)

    def meet() -> None:
        together.wait(WAIT)

    for _ in range(3):
        in_background(meet, over.release, print)
    for _ in range(3):
        assert over.acquire(timeout=WAIT)
    assert not together.broken


HEAD = "import os, sys, threading\nfrom planai.cache.background import in_background\n"


def start(text: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + dedent(text)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def words_of(process: subprocess.Popen[str], told: str = "") -> list[str]:
    said, _ = process.communicate(told, timeout=60)
    assert process.returncode == 0
    return said.split()


def test_a_process_does_not_end_before_its_work_in_the_background() -> None:
    process = start("""
        def work():
            print(sys.stdin.readline(), flush=True)
        in_background(work, lambda: print("over", flush=True), print)
        print("end", flush=True)
    """)
    assert process.stdout is not None
    assert process.stdout.readline() == "end\n"  # from here on it only waits
    assert words_of(process, "done\n") == ["done", "over"]


def test_what_is_asked_for_while_the_process_ends_is_over_at_once() -> None:
    process = start("""
        import atexit
        in_background(lambda: None, lambda: None, print)
        atexit.register(lambda: in_background(lambda: print("work"), lambda: print("over"), print))
    """)
    assert words_of(process) == ["over"]


def test_a_forked_child_has_threads_of_its_own() -> None:
    process = start("""
        first = threading.Event()
        in_background(lambda: None, first.set, print)
        first.wait()
        child = os.fork()
        if child == 0:
            over = threading.Event()
            in_background(lambda: None, over.set, print)
            os._exit(0 if over.wait(20) else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert words_of(process) == ["0"]
