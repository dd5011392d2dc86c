"""OpenFiles: who holds files open in this process, so that caches never take all that it may open."""

from __future__ import annotations

import contextlib
import resource
import time
import weakref
from collections import deque
from typing import Protocol

_SHARE = 16
"""One in so many of the files that the process may open; a holder has up to 5."""

_CROWDED_SECONDS = 1.0
_RETRY_SECONDS = 0.002
_LEAST = 4


class Holder(Protocol):
    """What opens files, and can open them again."""

    def let_go(self) -> bool:
        """Close all files unless they are in use, and tell whether none is open any more. Does not wait."""


class OpenFiles:
    """Remembers who has opened files, and lets the earliest let go of theirs where there are too many.

    It has no lock, which a fork in another thread could leave locked for ever: each step is one operation of a deque.
    """

    def __init__(self) -> None:
        self._holders: deque[weakref.ref[Holder]] = deque()

    def __len__(self) -> int:
        return len(self._holders)

    def admit(self, holder: Holder) -> None:
        """Take note that `holder` is about to open files; wait for a while where too many have theirs in use."""
        deadline = time.monotonic() + _CROWDED_SECONDS
        while len(self) >= 2 * _limit() and time.monotonic() < deadline:
            self.close_all_but(_limit())
            if len(self) >= 2 * _limit():
                time.sleep(_RETRY_SECONDS)
        self.add(holder)

    def add(self, holder: Holder) -> None:
        """Take note that `holder` has opened files."""
        self.remove(holder)
        self._holders.append(weakref.ref(holder, self._drop))
        self.close_all_but(_limit())

    def close_all_but(self, count: int) -> None:
        """Let the earliest let go of their files, unless they are in use, until only so many have some."""
        for _ in range(len(self._holders) - count):
            try:
                earliest = self._holders.popleft()
            except IndexError:
                return
            known = earliest()
            if known is not None and not known.let_go():
                self._holders.append(earliest)

    def remove(self, holder: Holder) -> None:
        """Take note that `holder` has closed its files."""
        self._drop(weakref.ref(holder))

    def _drop(self, reference: weakref.ref[Holder]) -> None:
        with contextlib.suppress(ValueError, IndexError):  # gone, or other threads have changed the deque meanwhile
            self._holders.remove(reference)


def _limit() -> int:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2**31 if files == resource.RLIM_INFINITY else max(_LEAST, files // _SHARE)
