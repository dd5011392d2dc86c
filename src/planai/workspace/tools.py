"""make_file_tools: what a model may call to work with the files of a workspace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from planai.llm.tools import Tool, tool
from planai.workspace.files import Files
from planai.workspace.jail import Workspace


def make_file_tools(
    workspace: Workspace | str | Path,
    *,
    read_only: bool = False,
    max_read_chars: int = 100_000,
    max_list_entries: int = 500,
    max_grep_matches: int = 200,
    max_grep_line_chars: int = 500,
) -> list[Tool]:
    """Return tools that read, write, edit, list and search the text files of a workspace, and nothing outside of it.

    >>> [one.name for one in make_file_tools("/tmp/job", read_only=True)]
    ['read_file', 'list_files', 'grep_files']

    Args:
        workspace: the folder.
        read_only: leave out those that change files.
        max_read_chars: characters that one reading gives at most.
        max_list_entries: files that one listing names at most.
        max_grep_matches: lines that one search gives at most.
        max_grep_line_chars: characters of each of them at most.
    """
    room = workspace if isinstance(workspace, Workspace) else Workspace(workspace)
    files = Files(room, max_read_chars, max_list_entries, max_grep_matches, max_grep_line_chars)
    changing: list[Callable[..., str]] = [] if read_only else [files.write_file, files.edit_file]
    acts: list[Callable[..., str]] = [files.read_file, *changing, files.list_files, files.grep_files]
    return [tool(act) for act in acts]
