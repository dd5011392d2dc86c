"""How long a request is, as far as it can be told."""

from __future__ import annotations

from planai.llm.client import Image, Message, Request, ToolSpec
from planai.llm.prompt import token_estimate

HELLO = Message("user", "Hello?" * 100)


def test_all_that_is_told_counts() -> None:
    plain = token_estimate(Request((HELLO,)))
    assert 150 <= plain <= 160
    schema = {"type": "object", "properties": {f"field {n}": {"type": "string"} for n in range(100)}}
    longer = [
        Request((HELLO,), schema),
        Request((HELLO,), tools=(ToolSpec("t", "", schema),)),
        Request((Message("user", HELLO.text, images=(Image("image/png", b"1"),)),)),
        Request((HELLO, HELLO)),
    ]
    assert [token_estimate(one) > plain + 100 for one in longer] == [True] * 4
