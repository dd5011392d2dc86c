"""Entries as workers leave them, for tests of what looks into stores."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from planai.cache.about import PROFILES, About, Profile
from planai.cache.canonical import digest
from planai.cache.codec import Codec
from planai.cache.store import Record, Store
from planai.cache.stores.disk import DiskStore
from planai.cache.stores.memory import MemoryStore
from planai.cache.stores.tiered import TieredStore
from planai.cost import Cost

NOW = 1_800_000_000.0
DAY = 86_400.0
COUNT = "shop.stock:Count"
PRICE = "shop.stock:Price"
CODEC = Codec()

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "disk": DiskStore,
    "tiered": lambda folder: TieredStore(MemoryStore(2**20), DiskStore(folder)),
}


def digest_of(text: str) -> str:
    return digest(text.encode())


def profile(worker: str = COUNT, **changes: Any) -> Profile:
    made = Profile(
        worker=worker,
        parts={"code": digest_of("code 1"), "settings": digest_of("settings 1"), "outputs": digest_of("outputs 1")},
        code={"shop.stock:Count.consume_work": digest_of("consume 1"), "shop.stock:LIMIT": "3"},
        settings={"threshold": "0.5"},
        outputs={"shop.stock:Counted": digest_of("schema 1")},
    )
    return made._replace(**changes)


def put_profile(store: Store, made: Profile, at: float = NOW) -> str:
    name = digest(made.dump())
    store.put(PROFILES + made.worker, name, Record(b"", at, about=made.dump()))
    return name


def about(name: str, **changes: Any) -> About:
    made = About(
        id=digest_of(name)[:16],
        parts={"task": digest_of(f"task {name}")},
        input="shop.stock:Shelf",
        fields={"name": name, "rows": "2"},
        outputs=["shop.stock:Counted"],
    )
    return made._replace(**changes)


def put(
    store: Store,
    name: str,
    value: Any = None,
    *,
    worker: str = COUNT,
    age: float = 0.0,
    expires_at: float | None = None,
    cost: Cost = Cost(2.0, 10, 0.5),  # noqa: B008 - a tuple
    sources: Sequence[str] = (),
    kind: str = "answer",
    **changes: Any,
) -> str:
    """Keep an entry, and return its key; ``sources`` are the names of other entries."""
    made = about(name, kind=kind, sources=[digest_of(source)[:16] for source in sources], **changes)
    key = digest_of(name if kind == "answer" else f"{kind} {name}")
    payload = CODEC.encode({"counted": name} if value is None else value)
    store.put(worker, key, Record(payload, NOW - age, expires_at, None, cost, made.dump()))
    return key


def framed(form: bytes, body: bytes) -> bytes:
    return form + zlib.crc32(body, zlib.crc32(form)).to_bytes(4, "big") + body
