"""The state of objects that are no data: what they consist of, and what they have that is none."""

from __future__ import annotations

import functools
import io
import itertools
import logging
import random
import socket
import string
import threading
from typing import Any

import jinja2
import pytest
from pydantic import TypeAdapter

from planai.cache.state import state_of


class Base:
    __slots__ = ("one",)


class Sub(Base):
    __slots__ = ("__dict__", "two")


class Lazy:
    """Reads something when it is asked for it."""

    def __init__(self) -> None:
        self.size = 1

    @functools.cached_property
    def loaded(self) -> list[int]:
        return [self.size]


def test_slots_of_all_bases_and_attributes_are_the_state_and_empty_ones_are_not() -> None:
    thing: Any = Sub()
    thing.one, thing.three = 1, 3
    assert state_of(thing) == {"one": 1, "three": 3}
    thing.two = 2
    assert state_of(thing) == {"one": 1, "three": 3, "two": 2}


def test_what_a_cached_property_keeps_is_no_state() -> None:
    thing = Lazy()
    before = state_of(thing)
    assert thing.loaded == [1]
    assert state_of(thing) == before == {"size": 1}


class Odd(ValueError):
    """Has more than its arguments."""


def test_objects_of_python_say_what_they_consist_of() -> None:
    error: Any = Odd("a", 1)
    error.more = 2
    assert state_of(error) == {"args": ("a", 1), "more": 2}
    assert state_of(ValueError("a", 1)) == {"args": ("a", 1)}
    assert state_of(string.Template("a $x")) == {"template": "a $x"}


@pytest.mark.parametrize("kind", [threading.Lock, threading.Event, socket.socket, random.Random, io.BytesIO])
def test_locks_connections_streams_and_random_numbers_have_no_state(kind: Any) -> None:
    thing = kind()
    assert state_of(thing) is None
    if kind is socket.socket:
        thing.close()


def test_loggers_and_iterators_have_no_state() -> None:
    assert state_of(logging.getLogger("a")) is None
    assert state_of(itertools.count()) is None


def test_of_templates_and_adapters_what_decides_is_the_state() -> None:
    assert set(state_of(jinja2.Template("a")) or ()) == {"blocks", "globals", "name", "root_render_func"}
    assert "cache" not in (state_of(jinja2.Environment(autoescape=True)) or ())
    assert state_of(TypeAdapter(list[int])) == {"_type": list[int], "_config": None}
