"""Functions of one module that look alike once their names are taken away."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

ALIKE = 0.85
"""From this similarity on, two functions are called alike."""

LONG_ENOUGH = 60
"""Functions with fewer syntax nodes look alike by chance."""

MOST_PAIRS = 12
"""So many look-alikes are kept of one module, the longest ones."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Spot:
    """A function or class of a module: its qualified name, the line of its `def`, and its length."""

    name: str
    line: int
    lines: int


@dataclass(frozen=True, slots=True)
class LookAlike:
    """Two functions whose syntax trees have the share `similarity` of their parts in common, names aside."""

    first: Spot
    second: Spot
    similarity: float


def spot(label: str, node: Function | ast.ClassDef) -> Spot:
    """Return where a definition with the qualified name `label` stands."""
    return Spot(label, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1)


def spot_of(function: tuple[str, Function]) -> Spot:
    """Return where a named function stands."""
    return spot(*function)


def find_look_alikes(tree: ast.Module, functions: list[tuple[str, Function]]) -> list[LookAlike]:
    """Compare all functions that are long enough; keep one chain of pairs for each group of look-alikes."""
    shapes = _shapes(tree)
    prints = [(spot(*function), _fingerprint(function[1], shapes)) for function in functions]
    prints = sorted((pair for pair in prints if pair[1].total() >= LONG_ENOUGH), key=lambda pair: pair[1].total())
    pairs = sorted(_similar(prints), key=lambda pair: (-pair.similarity, pair.first.line, pair.second.line))
    chained: set[Spot] = set()
    kept: list[LookAlike] = []
    for pair in pairs:
        if not chained.issuperset((pair.first, pair.second)):
            chained |= {pair.first, pair.second}
            kept.append(pair)
    return sorted(kept, key=lambda pair: -min(pair.first.lines, pair.second.lines))[:MOST_PAIRS]


def _shapes(tree: ast.Module) -> dict[ast.AST, int]:
    """Hash every sub-tree by its shape, that is without names and values; equal shapes have equal hashes."""
    shapes: dict[ast.AST, int] = {}
    for node in reversed(list(ast.walk(tree))):  # children before parents, without recursion
        below = [shapes[child] for child in ast.iter_child_nodes(node) if not isinstance(child, ast.Load)]
        kind = type(node.value) if isinstance(node, ast.Constant) else type(node)
        shapes[node] = hash((kind.__name__, *below))
    return shapes


def _fingerprint(function: Function, shapes: dict[ast.AST, int]) -> Counter[int]:
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return Counter(shapes[node] for statement in body for node in ast.walk(statement))


def _similar(prints: list[tuple[Spot, Counter[int]]]) -> Iterator[LookAlike]:
    """Yield the pairs that are alike (Sørensen and Dice), given the functions sorted by size."""
    for index, (spot, own) in enumerate(prints):
        for other, theirs in prints[index + 1 :]:
            both = own.total() + theirs.total()
            if 2 * own.total() / both < ALIKE:
                break  # all that follow are longer still
            similarity = 2 * (own & theirs).total() / both
            if similarity >= ALIKE and not _nested(spot, other):
                first, second = sorted((spot, other), key=lambda each: each.line)
                yield LookAlike(first, second, round(similarity, 3))


def _nested(one: Spot, other: Spot) -> bool:
    return one.name.startswith(f"{other.name}.") or other.name.startswith(f"{one.name}.")
