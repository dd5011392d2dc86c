"""What a worker's code does with the cache by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from planai.cache.manual import ByHand, by_hand


class Library:
    """Stands for what the library defines: its methods look up and store, and are not looked into."""

    def get_from_cache(self, task: object) -> Any: ...

    def save_to_cache(self, task: object, value: object) -> None: ...

    def is_cached(self, task: object) -> bool:
        return bool(self.get_cache())

    def get_cache(self) -> dict[str, Any]:
        return {}

    def publish_work(self, task: object) -> None:
        self.save_to_cache(task, task)


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


class Plain(Library):
    def consume_work(self, task: object) -> None:
        self.publish_work(task)


class Looks(Library):
    def consume_work(self, task: object) -> None:
        if self.is_cached(task):
            return


class Stores(Library):
    def consume_work(self, task: object) -> None:
        try:
            self.save_to_cache(task, 1)
        except ValueError:
            self.publish_work(task)


class Both(Library):
    def consume_work(self, task: object) -> None:
        if not self.get_from_cache(task):
            self.save_to_cache(task, 1)


class Mapping(Library):
    def consume_work(self, task: object) -> None:
        self.get_cache()["key"] = task


class ByHelper(Library):
    def consume_work(self, task: object) -> None:
        self.first(task)

    def first(self, task: object) -> None:
        self.second(task)

    @staticmethod
    def third(worker: Library, task: object) -> None:
        worker.save_to_cache(task, 1)

    def second(self, task: object) -> None:
        self.third(self, task)


class InNestedFunction(Library):
    def consume_work(self, task: object) -> None:
        def look() -> Any:
            return [self.get_from_cache(one) for one in [task]]

        look()


class Inherited(Both): ...


class BySuper(Looks):
    def consume_work(self, task: object) -> None:
        super().consume_work(task)


class Decorated(Library):
    @logged
    def consume_work(self, task: object) -> None:
        self.get_from_cache(task)


class UnusedHelper(Library):
    def consume_work(self, task: object) -> None:
        self.publish_work(task)

    def warm(self, task: object) -> None:
        if not self.is_cached(task):
            self.save_to_cache(task, 1)


class Recursive(Library):
    def consume_work(self, task: object) -> None:
        self.consume_work(task)


class Overriding(Library):
    """Replaces how entries are kept, but leaves it to the library when."""

    def consume_work(self, task: object) -> None:
        self.publish_work(task)

    def save_to_cache(self, task: object, value: object) -> None:
        self.get_cache()["key"] = value


class ByProperty(Library):
    def consume_work(self, task: object) -> None:
        if self.known:
            self.publish_work(task)

    @property
    def known(self) -> bool:
        return self.is_cached(1)


@pytest.mark.parametrize(
    ("worker", "looks", "stores"),
    [
        (Plain, False, False),
        (Looks, True, False),
        (Stores, False, True),
        (Both, True, True),
        (Mapping, True, True),
        (ByHelper, False, True),
        (InNestedFunction, True, False),
        (Inherited, True, True),
        (BySuper, True, False),
        (Decorated, True, False),
        (UnusedHelper, False, False),
        (Recursive, False, False),
        (Overriding, False, False),
        pytest.param(
            *(ByProperty, True, False),
        ),
    ],
)
def test_only_what_the_code_of_consume_work_reaches_counts(worker: type, looks: bool, stores: bool) -> None:
    assert by_hand(worker, "consume_work", frozenset({Library, object})) == ByHand(looks=looks, stores=stores)


def test_a_method_that_is_not_there_does_nothing_by_hand() -> None:
    assert by_hand(Library, "consume_work", frozenset({Library})) == ByHand(looks=False, stores=False)
