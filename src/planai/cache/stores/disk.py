"""The default store: one SQLite file in a folder, shared by all threads and processes of the machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

from planai.cache.store import Info, Record

FILE = "planai.sqlite3"
"""The name of the database in the cache folder; SQLite keeps ``-wal`` and ``-shm`` files beside it while in use."""

_BUSY_SECONDS = 30.0
_RETRY_SECONDS = 0.005
_TOUCHES_KEPT = 10_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    digest INTEGER NOT NULL, space TEXT NOT NULL, key TEXT NOT NULL, stored REAL NOT NULL, used REAL NOT NULL,
    expires REAL, seconds REAL NOT NULL, size INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS by_digest ON entries (digest);
CREATE INDEX IF NOT EXISTS by_use ON entries (space, used, size, expires);
"""


class DiskStore:
    """Keeps records in ``folder/planai.sqlite3``, private to their owner.

    A record is found by the first 8 bytes of a digest of its space and key; space and key are compared on reading, so
    that a collision is a miss. Rows are appended, which is cheaper than to spread them by their digest.

    Threads take turns in reading: SQLite lets other threads run at each step, so that many readers at once would cost
    several times the CPU. Threads that write at the same time are served by one transaction: whoever holds the lock
    writes for all that wait. That records were used is kept in memory and written with the next write.
    """

    def __init__(self, folder: str | Path) -> None:
        self._path = Path(folder) / FILE
        self._wal = f"{self._path}-wal"
        self._reading = threading.RLock()
        self._writing = threading.Lock()
        self._waiting: deque[_Ticket] = deque()
        self._forget()

    def get(self, space: str, key: str) -> Record | None:
        """Return the record, or None."""
        number = _number(space, key)
        sql = "SELECT space, key, payload, stored, expires, seconds FROM entries WHERE digest = ?"
        with self._reading:
            row = self._current_reader().execute(sql, (number,)).fetchone()
        if row is None or row[:2] != (space, key):
            return None
        self._touch(number)
        return Record(*row[2:])

    def put(self, space: str, key: str, record: Record) -> None:
        """Keep `record`."""
        row = (
            _number(space, key),
            space,
            key,
            record.stored_at,
            time.time(),
            record.expires_at,
            record.seconds,
            len(record.payload),
            record.payload,
        )
        self._write(lambda db: db.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row))

    def delete(self, space: str, keys: Iterable[str] | None = None) -> int:
        """Remove records."""
        if keys is None:
            return int(self._write(lambda db: db.execute("DELETE FROM entries WHERE space = ?", (space,)).rowcount))
        rows = [(_number(space, key), space, key) for key in keys]
        sql = "DELETE FROM entries WHERE digest = ? AND space = ? AND key = ?"
        return int(self._write(lambda db: sum(db.execute(sql, row).rowcount for row in rows)))

    def scan(self, space: str) -> list[Info]:
        """Return what is known of all records, the least recently used first."""
        self._flush()
        sql = "SELECT key, stored, used, expires, size FROM entries WHERE space = ? ORDER BY used"
        with self._reading:
            rows = self._current_reader().execute(sql, (space,)).fetchall()
        return [Info(*row) for row in rows]

    def touch(self, space: str, key: str) -> None:
        """Mark a record used."""
        self._touch(_number(space, key))

    def trim(self, space: str, now: float, entries: int | None, size: int | None) -> int:
        """Remove what has expired, then the least recently used."""

        def cut(connection: sqlite3.Connection) -> int:
            self._write_touches(connection)
            sql = "DELETE FROM entries WHERE space = ? AND expires <= ?"
            gone = connection.execute(sql, (space, now)).rowcount
            kept, used = connection.execute(
                "SELECT COUNT(*), TOTAL(size) FROM entries WHERE space = ?", (space,)
            ).fetchone()
            oldest = connection.execute("SELECT rowid, size FROM entries WHERE space = ? ORDER BY used", (space,))
            surplus: list[tuple[int]] = []
            while (entries is not None and kept > entries) or (size is not None and used > size):
                number, length = oldest.fetchone()
                surplus.append((number,))
                kept -= 1
                used -= length
            connection.executemany("DELETE FROM entries WHERE rowid = ?", surplus)
            return int(gone + len(surplus))

        return int(self._write(cut))

    def version(self) -> Hashable:
        """Return what the write-ahead log looks like: every commit of any process changes it."""
        try:
            status = os.stat(self._wal)  # noqa: PTH116 - Path.stat takes twice as long, on every hit
        except FileNotFoundError:
            return None
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if seen == self._own_write:
            return self._own_version
        return seen

    def close(self) -> None:
        """Write what is kept in memory, and close all connections."""
        with contextlib.suppress(sqlite3.Error, OSError):
            self._flush()
        with self._reading, self._writing:
            self._close_connections()

    def before_fork(self) -> None:
        """Hold all locks and close the connections, which may not be shared with a child."""
        self._reading.acquire()
        self._writing.acquire()
        self._close_connections()

    def after_fork(self) -> None:
        """Release the locks; the next use opens new connections."""
        self._writing.release()
        self._reading.release()

    def __del__(self) -> None:
        self.close()

    # ---- connections: one that reads and one that writes, each used under its lock

    def _close_connections(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._forget()

    def _forget(self) -> None:
        self._touched: dict[int, float] = {}
        self._file: tuple[int, int] | None = None
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._writer_file: tuple[int, int] | None = None
        self._own_write: Hashable = None
        self._own_version: Hashable = None

    def _current_reader(self) -> sqlite3.Connection:
        """Return the reader of the file that is in the folder now, which may have been removed or replaced."""
        if self._reader is None or not self._is_current():
            self._open()
        return self._reader  # type: ignore[return-value]  # _open has set it

    def _is_current(self) -> bool:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - Path.stat takes twice as long, on every hit
        except FileNotFoundError:
            return False
        return self._file == (status.st_dev, status.st_ino)

    def _open(self) -> None:
        with self._writing:
            self._close_connections()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        reader = self._connect(_SCHEMA)
        status = self._path.stat()
        self._reader, self._file = reader, (status.st_dev, status.st_ino)

    def _connect(self, script: str = "") -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        try:
            # Of a new file: three rows of 2 kB, where 4096 has room for one.
            connection.execute("PRAGMA page_size = 8192")
            _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(script)
        except BaseException:
            connection.close()
            raise
        return connection

    # ---- writing

    def _write(self, operation: Callable[[sqlite3.Connection], Any]) -> Any:
        """Let `operation` be part of the next transaction, and return its result when that is on disk."""
        with self._reading:
            self._current_reader()
        ticket = _Ticket(operation)
        self._waiting.append(ticket)
        with self._writing:
            if not ticket.done:
                self._commit()
        return ticket.result()

    def _commit(self) -> None:
        """Do everything that waits, in one transaction."""
        tickets = []
        while self._waiting:
            tickets.append(self._waiting.popleft())
        try:
            if self._writer is None or self._writer_file != self._file:
                self._renew_writer()
            self._transact(self._writer, tickets)  # type: ignore[arg-type]  # renewed above
        except Exception as error:  # noqa: BLE001 - handed to those who asked for it
            if len(tickets) == 1:
                tickets[0].fail(error)
                return
            for ticket in tickets:  # one by one, so that nobody suffers for another's mistake
                self._waiting.append(ticket)
                self._commit()
        except BaseException:  # Ctrl-C: whoever waits for the lock does what is left
            self._waiting.extendleft(reversed(tickets))
            raise

    def _renew_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._own_write = self._own_version = None
        self._writer = self._connect()
        self._writer_file = self._file

    def _transact(self, connection: sqlite3.Connection, tickets: list[_Ticket]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            before, others = self.version(), _commits_of_others(connection)
            self._write_touches(connection)
            for ticket in tickets:
                ticket.run(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        for ticket in tickets:
            ticket.done = True
        self._own_write = None
        seen = self.version()
        if _commits_of_others(connection) == others:  # the log looks as it does by our doing alone
            self._own_version, self._own_write = before, seen

    def _write_touches(self, connection: sqlite3.Connection) -> None:
        touched, self._touched = self._touched, {}
        rows = [(when, number) for number, when in list(touched.items())]  # a list, as readers may still add
        connection.executemany("UPDATE entries SET used = ? WHERE digest = ?", rows)

    def _touch(self, number: int) -> None:
        self._touched[number] = time.time()
        if len(self._touched) > _TOUCHES_KEPT:
            try:
                self._flush()
            except (sqlite3.Error, OSError):  # recency is a matter of speed: where nothing can be written, let it go
                self._touched = {}

    def _flush(self) -> None:
        if self._touched:
            self._write(lambda _: None)


class _Ticket:
    """A write that waits for its transaction."""

    __slots__ = ("_error", "_operation", "_result", "done")

    def __init__(self, operation: Callable[[sqlite3.Connection], Any]) -> None:
        self._operation = operation
        self._result: Any = None
        self._error: BaseException | None = None
        self.done = False

    def run(self, connection: sqlite3.Connection) -> None:
        self._result = self._operation(connection)

    def fail(self, error: BaseException) -> None:
        self._error = error
        self.done = True

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result


def _number(space: str, key: str) -> int:
    encoded = space.encode("utf-8", "surrogatepass")
    hashed = hashlib.blake2b(len(encoded).to_bytes(8, "big") + encoded, digest_size=8)
    hashed.update(key.encode("utf-8", "surrogatepass"))
    return int.from_bytes(hashed.digest(), "big", signed=True)


def _commits_of_others(connection: sqlite3.Connection) -> int:
    """Return a number that changes when another connection commits."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _patiently(use: Callable[[], object]) -> None:
    """Try until nobody else is in the way: SQLite itself does not wait where a file is just being made."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            use()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return
