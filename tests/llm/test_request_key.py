"""Keys of requests: what a model is told tells them apart, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planai import llm_from_config
from planai.llm.client import LLM, Image, Message, Request, ToolCall, ToolSpec
from planai.llm.request_key import Asked, key_of_request

USER = Message("user", "Which?")
FIRST = {"type": "object", "properties": {"reasons": {"type": "string"}, "verdict": {"type": "string"}}}
LAST = {"type": "object", "properties": {"verdict": {"type": "string"}, "reasons": {"type": "string"}}}


def model(**settings: Any) -> LLM:
    return llm_from_config("local", "m", base_url="http://127.0.0.1:9/v1", **settings)


def key(request: Request, llm: LLM | None = None) -> str:
    return key_of_request(llm or model(), request, Asked())


def told(*messages: Message, **more: Any) -> Request:
    return Request(messages or (USER,), **more)


def thought(what: str, when: str = "2026-01-01") -> Message:
    parts = [{"part_kind": "thinking", "content": what}]
    native = json.dumps([{"parts": parts, "timestamp": when}])
    return Message("assistant", "", calls=(ToolCall("1", "look", "{}"),), native=native)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (told(Message("system", "A"), USER), told(USER, Message("system", "A"))),
        (told(Message("system", "A"), Message("system", "B")), told(Message("system", "A\nB"))),
        (told(schema=FIRST), told(schema=LAST)),
        (told(tools=(ToolSpec("t", "", FIRST),)), told(tools=(ToolSpec("t", "", LAST),))),
        (told(settings={"extra_body": {"guided_json": FIRST}}), told(settings={"extra_body": {"guided_json": LAST}})),
        (told(settings={"thinking": True}), told(settings={"thinking": 1})),
        (told(settings={"seed": 0}), told()),
        (told(thought("yes")), told(thought("no"))),
        (
            told(Message("user", "", images=(Image("image/png", b"1"),))),
            told(Message("user", "", images=(Image("image/png", b"2"),))),
        ),
    ],
    ids=["place", "turns", "fields", "arguments", "nested", "kind", "zero", "thoughts", "pictures"],
)
def test_what_is_told_tells_requests_apart(one: Request, other: Request) -> None:
    assert key(one) != key(other)


def test_when_something_was_said_does_not() -> None:
    assert key(told(thought("yes"))) == key(told(thought("yes", "2026-02-02")))


def test_a_setting_counts_the_same_wherever_it_is_set() -> None:
    assert key(told(settings={"temperature": 0.0})) == key(told(), model(temperature=0.0))
    assert key(told(settings={"temperature": 0.0}), model(temperature=1.0)) == key(told(), model(temperature=0.0))


def test_an_address_is_the_same_with_a_slash_at_its_end() -> None:
    with_slash = llm_from_config("local", "m", base_url="http://127.0.0.1:9/v1/")
    assert key(told()) == key(told(), with_slash)
