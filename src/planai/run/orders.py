"""Orders: what a state asks its loop to do besides making calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from planai.events import Event, Step


class Alarm(NamedTuple):
    """Feed `event` after so many seconds."""

    event: Event
    seconds: float


class Ended(NamedTuple):
    """Forget what is known of a step below which no work is left."""

    step: Step


class Tell(NamedTuple):
    """Tell a call that it is to end.

    Attributes:
        keeps_thread: whether it is waited for no more, although its thread may be busy for long.
    """

    call: int
    keeps_thread: bool


class Answer(NamedTuple):
    """Tell somebody who has asked whether there was work to abandon, when all have been told."""

    to: Callable[[bool], None]
    found: bool


Order = Alarm | Ended | Tell | Answer
