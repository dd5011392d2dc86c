"""The frame of a payload: a letter for its form, four bytes of CRC-32 with which damage is noticed, and the body.

The body is bytes as they were given (``r``), JSON (``j``), or JSON compressed with zstd (``z``). The checksum that zstd
has itself is faster than CRC-32, but to unpack what is large costs a copy: with it a hit of 1 MB took longer.
"""

from __future__ import annotations

import sys
import zlib

from planai.errors import CacheError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSED_FROM = 1024
"""JSON of so many bytes and more is compressed, if that makes it smaller."""

LARGE = 128 * 1024
"""JSON of so many bytes and more is compressed only if that makes it a third as large."""

_SAMPLE = 64 * 1024
_RAW, _JSON, _ZSTD = b"r", b"j", b"z"
_HEAD = 5


class DamagedPayload(CacheError):
    """A payload is cut short, was changed, or is none at all."""


def frame_bytes(value: bytes) -> bytes:
    """Return the payload that holds bytes as they are."""
    return _sealed(_RAW, value)


def frame_json(text: bytes) -> bytes:
    """Return the payload that holds JSON, compressed where that is worth it."""
    # Of what is large, a part tells whether it is worth it: to unpack a megabyte takes longer than to read three.
    if len(text) >= LARGE and len(zstd.compress(text[:_SAMPLE])) * 3 > _SAMPLE:
        return _sealed(_JSON, text)
    if len(text) >= COMPRESSED_FROM:
        small = zstd.compress(text)
        if len(small) < len(text):
            return _sealed(_ZSTD, small)
    return _sealed(_JSON, text)


def open_frame(payload: bytes) -> tuple[bool, bytes]:
    """Return whether a payload holds JSON, and that JSON or the bytes.

    >>> open_frame(frame_json(b"[1]")), open_frame(frame_bytes(b"as they are"))
    ((True, b'[1]'), (False, b'as they are'))
    >>> open_frame(b"j")
    Traceback (most recent call last):
    planai.cache.frame.DamagedPayload: the payload has 1 bytes, fewer than its head alone

    Raises:
        DamagedPayload: it is cut short, of a form that is not known, or its checksum does not fit.
    """
    form, body = payload[:1], payload[_HEAD:]
    if payload[1:_HEAD] != _checksum(form, body) or form not in (_RAW, _JSON, _ZSTD):
        raise DamagedPayload(_damage(payload))
    try:
        return form != _RAW, zstd.decompress(body) if form == _ZSTD else body
    except zstd.ZstdError as error:
        raise DamagedPayload(f"what is in the payload cannot be unpacked: {error}") from error


def _damage(payload: bytes) -> str:
    if len(payload) < _HEAD:
        return f"the payload has {len(payload)} bytes, fewer than its head alone"
    if payload[:1] not in (_RAW, _JSON, _ZSTD):
        return f"the payload begins with {payload[:1]!r}, which is no form that is known"
    return "the checksum of the payload does not fit"


def _sealed(form: bytes, body: bytes) -> bytes:
    return b"".join((form, _checksum(form, body), body))


def _checksum(form: bytes, body: bytes) -> bytes:
    return zlib.crc32(body, zlib.crc32(form)).to_bytes(4, "big")
