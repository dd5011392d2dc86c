"""Which variables of the environment code may ask for: those whose names it contains, or that its settings have."""

from __future__ import annotations

import os
import re
import types
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel

from planai.cache.memo import per_class
from planai.cache.names import is_credential

ASKED: tuple[Any, ...] = (os.environ, os.getenv, os.path.expandvars)
ASKED += tuple(getattr(os, name) for name in ("environb", "getenvb") if hasattr(os, name))  # not on Windows
"""What is asked for variables by their names."""

_PLACEHOLDER = re.compile(r"\$\{?(\w+)|\{(\w+)\}|%\((\w+)\)|%(\w+)%")


def texts_in(value: Any) -> list[str]:
    """Return the texts in a class, function or module that may be names of environment variables.

    Those of credentials are left out: they decide who pays, and each of a team has their own.
    The variable called ``_``, which is another for each command of a shell, is not what ``"_".join(...)`` is about.
    """
    if isinstance(value, types.FunctionType):
        known = value.__globals__
        given = [*_constants(value.__code__), *(known.get(name) for name in _names_in(value.__code__))]
        given += [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    else:
        given = list(vars(value).values())
    texts = {name for text in given for name in _variables_in(text)}
    return sorted(text for text in texts if text.isidentifier() and text != "_" and not is_credential(text))


def home(value: Any) -> list[str]:
    """Return the variables that tell where the user's files are, if a function asks for that."""
    names = set(_names_in(value.__code__)) if isinstance(value, types.FunctionType) else set()
    return ["HOME", "USERPROFILE"] if "expanduser" in names or {"Path", "home"} <= names else []


def variables_of_settings(kind: type) -> list[str]:
    """Return the environment variables that a class of settings takes, as those of pydantic-settings do."""
    if not _is_settings(kind):
        return []
    fields = set(_names_of_fields(kind))
    there = {name for name in os.environ if any(_fits(name.lower(), *field) for field in fields)}
    there |= {name.upper() for name, _ in fields}  # which may come later
    return sorted(name for name in there if not is_credential(name))


@per_class
def _is_settings(kind: type) -> bool:
    return any(base.__name__ == "BaseSettings" for base in kind.__mro__) and issubclass(kind, BaseModel)


def _names_of_fields(kind: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield the name of the variable of each field, in small letters, and what comes before the names of its parts."""
    config = kind.model_config
    prefix, delimiter = str(config.get("env_prefix") or ""), str(config.get("env_nested_delimiter") or "")
    for name, field in kind.model_fields.items():
        for one in (prefix + name, *_aliases(field.validation_alias), *_aliases(field.alias)):
            yield one.lower(), (one + delimiter).lower() if delimiter else ""


def _fits(variable: str, name: str, beginning: str) -> bool:
    return variable == name or (beginning != "" and variable.startswith(beginning))


def _aliases(alias: str | AliasChoices | AliasPath | None) -> Iterator[str]:
    if isinstance(alias, str):
        yield alias
    elif isinstance(alias, AliasPath):
        yield str(alias.path[0])
    elif isinstance(alias, AliasChoices):
        for choice in alias.choices:
            yield from _aliases(choice)


def _variables_in(text: Any) -> Iterable[str]:
    """Return the names that a text may stand for: all of it, and what it has places for."""
    if type(text) is bytes:
        text = os.fsdecode(text)
    if type(text) is not str:
        return ()
    return (text, *("".join(found) for found in _PLACEHOLDER.findall(text)))


def _constants(value: Any) -> Iterator[Any]:
    inner = value.co_consts if isinstance(value, types.CodeType) else value
    for constant in inner:
        if isinstance(constant, types.CodeType | tuple | frozenset):
            yield from _constants(constant)
        else:
            yield constant


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)
