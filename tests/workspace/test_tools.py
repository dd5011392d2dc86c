"""File tools, as a model calls them."""

from pathlib import Path

import pytest

from planai.workspace.jail import Workspace
from planai.workspace.tools import make_file_tools


def test_the_tools_are_these_with_their_parameters(tmp_path: Path) -> None:
    tools = {tool.name: tool for tool in make_file_tools(tmp_path)}
    assert {name: list(tool.parameters["properties"]) for name, tool in tools.items()} == {
        "read_file": ["path", "offset", "limit"],
        "write_file": ["path", "content"],
        "edit_file": ["path", "old_string", "new_string", "replace_all"],
        "list_files": ["path", "pattern"],
        "grep_files": ["pattern", "path", "glob"],
    }
    assert tools["write_file"].parameters["required"] == ["path", "content"]
    assert all(tool.description for tool in tools.values())
    assert all("description" in field for tool in tools.values() for field in tool.parameters["properties"].values())


def test_a_reader_gets_no_tools_that_change_files(tmp_path: Path) -> None:
    names = [tool.name for tool in make_file_tools(str(tmp_path), read_only=True)]
    assert names == ["read_file", "list_files", "grep_files"]


@pytest.mark.parametrize("workspace", [str, Path, Workspace])
def test_they_work_in_the_workspace(tmp_path: Path, workspace: type) -> None:
    tools = {tool.name: tool for tool in make_file_tools(workspace(tmp_path / "room"), max_read_chars=9)}
    assert tools["write_file"].execute(path="a.txt", content="hello").startswith("Wrote 5 bytes")
    assert (tmp_path / "room" / "a.txt").read_text() == "hello"
    assert tools["read_file"].execute(path="a.txt").startswith("     1\the\n\n[truncated")
    assert tools["read_file"].execute(path="../x").startswith("Error:")
