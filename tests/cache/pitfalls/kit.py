"""What the tests of the pitfalls share: small workers, programs in processes of their own, and marks."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from planai import CachedTaskWorker, Graph, RunResult, Task, TaskWorker

WAIT = 60.0


def found(what: str) -> pytest.MarkDecorator:
    """Mark a test that shows a mistake: a wrong answer, or a hit that is lost."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=f"found: {what}")


class Number(Task):
    value: int


class Word(Task):
    text: str


class Counting(CachedTaskWorker):
    """Notes what it really computes."""

    output_types = [Number]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.computed: list[int] = []


class Double(Counting):
    def consume_work(self, task: Number) -> None:
        self.computed.append(task.value)
        self.publish_work(Number(value=task.value * 2))


class Echo(CachedTaskWorker):
    """Publishes what its task looks like: another look is another answer."""

    output_types = [Word]

    def consume_work(self, task: Task) -> None:
        self.publish_work(Word(text=repr(task)))


def run(worker: TaskWorker, *tasks: Task, **options: Any) -> RunResult:
    """Run one worker over `tasks`, in this thread, with options of `Graph.run`."""
    graph = Graph(name="pitfalls").add_workers(worker)
    for kind in worker.output_types:
        graph.set_sink(worker, kind)
    options = {"executor": "inline", "display_terminal": False, **options}
    return graph.run([(worker, task) for task in tasks], **options)


def chain(*workers: TaskWorker, sink: type[Task]) -> Graph:
    """Wire `workers` one behind the other."""
    graph = Graph(name="chain").add_workers(*workers)
    for up, down in itertools.pairwise(workers):
        graph.set_dependency(up, down)
    graph.set_sink(workers[-1], sink)
    return graph


def figures(result: RunResult) -> tuple[int, int]:
    """Return hits and misses of a run in which nothing failed."""
    assert result.failures == []
    return result.cache_hits, result.cache_misses


def text_of(result: RunResult) -> str:
    """Return the only output, a `Word`."""
    (output,) = result.outputs
    assert isinstance(output, Word)
    return output.text


def values_of(result: RunResult) -> list[int]:
    """Return the outputs, which are numbers."""
    return [output.value for output in result.outputs if isinstance(output, Number)]


# ---- the store as it lies on disk

DATABASE = "planai.sqlite3"


@contextlib.contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the store of `folder` the way another program would."""
    with contextlib.closing(sqlite3.connect(folder / DATABASE, timeout=WAIT)) as connection, connection:
        yield connection


def entries(folder: Path) -> list[tuple[Any, ...]]:
    """Return space, key, payload and time of all entries."""
    with database(folder) as connection:
        return connection.execute("SELECT space, key, payload, stored FROM entries ORDER BY rowid").fetchall()


# ---- programs

HEAD = """
import enum, os, sys
from pathlib import Path
from planai import CachedTaskWorker, Graph, Task
from planai.testing import run_inline

class Number(Task):
    value: int
"""


def start(folder: Path, text: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start a program of a user called ``program.py``; it and its cache are in `folder`."""
    file, code = folder / "program.py", HEAD + dedent(text)
    if not file.exists() or file.read_text() != code:  # else one that was just started would find it empty
        file.write_text(code)
    return subprocess.Popen(
        [sys.executable, "program.py", *map(str, arguments)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
    )


def said(process: subprocess.Popen[str]) -> list[str]:
    """Wait for the end of a program that has to end well, and return what it printed, by words."""
    out, error = process.communicate(timeout=WAIT)
    assert process.returncode == 0, error
    return out.split()


def program(folder: Path, text: str, *arguments: object, **environment: str) -> list[str]:
    """Run a program to its end, and return what it printed, by words."""
    return said(start(folder, text, *arguments, **environment))


class Versions:
    """Versions of a user's modules, each imported anew as a new process would."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, steps: str, **others: str) -> ModuleType:
        """Write modules, and return the one called ``steps``."""
        self.forget()
        for name, text in {**others, "steps": HEAD + dedent(steps)}.items():
            (self._folder / f"{name}.py").write_text(dedent(text))
        importlib.invalidate_caches()
        return importlib.import_module("steps")

    def forget(self) -> None:
        """Forget what was imported."""
        here = str(self._folder)
        for name in [name for name, module in sys.modules.items() if (_file(module) or "").startswith(here)]:
            del sys.modules[name]


def _file(module: ModuleType) -> str | None:
    return getattr(module, "__file__", None)
