"""Large texts and bytes are outside of the JSON of an entry, and come back in their places."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ConfigDict

from planai.cache.codec import Codec, Undecodable, json_of, payload_of
from planai.cache.frame import DamagedPayload, frame_json, open_frame
from planai.cache.outside import OUTSIDE_FROM
from planai.cache.payload import readable
from planai.task import Task

LONG = 'a "quoted" line\n' * OUTSIDE_FROM
BLOB = bytes(range(256)) * OUTSIDE_FROM


class Page(Task):
    model_config = ConfigDict(extra="allow")

    text: str = ""
    data: bytes = b""
    parts: dict[str, Any] = {}


CODEC = Codec([Page])


@pytest.mark.parametrize(
    "page",
    [
        Page(text=LONG),
        Page(data=BLOB),
        Page(text=LONG, data=BLOB, parts={"a": LONG + "a", "b": {"c": (BLOB, LONG)}, LONG: 1}),
        Page(text="é\udc80\U0001f600" * OUTSIDE_FROM, data=b""),
        Page(text="x" * OUTSIDE_FROM),
        Page(text="x" * (OUTSIDE_FROM - 1), data=b"x" * (OUTSIDE_FROM - 1)),
        Page(parts={"set": {LONG, LONG + "b"}, "frozen": frozenset({BLOB}), "list": [LONG, BLOB, [LONG]]}),
        Page(parts={"$": "outside text", "v": [0, 4]}, text=LONG),
        Page.model_validate({"text": "short", "more": LONG, "most": BLOB}),
        Page(text=LONG, parts={"\udc80": "half"}),
    ],
    ids=["text", "bytes", "nested", "halves", "least", "below", "sets", "looks like one", "extra", "both ways"],
)
def test_large_values_come_back_exactly(page: Page) -> None:
    again = CODEC.decode(CODEC.encode(page))
    assert again == page
    assert again.model_fields_set == page.model_fields_set
    assert again.model_extra == page.model_extra


def test_large_values_are_as_they_are_behind_the_json() -> None:
    content = open_frame(CODEC.encode(Page(text=LONG, data=BLOB)))
    assert content.outside == LONG.encode() + BLOB
    assert len(content.body) < OUTSIDE_FROM


def test_a_long_text_alone_and_one_in_a_tuple_come_back() -> None:
    for value in (LONG, (LONG, BLOB), {BLOB: LONG}):
        assert CODEC.decode(CODEC.encode(value)) == value


def test_recordings_and_screens_have_them_within_the_json() -> None:
    payload = CODEC.encode(Page(text=LONG, data=BLOB))
    inside = json.loads(json.dumps(json_of(payload)))
    assert inside["v"]["text"] == LONG
    assert CODEC.decode(payload_of(inside)) == Page(text=LONG, data=BLOB)
    assert readable(payload)["text"] == LONG
    assert readable(payload)["data"]["$"] == "bytes"


@pytest.mark.parametrize("place", [[-1, 3], [0, 8], [8, -1], ["a", 1], [0], None])
@pytest.mark.parametrize("tag", ["outside text", "outside bytes"])
def test_a_place_that_is_none_is_a_damaged_entry(tag: str, place: object) -> None:
    payload = frame_json(json.dumps({"$": tag, "v": place}).encode(), b"outside")
    with pytest.raises(Undecodable):
        CODEC.decode(payload)
    with pytest.raises(DamagedPayload):
        readable(payload)
