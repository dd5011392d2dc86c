"""FixtureStore: answers as small text files, to be committed beside the tests that replay them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

from planai.cache.about import PROFILES, QUESTIONS
from planai.cache.codec import json_of, payload_of
from planai.cache.store import Info, Order, Record, newest
from planai.cost import FREE
from planai.testing.fixture_files import FixtureFiles, read_fixture
from planai.testing.fixture_names import identity_of, variant_of

_EPOCH = 0.0


class FixtureStore:
    """Keeps each record in ``folder/<space>/<Input>-<first field>-<digits>.json``, in a form that diffs well.

    An answer that is recorded anew after an edit of code takes the place of the earlier one. Times and costs are left
    out, which would be others each time: a fixture never expires.

    Attributes:
        used: the files that were read or written by this object.
    """

    def __init__(self, folder: str | Path) -> None:
        self.used: set[Path] = set()
        self._folder = Path(folder)
        self._lock = threading.RLock()
        self._files = FixtureFiles(self._folder)
        self._early: dict[str, list[tuple[str, str, Record]]] = {}

    def get(self, space: str, key: str) -> Record | None:
        """Return the record, or None."""
        found = self.peek(space, key)
        if found is not None:
            with self._lock:
                self.used.add(self._files.path(space, key) or self._folder)
        return found

    def peek(self, space: str, key: str) -> Record | None:
        """Return the record, or None, without counting its file as read."""
        with self._lock:
            content = self._files.content(space, key)
        if content is None:
            return None
        return Record(_payload(content), _EPOCH, about=_about(content))

    def put(self, space: str, key: str, record: Record, generation: int | None = None) -> bool:
        """Write the record, whole or not at all."""
        content: dict[str, Any] = {"space": space, "key": key, **_written(record.payload)}
        if record.about:
            content |= _told_beside(record.about)
        with self._lock:
            early = self._early.pop(key, []) if space.startswith(PROFILES) else []
            if early:
                content["input"] = json.loads(early[0][2].about).get("input", "")
            self.used.add(self._files.write(self._completed(content, record), self.used))
            for known in early:  # now that their worker's settings are known
                self.used -= {self._files.remove(*known[:2])}
                self.put(*known)
        return True

    def delete(self, space: str, keys: Iterable[str] | None = None) -> int:
        """Remove records."""
        with self._lock:
            wanted = [info.key for info in self.scan(space)] if keys is None else list(keys)
            return sum(self._files.remove(space, key) is not None for key in wanted)

    def scan(self, space: str | None = None, keys: Iterable[str] | None = None, last: int | None = None) -> list[Info]:
        """Return what is known of records, in the order of their files."""
        wanted = None if keys is None else set(keys)
        with self._lock:
            contents = self._files.contents()
        found = [
            _info(content)
            for content in contents
            if (space is None or content["space"] == space) and (wanted is None or content["key"] in wanted)
        ]
        return newest(found, last)

    def touch(self, space: str, key: str) -> None:
        """Do nothing: nothing is ever evicted."""

    def trim(self, space: str, now: float, entries: int | None, size: int | None, order: Order = "used") -> int:
        """Remove nothing: what is committed beside tests is not evicted."""
        return 0

    def generation(self, space: str) -> int:
        """Return 0: nothing is computed while fixtures are cleared."""
        return 0

    def begin(self, space: str, key: str) -> int | None:
        """Return 0; None where there is a record."""
        return 0 if self.peek(space, key) is None else None

    def version(self) -> Hashable:
        """Return None: others may change files at any time."""
        return None

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def before_fork(self) -> None:
        """Hold the lock, so that nobody else does in the child."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """Release the lock."""
        self._lock.release()

    def unused(self) -> list[Path]:
        """Return the files in the folder that this object has neither read nor written.

        The profiles of workers, which are read to explain misses only, are of use as long as one of their answers is.
        """
        with self._lock:
            used = [content for path in self.used if (content := read_fixture(path)) is not None]
            profiles = [(PROFILES + content["space"], (content.get("about") or {}).get("profile")) for content in used]
            served = {self._files.path(space, key) for space, key in profiles if key}
        return sorted(set(self._folder.glob("*/*.json")) - self.used - served)

    def _completed(self, content: dict[str, Any], record: Record) -> dict[str, Any]:
        """Return the content with what its name needs: the worker's settings, or which answer a question is about."""
        about, space = content.get("about") or {}, content["space"]
        if about.get("kind") == "question":
            answers = space.removeprefix(QUESTIONS)
            known = self._files.find(
                lambda one: (one["space"], (one.get("about") or {}).get("id")) == (answers, about["id"])
            )
            if known is None:
                return content
            self._early.get(known["about"].get("profile"), []).append((space, content["key"], record))
            return {**content, "of": identity_of(known)}
        if not about.get("profile"):
            return content
        profile = self._files.content(PROFILES + space, about["profile"])
        if profile is None:
            self._early.setdefault(about["profile"], []).append((space, content["key"], record))
            return content
        return {"space": space, "key": content["key"], "variant": variant_of(profile["about"]), **content}


def _written(payload: bytes) -> dict[str, Any]:
    """Return a payload as readable JSON, where it is JSON."""
    value = json_of(payload)
    if value is not None:
        return {"answer": value}
    try:
        return {"text": payload.decode("ascii")}
    except UnicodeDecodeError:
        return {"bytes": base64.b64encode(payload).decode()}


def _payload(content: dict[str, Any]) -> bytes:
    if "answer" in content:
        return payload_of(content["answer"])
    if "bytes" in content:
        return base64.b64decode(content["bytes"])
    return str(content.get("text", "")).encode("ascii", "replace")


def _info(content: dict[str, Any]) -> Info:
    size = len(_payload(content))
    return Info(content["space"], content["key"], _EPOCH, _EPOCH, None, size, 0, FREE, _about(content))


def _told_beside(about: bytes) -> dict[str, Any]:
    """Return what is written beside a record: how it came about, or, of a damaged one, why it was set aside."""
    try:
        return {"about": dict(json.loads(about))}
    except (ValueError, TypeError):
        return {"note": about.decode("utf-8", "replace")}


def _about(content: dict[str, Any]) -> bytes:
    note = content.get("note")
    return json.dumps(content.get("about") or {}).encode() if note is None else str(note).encode()
