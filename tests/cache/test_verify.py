"""Finding what is damaged, and putting it aside."""

from __future__ import annotations

from cache.samples import CODEC, COUNT, DAY, NOW, about, put
from planai.cache.about import PROFILES, QUARANTINE
from planai.cache.inspect import (
    Filter,
    entries,
)
from planai.cache.stats import stats
from planai.cache.store import Record, Store
from planai.cache.verify import verify


def names(store: Store, wanted: Filter | None = None) -> list[str]:
    return [entry.about.fields["name"] for entry in entries(store, NOW, wanted)]


def test_damage_is_found_and_put_aside(store: Store) -> None:
    put(store, "a")
    sound = CODEC.encode("b")
    store.put(COUNT, "changed", Record(sound[:-1] + b"?", NOW, NOW + DAY, about=about("b").dump()))
    store.put(COUNT, "cut", Record(b"j", NOW))
    store.put(COUNT, "untold", Record(sound, NOW, about=b"{"))
    store.put(PROFILES + COUNT, "p", Record(b"", NOW, about=b"{"))
    found = verify(store)
    assert {(one.worker, one.key) for one in found} == {
        (COUNT, "changed"),
        (COUNT, "cut"),
        (COUNT, "untold"),
        (PROFILES + COUNT, "p"),
    }
    assert not any(one.repaired for one in found)
    assert [(one.key, one.repaired) for one in verify(store, repair=True)] == [(one.key, True) for one in found]
    assert verify(store) == []
    assert names(store) == ["a"]
    assert stats(store, NOW)[0].quarantined == 3
    kept = store.get(QUARANTINE, f"{COUNT}\nchanged")
    assert kept is not None
    assert (kept.payload, kept.expires_at, kept.about) == (
        sound[:-1] + b"?",
        None,
        b"the checksum of the payload does not fit",
    )


def test_progress_tells_how_far_verifying_is(store: Store) -> None:
    for name in "abc":
        put(store, name)
    told: list[tuple[int, int]] = []
    verify(store, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]
