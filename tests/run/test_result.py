"""What came of a run."""

import dataclasses

import pytest

from planai import Failure, RunResult, Task
from planai.board import WorkerFigures
from planai.cost import Cost
from planai.provenance import INITIAL


class Number(Task):
    value: int = 0


class Long(Task):
    text: str


def failure(task: Task | None = None, error: BaseException | None = None, attempts: int = 1) -> Failure:
    return Failure("W", task or Number(value=3), error or LookupError("gone"), "", ((INITIAL, 1),), attempts)


def result(*failures: Failure, interrupted: bool = False) -> RunResult:
    total = WorkerFigures(hits=2, misses=3, saved=Cost(1.5))
    return RunResult([], list(failures), {}, 0.1, interrupted=interrupted, total=total)


def test_a_failure_reads_as_a_sentence() -> None:
    assert str(failure()) == "W failed on Number(value=3): LookupError: gone"


def test_a_failure_after_retries_says_how_often_it_was_tried() -> None:
    assert str(failure(attempts=3)) == "W failed after 3 tries on Number(value=3): LookupError: gone"


def test_an_error_without_a_text_is_its_type() -> None:
    assert str(failure(error=ValueError())).endswith(": ValueError")


def test_a_long_task_is_shortened() -> None:
    text = str(failure(Long(text="x" * 10_000)))
    assert len(text) < 200
    assert "…" in text


def test_a_run_is_ok_without_failures_and_interruption() -> None:
    assert result().ok
    assert not result(failure()).ok
    assert not result(interrupted=True).ok


def test_figures_of_the_cache_are_those_of_the_total() -> None:
    assert (result().cache_hits, result().cache_misses, result().seconds_saved) == (2, 3, 1.5)


def test_a_result_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        result().seconds = 1.0  # type: ignore[misc]
