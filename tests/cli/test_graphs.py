"""The commands that need the program whose answers are kept: plan, warm and migrate, as processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

SHOP = """
import os
import sys

from planai import CachedTaskWorker, Graph, Task

class Item(Task):
    name: str

class Price(Task):
    euros: int

class Quote(CachedTaskWorker):
    output_types = [Price]

    def consume_work(self, task: Item) -> None:
        if task.name == "broken":
            raise ValueError("it fell")
        if task.name == "loud":
            self.print("quoting")
            os.system("echo from another process")
        self.publish_work(Price(euros=len(task.name)))

def graph():
    quote = Quote(cache_dir="cache")
    made = Graph(name="shop")
    made.add_workers(quote).set_sink(quote, Price)
    return made, quote

def week():
    made, quote = graph()
    return made, [(quote, Item(name=name)) for name in ("tea", "milk", "tea")]

def faulty():
    made, quote = graph()
    return made, [(quote, Item(name="broken"))]

def loud():
    print("making")
    os.write(1, b"and raw")
    made, quote = graph()
    return made, [(quote, Item(name="loud"))]

def of(days):
    return week()

class Slow(Quote):
    def consume_work(self, task: Item) -> None:
        print("began", file=sys.stderr, flush=True)
        sys.stdin.read()
        super().consume_work(task)

def slow():
    worker = Slow(cache_dir="cache")
    made = Graph(name="slow")
    made.add_workers(worker).set_sink(worker, Price)
    return made, [(worker, Item(name="tea"))]

def alone():
    return graph()[0]

NOTHING = 5
"""


COMMAND = [sys.executable, "-c", "from planai.cli.app import main; main()", "cache"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(textwrap.dedent(SHOP))
    return tmp_path


def planai(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    return done


def said(folder: Path, *arguments: str, code: int = 0) -> Any:
    return json.loads(planai(folder, *arguments, "--json", code=code).stdout)


def test_a_plan_tells_what_would_be_computed_and_computes_nothing(folder: Path) -> None:
    (row,) = said(folder, "plan", "shop:week")["workers"]
    assert (row["worker"], row["hits"], row["misses"], row["repeats"]) == ("Quote", 0, 2, 1)
    assert row["reasons"] == {"nothing is stored by this worker yet": 2}
    assert row["expected"] is None
    assert said(folder, "plan", "shop:week")["workers"] == [row]


def test_warming_computes_what_is_missing(folder: Path) -> None:
    assert said(folder, "warm", "shop:week")["misses"] == 2
    again = said(folder, "warm", "shop.py:week")  # by its file, whose classes are those of the module
    assert (again["hits"], again["misses"], again["failures"]) == (3, 0, 0)
    plan = said(folder, "plan", "shop:week")
    assert plan["workers"][0]["hits"] == 3
    assert plan["workers"][0]["saved"]["seconds"] > 0


def test_a_plan_for_people_has_a_line_for_each_worker(folder: Path) -> None:
    lines = planai(folder, "plan", "shop:week").stdout.splitlines()
    assert lines[0] == "plan of 'shop': 0 hits, 2 misses, 0 unknown"
    assert lines[1].startswith("  Quote: 0 hits, 2 misses (nothing is stored by this worker yet: 2), of unknown cost")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_what_is_computed_when_a_command_is_told_to_stop_is_kept(folder: Path, stop: signal.Signals) -> None:
    command = [*COMMAND, "warm", "shop:slow"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        assert process.stderr.readline() == "began\n"
        process.send_signal(stop)
        assert "waiting for 1 running call" in process.stderr.readline()
        process.stdin.close()
        assert process.wait(60) == 130
        assert "Traceback" not in process.stderr.read()
    (row,) = said(folder, "plan", "shop:slow")["workers"]
    assert (row["hits"], row["misses"]) == (1, 0)


def test_a_failure_while_warming_is_told_by_the_exit_code(folder: Path) -> None:
    done = planai(folder, "warm", "shop:faulty", code=1)
    assert "it fell" in done.stderr
    assert "1 call failed" in done.stderr


@pytest.mark.parametrize("command", ["plan", "warm", "migrate"])
def test_json_is_alone_on_stdout_whatever_the_program_prints(folder: Path, command: str) -> None:
    done = planai(folder, command, "shop:loud", "--json")
    assert isinstance(json.loads(done.stdout), dict)
    assert "making" in done.stderr
    assert "and raw" in done.stderr
    assert ("quoting" in done.stderr, "from another process" in done.stderr) == (command == "warm",) * 2
    assert "making" in planai(folder, command, "shop:loud").stdout, "for people it stays where it was printed"


def test_answers_of_other_code_are_taken_along_only_when_that_is_accepted(folder: Path) -> None:
    planai(folder, "warm", "shop:week")
    (folder / "shop.py").write_text(textwrap.dedent(SHOP).replace("len(task.name)", "0 + len(task.name)"))
    assert said(folder, "migrate", "shop:week") == {"migrated": {"shop:Quote": 0}}
    (row,) = said(folder, "plan", "shop:week")["workers"]
    assert row["reasons"] == {"code of shop.Quote.consume_work changed": 2}
    assert row["expected"]["seconds"] > 0
    assert said(folder, "migrate", "shop:week", "--accept-code") == {"migrated": {"shop:Quote": 2}}
    assert said(folder, "warm", "shop:week")["hits"] == 3
    (folder / "shop.py").write_text(textwrap.dedent(SHOP))
    assert said(folder, "warm", "shop:week")["hits"] == 3, "the earlier ones are still there"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("shop", "names no function"),
        ("shop:", "names no function"),
        ("nowhere:week", "there is no module 'nowhere'\n"),
        ("nowhere.at.all:week", "there is no module 'nowhere', which 'nowhere.at.all' is in or imports\n"),
        ("nowhere.py:week", "there is no file 'nowhere.py'"),
        ("shop:month", "'shop' has no 'month'"),
        ("shop:of", "'shop:of' cannot be called without arguments: missing a required argument: 'days'"),
        ("shop:Item", "'shop:Item' cannot be called without arguments: missing a required argument: 'name'"),
        ("shop:NOTHING", "returns a int: return (graph, initial_tasks)"),
    ],
)
def test_a_target_that_is_none_is_told_so(folder: Path, target: str, message: str) -> None:
    done = planai(folder, "plan", target, code=1)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_module_that_a_target_imports_in_vain_is_named(folder: Path) -> None:
    (folder / "hungry.py").write_text("import nowhere")
    done = planai(folder, "plan", "hungry:week", code=1)
    assert "there is no module 'nowhere', which 'hungry' is in or imports\n" in done.stderr


def test_a_graph_alone_may_be_migrated(folder: Path) -> None:
    planai(folder, "warm", "shop:week")
    done = planai(folder, "migrate", "shop:alone")
    assert (done.stdout, done.stderr.splitlines()[-1]) == (
        "shop:Quote: 0 answers taken along\n",
        "nothing was to be taken along: each answer is there, or was computed by other code",
    )
