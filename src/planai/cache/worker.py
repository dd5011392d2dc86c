"""CachedTaskWorker: a worker whose answers are kept, and replayed when the same is asked again."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable
from functools import partial
from typing import Any

from planai.cache.bundle import Bundle, Published
from planai.cache.manual import ByHand
from planai.cache.migrating import can_migrate
from planai.cache.opening import tell_of_miss
from planai.cache.reasons import REFRESH, REJECTED
from planai.cache.replaying import ReplayingTaskWorker
from planai.call import Activation, CacheMode, Router, current_activation, inside, need_activation
from planai.cost import Cost
from planai.errors import CacheMiss, ConfigurationError, UnkeyableValue
from planai.flow import Blocking, Flow, go_along, go_through
from planai.join import JoinedTaskWorker
from planai.task import Task
from planai.task_types import check_published
from planai.worker import Foreseen


class CachedTaskWorker(ReplayingTaskWorker):
    """A worker whose answers are kept on disk under everything that decides them.

    A call whose key is known publishes what was published then, without running ``consume_work``. A ``consume_work``
    that calls `get_from_cache` or `save_to_cache` itself is left in charge of that.

    >>> import tempfile
    >>> from planai import CachedTaskWorker, Graph, Task
    >>> class Number(Task):
    ...     value: int
    >>> class Square(CachedTaskWorker):
    ...     output_types = [Number]
    ...     def consume_work(self, task: Number) -> None:
    ...         self.publish_work(Number(value=task.value ** 2))
    >>> square = Square(cache_dir=tempfile.mkdtemp())
    >>> graph = Graph(name="squares")
    >>> graph.add_workers(square).set_sink(square, Number)
    >>> graph.run([(square, Number(value=3))]).cache_misses
    1
    >>> again = graph.run([(square, Number(value=3))])
    >>> again.cache_hits, again.outputs
    (1, [Number(value=9)])

    Attributes:
        cache_automatic: whether answers are looked up and stored around ``consume_work``; None for finding out
            from its code.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if isinstance(self, JoinedTaskWorker) and type(self).perform_call is CachedTaskWorker.perform_call:
            raise ConfigurationError(
                f"{self.name!r} is a join and cached: derive it from CachedJoinedTaskWorker, which keeps its answers "
                "under the whole group"
            )

    # ---- what subclasses may override

    def pre_consume_work(self, task: Any) -> None:
        """Do something before the task is consumed; runs on hits, too."""

    def post_consume_work(self, task: Any) -> None:
        """Do something after the task was consumed without an error; runs on hits, too."""

    def should_cache(self, task: Any) -> bool:
        """Tell whether the answer to `task` is looked up and stored."""
        return True

    @property
    def computes_in_replay(self) -> bool:
        """Whether a replay may compute what is not stored: because what it is made of is, and is asked for instead."""
        return False

    # ---- how a call is made

    def perform_call(self, tasks: tuple[Task, ...]) -> Awaitable[None] | None:
        """Replay the answer, or compute and keep it; or return what does so when it is awaited."""
        task = tasks[0]
        activation = need_activation("a call")
        if activation.call is None or not activation.call.resumed:
            self.pre_consume_work(task)
        if self.is_async_worker:
            return go_along(self._look_and_answer_(activation, task))
        try:
            rest = self._look_up_answer_(activation, task)  # a hit takes no generator
            if rest is not None:
                go_through(rest)
        except CacheMiss as miss:
            tell_of_miss(miss)
            raise
        self.post_consume_work(task)
        return None

    def outside_router(self) -> Router:
        """Let tasks that are published outside of a run go nowhere but into the cache."""

        def capture(task: Task, consumer: object) -> tuple[str, ...]:
            check_published(self.name, self.output_types, type(task))
            return () if consumer is None else (getattr(consumer, "name", str(consumer)),)

        return capture

    def foresee(self, task: Task) -> Foreseen | None:
        """Return what is stored for `task`, or why it would be computed; None where only ``consume_work`` knows."""
        mode = self.cache_mode_now()
        if self.__dict__["_by_hand_"].looks or mode == "off" or not self.should_cache(task):
            return None
        key = self._key_(task)
        if mode == "refresh":
            return Foreseen(None, REFRESH, key=key)
        cache, find = self.get_cache(), self._finder_(task)
        hit, reason = cache.peek(key, find, ttl=self.cache_age_limit(task), grace=self.stale_while_revalidate)
        last = cache.resolve(key, find)  # calls that look up different things are different calls
        if hit is None:
            return Foreseen(None, self._reason_(current_activation(), key, reason), key=last)
        value = hit.value
        if type(self).get_from_cache is not CachedTaskWorker.get_from_cache:
            with contextlib.suppress(Exception):  # a run computes what an override cannot read
                value = None
                value = self.get_from_cache(key)
        if value is None or not self._is_valid_(value, task):
            return Foreseen(None, REJECTED, key=last)
        self._take_out_(hit, task)
        outputs = value.outputs if isinstance(value, Bundle) else (Published(value),)
        return Foreseen(tuple((out.task, out.consumer) for out in outputs), "", hit.cost, last)

    def _look_and_answer_(self, activation: Activation, task: Task) -> Flow[None]:
        try:
            rest: Flow[None] | None = yield Blocking(partial(self._look_up_answer_, activation, task))
            if rest is not None:
                yield from rest
        except CacheMiss as miss:
            tell_of_miss(miss)
            raise
        self.post_consume_work(task)

    def _look_up_answer_(self, activation: Activation, task: Task) -> Flow[None] | None:
        """Replay the answer if there is one, or return what is to be done for it."""
        hand: ByHand = self.__dict__["_by_hand_"]
        mode = self.cache_mode_now()
        notes, wanted = activation.notes, self.should_cache(task)
        notes["should cache"] = (task, wanted)  # for those who keep parts of the answer
        if not wanted:
            self._see_first_(task)
            return self._consume_as_flow_(task)
        if hand.looks and hand.stores:
            return self._let_it_answer_(task)
        if mode == "off":
            return self._consume_as_flow_(task)
        key = self._key_(task)
        ttl = notes["ttl"] = self._ttl_of_(task)  # asked once, of the task as it came
        if hand.looks:
            return self._compute_answer_(activation, key, task)
        keeps = mode != "read_only" and (ttl is None or ttl + self.stale_while_revalidate > 0)
        if not (keeps and self._expects_miss_(activation, mode)):
            if self._replay_(key) or self._migrate_answer_(key, task):
                return None
            if mode == "replay" and not self.computes_in_replay:
                raise CacheMiss(f"the mode is 'replay', and {self.explain(task)}")
        if not keeps:  # there is nothing to find after a wait but what is left for those who wait
            return self._compute_once_(key, partial(self._compute_answer_, activation, key, task), _find_nothing)

        def find() -> Flow[bool]:
            found: bool = yield Blocking(partial(self._replay_or_begin_, activation, key))
            return found

        return self._compute_once_(key, partial(self._compute_answer_, activation, key, task), find)

    def _expects_miss_(self, activation: Activation, mode: CacheMode) -> bool:
        """Tell whether to look once only, when it is this call's turn to compute: since the last look was in vain."""
        call = activation.call
        return (
            bool(self.__dict__["_missed_"])
            and mode == "read_write"
            and not self.stale_while_revalidate  # for who is to renew an old answer, the flight has to be free
            and not inside.get()
            and not (call is not None and call.resumed)
            and type(self).get_from_cache is CachedTaskWorker.get_from_cache
            and not any(map(can_migrate, self.output_types))
        )

    def _see_first_(self, task: Task) -> None:
        """See once in a run what counts in keys as it was at first, before a call without a key changes it."""
        notes = need_activation("a call").scope.notes
        if notes.setdefault((self, "seen first"), task) is task:
            with contextlib.suppress(UnkeyableValue):
                self.cache_profile(type(task))

    def _let_it_answer_(self, task: Task) -> Flow[None]:
        """Let a worker compute that asks its cache itself; of equal calls in flight, only one that finds nothing."""
        try:
            key = self._key_(task)  # of the task as it comes
        except UnkeyableValue:  # which it may never ask for
            yield from self._consume_traced_(task)
            return
        if self.cache_mode_now() == "off":
            yield from self._consume_traced_(task)
            return

        def find() -> Flow[bool]:
            found: bool = yield Blocking(partial(self._is_there_now_, key))
            if found:
                yield from self._consume_traced_(task)
            return found

        def compute() -> Flow[None]:
            yield Blocking(self._earlier_profiles_)  # as they are before this is stored
            activation = need_activation("a call")
            activation.notes.pop("generation", None)  # it may clear its cache, and store then
            yield from self._consume_traced_(task)
            self._explain_miss_(activation, key)
            if activation.lookup is not None and not activation.lookup.hit:
                activation.lookup.cost = activation.cost.plus(Cost(activation.elapsed))

        if not (yield from find()):
            yield from self._compute_once_(key, compute, find)

    def _is_there_now_(self, key: str) -> bool:
        if self.cache_mode_now() == "refresh" and key not in self._refreshed_():
            return False
        return self._may_be_there_(need_activation("a call"), key) and self.cache_has(key)

    def _replay_or_begin_(self, activation: Activation, key: str) -> bool:
        """Replay what has been stored meanwhile, and tell whether there was something; else get ready to compute."""
        earlier = activation.lookup
        if earlier is None:  # the first look
            if not self._may_be_there_(activation, key):
                self._debug_("MISS", key)
                self.cache_stats.miss()
                self._note_look_(activation, key, None)
            elif self._replay_(key):
                return True
        elif "refused" not in activation.notes and self._is_there_now_(key) and self._replay_(key, waited=True):
            self._take_back_miss_(earlier)
            self.cache_stats.count(waits=activation.call is None or not activation.call.resumed)
            return True
        self._begin_answer_(activation, key)
        return False


def _find_nothing() -> Flow[bool]:
    """Find nothing, where nothing is stored."""
    yield from ()
    return False
