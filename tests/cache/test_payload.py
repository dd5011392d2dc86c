"""What payloads are shown as, and that damage is noticed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import pytest
from pydantic import BaseModel

from cache.samples import CODEC, COUNT, NOW, framed
from planai.cache.bundle import Bundle, Published
from planai.cache.frame import DamagedPayload
from planai.cache.inspect import (
    find,
    output_of,
)
from planai.cache.payload import readable
from planai.cache.store import Record, Store
from planai.errors import CacheError


class Colour(enum.Enum):
    RED = 1


class Shelf(BaseModel):
    name: str
    goods: tuple[str, ...] = ()


@dataclasses.dataclass
class Size:
    height: float


VALUES: list[tuple[Any, Any]] = [
    (None, None),
    ([1, "two", None], [1, "two", None]),
    ({"text": "x" * 5000}, {"text": "x" * 5000}),
    ({1: {2}}, [[1, [2]]]),
    ({"$": 1}, {"$": 1}),
    (Colour.RED, "RED"),
    (Decimal("1.50"), "1.50"),
    (dt.timedelta(days=1), "1 day, 0:00:00"),
    (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "2026-01-02T00:00:00+00:00"),
    (PurePosixPath("/a/b"), "/a/b"),
    (b"\x00\xff", {"$": "bytes", "base64": "AP8="}),
    ([b"\x00\xff"], [{"$": "bytes", "base64": "AP8="}]),
    (Size(1.5), {"$": "{module}:Size", "height": 1.5}),
    (Shelf(name="a", goods=("b",)), {"$": "{module}:Shelf", "name": "a", "goods": ["b"]}),
    (Bundle(()), []),
    (
        Bundle((Published(Shelf(name="a"), "Price"),)),
        [{"task": {"$": "{module}:Shelf", "name": "a", "goods": []}, "consumer": "Price"}],
    ),
]


@pytest.mark.parametrize(("value", "expected"), VALUES)
def test_payloads_are_shown_as_json(value: Any, expected: Any) -> None:
    wanted = json.loads(json.dumps(expected).replace("{module}", __name__))
    assert readable(CODEC.encode(value)) == wanted


def test_an_output_is_shown_without_its_class(store: Store) -> None:
    packed = {"$": "model", "c": "shop.nowhere:Gone", "v": {"price": 2.5}}
    store.put(COUNT, "k", Record(framed(b"j", json.dumps(packed).encode()), NOW))
    entry = find(store, "k")
    assert output_of(store, entry) == {"$": "shop.nowhere:Gone", "price": 2.5}
    store.delete(COUNT, [entry.key])
    with pytest.raises(CacheError, match="removed meanwhile"):
        output_of(store, entry)


def test_tags_of_a_later_version_are_shown_as_they_are() -> None:
    for packed in ({"$": "new", "v": [1]}, {"$": "model", "v": 3}, {"$": "path", "v": []}, {"$": "tuple"}):
        body = json.dumps(packed).encode()
        assert readable(framed(b"j", body)) == packed


@pytest.mark.parametrize("payload", [b"", b"j", b"j1234", b"x1234{}"])
def test_a_payload_that_is_none_is_noticed(payload: bytes) -> None:
    with pytest.raises(DamagedPayload):
        readable(payload)


def test_what_is_no_json_behind_a_sound_checksum_is_noticed() -> None:
    for form, body in ((b"j", b"{"), (b"z", b"no zstd"), (b"j", b"[" * 100_000)):
        with pytest.raises(DamagedPayload, match="what is in the payload cannot be"):
            readable(framed(form, body))
