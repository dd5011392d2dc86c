"""How large pictures are, by their heads, and how many tokens models take them for at most."""

from __future__ import annotations

import struct

import pytest

from planai.errors import ConfigurationError
from planai.llm.client import Image
from planai.llm.pictures import most_tokens_of_picture, size_of_picture


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0)


def jpeg(width: int, height: int) -> bytes:
    """A JPEG with a thumbnail in a segment before the one that tells its size, and a byte that fills a gap."""
    thumbnail = b"\xff\xd8\xff\xc0" + struct.pack(">HBHH", 11, 8, 16, 16)
    before = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    tables = b"\xff\xc4" + struct.pack(">H", 4) + b"\0\0"
    return b"\xff\xd8" + before + tables + b"\xff\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 3)


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + 8 + len(body)) + b"WEBP" + kind + struct.pack("<I", len(body)) + body


def lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width | 1 << 14, height))


def lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14 | 1 << 28))


def extended(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", b"\x10\0\0\0" + sides)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0)


@pytest.mark.parametrize("make", [png, jpeg, lossy, lossless, extended, gif])
@pytest.mark.parametrize("size", [(1, 1), (300, 200), (4000, 9000)])
def test_a_head_tells_how_large_a_picture_is(make: object, size: tuple[int, int]) -> None:
    assert callable(make)
    data = make(*size)
    assert size_of_picture(data) == size
    assert size_of_picture(data + b"\0" * 1000) == size


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xff", b"\x89PNG", b"RIFF\0\0\0\0WEBPVP8 ", b"BM"])
def test_a_head_that_does_not_tell_is_none(data: bytes) -> None:
    assert size_of_picture(data) is None


# What the pages of the providers give for a picture of that size, and a model.
CHARGED = [
    ("gpt-4o", (1024, 1024), 765),
    ("gpt-4o", (2048, 4096), 1105),
    ("gpt-4o-mini", (128, 64), 8500),
    ("gpt-4o-mini", (2048, 768), 48169),
    ("gpt-4.1-nano", (1024, 1024), 2519),
    ("gpt-4.1-mini", (1800, 2400), 2353),
    ("o4-mini", (1024, 1024), 1762),
    ("openai/gpt-4o-mini", (2048, 768), 48169),
    ("claude-3-7-sonnet", (1092, 1092), 1590),
    ("claude-3-7-sonnet", (200, 200), 54),
    ("claude-opus-4-7", (1000, 1000), 1334),
    ("claude-opus-4-7", (8000, 8000), 4784),
    ("us.anthropic.claude-sonnet-4-6", (1000, 1000), 1334),
    ("gemini-2.0-flash", (384, 384), 258),
    ("gemini-2.0-flash", (960, 540), 6 * 258),
    ("gemini-2.0-flash", (3840, 2160), 15 * 258),
    ("gemini-3-pro", (640, 480), 2240),
    ("meta-llama/Llama-3.2-90B-Vision", (1120, 1120), 6404),
    ("my-deployment", (2048, 768), 48169),
]


@pytest.mark.parametrize(("model", "size", "tokens"), CHARGED)
def test_a_picture_is_never_reckoned_below_what_it_is_charged(model: str, size: tuple[int, int], tokens: int) -> None:
    assert most_tokens_of_picture(model, Image("image/png", png(*size))) >= tokens
    assert most_tokens_of_picture(model, Image("image/png", url="https://example.org/a.png")) >= tokens


def test_a_picture_is_not_reckoned_at_many_times_what_it_is_charged() -> None:
    small = Image("image/png", png(200, 200))
    assert [most_tokens_of_picture(name, small) for name in ("claude-opus-4-7", "gpt-4o", "gemini-3-pro")] == [
        68,
        1500,
        2500,
    ]


@pytest.mark.parametrize("kind", ["application/pdf", "audio/wav", "video/mp4"])
def test_what_is_no_picture_may_be_of_any_length(kind: str) -> None:
    with pytest.raises(ConfigurationError, match=f"of the type '{kind}' has, and the run has max_cost_usd"):
        most_tokens_of_picture("claude-opus-4-7", Image(kind, b"%PDF"))
