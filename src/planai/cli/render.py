"""How the command line shows figures, times, tables and progress.

On a terminal tables fit its width, as long as each cell shows enough to be read; into a narrower one, a file or a pipe
goes plain text, whole lines however long they are.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from pydantic_core import to_json

from planai.cache.inspect import Progress, silent
from planai.cost import Cost, money

_PRETTY_UP_TO = 500
"""Rows of a table that is laid out for a terminal: rich takes a millisecond for each."""

_LEAST_WIDTH = 16
"""Characters that a cell shows at least: an id is so long."""

_BETWEEN_COLUMNS = 2
_AT_ONCE = 1000

_PROGRESS_FROM = 2000
_PROGRESS_EVERY = 64

_UNITS = (("d", 86_400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))
_SIZES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> duration(200_000), duration(90), duration(0.25), duration(0)
    ('2.3 d', '1.5 min', '0.25 s', '0 s')
    """
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{_figure(seconds / length)} {unit}"
    return f"{seconds:.2g} s"


def size(count: float) -> str:
    """Return bytes as people say it, with powers of 1000.

    >>> size(999), size(1_234_567)
    ('999 B', '1.2 MB')
    """
    for unit, length in _SIZES:
        if count >= length:
            return f"{_figure(count / length)} {unit}"
    return f"{count:.0f} B"


def cost(value: Cost) -> str:
    """Return what something took: seconds, then tokens and dollars where there are any.

    >>> cost(Cost(90.0, 1200, 0.5)), cost(Cost()), cost(Cost(1.0, 20, unpriced=1))
    ('1.5 min, 1,200 tokens, $0.50', '0 s', '1 s, 20 tokens, 1 answer of unknown price')
    """
    parts = [duration(value.seconds)]
    if value.tokens:
        parts.append(counted(value.tokens, "token"))
    if value.dollars or value.unpriced:
        parts.append(money(value.dollars, value.unpriced))
    return ", ".join(parts)


def moment(when: float | None) -> str:
    """Return seconds since the epoch as date and time of the place; ``never`` for None, and for the end of time."""
    if when is None or when == math.inf:
        return "never"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))
    except (ValueError, OverflowError, OSError):
        return repr(when)


def counted(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun.

    >>> counted(1, "entry", "entries"), counted(1200, "entry", "entries"), counted(0, "profile")
    ('1 entry', '1,200 entries', '0 profiles')
    """
    return f"{count:,} {one}" if count == 1 else f"{count:,} {many or one + 's'}"


def printable(text: str) -> str:
    r"""Return a text without what would control a terminal or begin a new line.

    >>> printable("a\x1b[31mb\nc")
    'a\\x1b[31mb\\nc'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def say(text: str = "") -> None:
    """Print a line to stdout as it is, except for what would control the terminal, or what it cannot show."""
    print(_for(sys.stdout, printable(text)))


def tell(text: str) -> None:
    """Print a line to stderr: a remark that is no result."""
    print(printable(text), file=sys.stderr)


@contextmanager
def kept_for_json(asked: bool) -> Iterator[None]:
    """Send what the user's program prints meanwhile to stderr, if JSON is asked for: it has stdout for itself.

    What is written to the file behind it counts, too, as by other processes.
    """
    if not asked:
        yield
        return
    stdout, file, aside = sys.stdout, 1, os.dup(1)
    stdout.flush()
    os.dup2(2, file)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        stdout.flush()
        os.dup2(aside, file)
        os.close(aside)


def as_json(value: Any) -> None:
    """Print JSON: a list with each item on a line of its own, anything else indented."""
    if not isinstance(value, list | Iterator):
        print(json.dumps(value, indent=2, default=str))
        return
    items = iter(value)
    before = "[\n"
    while some := [_line_of_json(item) for item in itertools.islice(items, _AT_ONCE)]:
        sys.stdout.write(before + ",\n".join(some))
        before = ",\n"
    print("[]" if before == "[\n" else "\n]")


def _line_of_json(item: Any) -> str:
    try:
        return to_json(item, fallback=str, inf_nan_mode="constants").decode()
    except ValueError:  # half of a surrogate pair, which is no UTF-8
        return json.dumps(item, default=str)


def table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str] = (), file: TextIO | None = None
) -> None:
    """Print a table.

    Args:
        headers: what the columns are called.
        rows: the cells.
        right: the headers of the columns that are set to the right.
        file: where to; None for stdout.
    """
    file = file or sys.stdout
    cells = [row if "".join(row).isprintable() else [printable(cell) for cell in row] for row in rows]
    if file.isatty() and len(cells) <= _PRETTY_UP_TO and _pretty(headers, cells, set(right), file):
        return
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    sides = [">" if name in set(right) else "<" for name in headers]
    line = "  ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
    lines = (line.format(*row).rstrip() + "\n" for row in itertools.chain([headers], cells))
    while some := "".join(itertools.islice(lines, _AT_ONCE)):
        file.write(_for(file, some))


def _for(file: TextIO, text: str) -> str:
    """Return a text as far as a file can show it."""
    encoding = file.encoding or "utf-8"
    return text if text.isascii() else text.encode(encoding, "backslashreplace").decode(encoding)


def _pretty(headers: Sequence[str], cells: list[Sequence[str]], right: set[str], file: TextIO) -> bool:
    """Print a table that fits the terminal, and tell whether that is possible."""
    from rich.cells import cell_len  # noqa: PLC0415 - `planai version` needs none of it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=file)
    widths = [max(map(cell_len, column)) for column in zip(headers, *cells, strict=True)]
    most = _widest(widths, console.width - _BETWEEN_COLUMNS * (len(headers) - 1))
    if most is None:
        return False
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in headers:
        made.add_column(
            name, justify="right" if name in right else "left", no_wrap=True, overflow="ellipsis", max_width=most
        )
    for row in cells:
        made.add_row(*(Text(cell) for cell in row))  # as text: what is in brackets is no markup
    console.print(made)
    return True


def _widest(widths: Sequence[int], room: int) -> int | None:
    """Return how wide a column may be so that all fit; None where too little would be left of one.

    >>> _widest([16, 40], 50), _widest([16, 40], 100), _widest([16, 40], 31)
    (34, 100, None)
    """
    return next((most for most in range(room, _LEAST_WIDTH - 1, -1) if sum(min(most, w) for w in widths) <= room), None)


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show on stderr how far something is, if that is a terminal, and there is much to do.

    Args:
        what: is being done, such as ``"checking"``.
    """
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, visible=False)

        def show(done: int, of: int) -> None:
            if of >= _PROGRESS_FROM and (done % _PROGRESS_EVERY == 0 or done == of):
                bar.update(task, completed=done, total=of, visible=True)

        yield show


def _figure(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
