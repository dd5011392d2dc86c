"""The event loop on which all async workers of a process run, whatever graph and run they belong to.

What async clients keep, such as their connections, belongs to one loop: so it is the same one in each run. While its
thread is held by somebody who blocks it, such as an async worker that calls ``graph.run``, another one takes over.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from planai.listening import wait_for

T = TypeVar("T")

GRACE_SECONDS = 10.0
"""How long what was cancelled may take to end."""


class LoopThread(threading.Thread):
    """A daemon thread that runs an event loop until the process ends.

    Attributes:
        loop: the event loop.
        held: by how many is the thread held up, so that the loop stands still.
    """

    def __init__(self) -> None:
        import asyncio  # noqa: PLC0415 - costs 50 ms, and programs without async workers need none of it

        super().__init__(name="planai-loop", daemon=True)
        self.loop = asyncio.new_event_loop()
        self.held = 0
        self._ends = False

    def run(self) -> None:
        """Run the loop; `SystemExit` in a task of the user's falls through it, and concerns that task alone."""
        while not self._ends:
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                self.loop.run_forever()

    def wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the loop, and wait for its result; when the wait is interrupted, it is cancelled."""
        import asyncio  # noqa: PLC0415 - as above

        over = threading.Event()
        begun: list[asyncio.Task[Any] | None] = []
        given_up: list[bool] = []

        async def note_its_end() -> T:
            begun.append(asyncio.current_task())
            try:
                if given_up:
                    coroutine.close()
                    raise asyncio.CancelledError
                return await coroutine
            finally:
                over.set()

        def cancel() -> None:
            given_up.append(True)
            for task in begun:
                if task is not None:
                    task.cancel()

        try:  # an interrupt may come as soon as the loop knows of the coroutine
            future = asyncio.run_coroutine_threadsafe(note_its_end(), self.loop)
            future.add_done_callback(lambda _: over.set())  # also where it did not even begin
            wait_for(over)
            return future.result()
        except BaseException:
            if not over.is_set():
                self.loop.call_soon_threadsafe(cancel)
                over.wait(GRACE_SECONDS)
            raise

    def end(self) -> None:
        """Cancel what runs, and end the thread; one that is blocked is left behind."""
        import asyncio  # noqa: PLC0415 - as above

        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._cancel_all(), self.loop).result(GRACE_SECONDS)
        self._ends = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.join(GRACE_SECONDS)
        if not self.is_alive():
            self.loop.close()

    async def _cancel_all(self) -> None:
        import asyncio  # noqa: PLC0415 - as above

        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE_SECONDS)
        await self.loop.shutdown_asyncgens()


class _Loops:
    """The loop threads of this process, and those that a parent process has left in its memory."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads: list[LoopThread] = []
        self.orphans: list[LoopThread] = []

    def free(self) -> LoopThread:
        with self.lock:
            for thread in self.threads:
                if not thread.held:
                    return thread
            thread = LoopThread()
            thread.start()
            self.threads.append(thread)
            return thread

    def after_fork(self) -> None:
        """Leave the parent's loops alone: closing them would disturb what both processes share."""
        self.lock = threading.Lock()
        self.orphans += self.threads
        self.threads = []

    def end(self) -> None:
        with self.lock:
            threads, self.threads = self.threads, []
        for thread in threads:
            thread.end()


_loops = _Loops()
os.register_at_fork(after_in_child=_loops.after_fork)
atexit.register(_loops.end)


def shared_loop() -> LoopThread:
    """Return the thread whose loop async workers use now; it is started when it is first needed."""
    return _loops.free()


@contextlib.contextmanager
def holding_up() -> Iterator[None]:
    """Let another loop take over meanwhile, if this thread runs one."""
    thread = threading.current_thread()
    if not isinstance(thread, LoopThread):
        yield
        return
    thread.held += 1
    try:
        yield
    finally:
        thread.held -= 1
