"""Looking into a store: what its entries are, whose, how old and how dear, without reading what they hold.

Everything here works on any `Store`. Only `output_of` reads a payload. Entries that people cannot use are left out:
profiles, what is in quarantine, and the questions that only lead to answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from planai.bills import Usage
from planai.cache.about import (
    PROFILES,
    QUARANTINE,
    QUESTIONS,
    About,
    Profile,
    load_about,
    load_profile,
    usage_of,
    whole_cost,
)
from planai.cache.payload import readable
from planai.cache.shown import short_text
from planai.cache.store import Info, Record, Store
from planai.cost import Cost
from planai.errors import CacheError

Progress = Callable[[int, int], None]
"""Is told how many records are done, and how many there are."""

_SHOWN_CHOICES = 5
_SHORT = 16


@dataclass(frozen=True)
class Entry:
    """One entry of a store: what the store knows of it, and how it came about.

    Attributes:
        info: what the store knows.
    """

    info: Info

    @property
    def about(self) -> About:
        """How it came about; empty where that was not written down, or cannot be read."""
        known: About | None = self.__dict__.get("_about")
        if known is None:  # without the lock of a cached property, which takes as long as the parsing
            known = self.__dict__["_about"] = load_about(self.info.about) or About("")
        return known

    @property
    def name(self) -> tuple[str, str]:
        """What tells it from all others: the space and the key."""
        return self.info.space, self.info.key

    @property
    def key(self) -> str:
        """Where it is kept."""
        return self.info.key

    @property
    def worker(self) -> str:
        """The worker whose entry it is, as ``module:Class``."""
        return self.info.space.removeprefix(QUESTIONS)

    @property
    def id(self) -> str:
        """The short name of the answer: 16 hexadecimal digits, or the beginning of the key."""
        return self.about.id or self.key[:_SHORT]

    @property
    def type(self) -> str:
        """The class of the input task, as ``module:Class``; empty where that is not known."""
        return self.about.input

    @property
    def size(self) -> int:
        """Bytes of payload."""
        return self.info.size

    @property
    def hits(self) -> int:
        """How often it was read."""
        return self.info.hits

    @property
    def cost(self) -> Cost:
        """What the answer took to compute."""
        return whole_cost(self.info.cost, self.info.about)

    @property
    def usage(self) -> Usage:
        """What answers of models took of which it was made; nothing where it was made of none."""
        return usage_of(self.info.about)

    @property
    def is_question(self) -> bool:
        """Whether it only tells which reads decide the answer, and has nothing to show."""
        return b'"question"' in self.info.about and self.about.kind == "question"  # most need no parsing

    def age(self, now: float) -> float:
        """Return for how many seconds it has been stored; 0 for what comes from a clock that is ahead."""
        return max(0.0, now - self.info.stored_at)

    def expired(self, now: float) -> bool:
        """Tell whether it counts as absent."""
        expires = self.info.expires_at
        return expires is not None and not Record(b"", self.info.stored_at, expires).alive(now)


@dataclass(frozen=True)
class Filter:
    """Which entries are wanted: those to which all that is given applies.

    Attributes:
        worker: the worker: ``module:Class``, or the end of that, such as ``Class``.
        type: the class of the input task, in the same way.
        older_than: stored more than so many seconds ago.
        younger_than: stored at most so many seconds ago.
        larger_than: with a payload of more bytes.
        text: occurs in the input's fields, or in the names of classes, whatever the case.
        input_field: the name of a field of the input, and its value.
    """

    worker: str | None = None
    type: str | None = None
    older_than: float | None = None
    younger_than: float | None = None
    larger_than: int | None = None
    text: str | None = None
    input_field: tuple[str, str] | None = None

    def matches(self, entry: Entry, now: float) -> bool:
        """Tell whether `entry` is wanted; what needs no parsing is looked at first."""
        return (
            (self.worker is None or is_named(entry.worker, self.worker))
            and (self.older_than is None or entry.age(now) > self.older_than)
            and (self.younger_than is None or entry.age(now) <= self.younger_than)
            and (self.larger_than is None or entry.size > self.larger_than)
            and (self.type is None or is_named(entry.type, self.type))
            and (self.text is None or self.text.casefold() in _text_of(entry))
            and (self.input_field is None or _has_field(entry.about, *self.input_field))
        )


def is_named(full: str, name: str) -> bool:
    """Tell whether `name` is the qualified name `full`, or the end of it.

    >>> is_named("my.shop:Count", "Count"), is_named("my.shop:Count", "shop:Count"), is_named("a:Recount", "Count")
    (True, True, False)
    """
    return full == name or full.endswith((f":{name}", f".{name}"))


def is_hidden(space: str) -> bool:
    """Tell whether a space holds no worker's entries, but profiles, or what is in quarantine."""
    return space == QUARANTINE or space.startswith(PROFILES)


def everything(store: Store, now: float | None = None, wanted: Filter | None = None) -> list[Entry]:
    """Return the entries of all workers, questions and what has expired included, the least recently used first."""
    if wanted is None or now is None:
        return [Entry(info) for info in store.scan() if not is_hidden(info.space)]
    return [entry for entry in everything(store) if wanted.matches(entry, now)]


def entries(store: Store, now: float, wanted: Filter | None = None) -> list[Entry]:
    """Return the answers that are wanted, what has expired included, the least recently used first.

    Args:
        store: where.
        now: seconds since the epoch.
        wanted: which; None for all.
    """
    return [entry for entry in everything(store, now, wanted) if not entry.is_question]


def find(store: Store, name: str) -> Entry:
    """Return the one answer whose key or id is `name`, or begins so.

    Raises:
        CacheError: there is none, or there are several.
    """
    return pick([entry for entry in everything(store) if not entry.is_question], name)


def pick(candidates: Iterable[Entry], name: str) -> Entry:
    """Return the one of `candidates` whose key or id is `name`, or begins so.

    Raises:
        CacheError: there is none, or there are several.
    """
    if not name:
        raise CacheError("an empty key is no key: give the beginning of one, as `planai cache ls` shows them")
    encoded = name.encode("utf-8", "replace")
    possible = [entry for entry in candidates if entry.key.startswith(name) or encoded in entry.info.about]
    found = (
        [entry for entry in possible if entry.key == name]
        or [entry for entry in possible if entry.id == name]
        or [entry for entry in possible if entry.key.startswith(name) or entry.id.startswith(name)]
    )
    if not found:
        raise CacheError(f"no entry has a key or an id that begins with {name!r}: `planai cache ls` shows them")
    if len(found) > 1:
        raise CacheError(f"{name!r} names {len(found)} entries: {_choices(found)}; give one of these, or enough of it")
    return found[0]


def downstream(store: Store, of: Iterable[Entry]) -> list[Entry]:
    """Return what was computed from the answers `of`, directly or not, without these themselves.

    The questions that lead to nothing but these come along.
    """
    known, starting = everything(store), list(of)
    by_source: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in known:
        for source in entry.about.sources if b'"sources"' in entry.info.about else ():  # most need no parsing
            by_source[source].append(entry)
    gone = {entry.name for entry in starting}
    waiting = [entry.about.id for entry in starting]
    while waiting:
        for entry in by_source.pop(waiting.pop(), ()):
            gone.add(entry.name)
            waiting.append(entry.about.id)
    gone.update(question.name for question in idle_questions(known, gone))
    gone.difference_update([entry.name for entry in starting])
    return [entry for entry in known if entry.name in gone]


def idle_questions(known: Iterable[Entry], gone: Container[tuple[str, str]], before: float = 0.0) -> list[Entry]:
    """Return the questions among `known` that lead to no answer any more, once those named in `gone` are removed.

    Args:
        known: questions and answers.
        gone: the names of those that are removed; questions that are named are not returned.
        before: questions that never had an answer count if stored before that, in seconds since the epoch: younger
            ones may be about to get one.
    """
    known = list(known)
    questions = [entry for entry in known if entry.is_question and entry.name not in gone]
    if not questions:
        return []
    answers = [entry for entry in known if not entry.is_question]
    left = {entry.about.id for entry in answers if entry.name not in gone}
    lost = {entry.about.id for entry in answers if entry.name in gone}
    idle = [entry for entry in questions if entry.about.id not in left]
    return [entry for entry in idle if entry.about.id in lost or entry.info.stored_at < before]


def sources(store: Store, entry: Entry) -> dict[str, Entry | None]:
    """Return the answers that the input of `entry` was computed from, by their ids; None for what is gone."""
    found: dict[str, Entry | None] = dict.fromkeys(entry.about.sources)
    encoded = [name.encode("utf-8", "replace") for name in found]
    possible = (one for one in everything(store) if any(name in one.info.about for name in encoded))
    for other in possible if found else ():
        if other.about.id in found and not other.is_question:
            found[other.about.id] = other
    return found


def profile_of(store: Store, entry: Entry) -> Profile | None:
    """Return what decided all answers of the worker when it computed `entry`; None where that is not known."""
    digest = entry.about.profile
    found = store.scan(PROFILES + entry.worker, [digest]) if digest else []
    return read_profile(store, found[0]) if found else None


def profiles(store: Store, worker: str) -> dict[str, Profile]:
    """Return all profiles of a worker that can be read, by their digests."""
    read = ((info.key, read_profile(store, info)) for info in store.scan(PROFILES + worker))
    return {digest: profile for digest, profile in read if profile is not None}


def read_profile(store: Store, info: Info) -> Profile | None:
    """Return the profile that a record holds, as what it is about or as its payload; None if it is none."""
    profile = load_profile(info.about) if info.about else None
    if profile is None:
        record = peek(store, info)
        profile = load_profile(record.payload) if record is not None else None
    return profile


def output_of(store: Store, entry: Entry) -> Any:
    """Return what an entry holds as JSON values; see `readable`.

    Raises:
        DamagedPayload: it cannot be read.
        CacheError: it is gone meanwhile.
    """
    record = peek(store, entry.info)
    if record is None:
        raise CacheError(f"the entry {entry.key!r} of {entry.worker!r} was removed meanwhile")
    return readable(record.payload)


def silent(done: int, of: int) -> None:
    """Tell nobody how far something is."""


def peek(store: Store, info: Info) -> Record | None:
    """Return a record without marking it used; None for what is gone."""
    return store.peek(info.space, info.key)


def _text_of(entry: Entry) -> str:
    about = entry.about
    return "\n".join((entry.worker, about.input, *about.outputs, *_words(about.fields))).casefold()


def _words(fields: dict[str, str]) -> Iterator[str]:
    return (f"{name}={value}" for name, value in fields.items())


def _has_field(about: About, name: str, value: str) -> bool:
    """Tell whether a field has a value: as it is shown, or a text, or what is made of one, such as a path."""
    shown = about.fields.get(name)
    return shown is not None and (shown in (value, short_text(value)) or shown.endswith(f"({value!r})"))


def _choices(found: list[Entry]) -> str:
    """Name entries by their ids, which `ls` shows, too: their keys may be the same. Where ids are, the keys are not."""
    have_ids = len({entry.id for entry in found}) == len(found)
    shown = [f"{(entry.id if have_ids else entry.key)!r} of {entry.worker!r}" for entry in found[:_SHOWN_CHOICES]]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
