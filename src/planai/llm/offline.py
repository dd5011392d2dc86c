"""OfflineModel: made-up answers that fit the schema, the same for the same request, without model, key or network."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from planai.errors import ModelError
from planai.llm.client import Answer, OnChunk, Request
from planai.llm.direct import Direct
from planai.llm.prompt import token_estimate

LABEL = "offline"
"""Stands in every text that this model makes up, so that nobody takes it for an answer."""

_DEEPEST = 12
_WORDS = ("amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "joist", "knoll", "ledge")


class OfflineModel(Direct):
    """Answers each request with something that fits its schema, and means nothing: for first steps and for tests.

    >>> from planai.llm.client import Message, Request
    >>> schema = {"type": "object", "properties": {"label": {"enum": ["a", "b"]}}, "required": ["label"]}
    >>> request = Request((Message("user", "Which?"),), schema)
    >>> OfflineModel().ask(request).text in ('{"label": "a"}', '{"label": "b"}')
    True

    Attributes:
        provider: ``"offline"``.
        model_name: what it is called; other names give other answers.
    """

    provider = "offline"

    def __init__(self, model_name: str = "offline") -> None:
        self.model_name = model_name

    def identity(self) -> Mapping[str, str | None]:
        """Return the name."""
        return {"provider": self.provider, "model": self.model_name}

    def settings(self) -> Mapping[str, Any]:
        """Return nothing: there are none."""
        return {}

    def dollars_for(self, tokens_in: int, tokens_out: int) -> Decimal:
        """Return 0: nobody is paid."""
        return Decimal(0)

    def ask(self, request: Request, on_chunk: OnChunk | None = None) -> Answer:
        """Make up an answer, seeded with all that is told."""
        turns = [(turn.role, turn.text, turn.images) for turn in request.messages]
        told = repr((self.model_name, turns, sorted(map(repr, request.settings.items()))))
        seed = hashlib.blake2b(told.encode("utf-8", "surrogatepass")).digest()
        maker = _Maker(request.schema or {"type": "string"}, random.Random(seed))  # noqa: S311 - no secret
        made = maker.made()
        text = made if request.schema is None else json.dumps(made, ensure_ascii=False)
        if on_chunk is not None:
            on_chunk(text)
        return Answer(text, "stop", token_estimate(request), len(text) // 4 + 1, dollars=Decimal(0), model=LABEL)


class _Maker:
    """Makes up data that fit a JSON schema."""

    def __init__(self, schema: Mapping[str, Any], choose: random.Random) -> None:
        self._root = schema
        self._choose = choose

    def made(self) -> Any:
        return self._any(self._root, 0)

    def _any(self, schema: Any, depth: int) -> Any:
        if schema is True or not schema:
            return f"{LABEL} {self._word()}"
        if "$ref" in schema:
            return self._any(self._resolved(schema["$ref"]), depth)
        for fixed in ("const", "default") if depth > _DEEPEST else ("const",):
            if fixed in schema:
                return schema[fixed]
        if "enum" in schema:
            return self._choose.choice(schema["enum"])
        for name in ("anyOf", "oneOf"):
            if name in schema:
                return self._any(self._one_of(schema[name], depth), depth)
        if "allOf" in schema:
            merged = {key: value for part in schema["allOf"] for key, value in self._flat(part).items()}
            return self._any({**merged, **{k: v for k, v in schema.items() if k != "allOf"}}, depth)
        kind = schema.get("type") or ("object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = kind[0] if depth <= _DEEPEST or "null" not in kind else "null"
        return _MAKE[kind](self, schema, depth)

    def _flat(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._resolved(schema["$ref"]) if "$ref" in schema else schema

    def _resolved(self, ref: str) -> Mapping[str, Any]:
        found: Any = self._root
        for name in ref.removeprefix("#/").split("/"):
            found = found[name.replace("~1", "/").replace("~0", "~")]
        return found  # type: ignore[no-any-return]  # a schema

    def _one_of(self, choices: list[Any], depth: int) -> Any:
        """Choose; deep down, what ends: a type that contains itself goes on for ever otherwise."""
        if depth > _DEEPEST:
            return next((one for one in choices if one.get("type") in ("null", "string", "integer")), choices[-1])
        real = [one for one in choices if one.get("type") != "null"]
        numbers = [one for one in real if one.get("type") == "number"]
        if numbers and {one.get("type") for one in real} == {"number", "string"}:  # so pydantic writes a Decimal
            return numbers[0]
        return self._choose.choice(real or choices)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        wanted = schema.get("required", []) if depth > _DEEPEST else properties
        found = {name: self._any(properties[name], depth + 1) for name in wanted if name in properties}
        extra = schema.get("additionalProperties")
        missing = max(0, schema.get("minProperties", 0) - len(found))
        if isinstance(extra, Mapping) and not properties:
            missing = max(missing, int(depth <= _DEEPEST))
        return found | {f"{self._word()} {n}": self._any(extra, depth + 1) for n in range(missing)}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        first = [self._any(one, depth + 1) for one in schema.get("prefixItems", [])]
        least = schema.get("minItems", 0)
        count = max(least, 0 if depth > _DEEPEST else min(self._choose.randint(1, 2), schema.get("maxItems", 2)))
        items = schema.get("items", {})
        found = first + ([] if items is False else [self._any(items, depth + 1) for _ in range(count - len(first))])
        if not schema.get("uniqueItems"):
            return found
        unique = {json.dumps(item, sort_keys=True): item for item in found}
        for _ in range(100):
            if len(unique) >= least:
                break
            item = self._any(items, depth + 1)
            unique[json.dumps(item, sort_keys=True)] = item
        return list(unique.values())

    def _integer(self, schema: Mapping[str, Any], depth: int) -> int:
        step = int(schema.get("multipleOf", 1)) or 1
        low, high = self._bounds(schema, 1)
        return step * self._choose.randint(-(-int(low) // step), max(-(-int(low) // step), int(high) // step))

    def _number(self, schema: Mapping[str, Any], depth: int) -> float:
        low, high = self._bounds(schema, 1e-6)
        step = schema.get("multipleOf")
        found = low + (high - low) * self._choose.random()
        return round(found, 3) if step is None and high - low > 1 else found if step is None else found // step * step

    @staticmethod
    def _bounds(schema: Mapping[str, Any], least: float) -> tuple[float, float]:
        low = schema.get("minimum", schema["exclusiveMinimum"] + least if "exclusiveMinimum" in schema else None)
        high = schema.get("maximum", schema["exclusiveMaximum"] - least if "exclusiveMaximum" in schema else None)
        if low is None:
            low = 0 if high is None else high - 100
        return low, low + 100 if high is None else high

    def _string(self, schema: Mapping[str, Any], depth: int) -> str:
        kind = schema.get("format")
        if kind in _FORMATS:
            return _FORMATS[kind](self._choose)
        if "pattern" in schema:
            raise ModelError(
                f"the offline model makes up no text for the pattern {schema['pattern']!r}: "
                "use planai.testing.ScriptedLLM, which is told its answers"
            )
        text = f"{LABEL} {self._word()} {self._word()}"
        text = text.ljust(schema.get("minLength", 0), "x")
        return text[: schema.get("maxLength", len(text))]

    def _word(self) -> str:
        return self._choose.choice(_WORDS)

    def _boolean(self, schema: Mapping[str, Any], depth: int) -> bool:
        return self._choose.random() < 0.5  # noqa: PLR2004 - heads or tails

    def _null(self, schema: Mapping[str, Any], depth: int) -> None:
        return None


_MAKE: dict[str, Callable[[_Maker, Mapping[str, Any], int], Any]] = {
    "array": _Maker._array,  # noqa: SLF001 - the table of its own methods
    "boolean": _Maker._boolean,  # noqa: SLF001
    "integer": _Maker._integer,  # noqa: SLF001
    "null": _Maker._null,  # noqa: SLF001
    "number": _Maker._number,  # noqa: SLF001
    "object": _Maker._object,  # noqa: SLF001
    "string": _Maker._string,  # noqa: SLF001
}

_FORMATS: dict[str, Callable[[random.Random], str]] = {
    "date": lambda choose: f"20{choose.randint(10, 29)}-{choose.randint(1, 12):02}-{choose.randint(1, 28):02}",
    "date-time": lambda choose: f"20{choose.randint(10, 29)}-01-{choose.randint(1, 28):02}T12:00:00Z",
    "time": lambda choose: f"{choose.randint(0, 23):02}:00:00Z",
    "duration": lambda choose: f"PT{choose.randint(1, 59)}M",
    "email": lambda choose: f"{LABEL}.{choose.choice(_WORDS)}@example.org",
    "uri": lambda choose: f"https://example.org/{LABEL}/{choose.choice(_WORDS)}",
    "uuid": lambda choose: f"{choose.getrandbits(128):032x}",
}
