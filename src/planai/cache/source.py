"""The identity of code: its bytecode, and that of all it reaches in the user's own modules.

Comments, blank lines, docstrings, line numbers and file paths change nothing. A changed helper, base class, nested
function, default argument, closure or module constant does; changing it back gives the earlier identity again.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import importlib
import importlib.util
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from planai.cache.canonical import canonical, digest, qualified
from planai.cache.changes import changed_names, first_values, mutates
from planai.cache.memo import per_class
from planai.cache.own import Own, is_machinery
from planai.cache.shown import short_text
from planai.errors import UnkeyableValue

_MISSING = object()
_DOCSTRING_FLAG = 0x4000000  # of Python 3.13 and newer: tells whether there is one
_SCALARS = frozenset({str, int, float, bool, bytes, type(None)})
_MUTABLE = frozenset({list, dict, set})

Read = tuple[Any, str, Any]
"""A name that code looks up: in a dict of globals or on a class or module, and what it found there."""


class CodeIdentity:
    """The digest of a class's code, kept until something that the code looks up is another object.

    >>> class Worker:
    ...     def consume_work(self): return 1
    >>> CodeIdentity(Worker).digest() == CodeIdentity(Worker).digest()
    True

    Args:
        root: the class.
        with_fields: whether the types and defaults of a model's own fields count, too. Those of a worker do not: its
            settings are a part of the key by themselves.
        opaque: classes of which only the name counts.
    """

    def __init__(self, root: type, *, with_fields: bool = False, opaque: Iterable[type] = ()) -> None:
        self._root = root
        self._with_fields = with_fields
        self._opaque = frozenset(opaque)
        self._digest = ""
        self._reads: list[Read] = []
        self._sizes: list[tuple[type, int]] = []
        self._contents: list[tuple[Any, str]] = []
        self._outline: dict[str, str] = {}
        self._names: set[str] = set()

    def digest(self) -> str:
        """Return the digest; it is worked out again when a helper or constant was replaced in this process."""
        if not self._digest or self._is_outdated():
            walk = _Walk(self._root, with_fields=self._with_fields, opaque=self._opaque)
            self._digest = walk.digest()
            self._reads, self._sizes, self._outline, self._names = walk.reads, walk.sizes, walk.outline, walk.names
            # What the code itself fills, such as a memo, is its state: it counts as it was at first.
            mutable = [found for _, name, found in walk.reads if type(found) in _MUTABLE and name not in walk.filled]
            self._contents = [(found, self.of_objects([found])) for found in mutable]
        return self._digest

    def outline(self) -> dict[str, str]:
        """Return a short digest of each function that was reached, and the value of each constant, by name."""
        self.digest()
        return self._outline

    def names(self) -> set[str]:
        """Return all names that the code uses, of attributes as of globals."""
        self.digest()
        return self._names

    def of_objects(self, values: Iterable[Any]) -> str:
        """Return a digest of objects that the code uses: of data by value, of others by their class and its code."""
        walk = _Walk(self._root, with_fields=True)
        return digest(*(part for value in values for part in walk.value(value)))

    def _is_outdated(self) -> bool:
        return (
            any(_look_up(place, name) is not found for place, name, found in self._reads)
            or any(len(vars(kind)) != size for kind, size in self._sizes)
            or any(self.of_objects([found]) != before for found, before in self._contents)
        )


@per_class
def code_of_worker(kind: type) -> CodeIdentity:
    """Return the identity of the code of a worker class."""
    return CodeIdentity(kind)


@per_class
def code_of_model(kind: type) -> CodeIdentity:
    """Return the identity of a model: its methods, validators and fields."""
    return CodeIdentity(kind, with_fields=True)


class _Walk:
    """One walk over all that a class reaches."""

    def __init__(self, root: type, *, with_fields: bool, opaque: frozenset[type] = frozenset()) -> None:
        self.reads: list[Read] = []
        self.sizes: list[tuple[type, int]] = []
        self.outline: dict[str, str] = {}
        self.filled: set[str] = set()
        self.names: set[str] = set()
        self._opaque = opaque
        self._changed = changed_names(root)
        self._root = root
        self._with_fields = with_fields
        self._own = Own(root.__module__)
        self._met: dict[int, tuple[int, object]] = {}

    def digest(self) -> str:
        return digest(*self._class(self._root))

    def value(self, value: Any) -> Iterator[bytes]:
        """Encode anything that code may refer to."""
        value = self._unwrapped(value)
        if isinstance(value, types.FunctionType):
            yield from self._function(value)
        elif isinstance(value, type):
            yield b"itself" if value is self._root else qualified(value).encode()  # which may be renamed
            if self._own.holds(value) and value not in self._opaque:
                yield from self._class(value)
        elif isinstance(value, property):
            yield from self._parts((value.fget, value.fset, value.fdel))
        elif isinstance(value, types.ModuleType):
            yield value.__name__.encode()
        elif isinstance(value, functools.partial):
            yield from self._parts((value.func, value.args, value.keywords))
        elif isinstance(value, dict | list | tuple | set | frozenset):
            yield from self._container(value)
        else:
            yield from self._object(value)

    def read(self, place: Any, name: str) -> Any:
        """Look a name up, and remember what was found."""
        if name in self._changed:
            return _MISSING  # what the code itself changes, such as a counter, is its state and not its identity
        found = _look_up(place, name)
        self.reads.append((place, name, found))
        if type(found) in _SCALARS or type(found) in _MUTABLE or type(found) in (tuple, frozenset):
            module = place.get("__name__", "") if isinstance(place, dict) else getattr(place, "__name__", "")
            self.outline[f"{module}.{name}"] = short_text(found)
        return found

    def module(self, name: str, package: str | None) -> Any:
        """Return the module that code imports; one of the user's own is loaded, as the code itself would do."""
        names = [name, f"{package}.{name}".rstrip(".")] if package else [name]
        for full in names:
            if full in sys.modules:
                return sys.modules[full]
            try:
                spec = importlib.util.find_spec(full) if full else None
                if spec is not None and self._own.is_file(spec.origin or "", full):
                    return importlib.import_module(full)
            except Exception:  # noqa: BLE001, S112 - code that cannot be imported fails when it runs, if it ever does
                continue
        return _MISSING

    def is_own_module(self, value: Any) -> bool:
        """Tell whether `value` is a module of the user's own."""
        return isinstance(value, types.ModuleType) and self._own.holds(value)

    # ---- classes and objects

    def _class(self, kind: type) -> Iterator[bytes]:
        """Encode the attributes of a class and of its bases, as far as they are the user's own."""
        if (known := self._known(kind)) is not None:
            yield known
            return
        if type(kind) is not type and self._own.holds(type(kind)):
            yield from self._class(type(kind))
        for base in kind.__mro__:
            if self._own.holds(base):
                yield from self._attributes(base)

    def _attributes(self, kind: type) -> Iterator[bytes]:
        if issubclass(kind, BaseModel) and (self._with_fields or kind is not self._root):
            yield from self._fields(kind)
        self.sizes.append((kind, len(vars(kind))))
        for name, value in sorted(vars(kind).items()):
            if is_machinery(name):
                continue
            yield name.encode()
            if name in self._changed and not _is_code(value):
                yield from self.value(first_values(kind).setdefault(name, value))
            else:
                self.reads.append((kind, name, value))
                yield from self.value(value)
        for name, private in vars(kind).get("__private_attributes__", {}).items():
            yield name.encode()
            yield from self.value(private.default_factory or private.default)

    def _fields(self, model: type[BaseModel]) -> Iterator[bytes]:
        """Encode the fields of a model: their types, validators and defaults."""
        for name, field in model.model_fields.items():
            yield name.encode()
            yield from self._annotation(field.annotation)
            yield from self._parts(field.metadata)
            yield from self.value(field.default_factory or field.default)

    def _annotation(self, annotation: Any) -> Iterator[bytes]:
        arguments = typing.get_args(annotation)
        if not arguments:
            yield from self.value(annotation)
            return
        yield str(typing.get_origin(annotation)).encode()
        for argument in arguments:
            yield from self._annotation(argument)

    def _object(self, value: Any) -> Iterator[bytes]:
        """Encode data by value, and the code of its class; what is no data, such as a logger, by its class alone."""
        kind = type(value)
        try:
            yield b"undefined" if value is PydanticUndefined else canonical(value)
        except UnkeyableValue:
            yield qualified(kind).encode()
            if self._known(value) is None:
                yield from self._parts(self._state_of(value))
        if kind not in _SCALARS and self._own.holds(kind):
            yield from self._class(kind)

    def _state_of(self, value: Any) -> Iterator[Any]:
        """Yield what an object consists of, as far as its class is a dataclass or the user's own."""
        if dataclasses.is_dataclass(value):
            yield from (getattr(value, field.name) for field in dataclasses.fields(value))
        elif self._own.holds(type(value)):
            yield from sorted(getattr(value, "__dict__", {}).items())

    def _container(self, value: Any) -> Iterator[bytes]:
        if not isinstance(value, dict) and _SCALARS.issuperset(map(type, value)):
            yield canonical(value)
            return
        if (known := self._known(value)) is not None:
            yield known
            return
        if isinstance(value, dict):
            yield from self._parts(part for pair in value.items() for part in pair)
        elif isinstance(value, set | frozenset):
            yield from self._parts(sorted(value, key=lambda item: f"{getattr(item, '__qualname__', '')} {type(item)}"))
        else:
            yield from self._parts(value)

    def _parts(self, values: typing.Iterable[Any]) -> Iterator[bytes]:
        yield b"["
        for value in values:
            yield from self.value(value)
        yield b"]"

    def _known(self, value: object) -> bytes | None:
        """Return the place of what was met before on this walk; what was not is met now, and kept alive for its id."""
        if id(value) in self._met:
            return f"met {self._met[id(value)][0]}".encode()
        self._met[id(value)] = (len(self._met), value)
        return None

    # ---- functions

    def _function(self, function: types.FunctionType) -> Iterator[bytes]:
        if (known := self._known(function)) is not None:
            yield known
            return
        if not self._own.holds(function):
            yield f"{function.__module__}:{function.__qualname__}".encode()
            return
        cells = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                cells[name] = cell.cell_contents
            except ValueError:  # a name that has no value yet
                continue
        yield from self._parts(function.__defaults__ or ())
        yield from self._parts((function.__kwdefaults__ or {}).items())
        self.outline[f"{function.__module__}.{function.__qualname__}"] = _short_digest(function)
        yield from _Code(self, function.__globals__, cells).walk(function.__code__)

    def _unwrapped(self, value: Any) -> Any:
        """Return the function behind a static or class method, a cache, or a decorator from elsewhere."""
        while True:
            if isinstance(value, staticmethod | classmethod | types.MethodType):
                value = value.__func__
            elif isinstance(value, functools.cached_property):
                value = value.func
            elif self._is_foreign_wrapper(value):
                value = value.__wrapped__
            else:
                return value

    def _is_foreign_wrapper(self, value: Any) -> bool:
        """Tell whether what wraps a function is not the user's own: such as lru_cache, or a retry decorator."""
        if isinstance(value, types.FunctionType):
            return hasattr(value, "__wrapped__") and not self._own.holds(value)
        return type(value).__module__ == "functools" and hasattr(value, "__wrapped__")


class _Code:
    """The walk over the instructions of one function, and of those inside it."""

    def __init__(self, walk: _Walk, names: dict[str, Any], cells: dict[str, Any]) -> None:
        self._walk = walk
        self._names = names
        self._cells = cells
        self._imports: dict[str, Any] = {}
        self._imported: Any = _MISSING

    def walk(self, code: types.CodeType) -> Iterator[bytes]:
        """Encode instructions with what they mean, then what they look up."""
        flags = code.co_flags & ~_DOCSTRING_FLAG
        yield repr((code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags)).encode()
        yield code.co_exceptiontable
        self._walk.names.update(code.co_names)
        if mutates(code):
            self._walk.filled.update(code.co_names)
        found: Any = _MISSING
        for step in _instructions(code):
            yield step.opname.encode()
            if isinstance(step.argval, types.CodeType):
                yield from self.walk(step.argval)
                continue
            yield from self._walk.value(step.argval)
            found = self._looked_up(step, found)
            if found is not _MISSING:
                yield from self._walk.value(found)

    def _looked_up(self, step: dis.Instruction, before: Any) -> Any:
        """Return what an instruction finds: a global, a closed-over name, an import, or an attribute of a module."""
        name = step.argval
        match step.opname:
            case "LOAD_GLOBAL" | "LOAD_NAME":
                return self._walk.read(self._names, name)
            case "LOAD_DEREF" | "LOAD_CLASSDEREF":
                return self._cells.get(name, self._imports.get(name, _MISSING))
            case "IMPORT_NAME":
                self._imported = self._walk.module(name, self._names.get("__package__"))
                return self._imported
            case "IMPORT_FROM" if self._walk.is_own_module(self._imported):
                return self._walk.read(self._imported, name)
            case "STORE_FAST" | "STORE_DEREF" if isinstance(before, types.ModuleType):
                self._imports[name] = before
            case load if load.startswith("LOAD_FAST"):  # in newer Pythons of several kinds, some for two names at once
                names = name if isinstance(name, tuple) else (name,)
                return next((self._imports[one] for one in reversed(names) if one in self._imports), _MISSING)
            case "LOAD_ATTR" | "LOAD_METHOD" if self._walk.is_own_module(before):
                return self._walk.read(before, name)
        return _MISSING


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    """Yield the instructions that do something; the docstring of a class inside of a function does not."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "NOP"]
    docstrings = {
        number - 1 for number, step in enumerate(steps) if step.opname == "STORE_NAME" and step.argval == "__doc__"
    }
    skipped = docstrings | {number + 1 for number in docstrings}
    for number, step in enumerate(steps):
        if number not in skipped:
            yield step


def _short_digest(function: types.FunctionType) -> str:
    """Return a digest of a function by itself, for people who ask which one was changed."""
    return digest(repr(function.__defaults__ or ()).encode(), *_shape(function.__code__))[:12]


def _shape(code: types.CodeType) -> Iterator[bytes]:
    for step in _instructions(code):
        yield step.opname.encode()
        if isinstance(step.argval, types.CodeType):
            yield from _shape(step.argval)
        elif isinstance(step.argval, frozenset):
            yield repr(sorted(step.argval, key=repr)).encode()
        else:
            yield repr(step.argval).encode()


def _is_code(value: Any) -> bool:
    return callable(value) or hasattr(type(value), "__get__")


def _look_up(place: Any, name: str) -> Any:
    if isinstance(place, dict):
        return place.get(name, _MISSING)
    return vars(place).get(name, _MISSING)
