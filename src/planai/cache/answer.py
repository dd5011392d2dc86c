"""What a cache is given to keep, what it finds, and how much it may keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from planai.cache.store import Order
from planai.cost import Cost

_LARGE_LIMIT = 2**20


class Hit(NamedTuple):
    """What a look-up found.

    Attributes:
        value: what was stored.
        cost: what it took to compute at first.
        stale: whether it is older than its time to live, though young enough to be served.
        reads: the look-ups in the provenance that led to it.
        about: how it came about; see `About`.
    """

    value: Any
    cost: Cost = Cost()
    stale: bool = False
    reads: tuple[str, ...] = ()
    about: bytes = b""


class Left(NamedTuple):
    """What a call leaves to others in this process that have waited for it, where its answer is not stored.

    Attributes:
        payload: the answer, encoded; None where it cannot be handed on, and each has to compute by itself.
        reads: the look-ups that the computation made, as (look-up, digest of what it found).
        cost: what it took to compute.
    """

    payload: bytes | None = None
    reads: tuple[tuple[str, str], ...] = ()
    cost: Cost = Cost()


class Limits(NamedTuple):
    """How much may be kept: entries, and bytes of payload; None for any number; and what goes first."""

    entries: int | None = None
    size: int | None = None
    order: Order = "used"

    def are_due(self, entries: int, size: int) -> bool:
        """Tell whether to apply the limits after so many more: of large ones, a twentieth may be added at once."""
        return (self.entries is not None and entries >= max(1, self.entries // 20)) or (
            self.size is not None and size >= _slack(self.size)
        )

    def room(self, newest: int) -> Limits:
        """Return what may stay, so that the limits hold until they are applied again.

        Args:
            newest: bytes of the entry that was just added, which is to stay.
        """
        entries = None if self.entries is None else self.entries - max(1, self.entries // 20) + 1
        size = None if self.size is None else max(newest, self.size - _slack(self.size))
        return Limits(entries, size, self.order)


class Answer(NamedTuple):
    """A value to keep, with all that is written beside it.

    Attributes:
        value: what.
        ttl: seconds until it is no longer fresh; None for never. What would not be fresh at once is not stored.
        grace: seconds after that in which it may be served while it is computed again.
        cost: what it took to compute.
        about: how it came about, for people.
        reads: the look-ups that the computation made, as (look-up, digest of what it found).
        generation: `Cache.generation` when the computation began; None where that does not matter.
        id: the name of the answer in `About`.
    """

    value: Any
    ttl: float | None = None
    grace: float = 0.0
    cost: Cost = Cost()
    about: bytes = b""
    reads: Sequence[tuple[str, str]] = ()
    generation: int | None = None
    id: str = ""


def _slack(size: int) -> int:
    return size // 20 if size >= _LARGE_LIMIT else 0
