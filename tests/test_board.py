"""The board: events folded into figures."""

from planai.board import Board, WorkerFigures
from planai.cost import Cost
from planai.events import Failed, Finished, Lookup, Printed


def finished(lookup: Lookup | None = None) -> Finished:
    return Finished(1, "W", (), 1.0, lookup)


def failed() -> Failed:
    return Failed(1, "W", ValueError("x"), "", 0.5)


def board_with(calls: int) -> Board:
    board = Board({"W": WorkerFigures(), "V": WorkerFigures()})
    for _ in range(calls):
        board.queue("W")
    return board


def test_a_call_is_queued_and_then_completed() -> None:
    board = board_with(2)
    assert board.workers["W"] == WorkerFigures(queued=2)
    board.see(finished())
    assert board.workers["W"] == WorkerFigures(queued=1, completed=1, seconds=1.0)


def test_hits_and_misses_are_counted_only_where_a_cache_was_asked() -> None:
    board = board_with(3)
    board.see(finished(Lookup(hit=True, cost=Cost(9.0, 20, 0.5), waited=True)))
    board.see(finished(Lookup(hit=False, cost=Cost(2.0), reason="new input", stored=70)))
    board.see(finished())
    figures = board.workers["W"]
    assert (figures.completed, figures.hits, figures.misses, figures.saved) == (3, 1, 1, Cost(9.0, 20, 0.5))
    assert (figures.spent, figures.reasons, figures.waits, figures.stored) == (Cost(2.0), {"new input": 1}, 1, 70)


def test_a_failure_is_retried_or_final() -> None:
    board = board_with(2)
    board.see(failed(), retried=True)
    board.see(failed())
    assert board.workers["W"] == WorkerFigures(failed=1, retried=1, seconds=1.0)


def test_other_events_change_nothing() -> None:
    board = board_with(1)
    board.see(Printed("W", "hello"))
    assert board.workers["W"] == WorkerFigures(queued=1)


def test_the_total_is_the_sum_over_workers() -> None:
    board = board_with(1)
    board.queue("V")
    board.see(finished(Lookup(hit=True, cost=Cost(2.0))))
    assert board.total() == WorkerFigures(queued=1, completed=1, hits=1, seconds=1.0, saved=Cost(2.0))
    assert Board().total() == WorkerFigures()
