"""A walk over all that a class reaches: the code of the user's own, and the values that it uses.

Functions, classes and modules are numbered as they are met, and encoded one after the other: so that what calls itself
comes to an end, and equal values are alike whether they are shared or not.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import PydanticUndefined

from planai.cache.canonical import digest, encode, qualified
from planai.cache.code_reader import CodeReader
from planai.cache.environment import ASKED
from planai.cache.findings import Findings
from planai.cache.firsts import First
from planai.cache.instructions import MISSING
from planai.cache.made_up import imports, subclasses_of
from planai.cache.names import module_name
from planai.cache.own import Own
from planai.cache.parts import parts_of
from planai.cache.places import look_up
from planai.cache.shown import constant_text
from planai.cache.words import VARIABLES, WORDS, Word, names_in_order

_SCALARS = frozenset({str, int, float, bool, bytes, type(None)})
_FIXED = (type, types.FunctionType, types.ModuleType, property, staticmethod, classmethod, types.BuiltinFunctionType)
_DECIDING_CELLS = dict.fromkeys(
    ("functools:singledispatch.<locals>.dispatch", "functools:singledispatch.<locals>.register"), ("registry",)
)
"""What counts of closures that hold also what their use fills."""

_CODE = (type, types.FunctionType, types.ModuleType)


class Walk:
    """One walk over all that a class, or a value, reaches.

    Args:
        root: the class that is walked from, or whose package tells which code is the user's own.
        with_fields: whether the types and defaults of the root's own fields count, too.
        opaque: classes of which only the name counts.
        first: the first values of what calls change.
        follows: whether code is followed; else it counts by which object it is, within this process.
        asked: what others ask of all that is met, of `planai.cache.words.WORDS`.

    Attributes:
        root: the class that is walked from.
        found: what was found beside the digest.
    """

    def __init__(
        self,
        root: type,
        *,
        with_fields: bool = False,
        opaque: frozenset[type] = frozenset(),
        first: First | None = None,
        follows: bool = True,
        asked: Iterable[Word] = (),
    ) -> None:
        self.root = root
        self.found = Findings(first)
        self._asks_for_families = False
        self._keeps_order = True
        self._asked: dict[Word, int] = dict.fromkeys(asked, 0)
        self._with_fields = with_fields
        self._opaque = opaque
        self._follows = follows
        self._own = Own(root.__module__)
        self._numbers: dict[int, int] = {}
        self._met: list[Any] = []
        self._kept: list[Any] = []
        self._states: dict[int, tuple[Any, bytes]] = {}

    @property
    def asked(self) -> frozenset[Word]:
        """What code asks of all that is met."""
        return frozenset(self._asked)

    def digest(self) -> str:
        """Return the digest of the root."""
        self._number(self.root)
        return digest(*self._rest())

    def digest_of(self, values: list[Any], *, keeps_order: bool = True) -> str:
        """Return the digest of values, and of the code that they reach.

        Args:
            values: data, and objects with code.
            keeps_order: whether the order of dicts in them counts, as that of a constant does.
        """
        self._keeps_order = keeps_order
        forms = [self.value(value) for value in values]
        self._keeps_order = True
        return digest(*forms, *self._rest())

    def value(self, value: Any) -> bytes:
        """Encode anything that code may refer to."""
        reader = CodeReader(self, keeps_order=self._keeps_order)
        try:
            form = encode(self.unwrapped(value), (reader,))
        except RecursionError:  # such as a long chain of nodes
            form = qualified(type(value)).encode()
        if self._follows:
            for kind in sorted(reader.kinds, key=qualified):
                self.kind(kind)
        return form

    def read(self, place: Any, name: str) -> tuple[Any, bytes]:
        """Look a name up, and remember what was found; what calls change counts as it was at first."""
        if self.found.firsts.has(place, name):
            return self.at_first(place, name)
        found = look_up(place, name)
        self.found.reads.append((place, name, found))
        if found is MISSING:
            return found, b""
        if imports(found):  # by what name is seen from the instructions that follow
            return found, b"import"
        form = b"" if isinstance(found, types.ModuleType) else self.hold(found)
        if name and not isinstance(found, _FIXED):
            module = place.get("__name__", "") if isinstance(place, dict) else getattr(place, "__name__", "")
            self.found.outline[f"{module_name(module)}.{name}".lstrip(".")] = constant_text(name, found, form)
        return found, form

    def at_first(self, place: Any, name: str) -> tuple[Any, bytes]:
        """Return what was somewhere at first, and its form."""
        first = self.found.firsts.get(place, name)
        if first is MISSING:
            return first, b""
        return first, first if isinstance(first, bytes) else self.value(first)

    def foreign(self, module: types.ModuleType, name: str) -> tuple[Any, bytes]:
        """Look a name up in a module that is not the user's own: what the user has put in the place of it counts."""
        found = vars(module).get(name, MISSING)
        self.found.reads.append((module, name, found))
        if any(found is one for one in ASKED):
            self.asks("environ")
        if module is sys and name in ("argv", "orig_argv"):
            return found, self.hold(found)
        is_own = isinstance(found, type | types.FunctionType) and self._own.holds(found)
        return found, self.value(found) if is_own else b""

    def hold(self, value: Any) -> bytes:
        """Encode a value, and remember it if it may be changed in place."""
        if type(value) not in _SCALARS and value is not PydanticUndefined and not isinstance(value, _FIXED):
            self.found.held.append(value)
        return self.value(value)

    def all_names(self, names: dict[str, Any]) -> bytes:
        """Encode all that is in a dict of globals."""
        module = sys.modules.get(names.get("__name__", ""))
        if module is not None and vars(module) is names:
            return self.value(module)
        forms = [name.encode() + self.read(names, name)[1] for name in sorted(names) if not name.startswith("__")]
        return digest(*forms).encode()

    def asks(self, word: str) -> None:
        """Take note that what code says of itself is asked for."""
        self._asked.setdefault(WORDS[word], 0)

    def family(self, kind: Any) -> bytes:
        """Encode the subclasses of `kind`; of what is no class those of all classes that are met."""
        if not isinstance(kind, type):
            self._asks_for_families = True
            return b""
        members = subclasses_of(kind)
        self.found.families[kind] = list(members)
        for member in members.values():
            self.kind(member)
            self.family(member)
        return digest(*(name.encode() for name in members)).encode()

    def is_own_module(self, value: Any) -> bool:
        """Tell whether `value` is a module of the user's own."""
        return isinstance(value, types.ModuleType) and self._own.holds(value)

    def is_own_file(self, file: str, module: str) -> bool:
        """Tell whether a file is the user's own, that is imported as `module`."""
        return self._own.is_file(file, module)

    def is_root(self, kind: type) -> bool:
        """Tell whether `kind` is what is walked from, which may be renamed."""
        return kind is self.root

    def counts_fields(self, kind: type) -> bool:
        """Tell whether the types and defaults of a model's fields count."""
        return self._with_fields or kind is not self.root

    def kind(self, kind: type) -> bytes:
        """Encode a class by its number, and what is not the user's own by its name."""
        is_followed = kind not in self._opaque and self._own.holds(kind)
        return self._number(kind) if is_followed else qualified(kind).encode()

    def code(self, value: Any) -> bytes:
        """Encode a function or module by its number, and what is not the user's own by its name."""
        if not self._follows:
            self._kept.append(value)  # alive: its id is that of no other
            return b"%d" % id(value)
        if self._own.holds(value):
            return self._number(value)
        if imports(value):  # in something that code holds, and not in the code itself
            self.found.unknown.add(f"{value.__module__}.{value.__qualname__}")
        if any(value is one for one in ASKED):
            self.asks("environ")
        name = f"{value.__module__}:{value.__qualname__}" if hasattr(value, "__qualname__") else value.__name__
        cells = getattr(value, "__closure__", None) or ()
        if hasattr(value, "__wrapped__") or not cells:
            return name.encode()
        deciding = _DECIDING_CELLS.get(name, value.__code__.co_freevars)
        named = zip(value.__code__.co_freevars, cells, strict=True)
        return name.encode() + b"".join(self._cell(cell) for what, cell in named if what in deciding)

    def state(self, value: Any, make: Any) -> bytes:
        """Return the form of an object that `make` encodes, each object once."""
        known = self._states.get(id(value))
        if known is None:
            known = self._states[id(value)] = (value, b"state " + digest(make()).encode())
        return known[1]

    def later(self, value: Any) -> bytes:
        """Encode an object by its number: what it consists of comes later, since it is far inside of others."""
        return self._number(value)

    def first_of(self, value: Any, name: str, item: Any) -> Any:
        """Return what an attribute of an object was at first, if calls change it; else what it is."""
        return self.found.firsts.get(value, name, item)

    def unwrapped(self, value: Any) -> Any:
        """Return the function behind a static or class method, a cache, or a decorator from elsewhere."""
        return self._own.unwrapped(value)

    # ---- what is met, one after the other

    def _number(self, value: Any) -> bytes:
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._met)
            self._met.append(value)
        return b"#%d" % self._numbers[id(value)]

    def _rest(self) -> Iterator[bytes]:
        """Yield what was met and not yet encoded, and what that meets."""
        for number, value in enumerate(self._met):
            yield b"#%d" % number
            yield from parts_of(self, value)
            if number + 1 == len(self._met):
                yield from self._asked_for()

    def _asked_for(self) -> Iterator[bytes]:
        """Encode what any code asks of all that was met: the subclasses of classes, and words."""
        if self._asks_for_families:
            for kind in sorted(self.found.kinds - self.found.families.keys(), key=qualified):
                yield self.family(kind)
        for take in list(self._asked):
            done, self._asked[take] = self._asked[take], len(self._met)
            code = [value for value in self._met[done : self._asked[take]] if isinstance(value, _CODE)]
            yield from [self._told(take, value) for value in code]

    def _told(self, take: Word, value: Any) -> bytes:
        """Encode what some code says of itself when it is asked; of texts also the environment variables they name."""
        found = take(value)
        if take is names_in_order:
            found = [name for name in found if not self.found.firsts.was_missing(value, name)]
        if take not in VARIABLES:
            return self.value(found)
        return b"".join(map(self.variable, found))

    def variable(self, name: str) -> bytes:
        """Encode an environment variable, if there is one of that name; people are shown what tells values apart."""
        found = look_up(os.environ, name)
        self.found.reads.append((os.environ, name, found))
        if found is MISSING:
            return b""
        form = self.value(found)
        self.found.outline[f"os.environ[{name!r}]"] = digest(form)[:12]
        return name.encode() + form

    def _cell(self, cell: types.CellType) -> bytes:
        return self.read(cell, "")[1]
