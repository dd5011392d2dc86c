"""Names that are made up: what takes modules by them, which ones are known, and which classes there are."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import runpy
import sys
import types
from collections.abc import Callable
from importlib.util import spec_from_file_location
from typing import Any

import pytest

from planai.cache.instructions import MISSING, instructions_of
from planai.cache.made_up import is_special, module_taken, subclasses_of, takes_module

NAME = "json"
PACKAGE: Any = "email"


def constant() -> Any:
    return importlib.import_module("json")


def constant_of_the_module() -> Any:
    return importlib.import_module(NAME)


def relative() -> Any:
    return importlib.import_module(".message", "email")


def relative_by_name() -> Any:
    return importlib.import_module(".message", package=PACKAGE)


def loaded() -> Any:
    return sys.modules["json"]


def perhaps_loaded() -> Any:
    return sys.modules.get("json", None)


def variable(name: str) -> Any:
    return importlib.import_module(name)


def half_constant(name: str) -> Any:
    return importlib.import_module(f"json.{name}")


def added(name: str) -> Any:
    return importlib.import_module("json." + name)


def relative_to_a_variable(name: str) -> Any:
    return importlib.import_module(".message", name)


def loaded_variable(name: str) -> Any:
    return sys.modules[name]


def handed_on() -> Any:
    return map(importlib.import_module, [NAME])


def asked(name: str) -> Any:
    return name in sys.modules


KNOWN: list[tuple[Callable[..., Any], list[str]]] = [
    (constant, ["json"]),
    (constant_of_the_module, ["json"]),
    (relative, [".message", "email"]),
    (relative_by_name, [".message", "email"]),
    (loaded, ["json"]),
    (perhaps_loaded, ["json"]),
]


def after(function: Callable[..., Any]) -> tuple[Any, list[Any]]:
    """Return what a function takes modules from, and the instructions after that."""
    assert isinstance(function, types.FunctionType)
    steps = list(instructions_of(function.__code__))
    (number,) = (number for number, step in enumerate(steps) if step.argval in ("import_module", "modules"))
    return {"import_module": importlib.import_module, "modules": sys.modules}[steps[number].argval], steps[number + 1 :]


@pytest.mark.parametrize(("function", "texts"), KNOWN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_constant_names_the_module(function: Callable[..., Any], texts: list[str]) -> None:
    found, steps = after(function)
    assert takes_module(found, steps)
    assert module_taken(found, steps, globals().get) == texts


@pytest.mark.parametrize(
    "function", [variable, half_constant, added, relative_to_a_variable, loaded_variable, handed_on]
)
def test_what_is_made_up_names_none(function: Callable[..., Any]) -> None:
    found, steps = after(function)
    assert takes_module(found, steps)
    assert module_taken(found, steps, globals().get) is None


def test_to_ask_whether_a_module_is_there_takes_none() -> None:
    assert not takes_module(*after(asked))


def test_what_leads_to_other_names_is_special() -> None:
    special: list[Any] = [
        *(importlib.import_module, __import__, sys.modules, eval, exec, globals),
        *(runpy.run_path, runpy.run_module, pkgutil.resolve_name, spec_from_file_location),
    ]
    assert all(map(is_special, special))
    assert not any(map(is_special, [json.loads, getattr, {}, "eval", None, MISSING, constant, len]))


def test_subclasses_are_those_that_are_there_in_their_order() -> None:
    class Base:
        pass

    class Late(Base):
        pass

    @dataclasses.dataclass(slots=True)  # which makes a second class of the first
    class Early(Base):
        value: int = 0

    assert list(subclasses_of(Base).values()) == [Late, Early]
