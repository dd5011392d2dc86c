"""Alarms: events that are due later, in a loop that waits for others meanwhile."""

from __future__ import annotations

import heapq
import math
import time
from itertools import count

from planai.events import Event


class Alarms:
    """A clock for events; it runs by itself nowhere, and is looked at by one loop."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Event]] = []
        self._numbers = count()

    def __bool__(self) -> bool:
        return bool(self._due)

    def add(self, event: Event, seconds: float) -> None:
        """Let `event` be due after so many seconds."""
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), event))

    def seconds_left(self) -> float:
        """Return how long nothing is due."""
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else math.inf

    def ring(self) -> Event | None:
        """Take out an event that is due, the earliest first."""
        return heapq.heappop(self._due)[2] if self._due and not self.seconds_left() else None
