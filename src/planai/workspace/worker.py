"""WorkspaceLLMTaskWorker: a model that works with the files of a folder, and whose answers are kept all the same."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from planai.call import current_activation
from planai.copies import snapshot
from planai.errors import ConfigurationError
from planai.llm.cached import CachedLLMTaskWorker
from planai.llm.tools import Tool
from planai.task import Task, lineage_of, set_lineage
from planai.workspace.jail import Workspace, hash_files
from planai.workspace.tools import make_file_tools


class WorkspaceTask(Task):
    """Says in which folder the workers downstream work.

    Attributes:
        workspace: the path of the folder.
    """

    workspace: str


class WorkspaceLLMTaskWorker(CachedLLMTaskWorker):
    """Lets a model read and write files of the workspace that its input comes from.

    The folder decides an answer, and so does what is in the files of `input_globs`. What is replayed is what the worker
    published: the files that the model wrote are not stored, so say with `expected_output_files` which have to be
    there. Where one is not, the call is made again: what the model said at first is said again without asking it, and
    its tools write the files again.

    Attributes:
        read_only: whether the model gets no tools that change files.
        input_globs: the files that the answer depends on, such as ``["**/*.md"]``.
        max_read_chars: characters that the model reads of a file at once, at most.
    """

    read_only: bool = False
    input_globs: list[str] = Field(default_factory=list)
    max_read_chars: int = Field(default=100_000, ge=1)
    max_tool_rounds: int | None = Field(default=40, ge=0)

    def get_workspace(self, task: Any) -> Workspace:
        """Return the folder that `task` names in a field ``workspace``, or else the nearest task it was computed from.

        Raises:
            ConfigurationError: none does.
        """
        # The folder is in the key by its path: that it was looked up need not be noted as well.
        unwatched = set_lineage(snapshot(task), lineage_of(task)._replace(watch=None))
        for candidate in (task, *reversed(unwatched.copy_input_provenance())):
            named = getattr(candidate, "workspace", None)
            if isinstance(named, str):
                return Workspace(named)
        raise ConfigurationError(
            f"{self.name!r} finds no workspace for a {type(task).__name__!r}: "
            "let it come from a WorkspaceTask, or override get_workspace(task)"
        )

    def expected_output_files(self, task: Any) -> list[str]:
        """Return the files that have to be in the workspace for a stored answer to be of use."""
        return []

    def get_tools(self, task: Any) -> list[Tool]:
        """Return the tools for the files, and those of `tools`.

        Raises:
            ConfigurationError: one of `tools` is called like one for the files, or there is no workspace.
        """
        files = make_file_tools(self.get_workspace(task), read_only=self.read_only, max_read_chars=self.max_read_chars)
        own = super().get_tools(task)
        taken = {tool.name for tool in files} & {tool.name for tool in own}
        if taken:
            names = ", ".join(map(repr, sorted(taken)))
            raise ConfigurationError(f"{self.name!r} has tools called {names}, as those for files are: rename them")
        return [*files, *own]

    def extra_cache_key(self, task: Any) -> str:
        """Return the folder, and the digest of the files that the answer depends on; nothing where there is none.

        A call without a folder fails when it needs one.
        """
        try:
            room = self.get_workspace(task)
        except ConfigurationError:
            return ""
        return f"{room.root}\n{hash_files(room, self.input_globs)}"

    def get_from_cache(self, task_or_key: Any) -> Any:
        """Return the stored answer; None where a file is missing that belongs to it."""
        activation = current_activation()
        task = activation.tasks[0] if activation is not None and activation.worker is self else task_or_key
        if isinstance(task, Task) and not self._has_files_(task):
            return None
        return super().get_from_cache(task_or_key)

    def _has_files_(self, task: Task) -> bool:
        expected = self.expected_output_files(task)
        if not expected:
            return True
        room = self.get_workspace(task)
        return all(room.resolve(name).is_file() for name in expected)
