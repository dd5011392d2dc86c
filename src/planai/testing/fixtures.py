"""FixtureStore: answers as small text files, to be committed beside the tests that replay them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

from planai.cache.about import PROFILES
from planai.cache.codec import json_of, payload_of
from planai.cache.store import Info, Order, Record
from planai.cost import FREE
from planai.errors import ConfigurationError

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_EPOCH = 0.0


class FixtureStore:
    """Keeps each record in ``folder/<space>/<digest>.json``, in a form that diffs well.

    Times and costs are left out, which would be others each time: a fixture never expires.

    Attributes:
        used: the files that were read or written by this object.
    """

    def __init__(self, folder: str | Path) -> None:
        self.used: set[Path] = set()
        self._folder = Path(folder)
        self._lock = threading.RLock()

    def get(self, space: str, key: str) -> Record | None:
        """Return the record, or None."""
        found = self.peek(space, key)
        if found is not None:
            self.used.add(self._path(space, key))
        return found

    def peek(self, space: str, key: str) -> Record | None:
        """Return the record, or None, without counting its file as read."""
        path = self._path(space, key)
        with self._lock:
            content = _read(path)
        if content is None or (content["space"], content["key"]) != (space, key):
            return None
        return Record(_payload(content), _EPOCH, about=json.dumps(content.get("about") or {}).encode())

    def put(self, space: str, key: str, record: Record, generation: int | None = None) -> bool:
        """Write the record, whole or not at all."""
        path = self._path(space, key)
        content: dict[str, Any] = {"space": space, "key": key, **_written(record.payload)}
        if record.about:
            content["about"] = json.loads(record.about)
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        with self._lock:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".tmp")
            temporary.write_text(text, encoding="utf-8", errors="surrogatepass")
            temporary.replace(path)
        self.used.add(path)
        return True

    def delete(self, space: str, keys: Iterable[str] | None = None) -> int:
        """Remove records."""
        with self._lock:
            wanted = [info.key for info in self.scan(space)] if keys is None else list(keys)
            paths = [path for key in wanted if (path := self._path(space, key)).exists()]
            for path in paths:
                path.unlink()
            return len(paths)

    def scan(self, space: str | None = None, keys: Iterable[str] | None = None) -> list[Info]:
        """Return what is known of records, in the order of their files."""
        wanted = None if keys is None else set(keys)
        found = []
        with self._lock:
            for path in sorted(self._folder.glob("*/*.json")):
                content = _read(path)
                if content is None or (space is not None and content["space"] != space):
                    continue
                if wanted is None or content["key"] in wanted:
                    found.append(_info(content))
        return found

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
        used = [content for path in self.used if (content := _read(path)) is not None]
        profiles = {(PROFILES + content["space"], (content.get("about") or {}).get("profile")) for content in used}
        served = {self._path(space, key) for space, key in profiles if key}
        return sorted(set(self._folder.glob("*/*.json")) - self.used - served)

    def _path(self, space: str, key: str) -> Path:
        name = f"{space}\0{key}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(name, digest_size=8).hexdigest()
        return self._folder / _UNSAFE.sub("-", space) / f"{digest}.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigurationError(f"the fixture {path} is no JSON ({error}): record it again") from None
    if not isinstance(content, dict) or not {"space", "key"} <= content.keys():
        raise ConfigurationError(f"the fixture {path} has no 'space' and 'key': record it again")
    return content


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
    about = json.dumps(content.get("about") or {}).encode()
    return Info(content["space"], content["key"], _EPOCH, _EPOCH, None, len(_payload(content)), 0, FREE, about)
