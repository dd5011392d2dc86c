"""Searching with regular expressions of models, some of which would never end."""

from __future__ import annotations

import re
import threading

import pytest

from planai.workspace.searching import searching


@pytest.mark.parametrize("pattern", ["b", "b+", "^x|b$", "[é-ü]{1,2}", r"\bb"])
def test_the_same_is_found_wherever_it_is_searched(pattern: str) -> None:
    lines = ["abc", "xyz", "", "b", "é\u2028b", "\udcff"]
    with searching(pattern) as search:
        for _ in range(2):
            assert search(lines) == [number for number, line in enumerate(lines) if re.search(pattern, line)]
        assert search([]) == []


def test_a_search_without_end_is_ended_and_holds_nobody_up() -> None:
    before = threading.active_count()
    with pytest.raises(re.error, match=r"longer than 0\.5 s"), searching("(a+)+b", 0.5) as search:
        search(["a" * 50])
    assert threading.active_count() <= before + 1  # the alarm, which may be ending


def test_much_can_be_searched() -> None:
    lines = ["x" * 1000] * 5000
    with searching("x+$") as search:
        assert search(lines) == list(range(5000))
