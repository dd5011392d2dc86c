"""What users test their graphs and their stores with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planai.testing.inline import run_inline

if TYPE_CHECKING:
    from planai.testing.stores import StoreConformance

__all__ = ["StoreConformance", "run_inline"]


def __getattr__(name: str) -> Any:
    """Import what needs pytest when it is asked for."""
    if name == "StoreConformance":
        from planai.testing.stores import StoreConformance  # noqa: PLC0415 - it needs pytest

        return StoreConformance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
