"""Facts about Python source: what a module is for, how hard it is to read, and what in it is said twice."""

from __future__ import annotations

import ast
import importlib.machinery
import inspect
import io
import keyword
import math
import re
import sys
import sysconfig
import textwrap
import threading
import tokenize
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from planai.demo.alike import Function, LookAlike, Spot, find_look_alikes, spot, spot_of

LEFT_OUT = frozenset({"__pycache__", "idle_test", "idlelib", "site-packages", "test", "tests", "turtledemo"})
"""Directories whose files are no part of the library that a program imports."""

_Definition: TypeAlias = Function | ast.ClassDef
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITION = (*_FUNCTION, ast.ClassDef)
_BLOCK = (ast.stmt, ast.ExceptHandler, ast.match_case)
_NOT_CODE = frozenset(
    {
        tokenize.COMMENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
        tokenize.INDENT,
        tokenize.NEWLINE,
        tokenize.NL,
    }
)
_FIRST_LINE = re.compile(r"(.+(?:\n[a-z(].*)*)")  # and the lines on which its sentence goes on
_PROSE = re.compile(r"(?!XXX)[A-Z`](?!.*(?:--|://)).*\.")  # no lists, headings or notes of authors
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """What `analyse` finds out about one module.

    Attributes:
        synopsis: the first line of the docstring, with its sentence brought to an end; empty without one.
        description: the next sentence or two, shortened.
        code_lines: lines that hold more than blanks, comments and docstrings.
        complexity_total: McCabe's complexity of all functions, plus the decisions outside of them.
        most_complex: the qualified name of the function that has `complexity_max`; empty without functions.
        public: how many functions, methods and classes a user may see.
        undocumented: those of them without a docstring.
        documented_share: from 0 to 1; 1 where nothing is public.
        imports: top-level names of the standard library that the module imports, itself left out.
        volume: Halstead's volume in bits, the amount of text a reader has to take in.
        maintainability: the index of Oman and Hagemeister for an average function, scaled to 0 to 100.
        look_alikes: the pairs of functions that are alike, longest first, at most `MOST_PAIRS`.
    """

    name: str
    synopsis: str
    description: str
    lines: int
    code_lines: int
    functions: int
    classes: int
    complexity_total: int
    complexity_max: int
    most_complex: str
    public: int
    undocumented: tuple[Spot, ...]
    documented_share: float
    imports: tuple[str, ...]
    longest_function: Spot | None
    volume: float
    maintainability: float
    look_alikes: tuple[LookAlike, ...]


def find_modules(limit: int | None = None) -> list[tuple[str, Path]]:
    """Find the standard library's modules that have Python source on this machine, importing none of them.

    Modules of packages are listed by their dotted names; tests, IDLE and `__main__` files are left out.
    With a `limit`, a mixed selection is made that never changes, and that a higher limit only adds to.

    Returns:
        Names and paths, sorted by name.
    """
    found = [pair for name in sys.stdlib_module_names for pair in _files_of(name)]
    if limit is not None:
        found = sorted(found, key=lambda pair: zlib.crc32(pair[0].encode()))[:limit]
    return sorted(found)


def _files_of(name: str) -> Iterator[tuple[str, Path]]:
    """Yield the source files of a top-level module or package."""
    spec = importlib.machinery.PathFinder.find_spec(name, [sysconfig.get_path("stdlib")])
    if spec is None or spec.origin is None or not spec.origin.endswith(".py") or name in LEFT_OUT:
        return
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        yield name, origin
        return
    for path in origin.parent.rglob("*.py"):
        parts = path.relative_to(origin.parent).with_suffix("").parts
        if parts[-1] != "__main__" and all(part.isidentifier() and part not in LEFT_OUT for part in parts):
            yield ".".join((name, *parts)).removesuffix(".__init__"), path


def read_source(path: Path) -> str:
    """Read a source file in the encoding that it declares (PEP 263)."""
    with tokenize.open(path) as file:
        return file.read()


_parsing = threading.Lock()  # Python 3.11 counts the depth of all threads' trees together, and then finds it wrong


def analyse(name: str, source: str) -> ModuleFacts:
    """Find out the facts about one module.

    Raises:
        SyntaxError: the source is not valid for the running Python.
    """
    with _parsing:
        tree = ast.parse(source)
    definitions = list(_definitions(tree))
    functions = [(label, node) for label, node in definitions if isinstance(node, _FUNCTION)]
    complexities = [(complexity(node), label) for label, node in functions]
    hardest = max(complexities, key=lambda pair: pair[0], default=(0, ""))
    total = sum(count for count, _ in complexities) + _decisions(tree)
    synopsis, description = _describe(tree)
    public = [(label, node) for label, node in _public(tree) if not _is_exempt(node)]
    undocumented = tuple(spot(label, node) for label, node in public if ast.get_docstring(node) is None)
    code_lines, volume = _measure_text(source, tree)
    return ModuleFacts(
        name=name,
        synopsis=synopsis,
        description=description,
        lines=len(source.splitlines()),
        code_lines=code_lines,
        functions=len(functions),
        classes=len(definitions) - len(functions),
        complexity_total=total,
        complexity_max=hardest[0],
        most_complex=hardest[1],
        public=len(public),
        undocumented=undocumented,
        documented_share=1 - len(undocumented) / len(public) if public else 1.0,
        imports=_imports(tree, name.partition(".")[0]),
        longest_function=max(map(spot_of, functions), key=lambda spot: spot.lines, default=None),
        volume=round(volume, 1),
        maintainability=_maintainability(volume, total, code_lines, max(len(functions), 1)),
        look_alikes=tuple(find_look_alikes(tree, functions)),
    )


def complexity(function: Function) -> int:
    """Count the independent paths through a function (McCabe); functions inside it count on their own."""
    return 1 + _decisions(function)


def _decisions(scope: ast.Module | Function) -> int:
    return sum(_DECISIONS[type(node)](node) for node in _own_nodes(scope) if type(node) in _DECISIONS)


def _own_nodes(scope: ast.Module | Function) -> Iterator[ast.AST]:
    """Yield what is executed in a scope: of a function inside it, only decorators and defaults."""
    pending: list[ast.AST] = list(scope.body)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, _FUNCTION):
            pending += [*node.decorator_list, node.args]
        else:
            pending.extend(ast.iter_child_nodes(node))


def _case_decisions(case: ast.match_case) -> int:
    """Count the pattern if it can fail, which `case _` and `case name` cannot, and the guard."""
    always_matches = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
    return (not always_matches) + (case.guard is not None)


_DECISIONS: dict[type[ast.AST], Callable[[Any], int]] = {
    **dict.fromkeys((ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While), lambda _: 1),
    **dict.fromkeys((ast.ExceptHandler, ast.Assert), lambda _: 1),
    ast.BoolOp: lambda node: len(node.values) - 1,
    ast.comprehension: lambda node: len(node.ifs),
    ast.match_case: _case_decisions,
}


def _definitions(scope: ast.AST, prefix: str = "") -> Iterator[tuple[str, _Definition]]:
    """Yield all functions and classes with their qualified names, however deep."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, _DEFINITION):
            yield prefix + node.name, node
            yield from _definitions(node, f"{prefix}{node.name}.")
        elif isinstance(node, _BLOCK):
            yield from _definitions(node, prefix)


def _public(tree: ast.Module) -> Iterator[tuple[str, _Definition]]:
    """Yield the functions and classes that a user may see, their methods included."""
    exported = _exported(tree)
    inside = tuple(f"{label}." for label, node in _definitions(tree) if isinstance(node, _FUNCTION))
    for label, node in _definitions(tree):
        parts = label.split(".")
        hidden = any(part.startswith("_") for part in parts) or label.startswith(inside)
        if not hidden and (exported is None or parts[0] in exported):
            yield label, node


def _exported(tree: ast.Module) -> Iterable[str] | None:
    """Return what `__all__` lists; None if there is no such list, or it is put together by code."""
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "__all__"]
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets == uses:
            try:
                return frozenset(ast.literal_eval(node.value))
            except ValueError:
                return None
    return None


def _is_exempt(node: _Definition) -> bool:
    """Tell whether the docstring belongs elsewhere: setters, deleters, overloads, overrides."""
    last_words = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return not last_words.isdisjoint({"setter", "deleter", "overload", "override"})


def _describe(tree: ast.Module) -> tuple[str, str]:
    """Return what the module says of itself: the first line, and a sentence or two more."""
    match = _FIRST_LINE.match(inspect.cleandoc(ast.get_docstring(tree) or ""))
    if match is None:
        return "", ""
    paragraphs = [" ".join(text.split()) for text in match.string[match.end() :].split("\n\n")]
    prose = next(filter(_PROSE.fullmatch, paragraphs), "")
    sentences = " ".join(_SENTENCE_END.split(prose)[:2])
    return _shorten(match[1], 160), _shorten(sentences, 240)


def _shorten(text: str, width: int) -> str:
    return textwrap.shorten(text, width, placeholder=" …")


def _imports(tree: ast.Module, own: str) -> tuple[str, ...]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    tops = {name.partition(".")[0] for name in names}
    return tuple(sorted((tops & sys.stdlib_module_names) - {own}))


def _measure_text(source: str, tree: ast.Module) -> tuple[int, float]:
    """Return the number of lines with code on them, and Halstead's volume of the code."""
    docstrings = {(text.lineno, text.col_offset) for text in _docstrings(tree)}
    lines: set[int] = set()
    words: Counter[tuple[bool, str]] = Counter()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in _NOT_CODE or token.start in docstrings:
            continue
        lines.update(range(token.start[0], token.end[0] + 1))
        is_operator = token.type == tokenize.OP or keyword.iskeyword(token.string)
        words[is_operator, token.string] += 1
    return len(lines), words.total() * math.log2(max(len(words), 1))


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    for _, node in [("", tree), *_definitions(tree)]:
        if ast.get_docstring(node, clean=False) is not None and isinstance(node.body[0], ast.Expr):
            yield node.body[0].value


def _maintainability(volume: float, total: int, code_lines: int, functions: int) -> float:
    """Return the maintainability index for averages over the module's functions."""
    size = math.log(max(volume / functions, 1))
    length = math.log(max(code_lines / functions, 1))
    index = 171 - 5.2 * size - 0.23 * total / functions - 16.2 * length
    return round(min(max(index / 171, 0), 1) * 100, 1)
