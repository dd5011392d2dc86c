"""What is remembered about a class, as long as the class lives."""

from __future__ import annotations

import gc
import weakref

import pytest

from planai.cache.memo import per_class


def test_a_class_is_asked_once_and_each_on_its_own() -> None:
    class Base: ...

    class Sub(Base): ...

    asked: list[type] = []

    @per_class
    def name(kind: type) -> str:
        asked.append(kind)
        return kind.__name__

    assert [name(Base), name(Sub), name(Base), name(Sub)] == ["Base", "Sub", "Base", "Sub"]
    assert asked == [Base, Sub]


def test_none_and_other_false_answers_are_remembered() -> None:
    asked: list[type] = []

    @per_class
    def nothing(kind: type) -> None:
        asked.append(kind)

    nothing(int)
    nothing(int)
    assert asked == [int]


def test_a_class_is_not_kept_alive() -> None:
    @per_class
    def name(kind: type) -> str:
        return kind.__name__

    class Gone: ...

    watch = weakref.ref(Gone)
    name(Gone)
    del Gone
    gc.collect()
    assert watch() is None


def test_an_error_is_raised_again_and_not_remembered() -> None:
    answers = [1]

    @per_class
    def number(kind: type) -> int:
        if answers:
            raise KeyError(answers.pop())
        return 2

    with pytest.raises(KeyError, match="1"):
        number(int)
    assert number(int) == 2
