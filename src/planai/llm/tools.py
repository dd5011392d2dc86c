"""Tools: functions that a model may have called before it answers, with schemas made of their signatures."""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from planai.cache.source import CodeIdentity
from planai.errors import ConfigurationError
from planai.executors.event_loop import shared_loop
from planai.flow import Blocking, Flow
from planai.llm.client import ToolCall, ToolSpec

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SECTION = re.compile(r"^[A-Z][A-Za-z ]+:$")
_ARGUMENT = re.compile(r"^(\*{0,2}\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


@dataclass(frozen=True)
class Tool:
    """A function that a model may have called; mostly made with `tool`.

    Attributes:
        name: how the model calls it: letters, digits, ``_`` and ``-``.
        description: what it is for, told to the model.
        parameters: the JSON schema of its arguments.
        func: what is called, with the arguments by name; it may be ``async def``. What it returns is shown to the
            model: text as it is, a model or plain data as JSON.
        strict: whether the provider is to hold the model to the schema.
        arguments: validates the arguments, where `tool` made the schema; None leaves that to `func`.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    func: Callable[..., Any]
    strict: bool = False
    arguments: type[BaseModel] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"a tool is called {self.name!r}: use up to 64 letters, digits, '_' and '-'")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, as if it were not wrapped."""
        return self.func(*args, **kwargs)

    @cached_property
    def code(self) -> CodeIdentity:
        """The identity of the code behind the tool, which decides what comes of a worker that has it."""
        module = getattr(self.func, "__module__", None) or __name__
        return CodeIdentity(type(self.name, (), {"__module__": module, "call": staticmethod(self.func)}))

    def to_dict(self) -> dict[str, Any]:
        """Return the tool as OpenAI describes one."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function | ({"strict": True} if self.strict else {})}

    def spec(self) -> ToolSpec:
        """Return what a model is told."""
        return ToolSpec(self.name, self.description, self.parameters, self.strict)

    def execute(self, **arguments: Any) -> Any:
        """Call the function with arguments as a model gave them.

        Raises:
            pydantic.ValidationError: they do not fit the signature.
        """
        if self.arguments is None:
            return self.func(**arguments)
        valid = self.arguments.model_validate(arguments)
        return self.func(**{name: getattr(valid, name) for name in valid.model_fields_set})


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *, name: str | None = None, description: str | None = None, strict: bool = False
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a `Tool` of a function: its schema from the type hints, its description from the docstring.

    >>> @tool
    ... def add(first: int, second: int = 1) -> int:
    ...     '''Add two numbers.
    ...
    ...     Args:
    ...         first: the one.
    ...         second: the other.
    ...     '''
    ...     return first + second
    >>> add.name, add.description, add.parameters["properties"]["first"]
    ('add', 'Add two numbers.', {'description': 'the one.', 'type': 'integer'})
    >>> add.execute(first="2"), add(2, 3)
    (3, 5)

    Args:
        function: the function; leave it out to pass the others, as in ``@tool(name="sum")``.
        name: what the model calls it; by default the function's name.
        description: what it is for; by default the docstring up to its sections.
        strict: whether the provider is to hold the model to the schema.

    Raises:
        ConfigurationError: a parameter has no name or no type that JSON could give it.
    """
    if function is None:
        return partial(_made, name=name, description=description, strict=strict)
    return _made(function, name=name, description=description, strict=strict)


def may_be_tool(value: object) -> bool:
    """Tell whether `as_tool` takes `value`."""
    return callable(value) or (callable(getattr(value, "func", None)) and hasattr(value, "parameters"))


def as_tool(value: Any) -> Tool:
    """Return a function, or a tool of llm_interface, as a `Tool`."""
    if isinstance(value, Tool):
        return value
    if not hasattr(value, "parameters"):
        return tool(value)
    return Tool(value.name, value.description, value.parameters, value.func, getattr(value, "strict", False))


class Coming(Blocking):
    """The step of waiting for what an async tool gives: in this thread, or on the event loop of who awaits it."""

    __slots__ = ("_pending",)

    def __init__(self, pending: Awaitable[Any]) -> None:
        self._pending = pending
        super().__init__(lambda: shared_loop().wait_for(self._given()))

    def __await__(self) -> Generator[Any, Any, Any]:
        """Wait without holding a thread."""
        return self._pending.__await__()

    async def _given(self) -> Any:
        return await self._pending


def run_tool(tools: dict[str, Tool], call: ToolCall) -> Flow[str]:
    """Return what a call of a model gives, as the text that it is shown; what goes wrong is told to the model."""
    chosen = tools.get(call.name)
    if chosen is None:
        return f"There is no tool {call.name!r}; there are: {', '.join(sorted(tools))}"
    try:
        arguments = json.loads(call.arguments or "{}")
        if not isinstance(arguments, dict):
            return f"The arguments of {call.name!r} have to be a JSON object."
        result = yield Blocking(partial(chosen.execute, **arguments))
        if isinstance(result, Awaitable):
            result = yield Coming(result)
        return as_text(result)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        return f"The arguments of {call.name!r} do not fit: {problems}"
    except json.JSONDecodeError as error:
        return f"The arguments of {call.name!r} are no JSON: {error}"
    except Exception as error:  # noqa: BLE001 - a user's function; the model may find another way
        return f"{call.name!r} failed: {type(error).__name__}: {error}"


def as_text(result: Any) -> str:
    """Return the result of a tool as a model is shown it."""
    if isinstance(result, str):
        return result
    if isinstance(result, BaseModel):
        return result.model_dump_json()
    return json.dumps(result, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _made(function: Callable[..., Any], *, name: str | None, description: str | None, strict: bool) -> Tool:
    said, words = _documented(inspect.getdoc(function) or "")
    arguments = _arguments(function, words)
    schema = arguments.model_json_schema()
    _without_titles(schema)
    schema.pop("description", None)
    schema.setdefault("properties", {})
    called = name or _name_of(function)
    return Tool(called, said if description is None else description, schema, function, strict, arguments)


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _arguments(function: Callable[..., Any], words: dict[str, str]) -> type[BaseModel]:
    """Return the model of the arguments of a function."""
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigurationError(
                f"the parameter {name!r} of the tool {_name_of(function)!r} cannot be passed by name: "
                "write each parameter out"
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (hints.get(name, Any), Field(default=default, description=words.get(name)))
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, protected_namespaces=())
    return create_model(f"{_name_of(function)}_arguments", __config__=config, **fields)


def _documented(text: str) -> tuple[str, dict[str, str]]:
    """Return what a docstring says of a function, and of each of its parameters under ``Args:``."""
    said: list[str] = []
    words: dict[str, str] = {}
    section, current = "", ""
    for line in text.splitlines():
        stripped = line.strip()
        if _SECTION.match(stripped) and not line.startswith(" "):
            section = stripped
        elif not section:
            said.append(stripped)
        elif section in ("Args:", "Arguments:", "Parameters:"):
            found = _ARGUMENT.match(stripped) if _indent(line) <= _INDENT else None
            if found:
                current = found[1].lstrip("*")
                words[current] = found[2]
            elif current and stripped:
                words[current] = f"{words[current]} {stripped}".strip()
    return "\n".join(said).strip(), words


_INDENT = 4
"""By so many blanks the names of parameters are indented; what goes on below them is indented further."""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _without_titles(schema: Any, *, are_names: bool = False) -> None:
    """Take out the titles that pydantic makes of names; a property may be called ``title``."""
    if isinstance(schema, list):
        for item in schema:
            _without_titles(item)
    elif isinstance(schema, dict):
        if not are_names and isinstance(schema.get("title"), str):
            del schema["title"]
        for key, item in schema.items():
            _without_titles(item, are_names=not are_names and key in ("properties", "$defs"))
