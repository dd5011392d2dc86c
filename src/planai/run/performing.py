"""Performing: how a call of a run is made, in whatever thread or on the event loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from planai.call import Call, Scope, perform, perform_async
from planai.events import Began, Event, Finished, Printed
from planai.executors.event_loop import shared_loop
from planai.plan import Plan
from planai.run.interrupts import Interrupts
from planai.run.retrying import overdue


class Performing:
    """Makes the calls of one run.

    Args:
        plan: tells who consumes what a call brings, and where that goes which is published.
        put: takes events that happen meanwhile.
        scope: what all calls have in common.
        interrupts: by way of which the user's code is called.
    """

    def __init__(self, plan: Plan, put: Callable[[Event], None], scope: Scope, interrupts: Interrupts) -> None:
        self._nodes = plan.nodes
        self._put = put
        self._interrupts = interrupts
        self._surroundings = {key: (plan.router(key), partial(self._tell, key), scope) for key in plan.nodes}

    def perform(self, call: Call) -> Event:
        """Make `call` in the present thread; wait there for one that is made on the event loop."""
        node = self._nodes[call.worker]
        if node.is_async:
            return self._interrupts.let(lambda: shared_loop().wait_for(self.perform_async(call)))
        if node.timeout is None:
            return self._interrupts.let(perform, call, node.performer, *self._surroundings[node.key])
        self._put(Began(call.id))
        event = self._interrupts.let(perform, call, node.performer, *self._surroundings[node.key])
        return _in_time(event, call, node.timeout)

    async def perform_async(self, call: Call) -> Event:
        """Make `call` on the event loop."""
        node = self._nodes[call.worker]
        if node.timeout is not None:
            self._put(Began(call.id))
        event = await perform_async(call, node.performer, *self._surroundings[node.key])
        return event if node.timeout is None else _in_time(event, call, node.timeout)

    def _tell(self, worker: str, text: str) -> None:
        self._put(Printed(worker, text))


def _in_time(event: Event, call: Call, timeout: float) -> Event:
    """Return how a call ended; one that took too long has failed, also where nobody could tell it in time."""
    if isinstance(event, Finished) and event.seconds > timeout:
        return overdue(call, timeout, event.seconds)
    return event
