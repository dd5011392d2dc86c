"""Salvage: copies what can be read of a damaged file of the disk store into a new one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from typing import Any

from planai.cache.stores.schema import from_column, number_of, prepare

READABLE = "SELECT digest, file, about, payload, cleared FROM entries, spaces LIMIT 0"
"""What every whole database of the disk store can run."""

_MOST_FAILURES = 50_000
"""How many times in a row reading may fail before the rest is given up: half a second of it."""

_COLUMNS = """digest, space, key, stored, used, hits, expires, stale, seconds, tokens, dollars, size, file, about,
    payload"""
_TEXT, _NUMBER, _MAYBE = (str, bytes), (int, float), (int, float, type(None))
_KINDS: tuple[tuple[type, ...], ...] = (
    *((int,), _TEXT, _TEXT, _NUMBER, _NUMBER, (int,), _MAYBE, _MAYBE, _NUMBER, (int,), _NUMBER, (int,)),
    *((str, type(None)), (bytes,), (bytes,)),
)


def salvage(damaged: str, saved: str) -> int:
    """Copy the entries of one file that can be read into a new one, and return how many; 0 where there is no new one.

    Args:
        damaged: a file that is no whole database; nobody writes it meanwhile.
        saved: the new one; there is none as yet.

    Raises:
        sqlite3.Error: the new one cannot be written.
        OSError: the same.
    """
    count = 0
    try:
        os.close(os.open(saved, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(sqlite3.connect(saved, isolation_level=None)) as new:
            prepare(new)
            with contextlib.closing(sqlite3.connect(damaged, isolation_level=None)) as old:
                old.text_factory = lambda text: text.decode("utf-8", "replace")
                old.execute("PRAGMA writable_schema = ON")  # else none of a file can be read that was cut
                new.execute("BEGIN")
                for row in _rows(old, f"SELECT rowid, {_COLUMNS} FROM entries"):  # noqa: S608 - a constant
                    if _is_whole(row[1:]):
                        marks = ", ".join("?" * len(_KINDS))
                        sql = f"INSERT OR IGNORE INTO entries ({_COLUMNS}) VALUES ({marks})"  # noqa: S608 - constants
                        count += new.execute(sql, row[1:]).rowcount
                for row in _rows(old, "SELECT rowid, space, cleared FROM spaces"):
                    new.execute("INSERT OR IGNORE INTO spaces (space, cleared) VALUES (?, ?)", row[1:])
                new.execute("COMMIT")
    except BaseException:
        _remove(saved)
        raise
    if not count:
        _remove(saved)
    return count


def _rows(old: sqlite3.Connection, select: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table that can be read, each with its rowid first.

    Where reading fails, it goes on with both halves of what is left, and so finds the way around a bad page. One row
    is asked for by itself: with others, Python has read the next before it hands out this, and fails for both.
    """
    failures = 0
    left = [(0, 2**63 - 1)]
    while left and failures < _MOST_FAILURES:
        first, last = left.pop()
        try:
            wanted = "= ? AND rowid = ?" if first == last else "BETWEEN ? AND ? ORDER BY rowid"
            for row in old.execute(f"{select} WHERE rowid {wanted}", (first, last)):
                if row[0] < first:  # pages that lead in a circle
                    break
                yield row
                first, failures = row[0] + 1, 0
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:  # no database, or without this table
                return
            failures += 1
            if first < last:
                middle = (first + last) // 2
                left += [(middle + 1, last), (first, middle)]


def _is_whole(row: tuple[Any, ...]) -> bool:
    """Tell whether a row is one that the store has written: of its kinds, and at the digest of what it says."""
    if not all(isinstance(value, kinds) for value, kinds in zip(row, _KINDS, strict=True)):
        return False
    number, space, key, cost, size, file, payload = row[0], row[1], row[2], row[8:11], row[11], row[12], row[14]
    if min(cost) < 0 or (file is None and len(payload) != size):
        return False
    try:
        return bool(number_of(from_column(space), from_column(key)) == number)
    except UnicodeDecodeError:
        return False


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - a str, as everywhere here
