"""What code changes, seen from its instructions: what it really changes, and nothing that only has the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planai.cache.touched import touched_by

TABLE: Any = {}
COUNT = 0


class Thing:
    count: Any = 0
    memo: Any = {}
    parts: Any = []
    lock: Any = None


class Assigning(Thing):
    def plain(self, other: Any) -> None:
        self.count = 1

    def added_to(self, other: Any) -> None:
        self.count += other.memo[1]

    def of_several(self, other: Any) -> None:
        self.count, other.memo = other.memo, 2

    def deleted(self, other: Any) -> None:
        del self.count

    def in_an_inner_function(self, other: Any) -> Any:
        def inner() -> None:
            self.count = 1

        return inner

    def by_its_class(self, other: Any) -> None:
        type(self).count = self.__class__.memo


class Filling(Thing):
    def item(self, other: Any) -> None:
        self.memo[other.count if other else 1] = other.parts or self.parts

    def item_added_to(self, other: Any) -> None:
        self.memo["a"] += other.parts

    def deep_item(self, other: Any) -> None:
        self.memo["a"]["b"].setdefault(1, []).append(other.parts)

    def method(self, other: Any) -> None:
        self.memo.update(other.parts)

    def attribute(self, other: Any) -> None:
        self.memo.size += 1

    def variable(self, other: Any) -> None:
        memo = self.memo
        memo[1] = other.parts

    def part(self, other: Any) -> None:
        for part in self.memo:
            part.size = other.parts

    def under_a_lock(self, other: Any) -> None:
        with self.lock:
            try:
                self.memo[1] = [part.parts for part in other]
            except KeyError:
                del self.memo[2]


class Neither(Thing):
    def another_object(self, other: Any) -> None:
        other.count = 1
        other.memo[1] = self.memo[1]

    def a_list_of_its_own(self, other: Any) -> list[Any]:
        found = []
        found.append(self.memo["a"])
        found += [self.memo]
        return found

    def a_copy(self, other: Any) -> None:
        memo = dict(self.memo)
        memo[1] = 2

    def a_copy_under_the_same_name(self, other: Any) -> None:
        memo = self.memo
        memo = {**memo}
        memo[1] = 2

    def what_a_call_returns(self, other: Any) -> None:
        self.memo.get(1).append(2)


def methods(kind: type) -> list[Callable[..., Any]]:
    return [value for value in vars(kind).values() if callable(value)]


@pytest.mark.parametrize("method", methods(Assigning))
def test_what_is_assigned_to_is_an_attribute_of_self(method: Any) -> None:
    touched = touched_by(method.__code__)
    assert {path for path in touched.assigned if path[0] == "self"} == {("self", "count")}
    assert not touched.filled


@pytest.mark.parametrize("method", methods(Filling))
def test_what_is_filled_is_what_the_attribute_holds(method: Any) -> None:
    touched = touched_by(method.__code__)
    assert touched.filled == {("self", "memo")}
    assert not touched.assigned


@pytest.mark.parametrize("method", methods(Neither))
def test_what_only_has_the_name_of_an_attribute_is_not_changed(method: Any) -> None:
    touched = touched_by(method.__code__)
    assert not touched.assigned | touched.filled


def test_globals_and_what_they_hold_are_told_apart() -> None:
    def change(value: Any) -> None:
        global COUNT  # noqa: PLW0603 - this is what is tested
        COUNT += 1
        TABLE[value] = COUNT
        Thing.count = 1

    touched = touched_by(change.__code__)
    assert touched.assigned == {("global", "COUNT"), ("global", "Thing", "count")}
    assert touched.filled == {("global", "TABLE")}


def test_a_variable_of_the_enclosing_function_is_one_of_this_function_only_outside() -> None:
    outer = 0

    def change() -> Callable[[], None]:
        own = 0

        def inner() -> None:
            nonlocal outer, own
            outer += 1
            own += 1

        return inner

    assert touched_by(change.__code__).assigned == {("free", "outer")}


def test_an_attribute_of_a_function_of_the_enclosing_one_is_assigned_to() -> None:
    def wrapper() -> None:
        wrapper.calls = 1  # type: ignore[attr-defined]

    assert touched_by(wrapper.__code__).assigned == {("free", "wrapper", "calls")}


def test_methods_that_are_called_on_globals_are_known() -> None:
    def ask(value: Any) -> Any:
        return Thing.parts.index(value)

    assert ("global", "Thing", "parts") in touched_by(ask.__code__).used
