"""Flights: of all that ask for the same answer at once, in this process or another, one computes it.

Within a process a table tells who is at it. Between processes a byte of a lock file does, at an offset made of the
key: the system frees it when its owner dies, however that happens. Who finds an answer being computed is called when
that is over, and holds no thread meanwhile. Where nothing is stored, it is told then what was left for it.
"""

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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from planai.cache.openfiles import OpenFiles
from planai.listening import wait_for

LOCK_FILE = "planai.lock"
"""The name of the lock file in the cache folder; it stays empty."""

_POLL_SECONDS = 0.02
_TRUST_SECONDS = 0.25
# Of Linux, whose structure it needs; elsewhere a process's locks are all one owner's
_OWN_LOCK = getattr(fcntl, "F_OFD_SETLK", None) if sys.platform == "linux" else None
_LOCK = struct.Struct("hhqqi4x")
_open_files = OpenFiles()
Callback = Callable[[], None]


class Flights:
    """Who computes what in one cache folder; without a folder, in this process alone."""

    def __init__(self, folder: str | Path | None) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Callback]] = {}
        self._left: dict[str, tuple[Any, int]] = {}
        self._foreign: dict[str, list[Callback]] = {}
        self._held: dict[str, int] = {}
        self._watches = False
        self._file: int | None = None
        self._seen = 0.0
        self._path = None if folder is None else Path(folder) / LOCK_FILE

    def begin(self, name: str) -> bool:
        """Become the one who computes `name`, and tell whether that was possible. Then `end` has to follow."""
        begun = False
        try:
            with self._lock:
                if name in self._waiting:
                    return False
                self._waiting[name] = []
                self._left.pop(name, None)  # which somebody has not come for
                begun = True
                file = self._reserve(name)
            if file is None or self._take(file, name):
                return True
        except BaseException:  # Ctrl-C; whoever asks next must not wait for this
            if begun:
                self.end(name)
            raise
        with self._lock:  # another process is at it: whoever came to wait for us now waits for that process
            self._release(name)
            callbacks = self._waiting.pop(name)
            if callbacks:
                self._watch(name, callbacks)
        return False

    def end(self, name: str, left: Any = None) -> None:
        """Say that computing `name` is over, with or without an answer; `left` is for those in this process who wait.

        Each of them may `take` it once.
        """
        try:
            self._give(name)
        finally:
            with self._lock:
                self._release(name)
                callbacks = self._waiting.pop(name, [])
                if left is not None and callbacks:
                    self._left[name] = (left, len(callbacks))
        for callback in callbacks:
            callback()

    def is_awaited(self, name: str) -> bool:
        """Tell whether somebody in this process waits for `name`."""
        return bool(self._waiting.get(name))

    def take(self, name: str) -> Any:
        """Return what is left for one who has waited for `name`; None for nothing."""
        with self._lock:
            left, waited = self._left.pop(name, (None, 0))
            if waited > 1:
                self._left[name] = (left, waited - 1)
        return left

    def when_over(self, name: str, callback: Callback) -> None:
        """Call `callback` once, from any thread, when nobody computes `name` any more; at once if nobody does."""
        with self._lock:
            if name in self._waiting:
                self._waiting[name].append(callback)
                return
            if not self._is_free(name):
                self._watch(name, [callback])
                return
        callback()

    def wait(self, name: str) -> None:
        """Wait until nobody computes `name` any more."""
        over = threading.Event()
        self.when_over(name, over.set)
        wait_for(over)

    def let_go(self) -> bool:
        """Close the lock file unless a lock is held on it, and tell whether it is closed."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if not self._held:
                self._close()
            return self._file is None
        finally:
            self._lock.release()

    def before_fork(self) -> None:
        """Hold the lock, so that nobody else does in the child."""
        self._lock.acquire()

    def after_fork(self, *, is_child: bool) -> None:
        """Release the lock; what the parent computes is none of the child's business."""
        if is_child:
            self._waiting.clear()
            self._left.clear()
            self._foreign.clear()
            self._watches = False
            self._close()
        self._lock.release()

    def __del__(self) -> None:
        self._close()

    # ---- other processes: a file is not closed while `_held` names it, which has been changed under the lock

    def _reserve(self, name: str) -> int | None:
        """Return the lock file; None where there can be none, and each process computes by itself."""
        if self._path is None:
            return None
        try:
            file = self._held[name] = self._opened(self._path)
        except OSError:
            return None
        return file

    def _release(self, name: str) -> None:
        """Let the lock file be closed, as is done at once where it has been replaced by another meanwhile."""
        file = self._held.pop(name, None)
        if file is not None and file != self._file and file not in self._held.values():
            os.close(file)

    def _take(self, file: int, name: str) -> bool:
        """Lock the byte of `name`; where locks do not work, each process computes by itself."""
        try:
            self._set(file, fcntl.F_WRLCK, name)
        except OSError as error:
            return error.errno not in (errno.EACCES, errno.EAGAIN)
        return True

    def _give(self, name: str) -> None:
        file = self._held.get(name)
        if file is not None:
            try:  # noqa: SIM105 - on the way of each computation, and `suppress` takes a microsecond
                self._set(file, fcntl.F_UNLCK, name)
            except OSError:  # the folder is gone, and the lock with it
                pass

    def _is_free(self, name: str) -> bool:
        """Tell whether no other process is at it; the lock is held, and this process is not."""
        file = self._reserve(name)
        if file is None:
            return True
        try:
            if not self._take(file, name):
                return False
            self._give(name)
            return True
        finally:
            self._release(name)

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

    def _close(self) -> None:
        """Close all files, and give up what is held on them."""
        files = set(self._held.values())
        self._held.clear()
        if self._file is not None:
            files.add(self._file)
            self._file = None
            _open_files.remove(self)
        for file in files:
            os.close(file)

    def _set(self, file: int, kind: int, name: str) -> None:
        if _OWN_LOCK is None:
            command = fcntl.LOCK_UN if kind == fcntl.F_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB
            fcntl.lockf(file, command, 1, _offset(name))
        else:
            fcntl.fcntl(file, _OWN_LOCK, _LOCK.pack(kind, os.SEEK_SET, _offset(name), 1, 0))

    def _watch(self, name: str, callbacks: list[Callback]) -> None:
        """Look every now and then whether another process is done; the lock is held."""
        self._foreign.setdefault(name, []).extend(callbacks)
        if not self._watches:
            threading.Thread(target=self._look, name="planai-flights", daemon=True).start()
            self._watches = True

    def _look(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(_POLL_SECONDS)
            with self._lock:
                over = [name for name in self._foreign if name in self._waiting or self._is_free(name)]
                callbacks = [callback for name in over for callback in self._foreign.pop(name)]
                if not self._foreign:
                    self._watches = False
            for callback in callbacks:
                callback()
            if not self._watches:
                return


@functools.lru_cache(maxsize=256)
def _offset(name: str) -> int:
    """Return which byte of the lock file stands for `name`."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 2
