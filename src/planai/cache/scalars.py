"""The canonical form of scalars: of each by its type and value, framed."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import struct
import uuid
from collections.abc import Callable
from typing import Any


def frame(tag: bytes, body: bytes = b"") -> bytes:
    """Frame `body` by its type and length. A tag ends with the only colon in it."""
    return tag + len(body).to_bytes(8, "big") + body


def _float(value: float) -> bytes:
    return frame(b"nan:") if math.isnan(value) else frame(b"float:", struct.pack(">d", value))


def _datetime(value: dt.datetime) -> bytes:
    """Encode the instant, so that equal instants in two time zones are equal; naive times are of their own kind."""
    if value.tzinfo is None:
        return frame(b"naive datetime:", f"{value.isoformat()} {value.fold}".encode())
    try:
        instant = value.astimezone(dt.UTC).isoformat()
    except OverflowError:  # before the year 1, or after 9999, in UTC
        instant = value.isoformat()
    return frame(b"datetime:", instant.encode())


def text(tag: bytes, show: Callable[[Any], str] = str) -> Callable[[Any], bytes]:
    """Return what encodes a value by the text that `show` makes of it."""
    return lambda value: frame(tag, show(value).encode("utf-8", "surrogatepass"))


SCALARS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: frame(b"none:"),
    bool: lambda value: frame(b"bool:", bytes([value])),
    int: text(b"int:", hex),  # in hexadecimal, which has no limit of digits
    float: _float,
    complex: lambda value: frame(b"complex:", _float(value.real) + _float(value.imag)),
    str: text(b"str:"),
    bytes: lambda value: frame(b"bytes:", value),
    bytearray: lambda value: frame(b"bytearray:", bytes(value)),
    dt.datetime: _datetime,
    dt.date: text(b"date:"),
    dt.time: text(b"time:", repr),
    dt.timedelta: text(b"timedelta:", repr),
    decimal.Decimal: text(b"decimal:"),
    uuid.UUID: text(b"uuid:"),
    range: text(b"range:"),
    type(...): lambda _: frame(b"ellipsis:"),
}

# By the methods of the base itself: a class may show itself as it likes, such as every instance as the same text.
PLAIN: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    int: int.__int__,
    float: float.__float__,
    decimal.Decimal: lambda value: decimal.Decimal(decimal.Decimal.__str__(value)),
    dt.datetime: lambda value: dt.datetime.combine(
        dt.datetime.date(value), dt.datetime.timetz(value), tzinfo=value.tzinfo
    ),
    dt.date: lambda value: dt.date.fromordinal(dt.date.toordinal(value)),
}
