"""The names of classes: equal in every process, whichever module a script's own classes are said to be in there."""

from __future__ import annotations

import pathlib
import sys

from planai.cache.memo import per_class

_SCRIPTS = ("__main__", "__mp_main__")
"""What a script is called where it was started, and in the processes that multiprocessing spawns for it."""


@per_class
def qualified(kind: type) -> str:
    """Return the name of a class with its module; a script's classes are in the module that its file would be."""
    return f"{module_name(kind.__module__)}:{kind.__qualname__}"


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
