from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.squares import Report, Squarer, run_hearing, square_of, with_fault

COUNT = 200
VALUES = range(COUNT)
DATABASE = "planai.sqlite3"
ASIDE = f"{DATABASE}.damaged-1"
LETTERS = 400
PAGE = 8192


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def squarer(folder: Path) -> Squarer:
    return Squarer(cache_dir=folder, letters=LETTERS)


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)


def filled(folder: Path) -> Path:
    """Let `folder` be a cache with all answers that nobody has open; return its database."""
    worker = squarer(folder)
    run_hearing(worker, VALUES).assert_well(VALUES)
    worker.get_cache().close()
    assert sorted(path.name for path in folder.iterdir()) == ["planai.lock", DATABASE]
    return folder / DATABASE


def run_twice(folder: Path) -> tuple[Report, Report]:
    """Run with one worker, and then with a new one that knows nothing of the first."""
    first = run_hearing(squarer(folder), VALUES)
    return first, run_hearing(squarer(folder), VALUES)


# ---- in the middle of a run


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(noise(path.stat().st_size))


def move_away(folder: Path) -> None:
    folder.rename(folder.with_name(f"old {len(list(folder.parent.iterdir()))}"))


def insist(folder: Path, action: Callable[[], object]) -> None:
    """Let `action` happen where `folder` was, although the cache makes the folder anew whenever it is gone."""
    for _ in range(1000):
        move_away(folder)
        with contextlib.suppress(OSError):
            action()
            return
    raise AssertionError("the cache is always faster")


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # the errors are of files that the cache makes anew meanwhile


def replace_folder_with_an_empty_one(folder: Path) -> None:
    insist(folder, folder.mkdir)


def replace_folder_with_a_file(folder: Path) -> None:
    insist(folder, lambda: folder.write_text("no folder"))


def remove_database(folder: Path) -> None:
    (folder / DATABASE).unlink()


def replace_database_with_garbage(folder: Path) -> None:
    other = folder / "garbage"
    other.write_bytes(noise(100_000))
    other.replace(folder / DATABASE)


def overwrite_database_with_garbage(folder: Path) -> None:
    overwrite(folder / DATABASE)


def overwrite_log_with_garbage(folder: Path) -> None:
    overwrite(folder / f"{DATABASE}-wal")


def overwrite_all_with_garbage(folder: Path) -> None:
    overwrite(folder / DATABASE)
    overwrite(folder / f"{DATABASE}-wal")


def empty_database(folder: Path) -> None:
    os.truncate(folder / DATABASE, 0)


def cut_log(folder: Path) -> None:
    os.truncate(folder / f"{DATABASE}-wal", 10_000)


def remove_log(folder: Path) -> None:
    (folder / f"{DATABASE}-wal").unlink()


@pytest.mark.parametrize(
    "fault",
    [
        remove_folder,
        replace_folder_with_an_empty_one,
        replace_folder_with_a_file,
        remove_database,
        replace_database_with_garbage,
        overwrite_database_with_garbage,
        overwrite_log_with_garbage,
        overwrite_all_with_garbage,
        empty_database,
        cut_log,
        remove_log,
    ],
)
@pytest.mark.parametrize("state", ["cold", "warm"])
def test_whatever_happens_to_the_files_in_the_middle_of_a_run_its_outputs_are_right(
    folder: Path, state: str, fault: Callable[[Path], None]
) -> None:
    worker = squarer(folder)
    if state == "warm":
        run_hearing(worker, VALUES).assert_well(VALUES)
    report = run_hearing(worker, with_fault(VALUES, COUNT // 2, lambda: fault(folder)))
    report.assert_right_with_at_most_one_warning(VALUES)
    for again in run_twice(folder):
        again.assert_right_with_at_most_one_warning(VALUES)


@pytest.mark.parametrize("fault", [remove_folder, replace_folder_with_an_empty_one, remove_database])
def test_a_cache_that_is_gone_in_the_middle_of_a_run_is_begun_anew(folder: Path, fault: Callable[[Path], None]) -> None:
    report = run_hearing(squarer(folder), with_fault(VALUES, COUNT // 2, lambda: fault(folder)))
    report.assert_right_with_at_most_one_warning(VALUES)
    first, second = run_twice(folder)
    first.assert_well(VALUES)
    assert first.hits >= COUNT // 2  # what was computed after the fault
    second.assert_well(VALUES)
    assert second.hits == COUNT


def test_a_folder_replaced_by_another_cache_in_the_middle_of_a_run_is_read(folder: Path, tmp_path: Path) -> None:
    filled(tmp_path / "other")

    def replace() -> None:
        insist(folder, lambda: (tmp_path / "other").rename(folder))

    report = run_hearing(squarer(folder), with_fault(VALUES, COUNT // 2, replace))
    report.assert_right_with_at_most_one_warning(VALUES)
    assert report.hits > 0
    again = run_hearing(squarer(folder), VALUES)
    again.assert_well(VALUES)
    assert again.hits == COUNT


# ---- from the start


def garble_middle(database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(database.stat().st_size // 2)
        file.write(noise(3 * PAGE))


def garble_root(database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(PAGE)
        file.write(noise(2 * PAGE))


def flip_bytes_everywhere(database: Path) -> None:
    content = bytearray(database.read_bytes())
    for place in random.Random(2).sample(range(100, len(content)), 200):
        content[place] ^= 0xFF
    database.write_bytes(content)


def truncate(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 3)


def truncate_within_a_page(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2 + 77)


def destroy_header(database: Path) -> None:
    with database.open("r+b") as file:
        file.write(noise(100))


def destroy_schema(database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(100)
        file.write(noise(PAGE - 100))


def garbage_log(database: Path) -> None:
    database.with_name(f"{DATABASE}-wal").write_bytes(noise(100_000))


def garbage_log_and_index(database: Path) -> None:
    garbage_log(database)
    database.with_name(f"{DATABASE}-shm").write_bytes(noise(32_768))


def log_of_another_database(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database.with_name("other"))) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE other (x)")
        shutil.copy(database.with_name("other-wal"), database.with_name(f"{DATABASE}-wal"))


@pytest.mark.parametrize(
    "damage",
    [
        garble_middle,
        garble_root,
        flip_bytes_everywhere,
        truncate,
        truncate_within_a_page,
        destroy_header,
        destroy_schema,
        garbage_log,
        garbage_log_and_index,
        log_of_another_database,
    ],
)
def test_a_damaged_database_gives_no_wrong_output(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(filled(folder))
    first, second = run_twice(folder)
    first.assert_right_with_at_most_one_warning(VALUES)
    second.assert_well(VALUES)
    assert second.hits == COUNT


@pytest.mark.parametrize(("damage", "kept"), [(garble_middle, COUNT - 30), (truncate_within_a_page, COUNT // 4)])
def test_what_can_be_read_of_a_damaged_database_is_kept(
    folder: Path, damage: Callable[[Path], None], kept: int
) -> None:
    database = filled(folder)
    damage(database)
    damaged = database.read_bytes()
    first, second = run_twice(folder)
    first.assert_right(VALUES)
    (warning,) = first.warnings
    assert f"was moved to {ASIDE}; the cache goes on with the " in warning
    assert kept < first.hits < COUNT
    second.assert_well(VALUES)
    assert second.hits == COUNT
    assert (folder / ASIDE).read_bytes() == damaged
    assert sorted(path.name for path in folder.iterdir() if "-" not in path.suffix) == ["planai.lock", DATABASE]


def test_a_log_that_is_garbage_costs_no_entry(folder: Path) -> None:
    garbage_log(filled(folder))
    for report in run_twice(folder):
        report.assert_well(VALUES)
        assert report.hits == COUNT


# ---- what is not planai's


def assert_set_aside(folder: Path) -> None:
    """Assert that a run moves what is in place of the database, and says where, and that the next one is all hits."""
    first, second = run_twice(folder)
    first.assert_without_cache(VALUES)
    assert f"was moved to {ASIDE}; the cache begins anew" in first.warnings[0]
    second.assert_well(VALUES)
    assert second.hits == COUNT


@pytest.mark.parametrize("content", [b"Notes, kept here for years.\n" * 1000, b"xy", noise(50_000)])
def test_a_foreign_file_in_place_of_the_database_is_set_aside(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / DATABASE).write_bytes(content)
    assert_set_aside(folder)
    assert (folder / ASIDE).read_bytes() == content


def test_a_folder_in_place_of_the_database_is_set_aside(folder: Path) -> None:
    (folder / DATABASE).mkdir(parents=True)
    (folder / DATABASE / "notes").write_text("kept")
    assert_set_aside(folder)
    assert (folder / ASIDE / "notes").read_text() == "kept"


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE people (name TEXT)",
        "CREATE TABLE entries (name TEXT)",
        "CREATE TABLE entries (digest INTEGER, space TEXT, key TEXT, used REAL, size INTEGER, expires REAL, name TEXT)",
        "CREATE TABLE notes (entries); CREATE VIEW entries AS SELECT 1 AS digest",
        "CREATE TABLE entries (digest INTEGER PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID",
    ],
)
def test_a_foreign_database_in_place_of_the_database_keeps_its_rows(folder: Path, schema: str) -> None:
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / DATABASE)) as database:
        database.executescript(f"{schema}; CREATE TABLE friends (name TEXT); INSERT INTO friends VALUES ('Ada')")
    for report in run_twice(folder):
        report.assert_right_with_at_most_one_warning(VALUES)
    assert any(names_of_friends(path) == [("Ada",)] for path in folder.iterdir())


def names_of_friends(path: Path) -> list[tuple[str]]:
    with contextlib.closing(sqlite3.connect(path)) as database, contextlib.suppress(sqlite3.Error):
        return database.execute("SELECT name FROM friends").fetchall()
    return []


def test_a_lock_file_that_is_a_folder_stops_no_run(folder: Path) -> None:
    (folder / "planai.lock").mkdir(parents=True)
    first, second = run_twice(folder)
    first.assert_well(VALUES)
    second.assert_well(VALUES)
    assert second.hits == COUNT


def test_answers_are_what_the_test_takes_them_for() -> None:
    assert square_of(7, 8).model_dump() == {"value": 7, "square": 49, "text": random.Random(7).randbytes(4).hex()}
