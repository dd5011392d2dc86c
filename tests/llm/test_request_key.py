"""Keys of requests: what a model is told tells them apart, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planai import llm_from_config
from planai.llm.client import LLM, Image, Message, Request, ToolCall, ToolSpec
from planai.llm.foreign import ForeignModel
from planai.llm.request_key import Asked, key_of_request, shown

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


def with_header(name: str, value: str = "a-value") -> dict[str, Any]:
    return {"extra_headers": {"X-Always": "b", name: value}}


@pytest.mark.parametrize(
    "name",
    ["azureml-model-deployment", "X-Model", "x-portkey-config", "cf-aig-gateway", "OpenAI-Beta", "x-session-mode"],
)
def test_a_header_that_may_choose_who_answers_tells_requests_apart(name: str) -> None:
    one, other = (told(settings=with_header(name, value)) for value in ("one", "two"))
    assert len({key(one), key(other), key(told(settings=with_header("X-Always", "b")))}) == 3
    assert key(one) == key(told(settings=with_header(name.upper(), "one")))


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "api-key", "X-Auth", "x-goog-api-key", "Cookie", "x-portkey-virtual-key", "cf-aig-token"),
        *("HTTP-Referer", "X-Title", "User-Agent", "x-request-id", "traceparent", "openai-project", "x-stainless-os"),
    ],
)
def test_a_header_with_a_secret_or_of_no_effect_does_not(name: str) -> None:
    one, other = (told(settings=with_header(name, value)) for value in ("one", "two"))
    assert key(one) == key(other) == key(told(settings=with_header("X-Always", "b")))


@pytest.mark.parametrize(
    "settings",
    [
        {"openrouter_cache_instructions": True},
        {"openai_prompt_cache_options": {"ttl": "30m"}},
        {"google_cloud_service_tier": "pt_only"},
        {"extra_body": {"keep_alive": -1, "stream_options": {"include_usage": True}}},
        {"extra_body": {"prompt_cache_key": "mine", "store": False}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_setting_that_changes_no_answer_does_not(settings: dict[str, Any]) -> None:
    assert key(told(settings=settings)) == key(told())


def test_a_secret_in_an_address_does_not_but_the_rest_of_it_does() -> None:
    keys = [key(told(settings={"extra_query": {"version": one, "sig": two}})) for one, two in ("ab", "ac", "bb")]
    assert keys[0] == keys[1] != keys[2]


def test_no_header_is_shown() -> None:
    settings = {"extra_headers": {"X-Deployment": "nobody-else-knows", "Authorization": "Bearer abc"}}
    fields = shown(model(), told(settings=settings), Asked())
    assert "X-Deployment".lower() in str(fields)
    assert "nobody-else-knows" not in str(fields)
    assert "abc" not in str(fields)


def test_whether_a_model_follows_schemas_tells_requests_apart() -> None:
    one, other = (ForeignModel("groq:llama", structured_outputs=follows) for follows in (True, False))
    assert key(told(), one) != key(told(), other)


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("azure:gpt-4o", "AZURE_OPENAI_ENDPOINT"),
        ("azure:gpt-4o", "OPENAI_API_VERSION"),
        ("gateway/openai:gpt-4o", "PYDANTIC_AI_GATEWAY_BASE_URL"),
        ("gateway/anthropic:claude", "PAIG_BASE_URL"),
        ("bedrock:claude", "AWS_DEFAULT_REGION"),
        ("cohere:command", "CO_BASE_URL"),
        ("google-cloud:gemini-2.5-flash", "GOOGLE_CLOUD_LOCATION"),
        ("google-gla:gemini-2.5-flash", "GOOGLE_GEMINI_BASE_URL"),
        ("heroku:claude", "HEROKU_INFERENCE_URL"),
        ("openai-chat:gpt-4o", "OPENAI_BASE_URL"),
        ("groq:llama", "GROQ_BASE_URL"),
        ("vllm:llama", "VLLM_BASE_URL"),
    ],
)
def test_where_a_name_is_served_tells_requests_apart(name: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {key(told(), ForeignModel(name))}
    for value in ("https://one.example.org", "https://two.example.org"):
        monkeypatch.setenv(variable, value)
        found.add(key(told(), ForeignModel(name)))
    assert len(found) == 3
