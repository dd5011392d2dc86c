"""What a model is told by the file tools."""

from pathlib import Path

import pytest

from planai.workspace.files import LARGEST, Files
from planai.workspace.jail import Workspace


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(Workspace(tmp_path / "room"))
    files.write_file("a.txt", "hello\nworld\n")
    files.write_file("sub/b.py", "x = 1\n")
    return files


def test_lines_come_with_numbers(files: Files) -> None:
    assert files.read_file("a.txt") == "     1\thello\n     2\tworld"
    assert files.read_file("a.txt", offset=2) == "     2\tworld"
    assert files.read_file("a.txt", offset=1, limit=1) == "     1\thello"
    assert files.read_file("a.txt", offset=9) == ""


def test_a_long_file_is_cut(files: Files) -> None:
    text = Files(files.workspace, max_read_chars=20).read_file("a.txt")
    assert text.startswith("     1\thello\n     2\t\n")
    assert text.endswith("[truncated at 20 characters: read on with offset and limit]")
    assert Files(files.workspace, max_read_chars=25).read_file("a.txt") == files.read_file("a.txt")


def test_writing_says_what_was_written(files: Files) -> None:
    assert files.write_file("c/é.txt", "é\n") == "Wrote 3 bytes (1 lines) to c/é.txt"
    assert (files.workspace.root / "c" / "é.txt").read_text(encoding="utf-8") == "é\n"


def test_a_piece_of_text_is_replaced(files: Files) -> None:
    assert files.edit_file("a.txt", "hello", "bye") == "Replaced 1 occurrence(s) in a.txt"
    assert files.edit_file("a.txt", "b", "B", replace_all=True) == "Replaced 1 occurrence(s) in a.txt"
    assert (files.workspace.root / "a.txt").read_text() == "Bye\nworld\n"


def test_an_edit_that_may_mean_more_than_one_place_is_not_made(files: Files) -> None:
    assert files.edit_file("a.txt", "l", "L").startswith(
        "Error: old_string is not unique in a.txt, it is there 3 times"
    )
    assert files.edit_file("a.txt", "zzz", "") == "Error: old_string not found in a.txt"
    assert files.edit_file("a.txt", "", "x") == "Error: old_string must not be empty"
    assert (files.workspace.root / "a.txt").read_text() == "hello\nworld\n"


def test_line_ends_survive_an_edit(files: Files) -> None:
    (files.workspace.root / "dos.txt").write_bytes(b"one\r\ntwo\r\n")
    files.edit_file("dos.txt", "two", "2")
    assert (files.workspace.root / "dos.txt").read_bytes() == b"one\r\n2\r\n"


def test_files_are_listed_with_their_sizes(files: Files) -> None:
    assert files.list_files() == "        12  a.txt\n         6  sub/b.py"
    assert files.list_files("sub", "*.py") == "         6  sub/b.py"
    assert files.list_files(pattern="*.md") == "(no files found)"
    assert "truncated at 1 of 2 entries" in Files(files.workspace, max_list_entries=1).list_files()


def test_lines_are_found(files: Files) -> None:
    assert files.grep_files("o") == "a.txt:1: hello\na.txt:2: world"
    assert files.grep_files("^x", glob="**/*.py") == "sub/b.py:1: x = 1"
    assert files.grep_files("zzz") == "(no matches found)"
    cut = Files(files.workspace, max_grep_matches=1, max_grep_line_chars=2).grep_files("o")
    assert cut == "a.txt:1: he [cut]\n\n[truncated at 1 matches: use a narrower pattern]"


def test_what_is_no_text_is_passed_over_in_a_search_and_named_when_read(files: Files) -> None:
    (files.workspace.root / "picture").write_bytes(b"\xff\xfeo")
    assert "picture" not in files.grep_files("o")
    assert files.read_file("picture") == "Error: the file is not UTF-8 text, it may be binary"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda files: files.read_file("nope"), "Error: not found: nope"),
        (lambda files: files.edit_file("nope", "a", "b"), "Error: not found: nope"),
        (lambda files: files.read_file("../secret"), "Error: the path '../secret' is absolute or has a '..'"),
        (lambda files: files.write_file("/etc/motd", ""), "Error: the path '/etc/motd' is absolute"),
        (lambda files: files.write_file("sub", ""), "Error: Is a directory"),
        (lambda files: files.write_file("a.txt/x", ""), "Error: Not a directory"),
        (lambda files: files.list_files("nope"), "Error: 'nope' is no folder"),
        (lambda files: files.list_files(pattern="../*"), "Error: the pattern '../*'"),
        (lambda files: files.grep_files("("), "Error: missing )"),
        (lambda files: files.grep_files("a{99999999999}"), "Error: the repetition number is too large"),
        (lambda files: files.read_file("\ud800"), "Error: 'utf-8' codec can't encode"),
        (lambda files: files.write_file("c.txt", "\ud800"), "Error: 'utf-8' codec can't encode"),
    ],
)
def test_what_goes_wrong_is_told(files: Files, call: object, told: str) -> None:
    assert callable(call)
    assert call(files).startswith(told)


def test_names_that_are_no_text_can_be_sent_to_a_model(files: Files) -> None:
    (files.workspace.root / "\udcff").write_text("hello")
    for told in (files.list_files(), files.grep_files("hello")):
        assert r"\udcff" in told
        assert told.isascii()


def test_a_file_that_says_it_is_larger_than_memory_is_not_read(files: Files) -> None:
    with (files.workspace.root / "hole").open("wb") as file:
        file.truncate(LARGEST + 1)
    assert files.read_file("hole").startswith("Error: the file is too large")
    assert files.edit_file("hole", "a", "b").startswith("Error: the file is too large")
    assert files.grep_files("hello|=").splitlines()[-1] == "sub/b.py:1: x = 1"
    assert "hole: [not searched: the file is too large" in files.grep_files("hello")
