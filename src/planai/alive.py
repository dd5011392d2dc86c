"""The calls that are being made in this process, by which a thread that one of them has started finds it."""

from __future__ import annotations

from typing import Any

_alive: set[Any] = set()  # of activations, see `planai.call`

begun = _alive.add
ended = _alive.discard


def call_that_consumes(worker: object, task: object) -> Any:
    """Return the call in which `worker` consumes just this object, or None.

    It is also None where there are two: one of them took too long, and is tried again.
    """
    found = [activation for activation in calls_of(worker) if any(consumed is task for consumed in activation.tasks)]
    return found[0] if len(found) == 1 else None


def calls_of(worker: object) -> list[Any]:
    """Return the calls that `worker` is making."""
    return [activation for activation in list(_alive) if activation.worker is worker]


def calls_in(scope: object) -> list[Any]:
    """Return the calls that are made in one run."""
    return [activation for activation in list(_alive) if activation.scope is scope]


def outside(what: str) -> str:
    """Say that `what` was wanted where nothing is being consumed."""
    return (
        f"{what} exists only while a worker consumes a task: run the worker in a graph "
        "(in a thread that it starts, pass input_task, or copy the context: contextvars.copy_context().run(...))"
    )
