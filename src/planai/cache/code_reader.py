"""CodeReader: how values are read in which code may be met, for those who number it."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Protocol

from planai.cache.canonical import Above, Anything, encode, frame, qualified
from planai.cache.instructions import MISSING
from planai.cache.state import state_of

_FAR = 50
"""How many objects are inside of one another until the rest is read by itself, as of a long chain of nodes."""


class Numbering(Protocol):
    """Who numbers the code that is met."""

    def is_root(self, kind: type) -> bool:
        """Tell whether `kind` is what is walked from, which may be renamed."""

    def code(self, value: Any) -> bytes:
        """Encode a function or module by its number, and what is not the user's own by its name."""

    def state(self, value: Any, make: Callable[[], bytes]) -> bytes:
        """Return the form of an object that `make` encodes, each object once."""

    def asks(self, word: str) -> None:
        """Take note that what code says of itself is asked for, by one of `planai.cache.words.WORDS`."""

    def later(self, value: Any) -> bytes:
        """Encode an object by its number: what it consists of comes later, since it is far inside of others."""

    def first_of(self, value: Any, name: str, item: Any) -> Any:
        """Return what an attribute of an object was at first, if calls change it; else what it is."""

    def unwrapped(self, value: Any) -> Any:
        """Return the function behind a static or class method, a cache, or a decorator from elsewhere."""


class CodeReader(Anything):
    """Reads values in which code may be met, which others number."""

    __slots__ = ("_keeps_order", "_walk")

    def __init__(self, walk: Numbering, *, keeps_order: bool) -> None:
        super().__init__()
        self._walk = walk
        self._keeps_order = keeps_order

    @property
    def keeps_order(self) -> bool:
        """Whether the order of a dict counts: code may take the first that fits."""
        return self._keeps_order

    def called(self, kind: type) -> str:
        """Return what a class is called."""
        return "itself" if self._walk.is_root(kind) else qualified(kind)

    def code(self, value: Any) -> bytes:
        """Encode a function or module."""
        return frame(b"code:", self._walk.code(value))

    def environment(self, value: Any, above: Above) -> bytes:
        """Encode the environment: what counts of it are the variables that code names."""
        self._walk.asks("environ")
        return frame(b"environment:", b"")

    def other(self, value: Any, above: Above) -> bytes:
        """Encode what is no data: what is wrapped, an object by its state, and each object once."""
        unwrapped = self._walk.unwrapped(value)
        if unwrapped is not value:
            return encode(unwrapped, above)
        if isinstance(value, property):
            return frame(b"property:", encode((value.fget, value.fset, value.fdel), above))
        if isinstance(value, types.FunctionType | types.ModuleType | types.MethodType):
            return super().other(value, above)
        if len(above) > _FAR:
            self.kinds[type(value)] = None
            return frame(b"later:", self._walk.later(value))
        return self._walk.state(value, lambda: super(CodeReader, self).other(value, above))

    def state(self, value: Any) -> dict[str, Any] | None:
        """Return what an object consists of."""
        found = state_of(value)
        return self.at_first(value, found) if found else found

    def at_first(self, value: Any, found: dict[str, Any]) -> dict[str, Any]:
        """Return what an object consists of, and of what calls change there what it was at first."""
        first = {name: self._walk.first_of(value, name, item) for name, item in found.items()}
        return {name: item for name, item in first.items() if item is not MISSING}
