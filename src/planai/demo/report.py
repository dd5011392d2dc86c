"""The demo's report: one self-contained HTML page, and a short table for the terminal."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from planai.demo.alike import LookAlike
from planai.demo.analysis import ModuleFacts
from planai.demo.plot import draw_plot

ROWS = 15
"""So many rows has each table of the page."""

COLOURS = 7
"""So many categories have a colour of their own, the largest ones; the rest is grey, with the number 7."""

UNSORTED = "not classified"
"""What the report calls a module without a category, if others have one."""

_BREAKS = re.compile(r"(?<=\.)|(?<=[^\W_]_)(?=[^\W_])")

NOTHING = "\N{EN DASH}"
"""What stands in a cell that would be empty."""


@dataclass(frozen=True, slots=True)
class RunFigures:
    """The figures of the run that made the report.

    Attributes:
        modules: how many modules were analysed.
        classified: how many of them a model was asked about.
        seconds: how long the run took.
        cache_hits: calls that the cache answered.
        cache_misses: calls that had to compute.
        seconds_saved: how long the hits took to compute at first.
        model: the model's name, if there was one.
        python: the version of Python whose library was read.
    """

    modules: int
    classified: int
    seconds: float
    cache_hits: int
    cache_misses: int
    seconds_saved: float
    model: str | None
    python: str


@dataclass(frozen=True, slots=True)
class CategoryFigures:
    """One row of the legend: a category, its colour, and what its modules come to."""

    name: str
    colour: int
    modules: int
    code_lines: int
    density: float
    documented: float


def render_html(facts: list[ModuleFacts], categories: dict[str, str], run: RunFigures) -> str:
    """Write the page: a headline, a plot, three tables, and the run's figures.

    Args:
        facts: the modules, in any order.
        categories: for a module's name its category; modules may be missing, and it may be empty.
        run: what the footer tells.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=_number, percent=_percent, duration=_duration, plural=_plural, name=_name)
    source = Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(_context(facts, categories, run))


def render_table(facts: list[ModuleFacts], categories: dict[str, str], top: int = 12) -> Table:
    """Make a table of the `top` hardest modules for the terminal."""
    table = Table(
        title=_headline(facts),
        caption="Lines of code; McCabe's complexity; public names without a docstring; the function with most branches",
        title_justify="left",
        caption_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
    )
    table.add_column("Module", style="cyan", overflow="fold")
    if categories:
        table.add_column("Category")
    for heading in ("Lines", "Branches", "Bare"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Hardest function", overflow="fold")
    for module in _hardest(facts)[:top]:
        table.add_row(*(Text(cell) for cell in _cells(module, categories)))
    return table


def _cells(module: ModuleFacts, categories: dict[str, str]) -> list[str]:
    return [
        module.name,
        *([categories.get(module.name, NOTHING)] if categories else []),
        _number(module.code_lines),
        _number(module.complexity_total),
        f"{len(module.undocumented)}/{module.public}",
        f"{module.most_complex} ({module.complexity_max})" if module.most_complex else NOTHING,
    ]


def _context(facts: list[ModuleFacts], categories: dict[str, str], run: RunFigures) -> dict[str, Any]:
    """Gather all that the template shows."""
    known = {module.name: categories.get(module.name, UNSORTED) for module in facts} if categories else {}
    groups = _groups(facts, known)
    colour_of = {group.name: group.colour for group in groups}
    colours = {name: colour_of[category] for name, category in known.items()}
    return {
        "headline": _headline(facts),
        "facts": facts,
        "run": run,
        "categories": known,
        "colours": colours,
        "groups": groups,
        "plots": [draw_plot(facts, colours, known, size) for size in ("wide", "narrow")],
        "hardest": _hardest(facts)[:ROWS],
        "hardest_function": max(facts, key=lambda module: module.complexity_max, default=None),
        "undocumented": _undocumented(facts)[:ROWS],
        "look_alikes": _look_alikes(facts)[:ROWS],
        "totals": _totals(facts),
    }


def _headline(facts: Sequence[ModuleFacts]) -> str:
    """Say in one sentence where the difficulty sits."""
    total = sum(module.complexity_total for module in facts)
    if not facts:
        return "No modules were analysed"
    if len(facts) == 1:
        return f"{facts[0].name} has {_plural(facts[0].code_lines, 'line')} of code and {_branches(total)}"
    if not total:
        return f"{len(facts)} modules, and not a single branch in them"
    sizes = sorted((module.complexity_total for module in facts), reverse=True)
    half = next(count for count in range(1, len(sizes) + 1) if sum(sizes[:count]) * 2 >= total)
    verb = "holds" if half == 1 else "hold"
    return f"{_number(half)} of {_number(len(facts))} modules {verb} half of all complexity"


def _branches(total: int) -> str:
    return f"a complexity of {_number(total)}" if total else "not a single branch"


def _totals(facts: Sequence[ModuleFacts]) -> dict[str, int]:
    """Add up what the tiles show."""
    return {
        "code_lines": sum(module.code_lines for module in facts),
        "functions": sum(module.functions for module in facts),
        "public": sum(module.public for module in facts),
        "undocumented": sum(len(module.undocumented) for module in facts),
        "look_alikes": sum(len(module.look_alikes) for module in facts),
    }


def _hardest(facts: Sequence[ModuleFacts]) -> list[ModuleFacts]:
    return sorted(facts, key=lambda module: (-module.complexity_max, -module.complexity_total, module.name))


def _undocumented(facts: Sequence[ModuleFacts]) -> list[ModuleFacts]:
    found = [module for module in facts if module.undocumented]
    return sorted(found, key=lambda module: (-len(module.undocumented), module.name))


def _look_alikes(facts: Sequence[ModuleFacts]) -> list[tuple[ModuleFacts, LookAlike]]:
    """Sort the pairs by what a merger would save, each module's best pair before any module's second."""
    ranked = [
        (place, module, pair)
        for module in facts
        for place, pair in enumerate(sorted(module.look_alikes, key=_lines_alike, reverse=True))
    ]
    ranked.sort(key=lambda row: (row[0], -_lines_alike(row[2]), row[1].name))
    return [(module, pair) for _, module, pair in ranked]


def _lines_alike(pair: LookAlike) -> float:
    return pair.similarity * min(pair.first.lines, pair.second.lines)


def _groups(facts: Sequence[ModuleFacts], categories: dict[str, str]) -> list[CategoryFigures]:
    """Sum up the categories, largest first and the unclassified last, and give them their colours."""
    members: defaultdict[str, list[ModuleFacts]] = defaultdict(list)
    for module in facts:
        if module.name in categories:
            members[categories[module.name]].append(module)
    sizes = Counter({name: len(group) for name, group in members.items()})
    order = sorted(sizes, key=lambda name: (name == UNSORTED, -sizes[name], name))
    grey = {*order[COLOURS:], UNSORTED}
    return [_group(name, COLOURS if name in grey else number, members[name]) for number, name in enumerate(order)]


def _group(name: str, colour: int, members: Sequence[ModuleFacts]) -> CategoryFigures:
    totals = _totals(members)
    return CategoryFigures(
        name=name,
        colour=colour,
        modules=len(members),
        code_lines=totals["code_lines"],
        density=sum(module.complexity_total for module in members) / max(totals["code_lines"], 1),
        documented=1 - totals["undocumented"] / max(totals["public"], 1),
    )


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _percent(share: float) -> str:
    """Round to whole percents, but say neither 100 nor 0 as long as something is missing or there."""
    rounded = round(share * 100)
    return f"{min(max(rounded, math.ceil(min(share, 0.01))), 99 if share < 1 else 100)}%"


def _duration(seconds: float) -> str:
    """Say how long something took, as exactly as matters."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 - of a minute
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {seconds % 60:.0f} s"


def _name(name: str) -> Markup:
    """Let a long dotted name be broken at its dots and underscores, instead of anywhere."""
    return Markup("<wbr>").join(_BREAKS.split(name))


def _plural(count: int, noun: str) -> str:
    return f"{_number(count)} {noun}" if count == 1 else f"{_number(count)} {noun}s"
