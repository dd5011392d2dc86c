"""Reasons: why answers were not there, in a few words for each, and what all of a run's misses have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from planai.cache.about import About, Profile, load_about
from planai.cache.explain import Difference, compare
from planai.cache.store import Info

FIRST = "nothing was stored by this worker before"
NEW_INPUT = "new input"
NEW_KEY = "new key"
REFRESH = "refresh"
MISFIT = "of a type, or for a consumer, that the worker does not publish any more"
UNKNOWN_CHANGE = "the worker changed"

_NAMED = 3
_SAMPLE = 500
_ENOUGH = 3


def change_between(old: Profile, new: Profile) -> str:
    """Return in a few words what differs between two profiles of a worker."""
    nobody = About("")
    return words_for(compare(nobody._replace(profile="old"), old, nobody._replace(profile="new"), new))


def words_for(differences: Iterable[Difference]) -> str:
    """Return what differs in a few words, such as ``code of shop.price changed``."""
    words: dict[str, None] = {}
    for difference in differences:
        words.setdefault(_words(difference))
    shown = list(words)[:_NAMED]
    more = len(words) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") or UNKNOWN_CHANGE


def _words(difference: Difference) -> str:
    name, old, new = difference.name, difference.old, difference.new
    if difference.part == "code":
        return f"code of {name} changed"
    if difference.part == "output":
        return f"output type {name} changed"
    if difference.part == "setting":
        return f"setting {name} changed from {old} to {new}"
    return f"{name or difference.part} changed"


def volatile_field(missed: Iterable[About], known: Iterable[Info]) -> str | None:
    """Return the field by which each of the `missed` inputs differs from another answer's, if there is a single one.

    Args:
        missed: some of the inputs that were computed.
        known: entries, the least recently used first; those of the inputs themselves may be among them.
    """
    ids: dict[tuple[str, object], set[str]] = {}
    for about in map(load_about, (info.about for info in list(known)[-_SAMPLE:])):
        if about is not None and len(about.fields) > 1:
            for field in about.fields:
                ids.setdefault((field, _others(about, field)), set()).add(about.id)
    sample = list(missed)
    fields = Counter(
        field
        for about in sample
        for field in about.fields
        if ids.get((field, _others(about, field)), set()) - {about.id}
    )
    common = [field for field, number in fields.items() if number == len(sample)]
    return common[0] if len(sample) >= _ENOUGH and len(common) == 1 else None


def _others(about: About, left_out: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, text) for name, text in about.fields.items() if name != left_out))
