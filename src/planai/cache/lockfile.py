"""LockFile: a file each byte of which can be locked by one process, and is free when that process dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import struct
import sys
import threading
import time
from pathlib import Path

from planai.cache.openfiles import OpenFiles

_TRUST_SECONDS = 0.25
# Of Linux, whose structure it needs; elsewhere a process's locks are all one owner's
_OWN_LOCK = getattr(fcntl, "F_OFD_SETLK", None) if sys.platform == "linux" else None
_LOCK = struct.Struct("hhqqi4x")
_open_files = OpenFiles()


class LockFile:
    """Locks names, each by a byte at an offset made of it; the file stays empty, and is made anew where it is gone.

    It is not closed while a name is reserved, which is done and undone under the lock.

    Args:
        path: the file; None for none, and locks that nobody else knows of.
        lock: held by whoever calls `reserve`, `release`, `is_free` or `close`.
    """

    def __init__(self, path: Path | None, lock: threading.Lock) -> None:
        self._path = path
        self._lock = lock
        self._held: dict[str, int] = {}
        self._file: int | None = None
        self._seen = 0.0

    def reserve(self, name: str) -> int | None:
        """Return the lock file; None where there can be none, and each process computes by itself."""
        if self._path is None:
            return None
        try:
            file = self._held[name] = self._opened(self._path)
        except OSError:
            return None
        return file

    def release(self, name: str) -> None:
        """Let the lock file be closed, as is done at once where it has been replaced by another meanwhile."""
        file = self._held.pop(name, None)
        if file is not None and file != self._file and file not in self._held.values():
            os.close(file)

    def take(self, file: int, name: str) -> bool:
        """Lock the byte of `name`; where locks do not work, each process computes by itself."""
        try:
            self._set(file, fcntl.F_WRLCK, name)
        except OSError as error:
            return error.errno not in (errno.EACCES, errno.EAGAIN)
        return True

    def give(self, name: str) -> None:
        """Free the byte of `name`."""
        file = self._held.get(name)
        if file is not None:
            try:  # noqa: SIM105 - on the way of each computation, and `suppress` takes a microsecond
                self._set(file, fcntl.F_UNLCK, name)
            except OSError:  # the folder is gone, and the lock with it
                pass

    def is_free(self, name: str) -> bool:
        """Tell whether no other process is at it; the lock is held, and this process is not."""
        file = self.reserve(name)
        if file is None:
            return True
        try:
            if not self.take(file, name):
                return False
            self.give(name)
            return True
        finally:
            self.release(name)

    def let_go(self) -> bool:
        """Close the file unless a name is reserved, and tell whether it is closed."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if not self._held:
                self.close()
            return self._file is None
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close all files, and give up what is held on them."""
        files = set(self._held.values())
        self._held.clear()
        if self._file is not None:
            files.add(self._file)
            self._file = None
            _open_files.remove(self)
        for file in files:
            os.close(file)

    def _opened(self, path: Path) -> int:
        """Return the lock file that is in the folder now, or was a moment ago."""
        now = time.monotonic()
        if self._file is not None and now - self._seen < _TRUST_SECONDS:
            return self._file
        with contextlib.suppress(OSError):
            if self._file is not None and os.path.samestat(os.fstat(self._file), os.stat(path)):  # noqa: PTH116
                self._seen = now
                return self._file
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Other locks are held on the earlier file, if there was one: closing it would free them.
        earlier, self._file = self._file, os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        self._seen = now
        if earlier is None:
            _open_files.add(self)
        elif earlier not in self._held.values():
            os.close(earlier)
        return self._file

    def _set(self, file: int, kind: int, name: str) -> None:
        if _OWN_LOCK is None:
            command = fcntl.LOCK_UN if kind == fcntl.F_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB
            fcntl.lockf(file, command, 1, _offset(name))
        else:
            fcntl.fcntl(file, _OWN_LOCK, _LOCK.pack(kind, os.SEEK_SET, _offset(name), 1, 0))


@functools.lru_cache(maxsize=256)
def _offset(name: str) -> int:
    """Return which byte of the lock file stands for `name`."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 2
