"""The frame of a payload notices all damage, in each of its forms."""

from __future__ import annotations

import random

import pytest

from planai.cache.frame import COMPRESSED_FROM, LARGE, Content, DamagedPayload, frame_bytes, frame_json, open_frame

PAYLOADS = {
    b"r": (frame_bytes(b"bytes"), Content(is_json=False, body=b"bytes")),
    b"j": (frame_json(b"[1]"), Content(is_json=True, body=b"[1]")),
    b"z": (frame_json(b" " * COMPRESSED_FROM), Content(is_json=True, body=b" " * COMPRESSED_FROM)),
    b"o": (frame_json(b"[1]", b"outside"), Content(is_json=True, body=b"[1]", outside=b"outside")),
    b"c": (frame_json(b"[1]", b" " * COMPRESSED_FROM), Content(True, b"[1]", b" " * COMPRESSED_FROM)),
}


@pytest.mark.parametrize("form", PAYLOADS)
def test_what_was_framed_comes_back(form: bytes) -> None:
    payload, content = PAYLOADS[form]
    assert payload[:1] == form
    assert open_frame(payload) == content


@pytest.mark.parametrize("form", PAYLOADS)
def test_a_changed_bit_is_noticed(form: bytes) -> None:
    payload, _ = PAYLOADS[form]
    for bit in range(len(payload) * 8):
        changed = bytearray(payload)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedPayload):
            open_frame(bytes(changed))


def test_what_is_large_and_hardly_compresses_is_kept_as_it_is() -> None:
    noise = random.Random(1).randbytes(LARGE)
    assert frame_json(noise).endswith(noise)
    assert open_frame(frame_json(noise)) == Content(is_json=True, body=noise)


@pytest.mark.parametrize("form", PAYLOADS)
def test_a_payload_that_is_cut_short_or_goes_on_is_noticed(form: bytes) -> None:
    payload, _ = PAYLOADS[form]
    for damaged in (b"", payload[:1], payload[:5], payload[:-1], payload + b"x"):
        with pytest.raises(DamagedPayload):
            open_frame(damaged)


def test_an_unknown_form_is_named() -> None:
    with pytest.raises(DamagedPayload, match="begins with b'x', which is no form that is known"):
        open_frame(b"x1234{}")
