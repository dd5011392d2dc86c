"""Where points, ticks and labels of the plot go."""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import pytest

from planai.demo.analysis import ModuleFacts, analyse
from planai.demo.plot import FRAMES, LETTER, Box, Label, Plot, density, draw_plot

Kind = Literal["wide", "narrow"]
SHARE = {"start": 0.0, "middle": 0.5, "end": 1.0}
kinds = pytest.mark.parametrize("kind", ["wide", "narrow"])


def box_of(label: Label) -> Box:
    width = len(label.text) * LETTER
    left = label.x - SHARE[label.anchor] * width
    return Box(left, label.y - 12, left + width, label.y + 4)


def draw(facts: list[ModuleFacts], kind: Kind = "wide") -> Plot:
    return draw_plot(facts, {}, {}, kind)


@kinds
def test_labels_do_not_overlap(facts: list[ModuleFacts], kind: Kind) -> None:
    boxes = [box_of(label) for label in draw(facts, kind).labels]
    assert len(boxes) == FRAMES[kind].labels
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]


@kinds
def test_labels_and_points_stay_inside(facts: list[ModuleFacts], kind: Kind) -> None:
    plot = draw(facts, kind)
    boxes = [box_of(label) for label in plot.labels]
    assert all(box.left >= plot.frame.left - 1 and box.right <= plot.frame.width + 1 for box in boxes)
    assert all(plot.frame.left <= point.x <= plot.frame.width for point in plot.points)
    assert all(plot.frame.top <= point.y <= plot.frame.height - plot.frame.bottom for point in plot.points)


@kinds
def test_both_axes_have_ticks(facts: list[ModuleFacts], kind: Kind) -> None:
    plot = draw(facts, kind)
    assert len(plot.across) >= 2
    assert len(plot.up) >= 3
    assert plot.up[0].text == "0"


@kinds
def test_one_module_is_a_plot(kind: Kind) -> None:
    plot = draw([analyse("only", "x = 1\n")], kind)
    assert [point.name for point in plot.points] == ["only"]
    assert len(plot.across) >= 2


def test_modules_without_code_are_left_out() -> None:
    plot = draw([analyse("empty", '"""Nothing."""\n'), analyse("full", "x = 1\n")])
    assert [point.name for point in plot.points] == ["full"]


def test_nothing_to_draw_is_an_empty_plot() -> None:
    assert draw([]) == Plot("wide", FRAMES["wide"])


def test_more_code_is_further_right_and_more_branches_further_up() -> None:
    small, large = analyse("small", "x = 1\n" * 5), analyse("large", "if x: y\n" * 50)
    one, other = draw([small, large]).points
    assert one.x < other.x
    assert one.y > other.y
    assert density(small) < density(large)


def test_a_tooltip_tells_figures_and_category() -> None:
    facts = [analyse("m", "if a: pass\n" * 2)]
    plot = draw_plot(facts, {"m": 3}, {"m": "network"}, "wide")
    assert plot.points[0].title == "m: 2 lines of code, complexity 2 (1.00 a line), network"
    assert plot.points[0].colour == 3
