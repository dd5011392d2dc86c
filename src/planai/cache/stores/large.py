"""Large payloads: each in a file of its own, beside the database that names it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

FOLDER = "values"
"""The folder of the files, inside the cache folder; in it are folders named by two hexadecimal digits."""

ORPHANED_SECONDS = 3600.0
"""How old a file without a row has to be before it is removed: a younger one may be about to get its row."""

_LOOK_SECONDS = 1.0
_SWEPT = "swept"
_PART = ".part"
_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{32}(\.part)?")


class LargeFiles:
    """Keeps payloads as files that are there as a whole or not at all, private to their owner.

    A name is given once and never again, so that no reader of an old row can get a new payload.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self._are_there = False
        self._next_look = 0.0

    def are_there(self) -> bool:
        """Tell whether there may be files: whether somebody has made the folder, as is done before the first one.

        It is looked for once a second: a file that is forgotten meanwhile is an orphan, and swept.
        """
        if not self._are_there and time.monotonic() > self._next_look:
            self._are_there = self.folder.exists()
            self._next_look = time.monotonic() + _LOOK_SECONDS
        return self._are_there

    def write(self, number: int, payload: bytes) -> str:
        """Keep `payload`, and return the name of its file."""
        name = f"{number % 2**64:016x}-{secrets.token_hex(16)}"
        path = self.path(name)
        self._are_there = True
        part = f"{path}{_PART}"
        try:
            with _create(part) as file:
                file.write(payload)
            os.replace(part, path)  # noqa: PTH105 - `part` is no Path
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(part)  # noqa: PTH108 - `part` is no Path
            raise
        return name

    def read(self, name: str, size: int) -> bytes | None:
        """Return the payload; None where there is none of that size."""
        try:
            with open(self.path(name), "rb", buffering=0) as file:  # noqa: PTH123 - as fast as it can be
                payload = file.read(size + 1)
        except FileNotFoundError:
            return None
        return payload if len(payload) == size else None

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes; None where there is none."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Remove a file; what cannot be removed is left for the next sweep."""
        with contextlib.suppress(OSError):
            self.path(name).unlink()

    def sweep_is_due(self) -> bool:
        """Tell whether nobody has looked for orphans within `ORPHANED_SECONDS`, and note that somebody does now.

        To list 50,000 files takes 100 ms, which not every process has to spend.
        """
        mark = self.folder / _SWEPT
        with contextlib.suppress(FileNotFoundError):
            if 0 <= time.time() - mark.stat().st_mtime < ORPHANED_SECONDS:
                return False
        if not self.are_there():
            return False
        mark.touch(mode=0o600)
        return True

    def orphans(self, known: Collection[str], seen: Collection[str]) -> list[str]:
        """Return those of the files `seen` that no row names, and that no row will name, by their age."""
        latest = time.time() - ORPHANED_SECONDS
        found = []
        for name in seen:
            if name not in known:
                with contextlib.suppress(FileNotFoundError):
                    if self.path(name).stat().st_mtime < latest:
                        found.append(name)
        return found

    def names(self) -> Iterator[str]:
        """Yield the names of all files, begun ones included; files of other origin are passed over."""
        for folder in self.folders():
            with contextlib.suppress(FileNotFoundError), os.scandir(folder) as files:
                yield from (file.name for file in files if _NAME.fullmatch(file.name))

    def folders(self) -> list[Path]:
        """Return the folders that the files are in."""
        try:
            return sorted(path for path in self.folder.iterdir() if path.is_dir())
        except FileNotFoundError:
            return []

    def path(self, name: str) -> Path:
        """Return where a file is.

        Raises:
            FileNotFoundError: no file ever had such a name; a row that says so was not written by planai.
        """
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(f"{name!r} is no name of a file of the cache")
        return self.folder / name[:2] / name


def _create(path: str) -> BinaryIO:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileNotFoundError:
        for folder in (Path(path).parent.parent, Path(path).parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    return os.fdopen(descriptor, "wb")
