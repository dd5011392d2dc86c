"""StoringTaskWorker: a keyed worker with a cache, which it asks as its mode allows."""

from __future__ import annotations

import hashlib
import math
import warnings
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, field_validator

from planai.cache.about import PROFILES, About
from planai.cache.answer import Answer, Limits
from planai.cache.bundle import Bundle, Published
from planai.cache.cache import Cache, CacheWarning
from planai.cache.canonical import fields_of, ignored_fields, qualified
from planai.cache.codec import Codec
from planai.cache.counters import CacheStats
from planai.cache.opening import StoreName, open_store, override
from planai.cache.reads import load_read
from planai.cache.reasons import REFRESH
from planai.cache.shown import short_text
from planai.cache.store import Order, Store
from planai.cache.tracing import TracingTaskWorker
from planai.call import Activation, CacheMode, current_activation, mode_of_environment
from planai.cost import FREE, Cost
from planai.errors import CacheMiss, ConfigurationError, UnkeyableValue
from planai.events import Lookup
from planai.logs import show_debug
from planai.task import Task, lineage_of

_VERBS = tuple(name for name in vars(Store) if not name.startswith("_"))


class StoringTaskWorker(TracingTaskWorker):
    """A worker that can keep answers, and find them again.

    Attributes:
        cache_dir: the folder; it is made when it is first needed, private to its owner. Workers may share it.
        cache_store: ``"sqlite"``; ``"memory"`` for as long as the process lives; ``"diskcache"``, which needs
            ``pip install "planai[diskcache]"``; or a `Store` of your own.
        cache_ttl: seconds after which an answer is computed again; None for never, 0 for at once.
        stale_while_revalidate: seconds after that in which the old answer is still given, while it is computed again
            in the background, once.
        cache_size_limit: how many entries of this worker are kept; the least recently used go first.
        cache_disk_limit: how many bytes its entries may have.
        cache_eviction: ``"lru"``; or ``"cost"``, by which those go first that cost the fewest seconds per byte.
        cache_mode: ``"read_write"``; ``"refresh"`` computes once in each run, and overwrites; ``"read_only"`` stores
            nothing; ``"replay"`` raises `CacheMiss` where nothing is stored; ``"off"``. None leaves it to
            ``graph.run(cache_mode=...)``, and then to the environment variable PLANAI_CACHE_MODE.
        debug_cache: log keys, hits and misses to the worker's logger, and show them.
    """

    cache_dir: str | Path = "./cache"
    cache_store: Any = "sqlite"
    cache_ttl: float | None = Field(default=None, ge=0)
    stale_while_revalidate: float = Field(default=0.0, ge=0)
    cache_size_limit: int | None = Field(default=None, ge=1)
    cache_disk_limit: int | None = Field(default=None, ge=1)
    cache_eviction: Literal["lru", "cost"] = "lru"
    cache_mode: CacheMode | None = None
    debug_cache: bool = False

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self.debug_cache:
            show_debug(self.logger)

    def _begin_(self) -> dict[str, Any]:
        return super()._begin_() | {"_cache_": None}

    @field_validator("cache_store")
    @classmethod
    def _has_to_be_a_store_(cls, chosen: Any) -> Any:
        names = get_args(StoreName)
        is_store = not isinstance(chosen, type) and all(callable(getattr(chosen, verb, None)) for verb in _VERBS)
        if not is_store and not (isinstance(chosen, str) and chosen in names):
            raise ValueError(f"cache_store is {chosen!r}: choose {', '.join(map(repr, names))}, or pass a Store")
        return chosen

    # ---- what subclasses may override

    def get_ttl(self, task: Any) -> float | None:
        """Return the seconds after which the answer to `task` is computed again; None for never."""
        return self.cache_ttl

    def get_from_cache(self, task_or_key: Any) -> Any:
        """Return the stored answer: a task, or a `Bundle` where not exactly one was published; None for a miss.

        The framework calls it with a key; whatever `publish_work` accepts may be returned.

        Raises:
            CacheMiss: in the mode ``replay``, when ``consume_work`` itself asks for what is not stored.
        """
        key = self._key_(task_or_key)
        activation = self._own_activation_()
        mode = self.cache_mode_now()
        if mode == "off":
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
            activation.source = self.cache_answer_id(key)
            activation.notes["hit"] = hit
            if hit is None:
                activation.lookup = Lookup(hit=False, reason=reason)
            else:
                waited = activation.call is not None and activation.call.resumed
                activation.lookup = Lookup(hit=True, cost=hit.cost, waited=waited, stale=hit.stale)
                if waited:
                    self.get_cache().stats.count(waits=1)
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
        activation = self._own_activation_()
        task = activation.tasks[0] if task is None and activation is not None else task
        try:
            reads = self._reads_()
        except UnkeyableValue as error:
            self.cache_warn(
                f"is not cached, since it looked up in the provenance of its input what has no identity: {error}"
            )
            return
        cost = FREE if activation is None else self._cost_(activation)
        answer = Answer(
            value,
            self._ttl_of_(task),
            self.stale_while_revalidate,
            cost,
            self._about_(key, task, value, reads),
            reads,
            None if activation is None else activation.notes.get("generation"),
            self.cache_answer_id(key),
        )
        stored = self.get_cache().keep(key, answer)
        if stored:
            self._keep_profile_(task)
            if mode == "refresh":
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

    def get_cache(self) -> Cache:
        """Return the worker's entries as a mapping; ``with worker.get_cache() as cache`` works, too."""
        over = override()
        limits = (self.cache_size_limit, self.cache_disk_limit, self.cache_eviction)
        wanted = (over, self.cache_dir, self.cache_store, self.cache_name, limits, self.output_types)
        known: tuple[object, Cache] | None = self.__dict__["_cache_"]
        if known is None or known[0] != wanted:
            wanted = (*wanted[:-1], list(self.output_types))  # which may be changed in place
            store = open_store(self.cache_dir, self.cache_store) if over is None else over.store
            order: Order = "cost" if self.cache_eviction == "cost" else "used"
            cache = Cache(store, self.cache_space, Codec(self.output_types), Limits(*limits[:2], order), self._ttl_of_)
            known = self.__dict__["_cache_"] = (wanted, cache)
        return known[1]

    @property
    def cache_stats(self) -> CacheStats:
        """What the worker's cache did in this process."""
        return self.get_cache().stats

    def clear_cache(self) -> None:
        """Remove all entries of this worker; what is being computed meanwhile is not stored any more."""
        self.get_cache().clear()

    def cache_mode_now(self) -> CacheMode:
        """Return how the cache is used now: as the worker says, else as the run does, else as PLANAI_CACHE_MODE does.

        Raises:
            ConfigurationError: the variable has a value that is no mode.
        """
        over = override()
        if over is not None:
            return over.mode
        if self.cache_mode is not None:
            return self.cache_mode
        activation = current_activation()
        if activation is None:
            return mode_of_environment()
        if activation.scope.cache_mode is None:
            activation.scope.cache_mode = mode_of_environment()  # which holds for the whole run
        return activation.scope.cache_mode

    # ---- what the kinds of cached workers use

    @property
    def looks_by_hand(self) -> bool:
        """Whether ``consume_work`` itself looks answers up."""
        return False

    def cache_answer_id(self, key: str) -> str:
        """Return 16 hexadecimal digits that name the answer at `key` in what is computed from it."""
        name = f"{self.cache_space}\0{key}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(name, digest_size=8).hexdigest()

    def cache_warn(self, text: str) -> None:
        """Say what the cache could not do."""
        warnings.warn(f"{self.name}: {text}", CacheWarning, stacklevel=2)

    def _may_be_there_(self, key: str) -> bool:
        """Tell whether a look at `key` may find what the last one did not; else take note that none was there."""
        activation = self._own_activation_()
        if activation is None or self._finder_(None) is not None:  # which leads to another key
            return True
        generation = self.get_cache().begin(key)
        if generation is None:
            return True
        activation.notes["generation"] = generation
        return False

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
        activation = self._own_activation_()
        profile, parts = ("", {}) if activation is None else activation.notes.get("parts", ("", {}))
        ignored = ignored_fields(type(task))
        fields = {name: short_text(item) for name, item in fields_of(task).items() if name not in ignored}
        return About(
            self.cache_answer_id(key), profile, parts, qualified(type(task)), fields, list(lineage_of(task).sources)
        )

    def _about_(self, key: str, task: Task | None, value: Any, reads: list[tuple[str, str]]) -> bytes:
        tasks = [output.task for output in value.outputs] if isinstance(value, Bundle) else [value]
        outputs = [qualified(type(one)) for one in tasks]
        shown = [(str(load_read(look_up)), found[:12]) for look_up, found in reads]
        return About(*self.about_answer(key, task)[:6], outputs, shown).dump()

    def _keep_profile_(self, task: Task | None) -> None:
        """Store the profile beside the worker's answers, once in each run."""
        activation = self._own_activation_()
        if task is None or activation is None or "parts" not in activation.notes:
            return
        digest = activation.notes["parts"][0]
        written = activation.scope.notes.setdefault((self, "profiles"), set())
        if digest not in written:
            written.add(digest)
            kind = type(task)
            self.get_cache().note(PROFILES + self.cache_space, digest, lambda: self.cache_description(kind).dump())

    # ---- times

    def cache_age_limit(self, task: Task | None = None) -> float | None:
        """Return the seconds after which an answer to `task` is not given any more; fixtures of tests have no age."""
        return None if override() is not None else self._ttl_of_(task)

    def _ttl_of_(self, task: Task | None = None) -> float | None:
        """Return the time to live of the answer to `task`, or to the task that is being consumed."""
        activation = self._own_activation_()
        if activation is not None and "ttl" in activation.notes:
            known: float | None = activation.notes["ttl"]
            return known
        if task is None:
            if activation is None:
                return self.cache_ttl
            task = activation.tasks[0]
        ttl = self.get_ttl(task)
        if ttl is not None and (not isinstance(ttl, int | float) or math.isnan(ttl)):
            raise ConfigurationError(f"{self.name}.get_ttl returned {ttl!r}: return seconds, or None for never")
        return None if ttl == math.inf else ttl

    # ---- keys

    def _key_(self, task_or_key: Any) -> str:
        if isinstance(task_or_key, str):
            return task_or_key
        if not isinstance(task_or_key, Task):
            raise ConfigurationError(
                f"{self.name!r} looks up a {type(task_or_key).__name__}: pass a task, or a key as a str"
            )
        activation = self._own_activation_()
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
