"""What decides a worker's answers: all of it is in the key, and people can read of what it consists."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import PrivateAttr, SecretStr, ValidationError

from planai import CachedTaskWorker, CacheIgnore, CacheKey, Task, TaskWorker
from planai.cache.about import load_profile
from planai.cache.key import digest_of_parts, key_of
from planai.cache.keyed import KeyedTaskWorker, Known, library_classes
from planai.call import Activation, Scope
from planai.errors import UnkeyableValue


class Number(Task):
    value: int


class Word(Task):
    text: str


LIMIT = 3


def limited(value: int) -> int:
    return min(value, LIMIT)


class Work(CachedTaskWorker):
    output_types = [Number, Word]
    factor: int = 2
    password: SecretStr = SecretStr("hunter2")
    ignored: Annotated[str, CacheIgnore()] = ""
    folded: Annotated[str, CacheKey(str.lower)] = ""

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=limited(task.value) * self.factor))


ONE = Number(value=1)


def key(worker: KeyedTaskWorker | None = None, task: Task = ONE, **settings: Any) -> str:
    return str((worker or Work(**settings)).get_cache_key(task))


# ---- keys


@settings(deadline=None)
@given(st.integers(), st.integers())
def test_keys_of_tasks_are_equal_when_the_tasks_are(one: int, other: int) -> None:
    assert (key(task=Number(value=one)) == key(task=Number(value=other))) == (one == other)


@settings(deadline=None)
@given(st.integers(), st.integers())
def test_keys_of_workers_are_equal_when_their_settings_are(one: int, other: int) -> None:
    assert (key(factor=one) == key(factor=other)) == (one == other)


def test_a_key_is_made_of_the_profile_and_the_parts_of_the_task() -> None:
    worker = Work()
    assert key(worker) == key_of(worker.cache_profile(Number), worker.cache_parts(ONE))
    assert sorted(worker.cache_parts(ONE)) == ["task"]


@pytest.mark.parametrize(
    "settings",
    [{"ignored": "x"}, {"num_retries": 3}, {"cache_ttl": 5}, {"cache_dir": "elsewhere"}, {"cache_mode": "refresh"}],
    ids=str,
)
def test_settings_that_decide_nothing_are_in_no_key(settings: dict[str, Any]) -> None:
    assert key(**settings) == key()


@pytest.mark.parametrize(
    "settings",
    [{"factor": 3}, {"password": SecretStr("x")}, {"folded": "x"}, {"cache_code": False}, {"output_types": [Number]}],
    ids=str,
)
def test_settings_that_decide_are_in_the_key(settings: dict[str, Any]) -> None:
    assert key(**settings) != key()


def test_what_stands_for_a_setting_decides_in_its_place() -> None:
    assert key(folded="ABC") == key(folded="abc") != key(folded="abd")


def test_a_setting_without_identity_is_named() -> None:
    class Holding(Work):
        thing: Any = None

    with pytest.raises(UnkeyableValue, match=r"'Holding': settings\['thing'\].*CacheIgnore"):
        key(Holding(thing=object()))


def test_attributes_decide_in_whatever_order_they_were_set() -> None:
    class Holding(Work):
        _hidden: int = PrivateAttr(default=0)

        def __init__(self, **attributes: Any) -> None:
            super().__init__()
            for name, value in attributes.items():
                setattr(self, name, value)

    made = [Holding(), Holding(a=1, b=2), Holding(b=2, a=1), Holding(a=2, b=1), Holding(_hidden=1)]
    keys = [key(worker) for worker in made]
    assert keys[1] == keys[2]
    assert len(set(keys)) == 4


def test_what_else_decides_is_framed_so_that_nothing_is_mixed_up() -> None:
    class Extra(Work):
        more: Annotated[str, CacheIgnore()] = ""

        def extra_cache_key(self, task: Any) -> str:
            return self.more

    assert len({key(Extra(more=more)) for more in ("", "a", "task", "\0")}) == 4


# ---- names


def test_a_name_of_ones_own_takes_the_place_of_the_classs() -> None:
    assert Work().cache_space == f"{Work.__module__}:Work"
    assert Work(cache_name="work").cache_space == "work"
    assert key(cache_name="work") != key()
    with pytest.raises(ValidationError, match="cache_name"):
        Work(cache_name="")


def test_two_workers_of_the_same_shape_have_different_keys() -> None:
    class Same(Work):
        pass

    assert key(Same()) != key()
    assert key(Same(cache_name="work", cache_code=False)) == key(cache_name="work", cache_code=False)


# ---- what people are told


def test_a_description_is_of_the_same_parts_as_the_key() -> None:
    worker = Work()
    described = worker.cache_description(Number)
    parts = {name: text for name, text in described.parts.items() if name != "logic"}
    assert digest_of_parts(parts) == worker.cache_profile(Number)
    assert load_profile(described.dump()) == described


def test_a_description_names_code_settings_and_types_and_no_secret() -> None:
    described = Work(factor=7, ignored="not there").cache_description(Number)
    module = Work.__module__
    assert described.settings == {"factor": "7", "folded": '""', "password": "SecretStr('**********')"}
    assert described.outputs.keys() == {f"{module}:Number", f"{module}:Word"}
    assert {f"{module}.Work.consume_work", f"{module}.limited", f"{module}.LIMIT"} <= described.code.keys()
    assert described.code[f"{module}.LIMIT"] == "3"
    assert "hunter2" not in repr(described)


TOKENS = {"shop": SecretStr("hunter2")}


def test_a_secret_constant_is_not_told() -> None:
    class Using(Work):
        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=len(TOKENS["shop"].get_secret_value())))

    described = Using().cache_description(Number)
    assert described.code[f"{Using.__module__}.TOKENS"] == "{'shop': SecretStr('**********')}"
    assert "hunter2" not in repr(described)


def test_without_code_no_code_is_told() -> None:
    described = Work(cache_code=False).cache_description(Number)
    assert described.code == {}
    assert described.parts["logic"] == ""


# ---- once in a run


def test_within_a_run_the_profile_is_found_once_until_an_attribute_is_another() -> None:
    worker, scope = Work(), Scope()

    def profile_in_run() -> str:
        with Activation(worker, (ONE,), worker.outside_router(), scope=scope):
            return worker.cache_profile(Number)

    first = profile_in_run()
    assert first == worker.cache_profile(Number)
    assert isinstance(scope.notes[worker, Number], Known)
    known = scope.notes[worker, Number]
    assert profile_in_run() == first
    assert scope.notes[worker, Number] is known
    worker.factor = 9
    assert profile_in_run() == worker.cache_profile(Number) != first
    worker.factor = 2
    assert profile_in_run() == first


def test_what_was_known_holds_while_the_same_objects_are_there() -> None:
    value = [1]
    known = Known("digest", ("a", "b"), (value, None))
    assert known.holds_for({"a": value, "c": 1})
    assert not known.holds_for({"a": [1]})
    assert not known.holds_for({})


# ---- classes


def test_the_librarys_own_classes_are_told_from_the_users() -> None:
    assert {CachedTaskWorker, TaskWorker, KeyedTaskWorker, object} <= library_classes(Work)
    assert Work not in library_classes(Work)
