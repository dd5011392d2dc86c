"""Schema: the tables of the disk store, made where they are missing and beside those of an older layout."""

from __future__ import annotations

import functools
import hashlib
import itertools
import sqlite3

LAYOUT = 1
"""The number of this layout, kept in the file as its ``user_version``; files of the first layout had none."""

_TABLES = (
    """CREATE TABLE entries (
        digest INTEGER NOT NULL, space TEXT NOT NULL, key TEXT NOT NULL, stored REAL NOT NULL, used REAL NOT NULL,
        hits INTEGER NOT NULL, expires REAL, stale REAL, seconds REAL NOT NULL, tokens INTEGER NOT NULL,
        dollars REAL NOT NULL, size INTEGER NOT NULL, file TEXT, about BLOB NOT NULL, payload BLOB NOT NULL)""",
    "CREATE UNIQUE INDEX by_digest ON entries (digest)",
    "CREATE INDEX by_use ON entries (space, used, size, expires, seconds)",
    "CREATE INDEX by_expiry ON entries (expires) WHERE expires IS NOT NULL",
    "CREATE UNIQUE INDEX by_file ON entries (space, file) WHERE file IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS spaces (space TEXT PRIMARY KEY NOT NULL, cleared INTEGER NOT NULL)",
    f"PRAGMA user_version = {LAYOUT}",
)


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, in one transaction, unless they are there.

    Raises:
        sqlite3.DatabaseError: a newer planai has made the file.
    """
    if _layout(connection) == LAYOUT:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _layout(connection) < LAYOUT:  # and not made meanwhile by another process
            _put_aside(connection)
            for statement in _TABLES:
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _put_aside(connection: sqlite3.Connection) -> None:
    """Rename the table of an older layout, whose keys would never be asked for again: who only looks destroys nothing.

    Its indexes go, since their names are wanted.
    """
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
    if "entries" not in names:
        return
    indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'entries' AND sql IS NOT NULL"
    for (index,) in connection.execute(indexes).fetchall():
        connection.execute(f"DROP INDEX {_quoted(index)}")
    aside = next(name for n in itertools.count() if (name := f"entries_of_layout_{n}") not in names)
    connection.execute(f"ALTER TABLE entries RENAME TO {aside}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@functools.lru_cache(maxsize=1024)  # who looks for an entry in vain writes it next
def number_of(space: str, key: str) -> int:
    """Return the number under which a row is found: 8 bytes of a digest of both."""
    name = f"{len(space)} {space}{key}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)


def to_column(text: str) -> str | bytes:
    """Return `text` as SQLite keeps it: bytes where it holds lone surrogates, which are no text to SQLite."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def from_column(value: str | bytes) -> str:
    """Return the text that `to_column` was given."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogatepass")


def _layout(connection: sqlite3.Connection) -> int:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > LAYOUT:
        raise sqlite3.DatabaseError(
            f"the cache was made by a newer planai (its layout is {found}, and {LAYOUT} is the newest known here): "
            "upgrade planai, or use another cache folder"
        )
    return found
