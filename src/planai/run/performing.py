"""Performing: how a call of a run is made, in whatever thread or on the event loop."""

from __future__ import annotations

from collections.abc import Callable

from planai.call import Call, Router, Scope, perform, perform_async
from planai.events import Began, Event, Finished, Printed
from planai.executors.event_loop import shared_loop
from planai.plan import Node, Plan
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
        self._routers = {key: plan.router(key) for key in plan.nodes}
        self._put = put
        self._scope = scope
        self._interrupts = interrupts

    def perform(self, call: Call) -> Event:
        """Make `call` in the present thread; wait there for one that is made on the event loop."""
        node = self._nodes[call.worker]
        if node.is_async:
            return self._interrupts.let(lambda: shared_loop().wait_for(self.perform_async(call)))
        event = self._interrupts.let(perform, call, node.performer, *self._surroundings(call, node))
        return event if node.timeout is None else _in_time(event, call, node.timeout)

    async def perform_async(self, call: Call) -> Event:
        """Make `call` on the event loop."""
        node = self._nodes[call.worker]
        event = await perform_async(call, node.performer, *self._surroundings(call, node))
        return event if node.timeout is None else _in_time(event, call, node.timeout)

    def _surroundings(self, call: Call, node: Node) -> tuple[Router, Callable[[str], None], Scope]:
        def tell(text: str) -> None:
            self._put(Printed(node.key, text))

        if node.timeout is not None:
            self._put(Began(call.id))
        return self._routers[node.key], tell, self._scope


def _in_time(event: Event, call: Call, timeout: float) -> Event:
    """Return how a call ended; one that took too long has failed, also where nobody could tell it in time."""
    if isinstance(event, Finished) and event.seconds > timeout:
        return overdue(call, timeout, event.seconds)
    return event
