"""The instructions of a function, encoded with what they mean: neither line numbers nor docstrings."""

from __future__ import annotations

import builtins
import dis
import enum
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from typing import Any, Protocol

from planai.cache.canonical import Anything, digest, encode
from planai.cache.made_up import SUBCLASSES, is_special, may_mean_any_name, module_taken, takes_module
from planai.cache.words import WORDS


class Missing(enum.Enum):
    """Stands for what a name does not lead to; the same in every copy of what holds it."""

    MISSING = "missing"


MISSING = Missing.MISSING

_DOCSTRING_FLAG = 0x4000000  # of Python 3.13 and newer: tells whether there is one
_FOLLOWED = frozenset({"LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM", "STORE_FAST", "STORE_DEREF", "STORE_NAME", "POP_TOP"})


class Finder(Protocol):
    """What encodes the things that instructions look up."""

    def read(self, place: Any, name: str) -> tuple[Any, bytes]:
        """Look `name` up in a dict of globals, on a module, or in a cell: what is found, and its form."""

    def value(self, value: Any) -> bytes:
        """Encode anything that code may refer to."""

    def foreign(self, module: types.ModuleType, name: str) -> tuple[Any, bytes]:
        """Look `name` up in a module that is not the user's own, where the user may have put something else."""

    def all_names(self, names: dict[str, Any]) -> bytes:
        """Encode all that is in a dict of globals."""

    def family(self, kind: Any) -> bytes:
        """Encode the subclasses of `kind`; of what is no class those of all classes that are met."""

    def asks(self, word: str) -> None:
        """Take note that what code says of itself is asked for, by one of `planai.cache.words.WORDS`."""

    def is_own_module(self, value: Any) -> bool:
        """Tell whether `value` is a module of the user's own."""

    def is_own_file(self, file: str, module: str) -> bool:
        """Tell whether a file is the user's own, that is imported as `module`."""


class Instructions:
    """One function, whose instructions are gone through, and those of the functions inside it.

    Attributes:
        takes_unknown: whether it takes a module by a name that is made up while it runs.
    """

    def __init__(self, finder: Finder, function: types.FunctionType) -> None:
        self._finder = finder
        self._names = function.__globals__
        self._cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        self._imports: dict[str, Any] = {}
        self._imported: Any = MISSING
        self._code = function.__code__
        self.takes_unknown = False

    def forms(self) -> Iterator[bytes]:
        """Yield the instructions with what they mean, and what they look up."""
        yield from self._of(self._code)

    def _of(self, code: types.CodeType) -> Iterator[bytes]:
        flags = code.co_flags & ~_DOCSTRING_FLAG
        yield repr((code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags)).encode()
        yield code.co_exceptiontable
        steps = list(instructions_of(code))
        found: Any = MISSING
        for number, step in enumerate(steps):
            yield step.opname.encode()
            if isinstance(step.argval, types.CodeType):
                yield from self._of(step.argval)
                continue
            yield encode_argument(step.argval)
            before = found
            found, form = self._looked_up(steps, number, before)
            is_followed = number + 1 < len(steps) and steps[number + 1].opname in _FOLLOWED
            if isinstance(found, types.ModuleType) and not is_followed:
                form = self._finder.value(found)  # which is handed on: then all that is in it may be meant
            yield form
            yield self._made_up(steps, number, before, found)

    def _looked_up(self, steps: list[dis.Instruction], number: int, before: Any) -> tuple[Any, bytes]:
        """Return what an instruction finds: a global, a closed-over name, an import, or an attribute of a module."""
        step = steps[number]
        name = step.argval
        match step.opname:
            case "LOAD_GLOBAL" | "LOAD_NAME":
                found, form = self._finder.read(self._names, name)
                return found, form if found is not MISSING else self._finder.foreign(builtins, name)[1]
            case "LOAD_DEREF" | "LOAD_CLASSDEREF" if name in self._cells:
                return self._finder.read(self._cells[name], name)
            case "IMPORT_NAME":
                self._imported = self._module(steps, number)
                return self._imported, b""
            case "IMPORT_FROM" if self._finder.is_own_module(self._imported):
                return self._import_from(name)
            case "IMPORT_FROM":
                return self._of_foreign(self._imported, name)
            case "STORE_FAST" | "STORE_DEREF" if isinstance(before, types.ModuleType) or is_special(before):
                self._imports[name] = before
            case load if load.startswith(("LOAD_FAST", "LOAD_DEREF")):  # some newer ones are for two names at once
                names = name if isinstance(name, tuple) else (name,)
                return next((self._imports[one] for one in reversed(names) if one in self._imports), MISSING), b""
            case "LOAD_ATTR" | "LOAD_METHOD" if self._finder.is_own_module(before):
                return self._attribute(before, name)
            case "LOAD_ATTR" | "LOAD_METHOD":
                return self._of_foreign(before, name)
        return MISSING, b""

    def _made_up(self, steps: list[dis.Instruction], number: int, before: Any, found: Any) -> bytes:
        """Encode what may be found by names that no instruction has, as far as that is known."""
        step = steps[number]
        if not step.opname.startswith("LOAD_"):
            return b""
        if isinstance(step.argval, str) and step.argval in WORDS and not _is_variable(step):
            self._finder.asks(step.argval)
        if step.argval == SUBCLASSES:
            return self._finder.family(before)
        if found is MISSING and step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            found = getattr(builtins, step.argval, MISSING)
        if may_mean_any_name(step, found):
            return self._finder.all_names(self._names)
        if not takes_module(found, steps[number + 1 :]):
            return b""
        texts = module_taken(found, steps[number + 1 :], self._names.get)
        if texts is None:
            self.takes_unknown = True
            return b""
        package = self._names.get("__package__") or ""
        name = importlib.util.resolve_name(texts[0], texts[-1] if len(texts) > 1 else package)
        return b"".join(self._finder.value(self._load(one)) for one in (name, name.partition(".")[0]))

    def _attribute(self, module: types.ModuleType, name: str) -> tuple[Any, bytes]:
        """Return what a module of the user's own has, or makes when it is asked."""
        if name == "__dict__":
            return MISSING, self._finder.value(module)
        found, form = self._finder.read(module, name)
        if found is MISSING and hasattr(module, "__getattr__"):
            try:
                found = getattr(module, name)
            except Exception:  # noqa: BLE001 - code that finds nothing fails when it runs, if it ever does
                return MISSING, b""
            form = self._finder.value(found)
        return found, form

    def _of_foreign(self, owner: Any, name: str) -> tuple[Any, bytes]:
        """Return an attribute of a module that is not the user's own, if it leads to more: little else is looked at."""
        if not isinstance(owner, types.ModuleType):
            return MISSING, b""
        found, form = self._finder.foreign(owner, name)
        return found if isinstance(found, types.ModuleType) or is_special(found) else MISSING, form

    def _import_from(self, name: str) -> tuple[Any, bytes]:
        found, form = self._attribute(self._imported, name)
        if found is MISSING:  # a module of a package, which nobody has imported yet
            found = self._load(f"{self._imported.__name__}.{name}")
        return found, form

    def _module(self, steps: list[dis.Instruction], number: int) -> Any:
        """Return what ``import`` gives: for ``import a.b`` the package, unless names are imported from it."""
        name, package = steps[number].argval, self._names.get("__package__") or ""
        level, names = (step.argval for step in steps[number - 2 : number]) if number > 1 else (0, None)
        if level:
            name = package.rsplit(".", level - 1)[0] + (f".{name}" if name else "")
        found = self._load(name)
        return found if names or level or found is MISSING else self._load(name.partition(".")[0])

    def _load(self, name: str) -> Any:
        """Return a module; one of the user's own is imported, as the code itself would do."""
        if name in sys.modules:
            return sys.modules[name]
        try:
            spec = importlib.util.find_spec(name) if name else None
            if spec is not None and self._finder.is_own_file(spec.origin or "", name):
                return importlib.import_module(name)
        except Exception:  # noqa: BLE001 - code that cannot be imported fails when it runs, if it ever does
            return MISSING
        return MISSING


def _is_variable(step: dis.Instruction) -> bool:
    """Tell whether an instruction loads a variable that Python itself makes, such as ``__name__``."""
    return step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and step.argval.startswith("__")


def instructions_of(code: types.CodeType) -> Iterator[dis.Instruction]:
    """Yield the instructions that do something; the docstring of a class inside of a function does not."""
    steps = [_whole(step, code) for step in dis.get_instructions(code) if step.opname != "NOP"]
    docstrings = {
        number - 1 for number, step in enumerate(steps) if step.opname == "STORE_NAME" and step.argval == "__doc__"
    }
    skipped = docstrings | {number + 1 for number in docstrings}
    for number, step in enumerate(steps):
        if number not in skipped:
            yield step


def _whole(step: dis.Instruction, code: types.CodeType) -> dis.Instruction:
    """Return an instruction with what it takes: of the names of arguments, Python 3.11 says only where they are."""
    return step._replace(argval=code.co_consts[step.arg or 0]) if step.opname == "KW_NAMES" else step


def encode_argument(value: Any) -> bytes:
    """Encode what an instruction has in itself: a constant, a name, or where it jumps to."""
    return encode(value, (Anything(),))


def short_digest(function: types.FunctionType) -> str:
    """Return a digest of a function by itself, for people who ask which one was changed."""
    return digest(encode(function.__defaults__ or (), (Anything(),)), *_shape(function.__code__))[:12]


def _shape(code: types.CodeType) -> Iterator[bytes]:
    for step in instructions_of(code):
        yield step.opname.encode()
        if isinstance(step.argval, types.CodeType):
            yield from _shape(step.argval)
        else:
            yield encode_argument(step.argval)
