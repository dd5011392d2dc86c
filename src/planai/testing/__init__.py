"""What users test their graphs, their workers and their stores with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planai.testing.inline import run_inline
from planai.testing.invoke import InvokeTaskWorker, TestTaskContext, add_input_provenance, unregister_output_type
from planai.testing.mock_cache import MockCache, inject_mock_cache
from planai.testing.models import MockLLM, MockLLMResponse, ScriptedLLM

if TYPE_CHECKING:
    from planai.testing.stores import StoreConformance

__all__ = [
    "InvokeTaskWorker",
    "MockCache",
    "MockLLM",
    "MockLLMResponse",
    "ScriptedLLM",
    "StoreConformance",
    "TestTaskContext",
    "add_input_provenance",
    "inject_mock_cache",
    "run_inline",
    "unregister_output_type",
]


def __getattr__(name: str) -> Any:
    """Import what needs pytest when it is asked for."""
    if name == "StoreConformance":
        from planai.testing.stores import StoreConformance  # noqa: PLC0415 - it needs pytest

        return StoreConformance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
