from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faults.children import carried_out, command_of, output_of, read_line, report_of, started, tell
from faults.squares import Report, Squarer, run_hearing
from planai.cache.store import Record
from planai.cache.stores.disk import DiskStore

COUNT = 300
VALUES = range(COUNT)
LETTERS = 80_000  # which are 40 kB when compressed: together they do not fit into 8 MB


@functools.cache
def way_to_mount() -> tuple[str, ...]:
    """Return a command that runs another where mounts are its own affair, and vanish with it; none where none works."""
    ways: list[tuple[str, ...]] = [("unshare", "-m"), ("unshare", "-rm")] if sys.platform == "linux" else []
    for way in ways:
        probe = [*way, "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return way
    return ()


needs_mount = pytest.mark.skipif(
    not way_to_mount(), reason="this system lets neither root nor a user namespace mount a file system"
)


@functools.cache
def way_to_obey() -> tuple[str, ...]:
    """Return a command that runs another so that the modes of files bind it, as they do not bind root."""
    return ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


needs_modes = pytest.mark.skipif(
    bool(way_to_obey()) and shutil.which("setpriv") is None, reason="root obeys no modes, and setpriv is not there"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def order_for(folder: Path, letters: int = LETTERS) -> list[str]:
    order = {"folder": str(folder), "count": COUNT, "letters": letters}
    return command_of("program", json.dumps(order))


def in_mounts(*steps: str | list[str]) -> list[Report]:
    """Run `steps` one after the other, where mounts are their own affair; return the reports that they print."""
    script = " && ".join(step if isinstance(step, str) else shlex.join(step) for step in steps)
    return [report_of(line) for line in output_of([*way_to_mount(), "sh", "-c", script]).splitlines()]


# ---- a full disk


@needs_mount
def test_on_a_disk_that_becomes_full_every_output_is_published_once_with_one_warning(folder: Path) -> None:
    folder.mkdir()
    disk = f"mount -t tmpfs -o size=8m tmpfs {folder}"
    first, second = in_mounts(disk, order_for(folder), order_for(folder))
    first.assert_without_cache(VALUES)
    second.assert_right_with_at_most_one_warning(VALUES)
    assert 0 < second.hits < COUNT  # what was stored before the disk was full


@needs_mount
def test_on_a_disk_that_is_full_from_the_start_every_output_is_published_once_with_one_warning(folder: Path) -> None:
    folder.mkdir()
    disk = f"mount -t tmpfs -o size=8m tmpfs {folder}"
    fill = f"(dd if=/dev/zero of={folder}/other bs=64k 2>/dev/null || true)"
    (report,) = in_mounts(disk, fill, order_for(folder))
    report.assert_without_cache(VALUES)


@needs_mount
def test_a_disk_that_has_room_again_is_used_again(folder: Path) -> None:
    folder.mkdir()
    disk = f"mount -t tmpfs -o size=24m tmpfs {folder}"
    fill = f"(dd if=/dev/zero of={folder}/other bs=64k count=256 2>/dev/null || true)"
    run = order_for(folder, LETTERS // 4)
    full, partly, whole = in_mounts(disk, fill, order_for(folder), f"rm {folder}/other", run, run)
    full.assert_without_cache(VALUES)
    partly.assert_well(VALUES)
    whole.assert_well(VALUES)
    assert whole.hits == COUNT


# ---- a read-only folder

Prepare = Callable[[Path], None]


def filled(folder: Path) -> None:
    """Let `folder` be a cache with all answers that nobody has open."""
    carried_out(folder=folder, count=COUNT, letters=400).assert_well(VALUES)


def left_behind(folder: Path) -> None:
    """Let `folder` be a cache with all answers as a killed process leaves it: with its log."""
    worker = Squarer(cache_dir=folder.with_name("live"), letters=400)
    run_hearing(worker, VALUES).assert_well(VALUES)
    shutil.copytree(folder.with_name("live"), folder)
    assert (folder / "planai.sqlite3-wal").stat().st_size > 0


def empty(folder: Path) -> None:
    folder.mkdir()


@needs_mount
@pytest.mark.parametrize("prepare", [empty, filled, left_behind])
def test_a_run_with_a_folder_on_a_read_only_disk_publishes_every_output_once(folder: Path, prepare: Prepare) -> None:
    prepare(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    disk = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
    (report,) = in_mounts(disk, order_for(folder, 400))
    report.assert_right_with_at_most_one_warning(VALUES)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@needs_mount
@pytest.mark.parametrize("prepare", [filled, left_behind])
def test_the_entries_on_a_read_only_disk_are_read(folder: Path, prepare: Prepare) -> None:
    prepare(folder)
    disk = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
    (report,) = in_mounts(disk, order_for(folder, 400))
    report.assert_well(VALUES)
    assert report.hits == COUNT


@needs_mount
def test_what_is_new_on_a_read_only_disk_is_computed_with_one_warning(folder: Path) -> None:
    filled(folder)
    disk = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
    more = {"folder": str(folder), "count": 2 * COUNT, "letters": 400}
    (report,) = in_mounts(disk, command_of("program", json.dumps(more)))
    report.assert_without_cache(range(2 * COUNT))
    assert report.hits == COUNT


@needs_mount
def test_a_disk_that_is_no_longer_read_only_is_written_by_the_process_that_read_it(folder: Path) -> None:
    store = DiskStore(folder)
    store.put("s", "a", Record(b"old", 1.0))
    store.close()
    disk = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
    program = shlex.join(command_of("remount", str(folder)))
    before, after = json.loads(output_of([*way_to_mount(), "sh", "-c", f"{disk} && {program}"]))
    assert (before, after) == (["PermissionError", "a"], ["a", "b"])


@needs_modes
@pytest.mark.parametrize(
    ("prepare", "mode"), [(empty, 0o500), (filled, 0o500), (left_behind, 0o500), (filled, 0o100), (filled, 0o000)]
)
def test_a_run_with_a_folder_that_may_not_be_written_publishes_every_output_once(
    folder: Path, prepare: Prepare, mode: int
) -> None:
    prepare(folder)
    folder.chmod(mode)
    try:
        report = report_of(output_of([*way_to_obey(), *order_for(folder, 400)]))
    finally:
        folder.chmod(0o700)
    report.assert_right_with_at_most_one_warning(VALUES)


@needs_modes
@pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o500, 0o600), (0o500, 0o400), (0o700, 0o400)])
def test_the_entries_of_a_cache_that_may_not_be_written_are_read(
    folder: Path, folder_mode: int, file_mode: int
) -> None:
    filled(folder)
    (folder / "planai.sqlite3").chmod(file_mode)
    folder.chmod(folder_mode)
    try:
        report = report_of(output_of([*way_to_obey(), *order_for(folder, 400)]))
    finally:
        folder.chmod(0o700)
    report.assert_well(VALUES)
    assert report.hits == COUNT


@needs_modes
@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root can write where a folder's mode forbids it")
def test_who_may_only_read_sees_what_others_write_meanwhile(folder: Path) -> None:
    def write(store: DiskStore, key: str) -> None:
        store.put("s", key, Record(b"x" * 5000, 1.0))

    store = DiskStore(folder)
    write(store, "a")
    store.close()
    (folder / "planai.sqlite3").chmod(0o400)
    folder.chmod(0o500)
    with started([*way_to_obey(), *command_of("reader", str(folder))]) as reader:

        def seen() -> Any:
            tell(reader, "look")
            return json.loads(read_line(reader))

        assert seen() == ["a"]
        for number in range(20):
            write(store, "b")
            assert seen() == ["a", "b"], "from the log"
            if number % 2:
                store.close()
            store.delete("s", ["b"])
            store.close()
            assert seen() == ["a"], "from the file alone"


@needs_modes
def test_a_run_with_files_that_may_not_be_read_publishes_every_output_once(folder: Path) -> None:
    filled(folder)
    for path in folder.iterdir():
        path.chmod(0o000)
    report = report_of(output_of([*way_to_obey(), *order_for(folder, 400)]))
    report.assert_without_cache(VALUES)


@needs_modes
def test_a_folder_that_cannot_be_made_stops_no_run(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        report = report_of(output_of([*way_to_obey(), *order_for(tmp_path / "deep" / "cache", 400)]))
    finally:
        tmp_path.chmod(0o700)
    report.assert_without_cache(VALUES)
