"""A store over the package diskcache, for those who have its tools and habits; it needs ``planai[diskcache]``."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

from planai.cache.store import TOLERATED_SECONDS, Info, Order, Record, newest
from planai.cache.stores.touches import Touches
from planai.cost import Cost
from planai.errors import ConfigurationError, MissingDependency

EXPIRY_SECONDS = 30.0
"""How often a put also removes what has expired, at most."""

GRACE_SECONDS = 86_400.0
"""For how long diskcache still shows what has expired: the cache wants to see it, and diskcache hides it at once."""

_BUSY_SECONDS = 30.0
_TOUCHES_KEPT = 10_000
_TRIES = 10
_INFO, _RECORD, _CLEARED = b"a", b"b", b"c"
"""Each begins the names of one kind. A record is one value, so that it is read as a whole; what is known of it is
another, so that a scan reads no payloads. Those come first in the order of names."""

_SETTINGS = {
    "cull_limit": 0,
    "eviction_policy": "none",
    "size_limit": 2**62,
    "statistics": 0,
    "tag_index": 0,
}
"""Limits are the cache's own: diskcache removes nothing by itself."""

_ORDERS: dict[Order, Callable[[Info], float]] = {
    "used": lambda info: info.used_at,
    "cost": lambda info: info.cost.seconds / max(info.size, 1),
}


class DiskcacheStore:
    """Keeps records in a `diskcache.Cache` in `folder`, private to their owner. No pickle is ever written or read.

    It is several times slower than `DiskStore`, and its scan takes time for each entry. That records were used is kept
    in memory and written with the next put, trim or scan, or at close.

    Raises:
        MissingDependency: diskcache is not installed.
        ConfigurationError: the name of the folder holds a ``$``, which diskcache would replace.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder).absolute()
        if "$" in str(self._folder):
            raise ConfigurationError(f"diskcache cannot use a folder with a $ in its name: {str(folder)!r}")
        self._lock = threading.RLock()
        self._cache: Any = None
        self._touches: Touches[bytes] = Touches()
        self._next_expiry = 0.0
        self._process = os.getpid()
        _import()

    def __repr__(self) -> str:
        return f"DiskcacheStore({str(self._folder)!r})"

    def get(self, space: str, key: str) -> Record | None:
        """Return the record, or None."""
        found = self.peek(space, key)
        if found is not None:
            self.touch(space, key)
        return found

    def peek(self, space: str, key: str) -> Record | None:
        """Return the record, or None, without marking it used."""
        if not self._is_there():
            return None
        with self._opened() as cache:
            return _record(_read(cache, _name(_RECORD, space, key)))

    def put(self, space: str, key: str, record: Record, generation: int | None = None) -> bool:
        """Keep `record`, and tell whether it was kept."""
        with self._writing() as cache:
            if generation is not None and generation != _generation(cache, space):
                return False
            now = time.time()
            info = Info(
                space, key, record.stored_at, now, record.expires_at, len(record.payload), 0, record.cost, record.about
            )
            _keep(cache, _name(_RECORD, space, key), _dump_record(record), record.expires_at)
            _keep(cache, _name(_INFO, space, key), _dump_info(info), record.expires_at)
            return True

    def delete(self, space: str, keys: Iterable[str] | None = None) -> int:
        """Remove records."""
        names = None if keys is None else list(keys)  # by the caller's code: not under the lock
        with self._writing() as cache:
            if names is None:
                cache.set(_name(_CLEARED, space, ""), _generation(cache, space) + 1)
                names = [info.key for info in _infos(cache, space)]
            return sum(_remove(cache, space, key) for key in names)

    def scan(self, space: str | None = None, keys: Iterable[str] | None = None, last: int | None = None) -> list[Info]:
        """Return what is known of records, the least recently used first."""
        wanted = None if keys is None else set(keys)
        if not self._is_there():
            return []
        if wanted is None:  # else a run asks about a few keys at each miss, and a write each time would be dear
            self._flush()
        with self._opened() as cache:
            if space is None or wanted is None:
                found = [info for info in _infos(cache, space) if wanted is None or info.key in wanted]
            else:
                found = [info for key in wanted if (info := _info(cache, _name(_INFO, space, key)))]
        return newest(sorted(found, key=_ORDERS["used"]), last)

    def touch(self, space: str, key: str) -> None:
        """Mark a record used."""
        if self._touches.add(_name(_INFO, space, key)) > _TOUCHES_KEPT:
            try:
                self._flush()
            except (sqlite3.Error, OSError):  # recency is a matter of speed: where nothing can be written, let it go
                self._touches.take()

    def trim(self, space: str, now: float, entries: int | None, size: int | None, order: Order = "used") -> int:
        """Remove what has expired, then what is first in `order`."""
        with self._writing() as cache:
            known = sorted(_infos(cache, space), key=_ORDERS["used"])
            gone = [info for info in known if info.expires_at is not None and info.expires_at <= now]
            left = sorted((info for info in known if info not in set(gone)), key=_ORDERS[order])
            if order == "used":
                now = time.time() + TOLERATED_SECONDS
                left.sort(key=lambda info: info.used_at <= now)
            kept, used = len(left), sum(info.size for info in left)
            for info in left:
                if (entries is None or kept <= entries) and (size is None or used <= size):
                    break
                gone.append(info)
                kept -= 1
                used -= info.size
            return sum(_remove(cache, space, info.key) for info in gone)

    def generation(self, space: str) -> int:
        """Return how often the space was cleared."""
        if not self._is_there():
            return 0
        with self._opened() as cache:
            return _generation(cache, space)

    def begin(self, space: str, key: str) -> int | None:
        """Return the generation; None where there is a record."""
        if not self._is_there():
            return 0
        with self._opened() as cache:
            return None if _name(_RECORD, space, key) in cache else _generation(cache, space)

    def version(self) -> Hashable:
        """Return None: diskcache does not tell whether another process has written."""
        return None

    def close(self) -> None:
        """Write what is kept in memory, and close all connections."""
        with contextlib.suppress(sqlite3.Error, OSError):
            if self._cache is not None:
                self._flush()
        with self._lock:
            self._close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # it was never made
            self.close()

    def before_fork(self) -> None:
        """Hold the locks and close the connections, which may not be shared with a child."""
        self._lock.acquire()
        self._touches.before_fork()
        self._close()

    def after_fork(self) -> None:
        """Release the locks; the next use opens new connections."""
        self._touches.after_fork(is_child=os.getpid() != self._process)
        self._process = os.getpid()
        self._lock.release()

    def _is_there(self) -> bool:
        """Tell whether there is anything to read: whoever only reads makes nothing."""
        return self._cache is not None or (self._folder / _import().core.DBNAME).exists()

    def _close(self) -> None:
        if self._cache is not None:
            self._cache.close()
            self._cache = None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        """Hold the lock and the open cache; let its own error be one that callers of stores know."""
        with self._lock:
            try:
                if self._cache is None:
                    self._cache = _open(self._folder)
                yield self._cache
            except _import().Timeout as error:
                raise sqlite3.OperationalError(f"diskcache waited in vain to write to {self._folder}") from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Any]:
        """Hold a transaction, which begins with what is due: uses to be written, and what has expired to be removed."""
        with self._opened() as cache:
            if time.monotonic() >= self._next_expiry:
                self._next_expiry = time.monotonic() + EXPIRY_SECONDS
                cache.expire()
            touched = self._touches.take()
            try:
                with cache.transact():
                    for name, (when, hits) in touched.items():
                        info = _info(cache, name)
                        if info is not None:
                            used = info._replace(used_at=when, hits=info.hits + hits)
                            _keep(cache, name, _dump_info(used), info.expires_at)
                    yield cache
            except BaseException:
                self._touches.give_back(touched)
                raise

    def _flush(self) -> None:
        if self._touches:
            with self._writing():
                pass


def _import() -> Any:
    try:
        import diskcache  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingDependency(f'DiskcacheStore needs diskcache: pip install "planai[diskcache]" ({error})') from error
    return diskcache


def _open(folder: Path) -> Any:
    from planai.cache.stores.rawdisk import RawCache, RawDisk  # noqa: PLC0415 - an extra

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / _import().core.DBNAME
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives the files beside it the same mode
    return RawCache(str(folder), timeout=_BUSY_SECONDS, disk=RawDisk, **_SETTINGS)


def _name(kind: bytes, space: str, key: str) -> bytes:
    encoded = space.encode("utf-8", "surrogatepass")
    return kind + len(encoded).to_bytes(8, "big") + encoded + key.encode("utf-8", "surrogatepass")


def _unname(name: bytes) -> tuple[str, str]:
    end = 9 + int.from_bytes(name[1:9], "big")
    return name[9:end].decode("utf-8", "surrogatepass"), name[end:].decode("utf-8", "surrogatepass")


def _keep(cache: Any, name: bytes, value: bytes, expires_at: float | None) -> None:
    expire = None if expires_at is None else expires_at + GRACE_SECONDS - time.time()
    cache.set(name, value, expire=expire)


def _read(cache: Any, name: bytes) -> Any:
    """Return a value; one whose file is gone may just have been replaced by another process."""
    for _ in range(_TRIES):
        found = cache.get(name)
        if found is not None or name not in cache:
            return found
    return None


def _remove(cache: Any, space: str, key: str) -> bool:
    cache.delete(_name(_RECORD, space, key))
    return bool(cache.delete(_name(_INFO, space, key)))


def _generation(cache: Any, space: str) -> int:
    found = cache.get(_name(_CLEARED, space, ""))
    return found if isinstance(found, int) else 0


def _infos(cache: Any, space: str | None) -> Iterator[Info]:
    begin = _INFO if space is None else _name(_INFO, space, "")
    for name in cache.iterkeys():
        if name is not None and name[:1] > _INFO:
            return
        if name is not None and name.startswith(begin) and (info := _info(cache, name)):
            yield info


def _dump_info(info: Info) -> bytes:
    return json.dumps([*info[2:7], *info.cost[:3]]).encode() + b"\n" + info.about


def _info(cache: Any, name: bytes) -> Info | None:
    try:
        head, about = cache.get(name).split(b"\n", 1)
        stored_at, used_at, expires_at, size, hits, *cost = json.loads(head)
        return Info(*_unname(name), stored_at, used_at, expires_at, size, hits, Cost(*cost), about)
    except (ValueError, TypeError, AttributeError):  # none, or planted by somebody else
        return None


def _dump_record(record: Record) -> bytes:
    head = json.dumps([len(record.about), record.stored_at, record.expires_at, record.stale_at, *record.cost[:3]])
    return b"".join((head.encode(), b"\n", record.about, record.payload))


def _record(value: Any) -> Record | None:
    try:
        head, rest = value.split(b"\n", 1)
        length, stored_at, expires_at, stale_at, *cost = json.loads(head)
        return Record(rest[length:], stored_at, expires_at, stale_at, Cost(*cost), rest[:length])
    except (ValueError, TypeError, AttributeError):  # none, or planted by somebody else
        return None
