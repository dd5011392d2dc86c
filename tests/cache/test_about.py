"""How entries came about, as it is written beside them: whatever is found there, reading it raises nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cache.samples import about, profile
from planai.cache.about import About, Profile, load_about, load_profile

WORDS = st.text() | st.just("\ud800 alone")
TABLES = st.dictionaries(WORDS, WORDS, max_size=5)
LISTS = st.lists(WORDS, max_size=5)
PAIRS = st.lists(st.tuples(WORDS, WORDS), max_size=5)
ABOUTS = st.builds(
    About,
    st.text(min_size=1),
    WORDS,
    TABLES,
    WORDS,
    TABLES,
    LISTS,
    LISTS,
    PAIRS,
    st.sampled_from(["answer", "question"]),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(About._fields), inner, max_size=9),
)


@settings(deadline=None)
@given(ABOUTS)
def test_what_is_written_is_read_back(made: About) -> None:
    loaded = load_about(made.dump())
    assert loaded is not None
    assert loaded._replace(reads=[(what, found) for what, found in loaded.reads]) == made


@settings(deadline=None)
@given(st.builds(Profile, WORDS, TABLES, TABLES, TABLES, TABLES))
def test_a_profile_is_read_back(made: Profile) -> None:
    assert load_profile(made.dump()) == made


def test_what_is_empty_is_not_written() -> None:
    assert About("a").dump() == b'{"id":"a","kind":"answer"}'


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
@example(b'{"id":""}')
def test_whatever_is_there_is_read_without_an_error(text: bytes) -> None:
    loaded = load_about(text)
    assert loaded is None or load_about(loaded.dump()) == loaded
    assert load_profile(text) is None


DAMAGED: list[dict[str, Any]] = [
    *({name: 1} for name in About._fields),
    {"fields": ["a"]},
    {"fields": {"a": 1}},
    {"parts": {"task": None}},
    {"sources": "a"},
    {"outputs": [None]},
    {"reads": [["a"]]},
    {"reads": [["a", 1]]},
    {"more": "a"},
]


@pytest.mark.parametrize("change", DAMAGED, ids=str)
def test_what_is_of_another_kind_is_nothing(change: dict[str, Any]) -> None:
    text = json.dumps({**about("a")._asdict(), **change}).encode()
    assert load_about(text) is None


@pytest.mark.parametrize(
    "change", [{"worker": 1}, {"code": ["a"]}, {"settings": {"a": 1}}, {"parts": None}, {"x": "y"}]
)
def test_a_profile_of_another_kind_is_nothing(change: dict[str, Any]) -> None:
    text = json.dumps({**profile()._asdict(), **change}).encode()
    assert load_profile(text) is None


def test_what_is_nested_beyond_measure_is_nothing() -> None:
    deep = b'{"id":' + b"[" * 100_000
    assert load_about(deep) is None
    assert load_profile(deep) is None
