"""Inbox: where events wait for the loop, which is not woken for each of them."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

from planai.events import Event, Stopped
from planai.listening import LISTEN_SECONDS


class Inbox:
    """A queue of events with many writers and one reader.

    Waking the reader costs more than handling what it is woken for. It is left asleep as long as `can_wait` says that
    there is enough to do without it; it has to look by itself every now and then meanwhile.
    """

    def __init__(self, can_wait: Callable[[], bool]) -> None:
        self._can_wait = can_wait
        self._events: deque[Event] = deque()
        self._signal: SimpleQueue[None] = SimpleQueue()
        self._is_signalled = False

    def put(self, event: Event) -> None:
        """Add `event`, from any thread."""
        self._events.append(event)
        if not self._is_signalled and not self._can_wait():
            self._is_signalled = True
            self._signal.put(None)

    def get(self, timeout: float | None = None) -> Event:
        """Take out the oldest event; wait for one if there is none.

        Raises:
            queue.Empty: none came within `timeout` seconds.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while not self._events:
            try:
                self._signal.get(timeout=min(LISTEN_SECONDS, max(0.0, deadline - time.monotonic())))
            except Empty:
                if time.monotonic() >= deadline:
                    raise
            finally:  # whatever a handler of a signal raises there: else nobody would ever signal again
                self._is_signalled = False  # before the next look: whoever adds an event from now on signals again
        return self._events.popleft()

    def interrupt(self) -> None:
        """Add `Stopped`, and wake the reader in any case: for handlers of signals, which fall into all of the above."""
        self._events.append(Stopped())
        self._signal.put(None)

    def __len__(self) -> int:
        return len(self._events)
