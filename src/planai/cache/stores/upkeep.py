"""Upkeep: what the disk store does by the way, as part of transactions that happen anyhow."""

from __future__ import annotations

import time
from functools import partial

from planai.cache.stores.large import LargeFiles
from planai.cache.stores.touches import Touches
from planai.cache.stores.writing import Transaction

EXPIRY_SECONDS = 30.0
"""How often a transaction also removes what has expired, at most."""

EXPIRED_AT_ONCE = 1000
"""How many expired rows one transaction removes, so that nobody waits long for it."""


class Upkeep:
    """Writes which entries were used, and removes rows together with their files."""

    def __init__(self, touches: Touches[int], large: LargeFiles) -> None:
        self._touches = touches
        self._large = large
        self._next_expiry = 0.0
        self._fails = False

    def is_due(self) -> bool:
        """Tell whether `begin` has something to do."""
        return (len(self._touches) > 0 and not self._fails) or time.monotonic() >= self._next_expiry

    def try_again(self) -> None:
        """Let the next transaction write which entries were used, whatever became of the last one."""
        self._fails = False

    def begin(self, transaction: Transaction) -> None:
        """Write which entries were used; now and then, remove what has expired in any space.

        After a write that failed, the next ones are made without: on a full disk, each put would cost all of it again.
        """
        if self._fails:
            transaction.on_commit.append(partial(self._note, fails=False))
        else:
            self._write_touches(transaction)
        if time.monotonic() >= self._next_expiry:
            self._next_expiry = time.monotonic() + EXPIRY_SECONDS
            sql = "SELECT rowid, file FROM entries WHERE expires <= ? ORDER BY expires LIMIT ?"
            self.remove(transaction, transaction.execute(sql, (time.time(), EXPIRED_AT_ONCE)).fetchall())

    def _write_touches(self, transaction: Transaction) -> None:
        touched = self._touches.take()
        if touched:
            transaction.on_rollback.append(partial(self._note, fails=True))
            transaction.on_rollback.append(partial(self._touches.give_back, touched))
            rows = [(when, hits, number) for number, (when, hits) in touched.items()]
            transaction.execute_many("UPDATE entries SET used = ?, hits = hits + ? WHERE digest = ?", rows)

    def _note(self, *, fails: bool) -> None:
        self._fails = fails

    def remove(self, transaction: Transaction, rows: list[tuple[int, str | None]]) -> int:
        """Remove rows, given as rowid and file, and their files when that is on disk; return how many."""
        for number, file in rows:
            transaction.execute("DELETE FROM entries WHERE rowid = ?", (number,))
            if file is not None:
                self.remove_file(transaction, file)
        return len(rows)

    def remove_file(self, transaction: Transaction, name: str) -> None:
        """Remove a file when it is on disk that no row names it."""
        transaction.on_commit.append(partial(self._large.remove, name))
