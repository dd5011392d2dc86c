"""Flows: the logic of a conversation, once, as a generator of steps; and who takes the steps, waiting for each."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Step(Protocol):
    """Something that takes time: asking a model, calling a tool, waiting for somebody else."""

    def run(self) -> Any:
        """Do it, and return what came of it."""


Flow = Generator[Step, Any, T]
"""Yields steps, is sent what came of each (or thrown what they raised), and returns the outcome."""


def drive(flow: Flow[T]) -> T:
    """Take the steps of `flow` in this thread, one after the other, and return its outcome."""
    try:
        step = next(flow)
        while True:
            try:
                done = step.run()
            except BaseException as error:  # noqa: BLE001 - the flow decides, Ctrl-C included: it may hold something
                step = flow.throw(error)
            else:
                step = flow.send(done)
    except StopIteration as stop:
        outcome: T = stop.value
        return outcome
