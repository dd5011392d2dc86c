"""Types of Python and pydantic that are data by what stands for them, found by name so that none has to be imported."""

from __future__ import annotations

import contextvars
import gc
import sys
import types
from collections.abc import Callable
from typing import Any

from planai.cache.memo import per_class
from planai.cache.tables import OF_PANDAS
from planai.cache.words import annotations_of


def _owner(function: Any) -> Any:
    """Return what a function written in C belongs to: the name of a module, or an object that it is bound to."""
    owner = getattr(function, "__self__", None)
    return function.__module__ if owner is None or isinstance(owner, types.ModuleType) else owner


def _bound(function: Any) -> Any:
    return (_owner(function), function.__name__)


def _described(method: Any) -> Any:
    return (method.__objclass__, method.__name__)


def _default_of(variable: contextvars.ContextVar[Any]) -> Any:
    """Return what a variable is where nobody has set it; what somebody has set is up to each call."""
    try:
        return contextvars.Context().run(variable.get)
    except LookupError:
        return None


def _hashed(state: Any) -> Any:
    """Return what a hash has come to so far, such as by a salt; that can be asked any time, and changes nothing."""
    return (state.name, state.hexdigest())


def _of_module(function: Any, module: str) -> Any:
    """Return the name of what is found under it in a module; others of its class may have the same name."""
    is_there = getattr(sys.modules.get(module), function.__name__, None) is function
    return (module, function.__name__) if is_there else NotImplemented


def _universal(function: Any) -> Any:
    """Return the name of one of numpy's own functions on arrays; of one made by ``frompyfunc`` what it holds."""
    named = _of_module(function, "numpy")
    return (function.nin, function.nout, gc.get_referents(function)) if named is NotImplemented else named


def _validated(call: Any) -> Any:
    """Return what `pydantic.validate_call` validates, by what; besides, it keeps all that the module has."""
    function = call.function
    return (function, annotations_of(function), call.validate_return, call.config_wrapper.config_dict)


_KNOWN: dict[str, Callable[[Any], Any]] = {
    "_blake2:blake2b": _hashed,
    "_blake2:blake2s": _hashed,
    "_contextvars:ContextVar": lambda value: (value.name, _default_of(value)),
    "_hashlib:HASH": _hashed,
    "_hashlib:HASHXOF": lambda value: (value.name, value.hexdigest(64)),
    "_operator:attrgetter": lambda value: value.__reduce__(),
    "_operator:itemgetter": lambda value: value.__reduce__(),
    "_operator:methodcaller": lambda value: value.__reduce__(),
    "_wrappers:ObjectProxy": gc.get_referents,  # of wrapt, which says that it is what it wraps
    "_struct:Struct": lambda value: value.format,
    "argparse:Namespace": vars,
    "array:array": lambda value: (value.typecode, value.tobytes()),
    "builtins:builtin_function_or_method": _bound,
    "builtins:classmethod_descriptor": _described,
    "builtins:dict_items": list,
    "builtins:dict_keys": list,
    "builtins:dict_values": list,
    "builtins:memoryview": lambda value: (value.tobytes(), value.format, value.shape),
    "builtins:method-wrapper": _bound,
    "builtins:method_descriptor": _described,
    "builtins:slice": lambda value: (value.start, value.stop, value.step),
    "builtins:wrapper_descriptor": _described,
    "cachetools:Cache": lambda value: (value.maxsize, getattr(value, "ttl", None), list(value.items())),
    "collections:deque": lambda value: (list(value), value.maxlen),
    "datetime:timezone": lambda value: (value.utcoffset(None), value.tzname(None)),
    "fractions:Fraction": lambda value: (value.numerator, value.denominator),
    "functools:KeyWrapper": gc.get_referents,
    "functools:partial": lambda value: (value.func, value.args, value.keywords, vars(value)),
    "hmac:HMAC": _hashed,
    "ipaddress:_IPAddressBase": str,
    "numpy:dtype": repr,
    "numpy:ufunc": _universal,
    "operator:attrgetter": lambda value: value.__reduce__(),
    "operator:itemgetter": lambda value: value.__reduce__(),
    "operator:methodcaller": lambda value: value.__reduce__(),
    "pydantic._internal._validate_call:ValidateCallWrapper": _validated,
    "pydantic.networks:_BaseMultiHostUrl": str,
    "pydantic.networks:_BaseUrl": str,
    "pydantic_core._pydantic_core:MultiHostUrl": str,
    "pydantic_core._pydantic_core:PydanticUndefinedType": lambda _: None,
    "pydantic_core._pydantic_core:Url": str,
    "types:SimpleNamespace": vars,
    "typing:ForwardRef": lambda value: value.__forward_arg__,
    "typing:TypeAliasType": lambda value: (value.__name__, value.__value__),
    "typing:TypeVar": lambda value: (value.__name__, value.__bound__, value.__constraints__),
    "typing:_SpecialForm": repr,
    "weakref:ReferenceType": lambda value: value(),
    **OF_PANDAS,
    "zoneinfo:ZoneInfo": lambda value: NotImplemented if value.key is None else value.key,
}


@per_class
def stand_in(kind: type) -> Callable[[Any], Any] | None:
    """Return what makes data of the objects of a class; None where it is not known, or a subclass of what is known.

    An object for which the data is NotImplemented, such as a time zone that was read from a file, is none.

    >>> import fractions
    >>> stand_in(fractions.Fraction)(fractions.Fraction(1, 3))
    (1, 3)
    """
    for base in kind.__mro__:
        found = _KNOWN.get(f"{base.__module__}:{base.__qualname__}")
        if found is not None:
            return found
    return None
