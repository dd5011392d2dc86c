"""Measures planai beside other ways to cache the middle one of three stages, and prints what each costs and loses.

    python peers.py PYTHON [--repeats 3] [--quick]

PYTHON is that of an environment with benchmarks/peers.txt in it: see `make bench-peers`. Every figure is a median over
fresh processes, with the least and the greatest beside it; the contenders take turns. Slow ones get fewer items: see
the column n. How many of 50 equal values PlanAI has in hand at once depends on the processors; functions have a thread
for each, LangGraph's `batch` is allowed as many.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

SCRIPT = Path(__file__).with_name("contenders.py").absolute()
LARGE_VALUES = 100
EQUAL_VALUES = 50
SHARED_VALUES = 200
Row = dict[str, float]
Samples = dict[tuple[str, str], list[Row]]


@dataclass(frozen=True)
class Peer:
    """A contender: what it is called in contenders.py, how many items it gets, and whether this Python runs it."""

    title: str
    who: str
    items: int = 10_000
    here: bool = False


PEERS = [
    Peer("planai", "planai", here=True),
    Peer("PlanAI 0.7.1", "planai", items=2_000),
    Peer("LangGraph, SqliteCache", "langgraph", items=2_000),
    Peer("joblib.Memory, no graph", "joblib"),
    Peer("diskcache, no graph", "diskcache"),
    Peer("floor: hash, sqlite3, json", "floor", here=True),
]


class Bench:
    """Runs contenders in processes of their own, and keeps what came of it."""

    def __init__(self, python: str, scale: int) -> None:
        self._python = python
        self._scale = scale
        self.samples: Samples = {}

    def size(self, n: int) -> int:
        """Return how many values take the place of `n` in this run."""
        return max(10, n // self._scale)

    def turn(self, peer: Peer) -> None:
        """Make every measurement of one contender once."""
        with tempfile.TemporaryDirectory() as folder:
            for name in ("cold", "warm"):
                self._add(peer, name, self._run(peer, "number", self.size(peer.items), f"{folder}/items"))
            for kind in ("words", "hex"):
                for name in (f"{kind} cold", f"{kind} warm"):
                    self._add(peer, name, self._run(peer, kind, self.size(LARGE_VALUES), f"{folder}/{kind}"))
            self._add(peer, "equal", self._run(peer, "sleep", EQUAL_VALUES, f"{folder}/equal", "--equal"))
            self._add(peer, "shared", self._two(peer, SHARED_VALUES, f"{folder}/shared"))

    def _add(self, peer: Peer, name: str, row: Row) -> None:
        self.samples.setdefault((peer.title, name), []).append(row)

    def _start(self, peer: Peer, kind: str, n: int, folder: str, *options: str) -> subprocess.Popen[str]:
        python = sys.executable if peer.here else self._python
        command = [python, str(SCRIPT), peer.who, kind, str(n), "--dir", folder, *options]
        Path(folder).mkdir(parents=True, exist_ok=True)
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=folder)

    def _run(self, peer: Peer, kind: str, n: int, folder: str, *options: str) -> Row:
        return _ended(self._start(peer, kind, n, folder, *options))

    def _two(self, peer: Peer, n: int, folder: str) -> Row:
        """Let two processes that begin at once run the same values over one cold cache; return the sums."""
        both = [self._start(peer, "nap", n, folder, "--wait") for _ in range(2)]
        for process in both:
            if process.stdout is not None:
                process.stdout.readline()
        for process in both:
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):  # one of two that open a cache at once may have failed
                    process.stdin.write("\n")
                    process.stdin.flush()
        rows = [_ended(process) for process in both]
        return {name: sum(row[name] for row in rows) for name in rows[0]}


def _ended(process: subprocess.Popen[str]) -> Row:
    """Wait for a measurement, and return its figures; one that failed is shown and counts as all lost."""
    out, err = process.communicate()
    if process.returncode:
        sys.stderr.write(err[-2_000:])
        return {"cpu_ms": float("nan"), "wall_ms": float("nan"), "computed": 0, "lost": float("nan"), "wrong": 0}
    row: Row = json.loads(out.splitlines()[-1])
    return row


def _spread(rows: list[Row], name: str, digits: int = 3) -> str:
    """Return the median, and the least and the greatest."""
    found = [row[name] for row in rows]
    return f"{statistics.median(found):.{digits}f} ({min(found):.{digits}f}-{max(found):.{digits}f})"


def _counts(rows: list[Row], name: str) -> str:
    """Return what was counted: one number where it was the same each time."""
    found = sorted(row[name] for row in rows)
    if found[0] == found[-1]:
        return f"{found[0]:.0f}"
    return f"{statistics.median(found):.0f} ({found[0]:.0f}-{found[-1]:.0f})"


def _amiss(rows: Iterable[Row]) -> str:
    """Return how many outputs were lost and wrong over all repetitions; nothing where none was."""
    pairs = [(row["lost"], row["wrong"]) for row in rows]
    lost, wrong = (sum(column) for column in zip(*pairs, strict=True))
    return "" if not lost and not wrong else f"{lost:.0f} lost, {wrong:.0f} wrong"


def items_table(bench: Bench) -> Table:
    """Return what an item costs."""
    table = _table("CPU ms per item through three stages: median (least-greatest)", "n", "cold", "warm, new process")
    for column in ("computed cold", "warm", "cold / ours", "warm / ours"):
        table.add_column(column, justify="right")
    table.add_column("amiss")
    ours = [_median(bench, PEERS[0], name) for name in ("cold", "warm")]
    for peer in PEERS:
        cold, warm = (bench.samples[peer.title, name] for name in ("cold", "warm"))
        ratios = [_median(bench, peer, name) / own for name, own in zip(("cold", "warm"), ours, strict=True)]
        cells = [f"{bench.size(peer.items):,}", _spread(cold, "cpu_ms"), _spread(warm, "cpu_ms")]
        cells += [_counts(cold, "computed"), _counts(warm, "computed"), *(f"{ratio:.2f}" for ratio in ratios)]
        table.add_row(peer.title, *cells, _amiss(chain(cold, warm)))
    return table


def large_table(bench: Bench) -> Table:
    """Return what a value of 1 MB costs."""
    title = f"CPU ms per value of 1 MB, {bench.size(LARGE_VALUES)} values; cold includes making them"
    names = ("words warm", "hex warm", "words cold", "hex cold")
    table = _table(title, *names)
    table.add_column("amiss")
    for peer in PEERS:
        rows = [bench.samples[peer.title, name] for name in names]
        table.add_row(peer.title, *(_spread(each, "cpu_ms", 2) for each in rows), _amiss(chain(*rows)))
    return table


def once_table(bench: Bench) -> Table:
    """Return how often the same was computed."""
    equal = f"{EQUAL_VALUES} equal values that come together, 50 ms each"
    shared = f"{SHARED_VALUES} values of 5 ms in two processes on one cold cache"
    table = _table("computed how often: once each would be best", f"{equal}: 1", f"{shared}: {SHARED_VALUES}")
    table.add_column("amiss")
    for peer in PEERS:
        rows = [bench.samples[peer.title, name] for name in ("equal", "shared")]
        table.add_row(peer.title, *(_counts(each, "computed") for each in rows), _amiss(chain(*rows)))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _median(bench: Bench, peer: Peer, name: str) -> float:
    return statistics.median(row["cpu_ms"] for row in bench.samples[peer.title, name])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure planai beside other ways to cache.")
    parser.add_argument("python", help="the Python of an environment with benchmarks/peers.txt in it")
    parser.add_argument("--repeats", type=int, default=3, help="processes for each figure")
    parser.add_argument("--quick", action="store_true", help="a tenth of the values")
    args = parser.parse_args()
    bench = Bench(str(Path(args.python).absolute()), scale=10 if args.quick else 1)
    for _ in range(args.repeats):
        for peer in PEERS:
            bench.turn(peer)
    console = Console(width=170)
    for table in (items_table(bench), large_table(bench), once_table(bench)):
        console.print(table)


if __name__ == "__main__":
    main()
