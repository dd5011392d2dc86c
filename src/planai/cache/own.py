"""Which code is the user's own: neither Python's, nor of installed packages, nor of planai itself."""

from __future__ import annotations

import sys
import sysconfig
import types

_BUILT_IN = "<built-in>"
_PATHS = sysconfig.get_paths()
_LIBRARY = __file__.removesuffix("cache/own.py")
_EXAMPLES = _LIBRARY + "demo/"
_INSTALLED = (*{_PATHS[kind] + "/" for kind in ("stdlib", "platstdlib", "purelib", "platlib")}, "<frozen")


class Own:
    """Tells the user's own code from that of Python, of installed packages, and of planai itself."""

    def __init__(self, module: str) -> None:
        self._package = module.partition(".")[0]

    def holds(self, value: type | types.FunctionType | types.ModuleType) -> bool:
        """Tell whether `value` is of the worker's package, or comes from no installed file."""
        name = value.__name__ if isinstance(value, types.ModuleType) else (value.__module__ or "")
        return self.is_file(_file_of(value), name)

    def is_file(self, file: str, module: str) -> bool:
        """Tell whether the module called `module`, defined in `file`, is the user's own."""
        if file.startswith(_LIBRARY) and not file.startswith(_EXAMPLES):
            return False
        if module.partition(".")[0] == self._package:
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
