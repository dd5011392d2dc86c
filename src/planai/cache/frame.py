"""The frame of a payload: a letter for its form, four bytes of CRC-32 with which damage is noticed, and the body.

The body is bytes as they were given (``r``), JSON (``j``), or JSON compressed with zstd (``z``). Where texts or bytes
are outside of the JSON, the body begins with the length of the JSON in four bytes, and they follow it (``o``, and
compressed ``c``). The checksum that zstd has itself is faster than CRC-32, but to unpack what is large costs a copy:
with it a hit of 1 MB took longer.
"""

from __future__ import annotations

import sys
import zlib
from typing import NamedTuple

from planai.errors import CacheError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSED_FROM = 1024
"""A body of so many bytes and more is compressed, if that makes it smaller."""

LARGE = 128 * 1024
"""A body of so many bytes and more is compressed only if that makes it a fourth as large."""

_SAMPLE = 64 * 1024
_WORTH = 4
_RAW, _JSON, _ZSTD, _OUTSIDE, _OUTSIDE_ZSTD = b"r", b"j", b"z", b"o", b"c"
_FORMS = frozenset({_RAW, _JSON, _ZSTD, _OUTSIDE, _OUTSIDE_ZSTD})
_HEAD = 5
_LENGTH = 4


class Content(NamedTuple):
    """What a payload holds.

    Attributes:
        is_json: whether `body` is JSON; else it is bytes as they were given.
        body: the JSON, or the bytes.
        outside: the texts and bytes that are outside of the JSON.
    """

    is_json: bool
    body: bytes
    outside: bytes = b""


class DamagedPayload(CacheError):
    """A payload is cut short, was changed, or is none at all."""


def frame_bytes(value: bytes) -> bytes:
    """Return the payload that holds bytes as they are."""
    return _sealed(_RAW, value)


def frame_json(text: bytes, outside: bytes = b"") -> bytes:
    """Return the payload that holds JSON, and what is outside of it, compressed where that is worth it."""
    if not outside:
        return _smaller(text, _JSON, _ZSTD)
    return _smaller(b"".join((len(text).to_bytes(_LENGTH, "big"), text, outside)), _OUTSIDE, _OUTSIDE_ZSTD)


def _smaller(body: bytes, form: bytes, compressed: bytes) -> bytes:
    # Of what is large, a part tells whether it is worth it: to unpack a megabyte takes longer than to read three.
    if len(body) >= LARGE and len(zstd.compress(body[-_SAMPLE:])) * _WORTH > _SAMPLE:
        return _sealed(form, body)
    if len(body) >= COMPRESSED_FROM:
        small = zstd.compress(body)
        if len(small) < len(body):
            return _sealed(compressed, small)
    return _sealed(form, body)


def open_frame(payload: bytes) -> Content:
    """Return what a payload holds.

    >>> tuple(open_frame(frame_json(b"[1]"))), tuple(open_frame(frame_bytes(b"as they are")))
    ((True, b'[1]', b''), (False, b'as they are', b''))
    >>> tuple(open_frame(frame_json(b"[1]", b"outside")))
    (True, b'[1]', b'outside')
    >>> open_frame(b"j")
    Traceback (most recent call last):
    planai.cache.frame.DamagedPayload: the payload has 1 bytes, fewer than its head alone

    Raises:
        DamagedPayload: it is cut short, of a form that is not known, or its checksum does not fit.
    """
    form, body = payload[:1], payload[_HEAD:]
    if payload[1:_HEAD] != _checksum(form, body) or form not in _FORMS:
        raise DamagedPayload(_damage(payload))
    try:
        if form in (_ZSTD, _OUTSIDE_ZSTD):
            body = zstd.decompress(body)
    except zstd.ZstdError as error:
        raise DamagedPayload(f"what is in the payload cannot be unpacked: {error}") from error
    if form in (_OUTSIDE, _OUTSIDE_ZSTD):
        end = _LENGTH + int.from_bytes(body[:_LENGTH], "big")
        return Content(is_json=True, body=body[_LENGTH:end], outside=body[end:])
    return Content(form != _RAW, body)


def _damage(payload: bytes) -> str:
    if len(payload) < _HEAD:
        return f"the payload has {len(payload)} bytes, fewer than its head alone"
    if payload[:1] not in _FORMS:
        return f"the payload begins with {payload[:1]!r}, which is no form that is known"
    return "the checksum of the payload does not fit"


def _sealed(form: bytes, body: bytes) -> bytes:
    return b"".join((form, _checksum(form, body), body))


def _checksum(form: bytes, body: bytes) -> bytes:
    return zlib.crc32(body, zlib.crc32(form)).to_bytes(4, "big")
