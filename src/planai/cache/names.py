"""Names: those of classes, which are equal in every process, and what a name tells of what has it."""

from __future__ import annotations

import functools
import pathlib
import re
import sys
from typing import Any

from planai.cache.memo import per_class
from planai.cache.scalars import frame

_CREDENTIAL = re.compile(
    r"((API|ACCESS|AUTH|PRIVATE|SECRET)_?KEY(_ID)?|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS)$", re.IGNORECASE
)

_SCRIPTS = ("__main__", "__mp_main__")
"""What a script is called where it was started, and in the processes that multiprocessing spawns for it."""


@per_class
def qualified(kind: type) -> str:
    """Return the name of a class with its module; a script's classes are in the module that its file would be."""
    return f"{module_name(module_of(kind))}:{kind.__qualname__}"


def is_credential(name: object) -> bool:
    """Tell whether what has this name is to be shown to nobody: a variable, a field, or a constant.

    >>> is_credential("OPENAI_API_KEY"), is_credential("password"), is_credential("max_tokens")
    (True, True, False)
    """
    return isinstance(name, str) and _CREDENTIAL.search(name) is not None


def module_of(value: Any) -> str:
    """Return the name of the module that a class or function is from; nothing where it does not say so.

    Classes written in C may have something else there, which is about their objects.
    """
    name = getattr(value, "__module__", None)
    return name if isinstance(name, str) else ""


def module_name(name: str | None) -> str:
    """Return what a module is called when it is imported."""
    if name in _SCRIPTS:
        return main_module()
    return name or ""


def main_module() -> str:
    """Return what the script is called when it is imported: the stem of its file.

    It is looked up each time: while a spawned process imports the script, ``__main__`` is still multiprocessing's own.
    """
    script = sys.modules.get("__mp_main__") or sys.modules.get("__main__")
    spec = getattr(script, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(script, "__file__", None)
    return pathlib.Path(file).stem if file else "__main__"


@per_class
def framed_name(kind: type) -> bytes:
    """Return what begins the form of an object: the name of its class."""
    return frame(b"name:", qualified(kind).encode())


@functools.lru_cache(4096)
def framed_field(name: str) -> bytes:
    """Return what comes before the value of a field."""
    return frame(b"field:", name.encode("utf-8", "surrogatepass"))
