"""What people type for times, sizes and fields, as numbers and pairs."""

from __future__ import annotations

import re

import typer

_NUMBER_AND_UNIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "b": 1} | {
    f"{letter}{rest}": base**power
    for power, letter in enumerate("kmgt", 1)
    for rest, base in (("", 1000), ("b", 1000), ("ib", 1024))
}


def seconds(text: str) -> float:
    """Return the seconds that are meant by ``30d``, ``12h``, ``5min``, ``90s`` or ``2w``.

    >>> seconds("1.5h")
    5400.0

    Raises:
        typer.BadParameter: it is no number with one of these units.
    """
    return _parsed(text, _SECONDS, "write a number and a unit, such as 90s, 5min, 12h, 30d or 2w")


def byte_count(text: str) -> int:
    """Return the bytes that are meant by ``500kB``, ``1MB``, ``2GB``, ``1GiB``, or a number alone.

    >>> byte_count("1MB"), byte_count("1 MiB")
    (1000000, 1048576)

    Raises:
        typer.BadParameter: it is no number with one of these units.
    """
    return int(_parsed(text, _BYTES, "write a number and a unit, such as 500kB, 1MB, 2GB or 1GiB"))


def name_and_value(text: str) -> tuple[str, str]:
    """Return the two sides of ``name=value``.

    Raises:
        typer.BadParameter: there is no such sign, or no name.
    """
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise typer.BadParameter(f"{text!r}: write name=value, such as path=a.txt")
    return name, value


def _parsed(text: str, units: dict[str, int], advice: str) -> float:
    found = _NUMBER_AND_UNIT.fullmatch(text)
    if found is None or found[2].lower() not in units:
        raise typer.BadParameter(f"{text!r}: {advice}")
    return float(found[1]) * units[found[2].lower()]
