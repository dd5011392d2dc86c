"""Slots: calls that are ready to start, the deepest first, within the limits of each kind of worker."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from planai.call import Call
from planai.plan import Limit, Plan


class _Usage:
    """How many calls of a limited kind are running."""

    __slots__ = ("count", "of", "used", "workers")

    def __init__(self, limit: Limit, used: int = 0) -> None:
        self.of = limit.of
        self.workers = limit.workers
        self.count = limit.count
        self.used = used


class Slots:
    """A queue of ready calls that gives out the deepest ones whose limits allow it."""

    def __init__(self, plan: Plan, capacity: int) -> None:
        self._capacity = capacity
        self._running = 0
        self._size = 0
        order = sorted(plan.nodes.values(), key=lambda node: -node.depth)
        self._rank = {node.key: rank for rank, node in enumerate(order)}
        self._queues: list[deque[Call]] = [deque() for _ in order]
        # Ranks of the queues that hold calls and whose limits are not known to be reached.
        self._open: list[int] = []
        self._listed = [False] * len(order)
        usages = [_Usage(limit) for limit in plan.limits]
        self._usages = [[usage for usage in usages if node.key in usage.workers] for node in order]

    def __len__(self) -> int:
        return self._size

    @property
    def running(self) -> int:
        """Calls that were given out and not released."""
        return self._running

    @property
    def hungry(self) -> bool:
        """Whether more ready calls could start at once."""
        return self._running + self._size < self._capacity

    def limit(self, limit: Limit, used: int) -> None:
        """Let `limit` hold from now on, in place of an earlier one of the same; `used` calls of its workers run."""
        known = [usage for usages in self._usages for usage in usages if usage.of == limit.of]
        if known:
            known[0].count = limit.count
        else:
            usage = _Usage(limit, used)
            for key in limit.workers:
                self._usages[self._rank[key]].append(usage)
        for key in limit.workers:
            self._list(self._rank[key])

    def add(self, call: Call) -> None:
        """Queue `call`."""
        rank = self._rank[call.worker]
        self._queues[rank].append(call)
        self._size += 1
        if not self._listed[rank]:
            self._list(rank)

    def take(self) -> list[Call]:
        """Give out calls, the deepest first, while there is room."""
        taken = []
        while self._open and self._running < self._capacity:
            rank = self._open[0]
            queue, usages = self._queues[rank], self._usages[rank]
            if queue and not (usages and self._is_full(rank)):
                taken.append(queue.popleft())
                self._size -= 1
                self._running += 1
                for usage in usages:
                    usage.used += 1
                if queue:
                    continue
            heapq.heappop(self._open)
            self._listed[rank] = False
        return taken

    def _is_full(self, rank: int) -> bool:
        return any(usage.used >= usage.count for usage in self._usages[rank])

    def release(self, call: Call) -> None:
        """Take note that `call` runs no more."""
        rank = self._rank[call.worker]
        self._running -= 1
        for usage in self._usages[rank]:
            was_full = usage.used >= usage.count
            usage.used -= 1
            if was_full:  # else those that wait for it are listed
                for key in usage.workers:
                    self._list(self._rank[key])

    def resume(self, call: Call) -> None:
        """Take note that `call` runs again after it was released; nobody is sent away for that."""
        self._running += 1
        for usage in self._usages[self._rank[call.worker]]:
            usage.used += 1

    def waiting(self) -> list[Call]:
        """Return all that waits."""
        return [call for queue in self._queues for call in queue]

    def drop(self, is_unwanted: Callable[[Call], bool]) -> list[Call]:
        """Take out all waiting calls that are unwanted, and return them."""
        dropped = [call for call in self.waiting() if is_unwanted(call)]
        gone = {call.id for call in dropped}
        for rank in {self._rank[call.worker] for call in dropped}:
            self._queues[rank] = deque(call for call in self._queues[rank] if call.id not in gone)
        self._size -= len(dropped)
        return dropped

    def clear(self) -> int:
        """Drop all that waits; return how many calls that were."""
        dropped, self._size = self._size, 0
        for queue in self._queues:
            queue.clear()
        return dropped

    def _list(self, rank: int) -> None:
        if self._queues[rank] and not self._listed[rank]:
            self._listed[rank] = True
            heapq.heappush(self._open, rank)
