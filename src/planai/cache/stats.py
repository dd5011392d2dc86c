"""Figures about a store, worker by worker."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from planai.cache.about import PROFILES, QUARANTINE, RESPONSES
from planai.cache.inspect import Entry, is_hidden
from planai.cache.store import Store
from planai.cost import Cost


class Stats(NamedTuple):
    """What a worker has in a store.

    Attributes:
        worker: the worker, as ``module:Class``.
        entries: how many answers, those that have expired included.
        expired: how many of them have expired.
        size: bytes of payload, questions included.
        oldest: when the first of them was stored, in seconds since the epoch; None without any.
        newest: when the last of them was stored; None without any.
        hits: how often they were read.
        cost: what they took to compute at first.
        saved: what it would have taken to compute them again each time they were read.
        questions: how many entries only lead to answers.
        profiles: how many versions of the worker were told apart.
        quarantined: how many damaged entries were put aside.
    """

    worker: str
    entries: int = 0
    expired: int = 0
    size: int = 0
    oldest: float | None = None
    newest: float | None = None
    hits: int = 0
    cost: Cost = Cost()
    saved: Cost = Cost()
    questions: int = 0
    profiles: int = 0
    quarantined: int = 0


def stats(store: Store, now: float) -> list[Stats]:
    """Return the figures of each worker that has anything in the store, the largest first.

    Args:
        store: where.
        now: seconds since the epoch.
    """
    sums: defaultdict[str, _Sum] = defaultdict(_Sum)
    for info in store.scan():
        if info.space == QUARANTINE:
            sums[info.key.partition("\n")[0]].quarantined += 1
        elif is_hidden(info.space):
            sums[info.space.removeprefix(PROFILES)].profiles += 1
        else:
            entry = Entry(info)
            sums[entry.worker].add(entry, now)
    return sorted((found.as_stats(worker) for worker, found in sums.items()), key=lambda row: (-row.size, row.worker))


def total(rows: list[Stats]) -> Stats:
    """Return the sum of all workers' figures, under an empty name.

    What the responses of models cost is not added: the answers that workers made of them have it, too.
    """
    cost, saved = Cost(), Cost()
    for row in rows:
        cost, saved = cost if row.worker == RESPONSES else cost.plus(row.cost), saved.plus(row.saved)
    return Stats(
        worker="",
        entries=sum(row.entries for row in rows),
        expired=sum(row.expired for row in rows),
        size=sum(row.size for row in rows),
        oldest=min((row.oldest for row in rows if row.oldest is not None), default=None),
        newest=max((row.newest for row in rows if row.newest is not None), default=None),
        hits=sum(row.hits for row in rows),
        cost=cost,
        saved=saved,
        questions=sum(row.questions for row in rows),
        profiles=sum(row.profiles for row in rows),
        quarantined=sum(row.quarantined for row in rows),
    )


@dataclass
class _Sum:
    """The figures of one worker, while they are added up."""

    size: int = 0
    expired: int = 0
    hits: int = 0
    questions: int = 0
    profiles: int = 0
    quarantined: int = 0
    cost: Cost = field(default_factory=Cost)
    saved: Cost = field(default_factory=Cost)
    stored: list[float] = field(default_factory=list)

    def add(self, entry: Entry, now: float) -> None:
        self.size += entry.size
        if entry.is_question:
            self.questions += 1
            return
        self.stored.append(entry.info.stored_at)
        self.expired += entry.expired(now)
        self.hits += entry.hits
        cost = entry.cost
        self.cost = self.cost.plus(cost)
        self.saved = self.saved.plus(cost.times(entry.hits))

    def as_stats(self, worker: str) -> Stats:
        return Stats(
            worker=worker,
            entries=len(self.stored),
            expired=self.expired,
            size=self.size,
            oldest=min(self.stored, default=None),
            newest=max(self.stored, default=None),
            hits=self.hits,
            cost=self.cost,
            saved=self.saved,
            questions=self.questions,
            profiles=self.profiles,
            quarantined=self.quarantined,
        )
