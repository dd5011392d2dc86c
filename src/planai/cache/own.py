"""Which code is the user's own: neither Python's, nor of installed packages, nor of planai itself."""

from __future__ import annotations

import dataclasses
import functools
import reprlib
import sys
import sysconfig
import types
from typing import Any

from planai.cache.names import module_of

_BUILT_IN = "<built-in>"
_PATHS = sysconfig.get_paths()
_LIBRARY = __file__.removesuffix("cache/own.py")
_EXAMPLES = _LIBRARY + "demo/"
_GENERATORS = frozenset({dataclasses.__file__, reprlib.__file__})
_INSTALLED = (*{_PATHS[kind] + "/" for kind in ("stdlib", "platstdlib", "purelib", "platlib")}, "<frozen")


class Own:
    """Tells the user's own code from that of Python, of installed packages, and of planai itself."""

    def __init__(self, module: str) -> None:
        self._package = module.partition(".")[0]

    def holds(self, value: type | types.FunctionType | types.ModuleType) -> bool:
        """Tell whether `value` is of the worker's package, or comes from no installed file."""
        name = value.__name__ if isinstance(value, types.ModuleType) else module_of(value)
        return self.is_file(_file_of(value), name)

    def is_file(self, file: str, module: str) -> bool:
        """Tell whether the module called `module`, defined in `file`, is the user's own."""
        if file.startswith(_LIBRARY) and not file.startswith(_EXAMPLES):
            return False
        if file in _GENERATORS:
            return False  # though what they generate says that it is of the user's module
        if module.partition(".")[0] == self._package:
            return True
        return file != _BUILT_IN and not file.startswith(_INSTALLED) and "-packages/" not in file

    def unwrapped(self, value: Any) -> Any:
        """Return the function behind a static or class method, a cache, or a decorator from elsewhere."""
        while True:
            if isinstance(value, staticmethod | classmethod):
                value = value.__func__
            elif isinstance(value, functools.cached_property):
                value = value.func
            elif self._is_foreign_wrapper(value):
                value = value.__wrapped__
            else:
                return value

    def _is_foreign_wrapper(self, value: Any) -> bool:
        """Tell whether what wraps a function is not the user's own: such as lru_cache, or a retry decorator."""
        if issubclass(type(value), types.FunctionType):  # else one that only says so, as wrapt's do
            return hasattr(value, "__wrapped__") and not hasattr(value, "registry") and not self.holds(value)
        return type(value).__module__ == "functools" and hasattr(value, "__wrapped__")


def _file_of(value: type | types.FunctionType | types.ModuleType) -> str:
    """Return the file that defines `value`; code that was typed or generated has a name such as ``<string>``."""
    if isinstance(value, types.FunctionType):
        return value.__code__.co_filename
    if isinstance(value, types.ModuleType):
        origin = getattr(getattr(value, "__spec__", None), "origin", None)
        made = _BUILT_IN if origin in ("built-in", "frozen") else f"<{value.__name__}>"  # by exec, or in a notebook
        return getattr(value, "__file__", None) or made
    module = sys.modules.get(module_of(value))
    if module is types and vars(types).get(value.__name__) is not value:
        return f"<{value.__qualname__}>"  # made by a call, such as of ``make_dataclass``: nobody says where
    if isinstance(module, types.ModuleType) and module.__name__ != "__main__":
        return _file_of(module)
    return f"<{module_of(value)}>"  # some modules put an object in their place


def is_machinery(name: str) -> bool:
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
        "__module__",
        "__orig_bases__",
        "__parameters__",
        "__private_attributes__",
        "__qualname__",
        "__signature__",
        "__slotnames__",
        "__slots__",
        "__static_attributes__",
        "__weakref__",
        "_value2member_map_",  # of an enum, whose flags get members when they are combined
        "model_computed_fields",
        "model_config",
        "model_fields",
    }
)
