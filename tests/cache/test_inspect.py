"""Looking into stores: listing, finding, and where answers come from and go to."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from cache.samples import CODEC, COUNT, DAY, NOW, PRICE, about, digest_of, profile, put, put_profile
from planai.cache.about import PROFILES, QUARANTINE, load_about
from planai.cache.inspect import (
    Filter,
    downstream,
    entries,
    everything,
    find,
    profile_of,
    profiles,
    sources,
)
from planai.cache.prune import Pruned, Rules, prune, remove, select
from planai.cache.shown import short_text
from planai.cache.stats import stats
from planai.cache.store import Record, Store
from planai.cache.verify import verify
from planai.cost import Cost
from planai.errors import CacheError


def names(store: Store, wanted: Filter | None = None) -> list[str]:
    return [entry.about.fields["name"] for entry in entries(store, NOW, wanted)]


def test_an_empty_store_has_nothing_to_show(store: Store) -> None:
    assert entries(store, NOW) == []
    assert stats(store, NOW) == []
    assert verify(store) == []
    assert prune(store, NOW, Rules(max_entries=0)) == Pruned()


def test_entries_tell_what_is_known_of_them(store: Store) -> None:
    key = put(store, "a", age=60.0, expires_at=NOW - 1.0)
    (entry,) = entries(store, NOW)
    assert (entry.key, entry.id, entry.worker, entry.type) == (key, digest_of("a")[:16], COUNT, "shop.stock:Shelf")
    assert (entry.age(NOW), entry.expired(NOW), entry.expired(NOW - 2.0)) == (60.0, True, False)
    assert (entry.size, entry.hits, entry.cost) == (5 + len('{"counted":"a"}'), 0, Cost(2.0, 10, 0.5))


def test_questions_profiles_and_what_is_in_quarantine_are_not_listed(store: Store) -> None:
    put(store, "a")
    put(store, "a", kind="question")
    put_profile(store, profile())
    store.put(QUARANTINE, f"{COUNT}\nold", Record(b"?", NOW, about=b"damaged"))
    assert names(store) == ["a"]
    assert len(everything(store)) == 2


FILTERS = {
    "worker": (Filter(worker=COUNT), ["old", "new"]),
    "class alone": (Filter(worker="Price"), ["big"]),
    "module and class": (Filter(worker="stock:Price"), ["big"]),
    "part of a name": (Filter(worker="ount"), []),
    "type": (Filter(type="Shelf"), ["old", "new"]),
    "older": (Filter(older_than=DAY), ["old"]),
    "younger": (Filter(younger_than=DAY), ["new", "big"]),
    "larger": (Filter(larger_than=1000), ["big"]),
    "text of a value": (Filter(text="NEW"), ["new"]),
    "text of a class": (Filter(text="receipt"), ["big"]),
    "field": (Filter(input_field=("name", "old")), ["old"]),
    "field with a text": (Filter(input_field=("rows", "two")), ["big"]),
    "no such field": (Filter(input_field=("rowz", "2")), []),
    "both": (Filter(worker="Count", younger_than=DAY), ["new"]),
}


@pytest.mark.parametrize(("wanted", "expected"), FILTERS.values(), ids=FILTERS)
def test_filters(store: Store, wanted: Filter, expected: list[str]) -> None:
    put(store, "old", age=2 * DAY)
    put(store, "new")
    put(
        store,
        "big",
        bytes(5000),
        worker=PRICE,
        input="shop.stock:Receipt",
        fields={"name": "big", "rows": short_text("two")},
    )
    assert names(store, wanted) == expected


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        *(("it's", "it's"), ('"a"', '"a"'), ("a", '"a"'), ("x" * 500, "x" * 500), (2, "2"), (True, "True")),
        *((Path("a.txt"), "a.txt"), (Decimal("1.10"), "1.10"), ([1, "a"], "[1, 'a']"), (None, "None")),
    ],
)
def test_a_field_is_found_by_what_people_type_for_it(store: Store, value: object, typed: str) -> None:
    put(store, "a", fields={"name": "a", "field": short_text(value)})
    put(store, "b", fields={"name": "b", "field": short_text("something else")})
    assert names(store, Filter(input_field=("field", typed))) == ["a"]


def test_an_entry_is_found_by_the_beginning_of_its_key_or_id(store: Store) -> None:
    key = put(store, "a")
    put(store, "b")
    store.put(COUNT, "my own key", Record(CODEC.encode(1), NOW))
    assert find(store, key).key == find(store, key[:8]).key == find(store, digest_of("a")[:16]).key == key
    assert find(store, "my own").id == "my own key"


def test_an_id_is_found_where_the_key_is_another(store: Store) -> None:
    store.put(COUNT, "my own key", Record(CODEC.encode(1), NOW, about=about("a").dump()))
    assert find(store, digest_of("a")[:6]).key == "my own key"


def test_what_is_exact_comes_before_what_only_begins_so(store: Store) -> None:
    for key in ("shelf", "shelf 1", "shelf 2"):
        store.put(COUNT, key, Record(CODEC.encode(1), NOW))
    assert find(store, "shelf").key == "shelf"
    with pytest.raises(CacheError, match=r"'shelf ' names 2 entries: 'shelf 1' of 'shop.stock:Count', .*; give one"):
        find(store, "shelf ")


def test_what_is_ambiguous_is_told_by_what_is_not(store: Store) -> None:
    for worker in (COUNT, PRICE):  # which make the same key themselves
        store.put(worker, "my key", Record(CODEC.encode(1), NOW, about=about(worker).dump()))
    with pytest.raises(CacheError) as raised:
        find(store, "my key")
    for worker in (COUNT, PRICE):
        assert f"{digest_of(worker)[:16]!r} of {worker!r}" in str(raised.value)
        assert find(store, digest_of(worker)[:16]).worker == worker


def test_where_ids_are_ambiguous_keys_are_told(store: Store) -> None:
    for number in (1, 2):
        store.put(COUNT, f"a long key of its own, {number}", Record(CODEC.encode(1), NOW))
    with pytest.raises(CacheError, match="'a long key of its own, 1' of"):
        find(store, "a long")


@pytest.mark.parametrize("name", ["nothing", "", "0 é"])
def test_what_is_not_there_is_not_found(store: Store, name: str) -> None:
    put(store, "a")
    with pytest.raises(CacheError, match="planai cache ls"):
        find(store, name)


ABOUTS = [b"", b"{", b"[]", b'{"id": 5}', b'{"id": "a", "sources": [1]}', b'{"id": "a", "reads": ["x"]}', b"\xff"]


@pytest.mark.parametrize("text", ABOUTS)
def test_an_entry_of_which_nothing_sound_is_known_is_listed_all_the_same(store: Store, text: bytes) -> None:
    store.put(COUNT, "k" * 64, Record(CODEC.encode(1), NOW, about=text))
    (entry,) = entries(store, NOW)
    assert (entry.id, entry.type, entry.about.sources) == ("k" * 16, "", [])
    assert find(store, "kk") == entry
    assert downstream(store, [entry]) == []


# ---- where answers come from and go to


def test_downstream_is_all_that_was_computed_from_an_answer(store: Store) -> None:
    put(store, "a")
    put(store, "b", sources=["a"])
    put(store, "c", sources=["b", "x"], worker=PRICE)
    put(store, "d", sources=["c"])
    put(store, "x")
    found = downstream(store, [find(store, digest_of("a"))])
    assert sorted(entry.about.fields["name"] for entry in found) == ["b", "c", "d"]


def test_downstream_ends_where_answers_come_from_each_other(store: Store) -> None:
    put(store, "a", sources=["b"])
    put(store, "b", sources=["a"])
    (found,) = downstream(store, [find(store, digest_of("a"))])
    assert found.about.fields["name"] == "b"


def test_questions_go_with_the_last_of_their_answers(store: Store) -> None:
    first = put(store, "a")
    store.put(COUNT, "second answer", Record(CODEC.encode(2), NOW, about=about("a").dump()))
    put(store, "a", kind="question")
    put(store, "b")
    put(store, "b", kind="question")
    assert [entry.key for entry in select(store, [find(store, first)])] == [first]
    both = [find(store, first), find(store, "second")]
    assert [entry.is_question for entry in select(store, both)] == [False, False, True]
    assert [entry.is_question for entry in downstream(store, both)] == [True]
    assert remove(store, select(store, both)) == Pruned(2, 5 + 1 + 2 * (5 + 15), Cost(2.0, 10, 0.5), 1, 0)
    assert names(store) == ["b"]
    assert len(everything(store)) == 2


def test_sources_tell_what_is_there_and_what_is_gone(store: Store) -> None:
    put(store, "a")
    put(store, "b", sources=["a", "gone"])
    found = sources(store, find(store, digest_of("b")))
    assert {name: entry and entry.about.fields["name"] for name, entry in found.items()} == {
        digest_of("a")[:16]: "a",
        digest_of("gone")[:16]: None,
    }


def test_the_profile_of_an_entry(store: Store) -> None:
    name = put_profile(store, profile())
    put(store, "a", profile=name)
    put(store, "b", profile="gone")
    assert profile_of(store, find(store, digest_of("a"))) == profile()
    assert profile_of(store, find(store, digest_of("b"))) is None
    assert profiles(store, COUNT) == {name: profile()}


def test_a_profile_may_be_the_payload(store: Store) -> None:
    store.put(PROFILES + COUNT, "p", Record(profile().dump(), NOW))
    assert profiles(store, COUNT) == {"p": profile()}


def test_a_profile_that_is_none_is_passed_over(store: Store) -> None:
    store.put(PROFILES + COUNT, "p", Record(b"", NOW, about=b'{"worker": "w"}'))
    store.put(PROFILES + COUNT, "q", Record(b"", NOW, about=profile(code={"f": 1}).dump()))
    assert profiles(store, COUNT) == {}


def test_the_format_of_about_that_the_samples_use_can_be_read() -> None:
    assert load_about(about("a").dump()) == about("a")
