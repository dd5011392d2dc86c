"""DiskcacheStore's own: no pickle that somebody has planted is run, and nobody else can read the files."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import diskcache
import pytest

from planai.cache.store import Record
from planai.cache.stores.diskcache import DiskcacheStore
from planai.cache.stores.rawdisk import RawDisk
from planai.errors import ConfigurationError
from planai.testing.store_base import FUTURE, record

LARGE = 100_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def store(folder: Path) -> Iterator[DiskcacheStore]:
    made = DiskcacheStore(folder)
    yield made
    made.close()


def test_to_read_where_nothing_is_makes_nothing(folder: Path, store: DiskcacheStore) -> None:
    assert (store.get("s", "a"), store.scan(), store.scan("s", ["a"]), store.generation("s")) == (None, [], [], 0)
    store.close()
    assert not folder.exists()
    assert store.put("s", "a", record())
    assert [info.key for info in store.scan()] == ["a"]


def test_whoever_closes_leaves_nothing_open_that_other_threads_have_used(store: DiskcacheStore) -> None:
    gc.collect()  # what earlier tests have left would be closed meanwhile
    before = len(list(Path("/dev/fd").iterdir()))
    ready = threading.Barrier(8)

    def use(number: int) -> None:
        ready.wait()
        store.put("s", str(number), record())
        assert store.get("s", str(number)) is not None
        ready.wait()  # all of them are still there

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
        store.close()
        assert len(list(Path("/dev/fd").iterdir())) == before


class Exploit:
    """Makes a folder when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.witness),)


PLANTS = {
    "a value": "UPDATE Cache SET mode = 4, filename = NULL, value = :pickle",
    "a value in a file": "UPDATE Cache SET mode = 4, filename = :file, value = NULL",
    "a value of no known mode": "UPDATE Cache SET mode = 7, filename = NULL, value = :pickle",
    "a raw value": "UPDATE Cache SET mode = 1, filename = NULL, value = :pickle",
    "a key": "UPDATE OR IGNORE Cache SET key = :pickle, raw = 0",
    "one more key": "INSERT INTO Cache (key, raw, mode, value) VALUES (:pickle, 0, 4, :pickle)",
    "a tag": "UPDATE Cache SET tag = :pickle",
    "a key of settings": "INSERT INTO Settings VALUES (:pickle, 1)",
    "a value of settings": "UPDATE Settings SET value = :pickle WHERE key NOT IN ('count', 'size')",
    "more settings": "INSERT INTO Settings VALUES ('planted', :pickle), ('disk_planted', :pickle)",
}


def plant(folder: Path, sql: str, witness: Path) -> None:
    """Put a pickle where diskcache would look for one, in each row and in each file."""
    pickled = pickle.dumps(Exploit(witness))
    name = "ab/cd/" + "0" * 28 + ".val"
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for file in [folder / name, *folder.glob("*/*/*.val")]:
        file.write_bytes(pickled)
    with contextlib.closing(sqlite3.connect(folder / "cache.db")) as connection:
        connection.execute(sql, {"pickle": pickled, "file": name})
        connection.commit()


def use_everything(store: DiskcacheStore) -> None:
    store.get("s", "a")
    store.get("s", "large")
    store.scan()
    store.scan("s", ["a"])
    store.generation("s")
    store.trim("s", 1.0, 1, None, "cost")
    store.put("s", "a", record(), store.generation("s"))
    store.get("s", "a")
    store.delete("s", ["large"])
    store.delete("s")


@pytest.mark.parametrize("place", PLANTS)
@pytest.mark.parametrize("is_open", [True, False])
def test_a_planted_pickle_is_never_run(folder: Path, store: DiskcacheStore, place: str, is_open: bool) -> None:
    for key, size in {"a": 1, "large": LARGE}.items():
        store.put("s", key, record(b"x" * size))
    store.delete("t")
    if not is_open:
        store.close()
    witness = folder.parent / "executed"
    plant(folder, PLANTS[place], witness)
    with contextlib.suppress(sqlite3.Error, TypeError, AttributeError):  # settings that diskcache itself stumbles over
        use_everything(store)
    assert not witness.exists()
    pickle.loads(pickle.dumps(Exploit(witness)))
    assert witness.exists(), "the pickle itself works"


def test_the_disk_that_diskcache_brings_runs_what_is_planted(folder: Path, store: DiskcacheStore) -> None:
    store.put("s", "a", record())
    store.close()
    witness = folder.parent / "executed"
    plant(folder, PLANTS["a value"], witness)
    with diskcache.Cache(str(folder)) as cache:
        for key in cache:
            with contextlib.suppress(FileExistsError):
                cache.get(key)
    assert witness.exists(), "or else the tests above test nothing"


@pytest.mark.parametrize("place", ["a value", "a value in a file", "a value of no known mode", "a raw value"])
def test_what_was_planted_is_a_miss_that_the_next_put_repairs(folder: Path, store: DiskcacheStore, place: str) -> None:
    store.put("s", "a", record())
    plant(folder, PLANTS[place], folder.parent / "executed")
    assert store.get("s", "a") is None
    assert store.scan() == []
    assert store.put("s", "a", record(b"again")) is True
    assert store.get("s", "a") == record(b"again")
    assert len(store.scan()) == 1


def test_a_row_cannot_name_a_file_elsewhere(folder: Path, store: DiskcacheStore) -> None:
    secret = folder.parent / "secret"
    secret.write_bytes(b"secret")
    store.put("s", "a", record())
    with contextlib.closing(sqlite3.connect(folder / "cache.db")) as connection:
        connection.execute("UPDATE Cache SET mode = 2, filename = '../secret'")
        connection.commit()
    assert store.get("s", "a") is None
    store.put("s", "a", record())
    assert secret.exists()


def test_nothing_but_bytes_and_int_is_written(folder: Path) -> None:
    disk = RawDisk(str(folder))
    for value in ("text", 1.5, None, [b"x"]):
        with pytest.raises(TypeError):
            disk.store(value, False)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            disk.put(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_folder_and_files_are_private_to_their_owner(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = DiskcacheStore(folder)
        store.put("s", "a", record(b"x" * LARGE))
    finally:
        os.umask(before)
    places = [folder, *folder.rglob("*")]
    assert len(places) > 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in places if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in places if path.is_file()} == {0o600}
    store.close()


def test_nothing_is_made_before_the_first_use(folder: Path) -> None:
    DiskcacheStore(folder).close()
    assert not folder.exists()


def test_the_files_of_large_payloads_go_with_their_rows(folder: Path, store: DiskcacheStore) -> None:
    for key in "abc":
        store.put("s", key, Record(b"x" * LARGE, 1.0, FUTURE))
    assert len(list(folder.glob("*/*/*.val"))) == 3
    store.put("s", "a", record())
    store.delete("s", ["b"])
    store.trim("s", FUTURE, None, None)
    assert list(folder.glob("*/*/*.val")) == []


def test_what_expired_long_ago_goes_without_being_read(store: DiskcacheStore) -> None:
    store.put("s", "long ago", Record(b"x", 1.0, 2.0))
    store.put("s", "later", Record(b"x", 1.0, FUTURE))
    store._next_expiry = 0.0
    store.put("s", "a", record())
    assert [info.key for info in store.scan()] == ["later", "a"]


def test_a_folder_that_diskcache_would_rename_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\$HOME"):
        DiskcacheStore(tmp_path / "$HOME")


WITHOUT = """
import sys
sys.modules["diskcache"] = None
from planai.cache.stores.diskcache import DiskcacheStore
from planai.errors import MissingDependency
try:
    DiskcacheStore("anywhere")
except MissingDependency as error:
    print(error)
"""


def test_a_missing_package_is_told_with_its_remedy() -> None:
    told = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert 'pip install "planai[diskcache]"' in told
