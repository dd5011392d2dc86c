"""take_along: store what a PlanAI cache holds for the cached workers of a graph."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from planai.cache.bundle import Bundle, Published
from planai.cache.reads import may_look_up
from planai.cache.worker import CachedTaskWorker
from planai.errors import ConfigurationError
from planai.graph import Graph
from planai.llm.base import BaseLLMTaskWorker
from planai.migration import reading
from planai.task import Task
from planai.worker import TaskWorker


class _Match(NamedTuple):
    """An entry as one of the workers has it."""

    worker: CachedTaskWorker
    task: Task
    outputs: list[tuple[str, Task]]


def take_along(graph: Graph, folder: Path, *, accept_unverified: bool = False) -> Counter[str]:
    """Store the entries of a PlanAI cache for the workers of `graph` that they belong to, and return how many.

    An entry belongs to a worker when PlanAI's key for its input, made anew, is the entry's. Keys of PlanAI hold no
    code: whoever takes entries along knows that the workers' code has not changed since.

    Args:
        graph: the program's graph.
        folder: the ``cache_dir`` of PlanAI. A process of its own reads it.
        accept_unverified: also take along what only one worker can have made by its types, but whose key cannot be made
            anew: answers of models, whose prompts PlanAI words otherwise, and of workers that look up where their input
            comes from.

    Returns:
        Counts of entries: ``"taken"``, ``"there already"``, and those left, by the reason.

    Raises:
        ConfigurationError: there is no cache of PlanAI in the folder.
    """
    workers = [worker for worker in graph.workers if isinstance(worker, CachedTaskWorker)]
    counts: Counter[str] = Counter()
    for entry in _read(folder):
        counts[_take(entry, workers, graph, accept_unverified)] += 1
    return counts


def _read(folder: Path) -> list[dict[str, Any]]:
    if not (folder / "cache.db").is_file():
        raise ConfigurationError(f"there is no cache of PlanAI in {str(folder)!r}: pass its cache_dir")
    command = [sys.executable, "-I", str(Path(reading.__file__)), str(folder.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    if done.returncode:
        raise ConfigurationError(f"{str(folder)!r} cannot be read: {done.stderr.strip().splitlines()[-1:]}")
    return [json.loads(line, object_hook=_bytes) for line in done.stdout.splitlines()]


def _bytes(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["$bytes"]) if value.keys() == {"$bytes"} else value


def _take(entry: dict[str, Any], workers: list[CachedTaskWorker], graph: Graph, accept_unverified: bool) -> str:
    if "problem" in entry:
        return f"left, since it cannot be read: {entry['problem']}"
    matches = [match for worker in workers if (match := _matched(entry, worker)) is not None]
    if not matches:
        return f"left, since no worker makes such answers of a {entry['input']['class']!r}"
    sure = [match for match in matches if planai_key(match.worker, match.task) == entry["key"]]
    chosen = sure or (matches if accept_unverified and len(matches) == 1 else [])
    if not chosen:
        return "left, since nothing shows which worker made it, with what settings or prompt"
    worker, task, outputs = chosen[0]
    if may_look_up(type(worker)) and not accept_unverified:
        return f"left, since {worker.name!r} looks up where its input comes from"
    if worker.is_cached(task):
        return "there already"
    worker.save_to_cache(task, Bundle(tuple(_published(worker, graph, *output) for output in outputs)))
    return "taken" if worker.is_cached(task) else "left, since it could not be stored"


def planai_key(worker: CachedTaskWorker, task: Task) -> str | None:
    """Return PlanAI's key for a task; None where it cannot be made here."""
    if isinstance(worker, BaseLLMTaskWorker):
        return None
    fields = str(sorted(task.model_dump().items()))
    parts = ["1:" + fields, worker.name, *(kind.__name__ for kind in worker.output_types)]
    extra = worker.extra_cache_key(task)
    return hashlib.sha1(" - ".join([*parts, extra] if extra else parts).encode()).hexdigest()  # noqa: S324 - theirs


def _matched(entry: dict[str, Any], worker: CachedTaskWorker) -> _Match | None:
    task = _made(entry["input"], worker.get_task_classes())
    outputs = [(consumer, _made(output, worker.output_types)) for consumer, output in entry["outputs"]]
    made = [(consumer, output) for consumer, output in outputs if output is not None]
    return None if task is None or len(made) < len(outputs) else _Match(worker, task, made)


def _made(stored: dict[str, Any], kinds: list[type[Task]]) -> Task | None:
    """Return what was stored as an instance of one of `kinds` or their subclasses that is called like its class."""
    waiting = list(kinds)
    for kind in waiting:
        waiting += [one for one in kind.__subclasses__() if one not in waiting]
        if kind.__name__ == stored["class"]:
            try:
                return kind.model_validate(stored["fields"], by_alias=True, by_name=True)
            except ValidationError:
                return None
    return None


def _published(worker: TaskWorker, graph: Graph, consumer: str, task: Task) -> Published:
    """Keep the consumer where there is a choice."""
    takers = [
        down.name for down in graph.dependencies.get(worker, []) if isinstance(task, tuple(down.get_task_classes()))
    ]
    return Published(task, consumer if len(takers) > 1 and consumer in takers else None)
