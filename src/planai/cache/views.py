"""The entries of a mapping as a view; what cannot be read, or is removed meanwhile, is passed over."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Any


class ReadableItems(ItemsView[str, Any]):
    """The entries that can be read."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        super().__init__(mapping)
        self._entries = mapping

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for key in self._entries:
            try:
                value = self._entries[key]
            except KeyError:
                continue
            yield key, value


class ReadableValues(ValuesView[Any]):
    """The values that can be read."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        super().__init__(mapping)
        self._entries = mapping

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in ReadableItems(self._entries))
