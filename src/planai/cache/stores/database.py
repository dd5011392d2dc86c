"""Database: one SQLite file in a folder, noticed when it goes or is replaced, read under one lock."""

from __future__ import annotations

import errno
import sqlite3
import threading
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

from planai.cache.stores.connecting import (
    FileReplacedError,
    Opened,
    Prepare,
    holders,
    identities,
    identity,
    may_be_written,
    open_file,
    remove_files,
    with_files,
)
from planai.cache.stores.damage import (
    BESIDE,
    Mended,
    Save,
    names_locked,
    raise_damage,
    set_aside,
)
from planai.cache.stores.writing import Operation, Statement, Writer

_TRUST_SECONDS = 0.002
"""How long after a look at the file another is not worth its while before a write: a look takes as long as a lock."""

T = TypeVar("T")


class Database:
    """The file at `path`, private to its owner, wherever it is gone made anew by the next write; reading makes nothing.

    A file that cannot be written is read. One that has not been used for long is closed where too many are open.

    Threads take turns in reading: SQLite lets other threads run at each step, so that many readers at once would cost
    several times the CPU.

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
        self._writer = Writer(self._path, begin, is_due)
        self._reading = threading.Lock()
        self._opened: Opened | None = None
        self._seen = 0.0
        self._file: tuple[int, ...] | None = None
        self._beside: dict[str, tuple[int, ...]] = {}
        self._looked_at: tuple[int, ...] | None = None

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
        while True:
            try:
                if alone is not None and (changed := self._writer.write_alone(*alone)) is not None:
                    return changed
                return self._writer.write(operation)
            except FileReplacedError:
                self._seen = 0.0
                self.open()
            except sqlite3.DatabaseError as error:
                raise_damage(error, self._file)
                raise
            finally:
                if self._opened is None and self._writer.connection is not None:  # let go since `open` was called
                    holders.add(self)

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
        with self._reading, self._writer.lock:
            self._close_connections()

    def mend(self, file: tuple[int, ...], readable: str, save: Save) -> Mended | None:
        """Do what `set_aside` does, if the file is still the one that a `DamageError` named.

        None where that was tried before: to look at all of a large file takes long.
        """
        with self._reading, self._writer.lock:
            self._close_connections()
            with names_locked(self._path, alone=True):
                if identities([self._path]).get(self._path) != file:
                    return Mended()
                if self._looked_at == file:
                    return None
                self._looked_at = file
                return set_aside(self._path, readable, save)

    def let_go(self) -> bool:
        """Close all connections unless they are in use, and tell whether they are closed."""
        if not self._reading.acquire(blocking=False):
            return False
        try:
            if self._writer.lock.acquire(blocking=False):
                try:
                    self._close_connections()
                finally:
                    self._writer.lock.release()
            return self._opened is None and self._writer.connection is None
        finally:
            self._reading.release()

    def before_fork(self) -> None:
        """Hold all locks and close the connections, which may not be shared with a child."""
        self._reading.acquire()
        self._writer.lock.acquire()
        self._close_connections()

    def after_fork(self, *, is_child: bool) -> None:
        """Release the locks; the next use opens new connections. What waits is for the parent to write."""
        if is_child:
            self._writer.forget()
        self._writer.lock.release()
        self._reading.release()

    # ---- connections: one that reads and one that writes, each used under its lock

    def _fetch(self, fetch: Callable[[sqlite3.Cursor], T], sql: str, parameters: tuple[Any, ...], nothing: T) -> T:
        with self._reading:
            while True:
                opened = self._there()
                if opened is None:
                    return nothing
                try:
                    found = self._select(opened, fetch, sql, parameters)
                except sqlite3.DatabaseError as error:
                    if opened.is_writable:
                        raise_damage(error, opened.file)
                    raise
                if not opened.is_watched or self.is_current():
                    return found

    def _select(self, opened: Opened, fetch: Callable[[sqlite3.Cursor], T], sql: str, parameters: tuple[Any, ...]) -> T:
        """Ask, if nobody writes, the connection that does: it need not read again what it has written itself."""
        writer = self._writer
        if writer.connection is not None and not writer.lock.locked():
            with writer.lock:
                if writer.connection is not None and writer.is_current():
                    return fetch(writer.connection.execute(sql, parameters))
        return fetch(opened.connection.execute(sql, parameters))

    def _close_connections(self) -> None:
        if self._opened is not None or self._writer.connection is not None:
            with names_locked(self._path):
                if self._opened is not None:
                    self._opened.connection.close()
                self._writer.close()
        self._opened = None
        holders.remove(self)

    def _there(self) -> Opened | None:
        """Return the reader of the file that is in the folder now, if there is one: it may have been replaced."""
        if self._opened is not None and self.is_current():
            return self._opened
        return self._open() if identities([self._path]) else None

    def _open(self) -> Opened:
        with self._writer.lock:
            self._close_connections()
            beside, self._beside = self._beside, {}
            if beside and not self.is_current():
                remove_files(self._path, beside)
        Path(self._path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        holders.admit(self)
        file = identities([self._path]).get(self._path)
        try:
            self._opened = with_files(lambda: open_file(self._path, self._prepare))
        except BaseException as error:
            holders.remove(self)
            raise_damage(error, file)
            raise
        self._file = self._writer.file = self._opened.file
        self._beside = identities(self._path + ending for ending in BESIDE[1:])
        return self._opened
