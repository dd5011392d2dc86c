"""The identity of a worker's code: its bytecode, and that of all it reaches in the user's own modules.

Comments, blank lines, docstrings, line numbers and file paths change nothing. A changed helper, base class, nested
function, default argument, closure or module constant does; changing it back gives the earlier identity again.
"""

from __future__ import annotations

import dis
import functools
import sys
import sysconfig
import types
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from planai.cache.canonical import canonical, digest, qualified
from planai.cache.memo import per_class
from planai.errors import UnkeyableValue

_MISSING = object()

Read = tuple[Any, str, Any]
"""A name that code looks up: in a dict of globals or on a class or module, and what it found there."""


class CodeIdentity:
    """The digest of a class's code, kept until something that the code looks up is another object.

    >>> class Worker:
    ...     def consume_work(self): return 1
    >>> CodeIdentity(Worker).digest() == CodeIdentity(Worker).digest()
    True
    """

    def __init__(self, worker: type) -> None:
        self._worker = worker
        self._digest = ""
        self._reads: list[Read] = []

    def digest(self) -> str:
        """Return the digest; it is worked out again when a helper or constant was replaced in this process."""
        if not self._digest or any(_look_up(place, name) is not found for place, name, found in self._reads):
            walk = _Walk(self._worker)
            self._digest = walk.digest()
            self._reads = walk.reads
        return self._digest


@per_class
def code_of(kind: type) -> CodeIdentity:
    """Return the identity of the code of `kind`."""
    return CodeIdentity(kind)


class _Walk:
    """One walk over the code that a class reaches."""

    def __init__(self, worker: type) -> None:
        self.reads: list[Read] = []
        self._worker = worker
        self._own = _Own(worker.__module__)
        self._seen: dict[int, object] = {}

    def digest(self) -> str:
        return digest(*self._class(self._worker))

    def _class(self, kind: type) -> Iterator[bytes]:
        """Encode the attributes of a class and of its bases, as far as they are the user's own."""
        if self._met(kind):
            return
        for base in kind.__mro__:
            if not self._own.holds(base):
                continue
            if issubclass(base, BaseModel) and base is not self._worker:
                yield from self._fields(base)
            for name, value in sorted(vars(base).items()):
                if not _is_machinery(name):
                    yield name.encode()
                    self.reads.append((base, name, value))
                    yield from self._value(value)

    def _value(self, value: Any) -> Iterator[bytes]:
        value = self._unwrapped(value)
        if isinstance(value, types.FunctionType):
            yield from self._function(value)
        elif isinstance(value, type):
            yield qualified(value).encode()
            if self._own.holds(value):
                yield from self._class(value)
        elif isinstance(value, property):
            for accessor in (value.fget, value.fset, value.fdel):
                yield from self._value(accessor)
        elif isinstance(value, types.ModuleType):
            yield value.__name__.encode()
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                yield from self._value(part)
        else:
            yield from self._data(value)

    def _data(self, value: Any) -> Iterator[bytes]:
        """Encode data; of an object that is none, such as a logger or a client, only its class can count."""
        try:
            yield canonical(value)
        except UnkeyableValue:
            yield qualified(type(value)).encode()
            if self._met(value):
                return
            if isinstance(value, dict):
                value = [part for pair in value.items() for part in pair]
            if isinstance(value, list | tuple):
                for item in value:
                    yield from self._value(item)
            elif self._own.holds(type(value)):
                yield from self._class(type(value))

    def _fields(self, model: type[BaseModel]) -> Iterator[bytes]:
        """Encode the fields of a model that the code uses: their types and defaults."""
        for name, field in model.model_fields.items():
            yield f"{name}: {field.annotation!r} {field.metadata!r}".encode()
            yield from self._value(field.default_factory or field.default)

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

    def _function(self, function: types.FunctionType) -> Iterator[bytes]:
        if self._met(function):
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
        for default in (function.__defaults__ or (), tuple((function.__kwdefaults__ or {}).items())):
            for item in default:
                yield from self._value(item)
        yield from self._code(function.__code__, function.__globals__, cells)

    def _code(self, code: types.CodeType, names: dict[str, Any], cells: dict[str, Any]) -> Iterator[bytes]:
        """Encode instructions with what they mean, then follow the names that they look up."""
        yield repr((code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)).encode()
        chain: Any = _MISSING
        for step in dis.get_instructions(code):
            if step.opname == "NOP":
                continue
            if isinstance(step.argval, types.CodeType):
                yield step.opname.encode()
                yield from self._code(step.argval, names, cells)
                continue
            yield step.opname.encode()
            yield from self._data(step.argval)
            chain = self._reached(step, chain, names, cells)
            if chain is not _MISSING:
                yield from self._value(chain)

    def _reached(self, step: dis.Instruction, chain: Any, names: dict[str, Any], cells: dict[str, Any]) -> Any:
        """Return what an instruction looks up: a global, a closed-over name, or an attribute of a module."""
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            return self._read(names, step.argval)
        if step.opname in ("LOAD_DEREF", "LOAD_CLASSDEREF"):
            return cells.get(step.argval, _MISSING)
        if (
            step.opname in ("LOAD_ATTR", "LOAD_METHOD")
            and isinstance(chain, types.ModuleType)
            and self._own.holds(chain)
        ):
            return self._read(chain, step.argval)
        return _MISSING

    def _read(self, place: Any, name: str) -> Any:
        found = _look_up(place, name)
        if found is not _MISSING:
            self.reads.append((place, name, found))
        return found

    def _met(self, value: object) -> bool:
        """Tell whether `value` was met before on this walk; it is kept alive, so that its id stays its own."""
        if id(value) in self._seen:
            return True
        self._seen[id(value)] = value
        return False


class _Own:
    """Tells the user's own code from that of Python, of installed packages, and of planai itself."""

    def __init__(self, module: str) -> None:
        self._package = module.partition(".")[0]

    def holds(self, value: type | types.FunctionType | types.ModuleType) -> bool:
        """Tell whether `value` is of the worker's package, or comes from no installed file."""
        file = _file_of(value)
        if file.startswith(_LIBRARY) and not file.startswith(_EXAMPLES):
            return False
        name = value.__name__ if isinstance(value, types.ModuleType) else (value.__module__ or "")
        if name.partition(".")[0] == self._package:
            return True
        return file != _BUILT_IN and not file.startswith(_INSTALLED) and "-packages/" not in file


def _file_of(value: type | types.FunctionType | types.ModuleType) -> str:
    """Return the file that defines `value`; code that was typed or generated has a name such as ``<string>``."""
    if isinstance(value, types.FunctionType):
        return value.__code__.co_filename
    if isinstance(value, types.ModuleType):
        return getattr(value, "__file__", None) or _BUILT_IN
    module = sys.modules.get(value.__module__)
    if module is None or module.__name__ == "__main__":
        return f"<{value.__module__}>"
    return _file_of(module)


_BUILT_IN = "<built-in>"
_PATHS = sysconfig.get_paths()
_LIBRARY = __file__.removesuffix("cache/source.py")
_EXAMPLES = _LIBRARY + "demo/"
_INSTALLED = (*{_PATHS[kind] + "/" for kind in ("stdlib", "platstdlib", "purelib", "platlib")}, "<frozen")


def _look_up(place: Any, name: str) -> Any:
    if isinstance(place, dict):
        return place.get(name, _MISSING)
    return vars(place).get(name, _MISSING)


def _is_machinery(name: str) -> bool:
    """Tell what Python and pydantic put into every class; methods such as ``__call__`` are the user's."""
    return name in _MACHINERY or name.startswith(("__pydantic_", "_abc_"))


_MACHINERY = frozenset(
    {
        "__abstractmethods__",
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__class_vars__",
        "__dataclass_params__",
        "__dict__",
        "__doc__",
        "__fields_set__",
        "__firstlineno__",
        "__match_args__",
        "__module__",
        "__orig_bases__",
        "__parameters__",
        "__private_attributes__",
        "__qualname__",
        "__signature__",
        "__slots__",
        "__static_attributes__",
        "__weakref__",
        "model_computed_fields",
        "model_config",
        "model_fields",
    }
)
