"""Task types: what the methods of a worker consume, by their annotations, and what a worker may publish."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

from planai.errors import PublishError, TypeMismatch
from planai.task import Task


def check_published(worker: str, declared: Sequence[type[Task]], kind: type[Task]) -> None:
    """Make sure that a worker may publish tasks of the type `kind`.

    Raises:
        PublishError: neither it nor a base of it is in the worker's ``output_types``.
    """
    if not issubclass(kind, tuple(declared)):
        raise PublishError(
            f"{worker!r} publishes a {kind.__name__!r}, but its output_types are {type_names(declared)}: "
            "add the type there"
        )


def type_names(kinds: Sequence[type[Task]]) -> str:
    """Return the names of `kinds` for a message."""
    return ", ".join(repr(kind.__name__) for kind in kinds) or "nothing"


def task_types_of(worker: type, method: str, parameters: tuple[str, ...]) -> list[type[Task]]:
    """Return the Task types in the annotation of the parameter of `method` that is called like one of `parameters`.

    Raises:
        TypeMismatch: there is no such parameter, or its annotation names no Task type.
    """
    function = inspect.unwrap(getattr(worker, method))
    names = [name for name in inspect.signature(function).parameters if name in parameters]
    annotation = function.__annotations__.get(names[0]) if names else None
    if isinstance(annotation, str):
        annotation = _evaluate(annotation, function, worker)
    found = list(_task_types_in(annotation))
    if not found:
        wanted = " or ".join(repr(name) for name in parameters)
        raise TypeMismatch(
            f"{worker.__name__}.{method} does not say what it consumes: "
            f"it needs a parameter {wanted} with a Task type, as in {method}(self, {parameters[0]}: MyTask)"
        )
    return found


def _evaluate(annotation: str, function: Callable[..., Any], worker: type) -> Any:
    """Evaluate an annotation that is a string, also where it names a class local to a function."""
    local: dict[str, Any] = getattr(worker, "__pydantic_parent_namespace__", None) or {}
    try:
        return eval(annotation, function.__globals__, local)  # noqa: S307 - what Python does with annotations
    except NameError:
        return None


def _task_types_in(annotation: Any) -> typing.Iterator[type[Task]]:
    if inspect.isclass(annotation) and issubclass(annotation, Task):
        yield annotation
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType, list, typing.Annotated):
        for part in typing.get_args(annotation):
            yield from _task_types_in(part)
