"""Words: what code says of itself, which counts only where other code asks for it, such as a docstring for a prompt."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

_FIELD = ("title", "description", "examples")


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
        return {name: str(one) for name, one in vars(value).get("__annotations__", {}).items()}


def _source(value: Any) -> Any:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        return None


WORDS: dict[str, Callable[[Any], Any]] = {
    "__annotations__": annotations_of,
    "__doc__": _documented,
    "__name__": _called,
    "__qualname__": _called,
    "get_annotations": annotations_of,
    "get_type_hints": annotations_of,
    "getdoc": _documented,
    "getsource": _source,
    "getsourcelines": _source,
    "model_fields": _documented,
    "model_json_schema": _documented,
    "signature": annotations_of,
}
"""What is asked for by each name: of all classes, functions and modules that the code reaches."""
