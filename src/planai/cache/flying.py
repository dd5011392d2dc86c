"""FlyingTaskWorker: a worker that computes once what is asked of it several times at once."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from planai.cache.answer import Left
from planai.cache.codec import Codec
from planai.cache.flight import Flights
from planai.cache.migrating import MigratingTaskWorker
from planai.cache.opening import open_flights, override
from planai.cache.tracing import own_activation
from planai.call import Activation, Park, inside, need_activation
from planai.errors import UnkeyableValue, UnstorableValue
from planai.events import Lookup
from planai.flow import Flow, Until


class FlyingTaskWorker(MigratingTaskWorker):
    """A worker that computes once what is asked of it several times at once, in this process or another."""

    def _begin_(self) -> dict[str, Any]:
        return super()._begin_() | {"_flight_": None}

    def _compute_once_(self, key: str, compute: Callable[[], Flow[None]], find: Callable[[], Flow[bool]]) -> Flow[None]:
        """Compute, unless somebody else does just now, and then find what that has stored.

        What is not stored is left to those in this process who wait. Who computes already waits for nobody, lest two
        that wait for each other wait for ever; for the same reason the calls of a run that it makes wait only for such
        as are as deep inside of others as they are. Whoever has become the one to compute looks again: the answer may
        have been stored since it was asked for.
        """
        if inside.get():
            yield from compute()
            return
        activation = need_activation("a call")
        depth = activation.scope.depth
        flights, name = self._flights_(), f"{self.cache_space}\0{key}" + (f"\0{depth}" if depth else "")
        owns = False
        waiter = activation.tasks[0]
        left = flights.take(name, waiter) if activation.call is not None and activation.call.resumed else None
        try:
            if left is not None and self._replay_left_(key, left):
                return
            if left is not None and left.payload is None:
                yield from compute()
                return
            while not (owns := flights.begin(name)):
                over = partial(flights.when_over, name, waiter=weakref.ref(waiter))
                if activation.call is not None:
                    self._take_back_miss_(activation.lookup)
                    raise Park(over)
                yield Until(over)
                left = flights.take(name, waiter)
                if (left is not None and self._replay_left_(key, left)) or (yield from find()):
                    return
            if not (yield from find()):
                yield from as_owner(compute(), depth)
        finally:
            if owns:
                flights.end(name, self._left_(activation) if flights.is_awaited(name) else None)

    def _replay_left_(self, key: str, left: Left) -> bool:
        """Replay what somebody has left who has computed the same, and tell whether that was possible."""
        return False

    def _left_(self, activation: Activation) -> Left | None:
        """Return what a call that has come to an end leaves to those who wait.

        None for what is stored, or failed; and where the cache was cleared meanwhile, since they may have come later.
        """
        notes = activation.notes
        if "unkept" not in notes or notes.get("generation") != self.get_cache().generation():
            return None
        value = notes["unkept"]
        try:
            payload = None if value is None else Codec(self.output_types).encode(value)
            return Left(payload, tuple(self._reads_(activation)), self._cost_(activation))
        except (UnkeyableValue, UnstorableValue):
            return Left()

    def _take_back_miss_(self, lookup: Lookup | None) -> None:
        """Let a call count once that looks up its answer again."""
        if lookup is not None and "hit" in need_activation("a call").notes:  # else it was not counted
            self.cache_stats.take_back_miss(lookup.reason)

    def _flights_(self) -> Flights:
        over = override()
        store = self.cache_store if over is None else over.store
        activation = own_activation(self)
        ttl = None if activation is None else activation.notes.get("ttl")
        if self.cache_mode_now() == "read_only" or (ttl is not None and ttl + self.stale_while_revalidate <= 0):
            store = "memory"  # nothing is written, also no lock; nor is there anything that other processes wait for
        wanted = (self.cache_dir, store)
        known: tuple[object, Flights] | None = self.__dict__["_flight_"]
        if known is None or known[0] != wanted:
            known = self.__dict__["_flight_"] = (wanted, open_flights(*wanted))
        return known[1]


def as_owner(compute: Flow[None], depth: int) -> Flow[None]:
    """Compute, and wait meanwhile for nobody else who computes; `depth` is that of the run."""
    token = inside.set(depth + 1)
    try:
        yield from compute
    finally:
        inside.reset(token)
