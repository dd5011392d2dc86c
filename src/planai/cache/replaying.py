"""Replaying: how an answer from the cache is published in place of a computation, or refused."""

from __future__ import annotations

from typing import Any

from planai.cache.about import load_about, usage_of
from planai.cache.answer import Hit, Left
from planai.cache.bundle import Bundle, Published
from planai.cache.codec import Codec, Undecodable
from planai.cache.computing import ComputingTaskWorker
from planai.cache.key import key_of
from planai.cache.migrating import can_migrate, may_be_migrated
from planai.cache.reads import load_read, private_keys
from planai.cache.reasons import MISFIT, REJECTED
from planai.call import Activation, need_activation
from planai.errors import PublishError, UnkeyableValue
from planai.events import Lookup
from planai.task import Task
from planai.worker import TaskWorker


class ReplayingTaskWorker(ComputingTaskWorker):
    """What a cached worker does with an answer that was found."""

    def publish_work(self, task: Any, input_task: Task | None = None, consumer: TaskWorker | None = None) -> None:
        """Publish `task`, or all tasks of a `Bundle` from the cache to the consumers that they went to at first."""
        if not isinstance(task, Bundle):
            super().publish_work(task, input_task, consumer)
            return
        activation = need_activation("publishing", self)
        for output in task.outputs:
            activation.publish(output.task, input_task, output.consumer)  # type: ignore[arg-type]

    def _cache_hit_is_valid(self, task: Any, cached_results: list[tuple[str | None, Any]]) -> bool:
        """Tell whether an answer may be used: PlanAI's hook. To override `get_from_cache` does the same, and more."""
        return True

    def _is_valid_(self, value: Any, task: Task) -> bool:
        if type(self)._cache_hit_is_valid is ReplayingTaskWorker._cache_hit_is_valid:  # noqa: SLF001 - its own
            return True
        outputs = value.outputs if isinstance(value, Bundle) else [Published(value)]
        return self._cache_hit_is_valid(task, [(one.consumer, one.task) for one in outputs])

    def _replay_(self, key: str, *, waited: bool = False) -> bool:
        """Publish the answer at `key`, and tell whether there was one."""
        activation = need_activation("a call")
        try:
            value = self.get_from_cache(key)
        except Exception as error:  # noqa: BLE001 - an override may raise anything; a broken cache breaks no run
            self.cache_warn(f"get_from_cache raised {type(error).__name__}: {error}; the answer is computed again")
            value = None
        if value is None:
            activation.lookup = Lookup(hit=False, reason=activation.lookup.reason if activation.lookup else "")
            return False
        if not self._is_valid_(value, activation.tasks[0]):
            return self._refuse_(REJECTED)
        waited = waited or (activation.call is not None and activation.call.resumed)
        if activation.lookup is None:
            activation.lookup = Lookup(hit=True)
        activation.lookup.hit, activation.lookup.waited = True, waited
        hit: Hit | None = activation.notes.get("hit")
        if hit is not None:
            self._take_out_(hit, activation.tasks[0])
        try:
            self.publish_work(value)
        except PublishError:
            activation.outputs.clear()
            return self._refuse_(MISFIT)
        if hit is not None and (saved := usage_of(hit.about)).answers:
            activation.scope.bills.save(activation.on_bill, saved)
        if hit is not None and hit.stale and self.cache_mode_now() in ("read_write", "refresh"):
            self._renew_answer_(key, activation.tasks[0])
        return True

    def _refuse_(self, reason: str) -> bool:
        """Count the answer that was found as a miss after all, and look no further in this call: it cannot be used."""
        activation = need_activation("a call")
        activation.notes["refused"] = True
        activation.lookup = Lookup(hit=False, reason=reason)
        hit: Hit | None = activation.notes.get("hit")
        if hit is not None:
            self.cache_stats.take_back_hit(hit.cost, reason)
        return False

    def _replay_left_(self, key: str, left: Left) -> bool:
        activation = need_activation("a call")
        find, earlier = self._finder_(None), activation.lookup
        was_counted = "hit" in activation.notes
        if left.payload is None or type(self).get_from_cache is not ComputingTaskWorker.get_from_cache:
            return False
        try:
            if any(find is None or find(look_up) != found for look_up, found in left.reads):
                return False
            value = Codec(self.output_types).decode(left.payload)
        except (UnkeyableValue, Undecodable):
            return False
        activation.notes["left"] = Hit(value, left.cost, reads=tuple(look_up for look_up, _ in left.reads))
        if not self._replay_(key, waited=True):
            return False
        if was_counted and earlier is not None:
            self.cache_stats.take_back_miss(earlier.reason)
        self.cache_stats.count(waits=activation.call is None or not activation.call.resumed)
        return True

    def _migrate_answer_(self, key: str, task: Task) -> bool:
        """Publish an answer of an earlier version of the output types, if they can migrate one."""
        if self.cache_mode_now() == "refresh" or not any(map(can_migrate, self.output_types)):
            return False
        activation = need_activation("a call")
        if "parts" not in activation.notes:
            return False
        profile, parts = activation.notes["parts"]
        present = self.cache_description(type(task))
        for name, old in reversed(self._earlier_profiles_().items()):
            if name == profile or not may_be_migrated(old, present):
                continue
            earlier = key_of(name, parts)
            if self.cache_has(earlier) and self._replay_(earlier):
                activation.source = self.cache_answer_id(key)
                activation.notes["cost"] = activation.lookup and activation.lookup.cost
                self._take_along_(activation)
                self._keep_outputs_(key, activation.outputs)
                return True
        return False

    def _take_along_(self, activation: Activation) -> None:
        """Let what is kept of the answer of an earlier version tell, too, what models took for it."""
        hit: Hit | None = activation.notes.get("hit")
        about = None if hit is None else load_about(hit.about)
        if about is not None:
            activation.notes.update(responses=about.responses, usage=about.usage)

    def _take_out_(self, hit: Hit, task: Task) -> None:
        """Take private state out of the input, as the computation did, so that nobody downstream gets it."""
        for name in private_keys(load_read(text) for text in hit.reads):
            task.get_private_state(name)
