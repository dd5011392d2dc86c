"""Database: one SQLite file, read under one lock and written by whole groups of threads at once."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

from planai.cache.openfiles import OpenFiles
from planai.cache.stores.connecting import (
    FileReplacedError,
    Opened,
    Prepare,
    connect,
    files_are_short,
    identities,
    identity,
    may_be_written,
    may_lack_files,
    open_file,
)

BESIDE = ("", "-wal", "-shm")
"""How the names of the files end that belong together."""

_TRUST_SECONDS = 0.002
"""How long after a look at the file another is not worth its while before a write: a look takes as long as a lock."""

_CROWDED_SECONDS = 1.0
_RETRY_SECONDS = 0.002

_open_files = OpenFiles()


class Transaction:
    """One transaction, in which several operations take part.

    Attributes:
        execute: runs one statement.
        execute_many: runs one statement for many rows.
        on_commit: called when it is on disk.
        on_rollback: called when it did not come about; the operations then run again in another.
    """

    __slots__ = ("execute", "execute_many", "on_commit", "on_rollback")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.execute = connection.execute
        self.execute_many = connection.executemany
        self.on_commit: list[Callable[[], object]] = []
        self.on_rollback: list[Callable[[], object]] = []


T = TypeVar("T")
Operation = Callable[[Transaction], Any]
Statement = tuple[str, tuple[Any, ...]]
"""What changes rows, and its parameters."""


class Database:
    """The file at `path`, private to its owner, wherever it is gone made anew by the next write; reading makes nothing.

    A file that cannot be written is read. One that has not been used for long is closed where too many are open.

    Threads take turns in reading: SQLite lets other threads run at each step, so that many readers at once would cost
    several times the CPU. Threads that write at the same time are served by one transaction: whoever holds the lock
    writes for all that wait.

    Args:
        path: the file; SQLite keeps ``-wal`` and ``-shm`` files beside it while in use.
        prepare: makes the tables where they are missing.
        begin: the first operation of each transaction.
        is_due: tells whether `begin` has something to do.
    """

    def __init__(
        self, path: Path, prepare: Prepare, begin: Operation, is_due: Callable[[], bool] = lambda: True
    ) -> None:
        self._path = str(path)
        self._prepare = prepare
        self._begin = begin
        self._is_due = is_due
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: deque[_Ticket] = deque()
        self._opened: Opened | None = None
        self._seen = 0.0
        self._file: tuple[int, ...] | None = None
        self._beside: dict[str, tuple[int, ...]] = {}
        self._writer: sqlite3.Connection | None = None
        self._writer_file: tuple[int, ...] | None = None

    def row(self, sql: str, parameters: tuple[Any, ...] = ()) -> Any:
        """Return the first row of a select, or None."""
        return self._fetch(sqlite3.Cursor.fetchone, sql, parameters, None)

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Return all rows of a select."""
        return self._fetch(sqlite3.Cursor.fetchall, sql, parameters, [])

    def write(self, operation: Operation, alone: Statement | None = None) -> Any:
        """Let `operation` be part of the next transaction, and return its result when that is on disk.

        Args:
            operation: what is to be done.
            alone: what does the same in one statement, which takes less time where there is nothing else to be done,
                and nobody else who writes. The result is how many rows it changed.
        """
        self.open()
        if alone is not None and not self._waiting and self._writing.acquire(blocking=False):
            try:
                if self._writer is not None and self._writer_file == self._file and not self._is_due():
                    return self._writer.execute(*alone).rowcount
            finally:
                self._writing.release()
        while True:
            ticket = _Ticket(operation)
            self._waiting.append(ticket)
            with self._writing:
                if not ticket.done:
                    self._commit()
            try:
                return ticket.result()
            except FileReplacedError:
                self._seen = 0.0
                self.open()

    def open(self) -> None:
        """Make sure that the folder and the file are there, and can be written.

        Raises:
            OSError: they cannot.
        """
        with self._reading:
            if time.monotonic() - self._seen < _TRUST_SECONDS and self._opened is not None and self._opened.is_writable:
                return  # it was there when an answer was looked for, and nobody can see to it that it stays
            opened = self._there() or self._open()
            if not opened.is_writable and not (may_be_written(self._path) and self._open().is_writable):
                raise PermissionError(errno.EACCES, "the cache can be read, but not written", self._path)

    def is_current(self) -> bool:
        """Tell whether the file that was opened is still the one in the folder."""
        is_watched = self._opened is not None and self._opened.is_watched
        self._seen = 0.0
        try:
            is_same = self._file == identity(self._path, whole=is_watched)
        except FileNotFoundError:
            return False
        if is_same:
            self._seen = time.monotonic()
        return is_same

    def version(self) -> Hashable:
        """Return what changes with every commit of any connection; None while the file is not open."""
        with self._reading:
            if self._opened is None or not self.is_current():
                return None
            return self._file, self._opened.connection.execute("PRAGMA data_version").fetchone()[0]

    def close(self) -> None:
        """Close all connections."""
        with self._reading, self._writing:
            self._close_connections()

    def set_aside(self, path: Path) -> None:
        """Give the file another name, with those beside it; the next use makes a new one."""
        with self._reading, self._writing:
            self._close_connections()
            for ending in BESIDE:
                if os.path.exists(self._path + ending):  # noqa: PTH110 - a str, as everywhere here
                    os.replace(self._path + ending, f"{path}{ending}")  # noqa: PTH105

    def let_go(self) -> bool:
        """Close all connections unless they are in use, and tell whether they are closed."""
        if not self._reading.acquire(blocking=False):
            return False
        try:
            if self._writing.acquire(blocking=False):
                try:
                    self._close_connections()
                finally:
                    self._writing.release()
            return self._opened is None and self._writer is None
        finally:
            self._reading.release()

    def before_fork(self) -> None:
        """Hold all locks and close the connections, which may not be shared with a child."""
        self._reading.acquire()
        self._writing.acquire()
        self._close_connections()

    def after_fork(self, *, is_child: bool) -> None:
        """Release the locks; the next use opens new connections. What waits is for the parent to write."""
        if is_child:
            self._waiting.clear()
        self._writing.release()
        self._reading.release()

    # ---- connections: one that reads and one that writes, each used under its lock

    def _fetch(self, fetch: Callable[[sqlite3.Cursor], T], sql: str, parameters: tuple[Any, ...], nothing: T) -> T:
        with self._reading:
            while True:
                opened = self._there()
                if opened is None:
                    return nothing
                found = self._select(opened, fetch, sql, parameters)
                if not opened.is_watched or self.is_current():
                    return found

    def _select(self, opened: Opened, fetch: Callable[[sqlite3.Cursor], T], sql: str, parameters: tuple[Any, ...]) -> T:
        """Ask, if nobody writes, the connection that does: it need not read again what it has written itself."""
        if self._writer is not None and not self._writing.locked():
            with self._writing:
                if self._writer is not None and self._writer_file == self._file:
                    return fetch(self._writer.execute(sql, parameters))
        return fetch(opened.connection.execute(sql, parameters))

    def _close_connections(self) -> None:
        for connection in (None if self._opened is None else self._opened.connection, self._writer):
            if connection is not None:
                connection.close()
        self._opened = self._writer = self._writer_file = None
        _open_files.remove(self)

    def _there(self) -> Opened | None:
        """Return the reader of the file that is in the folder now, if there is one: it may have been replaced."""
        if self._opened is not None and self.is_current():
            return self._opened
        return self._open() if identities([self._path]) else None

    def _open(self) -> Opened:
        with self._writing:
            self._close_connections()
            self._remove_old_log()
        Path(self._path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _open_files.admit(self)
        try:
            self._opened = _with_files(lambda: open_file(self._path, self._prepare))
        except BaseException:
            _open_files.remove(self)
            raise
        self._file = self._opened.file
        self._beside = identities(self._path + ending for ending in BESIDE[1:])
        return self._opened

    def _remove_old_log(self) -> None:
        """Remove the log of a file that was replaced, which SQLite left there: it would write it into the new one."""
        if not self.is_current():
            for path, known in self._beside.items():
                if identities([path]).get(path) == known:
                    Path(path).unlink(missing_ok=True)
        self._beside = {}

    # ---- writing

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
        self._writer, file = None, self._file
        self._writer = _with_files(lambda: connect(self._path, file or ()))
        if self._opened is None:  # which was let go since `open` was called
            _open_files.add(self)
        self._writer_file = file

    def _transact(self, connection: sqlite3.Connection, tickets: list[_Ticket]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        transaction = Transaction(connection)
        try:
            self._begin(transaction)
            for ticket in tickets:
                ticket.run(transaction)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for undo in transaction.on_rollback:
                undo()
            raise
        for ticket in tickets:
            ticket.done = True
        for follow in transaction.on_commit:
            follow()


def _with_files(opened: Callable[[], T]) -> T:
    """Open something; where too many files are open, close what is not in use, and try again for a while.

    Many threads may do so at once, and each takes what another has let go.
    """
    deadline = time.monotonic() + _CROWDED_SECONDS
    is_crowded = True
    while True:
        try:
            return opened()
        except (OSError, sqlite3.OperationalError) as error:
            if not may_lack_files(error) or not is_crowded or time.monotonic() > deadline:
                raise
        is_crowded = files_are_short()
        _open_files.close_all_but(0)
        if is_crowded:
            time.sleep(_RETRY_SECONDS)


class _Ticket:
    """A write that waits for its transaction."""

    __slots__ = ("_error", "_operation", "_result", "done")

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._result: Any = None
        self._error: BaseException | None = None
        self.done = False

    def run(self, transaction: Transaction) -> None:
        self._result = self._operation(transaction)

    def fail(self, error: BaseException) -> None:
        self._error = error
        self.done = True

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result
