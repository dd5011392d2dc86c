from __future__ import annotations

import json
from pathlib import Path

import pytest

from faults.children import command_of, output_of
from faults.forks import COMMON, own_values
from faults.soundness import assert_sound
from faults.squares import Report


@pytest.mark.parametrize(("way", "count"), [("os.fork", 15), ("fork", 15), ("spawn", 3)])
def test_children_of_a_parent_that_is_writing_use_the_cache(tmp_path: Path, way: str, count: int) -> None:
    said = json.loads(output_of(command_of("forks", str(tmp_path / "cache"), way, str(count))))
    assert said["statuses"] == [0] * count
    *children, parent = [Report(**report) for report in said["reports"]]
    for number, child in enumerate(children):
        child.assert_well([*COMMON, *range(-50, 0), *own_values(number)])
        assert set(own_values(number)) <= set(child.computed)
        assert set(COMMON).isdisjoint(child.computed)
    least = -len(parent.published)
    parent.assert_well(range(least, 0))
    everything = [value for report in (*children, parent) for value in report.computed]
    assert len(everything) == len(set(everything))
    assert_sound(tmp_path / "cache", len(everything) + len(COMMON))
