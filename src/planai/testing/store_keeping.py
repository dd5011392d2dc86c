"""Tests of what stores keep: get, put, delete, scan and touch."""

from __future__ import annotations

import time

import pytest

from planai.cache.store import Record, Store
from planai.cost import Cost
from planai.testing.store_base import FUTURE, LARGE_SIZES, StoreTests, fill, keys, record

NAMES = ["", " ", "a:b", "a\0b", "\0", "a/../b", "ä", "𝄞", "'", "a\n", "%_*?", "\ud800", "a\udfff", "x" * 10_000]
"""Texts that have been mistaken for something else."""


class Keeping(StoreTests):
    """What goes in comes out, and nothing else."""

    def test_an_empty_store_has_nothing(self, store: Store) -> None:
        assert store.get("s", "a") is None
        assert store.scan() == store.scan("s") == store.scan("s", ["a"]) == store.scan(None, ["a"]) == []
        assert store.delete("s", ["a"]) == store.delete("s") == 0
        assert store.trim("s", FUTURE, 0, 0) == 0
        assert store.generation("t") == 0

    @pytest.mark.parametrize("payload", [b"", b"\0", b"\n\n", bytes(range(256))])
    def test_a_record_comes_back_as_it_was_put(self, store: Store, payload: bytes) -> None:
        kept = Record(payload, 1.5, FUTURE + 0.1, 7.3, Cost(0.1, 12, 0.003), b"\0{}\n\xff")
        assert store.put("s", "a", kept) is True
        assert store.get("s", "a") == kept
        assert store.get("s", "a") == kept, "a second time, from wherever"

    @pytest.mark.parametrize("size", LARGE_SIZES)
    def test_a_large_record_comes_back_is_replaced_and_is_removed(self, store: Store, size: int) -> None:
        first, second = Record(bytes(range(250)) * (size // 250), 1.5, about=b"{}"), record(b"y" * size)
        for kept in (first, second, record(b"small"), first):
            assert store.put("s", "a", kept)
            assert store.get("s", "a") == kept
            assert [info.size for info in store.scan("s")] == [len(kept.payload)]
        assert store.delete("s", ["a"]) == 1
        assert store.get("s", "a") is None

    def test_a_record_that_never_expires_comes_back_so(self, store: Store) -> None:
        fill(store, "a")
        found = store.get("s", "a")
        assert found is not None
        assert (found.expires_at, found.stale_at, found.about) == (None, None, b"")

    def test_an_expired_record_is_returned_as_long_as_it_is_there(self, store: Store) -> None:
        expired = record(expires_at=time.time() - 10.0)
        store.put("s", "a", expired)
        assert store.get("s", "a") == expired
        assert keys(store) == ["a"]

    def test_a_later_put_takes_the_place_of_an_earlier(self, store: Store) -> None:
        store.put("s", "a", record(b"first"))
        store.get("s", "a")
        assert store.put("s", "a", record(b"second")) is True
        assert store.get("s", "a") == record(b"second")
        assert len(store.scan("s")) == 1

    @pytest.mark.parametrize("name", NAMES, ids=ascii)
    def test_any_text_is_a_space_and_a_key(self, store: Store, name: str) -> None:
        store.put(name, name, record(b"odd"))
        store.put("s", "a", record(b"plain"))
        assert store.get(name, name) == record(b"odd")
        assert keys(store, name) == [name]
        assert [info.key for info in store.scan(name, [name, "none"])] == [name]
        assert {(info.space, info.key) for info in store.scan()} == {(name, name), ("s", "a")}
        store.touch(name, name)
        assert [info.hits for info in store.scan(name)] == [2]
        assert store.delete(name, [name]) == 1
        store.put(name, name, record(b"odd"), store.generation(name))
        assert store.trim(name, 0.0, 0, None) == 1
        assert store.delete(name) == 0
        assert (store.generation(name), store.generation("s")) == (1, 0)
        assert store.get("s", "a") == record(b"plain")

    @pytest.mark.parametrize(("one", "two"), [(("a", "bc"), ("ab", "c")), (("a\0b", "c"), ("a", "b\0c"))])
    def test_where_the_space_ends_and_the_key_begins_counts(
        self, store: Store, one: tuple[str, str], two: tuple[str, str]
    ) -> None:
        store.put(*one, record(b"1"))
        store.put(*two, record(b"2"))
        assert (store.get(*one), store.get(*two)) == (record(b"1"), record(b"2"))
        assert store.delete(one[0]) == 1
        assert store.get(*two) == record(b"2")

    def test_spaces_do_not_see_each_other(self, store: Store) -> None:
        store.put("s", "a", record(b"one"))
        store.put("t", "a", record(b"two"))
        assert store.delete("s") == 1
        assert store.trim("s", FUTURE, 0, 0) == 0
        assert store.get("t", "a") == record(b"two")
        assert store.get("s", "a") is None

    # ---- delete

    def test_delete_tells_how_many_there_were(self, store: Store) -> None:
        fill(store, "a", "b", "c")
        assert store.delete("s", ["a", "none", "b", "a"]) == 2  # noqa: PLR2004 - a and b
        assert store.delete("s", ["a"]) == 0
        assert store.delete("s", []) == 0
        assert keys(store) == ["c"]

    def test_delete_takes_any_iterable_that_may_use_the_store_itself(self, store: Store) -> None:
        fill(store, "a", "b", "c")
        assert store.delete("s", (key for key in "abc" if store.get("s", key) and store.scan("s"))) == len("abc")
        assert keys(store) == []

    def test_records_may_be_deleted_while_a_scan_is_gone_through(self, store: Store) -> None:
        fill(store, "a", "b", "c")
        for info in store.scan():
            assert store.delete(info.space, [info.key]) == 1
        assert store.scan() == []

    def test_what_was_read_and_then_deleted_is_gone(self, store: Store) -> None:
        fill(store, "a", "b")
        assert store.get("s", "a")
        assert store.get("s", "b")
        store.delete("s", ["a"])
        assert store.get("s", "a") is None
        store.delete("s")
        assert store.get("s", "b") is None

    # ---- scan and touch

    def test_scan_tells_what_is_known(self, store: Store) -> None:
        before = time.time()
        store.put("s", "a", Record(b"12345", 1.5, FUTURE, 3.0, Cost(0.1, 12, 0.003), b"{}"))
        (info,) = store.scan("s")
        assert info._replace(used_at=0.0) == ("s", "a", 1.5, 0.0, FUTURE, 5, 0, Cost(0.1, 12, 0.003), b"{}")
        assert before <= info.used_at <= time.time()

    def test_scan_is_of_one_space_or_all_and_of_some_keys_or_all(self, store: Store) -> None:
        for space, key in ("sa", "sb", "ta", "tc"):
            store.put(space, key, record())
        scans = [
            store.scan(),
            store.scan("t"),
            store.scan(None, ["a", "c"]),
            store.scan("s", iter(["b", "c", "b"])),
            store.scan("s", []),
            store.scan("none"),
        ]
        found = [["".join(info[:2]) for info in infos] for infos in scans]
        assert found == [["sa", "sb", "ta", "tc"], ["ta", "tc"], ["sa", "ta", "tc"], ["sb"], [], []]

    def test_scan_may_be_asked_for_the_last_ones_only(self, store: Store) -> None:
        fill(store, "a", "b", "c")
        store.put("t", "d", record())
        store.get("s", "a")
        scans = [store.scan("s", last=2), store.scan("s", last=0), store.scan("s", last=9), store.scan(last=2)]
        scans.append(store.scan("s", ["b", "c"], 1))
        found = ["".join(info.key for info in infos) for infos in scans]
        assert found == ["ca", "", "bca", "da", "c"]

    def test_scan_takes_any_number_of_keys(self, store: Store) -> None:
        fill(store, "a", "b")
        assert [info.key for info in store.scan("s", [*map(str, range(3000)), "b", "a"])] == ["a", "b"]

    def test_scan_begins_with_the_least_recently_used(self, store: Store) -> None:
        fill(store, "a", "b", "c")
        store.get("s", "a")
        store.touch("s", "b")
        assert keys(store) == ["c", "a", "b"]
        assert [info.key for info in store.scan("s", ["b", "a"])] == ["a", "b"]
        store.put("s", "c", record())
        assert keys(store) == ["a", "b", "c"]

    def test_hits_are_counted_until_the_record_is_replaced(self, store: Store) -> None:
        fill(store, "a", "b")
        for _ in range(3):
            store.get("s", "a")
        store.touch("s", "a")
        store.get("s", "none")
        assert {info.key: info.hits for info in store.scan()} == {"a": 4, "b": 0}
        fill(store, "a")
        assert {info.key: info.hits for info in store.scan()} == {"a": 0, "b": 0}

    @pytest.mark.parametrize("size", [1, *LARGE_SIZES])
    def test_peek_returns_what_get_does_and_marks_nothing_used(self, store: Store, size: int) -> None:
        first = Record(b"x" * size, 1.5, FUTURE, 7.3, Cost(0.1, 12, 0.003), b"{}")
        store.put("s", "a", first)
        store.put("s", "b", record(expires_at=time.time() - 10.0))
        for _ in range(2):
            assert store.peek("s", "a") == first
            assert store.peek("s", "b") == store.get("s", "b") != first
            assert store.peek("s", "none") is store.peek("t", "a") is None
        assert [(info.key, info.hits) for info in store.scan("s")] == [("a", 0), ("b", 2)]
        assert store.get("s", "a") == first
        assert store.peek("s", "a") == first
        store.put("s", "a", record(b"second"))
        assert store.peek("s", "a") == record(b"second")
        store.delete("s", ["a"])
        assert store.peek("s", "a") is None

    def test_touching_what_is_not_there_changes_nothing(self, store: Store) -> None:
        fill(store, "a")
        store.touch("s", "b")
        store.touch("t", "a")
        assert keys(store) == ["a"]
        assert store.get("t", "a") is None
