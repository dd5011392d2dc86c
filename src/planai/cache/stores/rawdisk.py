"""RawCache and RawDisk: how diskcache keeps bytes and numbers, and nothing that could be made to run code.

The serializers that diskcache brings unpickle what they find, the one for JSON included: whoever can write to the
folder could run code in the process that reads it. Here pickles are neither written nor read.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

from diskcache.core import DBNAME, MODE_BINARY, MODE_RAW, UNKNOWN, Cache, Disk

_FILENAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}\.val")
_TRIES = 10


class RawCache(Cache):  # type: ignore[misc,unused-ignore]  # diskcache has no types
    """A cache whose threads take turns with one connection, so that whoever closes it leaves none open.

    diskcache has a connection for each thread, which nobody can close but this thread, and this only while it runs.
    """

    _shared: sqlite3.Connection | None = None

    def __init__(self, *args: Any, **settings: Any) -> None:
        try:
            super().__init__(*args, **settings)
        except BaseException:
            self.close()
            raise

    @property
    def _con(self) -> sqlite3.Connection:  # the place where diskcache itself connects
        if self._shared is None:
            path = Path(self.directory, DBNAME)
            self._shared = sqlite3.connect(path, timeout=self.timeout, isolation_level=None, check_same_thread=False)
            with contextlib.suppress(sqlite3.OperationalError):  # there are no settings before there are tables
                for key, value in self._shared.execute("SELECT key, value FROM Settings").fetchall():
                    if isinstance(key, str) and key.startswith("sqlite_"):
                        self.reset(key, value, update=False)
        return self._shared

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        connection, self._shared = self._shared, None
        if connection is not None:
            connection.close()


class RawDisk(Disk):  # type: ignore[misc,unused-ignore]  # diskcache has no types
    """Writes keys of bytes and values of bytes and int; what is anything else in the folder counts as absent."""

    def put(self, key: bytes) -> tuple[Any, bool]:
        """Return the key as it is looked for."""
        if not isinstance(key, bytes):
            raise TypeError(f"a key is bytes, and not {type(key).__name__!r}")
        return sqlite3.Binary(key), True

    def get(self, key: Any, raw: bool) -> bytes | None:
        """Return a key that was found; None for one that `put` has not made."""
        return bytes(key) if raw and isinstance(key, bytes | memoryview) else None

    def store(self, value: bytes | int, read: bool, key: Any = UNKNOWN) -> tuple[int, int, str | None, Any]:
        """Return size, mode, filename and value of a row, and write the file where the value is large."""
        if read or not isinstance(value, bytes | int):
            raise TypeError(f"a value is bytes or int, and not {type(value).__name__!r}")
        if isinstance(value, int) or len(value) < self.min_file_size:
            return 0, MODE_RAW, None, value
        name, path = self.filename(key, value)
        with os.fdopen(_create(Path(path)), "wb") as file:
            file.write(value)
        return len(value), MODE_BINARY, name, None

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        """Return the value of a row.

        Raises:
            OSError: the row is none that `store` has made, or its file is gone; diskcache takes that as absent.
        """
        if mode == MODE_RAW and isinstance(value, bytes | int):
            return value
        if mode == MODE_BINARY and not read and _is_own(filename):
            return Path(self._directory, str(filename)).read_bytes()
        raise OSError(f"diskcache has a value of the mode {mode!r}, which planai does not write, and does not read")

    def remove(self, file_path: str) -> None:
        """Remove a file of this cache, and of no other folder."""
        if _is_own(file_path):
            super().remove(file_path)


def _is_own(filename: Any) -> bool:
    return isinstance(filename, str) and _FILENAME.fullmatch(filename) is not None


def _create(path: Path) -> int:
    """Make a file in its two folders, which another process may just be removing because they are empty."""
    for left in reversed(range(_TRIES)):
        for folder in (path.parent.parent, path.parent):
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
            except FileNotFoundError:
                break
        try:
            return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileNotFoundError:
            if not left:
                raise
    raise AssertionError("the last try returns or raises")
