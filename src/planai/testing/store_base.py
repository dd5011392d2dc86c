"""What the groups of store tests have in common: how a store is made, and what is put into it."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planai.cache.store import Record, Store
from planai.cost import Cost

FUTURE = 4_000_000_000.0
"""A time that does not come while tests run: stores may remove by themselves what has expired by the clock."""

LARGE_SIZES = [1_000, 40_000, 300_000, 2**20]
"""Sizes on both sides of where stores begin to keep payloads elsewhere."""

_CHILD_SECONDS = 60


class StoreTests:
    """Base of the groups."""

    persistent: bool = True

    def make_store(self, folder: Path) -> Store:
        """Return a new store in `folder`, which does not exist at first; stores without files pass it over."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make_store(self, folder) that returns a store")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Return where the store is."""
        return tmp_path / "cache"

    @pytest.fixture
    def store(self, folder: Path) -> Iterator[Store]:
        """Yield a store, and close it."""
        made = self.make_store(folder)
        yield made
        made.close()

    @pytest.fixture
    def other(self, folder: Path) -> Iterator[Store]:
        """Yield a second store in the same folder."""
        if not self.persistent:
            pytest.skip("two of these stores share nothing")
        made = self.make_store(folder)
        yield made
        made.close()


def record(payload: bytes = b"x", expires_at: float | None = None, seconds: float = 0.25) -> Record:
    """Return a record."""
    return Record(payload, 1.5, expires_at, None, Cost(seconds))


def fill(store: Store, *names: str) -> None:
    """Put a small record at each of the names, in the space ``s``."""
    for name in names:
        store.put("s", name, record())


def keys(store: Store, space: str = "s") -> list[str]:
    """Return the keys of a space, the least recently used first."""
    return [info.key for info in store.scan(space)]


def is_whole(found: Record | None, size: int) -> bool:
    """Tell whether a payload is `size` times the same byte."""
    return found is not None and found.payload == found.payload[:1] * size


def start_child(store: Store, work: Callable[[], object]) -> int:
    """Run `work` in a forked child, with `store` told of the fork, and return the child's process id."""
    store.before_fork()
    child = os.fork()
    store.after_fork()
    if child == 0:
        signal.alarm(_CHILD_SECONDS)  # ends a child that hangs
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child may end in no other way than this
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def status_of(child: int) -> int:
    """Wait for a child, and return how it ended: 0 when all went well, minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
