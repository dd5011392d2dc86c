"""Measures our cache alone: the steps of a hit and of a miss, latency by size and under threads, and room on disk.

    python cache_steps.py [--quick]

Steps are CPU time of this thread, medians over rounds with the least and the greatest; latencies are of the wall clock,
and the times of a busy machine are in them. `--quick` leaves the store of a million entries out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from planai import CachedTaskWorker, Task
from planai.cache.answer import Answer as Kept
from planai.cache.codec import Codec
from planai.cache.store import Record, Store
from planai.call import Activation, Scope

ENTRIES = 1_000
ROUNDS = 5
SIZES = (1_000, 10_000, 100_000, 1_000_000)
LOOKUPS = 1_000
THREADS = 32
CALLS_EACH = 500
SMALL, MEDIUM, LARGE = 60, 2_000, 50_000
RUN = Scope()
Step = Callable[[Any], object]


class Question(Task):
    """What is asked."""

    number: int


class Text(Task):
    """An answer that compresses."""

    text: str


class Blob(Task):
    """An answer that does not."""

    data: bytes


class Answer(CachedTaskWorker):
    """The worker whose cache is measured."""

    output_types = [Text, Blob]

    def consume_work(self, task: Question) -> None:
        self.publish_work(Text(text=str(task.number)))


# ---- what is used of the library's inside: each in one place


def key_of(worker: Answer, task: Question) -> str:
    """Return the key of the answer to a task, as within a run, which works out once what all its keys share."""
    with Activation(worker, (task,), lambda _, __: (), scope=RUN):
        return worker.get_cache_key(task)


def lookup(worker: Answer, key: str) -> object:
    """Return the entry at `key`, decoded, or None."""
    return worker.get_cache().lookup(key)


def keep(worker: Answer, key: str, value: Task) -> None:
    """Encode and store a value."""
    worker.get_cache().keep(key, Kept(value))


def store_of(worker: Answer) -> Store:
    """Return the store of the worker's folder."""
    return worker.get_cache().store


def space_of(worker: Answer) -> str:
    """Return the worker's name in the store."""
    return worker.cache_space


def codec_of(worker: Answer) -> Codec:
    """Return a codec for the worker's answers."""
    return Codec(worker.output_types)


def forget(worker: Answer) -> None:
    """Drop what is in memory: the next lookups read the file."""
    store_of(worker).close()


def record_of(payload: bytes) -> Record:
    """Return an entry stored just now."""
    return Record(payload, time.time())


def fill(store: Store, space: str, keys: Iterable[str], record: Record) -> None:
    """Put the same entry at many keys."""
    for key in keys:
        store.put(space, key, record)


def publish(worker: Answer, task: Question, value: Task) -> None:
    """Publish a value as a call does that was answered from the cache."""
    with Activation(worker, (task,), worker.outside_router()):
        worker.publish_work(value)


# ---- values


def words(size: int, seed: int) -> Text:
    """Return JSON-like text of some size."""
    chosen = random.Random(seed)
    names = ["".join(chosen.choices("abcdefghij", k=chosen.randint(3, 9))) for _ in range(200)]
    lines: list[str] = []
    length = 0
    while length < size:
        lines.append(
            json.dumps({"name": chosen.choice(names), "kind": chosen.choice(names), "n": chosen.randrange(999)})
        )
        length += len(lines[-1])
    return Text(text="".join(lines)[:size])


def noise(size: int, seed: int) -> Blob:
    """Return random bytes."""
    return Blob(data=random.Random(seed).randbytes(size))


def digit_keys(start: int, stop: int) -> list[str]:
    """Return keys that look like ours, the same each time."""
    return [hashlib.blake2b(str(number).encode(), digest_size=32).hexdigest() for number in range(start, stop)]


# ---- steps


def steps(size: int, folder: str) -> dict[str, list[float]]:
    """Return the CPU microseconds of each step, for values of some size, one figure for each round."""
    worker = Answer(cache_dir=folder)
    tasks = [Question(number=number) for number in range(ENTRIES)]
    values = [words(size, number) for number in range(ENTRIES)]
    keys = [key_of(worker, task) for task in tasks]
    absent = digit_keys(0, ENTRIES)
    store, space, codec = store_of(worker), space_of(worker), codec_of(worker)
    records = [record_of(codec.encode(value)) for value in values]
    index = range(ENTRIES)
    for key, value in zip(keys, values, strict=True):
        keep(worker, key, value)
    forgets = lambda: forget(worker)  # noqa: E731
    measured: dict[str, list[float]] = {
        "hit: key": cpu_of(lambda task: key_of(worker, task), tasks),
        "hit: get from the file": cpu_of(lambda key: store.get(space, key), keys, before=forgets),
        "hit: get once more": cpu_of(lambda key: store.get(space, key), keys),
        "hit: decode": cpu_of(lambda number: codec.decode(records[number].payload), index),
        "hit: publish": cpu_of(lambda number: publish(worker, tasks[number], values[number]), index),
        "hit: get and decode, from the file": cpu_of(lambda key: lookup(worker, key), keys, before=forgets),
        "miss: get": cpu_of(lambda key: store.get(space, key), absent),
        "miss: encode and verify": cpu_of(codec.encode, values),
        "miss: set": cpu_of(lambda number: store.put(space, keys[number], records[number]), index),
    }
    explain = getattr(worker, "explain", None)
    if explain is not None:
        unknown = [Question(number=-1 - number) for number in range(20)]
        measured["explain a hit"] = cpu_of(explain, tasks[:20])
        measured["explain a miss"] = cpu_of(explain, unknown)
    store.close()
    return measured


def cpu_of(step: Step, items: Sequence[Any], before: Callable[[], object] = lambda: None) -> list[float]:
    """Return the CPU microseconds of a step for one item, once for each round."""
    found = []
    for _ in range(ROUNDS):
        before()
        began = time.thread_time()
        for item in items:
            step(item)
        found.append((time.thread_time() - began) / len(items) * 1e6)
    return found


def steps_table() -> Table:
    """Return what each step costs for three sizes of values."""
    table = _table("CPU µs per step: median (least-greatest)", *(f"{size:,} bytes" for size in (SMALL, MEDIUM, LARGE)))
    columns = []
    for size in (SMALL, MEDIUM, LARGE):
        with tempfile.TemporaryDirectory() as folder:
            columns.append(steps(size, folder))
    for name in columns[0]:
        table.add_row(name, *(_spread(column[name]) for column in columns))
    return table


# ---- latency


def latency_table(sizes: Iterable[int]) -> Table:
    """Return how long a lookup takes as the store grows."""
    columns = ("mean", "p50", "p99", "p99 of an absent one", "stored at, µs each")
    table = _table("lookup, get and decode from the file, wall µs", *columns)
    with tempfile.TemporaryDirectory() as folder:
        worker = Answer(cache_dir=folder)
        store, space = store_of(worker), space_of(worker)
        record = record_of(codec_of(worker).encode(words(240, 0)))
        filled = 0
        for size in sizes:
            began = time.perf_counter()
            fill(store, space, digit_keys(filled, size), record)
            each = (time.perf_counter() - began) / (size - filled) * 1e6
            filled = size
            chosen = [digit_keys(number, number + 1)[0] for number in random.Random(0).sample(range(size), LOOKUPS)]
            present, absent = (latencies(worker, keys) for keys in (chosen, digit_keys(size, size + LOOKUPS)))
            figures = [statistics.fmean(present), _part(present, 0.5), _part(present, 0.99), _part(absent, 0.99), each]
            table.add_row(f"{size:,} entries", *(f"{figure:.0f}" for figure in figures))
        store.close()
    return table


def latencies(worker: Answer, keys: list[str]) -> list[float]:
    """Look each key up once, and return the wall microseconds; the first ones open the file and do not count."""
    forget(worker)
    found = []
    for key in [*keys[:20], *keys]:
        began = time.perf_counter()
        lookup(worker, key)
        found.append((time.perf_counter() - began) * 1e6)
    return found[20:]


def threads_table() -> Table:
    """Return what threads that read, and now and then write, get done."""
    table = _table(f"{THREADS} threads, 10 % writes, values of 2 kB, wall µs", "a second", "p50", "p99")
    with tempfile.TemporaryDirectory() as folder:
        worker = Answer(cache_dir=folder)
        value = words(MEDIUM, 0)
        keys = digit_keys(0, ENTRIES)
        fill(store_of(worker), space_of(worker), keys, record_of(codec_of(worker).encode(value)))
        reads, writes = list[float](), list[float]()

        def work(seed: int) -> None:
            chosen = random.Random(seed)
            for number in range(CALLS_EACH):
                key, is_write = chosen.choice(keys), number % 10 == seed % 10
                began = time.perf_counter()
                if is_write:
                    keep(worker, key, value)
                else:
                    lookup(worker, key)
                (writes if is_write else reads).append((time.perf_counter() - began) * 1e6)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        for name, found in (("lookup", reads), ("keep", writes)):
            table.add_row(name, *(f"{x:,.0f}" for x in (len(found) / seconds, _part(found, 0.5), _part(found, 0.99))))
        store_of(worker).close()
    return table


# ---- room


def room_table() -> Table:
    """Return how many bytes an entry takes on disk."""
    table = _table("bytes on disk for an entry", "JSON-like text", "random bytes")
    makers: tuple[Callable[[int, int], Task], ...] = (words, noise)
    for size in (MEDIUM, LARGE):
        table.add_row(f"{size:,} bytes", *(f"{room(make, size):,.0f}" for make in makers))
    return table


def room(make: Callable[[int, int], Task], size: int) -> float:
    """Return the size of the folder of a cache that was closed, for one entry."""
    with tempfile.TemporaryDirectory() as folder:
        worker = Answer(cache_dir=folder)
        for number, key in enumerate(digit_keys(0, ENTRIES)):
            keep(worker, key, make(size, number))
        store_of(worker).close()
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / ENTRIES


def _part(found: list[float], part: float) -> float:
    return sorted(found)[int(part * (len(found) - 1))]


def _spread(found: list[float]) -> str:
    return f"{statistics.median(found):.1f} ({min(found):.1f}-{max(found):.1f})"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the steps of the cache.")
    parser.add_argument("--quick", action="store_true", help="leave the store of a million entries out")
    args = parser.parse_args()
    console = Console(width=150)
    console.print(steps_table())
    console.print(threads_table())
    console.print(room_table())
    console.print(latency_table(SIZES[:-1] if args.quick else SIZES))


if __name__ == "__main__":
    main()
