"""One measurement of one way to cache the middle one of three stages, in a process of its own.

    python contenders.py WHO KIND N --dir FOLDER [--equal] [--wait]

Runs N values through the three stages and writes one JSON line to stdout. CPU time covers the values alone, with all
threads and children, and the closing of the cache; neither imports nor the making of a graph. `lost` counts right
outputs that are missing, `wrong` those that should not be there. With `--equal` all values are the same and arrive
together; with `--wait` the run begins when a line comes on stdin, so that two processes can begin at once.
"""

import argparse
import hashlib
import importlib
import json
import logging
import os
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from work import CALLS, compute, expected

Run = Callable[[list[int]], list[Any]]


@dataclass(frozen=True)
class Contender:
    """How values are run one after the other, how when they come together, and how the cache is closed."""

    run: Run
    together: Run
    close: Callable[[], None]


def planai(folder: str, kind: str) -> Contender:
    """Build a graph of the `planai` that this interpreter has."""
    run, close = importlib.import_module("with_planai").make(folder, kind)
    return Contender(run, run, close)


def joblib(folder: str, kind: str) -> Contender:
    """Call three functions; joblib.Memory memoizes the middle one."""
    memoized = importlib.import_module("joblib").Memory(folder, verbose=0).cache(compute)
    return of_functions(lambda value: memoized(kind, value), lambda: None)


def diskcache(folder: str, kind: str) -> Contender:
    """Call three functions; diskcache memoizes the middle one."""
    cache = importlib.import_module("diskcache").Cache(folder)
    memoized = cache.memoize()(compute)
    return of_functions(lambda value: memoized(kind, value), cache.close)


def floor(folder: str, kind: str) -> Contender:
    """Call three functions; the middle one asks SQLite for a JSON text under a digest of the value, and no more."""
    database = sqlite3.connect(f"{folder}/floor.sqlite3", isolation_level=None, check_same_thread=False, timeout=30)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value TEXT) WITHOUT ROWID")
    lock = threading.Lock()

    def memoized(value: int) -> Any:
        key = hashlib.blake2b(json.dumps([kind, value]).encode(), digest_size=16).digest()
        with lock:
            row = database.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        if row is not None:
            return json.loads(row[0])
        answer = compute(kind, value)
        with lock:
            database.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", (key, json.dumps(answer)))
        return answer

    return of_functions(memoized, database.close)


def of_functions(memoized: Callable[[int], Any], close: Callable[[], None]) -> Contender:
    """Put a function before and one after the memoized one; values that come together have a thread each."""

    def three(value: int) -> Any:
        return last(memoized(first(value)))

    def together(values: list[int]) -> list[Any]:
        with ThreadPoolExecutor(len(values)) as pool:
            return list(pool.map(three, values))

    return Contender(lambda values: [three(value) for value in values], together, close)


def first(value: int) -> int:
    """Be the first stage."""
    return value + 1


def last(value: Any) -> Any:
    """Be the last stage."""
    return value + 1 if isinstance(value, int) else value


class State(TypedDict):
    """What LangGraph hands from node to node."""

    value: Any


def langgraph(folder: str, kind: str) -> Contender:
    """Build a graph of three nodes; the middle one has a CachePolicy. It is invoked once for each value."""
    graphs = importlib.import_module("langgraph.graph")
    policy = importlib.import_module("langgraph.types").CachePolicy()
    cache = importlib.import_module("langgraph.cache.sqlite").SqliteCache(path=f"{folder}/langgraph.sqlite3")
    builder = graphs.StateGraph(State)
    builder.add_node("first", lambda state: {"value": first(state["value"])})
    builder.add_node("middle", lambda state: {"value": compute(kind, state["value"])}, cache_policy=policy)
    builder.add_node("last", lambda state: {"value": last(state["value"])})
    builder.add_edge(graphs.START, "first")
    builder.add_edge("first", "middle")
    builder.add_edge("middle", "last")
    graph = builder.compile(cache=cache)

    def run(values: list[int]) -> list[Any]:
        return [graph.invoke({"value": value})["value"] for value in values]

    def together(values: list[int]) -> list[Any]:
        done = graph.batch([{"value": value} for value in values], {"max_concurrency": len(values)})
        return [state["value"] for state in done]

    return Contender(run, together, lambda: None)


CONTENDERS: dict[str, Callable[[str, str], Contender]] = {
    "planai": planai,
    "joblib": joblib,
    "langgraph": langgraph,
    "diskcache": diskcache,
    "floor": floor,
}


def measure(contender: Contender, kind: str, values: list[int], *, equal: bool) -> dict[str, float]:
    """Run the values and return the figures."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    outputs = (contender.together if equal else contender.run)(values)
    contender.close()
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    computed = next(CALLS)
    wanted, got = Counter(expected(kind, value) for value in values), Counter(outputs)
    return {
        "cpu_ms": cpu / len(values) * 1e3,
        "wall_ms": wall / len(values) * 1e3,
        "computed": computed,
        "lost": (wanted - got).total(),
        "wrong": (got - wanted).total(),
    }


def cpu_seconds() -> float:
    """Return the CPU time of this process, its threads, and its children that have ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def main() -> None:
    """Run the measurement that the command line asks for."""
    parser = argparse.ArgumentParser(description="Measure one way to cache the middle one of three stages.")
    parser.add_argument("who", choices=CONTENDERS)
    parser.add_argument("kind")
    parser.add_argument("n", type=int)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--equal", action="store_true")
    parser.add_argument("--wait", action="store_true")
    args = parser.parse_args()
    real = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # some print, and show progress
    logging.disable(logging.CRITICAL)
    Path(args.dir).mkdir(parents=True, exist_ok=True)
    contender = CONTENDERS[args.who](args.dir, args.kind)
    if args.wait:
        os.write(real, b"ready\n")
        sys.stdin.readline()
    values = [0] * args.n if args.equal else list(range(args.n))
    row = measure(contender, args.kind, values, equal=args.equal)
    os.write(real, (json.dumps(row) + "\n").encode())


if __name__ == "__main__":
    main()
