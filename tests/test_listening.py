"""Waiting such that Ctrl-C ends it."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from planai.listening import LISTEN_SECONDS, result_of, wait_for
from waiting import WAIT


class Third(threading.Event):
    """Is set when it is waited for a third time; tells for how long it was."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        if len(self.asked) == 3 or timeout is None:
            self.set()
        return super().wait(0)


def test_the_main_thread_waits_in_short_stretches_between_which_handlers_run() -> None:
    event = Third()
    wait_for(event)
    assert event.asked == [LISTEN_SECONDS] * 3


def test_other_threads_get_no_signals_and_sleep_on() -> None:
    event = Third()
    thread = threading.Thread(target=wait_for, args=(event,))
    thread.start()
    thread.join(WAIT)
    assert event.asked == [None]


def test_a_result_is_waited_for_and_so_is_an_error() -> None:
    future: Future[int] = Future()
    threading.Thread(target=future.set_result, args=(1,)).start()
    assert result_of(future) == 1
    future = Future()
    future.set_exception(TimeoutError("its own"))
    with pytest.raises(TimeoutError, match="its own"):
        result_of(future)
