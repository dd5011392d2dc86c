"""Retrying: which failed calls are tried again, and when."""

from __future__ import annotations

import pytest

from planai import Task
from planai.call import Call
from planai.errors import CacheMiss
from planai.plan import Node, Retry
from planai.provenance import ROOT
from planai.run.retrying import LONGEST_SECONDS, is_tried_again, overdue, seconds_until
from planai.wires import Sink


def node(**settings: object) -> Node:
    return Node("W", "W", Sink(Task), (Task,), retry=Retry(**settings))  # type: ignore[arg-type]


def call(attempt: int = 0, number: int = 1) -> Call:
    return Call(number, "W", (), ROOT, attempt)


@pytest.mark.parametrize(
    ("attempt", "error", "expected"),
    [
        (0, LookupError(), True),
        (1, KeyError(), True),
        (2, LookupError(), False),
        (0, ValueError(), False),
        (0, CacheMiss(), False),
    ],
)
def test_only_so_often_and_only_after_some_errors(attempt: int, error: Exception, expected: bool) -> None:
    assert is_tried_again(call(attempt), node(count=2, on=(LookupError,)), error) is expected


def test_by_default_after_any_exception_but_not_when_the_program_is_to_end() -> None:
    assert is_tried_again(call(), node(count=1), ValueError())
    assert not is_tried_again(call(), node(count=1), SystemExit())


def test_without_a_delay_there_is_no_wait() -> None:
    assert seconds_until(call(3), node(count=5)) == 0.0


def test_waits_are_doubled_spread_and_bounded() -> None:
    slow = node(count=99, delay=2.0)
    for attempt, base in ((0, 2.0), (1, 4.0), (2, 8.0), (50, LONGEST_SECONDS)):
        waits = [seconds_until(call(attempt, number), slow) for number in range(1, 200)]
        assert 0.5 * base <= min(waits) < 0.52 * base
        assert 1.48 * base < max(waits) < 1.5 * base
        assert sum(waits) / len(waits) == pytest.approx(base, rel=0.01)
        assert len(set(waits)) == len(waits)


def test_a_call_that_took_too_long_says_how_long_it_might() -> None:
    failed = overdue(call(number=7), 0.25, 0.3)
    assert (failed.call, failed.worker, failed.seconds) == (7, "W", 0.3)
    assert isinstance(failed.error, TimeoutError)
    assert str(failed.error) == "'W' took longer than its timeout of 0.25 s"
