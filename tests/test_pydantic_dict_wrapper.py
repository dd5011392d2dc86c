"""Dictionaries as models: nothing is lost, nothing converted."""

import copy
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planai.errors import ConfigurationError
from planai.pydantic_dict_wrapper import PydanticDictWrapper
from planai.task import Task

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal, and of equal types: 1, 1.0 and True are not the same."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
def test_the_dictionary_comes_out_as_it_went_in(data: dict[str, Any]) -> None:
    assert same(PydanticDictWrapper(data).dict(), data)


def test_it_reads_like_an_object() -> None:
    wrapper = PydanticDictWrapper({"a": {"b": [{"c": 1}, {"c": 2}]}, "first name": "x"})
    assert [item.c for item in wrapper.a.b] == [1, 2]
    assert getattr(wrapper, "first name") == "x"
    assert wrapper.json() == '{"a":{"b":[{"c":1},{"c":2}]},"first name":"x"}'
    with pytest.raises(AttributeError, match="missing"):
        _ = wrapper.missing


def test_it_is_a_task_with_a_class_of_its_own() -> None:
    wrapper = PydanticDictWrapper({"a": 1, "note": None}, name="Facts")
    assert isinstance(wrapper.instance, wrapper.model)
    assert issubclass(wrapper.model, Task)
    assert wrapper.model_dump_xml() == "<Facts>\n  <a>1</a>\n  <note/>\n</Facts>\n"
    schema = wrapper.model.model_json_schema()
    assert (schema["title"], schema["required"], schema["properties"]["a"]["type"]) == (
        "Facts",
        ["a", "note"],
        "integer",
    )


@pytest.mark.parametrize("key", ["_x", "name", "json", "copy", "provenance", "model_config", "model_fields", "dict"])
def test_keys_that_mean_something_to_models_are_keys_all_the_same(key: str) -> None:
    wrapper = PydanticDictWrapper({key: 1})
    assert wrapper.dict() == {key: 1}
    assert wrapper.json() == f'{{"{key}":1}}'
    assert wrapper.instance.provenance() == ()


def test_dictionaries_in_a_list_may_differ() -> None:
    rows = [{"a": 1}, {"b": "x"}, {"a": 2}, {"a": "text"}, 3]
    wrapper = PydanticDictWrapper({"rows": rows})
    assert wrapper.dict() == {"rows": rows}
    assert type(wrapper.rows[0]) is type(wrapper.rows[2])


def test_what_is_no_json_stays_as_it_is() -> None:
    day = dt.date(2024, 2, 29)
    data = {"day": day, "pair": (1, {"a": 1}), "by number": {1: "x"}, "thing": object()}
    assert PydanticDictWrapper(data).dict() == data


def test_keys_have_to_be_names() -> None:
    with pytest.raises(ConfigurationError, match="not all strings"):
        PydanticDictWrapper({1: 2})  # type: ignore[dict-item]


def test_a_copy_is_possible() -> None:
    assert copy.copy(PydanticDictWrapper({"a": 1})).dict() == {"a": 1}
