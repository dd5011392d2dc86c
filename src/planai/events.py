"""What can happen in a run, as frozen data: the only way by which workers and screens hear of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from planai.task import Task


@dataclass(frozen=True, slots=True)
class Output:
    """A task that a call published.

    Attributes:
        task: a copy of what was published; the run gives it its provenance.
        targets: keys of the nodes that it goes to.
        previous: the task from which it was computed.
        consumer: the key of the consumer that the worker asked for, if it did.
    """

    task: Task
    targets: tuple[str, ...]
    previous: Task | None
    consumer: str | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """A task came from outside, for the worker whose node has the key `worker`."""

    worker: str
    task: Task


@dataclass(frozen=True, slots=True)
class Finished:
    """A call ended well, and its outputs leave it together.

    Attributes:
        replayed: True when the outputs came from a cache, False when a caching worker computed them,
            None when nothing was looked up.
        seconds: how long the call took.
        saved: seconds that the replayed outputs took to compute at first.
    """

    call: int
    worker: str
    outputs: tuple[Output, ...]
    seconds: float
    replayed: bool | None = None
    saved: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """A call ended with an exception, and published nothing.

    Attributes:
        traceback: the formatted traceback, from the first line of the user's code.
    """

    call: int
    worker: str
    error: BaseException
    traceback: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Parked:
    """A call has published nothing and gave its thread back: somebody else computes its answer.

    Attributes:
        until: takes a callback, and calls it once, from any thread, when the call is worth making again.
    """

    call: int
    worker: str
    until: Callable[[Callable[[], None]], None]


@dataclass(frozen=True, slots=True)
class Woken:
    """A parked call is worth making again."""

    call: int


@dataclass(frozen=True, slots=True)
class Printed:
    """A worker has something to say to the person who watches."""

    worker: str
    text: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing new may start; what runs may end."""


Event = Submitted | Finished | Failed | Parked | Woken | Printed | Stopped
"""Anything that can happen in a run."""
