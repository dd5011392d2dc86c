"""Removing entries: by age, by how much may be kept, or by name; and what it would cost to have them again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from planai.cache.about import PROFILES, QUESTIONS
from planai.cache.inspect import Entry, downstream, everything, idle_questions, is_hidden, is_named
from planai.cache.store import Info, Store
from planai.cost import Cost

SPARE_AFTER_SECONDS = 86_400.0
"""For how long a profile or a question stays without any answer: its worker may be computing the first one."""


class Pruned(NamedTuple):
    """What was removed, or would be.

    Attributes:
        entries: how many answers.
        size: bytes of payload, of answers, and of what only served them.
        cost: what the answers took to compute, and would take again.
        questions: how many entries that only led to them.
        profiles: how many profiles that no entry refers to any more.
    """

    entries: int = 0
    size: int = 0
    cost: Cost = Cost()
    questions: int = 0
    profiles: int = 0


@dataclass(frozen=True)
class Rules:
    """What may stay. What has expired may not, whatever the rules.

    Attributes:
        older_than: what was stored more than so many seconds ago goes.
        max_size: so many bytes of payload may stay; the least recently used go first.
        max_entries: so many answers may stay; the least recently used go first.
        worker: only the entries of this worker are looked at: ``module:Class``, or the end of that.
    """

    older_than: float | None = None
    max_size: int | None = None
    max_entries: int | None = None
    worker: str | None = None


def prune(store: Store, now: float, rules: Rules, *, dry_run: bool = False) -> Pruned:
    """Remove what has expired, then what is too old, then the least recently used until the limits hold.

    Profiles that no entry refers to any more go, too.

    Args:
        store: where.
        now: seconds since the epoch.
        rules: what may stay.
        dry_run: remove nothing, and only tell.
    """
    scanned = store.scan()
    known = [Entry(info) for info in scanned if not is_hidden(info.space) and _is_meant(rules, info.space)]
    gone = {entry.name: entry for entry in _to_go(known, now, rules)}
    questions = idle_questions(known, gone, now - SPARE_AFTER_SECONDS)
    kept = [info for info in scanned if info.space.startswith(PROFILES) and _is_meant(rules, info.space)]
    spare = _spare([info for info in kept if now - info.stored_at > SPARE_AFTER_SECONDS], known, gone)
    if not dry_run:
        _delete(store, [entry.info for entry in (*gone.values(), *questions)] + spare)
    return _total([*gone.values(), *questions], len(spare))


def select(store: Store, found: Iterable[Entry], *, with_downstream: bool = False) -> list[Entry]:
    """Return `found`, what was computed from them if that is asked for, and the questions that only led to these.

    This is what `remove` is to be given.
    """
    chosen = list(found)
    if with_downstream:
        return chosen + downstream(store, chosen)
    return chosen + idle_questions(everything(store), {entry.name for entry in chosen})


def remove(store: Store, chosen: Iterable[Entry], *, dry_run: bool = False) -> Pruned:
    """Remove exactly these entries, and tell what it would cost to have them again."""
    gone = list(chosen)
    if not dry_run:
        _delete(store, [entry.info for entry in gone])
    return _total(gone, 0)


def _to_go(known: list[Entry], now: float, rules: Rules) -> list[Entry]:
    """Return what has expired or is too old, then the least recently used; `known` is in the order of use."""
    gone: list[Entry] = []
    left: list[Entry] = []
    for entry in known:
        # A question is as good as its youngest answer, however old it is.
        too_old = rules.older_than is not None and entry.age(now) > rules.older_than and not entry.is_question
        (gone if too_old or entry.expired(now) else left).append(entry)
    if rules.max_size is None and rules.max_entries is None:
        return gone
    idle = {entry.name for entry in idle_questions(known, {entry.name for entry in gone}, now - SPARE_AFTER_SECONDS)}
    return gone + _surplus([entry for entry in left if entry.name not in idle], rules)


def _surplus(left: list[Entry], rules: Rules) -> list[Entry]:
    """Return the answers that have to go for the limits to hold; questions go with the last of their answers."""
    answers = [entry for entry in left if not entry.is_question]
    questions = [entry for entry in left if entry.is_question]
    serving: defaultdict[str, int] = defaultdict(int)
    for entry in questions:
        serving[entry.about.id] += entry.size
    waiting: defaultdict[str, int] = defaultdict(int)
    for entry in answers if questions else ():
        waiting[entry.about.id] += 1
    size, count, gone = sum(entry.size for entry in left), len(answers), []
    for entry in answers:
        if _fits(rules.max_size, size) and _fits(rules.max_entries, count):
            break
        gone.append(entry)
        size, count = size - entry.size, count - 1
        if questions:
            waiting[entry.about.id] -= 1
            size -= 0 if waiting[entry.about.id] else serving.pop(entry.about.id, 0)
    return gone


def _fits(limit: int | None, figure: int) -> bool:
    return limit is None or figure <= limit


def _is_meant(rules: Rules, space: str) -> bool:
    return rules.worker is None or is_named(space.removeprefix(PROFILES).removeprefix(QUESTIONS), rules.worker)


def _spare(kept: list[Info], known: Iterable[Entry], gone: Container[tuple[str, str]]) -> list[Info]:
    """Return those of the profiles `kept` to which nothing refers that stays."""
    if not kept:
        return []
    used = {(PROFILES + entry.worker, entry.about.profile) for entry in known if entry.name not in gone}
    return [info for info in kept if (info.space, info.key) not in used]


def _delete(store: Store, gone: Iterable[Info]) -> None:
    by_space: defaultdict[str, list[str]] = defaultdict(list)
    for info in gone:
        by_space[info.space].append(info.key)
    for space, keys in by_space.items():
        store.delete(space, keys)


def _total(gone: list[Entry], profiles: int) -> Pruned:
    answers = [entry for entry in gone if not entry.is_question]
    cost = Cost()
    for entry in answers:
        cost = cost.plus(entry.cost)
    size = sum(entry.size for entry in gone)
    return Pruned(len(answers), size, cost, len(gone) - len(answers), profiles)
