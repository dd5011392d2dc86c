"""DiskStore's own: files, other processes, forks, deaths and damage."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from planai.cache.opening import open_store
from planai.cache.store import Record, Store
from planai.cache.stores.connecting import FileReplacedError, connect, identity
from planai.cache.stores.database import Database
from planai.cache.stores.disk import FILE, LARGE, DiskStore
from planai.cache.stores.memory import MemoryStore
from planai.cache.stores.schema import LAYOUT, prepare
from planai.cache.stores.tiered import TieredStore
from planai.cost import Cost


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def disk(folder: Path) -> Iterator[DiskStore]:
    store = DiskStore(folder)
    yield store
    store.close()


def record(text: object = "x") -> Record:
    return Record(str(text).encode(), 1.0)


def text(store: Store, key: str) -> str | None:
    found = store.get("s", key)
    return None if found is None else found.payload.decode()


def tiered(folder: Path) -> TieredStore:
    return TieredStore(MemoryStore(), DiskStore(folder))


def keys(store: Store) -> list[str]:
    return [info.key for info in store.scan("s")]


def python(script: str, *arguments: object) -> str:
    command = [sys.executable, "-c", HEAD + script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


HEAD = """
import os, sys
from planai.cache.store import Record
from planai.cache.stores.disk import DiskStore

def record(text="x"):
    return Record(str(text).encode(), 1.0)
"""


def keys_seen_by_another_process(folder: Path) -> set[str]:
    return set(python("print(*[info.key for info in DiskStore(sys.argv[1]).scan('s')])", folder).split())


# ---- files


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_folder_and_files_are_private_to_their_owner(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = DiskStore(folder)
        store.put("s", "a", record())
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}
    assert modes == {"cache": 0o700, FILE: 0o600, f"{FILE}-wal": 0o600, f"{FILE}-shm": 0o600}
    store.close()


def test_nothing_is_made_before_the_first_use(folder: Path) -> None:
    DiskStore(folder).close()
    assert not folder.exists()


def test_the_mode_of_an_existing_folder_is_left_alone(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    store = DiskStore(folder)
    store.put("s", "a", record())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    store.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_closed_stores_leave_no_file_descriptor(tmp_path: Path) -> None:
    gc.collect()  # stores of other tests hold files until then
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count of names
    stores = [DiskStore(tmp_path / str(number)) for number in range(100)]
    for store in stores:
        store.put("s", "a", record())
        store.get("s", "a")
    assert len(os.listdir("/proc/self/fd")) > before + 100  # noqa: PTH208
    for store in stores:
        store.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_forgotten_store_closes_its_files(folder: Path) -> None:
    store = DiskStore(folder)
    store.put("s", "a", record())
    del store
    assert {path.name for path in folder.iterdir()} == {FILE}, "the last to close removes the log"


def test_use_is_written_down_when_the_store_is_closed(folder: Path, disk: DiskStore) -> None:
    for key in "abc":
        disk.put("s", key, record())
    disk.get("s", "a")
    disk.touch("s", "b")
    disk.close()
    assert keys(DiskStore(folder)) == ["c", "a", "b"]


def test_use_is_written_down_with_the_next_write(folder: Path, disk: DiskStore) -> None:
    for key in "ab":
        disk.put("s", key, record())
    disk.get("s", "a")
    disk.put("s", "c", record())
    assert keys(DiskStore(folder)) == ["b", "a", "c"]


# ---- under a live store


@pytest.mark.parametrize("make", [DiskStore, tiered])
def test_a_removed_folder_is_an_empty_one(folder: Path, make: Callable[[Path], Store]) -> None:
    store = make(folder)
    store.put("s", "a", record())
    assert text(store, "a") == "x"
    shutil.rmtree(folder)
    assert text(store, "a") is None
    store.put("s", "b", record())
    assert (text(store, "a"), text(store, "b"), keys(store)) == (None, "x", ["b"])
    store.close()
    assert keys_seen_by_another_process(folder) == {"b"}


@pytest.mark.parametrize("make", [DiskStore, tiered])
def test_what_is_put_right_after_the_folder_was_removed_is_kept(folder: Path, make: Callable[[Path], Store]) -> None:
    store = make(folder)
    store.put("s", "a", record())
    shutil.rmtree(folder)
    store.put("s", "b", record())
    store.close()
    assert keys_seen_by_another_process(folder) == {"b"}


def put_aside(folder: Path) -> Path:
    """Make the file of another cache, with one entry."""
    other = DiskStore(folder)
    other.put("s", "new", record("new"))
    other.close()
    return folder / FILE


@pytest.mark.parametrize("make", [DiskStore, tiered])
def test_a_replaced_cache_is_read(folder: Path, tmp_path: Path, make: Callable[[Path], Store]) -> None:
    store = make(folder)
    store.put("s", "old", record("old"))
    assert text(store, "old") == "old"
    other = put_aside(tmp_path / "other")
    shutil.rmtree(folder)
    other.parent.rename(folder)
    assert (text(store, "new"), text(store, "old")) == ("new", None)
    store.put("s", "more", record())
    assert keys(store) == ["new", "more"]
    store.close()


def test_a_cache_that_is_replaced_while_it_is_opened_is_read(folder: Path, tmp_path: Path) -> None:
    put_aside(tmp_path / "other")
    earlier = put_aside(folder)

    def prepare_late(connection: sqlite3.Connection) -> None:
        prepare(connection)
        if folder.exists() and (tmp_path / "other").exists():  # the first time
            folder.rename(tmp_path / "earlier")
            (tmp_path / "other").rename(folder)

    database = Database(earlier, prepare_late, lambda _: None)
    database.write(lambda db: db.execute("UPDATE entries SET key = 'changed'"))
    database.close()
    assert keys_seen_by_another_process(folder) == {"changed"}
    assert keys_seen_by_another_process(tmp_path / "earlier") == {"new"}
    assert keys(DiskStore(folder)) == ["changed"]


def test_a_replaced_file_is_read_without_the_log_of_the_earlier_one(folder: Path, tmp_path: Path) -> None:
    store = DiskStore(folder)
    store.put("s", "old", record("old"))
    put_aside(tmp_path / "other").replace(folder / FILE)
    try:
        assert (text(store, "new"), text(store, "old")) == ("new", None)
        store.put("s", "more", record())
    finally:
        store.close()
    assert keys_seen_by_another_process(folder) == {"new", "more"}


def test_the_log_of_whoever_uses_the_new_file_already_is_left_alone(folder: Path, tmp_path: Path) -> None:
    store = DiskStore(folder)
    store.put("s", "old", record("old"))
    put_aside(tmp_path / "other").replace(folder / FILE)
    for ending in ("-wal", "-shm"):
        (folder / f"{FILE}{ending}").unlink()
    other = DiskStore(folder)
    other.put("s", "more", record())  # into a log of its own
    assert (text(store, "more"), text(store, "old")) == ("x", None)
    other.close()
    store.close()
    assert keys_seen_by_another_process(folder) == {"new", "more"}


def test_a_file_that_is_removed_alone_is_made_anew(folder: Path) -> None:
    store = DiskStore(folder)
    store.put("s", "old", record("old"))
    (folder / FILE).unlink()
    store.put("s", "new", record("new"))
    assert (text(store, "new"), text(store, "old")) == ("new", None)
    store.close()
    assert keys_seen_by_another_process(folder) == {"new"}


# ---- large payloads


def large(text: str = "x", size: int = LARGE) -> Record:
    return Record(text.encode() * size, 1.0)


def files(folder: Path) -> list[Path]:
    return sorted((folder / "values").glob("*/*"))


def make_old(path: Path, seconds: float = 4000.0) -> None:
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_large_payloads_are_files_of_their_own(folder: Path, disk: DiskStore) -> None:
    disk.put("s", "small", large(size=LARGE - 1))
    assert files(folder) == []
    disk.put("s", "large", large("y"))
    (file,) = files(folder)
    assert file.read_bytes() == b"y" * LARGE
    assert disk.get("s", "large") == large("y")


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_files_of_large_payloads_are_private_to_their_owner(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with contextlib.closing(DiskStore(folder)) as store:
            store.put("s", "a", large())
    finally:
        os.umask(before)
    (file,) = files(folder)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent, file.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


REMOVALS: dict[str, Callable[[DiskStore], object]] = {
    "put small": lambda store: store.put("s", "a", record()),
    "delete": lambda store: store.delete("s", ["a"]),
    "clear": lambda store: store.delete("s"),
    "trim": lambda store: store.trim("s", 0.0, 0, None),
    "trim expired": lambda store: store.trim("s", 5e9, None, None),
}


@pytest.mark.parametrize("how", REMOVALS)
def test_the_file_goes_with_its_row(folder: Path, disk: DiskStore, how: str) -> None:
    disk.put("s", "a", large()._replace(expires_at=4e9))
    disk.put("t", "b", large())
    assert len(files(folder)) == 2
    REMOVALS[how](disk)
    (file,) = files(folder)
    assert disk.get("t", "b") == large()
    disk.put("t", "b", large("y"))
    assert files(folder) != [file], "a name is never used again"
    assert len(files(folder)) == 1


def test_what_is_not_kept_leaves_no_file(folder: Path, disk: DiskStore) -> None:
    disk.delete("s")
    assert disk.put("s", "a", large(), 0) is False
    assert files(folder) == []
    other = sqlite3.connect(folder / FILE)
    other.execute("DROP TABLE spaces")
    other.close()
    with pytest.raises(sqlite3.DatabaseError, match="no such table"):
        disk.put("s", "a", large(), 0)
    assert files(folder) == []


@pytest.mark.parametrize("damage", ["gone", "short", "long", "emptied"])
@pytest.mark.parametrize("make", [DiskStore, tiered])
def test_a_file_that_is_not_whole_is_a_miss_that_the_next_put_repairs(
    folder: Path, make: Callable[[Path], Store], damage: str
) -> None:
    with contextlib.closing(make(folder)) as store:
        store.put("s", "a", large())
        (file,) = files(folder)
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes({"short": b"x" * (LARGE - 1), "long": b"x" * (LARGE + 1), "emptied": b""}[damage])
        assert store.get("s", "a") is None
        assert keys(store) == []
        store.put("s", "a", large("y"))
        assert store.get("s", "a") == large("y")


def test_a_row_cannot_name_a_file_elsewhere(folder: Path, disk: DiskStore) -> None:
    disk.put("s", "a", large())
    secret = folder.parent / "secret"
    secret.write_bytes(b"x" * LARGE)
    other = sqlite3.connect(folder / FILE)
    other.execute("UPDATE entries SET file = ?", (f"../../{secret.name}",))
    other.commit()
    other.close()
    assert disk.get("s", "a") is None
    disk.put("s", "a", record())
    assert secret.exists()


def test_orphans_are_swept_by_the_first_write_of_a_process_once_an_hour(folder: Path) -> None:
    with contextlib.closing(DiskStore(folder)) as store:
        for key in "abc":
            store.put("s", key, large())
    left, kept, young = files(folder)
    part = left.with_name(f"{left.name}.part")
    part.write_bytes(b"half")
    foreign = folder / "values" / "note.txt"
    foreign.write_text("not of the cache")
    with contextlib.closing(sqlite3.connect(folder / FILE)) as other:
        other.execute("DELETE FROM entries WHERE file IN (?, ?)", (left.name, young.name))
        other.commit()
    for path in (left, kept, part):
        make_old(path)
    with contextlib.closing(DiskStore(folder)) as store:
        store.put("s", "d", record())
        assert files(folder) == sorted([left, kept, young, part]), "somebody has just looked"
    make_old(folder / "values" / "swept")
    with contextlib.closing(DiskStore(folder)) as store:
        store.get("s", "a")
        assert files(folder) == sorted([left, kept, young, part])
        store.put("s", "d", record())
        assert files(folder) == sorted([kept, young])
        assert foreign.exists()


DYING = """
store = DiskStore(sys.argv[1])
number = 0
print("begun", flush=True)
while True:
    store.put("s", str(number % 5), Record(bytes([number % 256]) * 300_000, 1.0))
    number += 1
"""


def test_large_payloads_of_a_killed_process_are_whole_or_not_there(folder: Path, disk: DiskStore) -> None:
    for _ in range(3):
        command = [sys.executable, "-c", HEAD + DYING, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            while len(disk.scan("s")) < 5:  # until it is in full swing
                pass
            os.kill(process.pid, signal.SIGKILL)
        for key in map(str, range(5)):
            found = disk.get("s", key)
            assert found is not None
            assert found.payload == found.payload[:1] * 300_000
        for file in files(folder):
            make_old(file)
        disk.verify(repair=True)
        assert len(files(folder)) == 5
        disk.delete("s")


# ---- what goes by itself


def test_what_has_expired_goes_without_being_read(folder: Path, disk: DiskStore) -> None:
    for space in "st":
        disk.put(space, "expired", large()._replace(expires_at=2.0))
        disk.put(space, "later", Record(b"x", 1.0, 4e9))
    disk.close()
    with contextlib.closing(DiskStore(folder)) as store:
        store.put("u", "a", record())
        assert {(info.space, info.key) for info in store.scan()} == {("s", "later"), ("t", "later"), ("u", "a")}
        assert files(folder) == []
        store.put("s", "expired", Record(b"x", 1.0, 2.0))
        store.put("u", "b", record())
        assert "expired" in keys(store), "not with each write"


def test_hits_of_a_write_that_fails_are_counted_by_the_next(disk: DiskStore) -> None:
    disk.put("s", "a", record())
    disk.get("s", "a")
    with pytest.raises(sqlite3.Error):
        disk.put("s", "b", Record(b"x", "no time".encode))  # type: ignore[arg-type]
    disk.get("s", "a")
    assert [(info.key, info.hits) for info in disk.scan("s")] == [("a", 2)]


def test_a_folder_that_was_removed_is_not_made_anew_by_closing(folder: Path) -> None:
    store = DiskStore(folder)
    store.put("s", "a", record())
    store.get("s", "a")
    shutil.rmtree(folder)
    store.close()
    assert not folder.exists()


# ---- layouts of other versions

FIRST_LAYOUT = """
PRAGMA journal_mode = WAL;
CREATE TABLE entries (
    digest INTEGER NOT NULL, space TEXT NOT NULL, key TEXT NOT NULL, stored REAL NOT NULL, used REAL NOT NULL,
    expires REAL, seconds REAL NOT NULL, size INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE UNIQUE INDEX by_digest ON entries (digest);
CREATE INDEX by_use ON entries (space, used, size, expires);
INSERT INTO entries VALUES (1, 's', 'a', 1.0, 1.0, NULL, 0.5, 1, x'00');
"""


def make_first_layout(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(folder / FILE)) as connection:
        connection.executescript(FIRST_LAYOUT)


@pytest.mark.parametrize("make", [DiskStore, tiered])
def test_a_file_of_the_first_layout_is_an_empty_cache(folder: Path, make: Callable[[Path], Store]) -> None:
    make_first_layout(folder)
    with contextlib.closing(make(folder)) as store:
        assert text(store, "a") is None
        store.put("s", "a", Record(b"x", 1.0, None, 2.0, Cost(1.0, 2, 3.0), b"{}"))
        assert keys(store) == ["a"]
    with contextlib.closing(sqlite3.connect(folder / FILE)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (LAYOUT,)


def test_rows_of_the_first_layout_are_kept_where_nobody_looks_for_them(folder: Path) -> None:
    make_first_layout(folder)
    with contextlib.closing(DiskStore(folder)) as store:
        assert store.scan() == []
    with contextlib.closing(sqlite3.connect(folder / FILE)) as connection:
        connection.execute("PRAGMA user_version = 0")
        assert connection.execute("SELECT key FROM entries_of_layout_0").fetchall() == [("a",)]
    with contextlib.closing(DiskStore(folder)) as store:
        store.put("s", "b", record())
        assert keys(store) == ["b"]
        assert [text for text in store.verify() if "mode" not in text] == []
    with contextlib.closing(sqlite3.connect(folder / FILE)) as connection:
        assert connection.execute("SELECT key FROM entries_of_layout_0").fetchall() == [("a",)]
        assert connection.execute("SELECT key FROM entries_of_layout_1").fetchall() == []


def test_processes_that_meet_a_file_of_the_first_layout_at_once_lose_nothing(folder: Path) -> None:
    script = """
store = DiskStore(sys.argv[1])
sys.stdin.read(1)
store.put("s", sys.argv[2], record())
assert store.get("s", sys.argv[2]) == record()
"""
    for _ in range(3):
        make_first_layout(folder)
        command = [sys.executable, "-c", HEAD + script, str(folder)]
        running = [
            subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for number in range(3)
        ]
        assert [process.communicate("go", timeout=60)[0] for process in start_together(running)] == [""] * 3
        assert keys_seen_by_another_process(folder) == {"0", "1", "2"}
        shutil.rmtree(folder)


def test_a_file_of_a_newer_layout_is_an_error_that_says_so_and_left_alone(folder: Path) -> None:
    make_first_layout(folder)
    with contextlib.closing(sqlite3.connect(folder / FILE)) as connection:
        connection.execute(f"PRAGMA user_version = {LAYOUT + 1}")
    store = DiskStore(folder)
    for use in (lambda: store.get("s", "a"), lambda: store.put("s", "b", record()), lambda: store.scan("s")):
        with pytest.raises(sqlite3.DatabaseError, match=r"newer planai .* upgrade planai"):
            use()
    (problem,) = [text for text in store.verify(repair=True) if "mode" not in text]
    assert "newer planai" in problem
    store.close()
    with contextlib.closing(sqlite3.connect(folder / FILE)) as connection:
        assert connection.execute("SELECT key FROM entries").fetchall() == [("a",)]


# ---- verify


def test_a_cache_in_order_has_no_problems(folder: Path, disk: DiskStore) -> None:
    assert disk.verify() == []
    assert not folder.exists(), "and is not made by looking at it"
    disk.put("s", "a", large())
    disk.put("s", "b", record())
    disk.get("s", "a")
    assert disk.verify() == disk.verify(repair=True) == []
    assert disk.get("s", "a") == large()


def test_verify_finds_and_mends_what_others_may_read(folder: Path, disk: DiskStore) -> None:
    disk.put("s", "a", large())
    (file,) = files(folder)
    opened = [folder, folder / "values", file.parent, folder / FILE, file]
    for path in opened:
        path.chmod(0o777)
    problems = disk.verify()
    assert len(problems) == len(opened)
    assert all(f"{path} has the mode 777" in " ".join(problems) for path in opened)
    assert disk.verify(repair=True) == problems
    assert disk.verify() == []
    assert [stat.S_IMODE(path.stat().st_mode) for path in opened] == [0o700, 0o700, 0o700, 0o600, 0o600]


@pytest.mark.parametrize("content", [None, b"short"])
def test_verify_finds_and_forgets_rows_whose_file_is_not_whole(
    folder: Path, disk: DiskStore, content: bytes | None
) -> None:
    disk.put("s", "a", large())
    disk.put("s", "b", large())
    file = next(path for path in files(folder) if path.read_bytes())
    file.unlink()
    if content is not None:
        file.write_bytes(content)
        file.chmod(0o600)
    (problem,) = disk.verify()
    assert file.name in problem
    assert "entry 'a' of 's'" in problem or "entry 'b' of 's'" in problem
    assert len(disk.scan("s")) == 2
    assert problem in disk.verify(repair=True)
    assert len(disk.scan("s")) == 1
    for path in files(folder):
        make_old(path)
    disk.verify(repair=True)
    assert disk.verify() == []
    assert len(files(folder)) == 1


def test_verify_finds_and_removes_files_without_a_row_when_they_are_old(folder: Path, disk: DiskStore) -> None:
    disk.put("s", "a", large())
    (file,) = files(folder)
    orphan = file.with_name(f"{file.name[:16]}-{'0' * 32}")
    orphan.touch(mode=0o600)
    assert disk.verify() == [], "it may be about to get its row"
    make_old(orphan)
    problems = disk.verify()
    assert problems == [f"The file {orphan.name} belongs to no entry."]
    assert disk.verify(repair=True) == problems
    assert files(folder) == [file]
    assert disk.get("s", "a") == large()


def without_tables(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE entries")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "foreign": lambda file: file.write_bytes(b"hello, world! " * 1000),
    "torn": lambda file: os.truncate(file, file.stat().st_size // 2),
    "written over": lambda file: file.write_bytes(file.read_bytes()[:8192] + b"\xff" * 50_000),
    "without tables": without_tables,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_verify_moves_a_damaged_database_aside_and_begins_anew(folder: Path, disk: DiskStore, damage: str) -> None:
    for round_number in (1, 2):
        for number in range(100):
            disk.put("s", str(number), record("x" * 500))
        disk.close()
        DAMAGES[damage](folder / FILE)
        damaged = (folder / FILE).read_bytes()
        (problem,) = disk.verify()
        assert "is damaged" in problem
        (problem,) = disk.verify(repair=True)
        assert f"was moved to {FILE}.damaged-{round_number}" in problem
        assert (folder / f"{FILE}.damaged-{round_number}").read_bytes()[:1000] == damaged[:1000]
        assert disk.verify() == []
        known = keys(disk)
        assert ("goes on with" in problem) == bool(known)
        assert len(known) < 100
        disk.put("s", "a", record())
        assert keys_seen_by_another_process(folder) == {"a", *known}
        disk.delete("s")


def test_another_store_goes_on_in_the_database_begun_anew(folder: Path, disk: DiskStore) -> None:
    with contextlib.closing(tiered(folder)) as other:
        other.put("s", "a", record())
        assert text(other, "a") == "x"
        disk.put("s", "b", record())
        DAMAGES["without tables"](folder / FILE)
        assert len(disk.verify(repair=True)) == 1
        assert text(other, "a") is None
        other.put("s", "c", record())
        assert keys(disk) == keys(other) == ["c"]


# ---- damage


@pytest.mark.parametrize("content", [b"hello, world! " * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_foreign_file_is_a_database_error_and_left_alone(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / FILE).write_bytes(content)
    store = DiskStore(folder)
    for use in (lambda: store.get("s", "a"), lambda: store.put("s", "a", record()), lambda: store.scan("s")):
        with pytest.raises(sqlite3.DatabaseError):
            use()
    store.close()
    assert (folder / FILE).read_bytes() == content


def test_a_truncated_file_is_a_database_error_or_a_miss(folder: Path, disk: DiskStore) -> None:
    for number in range(100):
        disk.put("s", str(number), record("x" * 500))
    disk.close()
    size = (folder / FILE).stat().st_size
    os.truncate(folder / FILE, size // 2)
    outcomes = set()
    for number in range(100):
        try:
            outcomes.add(text(disk, str(number)))
        except sqlite3.DatabaseError:
            outcomes.add("error")
    assert "error" in outcomes
    assert outcomes <= {"error", None, "x" * 500}


def test_to_read_where_nothing_is_makes_nothing(folder: Path) -> None:
    store = DiskStore(folder)
    assert (store.get("s", "a"), store.scan(), store.scan("s", ["a"]), store.generation("s")) == (None, [], [], 0)
    store.touch("s", "a")
    assert store.version() is None
    store.close()
    assert not folder.exists()
    assert store.put("s", "a", record())
    assert keys(store) == ["a"]


def test_an_emptied_file_is_an_empty_cache(folder: Path, disk: DiskStore) -> None:
    disk.put("s", "a", record())
    disk.close()
    os.truncate(folder / FILE, 0)
    assert text(disk, "a") is None
    disk.put("s", "b", record())
    assert keys(disk) == ["b"]


READ_ONLY = """
import sqlite3
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
store = DiskStore(sys.argv[1])
for use in (lambda: store.get("s", "a"), lambda: store.put("s", "b", record()), lambda: store.scan("s")):
    try:
        use()
    except (OSError, sqlite3.Error) as error:
        print("refused")
    else:
        print("done")
"""


def test_a_folder_that_may_not_be_written_to_is_an_error_that_caches_know() -> None:
    with tempfile.TemporaryDirectory() as name:  # the folders of pytest are closed to the user that root becomes
        folder = Path(name)
        folder.chmod(0o555)
        assert python(READ_ONLY, folder).split() == ["done", "refused", "done"]  # there is nothing to be read
        assert list(folder.iterdir()) == []


def test_a_store_waits_for_another_process_that_is_just_making_the_database(folder: Path) -> None:
    folder.mkdir()
    maker = sqlite3.connect(folder / FILE, isolation_level=None)
    maker.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as pool, contextlib.closing(maker):
        done = pool.submit(DiskStore(folder).put, "s", "a", record())
        wait([done], timeout=0.2)
        maker.execute("ROLLBACK")
        done.result()


# ---- two stores on one folder


def test_each_sees_what_the_other_writes_at_once(folder: Path) -> None:
    one, two = tiered(folder), tiered(folder)
    for number in range(200):
        writer, reader = (one, two) if number % 2 else (two, one)
        writer.put("s", "a", record(number))
        assert text(reader, "a") == str(number)
        assert text(reader, "a") == str(number), "from memory"
        assert text(writer, "a") == str(number)
    one.close()
    two.close()


def test_each_sees_what_the_other_deletes_clears_and_trims_at_once(folder: Path) -> None:
    one, two = tiered(folder), tiered(folder)
    removals: list[Callable[[], int]] = [
        lambda: two.delete("s", ["a"]),
        lambda: two.delete("s"),
        lambda: two.trim("s", 0.0, 0, None),
    ]
    for remove in removals:
        one.put("s", "a", record())
        assert text(one, "a") == "x"
        assert remove() == 1
        assert text(one, "a") is None
    one.close()
    two.close()


def test_each_sees_the_other_after_the_log_began_again(folder: Path) -> None:
    one, two = tiered(folder), tiered(folder)
    for _ in range(170):
        two.put("s", "large", Record(os.urandom(100_000), 1.0))
    size = (folder / f"{FILE}-wal").stat().st_size
    for number in range(200):
        two.put("s", "a", record(number))
        assert text(one, "a") == str(number)
    assert (folder / f"{FILE}-wal").stat().st_size == size, "the log was written over from its beginning"
    one.close()
    two.close()


class Interrupted(DiskStore):
    """A real store, in which something else happens right after one read or write."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.meanwhile: Callable[[], object] | None = None

    def _happen(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()

    def get(self, space: str, key: str) -> Record | None:
        found = super().get(space, key)
        self._happen()
        return found

    def put(self, space: str, key: str, record: Record, generation: int | None = None) -> bool:
        kept = super().put(space, key, record, generation)
        self._happen()
        return kept


class CommittedInBetween(Database):
    """A real database, in which another process commits between its own commit and its look at the log."""

    meanwhile: Callable[[], object] | None = None

    def version(self) -> Hashable:
        writer = self._writer.connection
        if self.meanwhile is not None and writer is not None and not writer.in_transaction:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return super().version()


def test_what_another_process_deletes_right_after_a_put_is_gone(folder: Path) -> None:
    lower = Interrupted(folder)
    with contextlib.closing(TieredStore(MemoryStore(), lower)) as store, contextlib.closing(DiskStore(folder)) as other:
        store.put("s", "a", record("first"))
        lower.meanwhile = lambda: other.delete("s", ["a"])
        store.put("s", "a", record("second"))
        assert text(store, "a") is None


@pytest.mark.parametrize("during", ["put", "get"])
@pytest.mark.parametrize("act", ["put", "delete"])
def test_what_another_thread_does_last_is_what_is_read(folder: Path, during: str, act: str) -> None:
    lower = Interrupted(folder)
    writer = DiskStore(folder)
    writer.put("s", "a", record("old"))
    writer.close()
    with contextlib.closing(TieredStore(MemoryStore(), lower)) as store:
        store.put("s", "first", record())
        acts: dict[str, Callable[[], object]] = {
            "put": lambda: store.put("s", "a", record("last")),
            "delete": lambda: store.delete("s", ["a"]),
        }
        other = threading.Thread(target=acts[act])

        def meanwhile() -> None:
            other.start()
            # In a put the other may run to its end; in a get it may have to wait for the end of that.
            other.join(None if during == "put" else 0.3)

        lower.meanwhile = meanwhile
        if during == "put":
            store.put("s", "a", record("old"))
        else:
            store.get("s", "a")
        other.join()
        assert text(store, "a") == ("last" if act == "put" else None)


def test_a_commit_of_another_process_between_ones_own_and_the_look_at_the_log_is_seen(folder: Path) -> None:
    lower = DiskStore(folder)
    database = lower._database = CommittedInBetween(folder / FILE, prepare, lower._upkeep.begin)
    with contextlib.closing(TieredStore(MemoryStore(), lower)) as store, contextlib.closing(DiskStore(folder)) as other:
        store.put("s", "a", record("old"))
        assert text(store, "a") == "old"
        database.meanwhile = lambda: other.put("s", "a", record("new"))
        lower.put("s", "b", record())
        assert text(store, "a") == "new"


# ---- processes

WRITER = """
import threading
folder, me = sys.argv[1:]
store = DiskStore(folder)
sys.stdin.read(1)
def work(thread):
    for number in range(25):
        key = f"{me}-{thread}-{number}"
        store.put("s", key, record(key))
        assert store.get("s", key) == record(key)
        store.put("s", "shared", record(key))
        store.delete("s", [f"{me}-{thread}-{number - 1}"] if number % 5 else [])
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("done")
"""


def test_processes_with_threads_write_at_once(folder: Path, disk: DiskStore) -> None:
    disk.put("s", "shared", record())
    command = [sys.executable, "-c", HEAD + WRITER, str(folder)]
    running = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(3)
    ]
    outputs = [process.communicate("go", timeout=60)[0] for process in start_together(running)]
    assert outputs == ["done\n"] * 3
    wanted = {f"{me}-{thread}-{number}" for me in range(3) for thread in range(4) for number in (4, 9, 14, 19, 24)}
    assert set(keys(disk)) == wanted | {"shared"}
    assert all(text(disk, key) == key for key in wanted)


def start_together(running: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for process in running:
        assert process.stdin is not None
        process.stdin.write("g")
        process.stdin.flush()
    return running


REPORTING = """
store = DiskStore(sys.argv[1])
number = 0
while True:
    store.put("s", str(number), record(number))
    print(number, flush=True)
    number += 1
"""


def test_what_a_killed_process_had_written_is_there(folder: Path, disk: DiskStore) -> None:
    for _ in range(3):
        command = [sys.executable, "-c", HEAD + REPORTING, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            seen = [process.stdout.readline() for _ in range(50)]
            os.kill(process.pid, signal.SIGKILL)
            seen += process.stdout.readlines()
        reported = {line.strip() for line in seen if line.endswith("\n")}
        assert len(reported) >= 50
        assert {key for key in reported if text(disk, key) != key} == set()
        disk.put("s", "after", record())
        assert disk.delete("s") >= len(reported)


# ---- forks


OPENING = """
from planai.cache.opening import open_store
from planai.cache.store import Record
store = open_store(folder)
assert store.get("s", "parent").payload == b"x"
store.put("s", "other", Record(b"x", 1.0))
"""


def put_in_child(store: Store, key: str) -> None:
    assert text(store, "parent") == "x"
    store.put("s", key, record())
    assert text(store, key) == "x"


def fork(work: Callable[[], object]) -> int:
    """Run `work` in a child, and return its process id."""
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # ends a child that hangs
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child may end in no other way than this
            os._exit(1)
        os._exit(0)
    return child


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_parent_and_forked_children_share_a_store(folder: Path) -> None:
    store = open_store(folder)
    store.put("s", "parent", record())
    children = [fork(lambda key=key: put_in_child(store, key)) for key in "abc"]  # type: ignore[misc]
    assert [status_of(child) for child in children] == [0, 0, 0]
    assert set(keys(store)) == {"parent", "a", "b", "c"}
    store.put("s", "d", record())
    store.close()
    assert keys_seen_by_another_process(folder) == {"parent", "a", "b", "c", "d"}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_multiprocessing_share_a_store(folder: Path, method: str) -> None:
    store = open_store(folder)
    store.put("s", "parent", record())
    context = multiprocessing.get_context(method)
    process = context.Process(target=exec, args=(OPENING, {"folder": folder}))  # type: ignore[attr-defined]
    process.start()
    process.join()
    assert process.exitcode == 0
    assert text(store, "other") == "x"
    store.close()


def test_a_fork_while_threads_use_the_store_leaves_a_child_that_can_use_it(folder: Path) -> None:
    store = open_store(folder)
    store.put("s", "parent", record())
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            store.get("s", "parent")

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        children = [fork(lambda key=key: put_in_child(store, key)) for key in "abc"]  # type: ignore[misc]
        assert [status_of(child) for child in children] == [0, 0, 0]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(keys(store)) == {"parent", "a", "b", "c"}
    store.close()


def test_what_a_forked_child_writes_after_its_parent_closed_the_store_is_kept(folder: Path) -> None:
    store = open_store(folder)
    store.put("s", "parent", record())
    written, closed = os.pipe(), os.pipe()

    def child() -> None:
        put_in_child(store, "before")
        os.write(written[1], b"1")
        os.read(closed[0], 1)
        put_in_child(store, "after")

    process = fork(child)
    os.read(written[0], 1)
    store.close()
    os.write(closed[1], b"1")
    assert status_of(process) == 0
    for end in (*written, *closed):
        os.close(end)
    assert keys_seen_by_another_process(folder) == {"parent", "before", "after"}


def test_nothing_is_written_where_another_database_came_to_the_name_of_the_one_to_be_opened(folder: Path) -> None:
    """As its log would be that of the other one, whose entries would be lost."""
    earlier, later = DiskStore(folder), DiskStore(folder.with_name("later"))
    for store in (earlier, later):
        store.put("s", "key", record())
        store.close()
    file = identity(str(folder / FILE), whole=False)
    shutil.rmtree(folder)
    folder.with_name("later").rename(folder)
    with pytest.raises(FileReplacedError):
        connect(str(folder / FILE), file, lambda connection: connection.execute("DROP TABLE entries"))
    assert text(earlier, "key") == "x"
