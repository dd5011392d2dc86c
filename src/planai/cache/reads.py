"""Reads: what a computation looked up in the provenance of its input, and what the same look-ups give now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from planai.cache.canonical import canonical, digest, qualified
from planai.cache.memo import per_class
from planai.cache.source import code_of_model, code_of_worker
from planai.task import Task, inputs_of, lineage_of
from planai.trace import Question


class Read(NamedTuple):
    """One look-up, as data: classes by their names.

    Attributes:
        steps: the methods of `Task` and their arguments, from the input to what was looked up.
    """

    steps: tuple[tuple[str, Any], ...]

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.steps)

    def __str__(self) -> str:
        shown = [f"[{argument}]" if what == "item" else f".{what}({argument or ''})" for what, argument in self.steps]
        return "task" + "".join(shown)


@per_class
def may_look_up(kind: type) -> bool:
    """Tell whether the code of a worker or task may look something up in a provenance.

    Code that does so by names that it makes up is not seen: its answers are computed again, and never wrong.
    """
    code = code_of_model(kind) if issubclass(kind, Task) else code_of_worker(kind)
    return not _METHODS.isdisjoint(code.names())


def read_of(question: Question) -> Read:
    """Return a question of a `Trace` as data."""
    return Read(tuple((what, qualified(arg) if isinstance(arg, type) else arg) for what, arg in question))


def load_read(text: str) -> Read:
    """Return what `Read.dump` wrote.

    Raises:
        ValueError: it is no such thing.
    """
    steps = json.loads(text)
    if not isinstance(steps, list) or not all(isinstance(step, list) and len(step) == 2 for step in steps):  # noqa: PLR2004 - a step is a pair
        raise ValueError(f"{text[:80]!r} is no look-up")
    return Read(tuple((what, argument) for what, argument in steps))


def found_by(read: Read, task: Task) -> str:
    """Return a digest of what the look-up finds for `task` now, with the code of the classes of what is found.

    Raises:
        UnkeyableValue: what is found has no identity.
    """
    value: Any = task
    for what, argument in read.steps:
        value = _follow(value, what, argument)
    return digest(canonical(value, f"what {read} finds"), *_codes(value))


def private_keys(reads: Iterable[Read]) -> list[str]:
    """Return the keys of private state that the computation took out of its input."""
    return [read.steps[0][1] for read in reads if len(read.steps) == 1 and read.steps[0][0] == "get_private_state"]


def _follow(value: Any, what: str, argument: Any) -> Any:
    if what == "item":
        return value[argument] if isinstance(value, list) and argument < len(value) else None
    return _FOLLOW[what](value, argument) if isinstance(value, Task) else None


def _codes(value: Any) -> list[bytes]:
    tasks = value if isinstance(value, list) else [value]
    return [code_of_model(type(task)).digest().encode() for task in tasks if isinstance(task, Task)]


def _ancestors(task: Task, kind: str) -> list[Task]:
    """Return the tasks that `task` was computed from, oldest first, whose class or a base of it is called `kind`."""
    found = list(inputs_of(task))[::-1]
    return [ancestor for ancestor in found if any(qualified(c) == kind for c in type(ancestor).__mro__)]


def _nearest(task: Task, kind: str) -> Task | None:
    """Return the nearest ancestor whose class is called `kind`; or else the nearest with such a base, or None."""
    kin = _ancestors(task, kind)[::-1]
    return next((found for found in kin if qualified(type(found)) == kind), kin[0] if kin else None)


def _prefix(task: Task, worker: str) -> Any:
    node = lineage_of(task).provenance.nearest({worker})
    return None if node is None else node.chain()


_FOLLOW: dict[str, Callable[[Task, Any], Any]] = {
    "provenance": lambda task, _: task.provenance(),
    "prefix_for_input_task": _prefix,
    "find_input_task": _nearest,
    "find_input_tasks": _ancestors,
    "previous_input_task": lambda task, _: task.previous_input_task(),
    "copy_input_provenance": lambda task, _: task.copy_input_provenance(),
    "get_private_state": lambda task, key: (lineage_of(task).private_state or {}).get(key),
}
_METHODS = frozenset({*_FOLLOW, "copy_provenance", "prefix"})
