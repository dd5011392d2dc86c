"""The public face is a list; whoever changes it changes this list, too."""

from __future__ import annotations

import subprocess
import sys

import planai

NAMES = [
    "BaseLLMTaskWorker",
    "CacheIgnore",
    "CacheKey",
    "CachedJoinedTaskWorker",
    "CachedLLMTaskWorker",
    "CachedTaskWorker",
    "ChatMessage",
    "ChatTask",
    "ChatTaskWorker",
    "Failure",
    "Graph",
    "InitialTaskWorker",
    "JoinedTaskWorker",
    "LLMInterface",
    "LLMTaskWorker",
    "MediaTask",
    "MergedTaskWorker",
    "ProvenanceChain",
    "PydanticDictWrapper",
    "RateLimit",
    "RunResult",
    "SubGraphWorker",
    "Task",
    "TaskWorker",
    "Tool",
    "UserInputRequest",
    "Workspace",
    "WorkspaceLLMTaskWorker",
    "WorkspaceTask",
    "__version__",
    "hash_files",
    "llm_from_config",
    "make_file_tools",
    "tool",
]

HEAVY = ["openai", "pydantic_ai", "xllamacpp", "rich", "typer", "jinja2"]


def test_the_public_names_are_these() -> None:
    assert sorted(planai.__all__) == NAMES
    assert all(hasattr(planai, name) for name in NAMES)


def test_importing_planai_loads_no_provider_no_screen_and_no_command_line() -> None:
    code = f"import sys, planai; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
