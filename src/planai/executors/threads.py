"""The executor that performs calls in threads: as few as keep up with the work, as many as its waiting needs.

Threads that all do short things hinder each other more than they help: each time one of them reads a file, another
takes over. So one thread does what is there, one call after the other. Their number is doubled when calls have waited
for some milliseconds although the processor has time to spare, or when calls are long enough for a switch not to
matter; else it is halved. It is doubled at once each time that nothing ends for so long, since all that run are waiting
for something: sixty-four threads are there after thirty milliseconds. Where all was short up to then, it is taken for
the disk at first, which keeps everybody waiting now and then, and more threads would only be in the way afterwards.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from planai.call import Call
from planai.errors import ConfigurationError
from planai.executors.base import Perform, Post

PATIENCE_SECONDS = 0.005
"""How long a call may wait before more threads are called in: the interval at which Python switches threads."""

_LOOK_SECONDS = 0.05
"""How long to look before the number of threads is changed: a single write that waits for the disk says little."""

_SPARE = 0.5
"""Below so many processors in use, threads wait more than they work, and more of them get more done.

On a machine that is busy otherwise, a single thread that never waits may get little more than this.
"""

_LONG_SECONDS = 0.001
"""Calls that cost so much processor time are not slowed by switches between threads, which take microseconds."""

_STALL_SECONDS = 0.05
"""How long nothing may end where calls are short until more threads are called in: the disk is mostly done by then."""


class ThreadExecutor:
    """Performs calls in up to `max_workers` daemon threads, started as they are needed."""

    def __init__(self, max_workers: int = 64) -> None:
        if max_workers < 1:
            raise ConfigurationError(f"max_workers is {max_workers!r}: at least one thread is needed")
        self.capacity = max_workers
        self._calls: deque[tuple[Call, float]] = deque()
        self._lock = threading.Lock()
        self._wakeups = threading.Semaphore(0)
        self._busy = 0
        self._idle = 0
        self._target: tuple[Perform, Post] | None = None
        self._done = 0
        self._surplus = 0
        self._look = (0.0, 0.0, 0)
        self._stall = (-1, 0.0)

    @property
    def waiting(self) -> int:
        """Calls that no thread has taken."""
        return len(self._calls)

    def start(self, perform: Perform, post: Post) -> None:
        """Remember how to perform, and where to post."""
        self._target = perform, post
        self._look = (time.perf_counter(), time.process_time(), 0)

    def submit(self, call: Call) -> None:
        """Queue `call`, and see to it that at least one thread is up."""
        with self._lock:
            self._calls.append((call, time.perf_counter()))
            if not self._busy:
                self._summon()

    def nudge(self) -> None:
        """Double the threads, as far as the limit allows and calls wait for one.

        Not more at once: it may only be the disk that keeps everybody waiting.
        """
        with self._lock:
            now = time.perf_counter()
            if self._stall[0] != self._done:
                self._stall = (self._done, now + (_STALL_SECONDS if self._are_short(now) else 0.0))
            if now >= self._stall[1]:
                self._double()

    def _double(self) -> None:
        for _ in range(min(len(self._calls), max(1, self._busy))):
            self._summon()

    def discard(self) -> list[Call]:
        """Give back the calls that no thread has taken."""
        left = []
        while taken := self._take():
            left.append(taken[0])
        return left

    def cancel(self, call: int | None = None) -> None:
        """Do nothing: a thread cannot be ended from outside; the call can see that it is to end."""

    def lend(self, calls: int) -> None:
        """Let so many threads more run at once, or fewer again."""
        with self._lock:
            self.capacity += calls
            if self._calls:
                self._summon()

    def stop(self) -> None:
        """Let each thread end after its present call; those that rest keep nothing of the run until they have ended."""
        with self._lock:
            self._target = None
            for _ in range(self._idle):
                self._wakeups.release()
            self._idle = 0

    def _summon(self) -> None:
        """Wake or start one thread; the lock is held."""
        if not self._target or self._busy >= self.capacity:
            return
        if self._idle:
            self._idle -= 1
            self._wakeups.release()
        else:
            try:
                threading.Thread(target=self._work, name="planai-worker", daemon=True).start()
            except RuntimeError:  # the system has no more threads; those that there are will do
                if not self._busy:
                    raise
                return
        self._busy += 1

    def _work(self) -> None:
        while True:
            self._perform_calls()
            if not self._rest():
                return

    def _perform_calls(self) -> None:
        """Perform what there is, one call after the other, until this thread is one too many."""
        while (target := self._target) and (taken := self._take()):
            perform, post = target
            call, since = taken
            now = time.perf_counter()
            if self._calls and now - since > PATIENCE_SECONDS and now - self._look[0] > _LOOK_SECONDS:
                self._adapt()
            post(perform(call))
            self._done += 1
            if self._surplus:
                break

    def _adapt(self) -> None:
        """Double the threads where that gets more done, and let half of them rest where they only hinder each other."""
        with self._lock:
            now = time.perf_counter()
            if self._are_short(now):
                self._surplus = self._busy // 2
            else:
                self._double()
            self._look = (now, time.process_time(), self._done)

    def _are_short(self, now: float) -> bool:
        """Tell whether calls since the last look were short, and used the processor rather than wait."""
        before, cpu_before, done_before = self._look
        cpu = time.process_time() - cpu_before
        return cpu >= _SPARE * (now - before) and cpu <= _LONG_SECONDS * max(self._done - done_before, 1)

    def _take(self) -> tuple[Call, float] | None:
        try:
            return self._calls.popleft()
        except IndexError:
            return None

    def _rest(self) -> bool:
        """Wait to be summoned, and tell whether to go on."""
        with self._lock:
            if self._surplus and self._busy > 1:
                self._surplus -= 1
            elif self._calls and self._target:  # came in after the last look
                self._surplus = 0
                return True
            self._busy -= 1
            if not self._target:
                return False
            self._idle += 1
        self._wakeups.acquire()
        return self._target is not None
