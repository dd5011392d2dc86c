"""Functions that look alike: found whatever their names, not nested ones, and not short ones."""

from __future__ import annotations

import pytest

from planai.demo.alike import ALIKE, MOST_PAIRS, LookAlike
from planai.demo.analysis import ModuleFacts, analyse

FIRST = """
def first(path, names):
    found = {}
    for name in names:
        if name.startswith("_") or not path:
            continue
        found[name] = path.joinpath(name).read_text(encoding="utf-8").splitlines()
    return sorted(found.items(), key=lambda pair: (len(pair[1]), pair[0]))
"""

SECOND = """
def second(folder, labels):
    "Differ in names and docstring only."
    texts = {}
    for label in labels:
        if label.startswith("x") or not folder:
            continue
        texts[label] = folder.joinpath(label).read_text(encoding="ascii").splitlines()
    return sorted(texts.items(), key=lambda item: (len(item[1]), item[0]))
"""

OTHER = """
def other(numbers):
    total = 0
    while numbers:
        with lock:
            total += max(numbers.pop(), -1) ** 2 % 7
        try:
            total = {"a": [total, *numbers]}["a"][0]
        except KeyError as error:
            raise ValueError(f"{total}: {error!r}") from error
    return total if total > 3 else ~total
"""


def look_alikes(source: str) -> tuple[LookAlike, ...]:
    return analyse("m", source).look_alikes


def test_names_constants_and_docstrings_make_no_difference() -> None:
    (pair,) = look_alikes(FIRST + SECOND + OTHER)
    assert (pair.first.name, pair.second.name, pair.similarity) == ("first", "second", 1.0)


def test_another_statement_makes_some_difference() -> None:
    changed = SECOND.replace("            continue\n", "            print(label)\n            continue\n")
    (pair,) = look_alikes(FIRST + changed)
    assert ALIKE <= pair.similarity < 1


def test_another_structure_is_not_alike() -> None:
    assert look_alikes(FIRST + OTHER) == ()


def test_short_functions_are_not_compared() -> None:
    assert look_alikes("def a(): return 1\ndef b(): return 2\n") == ()


def test_the_order_in_the_file_is_the_order_in_the_pair() -> None:
    (pair,) = look_alikes(SECOND + FIRST)
    assert (pair.first.name, pair.second.name) == ("second", "first")


def test_a_group_is_kept_as_one_chain() -> None:
    group = "".join(FIRST.replace("first", f"copy{number}") for number in range(5))
    assert len(look_alikes(group)) == 4


def test_a_function_is_not_compared_with_what_it_holds() -> None:
    inner = "".join(f"    {line}\n" if line else "" for line in FIRST.splitlines())
    assert look_alikes(f"def outer(a):\n{inner}    return first\n") == ()


@pytest.mark.parametrize("copies", [MOST_PAIRS, MOST_PAIRS + 6])
def test_only_so_many_pairs_are_kept(copies: int) -> None:
    group = "".join(FIRST.replace("first", f"copy{number}") for number in range(copies + 1))
    assert len(look_alikes(group)) == MOST_PAIRS


def test_pairs_of_real_modules_are_alike_and_apart(facts: list[ModuleFacts]) -> None:
    pairs = [pair for module in facts for pair in module.look_alikes]
    assert pairs
    assert all(ALIKE <= pair.similarity <= 1 for pair in pairs)
    assert all(pair.first.line < pair.second.line for pair in pairs)
