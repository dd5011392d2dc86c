"""JSON as bytes, several times as fast as the standard library makes it, which does what is no UTF-8."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json, to_json

from planai.cache.outside import Outsiders

_from_text = json.JSONDecoder().decode


def write(value: Any) -> bytes:
    """Return `value` as JSON; halves of surrogate pairs, infinities and NaN are written as they are.

    >>> write({"a": [1, 0.5, "é"]}) == '{"a":[1,0.5,"é"]}'.encode()
    True
    """
    return write_apart(value)[0]


def write_apart(value: Any) -> tuple[bytes, bytes]:
    """Return `value` as JSON, and what is outside of it."""
    parts = Outsiders()
    try:
        return to_json(value, inf_nan_mode="constants", fallback=parts.add), parts.joined()
    except ValueError:  # half of a surrogate pair, which is no UTF-8
        parts = Outsiders()
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=parts.add)
        return text.encode("utf-8", "surrogatepass"), parts.joined()


def read(text: bytes) -> Any:
    """Return what `write` has written.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return from_json(text, cache_strings="keys")
    except ValueError:
        return _from_text(text.decode("utf-8", "surrogatepass"))
