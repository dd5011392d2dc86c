"""Findings: what a walk over code has found, beside its digest."""

from __future__ import annotations

from typing import Any

from planai.cache.firsts import First, Firsts
from planai.cache.made_up import subclasses_of
from planai.cache.places import look_up


class Findings:
    """What a walk has found, for those who explain a digest, and to tell when it has to be worked out again.

    Args:
        first: the first values of what calls change.

    Attributes:
        reads: where names were looked up, with what was found there.
        sizes: classes, functions and modules, with how many names they had.
        held: values that may be changed in place.
        firsts: what calls change, which counts as it was at first.
        outline: a short digest of each function, and the value of each constant, by name.
        names: all names that the code uses.
        kinds: the classes that were reached.
        families: classes whose subclasses count, with the names of these.
        unknown: functions that take a module by a name that is made up while they run.
    """

    def __init__(self, first: First | None = None) -> None:
        self.reads: list[tuple[Any, str, Any]] = []
        self.sizes: list[tuple[Any, int]] = []
        self.held: list[Any] = []
        self.firsts = Firsts(first or {})
        self.outline: dict[str, str] = {}
        self.names: set[str] = set()
        self.kinds: set[type] = set()
        self.families: dict[type, list[str]] = {}
        self.unknown: set[str] = set()

    def is_outdated(self) -> bool:
        """Tell whether a name now leads to another object, or names or subclasses came or went."""
        return (
            any(look_up(place, name) is not found for place, name, found in self.reads)
            or any(len(vars(place)) != size for place, size in self.sizes)
            or any(list(subclasses_of(kind)) != names for kind, names in self.families.items())
        )
