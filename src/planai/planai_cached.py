"""PlanAICached: what only tests written for PlanAI read and set of a worker with a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


class MockOrCache:
    """Reads as the mock cache that a worker was given, or else as its own.

    A mock cache that is set is what the worker uses from then on. Anything else is an attribute of the worker's author.
    """

    def __get__(self, worker: Any, owner: type) -> Any:
        if worker is None:
            return None
        own = vars(worker).get("_cache")
        return (getattr(worker.cache_store, "mock", None) or worker.get_cache()) if own is None else own

    def __set__(self, worker: Any, value: Any) -> None:
        if hasattr(value, "backend") and hasattr(value, "serve"):
            value.serve(worker)
        else:
            vars(worker)["_cache"] = value


class PlanAICached:
    """What tests written for PlanAI read of a cached worker."""

    _cache = MockOrCache()

    if TYPE_CHECKING:

        def get_cache_key(self, task: Any) -> str:
            """Return the key of the answer to `task`."""

    def _get_cache_key(self, task: Any) -> str:
        return self.get_cache_key(task)
