"""The identity of code: its bytecode, and that of all it reaches in the user's own modules.

Comments, blank lines, docstrings, line numbers and file paths change nothing. A changed helper, base class, nested
function, default argument, closure or module constant does; changing it back gives the earlier identity again.

Code is followed by the names that it uses and the values that these have: through containers, bound methods, partials,
the attributes of objects, and modules that are handed on. Where a name is made up while the code runs, all counts that
it may mean: of ``globals()`` and ``eval`` what the module has, of ``__subclasses__()`` the classes that there are, of
``import_module("name")`` what is in that module. Where nobody knows, as of ``import_module(name)``, keys are refused.

Environment variables count whose names are texts in code that asks for such: a wrong answer is worse than a miss that
says which variable has changed. Files that code reads are not seen: let `KeyedTaskWorker.extra_cache_key` tell them
apart. Of what has no state to be had, such as a generator of random numbers, an iterator, a logger, a lock or a
connection, the class alone counts.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

from planai.cache.firsts import At, First
from planai.cache.instructions import MISSING
from planai.cache.memo import per_class
from planai.cache.places import look_up
from planai.cache.walk import Walk
from planai.cache.words import Word

_walking = [threading.RLock()]
"""Held by the thread that walks: what one has found to be changed by calls counts alike for all."""

os.register_at_fork(after_in_child=lambda: _walking.__setitem__(0, threading.RLock()))  # nobody else walks there


class _Known(NamedTuple):
    """What was found by a walk."""

    walk: Walk
    digest: str
    look: Walk
    contents: str


class CodeIdentity:
    """The digest of a class's code, kept until something that the code looks up is another object, or has changed.

    >>> class Worker:
    ...     def consume_work(self): return 1
    >>> CodeIdentity(Worker).digest() == CodeIdentity(Worker).digest()
    True

    Args:
        root: the class.
        with_fields: whether the types and defaults of a model's own fields count, too. Those of a worker do not: its
            settings are a part of the key by themselves.
        opaque: classes of which only the name counts.
        asked: what others ask of the code, such as the docstrings in it, of `planai.cache.words.WORDS`.
    """

    def __init__(
        self, root: type, *, with_fields: bool = False, opaque: Iterable[type] = (), asked: Iterable[Word] = ()
    ) -> None:
        self._root = root
        self._with_fields = with_fields
        self._opaque = frozenset(opaque)
        self._asked = frozenset(asked)
        self._for_others: dict[frozenset[Word], CodeIdentity] = {}
        self._known: _Known | None = None

    def digest(self) -> str:
        """Return the digest; it is worked out again when something was replaced or changed in this process."""
        return self._present().digest

    def outline(self) -> dict[str, str]:
        """Return a short digest of each function that was reached, and the value of each constant, by name."""
        return self._present().walk.found.outline

    def names(self) -> set[str]:
        """Return all names that the code uses, of attributes as of globals."""
        return self._present().walk.found.names

    def kinds(self) -> set[type]:
        """Return the classes of the user's own that the code reaches."""
        return self._present().walk.found.kinds

    def asked(self) -> frozenset[Word]:
        """Return what the code asks of code, such as its docstrings."""
        return self._present().walk.asked

    def asked_by(self, other: CodeIdentity) -> CodeIdentity:
        """Return the identity for those who use it together with `other`, which may ask what it says of itself."""
        asked = other.asked() - self._asked
        if not asked:
            return self
        if asked not in self._for_others:
            everything = self._asked | asked
            self._for_others[asked] = CodeIdentity(
                self._root, with_fields=self._with_fields, opaque=self._opaque, asked=everything
            )
        return self._for_others[asked]

    def unknown(self) -> set[str]:
        """Return the functions that take a module by a name which is made up while they run: nobody can follow that.

        They are those of the last look, such as by `digest`.
        """
        return (self._known or self._present()).walk.found.unknown

    def of_objects(self, values: Iterable[Any], *, keeps_order: bool = False, first: First | None = None) -> str:
        """Return a digest of objects that the code uses: of data by value, of others by state, and of their code.

        Args:
            values: the objects.
            keeps_order: whether the order of dicts in them counts, as that of constants does.
            first: what `see_first` has seen.
        """
        return self.look_at(values, keeps_order=keeps_order, first=first)[0]

    def look_at(
        self, values: Iterable[Any], *, keeps_order: bool = False, first: First | None = None
    ) -> tuple[str, set[str]]:
        """Return what `of_objects` does, and the functions in them whose modules nobody knows, as `unknown` does."""
        walk = Walk(self._root, with_fields=True, first=first)
        return walk.digest_of(list(values), keeps_order=keeps_order), walk.found.unknown

    def see_first(self, place: Any, name: str, first: dict[At, tuple[Any, Any]]) -> None:
        """Keep in `first` what is somewhere before calls change it, if nothing is kept yet."""
        if (id(place), name) not in first:
            found = look_up(place, name)
            value = found if found is MISSING else self.of_objects([found], keeps_order=True).encode()
            first.setdefault((id(place), name), (place, value))

    def _present(self) -> _Known:
        known = self._known
        if known is None or self._is_outdated(known):
            with _walking[0]:
                known = self._known
                if known is None or self._is_outdated(known):  # still: another thread may have walked meanwhile
                    known = self._known = self._walk()
        return known

    def _walk(self) -> _Known:
        """Walk, and again when something turns out to be changed by calls, which then counts as it was at first."""
        first = _first_of(self._root)
        while True:
            walk = Walk(self._root, with_fields=self._with_fields, opaque=self._opaque, first=first, asked=self._asked)
            found = walk.digest()
            new = {key: seen for key, seen in walk.found.firsts.changed.items() if key not in first}
            new |= {
                key: (place, self.of_objects([seen], keeps_order=True).encode())
                for key, (place, seen) in walk.found.firsts.filled.items()
                if key not in first
            }
            if not new:
                return _Known(walk, found, *self._look_at(walk))
            first |= new

    def _look_at(self, walk: Walk) -> tuple[Walk, str]:
        """Return what tells whether something was changed in place, and what keeps alive whose ids are in it."""
        look = Walk(self._root, with_fields=True, follows=False, first=_first_of(self._root))
        return look, look.digest_of(walk.found.held)

    def _is_outdated(self, known: _Known) -> bool:
        found = known.walk.found
        return found.is_outdated() or (bool(found.held) and self._look_at(known.walk)[1] != known.contents)


@per_class
def _first_of(kind: type) -> dict[At, tuple[Any, Any]]:
    """Return where the first values are kept of what the code of `kind` changes when it runs."""
    return {}


@per_class
def code_of_worker(kind: type) -> CodeIdentity:
    """Return the identity of the code of a worker class."""
    return CodeIdentity(kind)


@per_class
def code_of_model(kind: type) -> CodeIdentity:
    """Return the identity of a model: its methods, validators and fields."""
    return CodeIdentity(kind, with_fields=True)
