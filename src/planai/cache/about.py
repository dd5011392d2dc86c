"""About: how an entry came about, written beside it as JSON, so that people can be told.

It decides nothing: the key does. What is written here is never a secret, and long values are cut, with a digest in
place of the rest.
"""

from __future__ import annotations

import json
from itertools import compress
from typing import Any, NamedTuple

from planai.bills import Usage, usage_of_texts
from planai.cache.json_bytes import read, write
from planai.cost import Cost

PROFILES = "profiles of "
"""Begins the names of the spaces in which workers' profiles are kept; see `Profile`."""

QUESTIONS = "questions of "
"""Begins the names of the spaces that tell which look-ups in the provenance decide the answer at a key."""

RESPONSES = "planai.llm:responses"
"""The space of what models have said. What that cost is also a part of what the answers made of it cost."""

QUARANTINE = "quarantine"
"""The space to which damaged entries are moved: under ``space + newline + key``, with the reason as `about`."""


class About(NamedTuple):
    """How one entry came about.

    Attributes:
        id: 16 hexadecimal digits that name the answer in `sources` of others.
        profile: the digest of the worker's `Profile` when it computed this.
        parts: what else was in the key: the digest of each part by its name, such as ``task``.
        input: the class of the input task, as ``module:Class``.
        fields: the input's fields, as short texts.
        sources: ids of the entries that the input was computed from.
        outputs: the classes of what was published, in order.
        reads: what the computation looked up in its input's provenance, as (what, digest of what it found).
        kind: ``answer``, or ``question`` for what only tells which reads decide; a question has the id of the answers
            that it leads to, and no value to show.
        responses: keys of what models have said, in the space `RESPONSES`, of which this was made, in order.
        usage: what that took; see `planai.bills.Usage`.
    """

    id: str
    profile: str = ""
    parts: dict[str, str] = {}
    input: str = ""
    fields: dict[str, str] = {}
    sources: list[str] = []
    outputs: list[str] = []
    reads: list[tuple[str, str]] = []
    kind: str = "answer"
    responses: list[str] = []
    usage: dict[str, str] = {}

    def dump(self) -> bytes:
        """Return it as JSON, without what is empty."""
        return write(dict(compress(zip(_ABOUT, self, strict=True), self)))


_ABOUT = About._fields
_USAGE, _UNPRICED = b'"usage"', b'"unpriced"'


class Profile(NamedTuple):
    """What decides all answers of a worker alike: kept once, however many answers there are.

    Attributes:
        worker: the class of the worker, as ``module:Class``.
        parts: the digest of each part by its name, such as ``code`` and ``settings``.
        code: the digest of each function, and the value of each constant, that the worker's code reaches.
        settings: the worker's settings, and the attributes that it was given besides, as short texts.
        outputs: the digest of each output type's schema.
    """

    worker: str
    parts: dict[str, str]
    code: dict[str, str]
    settings: dict[str, str]
    outputs: dict[str, str]

    def dump(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(self._asdict(), ensure_ascii=True).encode()


def load_about(text: bytes) -> About | None:
    """Return what was written beside an entry; None for nothing, and for what is no such thing."""
    loaded: About | None = _load(About, text)
    return loaded if loaded is not None and _is_sound(loaded) and loaded.id else None


def load_profile(text: bytes) -> Profile | None:
    """Return a profile; None for what is no such thing."""
    loaded: Profile | None = _load(Profile, text)
    if loaded is None or not isinstance(loaded.worker, str):
        return None
    return loaded if all(map(_is_text_table, loaded[1:])) else None


def usage_of(about: bytes) -> Usage:
    """Return what answers of models took of which an entry was made, by what was written beside it."""
    if _USAGE not in about:  # most have none, and need not be read
        return Usage()
    loaded = load_about(about)
    return Usage() if loaded is None else usage_of_texts(loaded.usage)


def whole_cost(cost: Cost, about: bytes) -> Cost:
    """Return the cost of an entry, also of how many answers of models nobody knows the price."""
    return cost._replace(unpriced=usage_of(about).unpriced) if _UNPRICED in about else cost


def _load(kind: Any, text: bytes) -> Any:
    try:
        return kind(**read(text))
    except (ValueError, TypeError, RecursionError):
        return None


_TEXT = frozenset({str})


def _is_sound(about: About) -> bool:
    """Tell whether everything is of the kind that it should be; at once, since there may be many."""
    name, profile, parts, kind_of_input, fields, sources, outputs, reads, kind, responses, usage = about
    return (
        type(parts) is type(fields) is type(usage) is dict
        and type(sources) is type(outputs) is type(responses) is list
        and _TEXT.issuperset(
            map(type, [name, profile, kind_of_input, kind, *parts.values(), *fields.values(), *sources, *outputs])
        )
        and _TEXT.issuperset(map(type, [*responses, *usage.values()]))
        and (not reads or (type(reads) is list and all(map(_is_pair, reads))))
    )


def _is_text_table(values: Any) -> bool:
    return type(values) is dict and _TEXT.issuperset(map(type, values.values()))


def _is_pair(value: Any) -> bool:
    return type(value) in (list, tuple) and [type(part) for part in value] == [str, str]
