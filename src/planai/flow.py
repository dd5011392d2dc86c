"""Flow: logic that is written once, as a generator, and driven by a thread or by an event loop.

A flow yields what takes its time, and is sent what came of it. A step (`Blocking` or `Until`) both drivers can take;
another awaitable, such as what an ``async def`` returns, is for an event loop alone. What lies between two steps is
the same code for both.

>>> def twice(work: Callable[[], int]) -> Flow[int]:
...     first = yield Blocking(work)
...     second = yield Blocking(work)
...     return first + second
>>> go_through(twice(lambda: 3))
6
>>> import asyncio
>>> asyncio.run(go_along(twice(lambda: 3)))
6
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from planai.listening import wait_for

T = TypeVar("T")

Flow = Generator[Awaitable[Any], Any, T]
"""Yields steps, or other awaitables; returns a result."""

_THREADS = 4
"""How many blocking steps are taken at once beside event loops: such as are short, and mostly wait for one lock."""

_pools: list[ThreadPoolExecutor] = []
os.register_at_fork(after_in_child=_pools.clear)  # whose threads are not there


class Blocking:
    """Work that may block: done in this thread, or beside an event loop in another one.

    Whoever awaits it and is cancelled is so when the work is done: it is never left halfway.
    """

    __slots__ = ("_work",)

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work

    def take(self) -> Any:
        """Do it now."""
        return self._work()

    def __await__(self) -> Generator[Any, Any, Any]:
        """Do it in another thread, in the present context."""
        return self._beside().__await__()

    async def _beside(self) -> Any:
        import asyncio  # noqa: PLC0415 - costs 50 ms, and programs without async workers need none of it

        if not _pools:
            _pools.append(ThreadPoolExecutor(_THREADS, thread_name_prefix="planai-blocking"))
        done = asyncio.get_running_loop().run_in_executor(_pools[0], copy_context().run, self._outcome)
        cancelled: asyncio.CancelledError | None = None
        while not done.done():
            try:
                await asyncio.wait([done])
            except asyncio.CancelledError as error:
                cancelled = error
        result, raised = done.result()
        if cancelled is not None:
            raise cancelled from raised
        if raised is not None:
            raise raised
        return result

    def _outcome(self) -> tuple[Any, BaseException | None]:
        """Return the result, and what was raised, which has not passed through the code of a pool of threads."""
        try:
            return self._work(), None
        except BaseException as error:  # noqa: BLE001 - raised where the work is awaited
            return None, error


class Until:
    """A wait until somebody calls back, which holds the thread, but never an event loop.

    Args:
        register: takes a callback, and calls it once, from any thread, when the wait is over.
    """

    __slots__ = ("_register",)

    def __init__(self, register: Callable[[Callable[[], None]], None]) -> None:
        self._register = register

    def take(self) -> None:
        """Wait in this thread."""
        over = threading.Event()
        self._register(over.set)
        wait_for(over)

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait on the event loop."""
        import asyncio  # noqa: PLC0415 - as above

        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def end() -> None:
            if not over.done():
                over.set_result(None)

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(end)
            except RuntimeError:  # the loop is closed, and nobody waits any more
                return

        self._register(wake)
        return over.__await__()


_STEPS = (Blocking, Until)


def go_through(flow: Flow[T]) -> T:
    """Drive `flow` to its end in this thread.

    Raises:
        TypeError: it waits for something that only an event loop can wait for.
    """
    try:
        step = next(flow)
        while True:
            try:
                result = _taken(step)
            except BaseException as error:  # noqa: BLE001 - the flow's to handle
                step = flow.throw(error)
            else:
                step = flow.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def go_along(flow: Flow[T]) -> T:
    """Drive `flow` to its end on the event loop."""
    try:
        step = next(flow)
        while True:
            try:
                result = await step
            except BaseException as error:  # noqa: BLE001 - the flow's to handle
                step = flow.throw(error)
            else:
                step = flow.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def _taken(step: Awaitable[Any]) -> Any:
    if isinstance(step, _STEPS):
        return step.take()
    raise TypeError(f"{step!r} can only be awaited: write the method that waits for it as async def")
