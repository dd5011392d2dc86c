"""The executor that performs async calls on an event loop: hundreds or thousands at once, in a single thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any

from planai.call import Call
from planai.errors import ConfigurationError
from planai.events import Aborted, Event, Failed
from planai.executors.base import Post
from planai.executors.event_loop import shared_loop

PerformAsync = Callable[[Call], Coroutine[Any, Any, Event]]


class AioExecutor:
    """Performs up to `max_concurrency` calls at once on the event loop of all async workers.

    It is an `Executor` but for what performs a call, which is to be awaited.

    Attributes:
        capacity: calls that may be in its hands at once.
    """

    def __init__(self, max_concurrency: int = 256) -> None:
        if max_concurrency < 1:
            raise ConfigurationError(f"max_concurrency is {max_concurrency!r}: at least one call has to be in flight")
        self.capacity = max_concurrency
        self._calls: deque[Call] = deque()
        self._tasks: dict[int, asyncio.Task[Event]] = {}
        self._is_told = False

    @property
    def waiting(self) -> int:
        """Calls that the loop has not taken."""
        return len(self._calls)

    def start(self, perform: PerformAsync, post: Post) -> None:
        """Remember how to perform, and where to post, and see to it that the loop runs."""
        self._perform = perform
        self._post = post
        self._loop = shared_loop().loop

    def submit(self, call: Call) -> None:
        """Queue `call`, and tell the loop, once for all that it has not taken yet."""
        self._calls.append(call)
        if not self._is_told:
            self._is_told = True
            self._loop.call_soon_threadsafe(self._begin)

    def nudge(self) -> None:
        """Do nothing: no call waits for longer than the loop takes to come round."""

    def discard(self) -> list[Call]:
        """Give back the calls that the loop has not taken."""
        left = []
        while (call := self._take()) is not None:
            left.append(call)
        return left

    def cancel(self, call: int | None = None) -> None:
        """Tell the call with this id to end, or all of them; each posts its event all the same."""
        self._loop.call_soon_threadsafe(self._cancel, call)

    def stop(self) -> None:
        """Do nothing: the loop is for other runs, too."""

    # ---- on the loop

    def _begin(self) -> None:
        self._is_told = False  # before the next look: whoever adds a call from now on tells again
        while (call := self._take()) is not None:
            # As in a new thread, nothing is left of the context of whoever runs the graph.
            task = self._tasks[call.id] = self._loop.create_task(self._perform(call), context=Context())
            task.add_done_callback(partial(self._ended, call))

    def _cancel(self, call: int | None) -> None:
        for task in [self._tasks.get(call)] if call is not None else list(self._tasks.values()):
            if task is not None:
                task.cancel()

    def _ended(self, call: Call, task: asyncio.Task[Event]) -> None:
        del self._tasks[call.id]
        if task.cancelled():
            self._post(Aborted(call.id, call.worker))
        elif (error := task.exception()) is not None:  # which performing does not let through, or a run would not end
            self._post(Failed(call.id, call.worker, error, str(error), 0.0))
        else:
            self._post(task.result())

    def _take(self) -> Call | None:
        try:
            return self._calls.popleft()
        except IndexError:
            return None
