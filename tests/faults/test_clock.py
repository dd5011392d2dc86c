from __future__ import annotations

from pathlib import Path

import pytest

from faults.children import carried_out

COUNT = 50
VALUES = range(COUNT)
HOUR = 3600.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.parametrize("clock", [-10_000 * HOUR, 10_000 * HOUR])
def test_an_answer_without_a_time_to_live_is_a_hit_whatever_the_clock_says(folder: Path, clock: float) -> None:
    carried_out(folder=folder, count=COUNT).assert_well(VALUES)
    again = carried_out(folder=folder, count=COUNT, clock=clock)
    again.assert_well(VALUES)
    assert again.hits == COUNT


@pytest.mark.parametrize(
    ("clock", "hits"),
    [
        pytest.param(0.0, COUNT, id="right"),
        pytest.param(-30.0, COUNT, id="half a minute back"),
        pytest.param(HOUR / 2, COUNT, id="half of the time to live"),
        pytest.param(HOUR + 1, 0, id="past the time to live"),
        pytest.param(10_000 * HOUR, 0, id="a year ahead"),
        pytest.param(-HOUR / 2, 0, id="half an hour back"),
        pytest.param(-10_000 * HOUR, 0, id="a year back"),
    ],
)
def test_an_answer_with_a_time_to_live_lives_as_long_as_its_age_is_known(folder: Path, clock: float, hits: int) -> None:
    carried_out(folder=folder, count=COUNT, ttl=HOUR).assert_well(VALUES)
    again = carried_out(folder=folder, count=COUNT, ttl=HOUR, clock=clock)
    again.assert_well(VALUES)
    assert again.hits == hits
    once_more = carried_out(folder=folder, count=COUNT, ttl=HOUR, clock=clock)
    once_more.assert_well(VALUES)
    assert once_more.hits == COUNT  # as what was computed again is kept with the time that it is now


@pytest.mark.parametrize(("ttl", "jump"), [(None, -HOUR), (60.0, -HOUR), (60.0, HOUR)])
def test_a_clock_that_jumps_in_the_middle_of_a_run_changes_no_output(
    folder: Path, ttl: float | None, jump: float
) -> None:
    for _ in range(2):
        carried_out(folder=folder, count=COUNT, ttl=ttl, jump=jump).assert_well(VALUES)
