"""Observer: whoever watches a run and shows it to a person."""

from __future__ import annotations

from planai.board import Board
from planai.run.result import Failure, RunResult


class Observer:
    """Watches a run; this one does not look. A screen overrides what it needs."""

    def doubted(self, graph: str, doubts: list[str], drawing: str) -> None:
        """Something in the wiring of `graph` is seldom meant; it will run."""

    def started(self, board: Board, total: int | None) -> None:
        """The run begins; `board` changes while it goes on, `total` is the number of initial tasks if known."""

    def printed(self, worker: str, text: str) -> None:
        """A worker has something to say."""

    def failed(self, failure: Failure) -> None:
        """A call has failed for good in a run that serves, whose end nobody waits for."""

    def stopping(self, running: int) -> None:
        """The run was interrupted and waits for `running` calls."""

    def ended(self, result: RunResult) -> None:
        """The run is over."""
