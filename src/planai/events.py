"""What can happen in a run, as frozen data: the only way by which workers and screens hear of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from planai.cost import FREE, Cost
from planai.provenance import Provenance
from planai.task import Task


class Output(NamedTuple):
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


@dataclass(slots=True)
class Lookup:
    """What a call asked a cache, and what came of it. It is filled in while the call goes on, and then left alone.

    Attributes:
        hit: whether the outputs came from the cache.
        cost: what they took to compute: at first for a hit, now for a miss.
        reason: why it was a miss.
        waited: whether the call waited for another that computed the same.
        stored: bytes that were stored; 0 for nothing.
        found: what parts of a miss took at first that were found in a cache, such as the response of a model.
        stale: whether the hit was older than its time to live, and is computed again in the background.
    """

    hit: bool
    cost: Cost = FREE
    reason: str = ""
    waited: bool = False
    stored: int = 0
    stale: bool = False
    found: Cost = FREE


class Submitted(NamedTuple):
    """A task came from outside, for the worker whose node has the key `worker`.

    Attributes:
        start: the provenance that it was promised; somebody wants to know when that ends.
    """

    worker: str
    task: Task
    start: Provenance | None = None


class Finished(NamedTuple):
    """A call ended well, and its outputs leave it together.

    Attributes:
        seconds: how long the call took.
        lookup: what a cache was asked; None when nothing was looked up.
    """

    call: int
    worker: str
    outputs: tuple[Output, ...]
    seconds: float
    lookup: Lookup | None = None


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
class Aborted:
    """A call was told to end before it was done; it has published nothing, and did nothing wrong."""

    call: int
    worker: str


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


Step = tuple[str, int]
"""The last step of a chain, which no other chain of the run ends with."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Somebody wants to know when no work is left below a step.

    Attributes:
        node: the step's node, where that is at hand.
        worker: the key of the worker that is to be told; None for the run itself.
        task: what that worker consumed when it asked.
    """

    step: Step
    node: Provenance | None
    worker: str | None = None
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class Unwatched:
    """A worker does not want to be told any more."""

    step: Step
    worker: str


@dataclass(frozen=True, slots=True)
class Abandoned:
    """No more work is to be done below a step.

    Attributes:
        answer: is told whether there was any.
    """

    step: Step
    answer: Callable[[bool], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Limited:
    """From now on, only so many calls of some workers may be made at once: a `Limit` of the plan."""

    workers: frozenset[str]
    count: int
    of: object


@dataclass(frozen=True, slots=True)
class Began:
    """A call that may take only so long has begun."""

    call: int


@dataclass(frozen=True, slots=True)
class Expired:
    """A call has taken longer than it may.

    Attributes:
        beginning: which one: a call that was parked begins again.
    """

    call: int
    beginning: int


@dataclass(frozen=True, slots=True)
class Lent:
    """A call waits for a person, and somebody else may run meanwhile."""

    call: int


@dataclass(frozen=True, slots=True)
class Returned:
    """A call goes on that has waited for a person."""

    call: int


@dataclass(frozen=True, slots=True)
class Closing:
    """Nobody will add work any more."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A worker has something to say to the person who watches."""

    worker: str
    text: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing new may start; what runs may end."""


Event = (
    Submitted
    | Finished
    | Failed
    | Aborted
    | Parked
    | Woken
    | Watched
    | Unwatched
    | Abandoned
    | Limited
    | Began
    | Expired
    | Lent
    | Returned
    | Printed
    | Closing
    | Stopped
)
"""Anything that can happen in a run."""
