"""What is remembered about a class, as long as the class lives."""

from __future__ import annotations

import gc
import sys
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


def test_a_class_that_dies_where_the_stack_is_full_leaves_nothing_to_the_next_one_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)

    @per_class
    def name(kind: type) -> str:
        return kind.__name__

    levels: list[int] = []

    def dive() -> None:
        try:
            dive()
        except RecursionError:
            if levels:  # the deepest only: there is room again further up
                levels.pop()
                gc.collect()
            raise

    seen: set[int] = set()
    again = 0
    for number in range(200):
        kind = type(f"Class{number}", (), {})
        again += id(kind) in seen
        seen.add(id(kind))
        assert name(kind) == f"Class{number}"
        del kind
        if number % 10 == 0:
            levels = [1, 2, 3]
            with pytest.raises(RecursionError):
                dive()
    assert again, "no class took the place of another"
