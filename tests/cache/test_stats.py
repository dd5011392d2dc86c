"""Figures about stores."""

from __future__ import annotations

from cache.samples import COUNT, DAY, NOW, PRICE, profile, put, put_profile
from planai.cache.about import QUARANTINE, RESPONSES
from planai.cache.stats import Stats, stats, total
from planai.cache.store import Record, Store
from planai.cost import Cost


def test_stats_tell_what_was_kept_and_saved(store: Store) -> None:
    key = put(store, "a", age=DAY)
    put(store, "b", expires_at=NOW - 1.0)
    put(store, "a", kind="question")
    put(store, "big", bytes(5000), worker=PRICE, cost=Cost())
    put_profile(store, profile())
    store.put(QUARANTINE, f"{COUNT}\nold", Record(b"?", NOW, about=b"damaged"))
    for _ in range(3):
        store.get(COUNT, key)
    price, count = stats(store, NOW)
    assert (price.worker, price.entries, price.size) == (PRICE, 1, 5005)
    assert count == Stats(COUNT, 2, 1, 60, NOW - DAY, NOW, 3, Cost(4.0, 20, 1.0), Cost(6.0, 30, 1.5), 1, 1, 1)
    assert total([price, count])[:6] == ("", 3, 1, 5065, NOW - DAY, NOW)


def test_what_models_cost_is_counted_once(store: Store) -> None:
    put(store, "a", cost=Cost(2.0, 10, 0.5))
    key = put(store, "said", worker=RESPONSES, cost=Cost(1.0, 10, 0.5))
    store.get(RESPONSES, key)
    rows = stats(store, NOW)
    assert sorted(row.cost.dollars for row in rows) == [0.5, 0.5]
    assert (total(rows).cost.dollars, total(rows).saved.dollars) == (0.5, 0.5)
