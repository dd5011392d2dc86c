"""Figures about stores."""

from __future__ import annotations

from decimal import Decimal

from cache.samples import COUNT, DAY, NOW, PRICE, digest_of, profile, put, put_profile
from planai.bills import Usage
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
    cost, saved = Cost(4.0, 20, 1.0), Cost(6.0, 30, 1.5)
    assert count == Stats(COUNT, 2, 1, 60, NOW - DAY, NOW, 3, cost, saved, 1, 1, 1, own=cost)
    assert total([price, count])[:6] == ("", 3, 1, 5065, NOW - DAY, NOW)


def test_what_models_cost_is_counted_once(store: Store) -> None:
    took = Usage(1, 7, 3, 2, Decimal("0.5"), priced="2026-01-31")
    key = put(store, "said", worker=RESPONSES, cost=Cost(1.0, 10, 0.5), usage=took.as_texts())
    put(store, "a", cost=Cost(2.0, 10, 0.5), usage=took.as_texts(), responses=[key])
    store.get(RESPONSES, key)
    rows = stats(store, NOW)
    assert sorted(row.cost.dollars for row in rows) == [0.5, 0.5]
    assert (total(rows).cost.dollars, total(rows).saved.dollars) == (0.5, 0.5)
    assert (total(rows).usage, total(rows).saved_usage) == (took, took)
    for _ in range(2):
        store.get(RESPONSES, key)
    assert total(stats(store, NOW)).saved_usage == Usage(3, 21, 9, 6, Decimal("1.5"), priced="2026-01-31")


def test_what_models_said_counts_where_nothing_is_kept_that_was_made_of_it(store: Store) -> None:
    took = Usage(1, 7, 3, dollars=Decimal("0.25"), priced="2026-02-01")
    put(store, "said", worker=RESPONSES, cost=Cost(1.0, 10, 0.25), usage=took.as_texts())
    other = Usage(2, 5, 4, unpriced=2)
    put(store, "a", cost=Cost(2.0, 9), usage=other.as_texts(), responses=[digest_of("gone")])
    found = total(stats(store, NOW))
    assert found.cost == Cost(3.0, 19, 0.25, 2)
    assert found.usage == took.plus(other) == Usage(3, 12, 7, 0, Decimal("0.25"), 2, "2026-02-01")
