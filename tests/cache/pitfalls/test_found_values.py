"""Found while looking for wrong answers: values that do not reach the key, and keys that change for no reason."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime as dt
import fractions
import ipaddress
import operator
import string
import types
import zoneinfo
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, HttpUrl

from cache.pitfalls.kit import Counting, Double, Number, Word, figures, program, run, text_of, values_of
from planai import CachedTaskWorker, Task, llm_from_config
from planai.cache.canonical import CacheIgnore, canonical
from planai.errors import UnkeyableValue

ONE = Number(value=1)

# ---- objects that are no data to the key: only their class counts (pitfalls 4 and 11)


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Slotted({self.value})"


class Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def show(self) -> str:
        return self.name


@dataclasses.dataclass
class Built:
    """Keeps what it was made with, though that is no field."""

    value: dataclasses.InitVar[int]

    def __post_init__(self, value: int) -> None:
        self.kept = value

    def __repr__(self) -> str:
        return f"Built({self.kept})"


OPAQUE: dict[str, tuple[Any, Any]] = {
    "SimpleNamespace": (types.SimpleNamespace(factor=1), types.SimpleNamespace(factor=2)),
    "argparse.Namespace": (argparse.Namespace(factor=1), argparse.Namespace(factor=2)),
    "itemgetter": (operator.itemgetter(1), operator.itemgetter(2)),
    "Fraction": (fractions.Fraction(1, 2), fractions.Fraction(1, 3)),
    "ZoneInfo": (zoneinfo.ZoneInfo("Asia/Tokyo"), zoneinfo.ZoneInfo("UTC")),
    "timezone": (dt.UTC, dt.timezone(dt.timedelta(hours=3))),
    "deque": (collections.deque([1]), collections.deque([2])),
    "IPv4Address": (ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("10.0.0.2")),
    "string.Template": (string.Template("a $x"), string.Template("b $x")),
    "slice": (slice(1), slice(2)),
    "HttpUrl": (HttpUrl("http://a.example"), HttpUrl("http://b.example")),
    "a built-in function": (min, max),
    "a method of a text": ("abc".upper, "xyz".upper),
    "an object with slots": (Slotted(1), Slotted(2)),
    "a dataclass that keeps what is no field": (Built(1), Built(2)),
}


class Holder(CachedTaskWorker):
    output_types = [Word]

    def __init__(self, held: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.held = held

    def show(self) -> str:
        return repr(self.held) + repr(getattr(self.held, "template", ""))

    def consume_work(self, task: Number) -> None:
        self.publish_work(Word(text=self.show()))


class Calling(Holder):
    def show(self) -> str:
        return str(self.held())


class Secret(Task):
    _held: Any = None


class Reveal(CachedTaskWorker):
    output_types = [Word]

    def consume_work(self, task: Secret) -> None:
        self.publish_work(Word(text=repr(task._held) + repr(getattr(task._held, "template", ""))))


def no_wrong_answer(worker: CachedTaskWorker, task: Task, other: CachedTaskWorker, other_task: Task) -> None:
    """Refusing to make a key is as good as making another one."""
    run(worker, task)
    result = run(other, other_task)
    assert result.cache_hits == 0
    assert all(isinstance(failure.error, UnkeyableValue) for failure in result.failures)


@pytest.mark.parametrize("pair", OPAQUE.values(), ids=OPAQUE)
def test_what_a_worker_holds_decides_whatever_its_class_is(folder: Path, pair: tuple[Any, Any]) -> None:
    one, other = (Holder(held, cache_dir=folder) for held in pair)
    assert one.show() != other.show()
    no_wrong_answer(one, ONE, other, ONE)


@pytest.mark.parametrize("pair", OPAQUE.values(), ids=OPAQUE)
def test_what_a_task_holds_in_private_decides_whatever_its_class_is(folder: Path, pair: tuple[Any, Any]) -> None:
    tasks = [Secret(), Secret()]
    for task, held in zip(tasks, pair, strict=True):
        task._held = held
    worker = Reveal(cache_dir=folder)
    no_wrong_answer(worker, tasks[0], worker, tasks[1])


def test_methods_of_two_objects_are_two_functions(folder: Path) -> None:
    texts = [text_of(run(Calling(Named(name).show, cache_dir=folder), ONE)) for name in ("a", "b")]
    assert texts == ["a", "b"]


class Inner(CachedTaskWorker):
    output_types = [Number]

    def __init__(self, factor: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.factor = factor

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * self.factor))


class Outer(Holder):
    def show(self) -> str:
        return str(values_of(run(self.held, ONE)))


def test_what_a_held_worker_was_given_decides(folder: Path) -> None:
    texts = [text_of(run(Outer(Inner(factor, cache_dir=folder), cache_dir=folder), ONE)) for factor in (2, 3)]
    assert texts == ["[2]", "[3]"]


# ---- values that compare equal (pitfall 1)


class Ranking(Task):
    places: collections.OrderedDict[str, int]


class Winner(CachedTaskWorker):
    output_types = [Word]

    def consume_work(self, task: Ranking) -> None:
        self.publish_work(Word(text=next(iter(task.places))))


def test_an_ordered_dict_counts_with_its_order(folder: Path) -> None:
    worker = Winner(cache_dir=folder)
    orders = [collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1)]
    assert orders[0] != orders[1]
    assert [text_of(run(worker, Ranking(places=order))) for order in orders] == ["a", "b"]


# ---- what is changed in place between two runs


class Conf:
    def __init__(self, factor: int) -> None:
        self.factor = factor


class Table(CachedTaskWorker):
    output_types = [Number]
    TABLE = {"factor": 2}

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * self.TABLE["factor"]))


CONF, GLOBAL, CALLS = Conf(2), {"factor": 2}, {"function": lambda value: value * 2}


class OfObject(Table):
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * CONF.factor))


class OfGlobal(Table):
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * GLOBAL["factor"]))


class OfRegistry(Table):
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=CALLS["function"](task.value)))


class OfAttribute(Table):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.conf, self.table = Conf(2), {"factor": 2}

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * self.conf.factor * self.table["factor"] // 2))


def scaled(value: int, factors: dict[str, int] = GLOBAL) -> int:
    return value * factors["factor"]


class OfDefault(Table):
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=scaled(task.value)))


CHANGED_IN_PLACE: dict[str, tuple[type[CachedTaskWorker], Any]] = {
    "a dict of the class": (Table, lambda worker, factor: worker.TABLE.update(factor=factor)),
    "an object of the module": (OfObject, lambda worker, factor: setattr(CONF, "factor", factor)),
    "a dict of the module": (OfGlobal, lambda worker, factor: GLOBAL.update(factor=factor)),
    "a registry of functions": (OfRegistry, lambda worker, factor: CALLS.update(function=lambda x: x * factor)),
    "a default argument": (OfDefault, lambda worker, factor: GLOBAL.update(factor=factor)),
    "a dict of the worker": (OfAttribute, lambda worker, factor: worker.table.update(factor=factor)),
    "an object of the worker": (OfAttribute, lambda worker, factor: setattr(worker.conf, "factor", factor)),
}


@pytest.mark.parametrize("how", CHANGED_IN_PLACE)
def test_what_is_changed_in_place_between_runs_decides_with_its_present_value(folder: Path, how: str) -> None:
    kind, change = CHANGED_IN_PLACE[how]
    worker = kind(cache_dir=folder)
    try:
        assert values_of(run(worker, ONE)) == [2]
        change(worker, 5)
        assert values_of(run(worker, ONE)) == [5]
    finally:
        change(worker, 2)


class Marking(Counting):
    """Assigns, on its result, to a name that one of its own settings has."""

    output_types = [Number]
    value: int = 1

    def consume_work(self, task: Number) -> None:
        result = Number(value=0)
        result.value = self.value
        self.publish_work(result)


def test_a_setting_counts_with_its_present_value_though_another_object_has_its_name(folder: Path) -> None:
    worker = Marking(cache_dir=folder)
    assert values_of(run(worker, ONE)) == [1]
    worker.value = 2
    assert values_of(run(worker, ONE)) == [2]


# ---- lost hits (pitfall 5)

UNSTABLE = """
class Kind(enum.Enum):
    A = "a"
    B = "b"
    C = "c"
    D = "d"
    E = "e"

PAIRS = {{("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")}}
KINDS = {{Kind.A, Kind.B, Kind.C, Kind.D, Kind.E}}
TABLE = {{word: {{"a", word, "b"}} for word in ("one", "two", "three", "four", "five")}}

class Work(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=int(task.value in {what})))

print(run_inline(Work(cache_dir="cache"), Number(value=1)).cache_hits)
"""


@pytest.mark.parametrize("what", ["PAIRS", "KINDS", "TABLE", '{("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")}'])
def test_a_constant_set_is_the_same_in_every_process(tmp_path: Path, what: str) -> None:
    text = UNSTABLE.format(what=what)
    hits = [program(tmp_path, text, PYTHONHASHSEED=str(seed)) for seed in (1, 2, 3, 4)]
    assert hits == [["0"], ["1"], ["1"], ["1"]]


def test_the_order_of_a_dict_that_a_worker_holds_counts_for_nothing(folder: Path) -> None:
    held = [{"a": 1, "b": 2}, {"b": 2, "a": 1}]
    assert [figures(run(Holder(each, cache_dir=folder), ONE)) for each in held] == [(0, 1), (1, 0)]


def test_shared_and_equal_containers_that_a_worker_holds_are_alike(folder: Path) -> None:
    part = [{"a": 1}]
    held = [[part, part], [part, [{"a": 1}]]]
    assert [figures(run(Holder(each, cache_dir=folder), ONE)) for each in held] == [(0, 1), (1, 0)]


def test_every_nan_in_a_list_of_floats_is_one_value() -> None:
    assert canonical([float("nan")]) == canonical([-float("nan")])


class Judge(Counting):
    model: Any

    def consume_work(self, task: Number) -> None:
        self.publish_work(task)


@pytest.mark.parametrize("change", [{"api_key": "b"}, {"timeout": 5.0}, {"max_retries": 7}])
def test_a_model_as_a_setting_counts_as_the_models_of_model_workers_do(folder: Path, change: dict[str, Any]) -> None:
    models = [llm_from_config(**{"provider": "openai", "model_name": "m", **more}) for more in ({}, change)]
    assert [figures(run(Judge(model=model, cache_dir=folder), ONE)) for model in models] == [(0, 1), (1, 0)]


class Asking(CachedTaskWorker):
    """Only looks whether another worker has an answer."""

    output_types = [Word]
    other: Annotated[Any, CacheIgnore()] = None

    def consume_work(self, task: Number) -> None:
        self.publish_work(Word(text=str(self.other.is_cached(task))))


def test_a_worker_that_asks_the_cache_of_another_is_cached_itself(folder: Path) -> None:
    worker = Asking(cache_dir=folder, other=Judge(model=1, cache_dir=folder))
    assert [figures(run(worker, ONE)) for _ in range(2)] == [(0, 1), (1, 0)]


def test_what_calls_append_to_decides_nothing_whenever_the_first_key_is_made(folder: Path) -> None:
    class Noting(Double):
        cached: Annotated[bool, CacheIgnore()] = True

        def should_cache(self, task: Any) -> bool:
            return self.cached

    assert figures(run(Noting(cache_dir=folder), ONE)) == (0, 1)
    worker = Noting(cache_dir=folder, cached=False)
    run(worker, ONE)
    worker.cached = True
    assert figures(run(worker, ONE)) == (1, 0)


# ---- types that are refused, though they have an identity


@pytest.mark.parametrize("name", ["HttpUrl", "IPv4Address", "Fraction", "deque", "ZoneInfo", "timezone"])
def test_common_types_of_fields_have_an_identity(name: str) -> None:
    class Field(BaseModel):
        value: Any

    one, other = OPAQUE[name]
    try:
        forms = [canonical(Field(value=value)) for value in (one, other)]
    except UnkeyableValue as error:
        raise AssertionError(str(error)) from error
    assert forms[0] != forms[1]
