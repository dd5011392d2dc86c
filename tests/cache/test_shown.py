"""Values as short texts: short, the same in every process, and without secrets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretBytes, SecretStr

from planai import CachedTaskWorker, Task
from planai.cache.canonical import canonical
from planai.cache.inspect import entries, output_of
from planai.cache.shown import HIDDEN, LENGTH, short_text
from planai.cache.stores.disk import DiskStore
from planai.testing import run_inline

SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.dates()
)
DATA: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=50),
        st.tuples(inner, inner),
        st.dictionaries(st.text(), inner, max_size=50),
        st.frozensets(SCALARS, max_size=50),
        st.sets(st.integers() | st.text(), max_size=50),
    ),
    max_leaves=30,
)


class Colour(Enum):
    RED = 1


class Part(BaseModel):
    tags: set[str] = set()
    password: SecretStr = SecretStr("")


API_KEY = "hunter4"


class Login(Task):
    user: str
    token: str


class Session(Task):
    password: str


class LogIn(CachedTaskWorker):
    output_types: list[type[Task]] = [Session]
    password: str

    def consume_work(self, task: Login) -> None:
        self.publish_work(Session(password=API_KEY))


class Silent:
    def __repr__(self) -> str:
        raise RuntimeError("shows nothing")


@settings(deadline=None)
@given(DATA)
def test_a_text_is_short_and_is_one_line(value: Any) -> None:
    text = short_text(value)
    assert 0 < len(text) <= LENGTH + 20
    assert "\n" not in text


@settings(deadline=None)
@given(DATA, DATA)
def test_different_data_are_different_texts_and_equal_data_equal_ones(one: Any, other: Any) -> None:
    assert (short_text(one) == short_text(other)) == (canonical(one) == canonical(other))


@settings(deadline=None)
@given(st.text(min_size=LENGTH), st.characters())
def test_texts_that_differ_only_at_their_end_are_told_apart(text: str, last: str) -> None:
    assert short_text(text) != short_text(text + last)
    assert short_text([text]) != short_text([text + last])


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_a_dict_is_not_shown(value: dict[str, int]) -> None:
    assert short_text(value) == short_text(dict(reversed(value.items())))


@dataclass
class Place:
    city: str
    address: str = field(default="Main St 1", repr=False)
    api_key: str = "hunter2"
    tags: set[str] = field(default_factory=lambda: {"b", "a"})


class Person(BaseModel):
    name: str
    address: str = Field(default="Main St 1", repr=False)


SHOWN: list[tuple[Any, str]] = [
    ("a\nb", '"a\\nb"'),
    ("é", '"é"'),
    (None, "None"),
    (True, "True"),
    (1, "1"),
    (1.0, "1.0"),
    ((1,), "(1,)"),
    ([], "[]"),
    ({}, "{}"),
    (set(), "set()"),
    (frozenset(), "frozenset(set())"),
    ({"b": {2, 1}, "a": [frozenset({"y", "x"})]}, "{'a': [frozenset({'x', 'y'})], 'b': {1, 2}}"),
    (Colour.RED, "<Colour.RED: 1>"),
    (Part(tags={"b", "a"}), "Part(tags={'a', 'b'}, password=SecretStr(''))"),
    (OrderedDict(a=1), repr(OrderedDict(a=1))),
    (Silent(), "<Silent #?>"),
    (Place("Rome"), f"Place(city='Rome', address={HIDDEN}, api_key={HIDDEN}, tags={{'a', 'b'}})"),
    (Person(name="Ann"), f"Person(name='Ann', address={HIDDEN})"),
]


@pytest.mark.parametrize(("value", "text"), SHOWN, ids=[text for _, text in SHOWN])
def test_values_look_as_people_write_them(value: Any, text: str) -> None:
    assert short_text(value) == text


LONG = {
    "list": list(range(41)),
    "bytes": b"x" * 41,
    "dict": {"a": "b" * 500},
    "texts": ["x" * 50] * 40,
    "number": 10**5000,
    "number in a list": [10**5000],
    "list in a list": [list(range(41))],
}


@pytest.mark.parametrize("value", LONG.values(), ids=LONG)
def test_of_what_is_long_a_digest_is_shown(value: Any) -> None:
    text = short_text(value)
    assert len(text) <= LENGTH
    assert "#" in text
    assert "?" not in text


def test_what_contains_itself_is_shown_without_an_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert short_text(endless) == "<list #?>"


SECRETS: list[Any] = [
    SecretStr("hunter2"),
    SecretBytes(b"hunter2"),
    [SecretStr("hunter2")],
    {"key": (SecretStr("hunter2"),)},
    {SecretStr("hunter2")},
    Part(password=SecretStr("hunter2")),
    [Part(password=SecretStr("hunter2"))] * 41,
    {"long": "x" * 500, "key": SecretStr("hunter2")},
]


@pytest.mark.parametrize("value", SECRETS, ids=repr)
def test_secrets_are_never_shown(value: Any) -> None:
    assert "hunter2" not in short_text(value)


@settings(deadline=None)
@given(st.text(min_size=1).filter(lambda text: text not in "SecretStr('**********')"))
def test_no_secret_text_is_shown(secret: str) -> None:
    assert short_text(SecretStr(secret)) == "SecretStr('**********')"


def test_what_is_secret_by_its_name_is_in_no_entry_and_shown_to_nobody(tmp_path: Path) -> None:
    result = run_inline(LogIn(password="hunter4", cache_dir=tmp_path), Login(user="ann", token="hunter4"))
    assert result.outputs == [Session(password="hunter4")]
    with closing(DiskStore(tmp_path)) as store:
        assert not [info for info in store.scan() if b"hunter4" in info.about]  # of answers and of workers
        (entry,) = entries(store, 0)
        assert entry.about.fields == {"user": '"ann"', "token": HIDDEN}
        assert output_of(store, entry)["password"] == HIDDEN


def test_a_set_is_the_same_text_in_every_process() -> None:
    code = "from planai.cache.shown import short_text; print(short_text([{'a', 'b', 'c', 'd', 'e', 'f'}]))"
    said = set()
    for seed in ("1", "2", "3"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        said.add(done.stdout.strip())
    assert said == {"[{'a', 'b', 'c', 'd', 'e', 'f'}]"}
