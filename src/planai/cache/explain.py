"""Explaining why an answer was not found: what differs between how two answers come about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from planai.cache.about import About, Profile
from planai.cache.shown import HIDDEN

Part = Literal["code", "setting", "field", "output", "read", "extra", "worker", "key"]

INPUT_CLASS = "(class)"
"""Stands for the class of the input among the names of its fields."""

UNKNOWN = "(unknown)"
"""Stands for what a part consists of, where only its digest was kept."""

_DIGEST = re.compile(r"[0-9a-f]{32,}")
_SHORT = 16
_TASK = "task"
_TABLES: tuple[tuple[Part, str], ...] = (("code", "code"), ("setting", "settings"), ("output", "outputs"))
_SOURCES = {"code": ("code", "input", "types"), "settings": ("settings", "attributes"), "outputs": ("outputs",)}
_SHOWN = frozenset({"worker", "logic", *(name for names in _SOURCES.values() for name in names)})


class Difference(NamedTuple):
    """One thing that is another.

    Attributes:
        part: what kind of thing: ``code`` (a function or constant), ``setting`` or attribute of the worker,
            ``field`` of the input, ``output`` type, ``read`` (what was looked up in the provenance), ``extra`` (any
            other part of the key), ``worker``, or ``key`` (one that the worker makes itself).
        name: its name; empty where there is only one of its kind.
        old: what it was, as a short text: a value, or a digest; None for what was not there.
        new: what it is; None for what is not there any more.
    """

    part: Part
    name: str
    old: str | None
    new: str | None


class Nearest(NamedTuple):
    """An earlier answer, and what is different now.

    Attributes:
        about: how the earlier answer came about.
        profile: what decided all answers of its worker; None where that is not known.
        differences: from the earlier answer to the present one.
    """

    about: About
    profile: Profile | None
    differences: list[Difference]


def compare(
    old_about: About, old_profile: Profile | None, new_about: About, new_profile: Profile | None
) -> list[Difference]:
    """Return what differs, from the earlier answer to the later one: first the worker, then its input.

    What a part of the key consists of is only looked at where the digest of the part differs: the rest has decided
    nothing. Where nothing visible differs in a part that does, the part itself is named, with its digests.
    """
    reads = list(_of_tables("read", dict(old_about.reads), dict(new_about.reads)))
    return [
        *_of_profiles(old_about, old_profile, new_about, new_profile),
        *_of_inputs(old_about, new_about),
        *reads,
        *_of_other_parts(old_about.parts, new_about.parts, {_TASK, *(["reads"] if reads else [])}),
    ]


def nearest(
    about: About, candidates: Iterable[tuple[About, Profile | None]], profile: Profile | None = None
) -> Nearest | None:
    """Return the candidate that is most like an answer, with what differs; None without any candidate.

    One with the same input comes before one with the same profile and another input, whatever the figures, and that
    before all others; then the one with the fewest differences; of equal ones the last.

    Args:
        about: how the answer came about, or would.
        candidates: how others came about.
        profile: the profile of the answer.
    """
    best: tuple[int, int] | None = None
    found: Nearest | None = None
    for other, others_profile in candidates:
        rank = _rank(other, about)
        if best is not None and rank > best[0]:
            continue
        differences = compare(other, others_profile, about, profile)
        if best is None or (rank, len(differences)) <= best:
            best, found = (rank, len(differences)), Nearest(other, others_profile, differences)
    return found


def _rank(other: About, about: About) -> int:
    if _has_same_input(other, about):
        return 0
    return 1 if other.profile == about.profile else 2


def _has_same_input(old: About, new: About) -> bool:
    """Tell by the digest of the input, where there is one: fields may be there that decide nothing."""
    if _TASK in old.parts and _TASK in new.parts:
        return old.parts[_TASK] == new.parts[_TASK]
    return (old.input, old.fields) == (new.input, new.fields)


def _of_profiles(old_about: About, old: Profile | None, new_about: About, new: Profile | None) -> Iterable[Difference]:
    if old_about.profile and old_about.profile == new_about.profile:
        return
    if old is None or new is None:
        if old_about.profile != new_about.profile:
            yield Difference("worker", UNKNOWN, _short(old_about.profile), _short(new_about.profile))
        return
    if old.worker != new.worker:
        yield Difference("worker", "", old.worker, new.worker)
    for part, table in _TABLES:
        yield from _of_part(part, table, old, new)
    yield from _of_other_parts(old.parts, new.parts, _SHOWN)


def _of_part(part: Part, table: str, old: Profile, new: Profile) -> Iterable[Difference]:
    """Compare one table of two profiles, if the digest of the part differs, or is not there."""
    before, after = ("".join(one.parts.get(name, "") for name in _SOURCES[table]) for one in (old, new))
    if before and before == after:
        return
    differences = list(_of_tables(part, getattr(old, table), getattr(new, table)))
    if not differences and before != after:
        differences = [_of_hidden(part, getattr(old, table), getattr(new, table), before, after)]
    yield from differences


def _of_inputs(old: About, new: About) -> Iterable[Difference]:
    if _has_same_input(old, new):
        return
    differences = list(_of_tables("field", old.fields, new.fields))
    if old.input != new.input:
        differences.insert(0, Difference("field", INPUT_CLASS, old.input or None, new.input or None))
    if not differences:
        differences = [_of_hidden("field", old.fields, new.fields, old.parts.get(_TASK), new.parts.get(_TASK))]
    yield from differences


def _of_hidden(
    part: Part, old: Mapping[str, str], new: Mapping[str, str], before: str | None, after: str | None
) -> Difference:
    """Name the secrets of which one has to be another, where all that is shown is the same."""
    names = [name for name in sorted(new) if name in old and HIDDEN in new[name]]
    if names:
        return Difference(part, " or ".join(names), "a secret", "another")
    return Difference(part, UNKNOWN, _short(before or None), _short(after or None))


def _of_other_parts(old: Mapping[str, str], new: Mapping[str, str], shown: Iterable[str]) -> Iterable[Difference]:
    """Compare the digests of the parts that are not `shown` otherwise."""
    for found in _of_tables("extra", _without(old, shown), _without(new, shown)):
        if found.name in ("key", "extra"):
            part: Part = "key" if found.name == "key" else "extra"
            yield found._replace(part=part, name="")
        else:
            yield found


def _without(parts: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    left = set(names)
    return {name: text for name, text in parts.items() if name not in left}


def _of_tables(part: Part, old: Mapping[str, str], new: Mapping[str, str]) -> Iterable[Difference]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield Difference(part, name, _short(before), _short(after))


def _short(text: str | None) -> str | None:
    """Cut digests, which nobody reads to the end; None for what is empty."""
    if text is None:
        return None
    return text[:_SHORT] if _DIGEST.fullmatch(text) else text
