from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from planai import CachedTaskWorker, Graph, RunResult, Task, TaskWorker
from planai.cache.flight import LOCK_FILE, Flights

WAIT = 30.0


class Number(Task):
    value: int


class Held(CachedTaskWorker):
    """Computes when it is let go, and counts how often it began."""

    output_types = [Number]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.began = threading.Semaphore(0)
        self.release = threading.Event()
        self.computed = 0
        self.failures = 0

    def consume_work(self, task: Number) -> None:
        with self.lock:
            self.computed += 1
            fails = self.computed <= self.failures
        self.began.release()
        assert self.release.wait(WAIT)
        if fails:
            raise ValueError("not this time")
        self.publish_work(Number(value=task.value * 2))


@pytest.fixture
def flights(tmp_path: Path) -> Flights:
    return Flights(tmp_path)


def graph_of(worker: TaskWorker) -> Graph:
    graph = Graph(name="flight").add_workers(worker)
    graph.set_sink(worker, Number)
    return graph


def in_thread(action: Callable[[], RunResult]) -> Callable[[], RunResult]:
    """Start `action` in a thread; return what waits for its result."""
    results: list[RunResult] = []
    thread = threading.Thread(target=lambda: results.append(action()))
    thread.start()

    def result() -> RunResult:
        thread.join(WAIT)
        return results[0]

    return result


# ---- the table


def test_one_begins_and_the_others_are_called_when_it_is_over(flights: Flights) -> None:
    called: list[str] = []
    assert flights.begin("a")
    assert not flights.begin("a")
    flights.when_over("a", lambda: called.append("first"))
    flights.when_over("a", lambda: called.append("second"))
    assert called == []
    flights.end("a")
    assert called == ["first", "second"]
    assert flights.begin("a")


class Waiter:
    """Somebody who waits, or something that is left."""


def test_what_is_left_is_for_each_of_those_who_waited(flights: Flights) -> None:
    one, other, late = Waiter(), Waiter(), Waiter()
    assert flights.begin("a")
    assert not flights.is_awaited("a")
    for waiter in (one, other, other):
        flights.when_over("a", lambda: None, weakref.ref(waiter))
    flights.when_over("a", lambda: None)
    assert flights.is_awaited("a")
    flights.end("a", "answer")
    assert flights.take("a", late) is flights.take("b", one) is None
    assert [flights.take("a", one) for _ in range(2)] == ["answer", None]
    assert [flights.take("a", other) for _ in range(3)] == ["answer", "answer", None]


def test_what_nobody_comes_for_is_not_kept(flights: Flights) -> None:
    """As where a call that waited is aborted."""
    early, late, left = Waiter(), Waiter(), Waiter()
    known = weakref.ref(left)
    assert flights.begin("a")
    for waiter in (early, late):
        flights.when_over("a", lambda: None, weakref.ref(waiter))
    del waiter, early
    flights.end("a", left)
    del left
    assert known() is not None
    del late
    assert known() is None


def test_nobody_waits_for_what_nobody_computes(flights: Flights) -> None:
    called = threading.Event()
    flights.when_over("a", called.set)
    assert called.is_set()
    flights.wait("a")


def test_names_do_not_hinder_each_other(flights: Flights) -> None:
    assert flights.begin("a")
    assert flights.begin("b")


def test_two_tables_on_one_folder_are_like_two_processes(tmp_path: Path) -> None:
    one, other = Flights(tmp_path), Flights(tmp_path)
    assert one.begin("a")
    if sys.platform == "linux":  # elsewhere a lock belongs to the process, which has one table a folder
        assert not other.begin("a")
        called = threading.Event()
        other.when_over("a", called.set)
        assert not called.is_set()
        one.end("a")
        assert called.wait(2)
        assert other.begin("a")


def test_a_removed_folder_hinders_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    one = Flights(folder)
    assert one.begin("a")
    assert (folder / LOCK_FILE).stat().st_mode & 0o777 == 0o600
    shutil.rmtree(folder)
    one.end("a")
    assert one.begin("a")


def test_where_there_can_be_no_lock_file_each_computes_by_itself(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    flights = Flights(tmp_path / "file" / "cache")
    assert flights.begin("a")
    assert not flights.begin("a")
    flights.end("a")


def test_a_forked_child_owns_nothing_of_its_parent(flights: Flights, tmp_path: Path) -> None:
    assert flights.begin("a")

    def child() -> None:
        os._exit(7 if flights.begin("b") and not flights.begin("a") else 1)

    flights.before_fork()
    process = os.fork()
    flights.after_fork(is_child=process == 0)
    if process == 0:
        child()
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 7
    other = Flights(tmp_path)
    assert not other.begin("a")


# ---- in a run, and in several


def test_equal_tasks_in_flight_compute_once_and_hold_no_thread(tmp_path: Path) -> None:
    worker = Held(cache_dir=tmp_path)
    other = Held(cache_dir=tmp_path)
    graph = Graph(name="flight").add_workers(worker, other)
    graph.set_sink(worker, Number)
    graph.set_sink(other, Number)
    tasks = [(worker, Number(value=1))] * 50 + [(other, Number(value=2))]
    result = in_thread(lambda: graph.run(tasks, max_workers=2))
    assert worker.began.acquire(timeout=WAIT)
    assert other.began.acquire(timeout=WAIT)  # the second thread is free for it
    worker.release.set()
    other.release.set()
    assert len(result().outputs) == 51
    assert (worker.computed, result().cache_hits, result().cache_misses) == (1, 49, 2)


def test_two_runs_in_two_threads_compute_once(tmp_path: Path) -> None:
    worker = Held(cache_dir=tmp_path)
    graph = graph_of(worker)
    first = in_thread(lambda: graph.run([(worker, Number(value=1))]))
    assert worker.began.acquire(timeout=WAIT)
    second = in_thread(lambda: graph.run([(worker, Number(value=1))], executor="inline"))
    worker.release.set()
    assert first().outputs == second().outputs == [Number(value=2)]
    assert worker.computed == 1


def test_when_the_owner_fails_exactly_one_takes_over(tmp_path: Path) -> None:
    worker = Held(cache_dir=tmp_path)
    worker.failures = 1
    worker.release.set()
    result = graph_of(worker).run([(worker, Number(value=1))] * 10)
    assert len(result.failures) == 1
    assert len(result.outputs) == 9
    assert worker.computed == 2


def test_a_retry_of_the_owner_is_answered_by_whoever_took_over(tmp_path: Path) -> None:
    worker = Held(cache_dir=tmp_path, num_retries=1)
    worker.failures = 1
    worker.release.set()
    result = graph_of(worker).run([(worker, Number(value=1))] * 10)
    assert result.ok
    assert (len(result.outputs), worker.computed) == (10, 2)


def test_hooks_run_once_for_a_call_that_waited(tmp_path: Path) -> None:
    class Hooked(Held):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.seen: list[str] = []

        def pre_consume_work(self, task: Any) -> None:
            self.seen.append("pre")

        def post_consume_work(self, task: Any) -> None:
            self.seen.append("post")

    worker = Hooked(cache_dir=tmp_path)
    graph = graph_of(worker)
    result = in_thread(lambda: graph.run([(worker, Number(value=1))] * 5))
    assert worker.began.acquire(timeout=WAIT)
    worker.release.set()
    assert result().ok
    assert (worker.seen.count("pre"), worker.seen.count("post")) == (5, 5)


def test_nested_cached_workers_and_equal_keys_inside_one_call_do_not_deadlock(tmp_path: Path) -> None:
    class Inner(CachedTaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            if task.value > 0:
                self.consume_outside_run(task)  # the same key again, inside of itself
                self.consume_outside_run(Number(value=task.value - 1))
            self.publish_work(Number(value=task.value))

        def should_cache(self, task: Any) -> bool:
            return not depth.acquire(blocking=False)

    depth = threading.Semaphore(3)
    worker = Inner(cache_dir=tmp_path)
    result = in_thread(lambda: graph_of(worker).run([(worker, Number(value=0))] * 20))
    assert len(result().outputs) == 20


def test_a_direct_call_waits_for_a_run(tmp_path: Path) -> None:
    worker = Held(cache_dir=tmp_path)
    graph = graph_of(worker)
    result = in_thread(lambda: graph.run([(worker, Number(value=1))]))
    assert worker.began.acquire(timeout=WAIT)
    direct = threading.Thread(target=worker.consume_work, args=(Number(value=1),))
    direct.start()
    worker.release.set()
    direct.join(WAIT)
    assert not direct.is_alive()
    assert result().ok
    assert worker.computed == 1


# ---- other processes

PROGRAM = """
import os, sys, time
from pathlib import Path
from planai import CachedTaskWorker, Graph, Task

class Number(Task):
    value: int

class Work(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Number) -> None:
        with open("computed", "a") as file:
            file.write(f"{task.value} ")
        sys.stdout.write("computing\\n")  # at once, where print writes the end of the line by itself
        sys.stdout.flush()
        if os.path.exists("hold"):
            sys.stdin.read()
        self.publish_work(Number(value=task.value * 2))

work = Work(cache_dir="cache")
graph = Graph(name="flight")
graph.add_workers(work).set_sink(work, Number)
if sys.argv[1] == "hold":  # what calls read of the command line is in their keys
    open("hold", "w").close()
elif os.path.exists("hold"):
    os.remove("hold")
result = graph.run([(work, Number(value=value)) for value in range(int(sys.argv[2]))])
print(len(result.outputs), result.cache_misses, flush=True)
"""


@contextlib.contextmanager
def program(folder: Path, mode: str, count: int) -> Iterator[subprocess.Popen[str]]:
    if not (folder / "program.py").exists():  # another process may be about to read it
        (folder / "program.py").write_text(textwrap.dedent(PROGRAM))
    command = [sys.executable, "program.py", mode, str(count)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_processes_on_one_cold_cache_compute_each_item_once(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(program(tmp_path, "go", 40)) for _ in range(3)]
        said = [process.communicate(timeout=WAIT)[0].splitlines()[-1] for process in processes]
    assert [words.split()[0] for words in said] == ["40"] * 3
    assert sum(int(words.split()[1]) for words in said) == 40
    assert sorted((tmp_path / "computed").read_text().split(), key=int) == [str(value) for value in range(40)]


def test_when_the_owner_is_killed_another_process_takes_over_within_two_seconds(tmp_path: Path) -> None:
    with program(tmp_path, "hold", 1) as owner:
        assert line(owner) == "computing"
        with program(tmp_path, "go", 1) as waiter:
            began = time.monotonic()
            owner.send_signal(signal.SIGKILL)
            assert line(waiter) == "computing"
            assert time.monotonic() - began < 2 + 1  # of which one for Python to start
            assert line(waiter) == "1 1"


def test_a_process_waits_for_the_answer_of_another(tmp_path: Path) -> None:
    with program(tmp_path, "hold", 1) as owner:
        assert line(owner) == "computing"
        with program(tmp_path, "go", 1) as waiter:
            assert owner.stdin is not None
            owner.stdin.close()
            assert line(waiter) == "1 0"


def test_multiprocessing_by_fork_computes_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    worker = Held(cache_dir=tmp_path)
    worker.release.set()
    worker.consume_work(Number(value=1))
    found = context.Queue()

    def child() -> None:
        found.put(graph_of(worker).run([(worker, Number(value=1)), (worker, Number(value=2))]).cache_misses)

    process = context.Process(target=child)
    process.start()
    assert found.get(timeout=WAIT) == 1
    process.join(WAIT)
    assert worker.get_from_cache(Number(value=2)) == Number(value=4)
