"""ComputingTaskWorker: a worker that computes an answer while it is watched, and keeps what it has published."""

from __future__ import annotations

from functools import partial
from typing import Any

from planai.cache.background import in_background
from planai.cache.bundle import Bundle, Published
from planai.cache.flying import FlyingTaskWorker, as_owner
from planai.cache.keyed import library_classes
from planai.cache.manual import ByHand, by_hand
from planai.cache.reads import private_keys, read_of
from planai.cache.storing import StoringTaskWorker
from planai.call import Activation, need_activation
from planai.copies import put_back, snapshot
from planai.cost import Cost
from planai.events import Output
from planai.executors.event_loop import shared_loop
from planai.flow import Blocking, Flow, go_along, go_through
from planai.task import Lineage, Task, lineage_of, set_lineage
from planai.trace import Trace


class ComputingTaskWorker(FlyingTaskWorker):
    """A worker that computes an answer while it is watched, and keeps what it has published.

    Attributes:
        cache_automatic: whether answers are looked up and stored around ``consume_work``; None for finding out
            from its code.
    """

    cache_automatic: bool | None = None

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.__dict__["_by_hand_"] = self._find_by_hand_()

    @property
    def looks_by_hand(self) -> bool:
        """Whether ``consume_work`` itself looks answers up."""
        hand: ByHand = self.__dict__["_by_hand_"]
        return hand.looks

    def _consume_as_flow_(self, task: Task) -> Flow[None]:
        """Let the worker's own code compute; what it returns of an ``async def`` is awaited."""
        pending = self.consume_work(task)
        if pending is not None:
            yield pending

    def _compute_answer_(self, activation: Activation, key: str, task: Task) -> Flow[None]:
        if "ready" not in activation.notes:
            yield Blocking(partial(self._begin_answer_, activation, key))
        yield from self._consume_traced_(task)
        cost = activation.cost.plus(Cost(activation.elapsed))
        activation.notes["cost"] = cost.plus(activation.found)  # what it is worth, whoever has paid for it
        found_by_hand = self.looks_by_hand and activation.lookup is not None and activation.lookup.hit
        if not self.__dict__["_by_hand_"].stores and not found_by_hand:  # which is stored already
            yield Blocking(partial(self._keep_outputs_, key, activation.outputs))
        if activation.lookup is not None and not activation.lookup.hit:
            activation.lookup.cost, activation.lookup.found = cost, activation.found

    def _begin_answer_(self, activation: Activation, key: str) -> None:
        """Note what has to be known of the cache as it is before an answer is computed."""
        activation.notes["ready"] = True
        if "generation" not in activation.notes:
            activation.notes["generation"] = self.get_cache().generation()
        self._explain_miss_(activation, key)

    def _consume_traced_(self, task: Task) -> Flow[None]:
        before = snapshot(task)
        self._start_trace_(task)
        try:
            yield from self._consume_as_flow_(task)
        finally:
            self._end_trace_(task)
            # Downstream sees the input as it came, as it does after a hit.
            put_back(task, before)

    def _renew_answer_(self, key: str, task: Task) -> None:
        """Compute a stale answer again in the background, unless somebody does."""
        flights, name = self._flights_(), f"{self.cache_space}\0{key}"
        if flights.begin(name):
            copy = set_lineage(snapshot(task), lineage_of(task))
            in_background(partial(self._compute_outside_, key, copy), lambda: flights.end(name), self.cache_warn)

    def _compute_outside_(self, key: str, task: Task) -> None:
        def compute() -> Flow[None]:
            with Activation(self, (task,), self.outside_router()) as activation:
                activation.notes["ttl"] = self._ttl_of_(task)
                self.get_cache_key(task)
                yield from as_owner(self._compute_answer_(activation, key, task), activation.scope.depth)

        if self.is_async_worker:
            shared_loop().wait_for(go_along(compute()))
        else:
            go_through(compute())

    def _keep_outputs_(self, key: str, outputs: list[Output]) -> None:
        """Store what was published; whatever happens, the run goes on with it."""
        activation = need_activation("a call")
        obstacle = self._obstacle_(activation, outputs)
        if obstacle:
            self.cache_warn(obstacle)
            activation.notes["unkept"] = None
            return
        single = len(outputs) == 1 and outputs[0].consumer is None
        value = outputs[0].task if single else Bundle(tuple(Published(out.task, out.consumer) for out in outputs))
        try:
            self.save_to_cache(key, value)
        except Exception as error:  # noqa: BLE001 - an override may raise anything; a broken cache breaks no run
            self.cache_warn(f"save_to_cache raised {type(error).__name__}: {error}; the answer is not kept")
        lookup, is_own = activation.lookup, type(self).save_to_cache is not StoringTaskWorker.save_to_cache
        if not is_own and (lookup is None or not lookup.stored):
            activation.notes["unkept"] = value  # of an override, nobody knows what it has kept, or why not

    def _obstacle_(self, activation: Activation, outputs: list[Output]) -> str:
        """Return why a replay could not do what the computation did; empty if it could."""
        task, notes = activation.tasks[0], activation.notes
        present = lineage_of(task)
        origin: Lineage = notes.get("origin", present)
        if "lost" in notes:
            return "publishes from a thread that does not say for which call, so that parts may be missing: not cached"
        expected = _expected_state(origin, notes.get("trace"))
        injects = present.injected is not origin.injected
        for out in outputs:
            lineage = lineage_of(out.task)
            if injects or lineage.injected or out.previous is not task:
                return "publishes with another input task, or injects one, which a replay could not: it is not cached"
            if lineage.private_state != expected:
                return "attaches private state to what it publishes, which a replay could not: it is not cached"
            if out.consumer is not None and "#" in out.consumer:
                return "publishes for one of several consumers of the same name, which an entry might mix up: not kept"
        return ""

    def _find_by_hand_(self) -> ByHand:
        if self.cache_automatic is not None:
            return ByHand(not self.cache_automatic, not self.cache_automatic)
        return by_hand(type(self), "consume_work", library_classes(type(self)))


def _expected_state(origin: Lineage, trace: Trace | None) -> dict[str, Any] | None:
    """Return the private state that outputs have after a hit: what came with the input, but what was taken out."""
    if not origin.private_state:
        return None
    taken = private_keys(read_of(question) for question in trace.questions) if trace is not None else []
    return {name: item for name, item in origin.private_state.items() if name not in taken} or None
