"""The seam between a run and the place where its calls are performed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from planai.call import Call
from planai.events import Event

Perform = Callable[[Call], Event]
Post = Callable[[Event], None]


class Executor(Protocol):
    """Performs calls and posts how each ended. An executor serves one run.

    Attributes:
        capacity: calls that may be in its hands at once.
    """

    capacity: int

    @property
    def waiting(self) -> int:
        """Calls in its hands that have not begun."""

    def start(self, perform: Perform, post: Post) -> None:
        """Get ready; `perform` ends with an event for every call, `post` may be called from any thread."""

    def submit(self, call: Call) -> None:
        """Take `call`; its event is posted exactly once. Does not wait."""

    def nudge(self) -> None:
        """Take note that calls wait, and that nothing has ended for a while."""

    def discard(self) -> list[Call]:
        """Give back the calls that have not begun."""

    def cancel(self, call: int | None = None) -> None:
        """Tell the call with this id, or all, to end, if there is a way to; its event is posted all the same."""

    def lend(self, calls: int) -> None:
        """Let so many calls more be made at once, since as many do nothing but wait; fewer again, if negative."""

    def stop(self) -> None:
        """Let go of all threads without waiting for those that still perform."""
