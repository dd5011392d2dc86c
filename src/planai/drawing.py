"""Drawings of a graph: as text for messages and terminals, and in the language of Mermaid for pages.

>>> from planai import Graph, Task, TaskWorker
>>> class Page(Task):
...     text: str
>>> class Word(Task):
...     text: str
>>> class Split(TaskWorker):
...     output_types = [Word]
...     def consume_work(self, task: Page) -> None: ...
>>> class Count(TaskWorker):
...     output_types = [Word]
...     def consume_work(self, task: Word) -> None: ...
>>> split, count = Split(), Count()
>>> graph = Graph(name="words").add_workers(split, count)
>>> split.next(count).sink(Word)
>>> print(graph.describe())
graph 'words'
└─ Page → Split
   └─ Word → Count
      └─ Word → sink
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from planai.errors import ConfigurationError
from planai.join import JoinedTaskWorker
from planai.task import Task
from planai.wires import NestedWorker, Sink, Wires
from planai.worker import TaskWorker

Target = TaskWorker | Sink
_Ends = dict[TaskWorker, tuple[str, str]]
"""By worker, what arrows to it and from it are drawn to: they differ for a graph inside of the graph."""


def as_text(wires: Wires) -> str:
    """Draw a graph as a tree, and below it each graph inside of it; what is in several places is drawn once."""
    return "\n\n".join(_tree(each) for each in _with_inner([wires]))


def _with_inner(found: list[Wires]) -> list[Wires]:
    """Return graphs, and once each the graphs inside of them."""
    for wires in found:  # which grows meanwhile
        for worker in wires.workers:
            if isinstance(worker, NestedWorker) and all(worker.inner_wires is not other for other in found):
                found.append(worker.inner_wires)
    return found


def _tree(wires: Wires) -> str:
    lines = [f"graph {wires.name!r}"]
    drawn: set[TaskWorker] = set()
    roots: list[tuple[list[type[Task]], Target]] = [(_consumed(worker), worker) for worker in _roots(wires)]
    _draw(wires, roots, "", (), drawn, lines)
    return "\n".join(lines)


def as_mermaid(wires: Wires) -> str:
    """Draw a graph as a flowchart in the language of Mermaid, with graphs inside of it in boxes."""
    return "\n".join(["flowchart TD", *_mermaid(wires, count(1), "    ")[0]]) + "\n"


def _draw(
    wires: Wires,
    targets: list[tuple[list[type[Task]], Target]],
    indent: str,
    above: tuple[TaskWorker, ...],
    drawn: set[TaskWorker],
    lines: list[str],
) -> None:
    for number, (kinds, target) in enumerate(targets, 1):
        is_last = number == len(targets)
        head = f"{indent}{'└─' if is_last else '├─'} {_names(kinds)} → "
        if isinstance(target, Sink):
            lines.append(head + ("sink" if target.notify is None else "sink with a callback"))
            continue
        known = " (above: a cycle)" if target in above else " (above)" if target in drawn else ""
        lines.append(head + _label(target, wires) + known)
        if not known:
            drawn.add(target)
            _draw(
                wires, _targets(wires, target), indent + ("   " if is_last else "│  "), (*above, target), drawn, lines
            )


def _targets(wires: Wires, worker: TaskWorker) -> list[tuple[list[type[Task]], Target]]:
    """Return who gets what a worker publishes, each with the types; nobody gets what is consumed nowhere."""
    downs: list[tuple[list[type[Task]], Target]] = [(_shared(worker, down), down) for down in wires.downstream(worker)]
    return downs + [([sink.output_type], sink) for up, sink in wires.sinks if up is worker]


def _roots(wires: Wires) -> list[TaskWorker]:
    """Return where a drawing starts: entries, workers that nobody feeds, and one worker of each cycle that is left."""
    roots = list(dict.fromkeys([*wires.entries, *wires.unfed()]))
    for worker in wires.workers:
        if worker not in wires.reached(roots):
            roots.append(worker)
    return roots


def _label(worker: TaskWorker, wires: Wires) -> str:
    label = wires.keys()[worker]
    if isinstance(worker, JoinedTaskWorker):
        label += f" (joins on {worker.join_type.__name__})"
    if isinstance(worker, NestedWorker):
        label += f" (graph {worker.inner_wires.name!r})"
    return label


def _consumed(worker: TaskWorker) -> list[type[Task]]:
    try:
        return worker.get_task_classes()
    except ConfigurationError:
        return []


def _shared(up: TaskWorker, down: TaskWorker) -> list[type[Task]]:
    into = _consumed(down)
    return [kind for kind in up.output_types if any(issubclass(kind, each) or issubclass(each, kind) for each in into)]


def _names(kinds: list[type[Task]]) -> str:
    return ", ".join(kind.__name__ for kind in kinds) or "?"


def _mermaid(wires: Wires, numbers: Iterator[int], indent: str) -> tuple[list[str], _Ends]:
    """Return the lines of one graph, and what its workers are called in them."""
    lines: list[str] = []
    ends: _Ends = {}
    for worker in wires.workers:
        made, ends[worker] = _mermaid_worker(worker, wires, numbers, indent)
        lines += made
    for worker in wires.workers:
        for kinds, target in _targets(wires, worker):
            if isinstance(target, Sink):
                name = f"s{next(numbers)}"
                lines.append(f"{indent}{name}([sink])")
            else:
                name = ends[target][0]
            lines.append(f'{indent}{ends[worker][1]} -->|"{_escaped(_names(kinds))}"| {name}')
    return lines, ends


def _mermaid_worker(
    worker: TaskWorker, wires: Wires, numbers: Iterator[int], indent: str
) -> tuple[list[str], tuple[str, str]]:
    label = _escaped(_label(worker, wires))
    if not isinstance(worker, NestedWorker):
        name = f"w{next(numbers)}"
        left, right = ("{{", "}}") if isinstance(worker, JoinedTaskWorker) else ("[", "]")
        return [f'{indent}{name}{left}"{label}"{right}'], (name, name)
    box, inside = f"g{next(numbers)}", worker.inner_wires
    lines, ends = _mermaid(inside, numbers, indent + "    ")
    return [f'{indent}subgraph {box}["{label}"]', *lines, f"{indent}end"], (
        ends[worker.entry][0],
        ends[worker.way_out][1],
    )


def _escaped(text: str) -> str:
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
