"""Borrowed: model objects that are asked by their own methods, as PlanAI asks its models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from planai.cache.names import is_credential
from planai.llm.answering import answering
from planai.llm.client import Answer, OnChunk, Request
from planai.llm.direct import Direct

TEMPLATE = "Here is your input data:\n{task}\n\nHere are your instructions:\n{instructions}"
"""What PlanAI puts around prompts, on which the patterns of its mock models are written."""

_PACKAGE = "llm_interface"
_NAMES: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


class Borrowed:
    """A model object of ``llm_interface``, the package that PlanAI asks models with, or one that is used like it.

    What it says is kept in no cache of planai's; what workers make of it is. What decides the answers of an object that
    is not of that package, such as a mock, nobody can know: its answers are found again with that very object alone.

    Args:
        model: has the methods ``chat`` and ``generate_pydantic``.
    """

    def __init__(self, model: Any) -> None:
        name = getattr(model, "model_name", None)
        self.model = model
        self.model_name = name if isinstance(name, str) else type(model).__name__

    def __getattr__(self, name: str) -> Any:
        """Return what else the object has."""
        if name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    def identity(self) -> Mapping[str, str | None]:
        """Return the name of the model, and the class of the object; of an unknown kind, which object it is."""
        kind = type(self.model)
        known = {"provider": f"{kind.__module__}.{kind.__qualname__}", "model": self.model_name}
        return known if kind.__module__.partition(".")[0] == _PACKAGE else {**known, "object": _name_of(self.model)}

    def settings(self) -> Mapping[str, Any]:
        """Return what the object holds of plain values, and whether it follows schemas."""
        follows = getattr(self.model, "support_structured_outputs", None)
        held = {} if "object" in self.identity() else _plain_values(self.model)
        return {**held, "structured_outputs": follows} if isinstance(follows, bool) else held

    def ask(self, request: Request, on_chunk: OnChunk | None = None) -> Answer:
        """Ask for text."""
        turns = [{"role": turn.role, "content": turn.text} for turn in request.messages]
        text = str(self.model.chat(turns, **request.settings))
        if on_chunk is not None:
            on_chunk(text)
        return Answer(text)


def borrowed(value: object) -> Borrowed | None:
    """Return a model object of ``llm_interface`` as one that workers can ask; None for all else."""
    methods = (getattr(value, name, None) for name in ("chat", "generate_pydantic"))
    return Borrowed(value) if not isinstance(value, type) and all(map(callable, methods)) else None


def way_in_key(llm: Any, method: str) -> Any:
    """Return what tells the method that took planai's place: a function by its code; None where none did.

    A method is told by the object that it belongs to, since nobody can know what of that decides its answers.
    """
    way = None if isinstance(llm, Borrowed) else own_way(llm, method)
    if way is None:
        return None
    return answering(way) if isinstance(way, FunctionType) else _name_of(getattr(way, "__self__", way))


def _plain_values(model: object) -> dict[str, Any]:
    """Return what an object holds in attributes of its own that are numbers or texts, but for secrets."""
    held = {name: value for name, value in getattr(model, "__dict__", {}).items() if not is_credential(name)}
    return {name: value for name, value in held.items() if isinstance(value, str | int | float | bool)}


def _name_of(value: Any) -> str:
    """Return a name that no other object has, in this process or another."""
    try:
        return _NAMES.setdefault(value, uuid4().hex)
    except TypeError:  # nobody can tell when it is gone
        return uuid4().hex


def own_way(llm: Any, method: str) -> Callable[..., Any] | None:
    """Return what asks `llm` in place of planai: a method of a borrowed object, or one that took planai's place."""
    if isinstance(llm, Borrowed):
        found: Callable[..., Any] = getattr(llm.model, method)
        return found
    ours, its = getattr(Direct, method), getattr(type(llm), method, None)
    is_replaced = method in getattr(llm, "__dict__", {}) or its not in (None, ours)
    return getattr(llm, method) if is_replaced else None


def as_asked(llm: Any, kind: type, instructions: str, shown: str | None) -> dict[str, Any]:
    """Return the arguments by which such a model is told what to do, and what to answer with."""
    form = getattr(llm, "get_format_instructions", None)
    needs_form = callable(form) and not getattr(llm, "support_structured_outputs", True)
    template = "{instructions}" if shown is None else TEMPLATE
    return {
        "prompt_template": template + ("\n\n{format_instructions}" if needs_form else ""),
        "output_schema": kind,
        "task": shown,
        "instructions": instructions,
        "format_instructions": form(kind) if callable(form) else "",
    }
