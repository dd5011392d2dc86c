"""The canonical form of a value: bytes that are equal exactly when the values are, in every process.

Each part is framed with its type and length, so that ``1``, ``"1"``, ``True`` and ``[1]`` differ, and no separator
can be forged. Dicts and sets are sorted by encoded form, but an OrderedDict keeps its order, which decides whether two
are equal. A value without identity is refused, never passed over; of private attributes, which nobody can replace by
data, the state counts as far as there is any.

Equal instants have one form, whatever their time zones. Code that reads ``.hour`` or ``.date()`` of a time, or shows
it, should convert it to one zone first: the answer for 12 o'clock in London is given for 13 o'clock in Paris, too.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterable
from typing import Any

from planai.cache.deciding import NoIdentity
from planai.cache.fields import CacheIgnore, CacheKey, fields_of, ignored_fields, stand_ins
from planai.cache.forms import Above, encode, named
from planai.cache.names import framed_name, main_module, qualified
from planai.cache.scalars import frame
from planai.cache.state import state_of
from planai.errors import UnkeyableValue

__all__ = [
    "Above",
    "Anything",
    "CacheIgnore",
    "CacheKey",
    "Reader",
    "SettingsReader",
    "canonical",
    "digest",
    "encode",
    "fields_of",
    "frame",
    "ignored_fields",
    "main_module",
    "qualified",
    "stand_ins",
]


def digest(*parts: bytes) -> str:
    """Return 64 hexadecimal digits for `parts`, each framed by its length."""
    framed = [len(part).to_bytes(8, "big") + part for part in parts]
    return hashlib.blake2b(b"".join(framed), digest_size=32).hexdigest()


def canonical(value: Any, where: str = "value") -> bytes:
    """Return the canonical form of `value`.

    Args:
        value: data of any depth: scalars, containers, dates, enums, paths, pydantic models, dataclasses, arrays.
        where: what the value is called in an error.

    Raises:
        UnkeyableValue: something in it has no identity, such as a lock, an open file, or a lambda.
    """
    return Reader().read(value, where)


class Reader:
    """Makes the canonical form of data, and remembers whose code goes with it.

    Attributes:
        kinds: the classes of the objects that were read, in the order in which they were met.
        functions: functions and modules that were read in private state, where they count by name alone.
    """

    __slots__ = ("functions", "kinds")

    def __init__(self) -> None:
        self.kinds: dict[type, None] = {}
        self.functions: list[Any] = []

    def read(self, value: Any, where: str) -> bytes:
        """Return the canonical form of `value`, as `canonical` does."""
        try:
            return encode(value, (self,))
        except RecursionError:
            raise UnkeyableValue(f"{where} is nested too deeply to make a key of: use flat data") from None
        except NoIdentity as error:
            raise UnkeyableValue(f"{where}{''.join(reversed(error.path))} {error.reason}") from None

    @property
    def keeps_order(self) -> bool:
        """Whether the order of a dict counts."""
        return False

    def called(self, kind: type) -> str:
        """Return what a class is called."""
        return qualified(kind)

    def in_private(self) -> Reader:
        """Return who reads private state."""
        return Anything(self)

    def other(self, value: Any, above: Above) -> bytes:
        """Encode what is no data, or refuse to."""
        raise NoIdentity(
            f"is a {type(value).__module__}.{type(value).__qualname__}, which has no identity to make a key of: "
            "leave it out of the key with Annotated[..., CacheIgnore()] if it decides nothing, "
            "else replace it by data, or override get_cache_key"
        )

    def at_first(self, value: Any, found: dict[str, Any]) -> dict[str, Any]:
        """Return what an object consists of, from what it consists of now."""
        return found

    def environment(self, value: Any, above: Above) -> bytes:
        """Encode the variables of the environment."""
        return encode(dict(value), above)

    def again(self, value: Any, above: Above) -> bytes:
        """Encode what contains itself, or refuse to."""
        raise NoIdentity("contains itself, and so has no finite key")

    def in_order(self, values: Iterable[Any], above: Above) -> Iterable[Any]:
        """Return the items of a set in the order in which they are read."""
        return values


class Anything(Reader):
    """Reads all there is: of what is no data the class and state, of functions the names."""

    __slots__ = ()

    def __init__(self, reader: Reader | None = None) -> None:
        super().__init__()
        if reader is not None:
            self.kinds, self.functions = reader.kinds, reader.functions

    def in_private(self) -> Reader:
        """Return the same: nothing is refused here."""
        return self

    def other(self, value: Any, above: Above) -> bytes:
        """Encode code by its name, and an object by its class and state."""
        if isinstance(value, types.FunctionType | types.ModuleType):
            return self.code(value)
        if isinstance(value, types.MethodType):
            return frame(b"method:", self.code(value.__func__) + encode(value.__self__, above))
        kind = type(value)
        self.kinds[kind] = None
        state = self.state(value)
        if callable(value) and not hasattr(kind, "__getattr__") and isinstance(getattr(value, "__name__", None), str):
            state = (state or {}) | {"__name__": by_name(value)}  # a function that was written in another language
        return frame(b"other:", framed_name(kind)) if state is None else named(kind, state, above)

    def state(self, value: Any) -> dict[str, Any] | None:
        """Return what an object consists of; None where only its class can count."""
        return state_of(value)

    def code(self, value: Any) -> bytes:
        """Encode a function or module."""
        self.functions.append(value)
        return frame(b"code:", by_name(value).encode())

    def again(self, value: Any, above: Above) -> bytes:
        """Encode by how far up it is."""
        return frame(b"again:", str(len(above) - above.index(id(value))).encode())

    def in_order(self, values: Iterable[Any], above: Above) -> Iterable[Any]:
        """Sort: the order in which functions are met tells them apart, and is not that of a set."""
        return sorted(values, key=lambda value: encode(value, (_NAMING, *above[1:])))


class SettingsReader(Reader):
    """Reads data, and functions besides, whose code goes with it; without code only those that a name tells apart."""

    __slots__ = ("_with_code",)

    def __init__(self, *, with_code: bool) -> None:
        super().__init__()
        self._with_code = with_code

    def other(self, value: Any, above: Above) -> bytes:
        """Encode a function, a method or a module, or refuse to."""
        function = getattr(value, "__func__", value) if isinstance(value, types.MethodType) else value
        is_named = isinstance(function, types.ModuleType) or "<" not in getattr(function, "__qualname__", "<")
        is_code = isinstance(function, types.FunctionType | types.ModuleType)
        if is_code and (self._with_code or is_named):
            reader = Anything(self)
            return reader.other(value, (reader, *above[1:]))
        return super().other(value, above)


class _Naming(Anything):
    """Reads what sorts the items of a set: nothing is remembered."""

    __slots__ = ()

    def code(self, value: Any) -> bytes:
        code = getattr(value, "__code__", None)
        what = by_name(value).encode() if code is None else b"%s %s" % (by_name(value).encode(), code.co_code)
        return frame(b"code:", what)

    def in_order(self, values: Iterable[Any], above: Above) -> Iterable[Any]:
        return values


_NAMING = _Naming()


def by_name(value: Any) -> str:
    """Return what a function or module is called, with the module of a function."""
    name = getattr(value, "__qualname__", None)
    return str(value.__name__) if name is None else f"{getattr(value, '__module__', '')}:{name}"
