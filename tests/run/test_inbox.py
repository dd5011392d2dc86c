from __future__ import annotations

import threading
from queue import Empty

import pytest

from planai.events import Printed
from planai.run.inbox import Inbox

WAIT = 30.0


def said(text: str) -> Printed:
    return Printed("worker", text)


def test_events_come_out_in_the_order_in_which_they_went_in() -> None:
    inbox = Inbox(lambda: False)
    for text in "abc":
        inbox.put(said(text))
    assert len(inbox) == 3
    assert [inbox.get() for _ in range(3)] == [said("a"), said("b"), said("c")]


def test_a_time_out_without_an_event_is_told() -> None:
    with pytest.raises(Empty):
        Inbox(lambda: False).get(timeout=0.001)


def test_an_event_that_can_wait_is_found_by_the_next_look() -> None:
    inbox = Inbox(lambda: True)
    inbox.put(said("a"))
    assert inbox.get(timeout=0) == said("a")


def test_an_event_that_can_wait_wakes_nobody_and_one_that_cannot_wakes_for_both() -> None:
    waits = True
    inbox = Inbox(lambda: waits)
    heard: list[Printed] = []
    both = threading.Event()

    def read() -> None:
        for _ in range(2):
            event = inbox.get()
            assert isinstance(event, Printed)
            heard.append(event)
        both.set()

    threading.Thread(target=read, daemon=True).start()
    inbox.put(said("a"))
    assert not both.is_set()
    waits = False
    inbox.put(said("b"))
    assert both.wait(WAIT)
    assert heard == [said("a"), said("b")]


def test_no_event_of_many_threads_is_lost() -> None:
    inbox = Inbox(lambda: False)

    def write() -> None:
        for _ in range(2_000):
            inbox.put(said("x"))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(8 * 2_000):
        inbox.get(timeout=WAIT)
    assert not len(inbox)
