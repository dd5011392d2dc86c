"""How many tokens a request has at most: measured with the tokens of a real model, where it is installed."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator

import pytest
from pydantic_ai import ModelResponse, RequestUsage, TextPart, ThinkingPart, ToolCallPart
from pydantic_ai.messages import ModelMessagesTypeAdapter

from planai.llm.client import Message, Request, ToolCall, ToolSpec
from planai.llm.embedded import EmbeddedModel, missing
from planai.llm.reckoning import most_tokens, most_tokens_of_text

_chosen = random.Random(1)

TEXTS = {
    "prose": "It is validated as its type, and then the worker may say what is wrong with it. " * 5,
    "code": "def total(self) -> Bill:\n    return sum((bill.spent for bill in self.bills), Bill())\n" * 5,
    "json": json.dumps([{"id": number, "price": number * 1.37, "tags": ["a", "b"]} for number in range(10)]),
    "digits": "".join(_chosen.choice("0123456789") for _ in range(400)),
    "hex": _chosen.randbytes(200).hex(),
    "base64": base64.b64encode(_chosen.randbytes(300)).decode(),
    "cjk": "".join(chr(_chosen.randrange(0x4E00, 0x9FFF)) for _ in range(150)),
    "emoji": "".join(chr(_chosen.randrange(0x1F300, 0x1F6FF)) for _ in range(100)),
    "private": "".join(chr(_chosen.randrange(0xE000, 0xF8FF)) for _ in range(100)),
    "punctuation": "".join(_chosen.choice("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~") for _ in range(400)),
    "whitespace": "".join(_chosen.choice(" \n\t") for _ in range(400)) + "x",
    "one normal form": "\ufdfa" * 20,
}


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedModel]:
    if missing():
        pytest.skip("the embedded model is not installed")
    model = EmbeddedModel(max_tokens=1)
    yield model
    model.close()


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_has_more_tokens_than_it_is_reckoned_at(embedded: EmbeddedModel, name: str) -> None:
    request = Request((Message("user", TEXTS[name]),))
    counted = embedded.ask(request).input_tokens
    assert 0 < counted <= most_tokens(request, embedded.model_name)


def test_a_token_has_a_byte_or_more() -> None:
    assert [most_tokens_of_text(text) for text in ("abc", "äöü", "机", "😀", "\ufdfa", "\ud800")] == [3, 6, 3, 4, 33, 3]


HELLO = Message("user", "Hello?")


def test_all_that_is_told_counts() -> None:
    def more(*messages: Message, tools: tuple[ToolSpec, ...] = (), schema: dict[str, str] | None = None) -> int:
        request = Request((HELLO, *messages), schema, tools=tools)
        return most_tokens(request, "m") - most_tokens(Request((HELLO,)), "m")

    call = ToolCall("c1" * 10, "look_up", json.dumps({"word": "w" * 100}))
    assert more(Message("assistant", "", calls=(call,))) > 130
    assert more(Message("tool", "r" * 1000, call=call)) > 1100
    assert more(tools=(ToolSpec("t", "d" * 300, {"p": "x" * 300}),)) > 1600
    assert more(schema={"title": "x" * 300}) > 600


def test_thoughts_count_that_are_told_again() -> None:
    def turn(*parts: ThinkingPart, tokens: int = 0) -> Message:
        said = ModelResponse(
            parts=[*parts, TextPart("t"), ToolCallPart("look_up", {"word": "a"}, "c1")],
            usage=RequestUsage(output_tokens=tokens),
        )
        return Message("assistant", "t", native=ModelMessagesTypeAdapter.dump_json([said]).decode())

    def tokens(message: Message) -> int:
        return most_tokens(Request((message,)), "m")

    plain = tokens(turn())
    assert tokens(turn(ThinkingPart("Hm. " * 500))) > plain + 2000
    assert tokens(turn(ThinkingPart("", signature="s" * 3000))) > plain + 3000
    assert tokens(turn(ThinkingPart(""), tokens=9000)) > 9000  # hidden ones are charged, too
    assert tokens(Message("assistant", "", native="of another version")) > 18
