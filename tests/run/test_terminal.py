"""What a run shows: failures in any case, progress on a terminal."""

import io

import pytest
from rich.console import Console

from planai import Failure, RunResult, Task
from planai.board import Board, WorkerFigures
from planai.cost import Cost
from planai.run.terminal import SHOWN_FAILURES, Progress, Reporter, _table

TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n  File "b.py", line 2, in g\nX: y\n'


class Number(Task):
    value: int = 0


def failure(number: int, trace: str = TRACE) -> Failure:
    return Failure("W", Number(value=number), LookupError("gone"), trace, (), 1)


def result(*failures: Failure, interrupted: bool = False, unfinished: int = 0) -> RunResult:
    return RunResult([], list(failures), {}, 0.1, interrupted=interrupted, unfinished=unfinished)


def reported(outcome: RunResult) -> str:
    stream = io.StringIO()
    Reporter(stream).ended(outcome)
    return stream.getvalue()


def test_a_run_without_failures_says_nothing() -> None:
    assert reported(result()) == ""


def test_a_failure_is_reported_with_the_line_that_raised() -> None:
    assert reported(result(failure(1))) == (
        'planai: W failed on Number(value=1): LookupError: gone\n        at File "b.py", line 2, in g\n'
    )


def test_a_failure_without_a_traceback_is_reported_all_the_same() -> None:
    assert "at an unknown place" in reported(result(failure(1, trace="")))


def test_many_failures_are_counted() -> None:
    text = reported(result(*(failure(number) for number in range(SHOWN_FAILURES + 2))))
    assert text.count("W failed") == SHOWN_FAILURES
    assert "and 2 more failures; see RunResult.failures" in text


def test_an_interrupted_run_says_how_much_is_left() -> None:
    assert "interrupted with 7 calls left" in reported(result(interrupted=True, unfinished=7))


def test_stopping_says_what_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter().stopping(0)
    assert capsys.readouterr().err == ""
    Reporter().stopping(3)
    assert "waiting for 3 running calls (Ctrl-C again leaves at once)" in capsys.readouterr().err


def test_what_workers_print_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter().printed("W", "[bold]hello")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("[bold]hello\n", "")


def test_the_table_has_a_row_for_each_worker_and_none_for_sinks() -> None:
    board = Board(
        {
            "Load": WorkerFigures(queued=3, completed=14, hits=9, misses=5, saved=Cost(2.25)),
            "Show": WorkerFigures(failed=6),
            "sink 1 of Show": WorkerFigures(),
        }
    )
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(_table("my graph", board))
    lines = capture.get().splitlines()
    cells = {words[1]: words for words in (line.replace("│", " │ ").split() for line in lines) if len(words) > 1}
    assert lines[0].strip() == "my graph"
    assert [word for word in cells["Load"] if word != "│"] == ["Load", "3", "14", "9", "2.2"]
    assert [word for word in cells["Show"] if word != "│"] == ["Show", "0", "0", "6"]
    assert "sink" not in capture.get()


def test_progress_prints_as_it_is_and_reports_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("my graph")
    progress.started(Board({"W": WorkerFigures()}), None)
    progress.printed("W", "[bold]hello")
    progress.ended(result(failure(1)))
    error = capsys.readouterr().err
    assert "[bold]hello" in error
    assert "W failed on Number(value=1)" in error


def test_progress_that_never_began_can_end(capsys: pytest.CaptureFixture[str]) -> None:
    Progress("my graph").ended(result(failure(1)))
    assert "W failed" in capsys.readouterr().err
