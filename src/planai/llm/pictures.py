"""Pictures: how large they are, and how many tokens models take them for at most.

The figures are those of the providers' own pages, as of 2026. A picture whose size cannot be read, as of one that is
named by its address, counts as the largest that a model takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import ceil
from typing import NamedTuple

from planai.errors import ConfigurationError
from planai.llm.client import Image

_MOST = 50_000
"""Of a model that nobody here knows: no picture of up to 10,000 by 10,000 pixels has more at any that is known."""

_NO_SIZE_IN_JPEG = (0xC4, 0xC8, 0xCC)


class _Family(NamedTuple):
    """How models count pictures.

    Attributes:
        names: what is in the names of these models.
        most: tokens of a picture of unknown size.
        of_size: tokens of one so wide and so high.
    """

    names: re.Pattern[str]
    most: int
    of_size: Callable[[int, int], int]


def most_tokens_of_picture(model_name: str, image: Image) -> int:
    """Return how many tokens a picture may have for a model.

    >>> most_tokens_of_picture("claude-sonnet-4-6", Image("image/png", url="https://example.org/cat.png"))
    5000

    Raises:
        ConfigurationError: it is no picture, and may be of any length.
    """
    if not image.media_type.startswith("image/"):
        raise ConfigurationError(
            f"nobody knows how many tokens something of the type {image.media_type!r} has, and the run has "
            "max_cost_usd: send pictures alone, or run it without the limit"
        )
    size = size_of_picture(image.data)
    families = [one for one in _FAMILIES if one.names.search(model_name.lower())] or [_UNKNOWN]
    return max(one.most if size is None else one.of_size(*size) for one in families)


def size_of_picture(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, JPEG, GIF or WebP picture, by its head; None where it does not tell.

    >>> size_of_picture(b"GIF89a" + bytes([44, 1, 200, 0]))
    (300, 200)
    """
    if data.startswith(b"\x89PNG"):
        found = _big(data[16:20]), _big(data[20:24])
    elif data.startswith(b"GIF8"):
        found = _little(data[6:8]), _little(data[8:10])
    elif (data[:4], data[8:12]) == (b"RIFF", b"WEBP"):
        found = _size_of_webp(data)
    elif data.startswith(b"\xff\xd8"):
        found = _size_of_jpeg(data)
    else:
        found = 0, 0
    return found if all(found) else None


def _size_of_webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return _little(data[24:27]) + 1, _little(data[27:30]) + 1
    if kind == b"VP8L":
        bits = _little(data[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF


def _size_of_jpeg(data: bytes) -> tuple[int, int]:
    """Go from segment to segment, up to the one that says how large the picture is."""
    at = 2
    while data[at : at + 1] == b"\xff":
        kind = _big(data[at + 1 : at + 2])
        if 0xC0 <= kind <= 0xCF and kind not in _NO_SIZE_IN_JPEG:  # noqa: PLR2004 - the codes of frames
            return _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7])
        at += 1 if kind == 0xFF else 2 + _big(data[at + 2 : at + 4])  # noqa: PLR2004 - which fills gaps
    return 0, 0


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _claude(width: int, height: int) -> int:
    """A token for each square of 28 pixels (of older models, for each 750), and larger pictures are made smaller."""
    return min(5_000, ceil(1.05 * ceil(width / 28) * ceil(height / 28)))


def _gpt(width: int, height: int) -> int:
    """Up to eight tiles of 170 tokens and 85 more; or for each square of 32 pixels, up to 10,000 of them, 2.46."""
    return max(1_500, ceil(2.46 * min(10_000, ceil(width / 32) * ceil(height / 32))))


def _gemini(width: int, height: int) -> int:
    """Up to 2,240 tokens; of older models, 258 for each tile of 256 to 768 pixels, and for the whole."""
    side = min(768, max(256, int(min(width, height) / 1.5)))
    return max(2_500, 258 * (1 + ceil(width / side) * ceil(height / side)))


_FAMILIES = (
    _Family(re.compile("claude"), 5_000, _claude),
    _Family(re.compile("gpt-4o-mini"), _MOST, lambda *_: _MOST),  # 48,169: eight tiles of 5,667, and 2,833 more
    _Family(re.compile(r"gpt-|\bo[134]\b|computer-use"), 25_000, _gpt),
    _Family(re.compile("gemini"), _MOST, _gemini),
)
_UNKNOWN = _Family(re.compile(""), _MOST, lambda width, height: max(_MOST, _gemini(width, height)))
