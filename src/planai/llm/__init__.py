"""Models: how they are configured, asked, and what workers do with their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planai.llm.cached_model import CachedModel

__all__ = ["CachedModel"]


def __getattr__(name: str) -> Any:
    """Import what needs pydantic-ai, and a second of CPU, when it is asked for."""
    if name == "CachedModel":
        from planai.llm.cached_model import CachedModel  # noqa: PLC0415 - see above

        return CachedModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
