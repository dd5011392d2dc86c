"""The report's scatter plot: where points, ticks and labels go, so that no labels overlap."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from planai.demo.analysis import ModuleFacts

RADIUS = 4.0
"""The size of a dot."""

LETTER = 7.8
"""The width of a letter of a label, on the safe side."""

DWARF = 50
"""In a module of fewer lines of code, a high density means little."""

NEAR = 0
"""So many other dots may a label come near to."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of a plot, the margins around its axes, and how many labels fit."""

    width: int
    height: int
    left: int
    labels: int
    top: int = 16
    right: int = 16
    bottom: int = 46


FRAMES = {
    "wide": Frame(width=960, height=480, left=58, labels=8),
    "narrow": Frame(width=380, height=400, left=46, labels=5),
}


class Box(NamedTuple):
    """A rectangle that no other may overlap."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Tell whether the two share more than an edge."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


@dataclass(frozen=True, slots=True)
class Point:
    """A module in the plot; `title` is its tooltip."""

    x: float
    y: float
    colour: int
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A tick of an axis."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Label:
    """A module's name beside its point; `anchor` tells which part of the text is at `x`."""

    x: float
    y: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot, ready to be drawn."""

    kind: str
    frame: Frame
    points: list[Point] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    across: list[Mark] = field(default_factory=list)
    up: list[Mark] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scales:
    """The way from a module's figures to a place in a frame; the lines of code are logarithmic."""

    frame: Frame
    smallest: float
    largest: float
    densest: float

    def x(self, code_lines: float) -> float:
        """Return the horizontal place of a number of lines."""
        share = math.log(code_lines / self.smallest) / math.log(self.largest / self.smallest)
        return self.frame.left + share * (self.frame.width - self.frame.left - self.frame.right)

    def y(self, density: float) -> float:
        """Return the vertical place of a complexity per line."""
        height = self.frame.height - self.frame.top - self.frame.bottom
        return self.frame.top + (1 - density / self.densest) * height


def draw_plot(
    facts: Sequence[ModuleFacts],
    colours: Mapping[str, int],
    categories: Mapping[str, str],
    kind: Literal["wide", "narrow"],
) -> Plot:
    """Lay out complexity per line of code against lines of code; modules without code are left out."""
    shown = [module for module in facts if module.code_lines]
    frame = FRAMES[kind]
    if not shown:
        return Plot(kind, frame)
    scales = _scales(shown, frame)
    points = {
        module.name: Point(
            round(scales.x(module.code_lines), 1),
            round(scales.y(density(module)), 1),
            colours.get(module.name, 0),
            module.name,
            _title(module, categories.get(module.name)),
        )
        for module in shown
    }
    ranked = [points[module.name] for module in _remarkable(shown)]
    return Plot(
        kind,
        frame,
        points=list(points.values()),
        labels=_place_labels(ranked, frame),
        across=[Mark(scales.x(lines), 0, f"{lines:,}") for lines in _decades(scales)],
        up=[Mark(0, scales.y(value), f"{value:.2g}") for value in _steps(scales.densest)],
    )


def density(module: ModuleFacts) -> float:
    """Return a module's complexity per line of code."""
    return module.complexity_total / max(module.code_lines, 1)


def _title(module: ModuleFacts, category: str | None) -> str:
    figures = f"{module.code_lines:,} lines of code, complexity {module.complexity_total:,}"
    ending = f", {category}" if category else ""
    return f"{module.name}: {figures} ({density(module):.2f} a line){ending}"


def _scales(shown: Sequence[ModuleFacts], frame: Frame) -> Scales:
    """Choose axes that hold all modules, with some air at the ends."""
    sizes = [module.code_lines for module in shown]
    air = max(1.25, math.sqrt(12 * min(sizes) / max(sizes)))  # so that there is always more than a decade
    return Scales(frame, min(sizes) / air, max(sizes) * air, max(max(map(density, shown)) * 1.08, 0.1))


def _decades(scales: Scales) -> Iterator[int]:
    """Yield the ticks of the logarithmic axis; those between powers of ten only if there is room."""
    decades = math.log10(scales.largest / scales.smallest)
    steps = (1, 2, 5) if decades < scales.frame.width / 240 else (1,)
    for power in range(math.floor(math.log10(scales.largest)) + 1):
        yield from (n * 10**power for n in steps if scales.smallest <= n * 10**power <= scales.largest)


def _steps(densest: float) -> list[float]:
    """Return about five round numbers from 0 up to the densest module."""
    power = 10 ** math.floor(math.log10(densest / 4))
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= densest / 6)
    return [round(step * number, 6) for number in range(int(densest / step) + 1)]


def _remarkable(shown: Sequence[ModuleFacts]) -> list[ModuleFacts]:
    """Sort the modules by how far they stand out: for their size, their density, or both."""
    sizes = _above([math.log(module.code_lines) for module in shown])
    densities = _above([density(module) for module in shown])
    scores = {
        module.name: math.hypot(size, dense if module.code_lines >= DWARF else dense / 4)
        for module, size, dense in zip(shown, sizes, densities, strict=True)
    }
    return sorted(shown, key=lambda module: (-scores[module.name], module.name))


def _above(values: list[float]) -> list[float]:
    """Return by how many standard deviations each value exceeds the mean, or 0."""
    mean, spread = statistics.fmean(values), statistics.pstdev(values) or 1.0
    return [max((value - mean) / spread, 0.0) for value in values]


def _place_labels(ranked: Sequence[Point], frame: Frame) -> list[Label]:
    """Label the first points whose labels find room beside other labels, and come near hardly a point."""
    taken: list[Box] = []
    labels: list[Label] = []
    for point in ranked:
        if len(labels) == frame.labels:
            break
        free = [(label, box) for label, box in _places(point) if _is_free(box, taken, frame)]
        near = [_count_near(box, point, ranked) for _, box in free]
        if min(near, default=NEAR + 1) <= NEAR:
            label, box = free[near.index(min(near))]
            taken.append(box)
            labels.append(label)
    return labels


def _places(point: Point) -> Iterator[tuple[Label, Box]]:
    """Yield the places for a point's label, the best first: right, left, above, below, above to the left."""
    width, gap = len(point.name) * LETTER, RADIUS + 3
    for anchor, left, x, y in (
        ("start", point.x + gap, point.x + gap, point.y + 4),
        ("end", point.x - gap - width, point.x - gap, point.y + 4),
        ("middle", point.x - width / 2, point.x, point.y - gap - 1),
        ("middle", point.x - width / 2, point.x, point.y + gap + 10),
        ("end", point.x + RADIUS - width, point.x + RADIUS, point.y - gap - 1),
    ):
        yield Label(round(x, 1), round(y, 1), point.name, anchor), Box(left, y - 12, left + width, y + 4)


def _is_free(box: Box, taken: Sequence[Box], frame: Frame) -> bool:
    across = box.left >= frame.left and box.right <= frame.width
    up = box.top >= 0 and box.bottom <= frame.height - frame.bottom + RADIUS  # clear of the ticks
    return across and up and not any(box.overlaps(other) for other in taken)


def _count_near(box: Box, own: Point, points: Sequence[Point]) -> int:
    """Count the other points that a label covers, or that it could be taken for the name of."""
    wide = Box(box.left - 2 * RADIUS, box.top - 1, box.right + 2 * RADIUS, box.bottom + 1)
    return sum(
        wide.overlaps(Box(p.x - RADIUS, p.y - RADIUS, p.x + RADIUS, p.y + RADIUS)) for p in points if p is not own
    )
