"""DiskStore's own: files, other processes, forks, deaths and damage."""

from __future__ import annotations

import contextlib
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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from planai.cache.cache import open_store
from planai.cache.store import Record, Store
from planai.cache.stores.disk import FILE, DiskStore
from planai.cache.stores.memory import MemoryStore
from planai.cache.stores.tiered import TieredStore


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


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="_open leaves the writer, and the log, of the old file")
def test_a_replaced_file_is_read_without_the_log_of_the_earlier_one(folder: Path, tmp_path: Path) -> None:
    store = DiskStore(folder)
    store.put("s", "old", record("old"))
    put_aside(tmp_path / "other").replace(folder / FILE)
    try:
        assert (text(store, "new"), text(store, "old")) == ("new", None)
    finally:
        store.close()


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
        assert python(READ_ONLY, folder).split() == ["refused"] * 3
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
    two.put("s", "large", Record(os.urandom(9_000_000), 1.0))
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

    def put(self, space: str, key: str, record: Record) -> None:
        super().put(space, key, record)
        self._happen()


class CommittedInBetween(DiskStore):
    """A real store, in which another process commits between its own commit and its look at the log."""

    meanwhile: Callable[[], object] | None = None

    def version(self) -> object:
        if self.meanwhile is not None and self._writer is not None and not self._writer.in_transaction:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return super().version()


TIERS = "TieredStore fills its memory after the lower store was left, without looking who came in between"


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
    lower = CommittedInBetween(folder)
    with contextlib.closing(TieredStore(MemoryStore(), lower)) as store, contextlib.closing(DiskStore(folder)) as other:
        store.put("s", "a", record("old"))
        assert text(store, "a") == "old"
        lower.meanwhile = lambda: other.put("s", "a", record("new"))
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
from planai.cache.cache import open_store
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
