"""Remembering what was found out about a class, as long as the class lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")


def per_class(function: Callable[[type], T]) -> Callable[[type], T]:
    """Let `function` be called once for each class; the class itself is not kept alive.

    >>> @per_class
    ... def name(kind: type) -> str:
    ...     return kind.__name__
    >>> name(int)
    'int'
    """
    known: dict[int, T] = {}
    classes: dict[int, weakref.ref[type]] = {}

    def remembered(kind: type) -> T:
        number = id(kind)  # WeakKeyDictionary takes four times as long, some twenty times for each task
        try:
            return known[number]
        except KeyError:
            found = function(kind)
        classes.setdefault(number, weakref.ref(kind, partial(forget, number)))  # before its number is another's
        return known.setdefault(number, found)  # of two threads at it, both get the same

    def forget(number: int, _: object) -> None:
        known.pop(number, None)
        classes.pop(number, None)

    return remembered
