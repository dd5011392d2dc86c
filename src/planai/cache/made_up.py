"""Look-ups by names that are made up while code runs: which of them can be followed, and which nobody can foresee."""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from planai.cache.names import qualified

SUBCLASSES = "__subclasses__"
"""The method that gives classes which no code names."""

_ANY_NAME = frozenset({"builtins.globals", "builtins.eval", "builtins.exec", "inspect.getmodule"})
_ANY_NAME_OF_ALL = frozenset({"f_globals", "__globals__"})
_IMPORT = frozenset({"builtins.__import__", "importlib.import_module"})
_LOADER = frozenset(
    {
        *(
            "importlib.metadata.entry_points",
            "pkgutil.resolve_name",
            "pydoc.locate",
            "runpy.run_module",
            "runpy.run_path",
        ),
        "_frozen_importlib_external.SourceFileLoader",
        "_frozen_importlib_external.spec_from_file_location",
    }
)
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, type)
_BETWEEN = frozenset({"PUSH_NULL", "PRECALL", "KW_NAMES"})
_SUBSCRIPT = "[]"


def is_special(value: Any) -> bool:
    """Tell whether `value` finds things by names that are made up."""
    return value is sys.modules or _name_of(value) in _IMPORT | _LOADER | _ANY_NAME


def imports(value: Any) -> bool:
    """Tell whether `value` is a function that takes a module by its name."""
    return _name_of(value) in _IMPORT | _LOADER


def may_mean_any_name(step: dis.Instruction, found: Any) -> bool:
    """Tell whether all names of the module may be meant by what an instruction loads, such as ``globals``."""
    return _name_of(found) in _ANY_NAME or step.argval in _ANY_NAME_OF_ALL


def takes_module(found: Any, steps: Sequence[dis.Instruction]) -> bool:
    """Tell whether a module is taken by its name, from what was found; `steps` are the instructions after that."""
    if found is sys.modules:
        return not (steps and steps[0].opname == "CONTAINS_OP")
    return imports(found)


def module_taken(found: Any, steps: Sequence[dis.Instruction], look_up: Callable[[str], Any]) -> list[str] | None:
    """Return the texts that name the module which is taken: the name, and for a relative one the package.

    Args:
        found: what takes it.
        steps: the instructions after that.
        look_up: returns the value of a global.

    Returns:
        None where the name is made up.
    """
    if _name_of(found) in _LOADER:
        return None
    texts: list[str] = []
    for step in steps:
        if step.opname in _BETWEEN or (found is sys.modules and step.argval == "get"):
            continue
        if step.opname in ("LOAD_CONST", "LOAD_GLOBAL", "LOAD_NAME"):
            text = step.argval if step.opname == "LOAD_CONST" else look_up(step.argval)
            if isinstance(text, str):
                texts.append(text)
                continue
            if texts:  # such as the names of arguments, or what is given where there is no module
                continue
        is_taken = step.opname in ("CALL", "CALL_KW", "BINARY_SUBSCR") or step.argrepr == _SUBSCRIPT
        return texts if is_taken and texts else None
    return None


def subclasses_of(kind: type) -> dict[str, type]:
    """Return the subclasses that a class has now by name; the last of those that were made anew, as by a decorator."""
    members: list[type] = type.__subclasses__(kind)
    return {qualified(member): member for member in members}


def _name_of(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}" if isinstance(value, _FUNCTIONS) else ""
