"""PydanticDictWrapper: a dictionary as a model, to be shown to a language model in place of a task."""

from __future__ import annotations

import functools
import operator
import types
from typing import Any

from pydantic import ConfigDict, Field, create_model

from planai.errors import ConfigurationError
from planai.task import Task


class _DataTask(Task):
    """The base of what dictionaries become: its fields are written and read under the keys of the dictionary."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        serialize_by_alias=True,
        ser_json_inf_nan="constants",
    )


class PydanticDictWrapper:
    """A dictionary as a task, whose class is made for it: what `LLMTaskWorker.pre_process` may return.

    Nested dictionaries become models of their own; nothing is converted. What the model can do, the wrapper can, too.

    >>> page = PydanticDictWrapper({"url": "a", "size": {"width": 3}}, name="Page")
    >>> page.url, page.size.width
    ('a', 3)
    >>> print(page.model_dump_json())
    {"url":"a","size":{"width":3}}
    >>> page.model.__name__
    'Page'

    Args:
        data: the dictionary; its keys are strings.
        name: what the class is called, and with it the element in XML.

    Raises:
        ConfigurationError: a key is no string.
    """

    def __init__(self, data: dict[str, Any], name: str | None = None) -> None:
        if not _has_names(data):
            raise ConfigurationError(f"the keys of {data!r} are not all strings: pass a dictionary with names as keys")
        self._instance = _built(data, name or "DynamicTaskModel", {})
        self._model = type(self._instance)
        self._fields = {field.alias or name: name for name, field in self._model.model_fields.items()}

    @property
    def model(self) -> type[Task]:
        """The class that was made for the dictionary."""
        return self._model

    @property
    def instance(self) -> Task:
        """The dictionary as an instance of it."""
        return self._instance

    def dict(self) -> dict[str, Any]:
        """Return the dictionary again."""
        return self._instance.model_dump()

    def json(self) -> str:
        """Return the dictionary as JSON."""
        return self._instance.model_dump_json()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in {"_fields", "_instance"}:
            raise AttributeError(name)  # asked for by copy and pickle before there is an instance
        return getattr(self._instance, self._fields.get(name, name))

    def __repr__(self) -> str:
        return f"PydanticDictWrapper({self._instance!r})"


def _has_names(data: dict[Any, Any]) -> bool:
    return all(isinstance(key, str) for key in data)


_Models = dict[Any, type[Task]]
"""The classes that were made so far, by the shape of the dictionaries."""


def _built(data: dict[str, Any], name: str, models: _Models) -> Task:
    """Return the dictionary as a task. It is not validated, which would take a 1 for a 1.0."""
    values = {key: _value(item, models) for key, item in data.items()}
    shape = (name, tuple((key, _type_of(item)) for key, item in values.items()))
    if shape not in models:
        fields: Any = {_field_name(key): (_type_of(item), _field(key)) for key, item in values.items()}
        models[shape] = create_model(name, __base__=_DataTask, **fields)
    return models[shape].model_construct(set(map(_field_name, values)), **values)


def _value(value: Any, models: _Models) -> Any:
    if isinstance(value, dict) and _has_names(value):
        return _built(value, "DynamicTaskModel", models)
    if isinstance(value, list):
        return [_value(item, models) for item in value]
    return value


def _type_of(value: Any) -> Any:
    if isinstance(value, list):
        kinds = list(dict.fromkeys(map(_type_of, value)))
        return types.GenericAlias(list, (functools.reduce(operator.or_, kinds) if kinds else Any,))
    return None if value is None else type(value)


def _field(key: str) -> Any:
    return Field(title=key, alias=None if _field_name(key) == key else key)


def _field_name(key: str) -> str:
    """Return the key, or a name near it where a model has something else under that name."""
    return f"field_{key}" if key.startswith("_") or (key != "name" and hasattr(_DataTask, key)) else key
