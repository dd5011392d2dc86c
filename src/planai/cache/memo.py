"""Remembering what was found out about a class, as long as the class lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable
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
    known: weakref.WeakKeyDictionary[type, T] = weakref.WeakKeyDictionary()

    def remembered(kind: type) -> T:
        try:
            return known[kind]
        except KeyError:
            return known.setdefault(kind, function(kind))  # of two threads at it, both get the same

    return remembered
