"""Lanes: async calls are made on the event loop, all others by an executor, and neither takes the other's room."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planai.call import Call
from planai.executors.base import Executor, Perform, Post
from planai.plan import Limit, Plan

if TYPE_CHECKING:  # asyncio takes 50 ms to import
    from planai.executors.aio import AioExecutor, PerformAsync


class Lanes:
    """What makes the calls of one run.

    Args:
        plan: tells which workers are async.
        executor: makes all other calls.
        max_concurrency: async calls in flight at once; None lets `executor` make them, too, which waits for each.

    Attributes:
        capacity: calls of any kind that may be in flight at once.
    """

    def __init__(self, plan: Plan, executor: Executor, max_concurrency: int | None = None) -> None:
        self.executor = executor
        self.capacity = executor.capacity
        self._async_workers = frozenset(key for key, node in plan.nodes.items() if node.is_async)
        self._aio: AioExecutor | None = None
        if self._async_workers and max_concurrency is not None:
            from planai.executors.aio import AioExecutor  # noqa: PLC0415 - as above

            self._aio = AioExecutor(max_concurrency)
            self.capacity += max_concurrency

    def limited(self, plan: Plan) -> Plan:
        """Return `plan` with a limit for each lane."""
        if self._aio is None:
            return plan
        others = plan.nodes.keys() - self._async_workers
        lanes = Limit(self._async_workers, self._aio.capacity), Limit(frozenset(others), self.executor.capacity)
        return replace(plan, limits=(*plan.limits, *lanes))

    def start(self, perform: Perform, perform_async: PerformAsync, post: Post) -> None:
        """Get ready."""
        self.executor.start(perform, post)
        if self._aio is not None:
            self._aio.start(perform_async, post)

    def submit(self, call: Call) -> None:
        """Take `call`; its event is posted exactly once."""
        if self._aio is not None and call.worker in self._async_workers:
            self._aio.submit(call)
        else:
            self.executor.submit(call)

    def discard(self) -> list[Call]:
        """Give back the calls that have not begun."""
        return self.executor.discard() + (self._aio.discard() if self._aio is not None else [])

    def cancel(self, call: int | None = None) -> None:
        """Tell the call with this id to end, or all of them."""
        self.executor.cancel(call)
        if self._aio is not None:
            self._aio.cancel(call)

    def lend(self, calls: int) -> None:
        """Let the executor make so many calls more at once, or fewer again."""
        self.executor.lend(calls)

    def stop(self) -> None:
        """Let go of all threads without waiting for those that still perform."""
        self.executor.stop()
        if self._aio is not None:
            self._aio.stop()
