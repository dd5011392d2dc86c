"""Alarms: events that are due later."""

from __future__ import annotations

import math

from planai.events import Woken
from planai.run.alarms import Alarms


def test_without_alarms_nothing_is_ever_due() -> None:
    alarms = Alarms()
    assert not alarms.waiting
    assert (alarms.seconds_left(), alarms.ring()) == (math.inf, None)


def test_what_is_due_rings_in_its_order_and_once() -> None:
    alarms = Alarms()
    for number, seconds in ((1, 0.0), (2, -1.0), (3, 0.0), (4, 1000.0)):
        alarms.add(Woken(number), seconds)
    assert [alarms.ring() for _ in range(4)] == [Woken(2), Woken(1), Woken(3), None]
    assert alarms.waiting
    assert 990.0 < alarms.seconds_left() <= 1000.0
