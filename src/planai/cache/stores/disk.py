"""The default store: one SQLite file in a folder, shared by all threads and processes of the machine."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import sqlite3
import time
from collections.abc import Hashable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from planai.cache.store import TOLERATED_SECONDS, Info, Order, Record, newest
from planai.cache.stores.damage import DamageError, told_of
from planai.cache.stores.database import Database
from planai.cache.stores.large import LargeFiles
from planai.cache.stores.salvage import READABLE, salvage
from planai.cache.stores.schema import from_column, number_of, prepare, to_column
from planai.cache.stores.touches import Touches
from planai.cache.stores.upkeep import Upkeep
from planai.cache.stores.verify import verify
from planai.cache.stores.writing import Operation, Statement, Transaction
from planai.cost import Cost

FILE = "planai.sqlite3"
"""The name of the database in the cache folder; SQLite keeps ``-wal`` and ``-shm`` files beside it while in use."""

LARGE = 128 * 2**10
"""From how many bytes on a payload is kept as a file of its own."""

_TOUCHES_KEPT = 10_000
_KEYS_AT_ONCE = 500

_GET = """SELECT space, key, file, size, payload, stored, expires, stale, seconds, tokens, dollars, about
    FROM entries WHERE digest = ?"""
_BEFORE = "SELECT (SELECT file FROM entries WHERE digest = ?), (SELECT cleared FROM spaces WHERE space = ?)"
_BEGIN = "SELECT (SELECT cleared FROM spaces WHERE space = ?), EXISTS (SELECT 1 FROM entries WHERE digest = ?)"
_PUT = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_IF = """INSERT OR REPLACE INTO entries SELECT ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?
    WHERE ? = IFNULL((SELECT cleared FROM spaces WHERE space = ?), 0)"""
_CLEAR = "INSERT INTO spaces VALUES (?, 1) ON CONFLICT (space) DO UPDATE SET cleared = cleared + 1"
_SCAN = "SELECT space, key, stored, used, expires, size, hits, seconds, tokens, dollars, about FROM entries"
_SCAN_SPACE = f"{_SCAN} WHERE rowid IN (SELECT rowid FROM entries WHERE space = ?)"  # noqa: S608 - in the order of the file
_SCAN_LAST = f"{_SCAN} WHERE rowid IN (SELECT rowid FROM entries WHERE space = ? ORDER BY used DESC LIMIT ?)"  # noqa: S608
_ORDERS: dict[Order, str] = {"used": "used", "cost": "seconds / MAX(size, 1), used"}


class DiskStore:
    """Keeps records in ``folder/planai.sqlite3``, and large payloads in files beside it, private to their owner.

    A record is found by the first 8 bytes of a digest of its space and key; space and key are compared on reading, so
    that a collision is a miss. Rows are appended, which is cheaper than to spread them by their digest. The payload is
    the last column of the row, where it costs a scan little: in a table of its own it would cost each put and get more.

    That records were used is kept in memory and written with the next write.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._large = LargeFiles(self._folder)
        self._touches: Touches[int] = Touches()
        self._upkeep = Upkeep(self._touches, self._large)
        self._database = Database(self._folder / FILE, prepare, self._upkeep.begin, self._upkeep.is_due)
        self._swept = False
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"DiskStore({str(self._folder)!r})"

    def get(self, space: str, key: str) -> Record | None:
        """Return the record, or None."""
        number = number_of(space, key)
        found = self._read(space, key, number)
        if found is not None:
            self._touch(number)
        return found

    def peek(self, space: str, key: str) -> Record | None:
        """Return the record, or None, without marking it used."""
        return self._read(space, key, number_of(space, key))

    def put(self, space: str, key: str, record: Record, generation: int | None = None) -> bool:
        """Keep `record`, and tell whether it was kept."""
        number, size = number_of(space, key), len(record.payload)
        file, payload = None, record.payload
        if size >= LARGE:
            self._database.open()
            file, payload = self._large.write(number, record.payload), b""
        times = record.stored_at, time.time(), record.expires_at, record.stale_at
        row = (number, to_column(space), to_column(key), *times, *record.cost[:3], size, file, record.about, payload)
        try:
            kept = bool(self._write(partial(self._insert, row, generation), self._insertion(row, generation)))
        except Exception:
            self._drop(file)
            raise
        if not kept:
            self._drop(file)
        return kept

    def delete(self, space: str, keys: Iterable[str] | None = None) -> int:
        """Remove records."""
        if keys is None:
            return int(self._write(partial(self._clear, to_column(space))))
        rows = [(number_of(space, key), to_column(space), to_column(key)) for key in keys]
        return int(self._write(partial(self._delete, rows)))

    def scan(self, space: str | None = None, keys: Iterable[str] | None = None, last: int | None = None) -> list[Info]:
        """Return what is known of records, the least recently used first."""
        wanted = None if keys is None else set(keys)
        if wanted is None:  # else a run asks about a few keys at each miss, and a write each time would be dear
            with contextlib.suppress(sqlite3.Error, OSError):  # which leaves the order as it was
                self._flush()
        if space is None:
            rows = self._database.rows(_SCAN)
        elif wanted is None:
            rows = self._database.rows(*_scan_of(to_column(space), last))
        else:
            rows = self._rows_of(space, wanted)
        found = [_info(row) for row in rows]
        if space is None and wanted is not None:
            found = [info for info in found if info.key in wanted]
        return newest(sorted(found, key=lambda info: info.used_at), last)

    def touch(self, space: str, key: str) -> None:
        """Mark a record used."""
        self._touch(number_of(space, key))

    def trim(self, space: str, now: float, entries: int | None, size: int | None, order: Order = "used") -> int:
        """Remove what has expired, then what is first in `order`."""
        return int(self._write(partial(self._trim, to_column(space), now, entries, size, order)))

    def generation(self, space: str) -> int:
        """Return how often the space was cleared."""
        row = self._database.row("SELECT cleared FROM spaces WHERE space = ?", (to_column(space),))
        return 0 if row is None else int(row[0])

    def begin(self, space: str, key: str) -> int | None:
        """Return the generation; None where there is a record, or one that looks like it."""
        row = self._database.row(_BEGIN, (to_column(space), number_of(space, key)))
        cleared, is_there = row or (0, 0)  # there is no file as yet
        return None if is_there else cleared or 0

    def version(self) -> Hashable:
        """Return what changes with every commit, also of other processes and of this object itself."""
        return self._database.version()

    def close(self) -> None:
        """Write what is kept in memory, and close all connections."""
        with contextlib.suppress(sqlite3.Error, OSError):
            if self._database.is_current():  # or there is nobody left to whom it would mean something
                self._flush()
        self._database.close()

    def verify(self, *, repair: bool = False) -> list[str]:
        """Look whether everything is whole and private, and return one sentence for each problem.

        Args:
            repair: mend what is found: make files private, forget entries whose file is gone, remove files that belong
                to no entry, and move a database that is damaged aside, to ``planai.sqlite3.damaged-1`` and so on.

        Raises:
            OSError: the folder may not be read, or not be changed by this user.
        """
        return list(verify(self._folder / FILE, self._database, self._large, repair=repair))

    def mend(self, error: Exception) -> str | None:
        """Set the database aside if it is damaged, and go on with what can be read of it.

        Raises:
            OSError: it cannot be moved.
            sqlite3.Error: what can be read of it cannot be copied.
        """
        mended = self._database.mend(error.file, READABLE, salvage) if isinstance(error, DamageError) else None
        if mended is None or mended.aside is None:
            return None if mended is None else ""
        return f"{self._folder / FILE} is damaged ({mended.reason}) and {told_of(mended)}"

    def before_fork(self) -> None:
        """Hold all locks and close the connections, which may not be shared with a child."""
        self._database.before_fork()
        self._touches.before_fork()

    def after_fork(self) -> None:
        """Release the locks; the next use opens new connections."""
        is_child = os.getpid() != self._process
        self._process = os.getpid()
        self._touches.after_fork(is_child=is_child)
        self._database.after_fork(is_child=is_child)

    def __del__(self) -> None:
        self.close()

    # ---- parts of transactions

    def _insert(self, row: tuple[Any, ...], generation: int | None, transaction: Transaction) -> bool:
        file, cleared = transaction.execute(_BEFORE, row[:2]).fetchone()
        if generation is not None and generation != (cleared or 0):
            return False
        transaction.execute(_PUT, row)
        if file is not None:
            self._upkeep.remove_file(transaction, file)
        return True

    def _insertion(self, row: tuple[Any, ...], generation: int | None) -> Statement | None:
        """Return what does the same as `_insert` where no file is replaced, as far as that is known."""
        if self._large.are_there():
            return None
        return (_PUT, row) if generation is None else (_PUT_IF, (*row, generation, row[1]))

    def _delete(self, keys: list[tuple[Any, ...]], transaction: Transaction) -> int:
        sql = "SELECT rowid, file FROM entries WHERE digest = ? AND space = ? AND key = ?"
        return sum(self._upkeep.remove(transaction, transaction.execute(sql, key).fetchall()) for key in keys)

    def _clear(self, space: str | bytes, transaction: Transaction) -> int:
        sql = "SELECT file FROM entries WHERE space = ? AND file IS NOT NULL"
        for (file,) in transaction.execute(sql, (space,)).fetchall():
            self._upkeep.remove_file(transaction, file)
        transaction.execute(_CLEAR, (space,))
        return transaction.execute("DELETE FROM entries WHERE space = ?", (space,)).rowcount

    def _trim(
        self,
        space: str | bytes,
        now: float,
        entries: int | None,
        size: int | None,
        order: Order,
        transaction: Transaction,
    ) -> int:
        sql = "SELECT rowid, file FROM entries WHERE space = ? AND expires <= ?"
        gone = self._upkeep.remove(transaction, transaction.execute(sql, (space, now)).fetchall())
        kept, used = transaction.execute(
            "SELECT COUNT(*), TOTAL(size) FROM entries WHERE space = ?", (space,)
        ).fetchone()
        known = time.time() + TOLERATED_SECONDS if order == "used" else math.inf
        sql = f"SELECT rowid, size FROM entries WHERE space = ? AND used {{}} ? ORDER BY {_ORDERS[order]}"  # noqa: S608 - from a table
        first = itertools.chain(*(transaction.execute(sql.format(sign), (space, known)) for sign in (">", "<=")))
        surplus: list[int] = []
        while (entries is not None and kept > entries) or (size is not None and used > size):
            number, length = next(first)
            surplus.append(number)
            kept -= 1
            used -= length
        sql = "SELECT rowid, file FROM entries WHERE rowid = ?"
        return gone + sum(self._upkeep.remove(transaction, transaction.execute(sql, (n,)).fetchall()) for n in surplus)

    # ---- helpers

    def _read(self, space: str, key: str, number: int) -> Record | None:
        row = self._database.row(_GET, (number,))
        if row is None or row[:2] != (to_column(space), to_column(key)):
            return None
        payload = row[4] if row[2] is None else self._large.read(row[2], row[3])
        if payload is None:
            return self._read_again(space, key, number, row[2])
        return Record(payload, row[5], row[6], row[7], Cost(*row[8:11]), row[11])

    def _read_again(self, space: str, key: str, number: int, missing: str) -> Record | None:
        """Return what has taken the place of a record whose file is gone; forget it where nothing has."""
        row = self._database.row("SELECT file FROM entries WHERE digest = ?", (number,))
        if row is None:
            return None
        if row[0] != missing:
            return self._read(space, key, number)
        with contextlib.suppress(sqlite3.Error, OSError):
            self._write(lambda db: db.execute("DELETE FROM entries WHERE digest = ? AND file = ?", (number, missing)))
        return None

    def _rows_of(self, space: str, keys: Iterable[str]) -> list[Any]:
        wanted = {(to_column(space), to_column(key)) for key in keys}
        numbers = [number_of(space, key) for key in keys]
        found = []
        for begin in range(0, len(numbers), _KEYS_AT_ONCE):
            some = tuple(numbers[begin : begin + _KEYS_AT_ONCE])
            found += self._database.rows(f"{_SCAN} WHERE digest IN ({', '.join('?' * len(some))})", some)
        return [row for row in found if row[:2] in wanted]

    def _touch(self, number: int) -> None:
        if self._touches.add(number) > _TOUCHES_KEPT:
            try:
                self._flush()
            except (sqlite3.Error, OSError):  # recency is a matter of speed: where nothing can be written, let it go
                self._touches.take()

    def _flush(self) -> None:
        if self._touches:
            self._upkeep.try_again()
            self._write(lambda _: None)

    def _drop(self, file: str | None) -> None:
        if file is not None:
            self._large.remove(file)

    def _write(self, operation: Operation, alone: Statement | None = None) -> Any:
        result = self._database.write(operation, alone)
        if not self._swept:
            self._swept = True
            with contextlib.suppress(sqlite3.Error, OSError):
                self._sweep()
        return result

    def _sweep(self) -> None:
        """Remove files without a row, as a process leaves that dies between the two."""
        if not self._large.sweep_is_due():
            return
        seen = list(self._large.names())
        if seen:
            known = {file for (file,) in self._database.rows("SELECT file FROM entries WHERE file IS NOT NULL")}
            for name in self._large.orphans(known, seen):
                self._large.remove(name)


def _scan_of(space: str | bytes, last: int | None) -> Statement:
    return (_SCAN_SPACE, (space,)) if last is None else (_SCAN_LAST, (space, last))


def _info(row: tuple[Any, ...]) -> Info:
    space, key, stored, used, expires, size, hits, seconds, tokens, dollars, about = row
    cost = Cost(seconds, tokens, dollars)
    return Info(from_column(space), from_column(key), stored, used, expires, size, hits, cost, about)
