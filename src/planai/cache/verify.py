"""Verifying a store: what is damaged in it, and putting that aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from planai.cache.about import PROFILES, QUARANTINE, load_about
from planai.cache.frame import DamagedPayload, open_frame
from planai.cache.inspect import Progress, peek, read_profile, silent
from planai.cache.store import Info, Record, Store

_UNREADABLE = (sqlite3.Error, OSError, UnicodeError)


class Damage(NamedTuple):
    """Something that is wrong.

    Attributes:
        worker: whose entry, as ``module:Class``; empty for what is wrong with the store itself.
        key: where; empty for what is wrong with the store itself.
        reason: what, in words.
        repaired: whether it was put aside or mended.
    """

    worker: str
    key: str
    reason: str
    repaired: bool


@runtime_checkable
class Verifiable(Protocol):
    """A store that can look after its own structure."""

    def verify(self, *, repair: bool) -> list[str]:
        """Return what is wrong with the structure, in words; with `repair` mend it."""


def verify(store: Store, *, repair: bool = False, progress: Progress = silent) -> list[Damage]:
    """Read everything, and return what is damaged. What is in quarantine already is passed over.

    With `repair`, damaged entries are moved to the quarantine, so that they are computed again; profiles that cannot be
    read are removed; and the store mends its structure, if it can.

    Args:
        store: where.
        repair: whether to change anything.
        progress: is told how far it is.
    """
    found = []
    if isinstance(store, Verifiable):
        found = [Damage("", "", reason, repair) for reason in store.verify(repair=repair)]
    try:
        infos = [info for info in store.scan() if info.space != QUARANTINE]
    except _UNREADABLE as error:
        return [*found, Damage("", "", f"the entries cannot be listed: {error}", repaired=False)]
    for number, info in enumerate(infos, 1):
        for reason in _wrong_with(store, info):
            found.append(Damage(info.space, info.key, reason, repair and _put_aside(store, info, reason)))
        progress(number, len(infos))
    return found


def _wrong_with(store: Store, info: Info) -> Iterator[str]:
    """Yield the first thing that is wrong with a record, if there is any."""
    try:
        if info.space.startswith(PROFILES):
            if read_profile(store, info) is None:
                yield "the profile cannot be read"
            return
        record = peek(store, info)
    except _UNREADABLE as error:
        yield f"cannot be read: {error}"
        return
    if record is None:  # removed meanwhile
        return
    try:
        open_frame(record.payload)
    except DamagedPayload as error:
        yield str(error)
        return
    if info.about and load_about(info.about) is None:
        yield "what it is about cannot be read"


def _put_aside(store: Store, info: Info, reason: str) -> bool:
    """Move a record to the quarantine, and tell whether that was possible; a profile is removed for good."""
    try:
        if not info.space.startswith(PROFILES):
            record = peek(store, info) or Record(b"", info.stored_at)
            kept = record._replace(expires_at=None, stale_at=None, about=reason.encode("utf-8", "replace"))
            store.put(QUARANTINE, f"{info.space}\n{info.key}", kept)
        return store.delete(info.space, [info.key]) > 0
    except _UNREADABLE:
        return False
