"""Reasons: why answers were not there, in a few words for each, and what all of a run's misses have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from planai.cache.about import About, Profile, load_about
from planai.cache.explain import UNKNOWN, Difference, compare
from planai.cache.store import Info

FIRST = "nothing is stored by this worker"
NEW_INPUT = "new input"
NEW_KEY = "new key"
REFRESH = "refresh"
REJECTED = "get_from_cache of the worker gave nothing"
MISFIT = "of a type, or for a consumer, that the worker does not publish any more"
UNKNOWN_CHANGE = "the worker changed"

_NAMED = 3
_LABELS: dict[str, str] = {"code": "code of {}", "output": "output type {}", "setting": "setting {}"}
_UNNAMED: dict[str, str] = {
    "setting": "a setting that is not shown changed",
    "field": "a field that is not shown changed",
    "output": "an output type changed",
}
_SAMPLE = 500
_ENOUGH = 3
_MOST = 0.75


class Change(NamedTuple):
    """What differs between two profiles of a worker: in how many ways, and in a few words."""

    number: int
    words: str


def change_between(old: Profile, new: Profile) -> Change:
    """Return what differs between two profiles of a worker."""
    differences = compare(About("", "old"), old, About("", "new"), new)
    return Change(len(differences), words_for(differences))


def words_for(differences: Iterable[Difference]) -> str:
    """Return what differs in a few words, such as ``code of shop.price changed``."""
    words: dict[str, None] = {}
    for difference in differences:
        words.setdefault(_words(difference))
    shown = list(words)[:_NAMED]
    more = len(words) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") or UNKNOWN_CHANGE


def _words(difference: Difference) -> str:
    part, name, old, new = difference
    if name == UNKNOWN:
        return _UNNAMED.get(part, f"{part} changed")
    what = _LABELS.get(part, "{}").format(name) or part
    if old is None or new is None:
        return f"{what} is {'new' if old is None else 'gone'}"
    return f"{what} changed from {old} to {new}" if part == "setting" else f"{what} changed"


def volatile_field(missed: Iterable[About], earlier: Iterable[Info]) -> str | None:
    """Return the field by which most of the `missed` inputs differ from earlier ones, if there is a single one.

    These inputs have to differ among themselves in something else: where only new pages of one site came, it is the
    page that they are about. And nobody has asked for the earlier answers again: what is of use does not come and go.

    Args:
        missed: some of the inputs that were computed in a run.
        earlier: entries that were there before the run, the least recently used first.
    """
    sample, known = list(missed), _seen(earlier)
    if len(sample) < _ENOUGH:
        return None
    names = {name for about in sample for name in about.fields}
    found = [name for name in sorted(names) if _is_volatile(name, sample, known)]
    return found[0] if len(found) == 1 else None


def _is_volatile(name: str, sample: list[About], known: set[tuple[str, object]]) -> bool:
    others = {_others(about, name) for about in sample if name in about.fields}
    return sum((name, other) in known for other in others) >= _MOST * len(sample)


def _seen(earlier: Iterable[Info]) -> set[tuple[str, object]]:
    """Return each field of earlier inputs, with the values of their other fields; of many, the first and the last."""
    infos = [info for info in earlier if not info.hits]
    chosen = infos if len(infos) <= 2 * _SAMPLE else infos[:_SAMPLE] + infos[-_SAMPLE:]
    abouts = [about for info in chosen if (about := load_about(info.about)) is not None]
    return {(name, _others(about, name)) for about in abouts if len(about.fields) > 1 for name in about.fields}


def _others(about: About, left_out: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, text) for name, text in about.fields.items() if name != left_out))
