"""ConfiguredTaskWorker: a keyed worker with the settings of a cache: which, how long, how large, and how it is used."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, field_validator

from planai.cache.answer import Limits
from planai.cache.cache import Cache, CacheWarning
from planai.cache.codec import Codec
from planai.cache.counters import CacheStats
from planai.cache.opening import Override, StoreName, open_store, override
from planai.cache.store import Order, Store
from planai.cache.tracing import TracingTaskWorker, own_activation
from planai.call import CacheMode, current_activation, mode_of_environment
from planai.errors import ConfigurationError
from planai.logs import show_debug
from planai.task import Task

_making = threading.Lock()
os.register_at_fork(before=_making.acquire, after_in_parent=_making.release, after_in_child=_making.release)

_VERBS = tuple(name for name in vars(Store) if not name.startswith("_"))


class ConfiguredTaskWorker(TracingTaskWorker):
    """A worker with the settings of a cache.

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
        return super()._begin_() | {"_cache_": None, "_missed_": False}

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

    # ---- what they use

    def get_cache(self) -> Cache:
        """Return the worker's entries as a mapping; ``with worker.get_cache() as cache`` works, too."""
        activation = own_activation(self)
        if activation is None:
            return self._present_cache_()
        cache: Cache | None = activation.notes.get("cache")  # the same one as long as a call goes on
        if cache is None:
            cache = activation.notes["cache"] = self._present_cache_()
        return cache

    def _present_cache_(self) -> Cache:
        """Return the cache that the settings ask for as they are now."""
        over = override()
        limits = (self.cache_size_limit, self.cache_disk_limit, self.cache_eviction)
        wanted = (over, self.cache_dir, self.cache_store, self.cache_name, limits, self.output_types)
        known: tuple[object, Cache] | None = self.__dict__["_cache_"]
        if known is None or known[0] != wanted:
            with _making:  # one for all threads: it counts, and warns once
                known = self.__dict__["_cache_"]
                if known is None or known[0] != wanted:
                    wanted = (*wanted[:-1], list(self.output_types))  # which may be changed in place
                    known = self.__dict__["_cache_"] = (wanted, self._make_cache_(over, limits))
        return known[1]

    def _make_cache_(self, over: Override | None, limits: tuple[int | None, int | None, str]) -> Cache:
        store = open_store(self.cache_dir, self.cache_store) if over is None else over.store
        order: Order = "cost" if limits[2] == "cost" else "used"
        return Cache(store, self.cache_space, Codec(self.output_types), Limits(*limits[:2], order), self._ttl_of_)

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

    def cache_warn(self, text: str) -> None:
        """Say what the cache could not do."""
        warnings.warn(f"{self.name}: {text}", CacheWarning, stacklevel=2)

    def cache_age_limit(self, task: Task | None = None) -> float | None:
        """Return the seconds after which an answer to `task` is not given any more; fixtures of tests have no age."""
        return None if override() is not None else self._ttl_of_(task)

    def _ttl_of_(self, task: Task | None = None) -> float | None:
        """Return the time to live of the answer to `task`, or to the task that is being consumed."""
        activation = own_activation(self)
        if activation is not None and "ttl" in activation.notes:
            known: float | None = activation.notes["ttl"]
            return known
        if task is None:
            if activation is None:
                return self.cache_ttl
            task = activation.tasks[0]
        ttl = self.get_ttl(task)
        if ttl is None:
            return None
        if not isinstance(ttl, int | float) or ttl != ttl:  # noqa: PLR0124 - which only NaN is
            raise ConfigurationError(f"{self.name}.get_ttl returned {ttl!r}: return seconds, or None for never")
        return None if ttl > sys.float_info.max else ttl
