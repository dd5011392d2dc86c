"""Pitfalls 24 to 30: many at once are as good as one after the other, and compute no more."""

from __future__ import annotations

import contextlib
import copy
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache.pitfalls.kit import WAIT, Double, Number, Word, chain, figures, program, run, said, start, values_of
from llm.openai_server import OpenAIServer, answer
from planai import CachedLLMTaskWorker, CachedTaskWorker, RunResult, Task, llm_from_config

ONE = Number(value=1)

# pitfall 24; threads and processes each on their own are in tests/cache/test_flight.py


class Analysis(Task):
    insight: str


class Analyze(CachedLLMTaskWorker):
    prompt = "Analyze it."
    llm_input_type = Word
    output_types = [Analysis]


def test_equal_questions_at_once_are_asked_once(server: OpenAIServer, folder: Path) -> None:
    server.fallback = lambda _: answer(insight="x")
    worker = Analyze(llm=llm_from_config("local", "m", base_url=server.url), cache_dir=folder)
    result = run(worker, *[Word(text="a")] * 40, executor="threads")
    assert (figures(result), len(server.seen)) == ((39, 1), 1)


MIXED = """
class Work(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Number) -> None:
        with open("computed", "a") as file:
            file.write(f"{task.value} ")
        self.publish_work(Number(value=task.value * 2))

work = Work(cache_dir="cache")
graph = Graph(name="mixed").add_workers(work)
graph.set_sink(work, Number)
print("ready", flush=True)
sys.stdin.readline()
result = graph.run([(work, Number(value=value % 20)) for value in range(200)], max_workers=16)
print(sum(task.value == number % 20 * 2 for number, task in enumerate(result.outputs)))
"""


def test_processes_with_threads_and_equal_tasks_compute_each_once(tmp_path: Path) -> None:
    processes = [start(tmp_path, MIXED) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [said(process) for process in processes] == [["200"]] * 3
    assert sorted(map(int, (tmp_path / "computed").read_text().split())) == list(range(20))


# pitfall 25; a failing and a killed owner are in tests/cache/test_flight.py


def test_an_owner_that_ends_with_any_error_hands_over_to_one_after_the_other(folder: Path) -> None:
    class Failing(Double):
        def consume_work(self, task: Number) -> None:
            with self.lock:
                self.computed.append(task.value)
                number = len(self.computed)
            if number <= 3:
                raise (ValueError, SystemExit, KeyboardInterrupt)[number - 1]
            self.publish_work(Number(value=number))

    worker = Failing(cache_dir=folder)
    result = run(worker, *[ONE] * 12, executor="threads")
    assert (len(result.failures), values_of(result), len(worker.computed)) == (3, [4] * 9, 4)


def test_an_owner_that_stores_nothing_leaves_all_others_to_compute(folder: Path) -> None:
    class Volatile(Double):
        cache_ttl = 0

    worker = Volatile(cache_dir=folder)
    assert values_of(run(worker, *[ONE] * 12, executor="threads")) == [2] * 12
    assert len(worker.computed) == 12


# pitfall 26


class Countdown(CachedTaskWorker):
    """Runs itself, in a graph of its own, for what comes before."""

    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        if task.value == 0:
            self.publish_work(task)
            return
        before = Number(value=task.value - 1)
        self.publish_work(Number(value=values_of(run(self, before, before, executor="threads"))[0] + 1))


def test_graphs_of_cached_workers_inside_of_calls_come_to_an_end(folder: Path) -> None:
    worker = Countdown(cache_dir=folder)
    results: list[RunResult] = []
    tasks = [Number(value=value % 5) for value in range(30)]
    thread = threading.Thread(target=lambda: results.append(run(worker, *tasks, executor="threads")), daemon=True)
    thread.start()
    thread.join(WAIT)
    assert values_of(results[0]) == [task.value for task in tasks]


def test_a_worker_may_call_itself_and_another_directly(folder: Path) -> None:
    inner = Double(cache_dir=folder)

    class Outer(Double):
        def consume_work(self, task: Number) -> None:
            inner.consume_work(task)
            if task.value > 0:
                self.consume_outside_run(Number(value=task.value - 1))
            self.publish_work(inner.get_from_cache(task))

    assert values_of(run(Outer(cache_dir=folder), Number(value=3), Number(value=3))) == [6, 6]
    assert sorted(inner.computed) == [0, 1, 2, 3]


# pitfall 27

SPAWNED = """
import multiprocessing

class Work(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * 2))

def child(queue):
    result = run_inline(Work(cache_dir="cache"), Number(value=1), Number(value=2))
    queue.put([result.cache_hits, *(task.value for task in result.outputs)])

if __name__ == "__main__":
    first = run_inline(Work(cache_dir="cache"), Number(value=1))
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(*queue.get(timeout=60))
    process.join()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_that_a_script_starts_shares_its_answers(tmp_path: Path, method: str) -> None:
    hits, *values = program(tmp_path, SPAWNED, method)
    assert values == ["2", "4"]
    assert hits == "1"


class Times(Double):
    factor: int = 2


def sent(worker: Double) -> Double:
    """Send a worker to another process and back."""
    found: Double = pickle.loads(pickle.dumps(worker))
    return found


COPIES: dict[str, Callable[[Double], Double]] = {
    "sent": sent,
    "copied": copy.copy,
    "copied deeply": copy.deepcopy,
    "copied by pydantic": lambda worker: worker.model_copy(deep=True),
}


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_worker_that_has_computed_shares_its_answers(
    folder: Path, make: Callable[[Double], Double]
) -> None:
    worker = Double(cache_dir=folder)
    if make in (sent, copy.deepcopy):  # else the copy would hold the other one
        worker.itself = worker
    run(worker, ONE)
    other = make(worker)
    assert figures(run(other, ONE)) == (1, 0)
    assert (other == worker, other.lock is worker.lock) == (False, False)
    assert figures(run(other, Number(value=2), Number(value=3))) == (0, 2)
    assert figures(run(worker, Number(value=2), Number(value=3))) == (2, 0)


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_with_another_setting_has_answers_of_its_own(folder: Path, make: Callable[[Double], Double]) -> None:
    worker = Times(cache_dir=folder)
    run(worker, ONE)
    other = make(worker)
    other.factor = 3
    assert figures(run(other, ONE)) == (0, 1)


def test_tasks_and_results_can_be_sent_to_another_process(folder: Path) -> None:
    worker = Double(cache_dir=folder)
    for _ in range(2):
        assert pickle.loads(pickle.dumps(run(worker, ONE).outputs)) == [Number(value=2)]


# pitfall 28 is in test_control.py

# pitfall 29

STORM = """
import warnings

warnings.simplefilter("error")

class Work(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * 2))

work = Work(cache_dir="cache")
graph = Graph(name="storm").add_workers(work)
graph.set_sink(work, Number)
first = int(sys.argv[1])
for round in range(3):
    result = graph.run([(work, Number(value=value)) for value in range(first, first + 300)], max_workers=8)
    assert [task.value for task in result.outputs] == [2 * value for value in range(first, first + 300)]
print(work.get_cache().errors, result.cache_hits)
"""


def test_processes_that_write_to_one_store_never_find_it_locked(tmp_path: Path) -> None:
    processes = [start(tmp_path, STORM, first) for first in (0, 100, 5000, 5100)]
    assert [said(process) for process in processes] == [["0", "300"]] * 4


# pitfall 30

SWEEPING = """
import warnings

warnings.simplefilter("error")

class Work(CachedTaskWorker):
    output_types = [Number]
    cache_size_limit = 30
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * 2))

work = Work(cache_dir="cache")
tasks = [Number(value=value) for value in range(40)]
for number in range(60):
    result = run_inline(work, *tasks)
    assert [task.value for task in result.outputs] == [2 * value for value in range(40)], result.failures
    with work.get_cache() as cache:
        for key in list(cache)[::3]:
            del cache[key]
        cache.pop("never there", None)
        list(cache.items())
        cache.evict()
        if number % 5 == 0:
            cache.clear()
print(cache.errors, cache.damaged)
"""


def test_processes_that_delete_evict_and_clear_at_once_raise_nothing(tmp_path: Path) -> None:
    processes = [start(tmp_path, SWEEPING) for _ in range(3)]
    assert [said(process) for process in processes] == [["0", "0"]] * 3


def test_threads_that_clear_while_a_graph_runs_lose_no_output(folder: Path) -> None:
    worker, over = Double(cache_dir=folder), threading.Event()

    def sweep() -> None:
        while not over.is_set():
            worker.clear_cache()
            with contextlib.suppress(KeyError):
                worker.get_cache().popitem()

    threads = [threading.Thread(target=sweep) for _ in range(3)]
    for thread in threads:
        thread.start()
    tasks: list[Any] = [Number(value=value % 50) for value in range(400)]
    try:
        result = run(worker, *tasks, executor="threads")
    finally:
        over.set()
        for thread in threads:
            thread.join(WAIT)
    assert values_of(result) == [2 * task.value for task in tasks]


def test_a_chain_of_cached_workers_in_threads_gives_what_it_gives_inline(folder: Path) -> None:
    inline = chain(*[Double(cache_dir=folder)], sink=Number)
    (worker,) = inline.workers
    tasks = [(worker, Number(value=value % 7)) for value in range(100)]
    results = [inline.run(tasks, executor=name) for name in ("threads", "inline", "threads")]
    assert results[0].outputs == results[1].outputs == results[2].outputs
    assert results[0].cache_misses == 7
