"""Words: what code says of itself, which counts only where other code asks for it, such as a docstring for a prompt.

The same holds for the order in which things are defined, and for what may be names of environment variables.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from planai.cache.environment import home, texts_in
from planai.cache.own import is_machinery

Word = Callable[[Any], Any]
"""Returns what a class, function or module says of itself."""

_FIELD = ("title", "description", "examples", "json_schema_extra", "deprecated")


def _called(value: Any) -> Any:
    return getattr(value, "__qualname__", None)


def _documented(value: Any) -> Any:
    fields = value.model_fields if isinstance(value, type) and issubclass(value, BaseModel) else {}
    return value.__doc__, {name: [getattr(field, one) for one in _FIELD] for name, field in fields.items()}


def annotations_of(value: Any) -> Any:
    """Return the annotations of a class or function, evaluated as far as that is possible."""
    try:
        return typing.get_type_hints(value, include_extras=True)
    except Exception:  # noqa: BLE001 - they may name what is only there for those who check types
        return {name: str(one) for name, one in _unresolved(value).items()}


def types_in(kind: type) -> list[Any]:
    """Return the types that a class is made with: for the variables of its generic bases, or as a table of types.

    A TypedDict is nothing but that, and a named tuple is checked by it.
    """
    own = vars(kind)
    given = [typing.get_args(base) for base in own.get("__orig_bases__", ())]
    tables = [annotations_of(kind)] if "__total__" in own or "_field_defaults" in own else []
    return [*filter(None, given), *own.get("__pydantic_generic_metadata__", {}).get("args", ()), *tables]


def _unresolved(value: Any) -> dict[str, Any]:
    """Return the annotations as they are written down; newer Pythons find out only now what the names in them mean."""
    try:
        return getattr(value, "__annotations__", None) or {}
    except Exception:  # noqa: BLE001 - what nobody can find out, the code cannot, either
        return {}


def _source(value: Any) -> Any:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        return None


def names_in_order(value: Any) -> list[str]:
    """Return the names of what a class or module has, in the order in which it got them.

    Modules in a module are left out: a package gets those when somebody imports them.
    """
    if isinstance(value, types.FunctionType):
        return []
    slots = vars(value).get("__slots__", ())
    named = [name for name, item in vars(value).items() if not isinstance(item, types.ModuleType)]
    names = [name for name in named if not (is_machinery(name) or name in _OF_MODULES)]
    return [*names, *([slots] if isinstance(slots, str) else slots)]


_OF_MODULES = frozenset({"__builtins__", "__cached__", "__file__", "__loader__", "__name__", "__package__", "__spec__"})

WORDS: dict[str, Word] = {
    "__annotations__": annotations_of,
    "__dict__": names_in_order,
    "__doc__": _documented,
    "__name__": _called,
    "__qualname__": _called,
    "__slots__": names_in_order,
    "environ": texts_in,
    "environb": texts_in,
    "expanduser": home,
    "expandvars": texts_in,
    "get_annotations": annotations_of,
    "get_type_hints": annotations_of,
    "getdoc": _documented,
    "getenv": texts_in,
    "getenvb": texts_in,
    "getsource": _source,
    "getsourcelines": _source,
    "globals": names_in_order,
    "home": home,
    "model_fields": _documented,
    "model_json_schema": _documented,
    "signature": annotations_of,
    "vars": names_in_order,
}
"""What is asked for by each name: of all classes, functions and modules that the code reaches."""

VARIABLES: frozenset[Word] = frozenset({home, texts_in})
"""Those that tell the names of environment variables, whose values count."""
