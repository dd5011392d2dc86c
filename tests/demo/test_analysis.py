"""The facts about a module's source, on small sources whose facts are known, and on the standard library."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from planai.demo.alike import Spot
from planai.demo.analysis import ModuleFacts, analyse, complexity, find_modules, read_source

PATHS = {
    "pass": 1,
    "if a: pass": 2,
    "if a: pass\nelif b: pass\nelse: pass": 3,
    "for a in b: pass\nelse: pass": 2,
    "while a: pass": 2,
    "with a: pass": 1,
    "try: pass\nexcept A: pass\nexcept B: pass\nelse: pass\nfinally: pass": 3,
    "try: pass\nexcept* A: pass": 2,
    "assert a": 2,
    "return a and b and c or d": 4,
    "return a if b else c": 2,
    "return [a for a in b]": 1,
    "return [a for a in b if c if d]": 3,
    "return {a: b for a in b if c and d}": 3,
    "return lambda: a or b": 2,
    "match a:\n case 1: pass\n case [b] if b: pass\n case c if c: pass\n case _: pass": 5,
    "def inner(x=a or b):\n  if x: pass\nreturn inner": 2,
    "class Inner:\n  if a: pass\n  def method(self): return a or b": 2,
}

DOCUMENTED = '''"""Say what it is.

It is a small module. It has two sentences more. This one is not shown.
"""
import os.path, json
from collections import abc
from . import sibling

class Open:
    """A class."""
    def plain(self): pass
    def _own(self): pass
    def __len__(self): return 0
    @property
    def size(self): """Say how large."""
    @size.setter
    def size(self, value): pass
    class Inner: pass

class _Hidden:
    def method(self): pass

if os:
    async def wait():
        def inside(): pass
'''

TWO_FUNCTIONS = "def one(): pass\ndef two(): pass\n"

IMPORTS_NOTHING = """
import sys
from planai.demo.analysis import find_modules
before = set(sys.modules)
names = {name for name, _ in find_modules()}
print(sorted((set(sys.modules) - before) & names), "antigravity" in names)
"""


def function(body: str) -> ast.FunctionDef:
    tree = ast.parse("def f():\n" + "".join(f"  {line}\n" for line in body.splitlines()))
    assert isinstance(tree.body[0], ast.FunctionDef)
    return tree.body[0]


@pytest.mark.parametrize(("body", "paths"), PATHS.items())
def test_complexity_counts_paths(body: str, paths: int) -> None:
    assert complexity(function(body)) == paths


def test_the_total_is_that_of_functions_and_of_what_is_outside_of_them() -> None:
    facts = analyse("m", "if a: pass\ndef f():\n  def g(): return a or b\n  return a and b and c\n")
    assert (facts.complexity_total, facts.complexity_max, facts.most_complex) == (1 + 2 + 3, 3, "f")
    assert (facts.functions, facts.classes, facts.longest_function) == (2, 0, Spot("f", 2, 3))


def test_undocumented_are_public_names_without_docstring() -> None:
    facts = analyse("m", DOCUMENTED)
    missing = [("Open.plain", 11), ("Open.Inner", 18), ("wait", 24)]
    assert [(spot.name, spot.line) for spot in facts.undocumented] == missing
    assert facts.public == 5
    assert facts.documented_share == pytest.approx(2 / 5)


@pytest.mark.parametrize(
    ("exported", "public"),
    [("['one']", 1), ("['one']\n__all__ += more", 2), ("list(globals())", 2)],
    ids=["listed", "extended", "computed"],
)
def test_all_decides_what_is_public(exported: str, public: int) -> None:
    assert analyse("m", f"__all__ = {exported}\n{TWO_FUNCTIONS}").public == public


def test_description_and_imports() -> None:
    facts = analyse("collections.abc", DOCUMENTED)
    assert facts.synopsis == "Say what it is."
    assert facts.description == "It is a small module. It has two sentences more."
    assert facts.imports == ("json", "os")


def test_the_synopsis_goes_on_to_the_end_of_its_sentence() -> None:
    facts = analyse("m", '"""OS routines, depending on\nwhat system we are on.\n\n- a -- list\n"""')
    assert (facts.synopsis, facts.description) == ("OS routines, depending on what system we are on.", "")


def test_code_lines_are_neither_blank_nor_comment_nor_docstring() -> None:
    source = '"""Doc.\n\nMore."""\n\n# note\nx = """a\nb"""\ndef f():\n    "doc"\n    return (1,\n  2)\n'
    facts = analyse("m", source)
    assert (facts.lines, facts.code_lines) == (11, 5)


def test_an_empty_module_has_facts() -> None:
    facts = analyse("m", "")
    assert (facts.lines, facts.code_lines, facts.complexity_total, facts.most_complex) == (0, 0, 0, "")
    assert (facts.longest_function, facts.documented_share, facts.maintainability) == (None, 1.0, 100.0)


def test_invalid_source_raises() -> None:
    with pytest.raises(SyntaxError):
        analyse("m", "def")


def test_the_declared_encoding_is_used(tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    file.write_bytes("# coding: latin-1\nname = 'é'\n".encode("latin-1"))
    assert "é" in read_source(file)


def test_facts_survive_json(facts: list[ModuleFacts]) -> None:
    adapter = TypeAdapter(list[ModuleFacts])
    assert adapter.validate_json(adapter.dump_json(facts)) == facts


def test_facts_of_real_modules_are_consistent(facts: list[ModuleFacts]) -> None:
    for module in facts:
        assert module.code_lines <= module.lines, module.name
        assert module.functions <= module.complexity_total, module.name
        assert module.complexity_max <= module.complexity_total, module.name
        assert len(module.undocumented) <= module.public, module.name
        assert 0 <= module.documented_share <= 1, module.name
        assert 0 <= module.maintainability <= 100, module.name


def test_modules_are_found_by_dotted_names_without_tests() -> None:
    names = [name for name, _ in find_modules()]
    assert names == sorted(set(names))
    assert {"json", "json.decoder", "os", "xml.etree.ElementTree"} <= set(names)
    assert not [name for name in names if {"test", "tests", "__main__", "__init__"} & set(name.split("."))]


def test_finding_modules_imports_none_of_them() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS_NOTHING], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"


def test_a_higher_limit_only_adds() -> None:
    everything = len(find_modules())
    selections = [set(find_modules(limit)) for limit in (0, 1, 10, 50, everything)]
    assert all(small < large for small, large in pairwise(selections))
    assert [len(selection) for selection in selections] == [0, 1, 10, 50, everything]
