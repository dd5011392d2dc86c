"""Alarms: events that are due later, in a loop that waits for others meanwhile."""

from __future__ import annotations

import heapq
import math
import time
from itertools import count

from planai.events import Event


class Alarms:
    """A clock for events; it runs by itself nowhere, and is looked at by one loop.

    Attributes:
        waiting: what has not rung, the next first; a loop that sees it empty need not ask further.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[float, int, Event]] = []
        self._numbers = count()

    def add(self, event: Event, seconds: float) -> None:
        """Let `event` be due after so many seconds."""
        heapq.heappush(self.waiting, (time.monotonic() + seconds, next(self._numbers), event))

    def seconds_left(self) -> float:
        """Return how long nothing is due."""
        return max(0.0, self.waiting[0][0] - time.monotonic()) if self.waiting else math.inf

    def ring(self) -> Event | None:
        """Take out an event that is due, the earliest first."""
        return heapq.heappop(self.waiting)[2] if self.waiting and not self.seconds_left() else None
