"""Answers as small text files: what is read is what was written, and people can review it."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.samples import about, profile
from planai import CachedTaskWorker, Task
from planai.cache.about import PROFILES, QUARANTINE
from planai.cache.bundle import Bundle, Published
from planai.cache.codec import Codec
from planai.cache.opening import overriding
from planai.cache.store import Record
from planai.cost import Cost
from planai.errors import ConfigurationError
from planai.testing import run_inline
from planai.testing.fixtures import FixtureStore


class Letter(Task):
    text: str
    numbers: list[float] = []
    raw: bytes = b""
    more: dict[str, Any] = {}


CODEC = Codec([Letter])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("\ud800 alone"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
LETTERS = st.builds(Letter, text=st.text(), numbers=st.lists(st.floats(allow_nan=False)), raw=st.binary())
BUNDLES = st.lists(st.builds(Published, LETTERS, st.none() | st.text())).map(lambda outputs: Bundle(tuple(outputs)))
VALUES = JSON | st.binary() | LETTERS | BUNDLES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fixtures"


@settings(deadline=None)
@given(VALUES, st.text(min_size=1), st.text(min_size=1))
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, value: Any, space: str, key: str
) -> None:
    folder = tmp_path_factory.mktemp("fixtures")
    payload = CODEC.encode(value)
    assert FixtureStore(folder).put(space, key, Record(payload, 5.0, 6.0, 5.5, Cost(1.0), about("a").dump()))
    found = FixtureStore(folder).get(space, key)
    assert found is not None
    assert CODEC.decode(found.payload) == CODEC.decode(payload)
    assert json.loads(found.about) == json.loads(about("a").dump())
    assert found.alive(1e12)
    assert (found.expires_at, found.stale_at, found.cost) == (None, None, Cost())
    assert FixtureStore(folder).get(space, key + "x") is None


def test_writing_the_same_again_changes_no_byte(folder: Path) -> None:
    files = []
    for at in (1.0, 2.0):
        record = Record(CODEC.encode(Letter(text="a")), at, at + 1, None, Cost(at), about("a").dump())
        FixtureStore(folder).put("shop:Rate", "k", record)
        files.append({path: path.read_bytes() for path in folder.rglob("*.json")})
    assert files[0] == files[1]


def test_a_fixture_is_text_that_can_be_reviewed(folder: Path) -> None:
    letter = Letter(text="Grüße\nund mehr", numbers=[1.5])
    FixtureStore(folder).put("shop:Rate", "key", Record(CODEC.encode(letter), 1.0, about=about("a").dump()))
    (file,) = folder.rglob("*.json")
    assert file.parent.name == "shop-Rate"
    text = file.read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert '"text": "Grüße\\nund mehr"' in text
    content = json.loads(text)
    assert list(content) == ["space", "key", "answer", "about"]
    assert content["about"]["fields"] == {"name": "a", "rows": "2"}
    assert max(map(len, text.splitlines())) < 120


def test_keys_of_workers_whose_folders_look_alike_do_not_meet(folder: Path) -> None:
    store = FixtureStore(folder)
    for space in ("shop:Rate", "shop-Rate", "shop/Rate"):
        store.put(space, "k", Record(CODEC.encode(space), 1.0))
    assert [
        CODEC.decode(found.payload)
        for space in ("shop:Rate", "shop-Rate", "shop/Rate")
        if (found := store.get(space, "k"))
    ] == [
        "shop:Rate",
        "shop-Rate",
        "shop/Rate",
    ]


def test_a_space_is_never_a_path_out_of_the_folder(folder: Path) -> None:
    FixtureStore(folder).put("../../evil", "../../key", Record(CODEC.encode(1), 1.0))
    (file,) = folder.parent.rglob("*.json")
    assert folder in file.resolve().parents


@pytest.mark.parametrize("text", ["", "{", "[]", '{"space": "a"}', "<<<<<<< HEAD"])
def test_a_file_that_is_no_fixture_is_told_with_its_name(folder: Path, text: str) -> None:
    store = FixtureStore(folder)
    store.put("s", "k", Record(CODEC.encode(1), 1.0))
    (file,) = folder.rglob("*.json")
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=file.name):
        store.get("s", "k")
    with pytest.raises(ConfigurationError, match="record it again"):
        store.scan()


def test_records_are_listed_and_removed(folder: Path) -> None:
    store = FixtureStore(folder)
    assert (store.scan(), store.delete("s"), store.unused()) == ([], 0, [])
    for space, key in (("s", "a"), ("s", "b"), ("t", "a")):
        store.put(space, key, Record(CODEC.encode(key), 1.0))
    assert {(info.space, info.key) for info in store.scan()} == {("s", "a"), ("s", "b"), ("t", "a")}
    assert [info.key for info in store.scan("s", ["b", "c"])] == ["b"]
    assert [info.hits for info in store.scan("t")] == [0]
    assert store.delete("s", ["a", "c"]) == 1
    assert store.delete("s") == 1
    assert [info.space for info in store.scan()] == ["t"]


def test_what_is_written_beside_a_damaged_record_may_be_any_text(folder: Path) -> None:
    store = FixtureStore(folder)
    store.put(QUARANTINE, "s\nk", Record(b"payload", 0.0, about=b"it was damaged"))
    found = FixtureStore(folder).get(QUARANTINE, "s\nk")
    assert found is not None
    assert (found.payload, found.about) == (b"payload", b"it was damaged")
    assert [info.about for info in store.scan(QUARANTINE)] == [b"it was damaged"]


def test_nothing_is_evicted(folder: Path) -> None:
    store = FixtureStore(folder)
    store.put("s", "a", Record(CODEC.encode(1), 1.0, 2.0))
    store.touch("s", "a")
    assert store.trim("s", 1e12, 0, 0) == 0
    assert store.get("s", "a") is not None
    assert (store.generation("s"), store.version()) == (0, None)


def test_what_was_neither_read_nor_written_is_unused(folder: Path) -> None:
    old = FixtureStore(folder)
    for key in "abc":
        old.put("s", key, Record(CODEC.encode(key), 1.0))
    store = FixtureStore(folder)
    assert len(store.unused()) == 3
    store.get("s", "a")
    store.put("s", "b", Record(CODEC.encode("b"), 1.0))
    store.get("s", "nothing")
    store.scan()
    (unused,) = store.unused()
    assert json.loads(unused.read_text())["key"] == "c"


def test_the_profile_of_a_used_answer_is_used(folder: Path) -> None:
    old = FixtureStore(folder)
    for name in ("kept", "lost"):
        old.put(PROFILES + "s", name, Record(b"", 1.0, about=profile().dump()))
        old.put("s", name, Record(CODEC.encode(1), 1.0, about=about(name, profile=name).dump()))
    store = FixtureStore(folder)
    store.get("s", "kept")
    assert {json.loads(path.read_text())["key"] for path in store.unused()} == {"lost"}


def test_threads_read_whole_files(folder: Path) -> None:
    store, ready = FixtureStore(folder), threading.Barrier(4)

    def work(number: int) -> bool:
        ready.wait()
        for _ in range(20):
            store.put("s", "k", Record(CODEC.encode(str(number) * 5000), 1.0))
            found = store.get("s", "k")
            if found is None or len(set(CODEC.decode(found.payload))) != 1:
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_a_forked_child_can_use_it(folder: Path) -> None:
    store = FixtureStore(folder)
    store.before_fork()
    child = os.fork()
    store.after_fork()
    if child == 0:
        os._exit(0 if store.put("s", "k", Record(CODEC.encode(1), 1.0)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.get("s", "k") is not None


# ---- workers


class Write(CachedTaskWorker):
    output_types = [Letter]
    cache_ttl = 1
    cache_mode = "off"

    def consume_work(self, task: Letter) -> None:
        for number in range(len(task.text)):
            self.publish_work(Letter(text=task.text, numbers=[number / 3], raw=bytes([number]), more={"a": [None]}))


@pytest.mark.parametrize("text", ["", "a", "abc"])
def test_workers_replay_what_was_recorded_whatever_they_say_of_themselves(
    folder: Path, tmp_path: Path, text: str
) -> None:
    with overriding(FixtureStore(folder), "refresh"):
        recorded = run_inline(Write(cache_dir=tmp_path / "unused"), Letter(text=text))
    with overriding(FixtureStore(folder), "replay"):
        replayed = run_inline(Write(cache_dir=tmp_path / "unused"), Letter(text=text))
    assert (replayed.outputs, replayed.cache_hits, replayed.ok) == (recorded.outputs, 1, True)
    assert len(replayed.outputs) == len(text)


def test_a_miss_among_fixtures_tells_no_times(folder: Path) -> None:
    with overriding(FixtureStore(folder), "refresh"):
        run_inline(Write(cache_dir=folder / "unused"), Letter(text="a"))
    with overriding(FixtureStore(folder), "replay"):
        explanation = Write().explain(Letter(text="b"))
    assert 'field text: "a" -> "b"' in str(explanation)
    assert "ago" not in str(explanation)
    assert "0 s" not in str(explanation)


def test_several_that_record_the_same_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    def record(number: int) -> int:
        store = FixtureStore(tmp_path)  # as each process has its own
        barrier.wait(30)
        return sum(store.put("space", f"key{turn % 3}", Record(b'{"by":%d}' % number, 0.0)) for turn in range(200))

    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(record, range(4))) == [200] * 4
    store = FixtureStore(tmp_path)
    assert all(store.get("space", f"key{turn}") for turn in range(3))
    assert not list(tmp_path.rglob("*.tmp"))
