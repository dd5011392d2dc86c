"""Reasons: why answers were not there, in a few words for each, and what all of a run's misses have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from planai.cache.about import About, Profile, load_about
from planai.cache.explain import UNKNOWN, Difference, compare
from planai.cache.store import Info

FIRST = "nothing is stored by this worker yet"
NEW_INPUT = "new input"
NEW_KEY = "new key"
REFRESH = "refresh"
REJECTED = "the worker itself would not use what is stored"
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
_NAMES_OF_RUNS = re.compile(
    r"(?:run|job|trace|request|session)(?:_?id)?|.*_at|.*(?:time|stamp|nonce|uuid)", re.IGNORECASE
)
_MADE_BY_MACHINES = re.compile(
    r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b"  # ids
    r"|\d\d:\d\d:\d\d|datetime\((?:\d+, ){5}\d"  # times of the day
    r"|\b1\d{9}\.\d|\b1\d{12}\b",  # seconds, or milliseconds, since the epoch
    re.IGNORECASE,
)
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
    page that they are about. The field has another value in each of them, or is an id or time that was made up for the
    run, by its name or look: a new month may come for each customer. And nobody has asked for the earlier answers
    again: what is of use does not come and go.

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
    values: dict[object, str] = {}
    for about in sample:
        if name in about.fields and (name, others := _others(about, name)) in known:
            values[others] = about.fields[name]
    if len(values) < _MOST * len(sample):
        return False
    is_made_up = _NAMES_OF_RUNS.fullmatch(name) or all(map(_MADE_BY_MACHINES.search, values.values()))
    return bool(is_made_up) or len(set(values.values())) == len(values)


def _seen(earlier: Iterable[Info]) -> set[tuple[str, object]]:
    """Return each field of earlier inputs, with the values of their other fields; of many, the first and the last."""
    infos = [info for info in earlier if not info.hits]
    chosen = infos if len(infos) <= 2 * _SAMPLE else infos[:_SAMPLE] + infos[-_SAMPLE:]
    abouts = [about for info in chosen if (about := load_about(info.about)) is not None]
    return {(name, _others(about, name)) for about in abouts if len(about.fields) > 1 for name in about.fields}


def _others(about: About, left_out: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, text) for name, text in about.fields.items() if name != left_out))
