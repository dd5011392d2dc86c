"""Why a replay has no answer to a request: the recording that is nearest to it, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from difflib import unified_diff
from typing import NamedTuple

from planai.cache.about import About
from planai.cache.explain import Difference, compare

_UNSEEN = "  what differs is no text of the last turns: the schema of the answer, a tool, a picture, or an earlier turn"


class Recording(NamedTuple):
    """What was recorded.

    Attributes:
        about: how it came about.
        read: returns the lines of text that were new in the request.
    """

    about: About
    read: Callable[[], Sequence[str]]


def explain_missing(head: str, about: About, told: Sequence[str], recordings: Iterable[Recording], text: str) -> str:
    """Return why there is no recording, in several lines.

    Args:
        head: who asks what is not recorded.
        about: how the answer would come about, with the request as fields.
        told: the lines of text that are new in the request.
        recordings: what there is, the oldest first.
        text: the name of the field of `about` that is shown as a diff.
    """
    compared = [(_differing(one.about, about, text), one) for one in recordings]
    if not compared:
        return f"{head}; nothing is recorded at all"
    fewest = min(len(differences) for differences, _ in compared)
    alike = [(one.read(), one, differences) for differences, one in reversed(compared) if len(differences) == fewest]
    lines, near, differences = min(alike, key=lambda found: _distance(found[0], told))
    shown = [f"  {one.name}: {one.old} -> {one.new}" for one in differences]
    shown += [f"    {line}" for line in unified_diff(lines, told, "recorded", "asked", lineterm="", n=0)]
    return "\n".join([f"{head}; the nearest recording is {near.about.id}:", *(shown or [_UNSEEN])])


def _differing(old: About, new: About, text: str) -> list[Difference]:
    return [item for item in compare(old, None, new, None) if item.part == "field" and item.name != text]


def _distance(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many lines are in one of both alone."""
    before, after = Counter(old), Counter(new)
    return ((before - after) + (after - before)).total()
