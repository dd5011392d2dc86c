"""Well-known types are data: equal objects have one form, others another, in every process."""

from __future__ import annotations

import argparse
import array
import collections
import datetime as dt
import fractions
import functools
import ipaddress
import operator
import struct
import types
import typing
import zoneinfo
from pathlib import Path
from typing import Any

import pytest
from pydantic import AnyUrl, HttpUrl, PostgresDsn, Secret

from planai.cache.canonical import canonical
from planai.errors import UnkeyableValue

LISTS: Any = list
DISTINCT: list[Any] = [
    *(fractions.Fraction(1, 2), fractions.Fraction(1, 3), dt.UTC, dt.timezone(dt.timedelta(hours=1))),
    *(dt.timezone(dt.timedelta(hours=1), "A"), zoneinfo.ZoneInfo("UTC"), zoneinfo.ZoneInfo("Asia/Tokyo"), "UTC"),
    *(collections.deque([1]), collections.deque([1], 3), collections.deque([2]), [1]),
    *(ipaddress.ip_address(text) for text in ("10.0.0.1", "10.0.0.2", "::1")),
    *(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_interface("10.0.0.1/8"), "10.0.0.1"),
    *(HttpUrl("http://a"), AnyUrl("http://a"), HttpUrl("http://b"), PostgresDsn("postgres://u@a/b"), "http://a/"),
    *(slice(1), slice(1, 2), slice(None, 1, 2), operator.itemgetter(1), operator.itemgetter(1, 2)),
    *(operator.attrgetter("a"), operator.attrgetter("b"), operator.methodcaller("a"), operator.methodcaller("a", 1)),
    *(operator.methodcaller("a", b=1), operator.methodcaller("a", b=2), len, min, "abc".upper, "xyz".upper, str.upper),
    *(
        str.lower,
        dict.fromkeys,
        int.__add__,
        (1).__add__,
        (2).__add__,
        functools.partial(min, 1),
        functools.partial(max, 1),
    ),
    *(
        functools.partial(min, 2),
        functools.partial(min, key=len),
        types.SimpleNamespace(a=1),
        types.SimpleNamespace(a=2),
    ),
    *(argparse.Namespace(a=1), argparse.Namespace(a=2), array.array("b", [1]), array.array("h", [1])),
    *(struct.Struct("<i"), struct.Struct(">i")),
    *(list[int], list[str], int | None, typing.Literal["a"], typing.Any, Secret(1), Secret(2)),
    *(collections.defaultdict(int, a=1), collections.defaultdict(LISTS, a=1), {"a": 1}, collections.Counter(a=1)),
    *(collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1)),
]


def test_no_two_of_the_distinct_values_share_a_form() -> None:
    assert len({canonical(value) for value in DISTINCT}) == len(DISTINCT)


def test_objects_that_are_made_alike_share_a_form() -> None:
    assert canonical(fractions.Fraction(2, 4)) == canonical(fractions.Fraction(1, 2))
    assert canonical(zoneinfo.ZoneInfo.no_cache("UTC")) == canonical(zoneinfo.ZoneInfo("UTC"))
    assert canonical(types.SimpleNamespace(a=1, b=2)) == canonical(types.SimpleNamespace(b=2, a=1))
    assert canonical(operator.itemgetter(1)) == canonical(operator.itemgetter(1))


@pytest.mark.parametrize("value", [functools.partial(lambda: 1), types.SimpleNamespace(a=object()), [object()].append])
def test_what_holds_something_without_identity_is_refused(value: Any) -> None:
    with pytest.raises(UnkeyableValue, match="no identity"):
        canonical(value)


def test_a_time_zone_that_was_read_from_a_file_is_refused() -> None:
    source = next(Path(folder) / "UTC" for folder in zoneinfo.TZPATH if (Path(folder) / "UTC").is_file())
    with source.open("rb") as file:
        zone = zoneinfo.ZoneInfo.from_file(file)
    with pytest.raises(UnkeyableValue, match="ZoneInfo"):
        canonical(zone)
