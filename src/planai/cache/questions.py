"""Questions: what is looked up in the provenance leads from a key, step by step, to the key of the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from planai.cache.about import QUESTIONS, About
from planai.cache.answer import Answer
from planai.cache.canonical import digest
from planai.cache.codec import Codec
from planai.cache.guard import Guard
from planai.cache.store import Record, Store

_LONGEST_CHAIN = 64


class Questions:
    """The look-ups that decide the answers of one space; they stand in a space of their own."""

    def __init__(self, store: Store, space: str, codec: Codec, guard: Guard) -> None:
        self._store = store
        self._space = QUESTIONS + space
        self._codec = codec
        self._guard = guard

    def follow(self, key: str, find: Callable[[str], str], *, mends: bool = False) -> tuple[str, tuple[str, ...]]:
        """Return the key that the look-ups in the provenance lead to from `key`, and these look-ups."""
        reads: list[str] = []
        while len(reads) < _LONGEST_CHAIN:
            record = self._guard.use(self._store.get, self._space, key, mends=mends)
            if record is None:
                break
            look_up = self._codec.decode(record.payload)
            if not isinstance(look_up, str):
                break
            reads.append(look_up)
            key = _next(key, look_up, find(look_up))
        return key, tuple(reads)

    def keep(self, key: str, answer: Answer, now: float) -> None:
        """Store which look-ups decide the answer at `key`, each below what the one before it found."""
        about = About(answer.id, kind="question").dump() if answer.reads else b""
        for look_up, found in answer.reads:
            payload = self._codec.encode(look_up)
            known = self._guard.use(self._store.get, self._space, key, mends=True)
            if known is None or known.payload != payload:
                self._guard.use(self._store.put, self._space, key, Record(payload, now, about=about), mends=True)
            key = _next(key, look_up, found)

    def clear(self) -> None:
        """Forget all of them."""
        self._guard.use(self._store.delete, self._space, mends=True)


def key_after(key: str, reads: Sequence[tuple[str, str]]) -> str:
    """Return the key of the answer to which `reads`, pairs of a look-up and the digest of what it found, lead."""
    for look_up, found in reads:
        key = _next(key, look_up, found)
    return key


def _next(key: str, look_up: str, found: str) -> str:
    return digest(key.encode("utf-8", "surrogatepass"), look_up.encode(), found.encode())
