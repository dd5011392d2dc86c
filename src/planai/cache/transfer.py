"""Taking entries from one store to another, in one file: a line of JSON for each record, compressed with zstd.

The first line tells what the file is and its version, the last one how many records there are, so that a file that is
cut short is recognised. Nothing in it is run or unpickled.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from planai.cache.about import PROFILES, load_about
from planai.cache.frame import DamagedPayload, open_frame
from planai.cache.inspect import Entry, Filter, Progress, everything, is_hidden, peek, silent
from planai.cache.store import Info, Record, Store
from planai.cost import Cost
from planai.errors import CacheError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

KIND = "planai cache export"
VERSION = 1


class Exported(NamedTuple):
    """What was written: answers, questions and profiles, bytes of payload, and how many damaged ones were left out."""

    entries: int
    questions: int
    profiles: int
    size: int
    damaged: int


class Imported(NamedTuple):
    """What became of the answers in a file: not there before, newer than what was there, or not newer, and left out."""

    added: int
    replaced: int
    older: int


class _Line(NamedTuple):
    space: str
    key: str
    record: Record


def export(store: Store, path: Path, now: float, wanted: Filter | None = None, progress: Progress = silent) -> Exported:
    """Write entries to a file, with the questions that lead to them and the profiles of their workers.

    What has expired is left out, and so is what is damaged. The file appears under its name when it is complete; where
    no entry is wanted, none is written.

    Args:
        store: where from.
        path: the file; one that is there is replaced. Only its owner may read it.
        now: seconds since the epoch.
        wanted: which entries; None for all.
        progress: is told how far it is.

    Raises:
        CacheError: the file cannot be written.
    """
    chosen = _chosen(store, now, wanted or Filter())
    if not chosen:  # a name that was mistyped is no reason to replace an earlier export
        return Exported(0, 0, 0, 0, 0)
    infos = [entry.info for entry in chosen] + _profiles_of(store, chosen)
    damaged: set[tuple[str, str]] = set()

    def lines() -> Iterator[dict[str, Any]]:
        yield {"planai": KIND, "version": VERSION, "made_at": now}
        count = 0
        for number, info in enumerate(infos, 1):
            progress(number, len(infos))
            record = peek(store, info)
            if record is None or not _is_whole(info, record):
                damaged.add((info.space, info.key))
                continue
            count += 1
            yield _as_json(info, record)
        yield {"end": count}

    try:
        _write(path, lines())
    except OSError as error:
        raise CacheError(f"{str(path)!r} cannot be written: {error.strerror or error}; name another file") from error
    kept = [entry for entry in chosen if entry.name not in damaged]
    questions = sum(entry.is_question for entry in kept)
    profiles = len(infos) - len(chosen) - sum(space.startswith(PROFILES) for space, _ in damaged)
    return Exported(len(kept) - questions, questions, profiles, sum(entry.size for entry in kept), len(damaged))


def import_(store: Store, path: Path, progress: Progress = silent) -> Imported:
    """Put the records of a file into a store. Of two under the same key, that which was stored later stays.

    The whole file is read and checked before anything is changed.

    Args:
        store: where to.
        path: a file that `export` wrote.
        progress: is told how far it is.

    Raises:
        CacheError: the file cannot be read, is no such file, is cut short, or was changed; nothing was imported.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        count = sum(1 for _ in _read(file, path))
        file.seek(0)
        return _merge(store, _read(file, path), count, progress)


# ---- choosing and writing


def _chosen(store: Store, now: float, wanted: Filter) -> list[Entry]:
    alive = [entry for entry in everything(store) if not entry.expired(now)]
    answers = [entry for entry in alive if not entry.is_question and wanted.matches(entry, now)]
    questions = [entry for entry in alive if entry.is_question]
    ids = {entry.about.id for entry in answers} if questions else set()
    return answers + [entry for entry in questions if entry.about.id in ids]


def _profiles_of(store: Store, chosen: list[Entry]) -> list[Info]:
    wanted: dict[str, set[str]] = {}
    for entry in chosen:
        wanted.setdefault(PROFILES + entry.worker, set()).add(entry.about.profile)
    return [info for space, digests in wanted.items() for info in store.scan(space, digests - {""})]


def _is_whole(info: Info, record: Record) -> bool:
    if info.space.startswith(PROFILES):
        return True
    try:
        open_frame(record.payload)
    except DamagedPayload:
        return False
    return True


def _as_json(info: Info, record: Record) -> dict[str, Any]:
    return {
        "space": info.space,
        "key": info.key,
        "stored_at": record.stored_at,
        "expires_at": _known(record.expires_at),
        "stale_at": _known(record.stale_at),
        "cost": list(record.cost[:3]),
        "about": record.about.decode("utf-8", "surrogateescape"),
        "payload": base64.b64encode(record.payload).decode(),
        "crc": zlib.crc32(record.payload, zlib.crc32(record.about)),
    }


def _known(when: float | None) -> float | None:
    """Return a time that JSON can hold: what expires at the end of time never does."""
    return when if when is not None and math.isfinite(when) else None


def _write(path: Path, lines: Iterator[dict[str, Any]]) -> None:
    path = path.resolve()
    if path.exists() and not path.is_file():  # a new file would take the place of /dev/stdout itself
        raise CacheError(f"{str(path)!r} is no file: name one to be written")
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # which only its owner may read
    try:
        with os.fdopen(handle, "wb") as file, zstd.open(file, "wb") as packed:
            for line in lines:
                packed.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


# ---- reading


def _merge(store: Store, lines: Iterator[_Line], count: int, progress: Progress) -> Imported:
    there = {(info.space, info.key): info.stored_at for info in store.scan()}
    counts = dict.fromkeys(Imported._fields, 0)
    for number, (space, key, record) in enumerate(lines, 1):
        known = there.get((space, key))
        is_newer = known is None or known < record.stored_at
        if is_newer:
            store.put(space, key, record)
        if _is_answer(space, record):  # what only serves them is not counted
            counts["added" if known is None else "replaced" if is_newer else "older"] += 1
        progress(number, count)
    return Imported(**counts)


def _is_answer(space: str, record: Record) -> bool:
    about = load_about(record.about) if b'"question"' in record.about else None  # most need no parsing
    return not is_hidden(space) and (about is None or about.kind != "question")


def _unreadable(path: Path, error: OSError) -> CacheError:
    return CacheError(f"{str(path)!r} cannot be read: {error.strerror or error}; nothing was imported")


def _read(file: IO[bytes], path: Path) -> Iterator[_Line]:
    """Yield the records of a file, and check it on the way.

    Raises:
        CacheError: it is no export, cut short, or was changed.
    """
    try:
        with zstd.open(file, "rb") as packed:
            lines = (json.loads(line) for line in packed)
            _check_header(next(lines, None), path)
            yield from _records(lines)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, TypeError, KeyError, EOFError, RecursionError, zstd.ZstdError) as error:
        raise CacheError(
            f"{str(path)!r} is no export of a planai cache, or is cut short or damaged; nothing was imported. "
            f"Export it again, and copy it whole ({error or type(error).__name__})"
        ) from error


def _check_header(header: Any, path: Path) -> None:
    if not isinstance(header, dict) or header.get("planai") != KIND:
        raise ValueError("its first line is another")
    if header.get("version") != VERSION:
        raise CacheError(
            f"{str(path)!r} is an export of version {header.get('version')!r}, and {VERSION} is read here: "
            "take the planai that wrote it; nothing was imported"
        )


def _records(lines: Iterator[Any]) -> Iterator[_Line]:
    for count, line in enumerate(lines):
        if "end" in line:
            if line["end"] != count or next(lines, None) is not None:
                raise ValueError(f"it ends after {count} records, and should have {line['end']!r}")
            return
        yield _record(line)
    raise EOFError("its last line is missing")


def _record(line: dict[str, Any]) -> _Line:
    seconds, tokens, dollars = line["cost"]
    times = (line["stored_at"], line["expires_at"], line["stale_at"])
    figures = [figure for figure in (*times, seconds, tokens, dollars) if figure is not None]
    if not all(isinstance(figure, int | float) and math.isfinite(figure) for figure in figures) or times[0] is None:
        raise ValueError("a time or a cost is no number")
    try:
        payload = base64.b64decode(line["payload"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"a payload is no base64: {error}") from error
    about = line["about"].encode("utf-8", "surrogateescape")
    if zlib.crc32(payload, zlib.crc32(about)) != line["crc"]:
        raise ValueError("the checksum of a record does not fit")
    if not isinstance(line["space"], str) or not isinstance(line["key"], str):
        raise TypeError("a key is no text")
    return _Line(line["space"], line["key"], Record(payload, *times, Cost(seconds, int(tokens), dollars), about))
