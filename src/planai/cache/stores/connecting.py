"""Connecting: how the file of a database is opened, to be written or, where it cannot be, to be read."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from planai.cache.openfiles import OpenFiles
from planai.cache.stores.damage import names_locked

BUSY_SECONDS = 30.0
"""How long to wait for another process that is writing."""

_LOGGED_PAGES = 3000
"""How long the log gets until it is written into the file: 12 MB. With 1000 pages, or 4000, a put takes longer."""

_RETRY_SECONDS = 0.005
_CROWDED_SECONDS = 1.0
_CROWDED_RETRY_SECONDS = 0.002
_FILES = 3
_OPEN_ERRORS = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


class _Connection(sqlite3.Connection):
    """Closed when it is collected, with the store that it belongs to, and in which order they are collected is open.

    From Python 3.13 on, a connection that was not closed by then is warned of.
    """

    def __del__(self) -> None:
        self.close()


_SETTINGS: dict[str, Any] = {
    "factory": _Connection,
    "timeout": BUSY_SECONDS,
    "isolation_level": None,
    "check_same_thread": False,
    "cached_statements": 32,
}

T = TypeVar("T")
Prepare = Callable[[sqlite3.Connection], object]

holders = OpenFiles()
"""The databases of this process that are open."""


class FileReplacedError(Exception):
    """Another file has come to the name of one that was to be opened."""


class Opened(NamedTuple):
    """A connection, and which file it reads.

    Attributes:
        connection: it may be used in any thread.
        file: what `identity` says of the file.
        is_writable: whether other connections to it may write.
        is_watched: whether nothing keeps others from writing while it is read: what was read counts only if the file
            is still the same afterwards.
    """

    connection: sqlite3.Connection
    file: tuple[int, ...]
    is_writable: bool = True
    is_watched: bool = False


def open_file(path: str, prepare: Prepare) -> Opened:
    """Open the file at `path`, and make it where it is not; only to be read where it cannot be written.

    Raises:
        OSError: there is none, and it cannot be made.
        sqlite3.Error: it cannot be read.
    """
    with names_locked(path):
        return _open_as_possible(path, prepare)


def connect(path: str, file: tuple[int, ...], prepare: Prepare = lambda _: None) -> sqlite3.Connection:
    """Return a connection that writes.

    SQLite finds a log by its name, when it first reads: where another database has come to that name since its file was
    opened, it would take the log of that one for its own, and what it writes there would destroy the other. So it is
    looked at whether the file is the same once the log is open, before anything is written.

    Args:
        path: the file; it is there.
        file: what `identity` said of it.
        prepare: makes what is missing in it.

    Raises:
        FileReplacedError: another file is at the path.
    """

    def set_up(connection: sqlite3.Connection) -> None:
        _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOGGED_PAGES}")
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        if identities([path]).get(path) != file:
            raise FileReplacedError(path)
        prepare(connection)

    return _prepared(sqlite3.connect(path, **_SETTINGS), set_up)


def may_lack_files(error: Exception) -> bool:
    """Tell whether a file could not be opened perhaps since too many were open, as many threads were opening some."""
    if isinstance(error, OSError):
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CANTOPEN


def with_files(opened: Callable[[], T]) -> T:
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
        is_crowded = _files_are_short()
        holders.close_all_but(0)
        if is_crowded:
            time.sleep(_CROWDED_RETRY_SECONDS)


def may_be_written(path: str) -> bool:
    """Tell whether this user may write the file, and make files beside it."""
    return os.access(path, os.W_OK) and os.access(os.path.dirname(path), os.W_OK)  # noqa: PTH120 - a str, as everywhere here


def identity(path: str, *, whole: bool) -> tuple[int, ...]:
    """Return what tells the file at `path` from another that takes its place; from itself when changed, if `whole`.

    Raises:
        FileNotFoundError: there is none.
    """
    status = os.stat(path)  # noqa: PTH116 - Path.stat takes twice as long, on every hit
    if not whole:
        return status.st_dev, status.st_ino
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, _log_size(path)


def identities(paths: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return which files are at `paths`, as far as there are any."""
    found = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found[path] = identity(path, whole=False)
    return found


def _files_are_short() -> bool:
    """Tell whether there is no room for the files that belong to one database."""
    opened: list[int] = []
    try:
        opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(_FILES))
    except OSError:
        return True
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return False


def remove_files(path: str, known: dict[str, tuple[int, ...]]) -> None:
    """Remove the log of a database that was replaced, which SQLite left there: it would write it into the new one.

    Args:
        path: the database.
        known: which files they were; others that have taken their place stay.
    """
    with names_locked(path):
        for name, file in known.items():
            with contextlib.suppress(FileNotFoundError):
                if identity(name, whole=False) == file:
                    os.unlink(name)  # noqa: PTH108 - a str, as everywhere here


def _open_as_possible(path: str, prepare: Prepare) -> Opened:
    try:
        return _open_to_write(path, prepare)
    except OSError as error:
        if may_lack_files(error) or not os.path.isfile(path):  # noqa: PTH113 - a str, as everywhere here
            raise
        reason: Exception = error
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _OPEN_ERRORS:
            raise
        reason = error
    try:
        return _open_to_read(path, prepare)
    except (OSError, sqlite3.OperationalError) as error:
        raise reason from error


def _open_to_write(path: str, prepare: Prepare) -> Opened:
    """Open a file that is there or not, and know which: another may take its place while it is being opened."""
    while True:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with contextlib.suppress(FileReplacedError):
            file = identity(path, whole=False)
            return Opened(connect(path, file, prepare), file)


def _open_to_read(path: str, prepare: Prepare) -> Opened:
    """Open a file that cannot be written, as far as it can be known what is in it.

    SQLite wants to make files beside the one that it reads. Where it cannot, the file is complete if no log is there:
    a log is made before anything is written. So a file that is the same before and after was the same all the time.
    """
    name = f"file:{quote(os.fsencode(path))}?mode=ro"
    is_complete = not _log_size(path)
    before = identity(path, whole=is_complete)
    if is_complete:
        name += "&immutable=1"
    connection = _prepared(sqlite3.connect(name, uri=True, **_SETTINGS), prepare)
    return Opened(connection, before, is_writable=False, is_watched=is_complete)


def _log_size(path: str) -> int:
    try:
        return os.stat(f"{path}-wal").st_size  # noqa: PTH116 - a str, as everywhere here
    except FileNotFoundError:
        return 0


def _prepared(connection: sqlite3.Connection, prepare: Prepare) -> sqlite3.Connection:
    try:
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _patiently(use: Callable[[], object]) -> None:
    """Try until nobody else is in the way: SQLite itself does not wait where a file is just being made."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            use()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return
