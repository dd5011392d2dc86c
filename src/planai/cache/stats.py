"""Figures about a store, worker by worker."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from planai.bills import Usage
from planai.cache.about import PROFILES, QUARANTINE, RESPONSES
from planai.cache.inspect import Entry, is_hidden
from planai.cache.store import Store
from planai.cost import Cost

_NAMED = b'"responses"'


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
        usage: what answers of models took at first of which they were made.
        saved_usage: what these would have taken each time they were read.
        own: what of `cost` is in that of no other worker; see `total`.
        own_usage: what of `usage` is in that of no other worker.
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
    usage: Usage = Usage()
    saved_usage: Usage = Usage()
    own: Cost = Cost()
    own_usage: Usage = Usage()


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
    if RESPONSES in sums:
        sums[RESPONSES].own_of(set().union(*(found.named for found in sums.values())))
    return sorted((found.as_stats(worker) for worker, found in sums.items()), key=lambda row: (-row.size, row.worker))


def total(rows: list[Stats]) -> Stats:
    """Return the sum of all workers' figures, under an empty name.

    What a response of a model cost is added once: the answers that workers made of it have it, too.
    """
    cost, saved, usage, saved_usage = Cost(), Cost(), Usage(), Usage()
    for row in rows:
        cost, saved = cost.plus(row.own), saved.plus(row.saved)
        usage, saved_usage = usage.plus(row.own_usage), saved_usage.plus(row.saved_usage)
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
        usage=usage,
        saved_usage=saved_usage,
        own=cost,
        own_usage=usage,
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
    usage: Usage = field(default_factory=Usage)
    saved_usage: Usage = field(default_factory=Usage)
    stored: list[float] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    responses: list[Entry] = field(default_factory=list)
    own: tuple[Cost, Usage] | None = None

    def add(self, entry: Entry, now: float) -> None:
        self.size += entry.size
        if entry.is_question:
            self.questions += 1
            return
        self.stored.append(entry.info.stored_at)
        self.expired += entry.expired(now)
        self.hits += entry.hits
        cost, usage = entry.cost, entry.usage
        self.cost = self.cost.plus(cost)
        self.saved = self.saved.plus(cost.times(entry.hits))
        if usage.answers:
            self.usage = self.usage.plus(usage)
            self.saved_usage = self.saved_usage.plus(usage.times(entry.hits))
        if entry.worker == RESPONSES:
            self.responses.append(entry)
        elif _NAMED in entry.info.about:  # most have none, and need not be read
            self.named.update(entry.about.responses)

    def own_of(self, named: set[str]) -> None:
        """Let responses of models count as this one's own where nothing was made of them that is kept."""
        cost, usage = Cost(), Usage()
        for entry in self.responses:
            if entry.key not in named:
                cost, usage = cost.plus(entry.cost), usage.plus(entry.usage)
        self.own = cost, usage

    def as_stats(self, worker: str) -> Stats:
        own, own_usage = self.own or (self.cost, self.usage)
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
            usage=self.usage,
            saved_usage=self.saved_usage,
            own=own,
            own_usage=own_usage,
        )
