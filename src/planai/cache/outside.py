"""Large texts and bytes, which are written behind the JSON of an entry as they are, and not within it.

To escape, scan and copy a megabyte of text as JSON takes several times as long as to read it from the file.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

TAG = "$"
"""The key in a JSON object that tells what it stands for."""

OUTSIDE_FROM = 8 * 1024
"""Texts of so many characters, and bytes of so many bytes, and more are written outside of the JSON."""

_TEXT, _BYTES = "outside text", "outside bytes"
_CONTAINERS = frozenset({list, dict})


class Outside:
    """A text, or bytes, in the place where `Outsiders` writes where to find it."""

    __slots__ = ("value",)

    def __init__(self, value: str | bytes) -> None:
        self.value = value


def outside(value: str | bytes) -> dict[str, Any]:
    """Return what stands in JSON for a large value."""
    return {TAG: _TEXT if isinstance(value, str) else _BYTES, "v": Outside(value)}


class Outsiders:
    """Collects what is written outside of JSON, while that is made."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, value: Any) -> list[int]:
        """Return where a value will be: its first byte, and how many these are.

        Raises:
            TypeError: it is no `Outside`, and thus nothing that JSON can hold.
        """
        if not isinstance(value, Outside):
            raise TypeError(f"a {type(value).__name__} is no JSON")
        given = value.value
        part = given.encode("utf-8", "surrogatepass") if isinstance(given, str) else given
        place = [self._length, len(part)]
        self._parts.append(part)
        self._length += len(part)
        return place

    def joined(self) -> bytes:
        """Return all that was added."""
        return b"".join(self._parts)


def _as_they_are(part: bytes) -> Any:
    return part


def in_base64(part: bytes) -> Any:
    """Return bytes as JSON has them that are not large."""
    return {TAG: "bytes", "v": base64.b64encode(part).decode()}


def brought_in(packed: Any, parts: bytes, show: Callable[[bytes], Any] = _as_they_are) -> Any:
    """Return JSON values with what is outside of them in its place.

    Args:
        packed: the JSON values.
        parts: what is outside; where it is void, nothing is looked for.
        show: what stands for bytes.

    Raises:
        ValueError: a place is not within `parts`, or is none: the entry was not written by this library.
    """
    if not parts:
        return packed
    kind = type(packed)
    if kind is list:
        return [brought_in(item, parts, show) if type(item) in _CONTAINERS else item for item in packed]
    if kind is not dict:
        return packed
    tag = packed.get(TAG)
    if tag not in (_TEXT, _BYTES):
        items = packed.items()
        return {name: brought_in(item, parts, show) if type(item) in _CONTAINERS else item for name, item in items}
    start, length = packed["v"]
    if not 0 <= start <= start + length <= len(parts):
        raise ValueError("a part of the entry is not where it should be")
    part = parts[start : start + length]
    return show(part) if tag == _BYTES else part.decode("utf-8", "surrogatepass")
