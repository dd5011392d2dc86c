"""StoringTaskWorker: a keyed worker with a cache, which it asks as its mode allows."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from planai.cache.about import PROFILES, About
from planai.cache.answer import Answer, Hit
from planai.cache.bundle import Bundle, Published
from planai.cache.canonical import fields_of, ignored_fields, qualified
from planai.cache.configured import ConfiguredTaskWorker
from planai.cache.reads import load_read
from planai.cache.reasons import REFRESH
from planai.cache.shown import named_text
from planai.cache.tracing import own_activation
from planai.call import Activation, current_activation
from planai.cost import FREE, Cost
from planai.errors import CacheMiss, ConfigurationError, UnkeyableValue
from planai.events import Lookup
from planai.planai_cached import PlanAICached
from planai.task import Task, lineage_of


class StoringTaskWorker(PlanAICached, ConfiguredTaskWorker):
    """A worker that can keep answers, and find them again."""

    # ---- what subclasses may override

    def get_from_cache(self, task_or_key: Any) -> Any:
        """Return the stored answer: a task, or a `Bundle` where not exactly one was published; None for a miss.

        The framework calls it with a key; whatever `publish_work` accepts may be returned.

        Raises:
            CacheMiss: in the mode ``replay``, when ``consume_work`` itself asks for what is not stored.
        """
        key = self._key_(task_or_key)
        activation = own_activation(self)
        mode = self.cache_mode_now()
        left: Hit | None = None if activation is None else activation.notes.pop("left", None)
        if left is not None:
            hit, reason = left, ""
            self.get_cache().stats.hit(left.cost)
        elif mode == "off":
            hit, reason = None, ""
        elif mode == "refresh" and key not in self._refreshed_():
            hit, reason = None, REFRESH
            self.get_cache().stats.miss(REFRESH)
        else:
            hit, reason = self.get_cache().look(
                key,
                self._finder_(task_or_key if isinstance(task_or_key, Task) else None),
                ttl=self.cache_age_limit(task_or_key if isinstance(task_or_key, Task) else None),
                grace=self.stale_while_revalidate,
                repair=mode in ("read_write", "refresh"),
            )
        self._debug_("MISS" if hit is None else "HIT", key)
        if activation is not None and mode != "off":
            self._note_look_(activation, key, hit, reason)
            if mode == "replay" and hit is None and self.looks_by_hand:
                raise CacheMiss(f"the mode is 'replay', and {self._why_missing_(key)}")
        if hit is None or hit.value is None:
            return None
        return hit.value or (Bundle((Published(hit.value),)) if isinstance(hit.value, Task) else hit.value)

    def save_to_cache(self, task_or_key: Any, value: Any) -> None:
        """Store `value` as the answer: a task, a `Bundle`, bytes, or plain data.

        What would not come back exactly is not stored; a `CacheWarning` names the field.
        """
        key, mode = self._key_(task_or_key), self.cache_mode_now()
        if mode not in ("read_write", "refresh"):
            return
        task = task_or_key if isinstance(task_or_key, Task) else None
        activation = own_activation(self)
        task = activation.tasks[0] if task is None and activation is not None else task
        try:
            reads = [] if activation is None else self._reads_(activation)
        except UnkeyableValue as error:
            self.cache_warn(
                f"is not cached, since it looked up in the provenance of its input what has no identity: {error}"
            )
            return
        notes = {} if activation is None else activation.notes
        cost = FREE if activation is None else self._cost_(activation)
        about = self._about_(key, task, value, reads, notes)
        answer = Answer(
            value,
            self._ttl_of_(task),
            self.stale_while_revalidate,
            cost,
            about.dump(),
            reads,
            notes.get("generation"),
            about.id,
        )
        stored = self.get_cache().keep(key, answer)
        if stored and task is not None and activation is not None:
            self._keep_profile_(activation, type(task))
        if stored and mode == "refresh":
            self._refreshed_().add(key)
        if activation is not None and activation.lookup is not None:
            activation.lookup.stored = stored
        self._debug_("STORED" if stored else "NOT STORED", key)

    # ---- what they use

    def is_cached(self, task: Any) -> bool:
        """Tell whether there is an answer to `task` that can be used."""
        subject = task if isinstance(task, Task) else None
        return self.cache_has(self._key_(task), subject)

    def cache_has(self, key: str, task: Task | None = None) -> bool:
        """Tell whether there is an answer at `key` that can be used, for the task that is being consumed or `task`."""
        ttl, grace = self.cache_age_limit(task), self.stale_while_revalidate
        return self.get_cache().peek(key, self._finder_(task), ttl=ttl, grace=grace)[0] is not None

    # ---- what the kinds of cached workers use

    @property
    def looks_by_hand(self) -> bool:
        """Whether ``consume_work`` itself looks answers up."""
        return False

    def cache_answer_id(self, key: str) -> str:
        """Return 16 hexadecimal digits that name the answer at `key` in what is computed from it."""
        return _answer_id(self.cache_space, key)

    def _may_be_there_(self, activation: Activation, key: str) -> bool:
        """Tell whether a look at `key` may find what the last one did not; else take note that none was there."""
        if self._finder_(None) is not None:  # which leads to another key
            return True
        generation = self.get_cache().begin(key)
        if generation is None:
            return True
        activation.notes["generation"] = generation
        return False

    def _note_look_(self, activation: Activation, key: str, hit: Hit | None, reason: str = "") -> None:
        """Let the present call know what a look at `key` found."""
        activation.source = self.cache_answer_id(key)
        activation.notes["hit"] = hit
        self.__dict__["_missed_"] = hit is None
        if hit is None:
            activation.lookup = Lookup(hit=False, reason=reason)
            return
        waited = activation.call is not None and activation.call.resumed
        activation.lookup = Lookup(hit=True, cost=hit.cost, waited=waited, stale=hit.stale)
        if waited:
            self.cache_stats.count(waits=1)

    def _why_missing_(self, key: str) -> str:
        return f"{self.name!r} has nothing stored at the key {key!r}"

    def _refreshed_(self) -> set[str]:
        """Return the keys whose answers were stored in the present run."""
        activation = current_activation()
        if activation is None:
            return set()
        found: set[str] = activation.scope.notes.setdefault((self, "refreshed"), set())
        return found

    def _cost_(self, activation: Activation) -> Cost:
        """Return what the answer of the present call took to compute; of a migrated one, at first."""
        known: Cost | None = activation.notes.get("cost")
        return known or activation.cost.plus(Cost(activation.elapsed))

    # ---- what is written beside an answer

    def about_answer(self, key: str, task: Task | None) -> About:
        """Return what is known of an answer before it is there: its key and its input."""
        if task is None:
            return About(self.cache_answer_id(key))
        activation = own_activation(self)
        profile, parts = ("", {}) if activation is None else activation.notes.get("parts", ("", {}))
        kind = type(task)
        ignored = ignored_fields(kind)
        fields = {name: named_text(name, item) for name, item in fields_of(task).items() if name not in ignored}
        sources = list(lineage_of(task).sources)
        return About(self.cache_answer_id(key), profile, parts, qualified(kind), fields, sources)

    def _about_(
        self, key: str, task: Task | None, value: Any, reads: list[tuple[str, str]], notes: dict[str, Any]
    ) -> About:
        tasks = [output.task for output in value.outputs] if isinstance(value, Bundle) else [value]
        outputs = [qualified(type(one)) for one in tasks]
        shown = [(str(load_read(look_up)), found[:12]) for look_up, found in reads]
        models = {name: notes[name] for name in ("responses", "usage") if name in notes}
        return About(*self.about_answer(key, task)[:6], outputs, shown, **models)

    def _keep_profile_(self, activation: Activation, kind: type[Task]) -> None:
        """Store the profile beside the worker's answers, once in each run."""
        if "parts" not in activation.notes:
            return
        digest = activation.notes["parts"][0]
        written = activation.scope.notes.setdefault((self, "profiles"), set())
        if digest not in written:
            written.add(digest)
            self.get_cache().note(PROFILES + self.cache_space, digest, lambda: self.cache_description(kind).dump())

    # ---- keys

    def _key_(self, task_or_key: Any) -> str:
        if isinstance(task_or_key, str):
            return task_or_key
        if not isinstance(task_or_key, Task):
            raise ConfigurationError(
                f"{self.name!r} looks up a {type(task_or_key).__name__}: pass a task, or a key as a str"
            )
        activation = own_activation(self)
        if activation is None or task_or_key is not activation.tasks[0]:
            return self._made_key_(task_or_key)
        key: str | None = activation.notes.get("key")
        if key is None:  # else it is that of the task as it came, whatever was done to it since
            key = activation.notes["key"] = self._untraced_key_(task_or_key)
        return key

    def _untraced_key_(self, task: Task) -> str:
        """Make a key; what that looks up in the provenance is in the key, and need not be noted."""
        watch = lineage_of(task).watch
        if watch is None:
            return self._made_key_(task)
        watch.trace.paused = True
        try:
            return self._made_key_(task)
        finally:
            watch.trace.paused = False

    def _made_key_(self, task: Task) -> str:
        key = self.get_cache_key(task)
        if not isinstance(key, str):
            raise ConfigurationError(f"{self.name}.get_cache_key returned a {type(key).__name__}: return a str")
        return key

    def _debug_(self, what: str, key: str) -> None:
        if self.debug_cache:
            self.logger.debug("cache %s %s", what, key)


@functools.lru_cache(maxsize=256)
def _answer_id(space: str, key: str) -> str:
    return hashlib.blake2b(f"{space}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
