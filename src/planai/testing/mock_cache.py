"""MockCache: a cache in memory that counts what is asked of it, and can forget everything at once."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from planai.cache.store import Record
from planai.cache.stores.memory import MemoryStore
from planai.cache.storing import StoringTaskWorker
from planai.describing import Description
from planai.subgraph import SubGraphWorker


class MockCache:
    """What the cached workers of a graph use in place of their folders, after `inject_mock_cache`.

    Args:
        dont_store: forget whatever is stored, so that everything is computed each time.

    Attributes:
        store: what is kept, by key.
        get_stats: how often each key was looked up.
        set_stats: how often something was stored under each key.
        backend: the store that workers use; the same for all graphs that this cache is injected into.
    """

    def __init__(self, dont_store: bool = False) -> None:
        self.store: dict[str, Any] = {}
        self.get_stats: defaultdict[str, int] = defaultdict(int)
        self.set_stats: defaultdict[str, int] = defaultdict(int)
        self.lock = threading.Lock()
        self.dont_store = dont_store
        self.backend = MockStore(self)

    def get(self, key: str, default: Any = None) -> Any:
        """Return what is kept under `key`, and count the question."""
        with self.lock:
            self.get_stats[key] += 1
            return self.store.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Keep `value` under `key`, and count it; not where nothing is to be kept."""
        with self.lock:
            if not self.dont_store:
                self.set_stats[key] += 1
                self.store[key] = value

    def serve(self, worker: StoringTaskWorker) -> None:
        """Let `worker` use this cache in place of its own."""
        self.backend.spaces.add(worker.cache_space)
        worker.cache_store = self.backend

    def clear_stats(self) -> None:
        """Count from 0 again."""
        with self.lock:
            self.get_stats.clear()
            self.set_stats.clear()


class MockStore(MemoryStore):
    """The store of a `MockCache`: what is taken out of ``mock.store`` is gone for workers, too."""

    def __init__(self, mock: MockCache) -> None:
        super().__init__()
        self.mock = mock
        self.spaces: set[str] = set()  # what else is stored, beside answers, is not what is counted
        self._looking = threading.local()

    def get(self, space: str, key: str) -> Record | None:
        """Return the record, or None, and count the question."""
        if space in self.spaces and not self._is_second_look(space, key) and self.mock.get(key) is None:
            self._looking.at = (space, key)
            return None
        return self.peek(space, key) and super().get(space, key)

    def peek(self, space: str, key: str) -> Record | None:
        """Return the record, or None."""
        return None if space in self.spaces and key not in self.mock.store else super().peek(space, key)

    def put(self, space: str, key: str, record: Record, generation: int | None = None) -> bool:
        """Keep the record, and count it."""
        self._looking.at = None
        if space in self.spaces:
            self.mock.set(key, record)
        return not self.mock.dont_store and super().put(space, key, record, generation)

    def begin(self, space: str, key: str) -> int | None:
        """Return None where there is a record, else the generation of the space; a first question is counted."""
        is_second = self._is_second_look(space, key)
        if self.peek(space, key) is not None:
            return None
        if space in self.spaces and not is_second:
            self.mock.get(key)
        return self.generation(space)

    def _is_second_look(self, space: str, key: str) -> bool:
        """Tell whether a call that found nothing makes sure before it computes: that is one question, and not two."""
        asked, self._looking.at = getattr(self._looking, "at", None), None
        return asked == (space, key)

    def delete(self, space: str, keys: Iterable[str] | None = None) -> int:
        """Remove records."""
        names = [info.key for info in self.scan(space)] if keys is None else list(keys)
        for key in names if space in self.spaces else ():
            self.mock.store.pop(key, None)
        return super().delete(space, None if keys is None else names)


def inject_mock_cache(graph: Description, mock_cache: MockCache) -> None:
    """Let all cached workers of `graph`, and of the graphs inside of it, use `mock_cache`.

    >>> import planai
    >>> class Number(planai.Task):
    ...     value: int
    >>> class Square(planai.CachedTaskWorker):
    ...     output_types = [Number]
    ...     def consume_work(self, task: Number) -> None:
    ...         self.publish_work(Number(value=task.value ** 2))
    >>> square, graph, mock = Square(), planai.Graph(), MockCache()
    >>> graph.add_workers(square).set_sink(square, Number)
    >>> inject_mock_cache(graph, mock)
    >>> [graph.run([(square, Number(value=3))]).cache_hits for _ in range(2)]
    [0, 1]
    >>> list(mock.get_stats.values()), list(mock.set_stats.values())
    ([2], [1])
    """
    for worker in graph.workers:
        if isinstance(worker, StoringTaskWorker):
            mock_cache.serve(worker)
        elif isinstance(worker, SubGraphWorker):
            inject_mock_cache(worker.graph, mock_cache)
