"""Beside an event loop: a run in a thread of its own, that whoever awaits it can cancel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
Announce = Callable[[Callable[[], None]], None]
"""Is given what interrupts a run."""


class _Stop:
    """Interrupts a run that may not have begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0
        self._ask: Callable[[], None] | None = None

    def announce(self, ask: Callable[[], None]) -> None:
        with self._lock:
            self._ask = ask
            for _ in range(self._waiting):
                ask()

    def ask(self) -> None:
        with self._lock:
            if self._ask is None:
                self._waiting += 1
            else:
                self._ask()


async def beside(run: Callable[[Announce], T]) -> T:
    """Do `run` in a thread, and return its result; the event loop goes on meanwhile.

    Cancelled, it interrupts the run, and ends when that has ended; cancelled again, it ends the grace of the calls that
    are being made.

    Raises:
        asyncio.CancelledError: it was cancelled.
    """
    import asyncio  # noqa: PLC0415 - costs 50 ms, and programs without an event loop need none of it

    stop, outcome = _Stop(), Future[T]()

    def do() -> None:
        try:
            outcome.set_result(run(stop.announce))
        except BaseException as error:  # noqa: BLE001 - raised where the run is awaited
            outcome.set_exception(error)

    threading.Thread(target=do, name="planai-run", daemon=True).start()
    ended = asyncio.wrap_future(outcome)
    cancelled: asyncio.CancelledError | None = None
    while not ended.done():
        try:
            await asyncio.wait([ended])
        except asyncio.CancelledError as error:
            cancelled = error
            stop.ask()
    if cancelled is not None:
        raise cancelled from ended.exception()
    return ended.result()
