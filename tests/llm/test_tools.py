"""Tools: schemas of signatures, and what a model is shown of results and mistakes."""

from __future__ import annotations

import asyncio
import enum
import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from planai import Tool, tool
from planai.errors import ConfigurationError
from planai.flow import go_along, go_through
from planai.llm.client import ToolCall
from planai.llm.tools import run_tool


class Unit(enum.Enum):
    METRE = "m"
    MILE = "mi"


class Place(BaseModel):
    title: str
    far: float = 0.0


@tool
def distance(start: Place, stops: list[str], unit: Unit = Unit.METRE, *, note: str | None = None) -> dict[str, Any]:
    """Measure how far it is.

    The way goes along all stops.

    Args:
        start: where it begins,
            and in what mood.
        stops (list): where it goes on.
        unit: of the result.

    Returns:
        stops: not a parameter.
    """
    return {"unit": unit.name, "start": start.title, "stops": stops, "note": note}


def call(made: Tool, **arguments: Any) -> str:
    return go_through(run_tool({made.name: made}, ToolCall("1", made.name, json.dumps(arguments))))


def test_the_schema_is_made_of_hints_and_docstring() -> None:
    assert distance.description == "Measure how far it is.\n\nThe way goes along all stops."
    properties = distance.parameters["properties"]
    assert list(properties) == ["start", "stops", "unit", "note"]
    assert distance.parameters["required"] == ["start", "stops"]
    assert properties["start"]["description"] == "where it begins, and in what mood."
    assert properties["stops"] == {"type": "array", "items": {"type": "string"}, "description": "where it goes on."}
    assert "description" not in properties["note"]
    assert set(distance.parameters["$defs"]["Place"]["properties"]) == {"title", "far"}
    assert "title" not in distance.parameters


def test_arguments_become_what_the_function_is_annotated_with() -> None:
    shown = call(distance, start={"title": "A"}, stops=["b"], unit="mi")
    assert json.loads(shown) == {"unit": "MILE", "start": "A", "stops": ["b"], "note": None}


def test_a_tool_is_called_like_its_function() -> None:
    assert distance(Place(title="A"), ["b"])["stops"] == ["b"]
    assert distance.execute(start={"title": "A"}, stops=[])["start"] == "A"
    with pytest.raises(ValidationError):
        distance.execute(stops=[])


def test_to_dict_is_what_openai_wants() -> None:
    made = distance.to_dict()
    assert (made["type"], made["function"]["name"]) == ("function", "distance")
    assert made["function"]["parameters"] == distance.parameters


def test_a_name_and_a_description_may_be_given() -> None:
    @tool(name="look_up", description="Look something up.", strict=True)
    def find(word: str) -> str:
        return word

    assert (find.name, find.description) == ("look_up", "Look something up.")
    assert find.to_dict()["function"]["strict"] is True


def test_a_tool_may_be_made_by_hand() -> None:
    made = Tool(name="add", description="Add.", parameters={"type": "object"}, func=lambda a, b: a + b)
    assert made.execute(a=1, b=2) == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"word": 5}', "do not fit: word: Input should be a valid string"),
        ('{"other": "x"}', "other: Extra inputs are not permitted"),
        ("[]", "have to be a JSON object"),
        ("{", "are no JSON"),
        ('{"word": "boom"}', "'find' failed: RuntimeError: boom"),
    ],
)
def test_mistakes_are_told_to_the_model(arguments: str, told: str) -> None:
    @tool
    def find(word: str) -> str:
        if word == "boom":
            raise RuntimeError(word)
        return word

    assert told in go_through(run_tool({"find": find}, ToolCall("1", "find", arguments)))


def test_an_unknown_tool_is_told_to_the_model() -> None:
    said = go_through(run_tool({"distance": distance}, ToolCall("1", "gone", "{}")))
    assert "There is no tool 'gone'; there are: distance" in said


def test_a_tool_may_be_async_wherever_the_model_is_asked() -> None:
    @tool
    async def find(word: str) -> str:
        await asyncio.sleep(0)
        if word == "boom":
            raise RuntimeError(word)
        return f"{word}!"

    assert (call(find, word="a"), call(find, word="boom")) == ("a!", "'find' failed: RuntimeError: boom")
    loops = []

    @tool
    async def where() -> str:
        loops.append(asyncio.get_running_loop())
        return "here"

    async def ask() -> str:
        loops.append(asyncio.get_running_loop())
        return await go_along(run_tool({"where": where}, ToolCall("1", "where", "{}")))

    assert asyncio.run(ask()) == "here"
    assert loops[0] is loops[1]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        (None, "null"),
        ([1, 2.5], "[1, 2.5]"),
        ({"ä": Place(title="A")}, '{"ä": {"title": "A", "far": 0.0}}'),
    ],
)
def test_results_are_shown_as_text(result: Any, text: str) -> None:
    assert call(Tool("t", "", {}, lambda: result)) == text


def test_a_parameter_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'words' of the tool"):

        @tool
        def say(*words: str) -> None: ...


def test_a_tools_name_is_one_that_providers_take() -> None:
    with pytest.raises(ConfigurationError, match="letters, digits"):
        Tool("no spaces", "", {}, print)


def test_a_tool_without_parameters_has_an_empty_object() -> None:
    @tool
    def now() -> str:
        """Tell the time."""
        return "noon"

    assert now.parameters == {"properties": {}, "type": "object", "additionalProperties": False}
    assert call(now) == "noon"
