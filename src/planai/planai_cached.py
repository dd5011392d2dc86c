"""PlanAICached: what only tests written for PlanAI read of a worker with a cache."""

from __future__ import annotations

from typing import Any


class MockOrCache:
    """Reads as the mock cache that a worker was given, or else as its own.

    It only reads: a worker's author may call an attribute of his own so.
    """

    def __get__(self, worker: Any, owner: type) -> Any:
        return None if worker is None else getattr(worker.cache_store, "mock", None) or worker.get_cache()


class PlanAICached:
    """What tests written for PlanAI read of a cached worker."""

    _cache = MockOrCache()
