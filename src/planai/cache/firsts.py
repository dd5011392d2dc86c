"""First values: what calls change counts as it was at first, since each call would change its own key otherwise."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

from planai.cache.instructions import MISSING
from planai.cache.places import changes_of, look_up

At = tuple[int, str]
"""The id of what a name is looked up in, and the name."""

First = Mapping[At, tuple[Any, Any]]
"""What calls change: what keeps the place alive, and the first value, or the digest of what is changed in place."""


class Firsts:
    """The first values that are known, and what else the functions that are met are found to change.

    Args:
        first: what is known.

    Attributes:
        changed: where calls assign something, with the place and what is there; `MISSING` where nothing is yet.
        filled: where there is what calls change in place.
    """

    def __init__(self, first: First) -> None:
        self.changed: dict[At, tuple[Any, Any]] = {}
        self.filled: dict[At, tuple[Any, Any]] = {}
        self._first = first

    def has(self, place: Any, name: str) -> bool:
        """Tell whether a first value is known."""
        return (id(place), name) in self._first

    def get(self, place: Any, name: str, value: Any = None) -> Any:
        """Return the first value; `value` where none is known."""
        return self._first.get((id(place), name), (place, value))[1]

    def was_missing(self, place: Any, name: str) -> bool:
        """Tell whether there was nothing at first where calls put something."""
        return self.get(place, name) is MISSING

    def note(self, function: types.FunctionType) -> None:
        """Note what a function changes of what it can reach."""
        for place, name, is_filled in changes_of(function):
            found = look_up(place, name)
            if is_filled and found is not MISSING:
                self.fill(place, name, found)
            else:
                self.changed.setdefault((id(place), name), (place, found))

    def fill(self, place: Any, name: str, value: Any) -> None:
        """Note that calls change `value` in place."""
        self.filled.setdefault((id(place), name), (place, value))
