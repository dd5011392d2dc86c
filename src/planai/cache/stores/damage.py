"""Damage: a file that is no whole database is set aside under another name, and what can be read of it is kept."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

BESIDE = ("", "-wal", "-shm")
"""How the names of the files end that belong together."""

_SAVED = ".saved"
_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""What says how the file is, such as ERROR for one without its tables; other errors are of the moment, as a lock is."""

Save = Callable[[str, str], int]
"""Copies what can be read of one file into a new one, and returns how many entries that has.

It goes on where it was when it was called before with the same new file.
"""


class DamageError(sqlite3.DatabaseError):
    """A file is no database, or one that is not whole.

    Attributes:
        file: what `identity` says of it.
    """

    def __init__(self, text: str, file: tuple[int, ...]) -> None:
        super().__init__(text)
        self.file = file


class Mended(NamedTuple):
    """What has become of a damaged file.

    Attributes:
        aside: where it is now; None where it has turned out to be whole, or another is in its place already.
        entries: how many of its entries the new one has.
        reason: what was wrong.
    """

    aside: Path | None = None
    entries: int = 0
    reason: str = ""


def told_of(mended: Mended) -> str:
    """Return in words what has become of a file that was set aside."""
    name = "" if mended.aside is None else mended.aside.name
    kept = f"goes on with the {mended.entries} entries that could be read" if mended.entries else "begins anew"
    return f"was moved to {name}; the cache {kept}"


def is_damage(error: BaseException) -> bool:
    """Tell whether an error may be one of the file, which looking at it will show."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, IsADirectoryError) or (code is not None and code & 0xFF in _CODES)


def raise_damage(error: BaseException, file: tuple[int, ...] | None) -> None:
    """Raise a `DamageError` in place of an error that may be one of `file`, if there was one."""
    if file is not None and is_damage(error):
        raise DamageError(str(error), file) from error


@contextlib.contextmanager
def names_locked(path: str, *, alone: bool = False) -> Iterator[None]:
    """Keep the names of a database and its log together: nobody gives them to other files meanwhile.

    SQLite opens and removes a log by its name. Who opens or closes a database shares this lock; who moves one has it
    alone. It is one of the folder, so that no file is left behind.

    Args:
        path: the file.
        alone: whether nobody else may have it. Without, it is done without where the folder cannot be locked.

    Raises:
        OSError: the folder cannot be locked, and `alone` was wanted.
    """
    folder = -1
    try:
        try:
            folder = os.open(os.path.dirname(path), os.O_RDONLY)  # noqa: PTH120 - a str, as everywhere here
            fcntl.flock(folder, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        except OSError:
            if alone:
                raise
        yield
    finally:
        if folder >= 0:
            os.close(folder)


def set_aside(path: str, readable: str, save: Save) -> Mended:
    """Give a damaged file another name, with those beside it, and put what can be read of it in its place.

    The names are locked, and no connection of this process is open. Other processes that have the file open go on with
    it until they find another in its place; what they have written meanwhile is saved last. Where this process dies,
    there is a file with all that was saved, or the damaged one, for the next process to begin again.

    Args:
        path: the file; it is looked at first, and stays where it is if it is whole.
        readable: a statement that every whole database of this kind can run.
        save: copies what can be read.

    Raises:
        OSError: it cannot be moved, or what can be read of it not be written; then it is where it was.
        sqlite3.Error: the same.
    """
    reason = _damage_of(path, readable)
    if not reason:
        return Mended()
    aside = next(new for n in itertools.count(1) if not _some_exist(new := f"{path}.damaged-{n}"))
    saved = path + _SAVED
    _remove(saved)  # of a process that died
    try:
        entries = 0 if os.path.isdir(path) else save(path, saved)  # noqa: PTH112
        for ending in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.rename(path + ending, aside + ending)  # noqa: PTH104
        if entries:
            os.link(path, aside)
            os.rename(saved, path)  # noqa: PTH104
        else:
            os.rename(path, aside)  # noqa: PTH104
    finally:
        _remove(saved)
    if entries:
        with contextlib.suppress(OSError, sqlite3.Error):
            entries = save(aside, path)
    return Mended(Path(aside), entries, reason)


def _remove(path: str) -> None:
    for ending in ("", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + ending)  # noqa: PTH108 - a str, as everywhere here


def _damage_of(path: str, readable: str) -> str:
    """Return what is wrong with a file, which takes as long as to read all of it; empty if nothing is."""
    if os.path.isdir(path):  # noqa: PTH112 - a str, as everywhere here
        return "it is a folder"
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(readable)
            found = [text for (text,) in connection.execute("PRAGMA integrity_check (3)")]
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return str(error)
    return "" if found == ["ok"] else "; ".join(found)


def _move(path: str, to: str) -> None:
    """Rename a file and its log, which goes first: one that is found beside a new file would be written into it."""
    for ending in reversed(BESIDE):
        with contextlib.suppress(FileNotFoundError):
            os.rename(path + ending, to + ending)  # noqa: PTH104


def _some_exist(path: str) -> bool:
    return any(os.path.lexists(path + ending) for ending in BESIDE)
