"""The key of a call: each named part decides it, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from planai.cache import key
from planai.cache.key import key_of, schemas_of

BRIEFLY = settings(deadline=None, max_examples=60)

parts_of_keys = st.dictionaries(st.text("ab:", max_size=2), st.text("01", max_size=2), max_size=3)


class Plain(BaseModel):
    url: str


class SameFields(BaseModel):
    url: str


class Opaque: ...


class WithOpaqueDefault(BaseModel):
    anything: Any = Opaque()


def changed(name: str, **fields: Any) -> type[BaseModel]:
    """Make another class of the same name, as an edit of the program would."""
    made = type(name, (BaseModel,), {"__annotations__": fields, "__module__": __name__, "__qualname__": name})
    assert issubclass(made, BaseModel)
    return made


@BRIEFLY
@given(parts_of_keys, parts_of_keys)
def test_keys_are_equal_exactly_when_the_parts_are(left: dict[str, str], right: dict[str, str]) -> None:
    assert (key_of("p", left) == key_of("p", right)) == (left == right)
    assert key_of("p", left) != key_of("q", left)


@BRIEFLY
@given(parts_of_keys)
def test_the_order_of_the_parts_counts_for_nothing(parts: dict[str, str]) -> None:
    assert key_of("p", dict(reversed(parts.items()))) == key_of("p", parts)


def test_another_format_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of("p", {"task": "1"})
    monkeypatch.setattr(key, "FORMAT", b"next")
    assert key_of("p", {"task": "1"}) != before


def test_a_schema_counts_with_the_name_of_its_class() -> None:
    assert schemas_of([Plain]) != schemas_of([SameFields])


def test_an_unchanged_class_has_the_schema_it_had() -> None:
    assert schemas_of([changed("Plain", url=str)]) == schemas_of([Plain])


@pytest.mark.parametrize("fields", [{"url": int}, {"url": str, "more": int}, {"other": str}, {"url": str | None}, {}])
def test_an_edited_field_changes_the_schema(fields: dict[str, Any]) -> None:
    assert schemas_of([changed("Plain", **fields)]) != schemas_of([Plain])


def test_a_field_of_a_field_counts() -> None:
    old = changed("Outer", inner=changed("Inner", x=int))
    new = changed("Outer", inner=changed("Inner", x=str))
    assert schemas_of([old]) != schemas_of([new])


def test_how_many_classes_there_are_counts() -> None:
    assert [len(schemas_of(kinds)) for kinds in ([], [Plain], [Plain, SameFields])] == [0, 1, 2]


def test_a_default_that_is_no_json_passes_without_a_warning() -> None:
    assert schemas_of([WithOpaqueDefault])


SCRIPT = """
from pydantic import BaseModel, ConfigDict
from planai.cache.key import schemas_of

class Opaque: ...

class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    anything: Opaque = Opaque()

padding = [Opaque() for _ in range({size})]  # puts the default of the next class elsewhere

class Other(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    anything: Opaque = Opaque()

print(schemas_of([Model, Other]))
"""


def test_processes_agree_on_a_model_whose_default_shows_its_address() -> None:
    found = {run(SCRIPT.replace("{size}", str(size))) for size in (1, 100_000)}
    assert len(found) == 1


def run(script: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
