"""Matching: which files below a folder a pattern such as ``**/*.md`` means, in a time that no pattern can prolong."""

from __future__ import annotations

import errno
import fnmatch
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

LINKS = 1000
"""Links to folders that are gone through at most: of a few that lead in circles, there is no end."""

_ANY_DEPTH = None
"""What ``**`` is among the parts of a pattern."""

_Parts = list[re.Pattern[str] | None]


def matching(start: Path, pattern: str, is_inside: Callable[[Path], bool]) -> Iterator[os.DirEntry[str]]:
    """Return what `pattern` means below `start` and is no folder.

    A folder is looked at once under each of its names, and only where something in it may match: `Path.glob` goes
    through links to the ends of the disk, and takes exponentially long for ``**/**/**/*``.

    Args:
        start: where.
        pattern: parts with ``*``, ``?`` and ``[...]``, and ``**`` for any number of folders, links to such excepted.
        is_inside: tells whether a link may be gone through.

    Raises:
        OSError: `start` cannot be read; other such folders are passed over. Or links lead in circles.
    """
    names = PurePosixPath(pattern).parts
    parts: _Parts = [_ANY_DEPTH if name == "**" else re.compile(fnmatch.translate(name)) for name in names]
    waiting, links = [(os.fspath(start), _reached(parts, {0}))], 0
    while waiting:
        folder, places = waiting.pop()
        for entry in _entries(folder, is_start=folder == os.fspath(start)):
            named = {place + 1 for place in places if place < len(parts) and _matches(parts[place], entry.name)}
            if not _is_folder(entry):
                if len(parts) in _reached(parts, named | _deeper(parts, places)):
                    yield entry
                continue
            is_link = entry.is_symlink()
            after = _reached(parts, named if is_link else named | _deeper(parts, places))
            if not after - {len(parts)} or (is_link and not is_inside(Path(entry.path))):
                continue
            links += is_link
            if links > LINKS:
                raise OSError(errno.ELOOP, f"{pattern!r} goes through more than {LINKS} links")
            waiting.append((entry.path, after))


def _entries(folder: str, *, is_start: bool) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        if is_start:
            raise
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _matches(part: re.Pattern[str] | None, name: str) -> bool:
    return part is not _ANY_DEPTH and part.match(name) is not None


def _deeper(parts: _Parts, places: set[int]) -> set[int]:
    """Return those of `places` at which one stays, whatever the name."""
    return {place for place in places if place < len(parts) and parts[place] is _ANY_DEPTH}


def _reached(parts: _Parts, places: set[int]) -> set[int]:
    """Return `places`, and those after each ``**``, which may be nothing, too."""
    found = set(places)
    for place, part in enumerate(parts):
        if place in found and part is _ANY_DEPTH:
            found.add(place + 1)
    return found
