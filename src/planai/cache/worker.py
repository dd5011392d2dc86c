"""CachedTaskWorker: a worker whose answers are kept, and replayed when the same is asked again."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Hashable
from contextvars import ContextVar
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from pydantic import Field

from planai.cache.bundle import Bundle, Published
from planai.cache.cache import Cache, CacheWarning, Limits, open_flights, open_store
from planai.cache.canonical import canonical, ignored_fields, qualified
from planai.cache.changes import changed_names
from planai.cache.codec import Codec
from planai.cache.key import key_of, schemas_of
from planai.cache.manual import ByHand, by_hand, reads_ancestry
from planai.cache.memo import per_class
from planai.cache.source import code_of_model, code_of_worker
from planai.call import Park, Router, current_activation, need_activation
from planai.errors import ConfigurationError
from planai.events import Output
from planai.join import JoinedTaskWorker
from planai.task import Task, lineage_of
from planai.worker import TaskWorker, check_published

_computing: ContextVar[bool] = ContextVar("planai_computing", default=False)


class CachedTaskWorker(TaskWorker):
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
        cache_dir: the folder; it is made when it is first needed, private to its owner. Workers may share it.
        cache_ttl: seconds after which an answer is computed again; None for never, 0 for at once.
        cache_size_limit: how many entries of this worker are kept; the least recently used go first.
        cache_disk_limit: how many bytes its entries may have.
        debug_cache: log keys, hits and misses to the worker's logger, and show them.
        cache_automatic: whether answers are looked up and stored around ``consume_work``; None for finding out
            from its code.
    """

    cache_dir: str | Path = "./cache"
    cache_ttl: float | None = Field(default=None, ge=0)
    cache_size_limit: int | None = Field(default=None, ge=1)
    cache_disk_limit: int | None = Field(default=None, ge=1)
    debug_cache: bool = False
    cache_automatic: bool | None = None

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.__dict__["_by_hand"] = self._find_by_hand()
        self.__dict__["_cache"] = None
        self.__dict__["_state"] = ((), "", None)
        self.__dict__["_first"] = {}
        if isinstance(self, JoinedTaskWorker):
            raise ConfigurationError(
                f"{self.name!r} is a join and cached, which this version does not know: "
                "let the join publish its group, and a cached worker after it consume that"
            )
        if self.debug_cache:
            _show_debug(self.logger)

    # ---- what subclasses may override

    def pre_consume_work(self, task: Any) -> None:
        """Do something before the task is consumed; runs on hits, too."""

    def post_consume_work(self, task: Any) -> None:
        """Do something after the task was consumed without an error; runs on hits, too."""

    def extra_cache_key(self, task: Any) -> str:
        """Return what decides the answer besides the task, the settings and the code."""
        return ""

    def should_cache(self, task: Any) -> bool:
        """Tell whether the answer to `task` is looked up and stored."""
        return True

    def get_ttl(self, task: Any) -> float | None:
        """Return the seconds after which the answer to `task` is computed again; None for never."""
        return self.cache_ttl

    def get_cache_key(self, task: Any) -> str:
        """Return the key of the answer to `task`.

        An override replaces all of it: code and settings count only where ``super().get_cache_key(task)`` is part
        of the result. Keys of different worker classes never meet.

        Raises:
            UnkeyableValue: a field of the task, or a setting, has no identity; the message names it.
        """
        return key_of(self.key_parts(task))

    def get_from_cache(self, task_or_key: Any) -> Any:
        """Return the stored answer: a task, or a `Bundle` where not exactly one was published; None for a miss.

        The framework calls it with a key; whatever `publish_work` accepts may be returned.
        """
        key = self._key(task_or_key)
        hit = self.get_cache().lookup(key)
        self._debug("MISS" if hit is None else "HIT", key)
        activation = current_activation()
        if activation is not None and activation.worker is self:
            activation.replayed = hit is not None
            activation.saved += 0.0 if hit is None else hit.seconds
        if hit is None or hit.value is None:
            return None
        return hit.value or (Bundle((Published(hit.value),)) if isinstance(hit.value, Task) else hit.value)

    def save_to_cache(self, task_or_key: Any, value: Any) -> None:
        """Store `value` as the answer: a task, a `Bundle`, bytes, or plain data.

        What would not come back exactly is not stored; a `CacheWarning` names the field.
        """
        key = self._key(task_or_key)
        task = task_or_key if isinstance(task_or_key, Task) else None
        activation = current_activation()
        seconds = activation.elapsed if activation is not None and activation.worker is self else 0.0
        kept = self.get_cache().keep(key, value, self._ttl_of(task), seconds)
        self._debug("STORED" if kept else "NOT STORED", key)

    # ---- what they use

    def is_cached(self, task: Any) -> bool:
        """Tell whether there is an answer to `task` that can be used."""
        return self._key(task) in self.get_cache()

    def get_cache(self) -> Cache:
        """Return the worker's entries as a mapping; ``with worker.get_cache() as cache`` works, too."""
        wanted = (self.cache_dir, self.cache_size_limit, self.cache_disk_limit, tuple(self.output_types))
        known: tuple[object, Cache] | None = self.__dict__["_cache"]
        if known is None or known[0] != wanted:
            limits = Limits(self.cache_size_limit, self.cache_disk_limit)
            codec = Codec(self.output_types)
            cache = Cache(open_store(self.cache_dir), qualified(type(self)), codec, limits, self._ttl_of)
            known = self.__dict__["_cache"] = (wanted, cache)
        return known[1]

    def clear_cache(self) -> None:
        """Remove all entries of this worker class."""
        self.get_cache().clear()

    def publish_work(self, task: Any, input_task: Task | None = None, consumer: TaskWorker | None = None) -> None:
        """Publish `task`, or all tasks of a `Bundle` from the cache to the consumers that they went to at first."""
        if not isinstance(task, Bundle):
            super().publish_work(task, input_task, consumer)
            return
        activation = need_activation(f"publishing from {self.name!r}")
        for output in task.outputs:
            activation.publish(output.task, input_task, output.consumer)  # type: ignore[arg-type]

    def key_parts(self, task: Any) -> dict[str, bytes]:
        """Return what decides the answer to `task`, by name."""
        return {
            "worker": qualified(type(self)).encode(),
            "code": code_of_worker(type(self)).digest().encode(),
            "types' code": canonical([code_of_model(kind).digest() for kind in (type(task), *self.output_types)]),
            "settings": self.key_settings(),
            "outputs": schemas_of(self.output_types),
            "state": self._own_state().encode(),
            "ancestry": self._ancestry(task),
            "task": canonical(task, f"the key of {self.name!r}: {type(task).__name__}"),
            "extra": canonical(self.extra_cache_key(task), f"extra_cache_key of {self.name!r}"),
        }

    def key_settings(self) -> bytes:
        """Return the settings that the worker's own classes declare, without those marked with `CacheIgnore`."""
        settings = {name: self._deciding(name, getattr(self, name)) for name in _deciding_settings(type(self))}
        return canonical(settings, f"the key of {self.name!r}: settings")

    def _own_state(self) -> str:
        """Return a digest of the attributes that the worker was given besides its settings.

        What its calls assign to, such as a counter, and a dict or list count as they were at first.
        """
        given = {
            name: self._deciding(name, value)
            for name, value in {**self.__dict__, **(self.__pydantic_private__ or {})}.items()
            if name not in type(self).model_fields and name not in _INTERNAL
        }
        if not given:
            return ""
        identity = tuple(item for name, value in given.items() for item in (name, id(value)))
        known: tuple[tuple[object, ...], str, object] = self.__dict__["_state"]
        if known[0] != identity:
            found = code_of_worker(type(self)).of_objects(sorted(given.items(), key=itemgetter(0)))
            known = self.__dict__["_state"] = (identity, found, given)  # which keeps the ids from being used again
        return known[1]

    def _deciding(self, name: str, value: Any) -> Any:
        """Return the value that counts: the present one, or the first one of what calls change."""
        first: dict[str, Any] = self.__dict__["_first"]
        return first.setdefault(name, value) if name in changed_names(type(self)) else value

    def _ancestry(self, task: Task) -> bytes:
        """Return what the task was computed from, where the worker's code looks at that."""
        if not _reads_ancestry(type(self)):
            return b""
        where = f"the key of {self.name!r}: what its input comes from"
        return canonical([task.copy_input_provenance(), lineage_of(task).private_state], where)

    # ---- how a call is made

    def perform_call(self, tasks: tuple[Task, ...]) -> None:
        """Replay the answer, or compute and keep it."""
        task = tasks[0]
        call = need_activation("a call").call
        if call is None or not call.resumed:
            self.pre_consume_work(task)
        self._answer(task)
        self.post_consume_work(task)

    def outside_router(self) -> Router:
        """Let tasks that are published outside of a run go nowhere but into the cache."""

        def capture(task: Task, consumer: object) -> tuple[str, ...]:
            check_published(self.name, self.output_types, type(task))
            return () if consumer is None else (getattr(consumer, "name", str(consumer)),)

        return capture

    def _answer(self, task: Task) -> None:
        hand: ByHand = self.__dict__["_by_hand"]
        if (hand.looks and hand.stores) or not self.should_cache(task):
            self.consume_work(task)
            return
        key = self._key(task)
        if hand.looks:
            self._compute(key, task)
            return
        version = self.get_cache().version()
        if not self._replay(key):
            self._compute_once(key, task, version)

    def _compute_once(self, key: str, task: Task, version: Hashable) -> None:
        """Compute, unless somebody else does just now, and then replay.

        Who computes already waits for nobody, lest two that wait for each other wait for ever. The answer may have been
        stored since the cache, in its `version`, was asked for it.
        """
        flights, name = open_flights(self.cache_dir), f"{qualified(type(self))}\0{key}"
        if _computing.get():
            self._compute(key, task)
            return
        owns = False
        try:
            while not (owns := flights.begin(name)):
                if need_activation("a call").call is not None:
                    raise Park(partial(flights.when_over, name))
                flights.wait(name)
                if self._replay(key):
                    return
            may_be_there = flights.has_ended(name) or self.get_cache().version() != version
            if not (may_be_there and key in self.get_cache() and self._replay(key)):
                self._compute_as_owner(key, task)
        finally:
            if owns:
                flights.end(name)

    def _compute_as_owner(self, key: str, task: Task) -> None:
        token = _computing.set(True)
        try:
            self._compute(key, task)
        finally:
            _computing.reset(token)

    def _compute(self, key: str, task: Task) -> None:
        activation = need_activation("a call")
        activation.notes["ttl"] = self._ttl_of(task)  # asked of the task as it came
        self.consume_work(task)
        found_by_hand = activation.replayed and self.__dict__["_by_hand"].looks  # and is stored already
        if not self.__dict__["_by_hand"].stores and not found_by_hand:
            self._keep(key, activation.outputs)

    def _replay(self, key: str) -> bool:
        """Publish the answer at `key`, and tell whether there was one."""
        activation = need_activation("a call")
        try:
            value = self.get_from_cache(key)
        except Exception as error:  # noqa: BLE001 - an override may raise anything; a broken cache breaks no run
            self._warn(f"get_from_cache raised {type(error).__name__}: {error}; the answer is computed again")
            value = None
        activation.replayed = value is not None
        if value is not None:
            self.publish_work(value)
        return value is not None

    def _keep(self, key: str, outputs: list[Output]) -> None:
        """Store what was published; whatever happens, the run goes on with it."""
        task = need_activation("a call").tasks[0]
        if any(out.previous is not task or lineage_of(out.task).injected for out in outputs):
            self._warn("publishes with another input task, or injects one, which a replay could not: it is not cached")
            return
        if any("#" in (out.consumer or "") for out in outputs):
            self._warn("publishes for one of several consumers of the same name, which an entry might mix up: not kept")
            return
        single = len(outputs) == 1 and outputs[0].consumer is None
        value = outputs[0].task if single else Bundle(tuple(Published(out.task, out.consumer) for out in outputs))
        try:
            self.save_to_cache(key, value)
        except Exception as error:  # noqa: BLE001 - an override may raise anything; a broken cache breaks no run
            self._warn(f"save_to_cache raised {type(error).__name__}: {error}; the answer is not kept")

    def _key(self, task_or_key: Any) -> str:
        if isinstance(task_or_key, str):
            return task_or_key
        if not isinstance(task_or_key, Task):
            raise ConfigurationError(
                f"{self.name!r} looks up a {type(task_or_key).__name__}: pass a task, or a key as a str"
            )
        key = self.get_cache_key(task_or_key)
        if not isinstance(key, str):
            raise ConfigurationError(f"{self.name}.get_cache_key returned a {type(key).__name__}: return a str")
        return key

    def _ttl_of(self, task: Task | None = None) -> float | None:
        """Return the time to live of the answer to `task`, or to the task that is being consumed."""
        if task is None:
            activation = current_activation()
            if activation is None or activation.worker is not self:
                return self.cache_ttl
            if "ttl" in activation.notes:
                known: float | None = activation.notes["ttl"]
                return known
            task = activation.tasks[0]
        ttl = self.get_ttl(task)
        if ttl is not None and not isinstance(ttl, int | float):
            raise ConfigurationError(f"{self.name}.get_ttl returned a {type(ttl).__name__}: return seconds, or None")
        return ttl

    def _find_by_hand(self) -> ByHand:
        if self.cache_automatic is not None:
            return ByHand(not self.cache_automatic, not self.cache_automatic)
        return by_hand(type(self), "consume_work", _library_classes(type(self)))

    def _debug(self, what: str, key: str) -> None:
        if self.debug_cache:
            self.logger.debug("cache %s %s", what, key)

    def _warn(self, text: str) -> None:
        warnings.warn(f"{self.name}: {text}", CacheWarning, stacklevel=2)


_INTERNAL = frozenset({"_wirings", "_lock", "_by_hand", "_cache", "_state", "_first"})


@per_class
def _reads_ancestry(worker: type) -> bool:
    return reads_ancestry(worker, _library_classes(worker))


@per_class
def _library_classes(worker: type) -> frozenset[type]:
    """Return the classes of `worker` that planai itself defines, outside of its examples."""
    return frozenset(
        base
        for base in worker.__mro__
        if base is object
        or base.__module__.partition(".")[0] in ("pydantic", "abc")
        or (base.__module__.startswith("planai.") and not base.__module__.startswith("planai.demo"))
    )


@per_class
def _deciding_settings(worker: type) -> tuple[str, ...]:
    """Return the names of the settings that decide answers: none that planai's own classes declare does by itself."""
    library = {name for base in _library_classes(worker) for name in getattr(base, "model_fields", ())}
    return tuple(sorted(getattr(worker, "model_fields", {}).keys() - library - ignored_fields(worker)))


def _show_debug(logger: logging.Logger) -> None:
    """Let debug messages through, to stderr where the program has set up no logging."""
    logger.setLevel(logging.DEBUG)
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)
