"""Flights: of all that ask for the same answer at once, in this process or another, one computes it.

Within a process a table tells who is at it. Between processes a byte of a lock file does, at an offset made of the
key: the system frees it when its owner dies, however that happens. Who finds an answer being computed is called when
that is over, and holds no thread meanwhile. Where nothing is stored, it is told then what was left for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from planai.cache.leavings import Leavings, Reference
from planai.cache.lockfile import LockFile
from planai.listening import wait_for

LOCK_FILE = "planai.lock"
"""The name of the lock file in the cache folder; it stays empty."""

_POLL_SECONDS = 0.02
Callback = Callable[[], None]


class Flights:
    """Who computes what in one cache folder; without a folder, in this process alone."""

    def __init__(self, folder: str | Path | None) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[tuple[Callback, Reference | None]]] = {}
        self._leavings = Leavings()
        self._foreign: dict[str, list[Callback]] = {}
        self._watches = False
        self._file = LockFile(None if folder is None else Path(folder) / LOCK_FILE, self._lock)

    def begin(self, name: str) -> bool:
        """Become the one who computes `name`, and tell whether that was possible. Then `end` has to follow."""
        begun = False
        try:
            with self._lock:
                if name in self._waiting:
                    return False
                self._waiting[name] = []
                begun = True
                file = self._file.reserve(name)
            if file is None or self._file.take(file, name):
                return True
        except BaseException:  # Ctrl-C; whoever asks next must not wait for this
            if begun:
                self.end(name)
            raise
        with self._lock:  # another process is at it: whoever came to wait for us now waits for that process
            self._file.release(name)
            waiting = self._waiting.pop(name)
            if waiting:
                self._watch(name, [callback for callback, _ in waiting])
        return False

    def end(self, name: str, left: Any = None) -> None:
        """Say that computing `name` is over, with or without an answer; `left` is for those in this process who wait.

        Each of them may `take` it once.
        """
        try:
            self._file.give(name)
        finally:
            with self._lock:
                self._file.release(name)
                waiting = self._waiting.pop(name, [])
        if left is not None:
            for _, waiter in waiting:
                self._leavings.leave(name, waiter, left)
        for callback, _ in waiting:
            callback()

    def is_awaited(self, name: str) -> bool:
        """Tell whether somebody in this process waits for `name`."""
        return bool(self._waiting.get(name))

    def take(self, name: str, waiter: object) -> Any:
        """Return what is left for one who has waited for `name`; None for nothing."""
        return self._leavings.take(name, waiter)

    def when_over(self, name: str, callback: Callback, waiter: Reference | None = None) -> None:
        """Call `callback` once, from any thread, when nobody computes `name` any more; at once if nobody does.

        Args:
            name: of what is computed.
            callback: what to call.
            waiter: who waits: an answer is left for it as long as it exists; for None, none is.
        """
        with self._lock:
            if name in self._waiting:
                self._waiting[name].append((callback, waiter))
                return
            if not self._file.is_free(name):
                self._watch(name, [callback])
                return
        callback()

    def wait(self, name: str) -> None:
        """Wait until nobody computes `name` any more."""
        over = threading.Event()
        self.when_over(name, over.set)
        wait_for(over)

    def before_fork(self) -> None:
        """Hold the lock, so that nobody else does in the child."""
        self._lock.acquire()

    def after_fork(self, *, is_child: bool) -> None:
        """Release the lock; what the parent computes is none of the child's business."""
        if is_child:
            self._waiting.clear()
            self._leavings.clear()
            self._foreign.clear()
            self._watches = False
            self._file.close()
        self._lock.release()

    def __del__(self) -> None:
        self._file.close()

    # ---- other processes

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
                over = [name for name in self._foreign if name in self._waiting or self._file.is_free(name)]
                callbacks = [callback for name in over for callback in self._foreign.pop(name)]
                if not self._foreign:
                    self._watches = False
            for callback in callbacks:
                callback()
            if not self._watches:
                return
