"""Verify: whether what the disk store keeps is whole and private, and how to mend what is not."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from planai.cache.stores.connecting import identity
from planai.cache.stores.damage import BESIDE, DamageError, told_of
from planai.cache.stores.database import Database
from planai.cache.stores.large import LargeFiles
from planai.cache.stores.salvage import READABLE, salvage
from planai.cache.stores.schema import from_column
from planai.cache.stores.writing import Transaction

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


def verify(path: Path, database: Database, large: LargeFiles, *, repair: bool) -> Iterator[str]:
    """Yield one sentence for each problem; where `repair` is set, mend it first.

    Args:
        path: the file of the database.
        database: the same, in use.
        large: the files beside it.
        repair: whether to mend.
    """
    yield from _modes(path, large, repair=repair)
    if path.exists():
        damage = _damage(database)
        if damage is not None:
            yield from _damaged(path, database, damage, repair=repair)
            if not repair:
                return
    with contextlib.suppress(sqlite3.DatabaseError):  # told above: of a newer layout, for one
        yield from _rows_without_file(database, large, repair=repair) if path.exists() else ()
        yield from _files_without_row(path, database, large, repair=repair)


def _modes(path: Path, large: LargeFiles, *, repair: bool) -> Iterator[str]:
    folders = [path.parent, large.folder, *large.folders()]
    files = [Path(f"{path}{ending}") for ending in BESIDE]
    wanted = [(folder, _FOLDER_MODE) for folder in folders] + [(file, _FILE_MODE) for file in files]
    for place, mode in itertools.chain(wanted, ((large.path(name), _FILE_MODE) for name in large.names())):
        try:
            found = stat.S_IMODE(place.stat().st_mode)
        except FileNotFoundError:
            continue
        if found != mode:
            if repair:
                place.chmod(mode)
            yield f"{place} has the mode {found:o} where {mode:o} keeps it private."


def _damage(database: Database) -> sqlite3.DatabaseError | str | None:
    """Return what is wrong with the database, or None."""
    try:
        database.rows(READABLE)
        found = [text for (text,) in database.rows("PRAGMA integrity_check (3)")]
    except sqlite3.DatabaseError as error:
        return error
    return None if found == ["ok"] else "; ".join(found)


def _damaged(path: Path, database: Database, damage: sqlite3.DatabaseError | str, *, repair: bool) -> Iterator[str]:
    if isinstance(damage, sqlite3.DatabaseError) and not isinstance(damage, DamageError):
        yield f"{path} cannot be read now: {damage}."
        return
    mended = database.mend(identity(str(path), whole=False), READABLE, salvage) if repair else None
    if mended is not None:
        database.open()
    if mended is not None and mended.aside is not None:
        yield f"{path} is damaged ({damage}) and {told_of(mended)}."
    else:
        yield f"{path} is damaged: {damage}."


def _rows_without_file(database: Database, large: LargeFiles, *, repair: bool) -> Iterator[str]:
    for space, key, file, size in database.rows("SELECT space, key, file, size FROM entries WHERE file IS NOT NULL"):
        found = large.size(file)
        if found == size or database.row("SELECT 1 FROM entries WHERE space = ? AND file = ?", (space, file)) is None:
            continue  # the second: put anew, or removed, since it was listed
        if repair:
            database.write(partial(_forget, space, file))
        about = "is gone" if found is None else f"has {found} bytes instead of {size}"
        yield f"The file {file} of the entry {from_column(key)!r} of {from_column(space)!r} {about}."


def _forget(space: str | bytes, file: str, transaction: Transaction) -> None:
    transaction.execute("DELETE FROM entries WHERE space = ? AND file = ?", (space, file))


def _files_without_row(path: Path, database: Database, large: LargeFiles, *, repair: bool) -> Iterator[str]:
    seen = list(large.names())
    if not seen:
        return
    rows = database.rows("SELECT file FROM entries WHERE file IS NOT NULL") if path.exists() else []
    for name in large.orphans({file for (file,) in rows}, seen):
        if repair:
            large.remove(name)
        yield f"The file {name} belongs to no entry."
