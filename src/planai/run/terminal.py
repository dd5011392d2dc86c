"""What a run shows on a terminal: progress while it goes on, and every failure when it ends. All on stderr."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from planai.board import Board, WorkerFigures
from planai.run.observer import Observer
from planai.run.result import Failure, RunResult

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

SHOWN_FAILURES = 5
"""How many failures are written out; the others are counted."""


_LIBRARY = str(Path(__file__).parents[1])


class Reporter(Observer):
    """Prints what workers say to stdout, and failures to stderr."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._shown = 0

    def doubted(self, graph: str, doubts: list[str], drawing: str) -> None:
        """Say what may be wrong, and show the graph."""
        for doubt in doubts:
            self._say(f"planai: graph {graph!r} runs, but {doubt}")
        self._say("".join(f"        {line}\n" for line in drawing.splitlines()).rstrip("\n"))

    def printed(self, worker: str, text: str) -> None:
        """Print `text` as it is."""
        print(text)  # noqa: T201 - TaskWorker.print

    def failed(self, failure: Failure) -> None:
        """Say what failed, and where."""
        self._shown += 1
        self._say(f"planai: {failure}\n        at {_last_line(failure.traceback)}")

    def stopping(self, running: int) -> None:
        """Say what the interrupted run waits for."""
        if running:
            self._say(f"planai: stopping; waiting for {running} running calls (Ctrl-C again leaves at once)")

    def ended(self, result: RunResult) -> None:
        """Say what failed, and whether work is left."""
        left = result.failures[self._shown :]
        for failure in left[:SHOWN_FAILURES]:
            self.failed(failure)
        hidden = len(left) - SHOWN_FAILURES
        if hidden > 0:
            self._say(f"planai: and {hidden} more failures; see RunResult.failures")
        for remark in result.remarks:
            self._say(f"planai: {remark}")
        if result.interrupted:
            self._say(
                f"planai: interrupted with {result.unfinished} calls left; "
                "what cached workers computed is kept and will be replayed"
            )

    def _say(self, text: str) -> None:
        print(text, file=self._stream or sys.stderr, flush=True)


class Progress(Reporter):
    """A `Reporter` that also draws a table of all workers, as long as the run goes on."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._live: Live | None = None
        self._lock = threading.Lock()

    def started(self, board: Board, total: int | None) -> None:
        """Begin to draw, four times a second."""
        from rich.console import Console  # noqa: PLC0415 - rich is loaded when something is drawn
        from rich.live import Live  # noqa: PLC0415

        self._live = Live(
            get_renderable=lambda: _table(self._title, board),
            console=Console(stderr=True),
            refresh_per_second=4,
            transient=True,
        )
        self._live.start()

    def printed(self, worker: str, text: str) -> None:
        """Print above the table."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)

    def ended(self, result: RunResult) -> None:
        """Take the table away, and report."""
        with self._lock:
            live, self._live = self._live, None
        if live is not None:
            live.stop()
        if result.cache.workers:
            self._say(f"planai: cache of {self._title!r}: {result.cache}")
        if result.bills:
            self._say(f"planai: models of {self._title!r}: {result.bill}")
        super().ended(result)


def _table(title: str, board: Board) -> Table:
    from rich.table import Table  # noqa: PLC0415 - rich is loaded when something is drawn

    table = Table(title=title, title_justify="left", expand=False)
    table.add_column("worker")
    for column in ("waiting", "done", "from cache", "failed", "seconds saved"):
        table.add_column(column, justify="right")
    for key, row in board.workers.items():
        if not key.startswith("sink "):
            table.add_row(key, *_cells(row))
    return table


def _cells(row: WorkerFigures) -> tuple[str, ...]:
    return (
        str(row.queued),
        str(row.completed),
        str(row.hits) if row.hits or row.misses else "",
        f"[red]{row.failed}[/red]" if row.failed else "",
        f"{row.saved.seconds:.1f}" if row.saved.seconds else "",
    )


def _last_line(traceback: str) -> str:
    """Return the place of the last frame of the user's own in a formatted traceback."""
    places = [line.strip() for line in traceback.splitlines() if line.lstrip().startswith("File ")]
    users = [place for place in places if _LIBRARY not in place]
    return next(reversed(users or places), "an unknown place")
