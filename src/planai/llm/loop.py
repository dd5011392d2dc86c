"""One background event loop a process, on which all model calls run, whatever thread they come from.

Asynchronous clients keep connections that belong to one loop. Driven from many threads, each with a loop of its own,
they fail; on a single loop, hundreds of calls wait side by side in one thread.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from planai.listening import result_of

T = TypeVar("T")
Closer = Callable[[], Awaitable[None]]

_SHUTDOWN_SECONDS = 5.0


class LoopThread(threading.Thread):
    """A daemon thread that runs an event loop until it is stopped.

    Attributes:
        closers: what is awaited on the loop before it ends.
    """

    def __init__(self) -> None:
        super().__init__(name="planai-models", daemon=True)
        self.loop = asyncio.new_event_loop()
        self.closers: set[Closer] = set()

    def run(self) -> None:
        """Run the loop."""
        self.loop.run_forever()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Schedule a coroutine from any thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def stop(self) -> None:
        """Cancel what runs, close what is open, and end the thread."""
        try:
            self.submit(self._finish()).result(_SHUTDOWN_SECONDS)
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.join(_SHUTDOWN_SECONDS)
        if not self.is_alive():
            self.loop.close()

    def drop(self, closer: Closer) -> None:
        """Close something from any thread, without waiting: its owner is gone."""
        self.closers.discard(closer)
        if self.is_alive() and not self.loop.is_closed():
            asyncio.run_coroutine_threadsafe(_awaited(closer), self.loop)

    async def _finish(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for closer in list(self.closers):
            await closer()
        await self.loop.shutdown_asyncgens()


async def _awaited(closer: Closer) -> None:
    await closer()


class _Current:
    """The process's loop thread, and those of parent processes."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thread: LoopThread | None = None
        self.orphans: list[LoopThread] = []

    def get(self) -> LoopThread:
        with self.lock:
            if self.thread is None:
                self.thread = LoopThread()
                self.thread.start()
            return self.thread

    def after_fork(self) -> None:
        """Leave the parent's loop alone: closing it would disturb what both processes share."""
        self.lock = threading.Lock()
        if self.thread is not None:
            self.orphans.append(self.thread)
            self.thread = None

    def shutdown(self) -> None:
        with self.lock:
            thread, self.thread = self.thread, None
        if thread is not None:
            thread.stop()


_current = _Current()
os.register_at_fork(after_in_child=_current.after_fork)
atexit.register(_current.shutdown)


def running_loop_thread() -> LoopThread:
    """Return the thread that this code runs on, which has to be the loop's."""
    thread = threading.current_thread()
    if not isinstance(thread, LoopThread):
        raise TypeError("this has to run on the event loop of the models")
    return thread


async def with_chunks(begin: Callable[[Callable[[str], Any]], asyncio.Future[T]], on_chunk: Callable[[str], Any]) -> T:
    """Await what `begin` starts, and show on this loop what it tells of while it goes on, from whatever thread.

    Args:
        begin: takes who is to be told, and starts the work.
        on_chunk: is shown each piece; what it raises ends the work.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[str | None] = asyncio.Queue()
    future = begin(lambda chunk: loop.call_soon_threadsafe(chunks.put_nowait, chunk))
    future.add_done_callback(lambda _: chunks.put_nowait(None))
    try:
        while (chunk := await chunks.get()) is not None:
            on_chunk(chunk)
        return await future
    except BaseException:
        future.cancel()
        raise


def start(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Run `coroutine` on the loop, without waiting for it."""
    return _current.get().submit(coroutine)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` on the loop, and wait for its result; when the wait is interrupted, it is cancelled."""
    future: Future[T] | None = None
    try:
        future = start(coroutine)
        return result_of(future)
    except BaseException:
        if future is not None:
            future.cancel()
        raise
