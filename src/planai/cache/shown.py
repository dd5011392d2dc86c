"""Values as short texts, for people who ask what an entry was made from."""

from __future__ import annotations

import json
from typing import Any

from planai.cache.canonical import canonical, digest
from planai.errors import UnkeyableValue

LENGTH = 160
"""Characters at most; of a longer text the beginning is shown, and a digest in place of the rest."""

_PLAIN = frozenset({int, float, bool, type(None)})
_MANY = 40


def short_text(value: Any) -> str:
    """Return `value` as a text of at most some 180 characters, without secrets; another value is another text.

    >>> short_text("a"), short_text([1, 2])
    ('"a"', '[1, 2]')
    """
    kind = type(value)
    if kind is str:
        text = json.dumps(value, ensure_ascii=False)
    elif kind in _PLAIN:
        return repr(value)
    elif kind in (list, tuple, dict, set, frozenset, bytes) and len(value) > _MANY:
        return f"{kind.__name__} of {len(value)} #{_digest(value)}"
    else:
        text = _repr(value)
    if len(text) <= LENGTH:
        return text
    return f"{text[: LENGTH - 20]}… #{_digest(value)}"


def _digest(value: Any) -> str:
    try:
        return digest(canonical(value))[:12]
    except UnkeyableValue:
        return "?"


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a user's method
        return f"<{type(value).__name__}>"
