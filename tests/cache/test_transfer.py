"""Taking entries from one store to another."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache.samples import CODEC, COUNT, DAY, NOW, PRICE, digest_of, profile, put, put_profile
from planai.cache.about import PROFILES
from planai.cache.inspect import (
    Filter,
    find,
    output_of,
)
from planai.cache.store import Record, Store
from planai.cache.stores.memory import MemoryStore
from planai.cache.transfer import KIND, Imported, export, import_
from planai.errors import CacheError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def fill(store: Store) -> None:
    name = put_profile(store, profile())
    put_profile(store, profile(settings={"threshold": "1"}))
    put(store, "a", profile=name, age=10.0, expires_at=NOW + DAY)
    put(store, "a", kind="question")
    put(store, "b", sources=["a"], worker=PRICE)
    put(store, "expired", expires_at=NOW - 1.0)
    store.put(COUNT, "lone \ud800 surrogate", Record(CODEC.encode("\ud800"), NOW, about=b"\xff"))
    store.put(COUNT, "damaged", Record(b"j", NOW))


def contents(store: Store) -> dict[tuple[str, str], Record | None]:
    return {(info.space, info.key): store.get(info.space, info.key) for info in store.scan()}


def test_what_was_exported_is_imported_as_it_was(store: Store, tmp_path: Path) -> None:
    fill(store)
    file = tmp_path / "cache.zst"
    assert export(store, file, NOW) == (3, 1, 1, 3 * 20 + 5 + 5, 1)
    other = MemoryStore()
    assert import_(other, file) == Imported(3, 0, 0)
    known = contents(store)
    assert contents(other) == {name: known[name] for name in contents(other)}
    assert import_(other, file) == Imported(0, 0, 3)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_only_what_is_wanted_is_exported_with_what_belongs_to_it(store: Store, tmp_path: Path) -> None:
    fill(store)
    file = tmp_path / "cache.zst"
    assert export(store, file, NOW, Filter(text="name=a"))[:3] == (1, 1, 1)
    other = MemoryStore()
    import_(other, file)
    assert {space for space, _ in contents(other)} == {COUNT, PROFILES + COUNT}


def test_of_two_the_later_stays(store: Store, tmp_path: Path) -> None:
    other = MemoryStore()
    put(other, "a", "theirs", age=5.0)
    put(other, "b", "theirs", age=5.0)
    put(other, "c", "theirs", age=5.0)
    export(other, tmp_path / "cache.zst", NOW)
    put(store, "a", "ours", age=1.0)
    put(store, "b", "ours", age=9.0)
    assert import_(store, tmp_path / "cache.zst") == Imported(1, 1, 1)
    assert [output_of(store, find(store, digest_of(name))) for name in "abc"] == ["ours", "theirs", "theirs"]


def test_a_file_that_is_cut_short_anywhere_changes_nothing(tmp_path: Path) -> None:
    store, other = MemoryStore(), MemoryStore()
    fill(store)
    file = tmp_path / "cache.zst"
    export(store, file, NOW)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(CacheError, match="nothing was imported"):
            import_(other, file)
    assert other.scan() == []


def lines_of(file: Path) -> list[Any]:
    return [json.loads(line) for line in zstd.decompress(file.read_bytes()).splitlines()]


def write_lines(file: Path, lines: list[Any]) -> None:
    file.write_bytes(zstd.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))


CHANGES: dict[str, Callable[[list[Any]], object]] = {
    "no header": lambda lines: lines.pop(0),
    "no end": lambda lines: lines.pop(),
    "a record less": lambda lines: lines.pop(1),
    "more after the end": lambda lines: lines.append(lines[1]),
    "a later version": lambda lines: lines[0].update(version=2),
    "another payload": lambda lines: lines[1].update(payload="AAAA"),
    "no base64": lambda lines: lines[1].update(payload="?"),
    "no such time": lambda lines: lines[1].update(stored_at=None),
    "time without end": lambda lines: lines[1].update(stored_at=float("inf")),
    "a cost too few": lambda lines: lines[1].update(cost=[1, 2]),
    "a key that is none": lambda lines: lines[1].update(key=5),
    "a record that is none": lambda lines: lines.insert(1, 5),
    "a field less": lambda lines: lines[1].pop("about"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_file_changes_nothing(tmp_path: Path, change: Callable[[list[Any]], object]) -> None:
    store, other = MemoryStore(), MemoryStore()
    fill(store)
    file = tmp_path / "cache.zst"
    export(store, file, NOW)
    lines = lines_of(file)
    assert lines[0]["planai"] == KIND
    change(lines)
    write_lines(file, lines)
    with pytest.raises(CacheError, match="nothing was imported"):
        import_(other, file)
    assert other.scan() == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"{}\n", zstd.compress(b"[]\n"), zstd.compress(b"\xff")])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CacheError, match="is no export of a planai cache"):
        import_(MemoryStore(), tmp_path / "file")


def test_files_that_cannot_be_read_or_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="cannot be read: No such file"):
        import_(MemoryStore(), tmp_path / "nothing")
    store = MemoryStore()
    put(store, "a")
    with pytest.raises(CacheError, match="cannot be written: No such file"):
        export(store, tmp_path / "nothing" / "file", NOW)


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    store = MemoryStore()
    put(store, "a")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")  # as /dev/stdout is one
    for name in ("pipe", "link"):
        with pytest.raises(CacheError, match="is no file"):
            export(store, tmp_path / name, NOW)
    assert (tmp_path / "link").is_fifo()


def test_an_export_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    store, file = MemoryStore(), tmp_path / "cache.zst"
    put(store, "a")
    file.write_text("kept")

    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(store, file, NOW, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["cache.zst"]
    assert file.read_text() == "kept"
