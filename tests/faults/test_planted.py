from __future__ import annotations

import importlib
import json
import pickle
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from faults.squares import Item, Report, Square, Squarer, run_hearing, square_of
from planai.cache.canonical import CacheIgnore, qualified
from planai.cache.codec import Codec
from planai.cache.key import schema_digest
from planai.cache.opening import open_store
from planai.cache.store import Record

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

VALUES = range(6)
MODULE = "planted_module"
IMPORTABLE = "antigravity"  # of Python itself; it opens a browser when it is imported, so that nobody has imported it


class Bomb:
    """What makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "executed"


@pytest.fixture
def module(tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that can be imported, and makes a file when it is."""
    source = f"open({str(marker)!r}, 'w').close()\nfrom faults.squares import Square as Planted\n"
    (tmp_path / f"{MODULE}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    return MODULE


@pytest.fixture
def worker(tmp_path: Path) -> Squarer:
    return Squarer(cache_dir=tmp_path / "cache")


def plant(worker: Squarer, *payloads: bytes) -> None:
    """Put one of `payloads` where the answer to each item belongs."""
    store = open_store(worker.cache_dir)
    for value in VALUES:
        key = worker.get_cache_key(Item(value=value))
        store.put(qualified(type(worker)), key, Record(payloads[value % len(payloads)], time.time()))
        assert store.get(qualified(type(worker)), key) is not None


def framed(form: bytes, body: bytes) -> bytes:
    """Return a payload whose checksum is right, as the codec would have made it."""
    return form + zlib.crc32(body, zlib.crc32(form)).to_bytes(4, "big") + body


def assert_missed(worker: Squarer, marker: Path) -> Report:
    """Assert that all that was planted is a miss, computed again, and replaced."""
    report = run_hearing(worker, VALUES)
    report.assert_right(VALUES)
    assert report.warnings == []
    assert (report.hits, report.misses) == (0, len(VALUES))
    assert not marker.exists()
    again = run_hearing(Squarer(cache_dir=worker.cache_dir), VALUES)
    again.assert_well(VALUES)
    assert again.hits == len(VALUES)
    return report


def assert_missed_and_counted(worker: Squarer, marker: Path) -> None:
    """Assert what `assert_missed` does, and that the cache counts each as damaged."""
    assert assert_missed(worker, marker).damaged == len(VALUES)


# ---- that what is planted is what these tests take it for


def test_payloads_are_framed_as_these_tests_frame_them() -> None:
    for value in (b"bytes", [1], square_of(3, 40), square_of(3, 4000)):
        payload = Codec([Square]).encode(value)
        assert payload == framed(payload[:1], payload[5:])
    assert Codec().encode(b"bytes") == framed(b"r", b"bytes")
    assert Codec().encode([1]) == framed(b"j", b"[1]")
    assert Codec([Square]).encode(square_of(3, 4000))[:1] == b"z"
    assert Codec([Square]).encode(square_of(3, 8)) == framed(b"j", named("model", f"{Square.__module__}:Square", 3))


def test_the_bomb_goes_off_and_the_module_leaves_its_mark(marker: Path, module: str) -> None:
    pickle.loads(pickle.dumps(Bomb(marker)))
    assert marker.exists()
    marker.unlink()
    try:
        importlib.import_module(module)
    finally:
        sys.modules.pop(module, None)
    assert marker.exists()


# ---- pickles


@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda pickled: pickled, id="as it is"),
        pytest.param(lambda pickled: framed(b"j", pickled), id="as JSON"),
        pytest.param(lambda pickled: framed(b"z", pickled), id="as compressed"),
        pytest.param(lambda pickled: framed(b"p", pickled), id="as another form"),
        pytest.param(lambda pickled: framed(b"z", zstd.compress(pickled)), id="compressed"),
    ],
)
def test_a_planted_pickle_is_a_miss_and_never_executed(
    worker: Squarer, marker: Path, form: Callable[[bytes], bytes], protocol: int
) -> None:
    plant(worker, form(pickle.dumps(Bomb(marker), protocol)))
    assert_missed_and_counted(worker, marker)


def test_a_planted_pickle_in_the_form_of_bytes_is_a_miss_and_never_executed(worker: Squarer, marker: Path) -> None:
    plant(worker, framed(b"r", pickle.dumps(Bomb(marker))))
    assert_missed(worker, marker)


def test_a_planted_pickle_in_the_form_of_bytes_is_never_executed(worker: Squarer, marker: Path) -> None:
    plant(worker, framed(b"r", pickle.dumps(Bomb(marker))))
    run_hearing(worker, VALUES)
    list(worker.get_cache().items())
    assert not marker.exists()


# ---- names of what is no answer


def named(tag: str, name: str, value: int = 1) -> bytes:
    """Return the body of an entry that claims to be an instance of `name`."""
    fields = square_of(value, 8).model_dump()
    entry = {"$": tag, "c": name, "v": fields, "s": schema_digest(Square)}
    return json.dumps(entry, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "subprocess:Popen",
        "subprocess:Popen.__init__",
        "builtins:eval",
        "builtins:dict",
        "sys:modules",
        "faults.squares:Squarer",
        "faults.squares:square_of",
        f"{IMPORTABLE}:geohash",
        f"{MODULE}:Planted",
        f"faults.squares:{MODULE}.Planted",
        "no_such_module:Square",
        ":",
        "",
        "faults.squares:",
        ":Square",
        "faults.squares:Square.__class__",
        "faults.squares:Square.__init__.__globals__",
        "../../etc/passwd:x",
        "faults.squares:Square\0",
    ],
)
def test_a_planted_name_is_a_miss_and_neither_imported_nor_called(
    worker: Squarer, marker: Path, module: str, name: str
) -> None:
    before = set(sys.modules)
    plant(worker, *(framed(b"j", named(tag, name)) for tag in ("model", "enum", "dataclass")))
    assert_missed_and_counted(worker, marker)
    assert not {IMPORTABLE, module} & (set(sys.modules) - before)


def test_a_planted_name_inside_of_an_answer_is_a_miss(worker: Squarer, marker: Path, module: str) -> None:
    entry = json.loads(named("model", "faults.squares:Square"))
    entry["v"]["text"] = json.loads(named("model", f"{module}:Planted"))
    plant(worker, framed(b"j", json.dumps(entry).encode()))
    assert_missed_and_counted(worker, marker)
    assert module not in sys.modules


# ---- what is well formed, but no answer of this worker


class Versioned(Squarer):
    """Its key is always the same, whatever its code publishes."""

    publishes: Annotated[str, CacheIgnore()] = "an item"

    def get_cache_key(self, task: Any) -> str:
        return f"item {task.value}"

    def consume_work(self, task: Item) -> None:
        self.publish_work(Item(value=task.value) if self.publishes == "an item" else square_of(task.value, 40))


def test_an_entry_of_a_type_that_the_worker_published_earlier_is_a_miss(tmp_path: Path) -> None:
    earlier = Versioned(cache_dir=tmp_path, output_types=[Item])
    for value in VALUES:
        earlier.consume_work(Item(value=value))
    now = Versioned(cache_dir=tmp_path, publishes="a square")
    report = run_hearing(now, VALUES)
    report.assert_right(VALUES)
    assert report.hits == 0


@pytest.mark.parametrize(
    "body",
    [
        b"5",
        b'"text"',
        b"NaN",
        b"[1,2]",
        b"{}",
        b"true",
        b'{"$":"tuple","v":[1]}',
        b'{"$":"bytes","v":"AAAA"}',
        b'{"$":"bundle","v":[[null,5]]}',
        b'{"$":"model","c":"faults.squares:Item","v":{"value":1}}',
        b'{"$":"bundle","v":[[null,{"$":"model","c":"faults.squares:Item","v":{"value":1}}]]}',
        b'{"$":"bundle","v":[["Nobody",{"$":"model","c":"faults.squares:Square","v":{"value":1,"square":1,"text":""}}]]}',
    ],
)
def test_a_planted_value_that_the_worker_could_not_publish_is_a_miss(
    worker: Squarer, marker: Path, body: bytes
) -> None:
    plant(worker, framed(b"j", body))
    assert_missed(worker, marker)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing",
        b"[" * 100_000,
        b'{"$":' * 10_000,
        b'{"$":"unknown","v":1}',
        b'{"$":"model"}',
        b'{"$":["model"],"c":"faults.squares:Square","v":{}}',
        b'{"$":"model","c":["faults.squares:Square"],"v":{}}',
        b'{"$":"model","c":"faults.squares:Square","v":[1]}',
        b'{"$":"model","c":"faults.squares:Square","v":{"value":"x","square":1,"text":""}}',
        b'{"$":"model","c":"faults.squares:Square","v":{"value":1}}',
        b'{"$":"int","v":"1"}',
        b"1" * 10_000,
        b"\xff\xfe",
    ],
)
def test_a_planted_entry_that_makes_no_sense_is_a_miss(worker: Squarer, marker: Path, body: bytes) -> None:
    plant(worker, framed(b"j", body))
    assert_missed_and_counted(worker, marker)
