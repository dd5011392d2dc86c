"""Workspaces: nobody gets out, whatever path or link is tried."""

import contextlib
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planai.errors import ConfigurationError
from planai.workspace.jail import Workspace, hash_files


@pytest.fixture
def room(tmp_path: Path) -> Workspace:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "room").mkdir()
    (tmp_path / "room-next-door").mkdir()
    (tmp_path / "room-next-door" / "file").write_text("secret")
    return Workspace(tmp_path / "room")


def read(room: Workspace, path: str) -> bytes:
    with room.read(path) as file:
        return file.read()


def test_making_a_workspace_touches_nothing(tmp_path: Path) -> None:
    Workspace(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_read(room: Workspace) -> None:
    room.write("deep/er/file.txt", b"one")
    room.write("deep/er/file.txt", b"two")
    assert read(room, "deep/er/file.txt") == b"two"
    assert [path.name for path in (room.root / "deep" / "er").iterdir()] == ["file.txt"]


@pytest.mark.parametrize(
    "path",
    ["", "..", "../secret.txt", "a/../../secret.txt", "/etc/passwd", "../room-next-door/file", "a\0b", "..//x"],
)
def test_paths_that_lead_out_are_refused(room: Workspace, path: str) -> None:
    for use in (room.resolve, lambda name: read(room, name), lambda name: room.write(name, b"")):
        with pytest.raises(ValueError, match="path"):
            use(path)


def test_a_workspace_without_a_name_is_not_the_present_folder() -> None:
    with pytest.raises(ConfigurationError, match="names no folder"):
        Workspace("")


@pytest.mark.parametrize("name", [" ", "\udcff", "two\nlines", "[a]", "CON"])
def test_files_of_odd_names_are_files(room: Workspace, name: str) -> None:
    (room.root / name).write_bytes(b"x")
    assert room.glob("**/*") == [name]
    assert read(room, name) == b"x"
    assert hash_files(room, ["*"]) != ""


def test_the_rights_of_another_user_are_not_kept_for_what_is_written(room: Workspace) -> None:
    room.write("tool", b"x")
    (room.root / "tool").chmod(0o4755)
    room.write("tool", b"y")
    assert (room.root / "tool").stat().st_mode & 0o7777 == 0o755


def test_folders_swapped_for_links_in_mid_run_let_nobody_out(room: Workspace) -> None:
    room.write("d/file", b"inner")
    outside, folder, aside = room.root.parent / "room-next-door", room.root / "d", room.root / "aside"
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            folder.rename(aside)
            with contextlib.suppress(OSError):  # a folder was made in the place meanwhile
                folder.symlink_to(outside)
                folder.unlink()
            while aside.exists():
                with contextlib.suppress(OSError):
                    aside.rename(folder)
                if aside.exists():
                    shutil.rmtree(folder, ignore_errors=True)

    def use(number: int) -> set[bytes]:
        seen = set()
        with contextlib.suppress(OSError, ConfigurationError):
            seen.add(read(room, "d/file"))
        with contextlib.suppress(OSError, ConfigurationError):
            room.write("d/other", b"%d" % number)
        return seen

    with ThreadPoolExecutor(1) as pool:
        swapping = pool.submit(swap)
        seen = set().union(*(use(number) for number in range(3000)))
        done.set()
        swapping.result()
    assert seen == {b"inner"}
    assert [path.name for path in outside.iterdir()] == ["file"]


@given(st.lists(st.sampled_from(["..", ".", "a", "link", "", "/", "~", "secret.txt"]), max_size=6).map("/".join))
def test_whatever_path_is_resolved_lies_inside(path: str) -> None:
    room = Workspace("/nowhere/room")
    try:
        found = room.resolve(path)
    except ConfigurationError:
        return
    assert found.is_relative_to(room.root)


@pytest.mark.parametrize("target", ["../secret.txt", "/etc/passwd", "../room-next-door/file", "../not-there"])
def test_links_to_files_outside_are_not_followed(room: Workspace, target: str) -> None:
    (room.root / "link").symlink_to(target)
    with pytest.raises(ConfigurationError, match="escapes"):
        read(room, "link")
    with pytest.raises(ConfigurationError, match="escapes"):
        room.write("link", b"changed")
    assert (room.root.parent / "secret.txt").read_text() == "secret"


def test_links_to_folders_outside_are_not_followed(room: Workspace) -> None:
    (room.root / "out").symlink_to("..")
    with pytest.raises(ConfigurationError, match="escapes"):
        read(room, "out/secret.txt")
    with pytest.raises(ConfigurationError, match="escapes"):
        room.write("out/new.txt", b"")
    assert room.glob("**/*") == []
    assert room.glob("out/*") == []
    assert not (room.root.parent / "new.txt").exists()


def test_links_in_a_circle_lead_nowhere(room: Workspace) -> None:
    (room.root / "a").symlink_to("b")
    (room.root / "b").symlink_to("a")
    with pytest.raises((ConfigurationError, OSError)):
        read(room, "a")
    assert room.glob("*") == []


def test_links_inside_are_followed(room: Workspace) -> None:
    room.write("real/file", b"x")
    (room.root / "link").symlink_to("real")
    assert read(room, "link/file") == b"x"
    room.write("link/file", b"y")
    assert read(room, "real/file") == b"y"
    assert room.glob("*/file") == ["link/file", "real/file"]


def test_a_link_put_in_the_way_after_the_check_is_not_followed(
    room: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.write("folder/secret.txt", b"mine")
    checked = room.resolve("folder/secret.txt")
    (room.root / "folder").rename(room.root / "aside")
    (room.root / "folder").symlink_to("..")
    monkeypatch.setattr(room, "resolve", lambda _: checked)
    with pytest.raises(OSError, match=r"folder|directory|levels"):
        read(room, "folder/secret.txt")
    with pytest.raises(OSError, match=r"folder|directory|levels"):
        room.write("folder/secret.txt", b"changed")
    assert (room.root.parent / "secret.txt").read_text() == "secret"


def test_a_hard_link_is_replaced_and_not_written_through(room: Workspace) -> None:
    os.link(room.root.parent / "secret.txt", room.root / "hard")
    room.write("hard", b"mine")
    assert (room.root.parent / "secret.txt").read_text() == "secret"


def test_a_pipe_does_not_hold_us_up(room: Workspace) -> None:
    os.mkfifo(room.root / "pipe")
    with pytest.raises(FileNotFoundError, match="no ordinary file"):
        read(room, "pipe")
    assert room.glob("*") == []


@pytest.mark.parametrize("path", [".", "folder"])
def test_a_folder_is_no_file(room: Workspace, path: str) -> None:
    (room.root / "folder").mkdir()
    for use in (lambda: read(room, path), lambda: room.write(path, b"")):
        with pytest.raises((IsADirectoryError, OSError)):
            use()
    assert sorted(found.name for found in room.root.iterdir()) == ["folder"]


def test_a_file_keeps_its_mode(room: Workspace) -> None:
    room.write("run.sh", b"")
    (room.root / "run.sh").chmod(0o755)
    room.write("run.sh", b"echo")
    assert (room.root / "run.sh").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("pattern", ["", "../*", "/etc/*", "a/../../*"])
def test_patterns_that_lead_out_are_refused(room: Workspace, pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        room.glob(pattern)


def test_the_workspace_itself_may_be_reached_through_a_link(room: Workspace) -> None:
    link = room.root.parent / "link"
    link.symlink_to("room")
    Workspace(link).write("file", b"x")
    assert read(room, "file") == b"x"


# ---- digests


def test_a_digest_follows_names_and_contents(room: Workspace) -> None:
    room.write("a.py", b"1")
    room.write("b.txt", b"2")
    first = hash_files(room, ["*.py"])
    room.write("b.txt", b"3")
    assert hash_files(str(room.root), ["*.py", "**/*.py"]) == first
    room.write("a.py", b"2")
    changed = hash_files(room, ["*.py"])
    (room.root / "a.py").rename(room.root / "b.py")
    assert len({first, changed, hash_files(room, ["*.py"]), hash_files(room, ["*"])}) == 4


def test_names_and_contents_are_told_apart(room: Workspace) -> None:
    room.write("a", b"bc")
    one = hash_files(room, ["*"])
    (room.root / "a").unlink()
    room.write("ab", b"c")
    assert hash_files(room, ["*"]) != one


def test_the_digest_of_no_file_is_empty(room: Workspace) -> None:
    assert hash_files(room, ["*.py"]) == ""
    assert hash_files(room.root / "not there", ["*"]) == ""
