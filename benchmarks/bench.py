"""Measures planai, and beside it another library with the same API, and prints ratios within this one run.

    python benchmarks/bench.py [--peer PYTHON] [--repeats 3]

Every figure is the median of several fresh processes; with a peer the two take turns, so that a machine that gets
slower in between slows both. `--peer` is the Python of an environment with PlanAI in it: see `make bench-peers`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

WORKLOADS = Path(__file__).with_name("workloads.py")
LARGE = 100_000
STAGES = {
    "stages": 3,
    "streamed": 3,
    "joined": 2,
    "chain5": 5,
    "chain40": 40,
    "cached": 3,
    "async-cached": 3,
    "import": 1,
}


@dataclass(frozen=True)
class Case:
    """A workload, its size, and how many stages a task passes."""

    name: str
    n: int
    note: str = ""
    warm: bool = False
    for_peer: bool = True


CASES = [
    Case("stages", 1_000, "three trivial stages and a sink"),
    Case("stages", 10_000),
    Case("stages", 100_000, for_peer=False),
    Case("chain5", 1_000, for_peer=False),
    Case("chain40", 1_000, for_peer=False),
    Case("chain5", 300),
    Case("chain40", 300),
    Case("streamed", 10_000, "the same from a generator, into a callback", for_peer=False),
    Case("streamed", 100_000, for_peer=False),
    Case("streamed", 1_000_000, for_peer=False),
    Case("joined", 10_000, "one task becomes so many, which one join consumes", for_peer=False),
    Case("joined", 100_000, for_peer=False),
    Case("cached", 10_000, "cold: everything is computed and stored"),
    Case("cached", 10_000, "warm: in a new process, nothing is computed", warm=True),
    Case("sleep", 200, "200 tasks of 0.2 s under defaults"),
    Case("async256", 2_000, "2,000 async calls of 0.2 s, 256 in flight", for_peer=False),
    Case("async1000", 2_000, "the same, 1,000 in flight", for_peer=False),
    Case("async10000", 10_000, "10,000 async calls of 2 s, all at once", for_peer=False),
    Case("async-cached", 10_000, "cold, the cached worker async", for_peer=False),
    Case("async-cached", 10_000, "warm", warm=True, for_peer=False),
    Case("import", 3, "import planai"),
]
STREAM = max(CASES, key=lambda case: case.n)
Rows = dict[tuple[str, Case], dict[str, float]]


def measure(python: str, case: Case, folder: str) -> dict[str, Any]:
    """Run one workload in a process of its own."""
    command = [python, str(WORKLOADS.absolute()), case.name, str(case.n), "--dir", folder]
    if case.warm and not any(Path(folder).iterdir()):
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)  # some write logs there
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    expected = 0 if case.warm else (case.n if "cached" in case.name else row["computed"])
    if row["outputs"] != case.n or row["computed"] != expected:
        sys.stderr.write(f"{python}: {case.name} {case.n}: {row['outputs']} outputs, {row['computed']} computed\n")
    return row


def measure_all(pythons: dict[str, str], repeats: int) -> Rows:
    """Run all cases on all libraries, in turn, and return medians."""
    rows: Rows = {}
    for case in CASES:
        samples: dict[str, list[dict[str, Any]]] = {who: [] for who in pythons}
        for _ in range(repeats if case.n < LARGE else 1):
            for who, python in pythons.items():
                if who == "planai" or case.for_peer:
                    with tempfile.TemporaryDirectory() as folder:
                        samples[who].append(measure(python, case, folder))
        for who, found in samples.items():
            if found:
                names = ("wall_s", "cpu_s", "peak_kb_per_item")
                rows[who, case] = {name: statistics.median(row[name] for row in found) for name in names}
    return rows


def per_stage(row: dict[str, float], case: Case) -> float:
    """Return CPU microseconds for one stage run."""
    return row["cpu_s"] / case.n / STAGES.get(case.name, 1) * 1e6


def table_of(rows: Rows, peer: bool) -> Table:
    """Return all figures as a table."""
    table = Table(title="medians; CPU µs are for one stage run")
    columns = ["workload", "n", "CPU µs", "wall s", "kB/task"]
    if peer:
        columns += ["peer CPU µs", "peer wall s", "peer kB/task", "peer / ours (CPU)"]
    for column in [*columns, ""]:
        table.add_column(column, justify="left" if column in ("workload", "") else "right")
    for case in CASES:
        ours, theirs = rows["planai", case], rows.get(("peer", case))
        cells = cells_of(ours, case)
        if peer:
            ratio = [f"{theirs['cpu_s'] / ours['cpu_s']:.1f}"] if theirs else [""]
            cells += (cells_of(theirs, case) if theirs else ["", "", ""]) + ratio
        table.add_row(f"{case.name}{' warm' if case.warm else ''}", f"{case.n:,}", *cells, case.note)
    return table


def cells_of(row: dict[str, float], case: Case) -> list[str]:
    """Return the three figures of a row; for an import they are seconds and the whole process's memory."""
    if case.name == "import":
        return [f"{row['cpu_s']:.2f} s", f"{row['wall_s']:.2f}", f"{row['peak_kb_per_item'] / 1024:.0f} MB"]
    return [f"{per_stage(row, case):.1f}", f"{row['wall_s']:.2f}", f"{row['peak_kb_per_item']:.1f}"]


def growth(rows: Rows) -> list[str]:
    """Return the ratios that tell how cost grows."""

    def cost(name: str, n: int, *, warm: bool = False) -> float:
        case = next(case for case in CASES if (case.name, case.n, case.warm) == (name, n, warm))
        return per_stage(rows["planai", case], case)

    beyond = 3 * (cost("cached", 10_000, warm=True) - cost("stages", 10_000))
    cold = 3 * (cost("cached", 10_000) - cost("stages", 10_000))
    return [
        f"stage cost at 10k / at 1k: {cost('stages', 10_000) / cost('stages', 1_000):.2f}",
        f"stage cost at 100k / at 10k: {cost('stages', 100_000) / cost('stages', 10_000):.2f}",
        f"streamed stage cost at 1M / at 10k: {cost('streamed', STREAM.n) / cost('streamed', 10_000):.2f}",
        f"memory of 1M streamed tasks: {rows['planai', STREAM]['peak_kb_per_item'] * STREAM.n / 1024:.0f} MB",
        f"stage cost 40 deep / 5 deep: {cost('chain40', 1_000) / cost('chain5', 1_000):.2f}",
        f"a warm answer beyond the uncached stage: {beyond:.0f} µs CPU; a computed and stored one: {cold:.0f} µs",
    ]


def install_size() -> str:
    """Return how many packages, and how many MB, a default installation has, planai included."""
    waiting, seen = ["planai"], dict[str, int]()
    while waiting:
        name = waiting.pop()
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # asked for on other platforms only
        key = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
        if key in seen:
            continue
        files = [Path(str(file.locate())) for file in found.files or ()]
        seen[key] = sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc")
        waiting += [re.split(r"[ ;<>=!~\[(]", text)[0] for text in found.requires or () if wanted(text)]
    return f"a default installation: {len(seen)} packages, {sum(seen.values()) / 2**20:.0f} MB without bytecode"


def wanted(requirement: str) -> bool:
    """Tell whether a default installation follows `requirement`: it does not where that is for an extra."""
    return "extra ==" not in requirement


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure planai, and a peer beside it.")
    parser.add_argument("--peer", help="the Python of an environment with PlanAI in it")
    parser.add_argument("--repeats", type=int, default=3, help="processes for each figure")
    args = parser.parse_args()
    pythons = {"planai": sys.executable, **({"peer": str(Path(args.peer).absolute())} if args.peer else {})}
    rows = measure_all(pythons, args.repeats)
    console = Console(width=150)
    console.print(table_of(rows, peer=bool(args.peer)))
    for line in [*growth(rows), install_size()]:
        console.print(line, highlight=False)


if __name__ == "__main__":
    main()
