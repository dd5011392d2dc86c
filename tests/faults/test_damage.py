from __future__ import annotations

import contextlib
import errno
import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faults.children import command_of, environment, read_line, report_of, started, tell
from faults.soundness import assert_sound
from faults.squares import Report, Squarer, run_hearing
from planai.cache.store import Record
from planai.cache.stores.connecting import identity
from planai.cache.stores.damage import DamageError, names_locked, set_aside
from planai.cache.stores.disk import FILE, DiskStore
from planai.cache.stores.salvage import READABLE, salvage

COUNT = 300
VALUES = range(COUNT)
LETTERS = 400
PROCESSES = 4


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The database of a cache with all answers that nobody has open."""
    worker = Squarer(cache_dir=tmp_path / "cache", letters=LETTERS)
    run_hearing(worker, VALUES).assert_well(VALUES)
    worker.get_cache().close()
    return tmp_path / "cache" / FILE


def garble(database: Path) -> None:
    """Write over a tenth of the pages, while others may read them."""
    with database.open("r+b") as file:
        pages = database.stat().st_size // 4096
        for page in random.Random(1).sample(range(2, pages), pages // 10):
            file.seek(page * 4096)
            file.write(random.Random(page).randbytes(4096))


def write_over(database: Path) -> None:
    """Write over everything, while others may read it."""
    with database.open("r+b") as file:
        file.write(random.Random(1).randbytes(database.stat().st_size))


def left_aside(database: Path) -> list[str]:
    return sorted(path.name for path in database.parent.iterdir() if "damaged" in path.name)


def assert_mended(reports: list[Report], database: Path) -> None:
    """Assert that one process has mended the cache and said so, that nobody lost an answer, and that all is sound."""
    for report in reports:
        report.assert_right(VALUES)
    (warning,) = [warning for report in reports for warning in report.warnings]
    assert f"was moved to {FILE}.damaged-1" in warning
    assert [name for name in left_aside(database) if not name.endswith(("-wal", "-shm"))] == [f"{FILE}.damaged-1"]
    again = run_hearing(Squarer(cache_dir=database.parent, letters=LETTERS), VALUES)
    again.assert_well(VALUES)
    assert again.hits == COUNT
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("damage", [garble, write_over])
def test_of_processes_that_find_a_database_damaged_at_once_one_sets_it_aside(
    database: Path, damage: Callable[[Path], None]
) -> None:
    damage(database)
    orders = [
        {"folder": str(database.parent), "count": COUNT, "letters": LETTERS, "shuffle": seed, "wait": True}
        for seed in range(PROCESSES)
    ]
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(started(command_of("program", json.dumps(order)))) for order in orders]
        for process in processes:
            read_line(process)
        for process in processes:
            tell(process, "go")
        said = [process.communicate(timeout=60) for process in processes]
    assert [errors for _, errors in said] == [""] * PROCESSES
    assert_mended([report_of(printed) for printed, _ in said], database)


@pytest.mark.parametrize("damage", [garble, write_over])
def test_a_process_that_has_a_database_open_goes_on_in_the_one_that_takes_its_place(
    database: Path, damage: Callable[[Path], None]
) -> None:
    worker = Squarer(cache_dir=database.parent, letters=LETTERS)
    run_hearing(worker, [-1]).assert_well([-1])
    damage(database)
    order = {"folder": str(database.parent), "count": COUNT, "letters": LETTERS, "wait": True}
    with started(command_of("program", json.dumps(order))) as process:
        read_line(process)
        tell(process, "go")
        here = run_hearing(worker, VALUES)
        printed, errors = process.communicate(timeout=60)
    assert errors == ""
    assert_mended([here, report_of(printed)], database)
    worker.get_cache().close()


def test_a_database_that_may_not_be_written_by_a_worker_is_left_where_it_is(database: Path) -> None:
    garble(database)
    damaged = database.read_bytes()
    worker = Squarer(cache_dir=database.parent, letters=LETTERS, cache_mode="read_only")
    run_hearing(worker, VALUES).assert_without_cache(VALUES)
    assert left_aside(database) == []
    assert database.read_bytes() == damaged


def test_a_database_that_turns_out_to_be_whole_is_left_where_it_is(database: Path) -> None:
    store = DiskStore(database.parent)
    file = identity(str(database), whole=False)
    assert store.mend(DamageError("it seemed so", file)) == "", "and can be used again"
    assert store.mend(DamageError("it seemed so", file)) is None, "it takes long to look at all of it"
    assert store.mend(DamageError("that was another one", (0, 0))) == ""
    assert store.mend(OSError("no matter of the file")) is None
    store.close()
    assert left_aside(database) == []
    assert_sound(database.parent, COUNT)


def test_a_damaged_database_of_which_nothing_can_be_copied_for_now_is_left_as_it_was(database: Path) -> None:
    garble(database)
    before = {path.name: path.read_bytes() for path in database.parent.iterdir()}

    def fill_the_disk(damaged: str, saved: str) -> int:
        salvage(damaged, saved)
        raise OSError(errno.ENOSPC, "no space left", saved)

    with pytest.raises(OSError, match="no space left"):
        set_aside(str(database), READABLE, fill_the_disk)
    assert {path.name: path.read_bytes() for path in database.parent.iterdir()} == before


KILLED = """
import os, signal, sys
from planai.cache.stores.damage import set_aside
from planai.cache.stores.salvage import READABLE, salvage

def save(damaged, saved):
    count = salvage(damaged, saved)
    if damaged.endswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return count

set_aside(sys.argv[1], READABLE, save)
"""


@pytest.mark.parametrize("moment", [FILE, ".damaged-1"])
def test_what_a_process_was_saving_that_was_killed_is_not_lost(database: Path, moment: str) -> None:
    garble(database)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(database), moment], env=environment(), check=False)
    assert killed.returncode == -signal.SIGKILL
    report = run_hearing(Squarer(cache_dir=database.parent, letters=LETTERS), VALUES)
    assert report.hits > COUNT // 2
    if moment == FILE:
        assert_mended([report], database)
    else:
        report.assert_well(VALUES)
        assert left_aside(database) == [f"{FILE}.damaged-1"]
    assert sorted(path.name for path in database.parent.iterdir() if "-" not in path.suffix) == ["planai.lock", FILE]


def test_what_others_write_while_it_is_being_saved_is_saved_too(database: Path) -> None:
    other = DiskStore(database.parent)
    other.put("s", "a", Record(b"before", 1.0))
    garble(database)

    def save(damaged: str, saved: str) -> int:
        count = salvage(damaged, saved)
        if damaged == str(database):
            other.put("s", "b", Record(b"meanwhile", 1.0))
        return count

    set_aside(str(database), READABLE, save)
    assert [record.payload for key in "ab" if (record := other.get("s", key))] == [b"before", b"meanwhile"]
    other.close()


def test_who_opens_a_database_waits_while_its_names_are_given_to_other_files(database: Path) -> None:
    store = DiskStore(database.parent)
    with ThreadPoolExecutor(1) as pool:
        with names_locked(str(database), alone=True):
            opened = pool.submit(store.scan)
            with pytest.raises(TimeoutError):
                opened.result(0.1)
        assert len(opened.result(10)) > COUNT
    store.close()


def test_no_row_of_another_store_is_taken_for_one_of_this(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE entries SET key = 'another' WHERE rowid = 1")
        connection.execute("UPDATE entries SET stored = 'noon' WHERE rowid = 2")
        connection.execute("UPDATE entries SET payload = x'00' WHERE rowid = 3")
        connection.execute("UPDATE entries SET space = CAST(x'FF' AS TEXT) WHERE rowid = 4")
        connection.execute("UPDATE entries SET seconds = -1 WHERE rowid = 5")
        connection.execute("INSERT INTO spaces VALUES ('cleared', 7)")
        count = connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0]
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP INDEX by_digest")
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute("UPDATE sqlite_master SET rootpage = 1 WHERE name = 'by_use'")
        connection.commit()
    store = DiskStore(database.parent)
    (problem,) = [text for text in store.verify(repair=True) if "mode" not in text]
    assert f"goes on with the {count - 5} entries" in problem
    assert len(store.scan()) == count - 5
    assert store.generation("cleared") == 7
    store.close()
