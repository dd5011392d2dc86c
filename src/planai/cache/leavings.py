"""Leavings: answers that are stored nowhere, left for those who have waited for them as long as these exist."""

from __future__ import annotations

import weakref
from typing import Any

Reference = weakref.ref[Any]
"""What tells who waits, and does not keep it."""


class Leavings:
    """Keeps answers by their name and by who has waited. One that nobody comes for goes with its waiter.

    It has no lock, as a waiter may be collected at any time, also by a thread that would hold it.
    """

    def __init__(self) -> None:
        self._left: dict[tuple[str, int], tuple[Reference, list[Any]]] = {}

    def __len__(self) -> int:
        return len(self._left)

    def leave(self, name: str, waiter: Reference | None, left: Any) -> None:
        """Leave an answer; the same waiter may be left several."""
        who = None if waiter is None else waiter()
        if who is None:
            return
        place = (name, id(who))
        _, answers = self._left.get(place, (None, []))
        answers.append(left)
        self._left[place] = (weakref.ref(who, lambda _: self._left.pop(place, None)), answers)

    def take(self, name: str, waiter: object) -> Any:
        """Return an answer, and leave it no longer; None where there is none."""
        found = self._left.pop((name, id(waiter)), None)
        if found is None:
            return None
        left = found[1].pop()
        if found[1]:
            self._left[name, id(waiter)] = found
        return left

    def clear(self) -> None:
        """Forget all of them."""
        self._left.clear()
