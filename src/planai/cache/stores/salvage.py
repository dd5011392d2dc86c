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
    """Copy the entries of one file that can be read into a new one, and return how many that has.

    What is in the new one already, from an earlier call, is not read again.

    Args:
        damaged: a file that is no whole database.
        saved: the new one.

    Raises:
        sqlite3.Error: the new one cannot be written.
        OSError: the same.
    """
    os.close(os.open(saved, os.O_CREAT | os.O_WRONLY, 0o600))
    with contextlib.closing(sqlite3.connect(saved, isolation_level=None)) as new:
        prepare(new)
        with contextlib.closing(sqlite3.connect(damaged, isolation_level=None)) as old:
            _copy(old, new)
        return int(new.execute("SELECT COUNT(*) FROM entries").fetchone()[0])


def _copy(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    old.text_factory = lambda text: text.decode("utf-8", "replace")
    old.execute("PRAGMA writable_schema = ON")  # else none of a file can be read that was cut
    (last,) = new.execute("SELECT IFNULL(MAX(rowid), 0) FROM entries").fetchone()
    marks = ", ".join("?" * (1 + len(_KINDS)))
    insert = f"INSERT OR IGNORE INTO entries (rowid, {_COLUMNS}) VALUES ({marks})"  # noqa: S608 - constants
    new.execute("BEGIN")
    for row in _rows(old, f"SELECT rowid, {_COLUMNS} FROM entries", last + 1):  # noqa: S608 - a constant
        if _is_whole(row[1:]):
            new.execute(insert, row)
    for row in _rows(old, "SELECT rowid, space, cleared FROM spaces"):
        new.execute("INSERT OR REPLACE INTO spaces (space, cleared) VALUES (?, ?)", row[1:])
    new.execute("COMMIT")


def _rows(old: sqlite3.Connection, select: str, first: int = 0) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table that can be read, each with its rowid first.

    Where reading fails, it goes on with both halves of what is left, and so finds the way around a bad page. One row
    is asked for by itself: with others, Python has read the next before it hands out this, and fails for both.
    """
    failures = 0
    left = [(first, 2**63 - 1)]
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
