"""Waiting such that Ctrl-C ends it, at whatever moment it comes."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

LISTEN_SECONDS = 0.2
"""How long the main thread waits at a stretch: Python runs the handler of a signal between two instructions, and one
whose signal comes just before a wait would run when that is over."""


def wait_for(event: threading.Event) -> None:
    """Wait until `event` is set.

    >>> done = threading.Event()
    >>> threading.Thread(target=done.set).start()
    >>> wait_for(done)

    Raises:
        KeyboardInterrupt: or whatever else the handler of a signal raises, in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        event.wait()  # where no handler runs
        return
    while not event.wait(LISTEN_SECONDS):
        pass


def result_of(future: Future[T]) -> T:
    """Wait likewise for the result of `future`, or raise what it raises."""
    over = threading.Event()
    future.add_done_callback(lambda _: over.set())
    wait_for(over)
    return future.result()
