"""The executor that performs each call at once, in the thread of the run: the same order every time."""

from __future__ import annotations

from planai.call import Call
from planai.executors.base import Perform, Post


class InlineExecutor:
    """Performs one call after the other in the calling thread."""

    capacity = 1
    waiting = 0

    def start(self, perform: Perform, post: Post) -> None:
        """Remember how to perform, and where to post."""
        self._perform = perform
        self._post = post
        self._interrupted: list[Call] = []

    def submit(self, call: Call) -> None:
        """Perform `call` now."""
        self._interrupted = [call]
        event = self._perform(call)
        self._interrupted.clear()
        self._post(event)

    def nudge(self) -> None:
        """Do nothing: no call ever waits."""

    def discard(self) -> list[Call]:
        """Give back the call that Ctrl-C has interrupted, of which no event will come."""
        interrupted, self._interrupted = self._interrupted, []
        return interrupted

    def cancel(self, call: int | None = None) -> None:
        """Do nothing: while a call is made, there is nobody to ask for this."""

    def lend(self, calls: int) -> None:
        """Do nothing: there is one thread, and it waits."""

    def stop(self) -> None:
        """Do nothing: there are no threads."""
