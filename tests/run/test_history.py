"""History: what somebody who watches a service may ask for."""

from __future__ import annotations

import pytest

from planai import Task
from planai.call import Call
from planai.events import Failed, Finished, Output
from planai.provenance import INITIAL, ROOT
from planai.run.history import KEPT_CALLS, KEPT_SECONDS, History
from planai.task import Lineage, set_lineage


def call(number: int, step: int = 1) -> Call:
    node = ROOT.child(INITIAL, step)
    return Call(number, "W", (set_lineage(Task(), Lineage(node)),), node)


def test_the_last_calls_are_kept() -> None:
    history = History()
    for number in range(2000):
        history.note(call(number), Finished(number, "W", (), float(number)))
    assert [past.call.id for past in history.completed] == list(range(2000 - KEPT_CALLS, 2000))
    assert list(history.seconds["W"]) == [float(number) for number in range(2000 - KEPT_SECONDS, 2000)]
    assert history.traces == {}


def test_what_failed_has_not_been_completed() -> None:
    history = History()
    history.note(call(1), Failed(1, "W", LookupError("x"), "", 0.5))
    assert (list(history.completed), list(history.seconds["W"])) == ([], [0.5])
    [past] = history.failed
    assert past.ended - past.began == pytest.approx(0.5)


def test_a_trace_has_what_happens_below_its_step_only() -> None:
    history, prefix = History(), ((INITIAL, 2),)
    history.traces[prefix] = []
    history.note(call(1, step=1), Finished(1, "W", (), 0.0))
    history.note(call(2, step=2), Finished(2, "W", (Output(Task(), (), None),), 0.0))
    history.note(call(3, step=2), Failed(3, "W", LookupError("x"), "", 0.0))
    history.note(call(4, step=2)._replace(notice=True), Finished(4, "W", (), 0.0))
    lines = history.traces[prefix]
    assert [(line["action"], line["published"]) for line in lines] == [
        ("completed", ["Task"]),
        ("failed", []),
        ("notified", []),
    ]
    assert lines[0]["provenance"] == ((INITIAL, 2),)
