"""What answers took to compute, added up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planai.cost import FREE, Cost

COSTS = st.builds(Cost, st.integers(0, 10**6), st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**6))


@settings(deadline=None)
@given(COSTS, COSTS, COSTS)
def test_the_order_in_which_costs_are_added_does_not_matter(one: Cost, other: Cost, third: Cost) -> None:
    assert one.plus(other) == other.plus(one)
    assert one.plus(other).plus(third) == one.plus(other.plus(third))


@settings(deadline=None)
@given(COSTS)
def test_what_is_free_adds_nothing(cost: Cost) -> None:
    assert cost.plus(FREE) == FREE.plus(cost) == cost.times(1) == cost
    assert cost.times(0) == FREE


@settings(deadline=None)
@given(COSTS, st.integers(0, 20))
def test_doing_it_often_is_adding_it_often(cost: Cost, count: int) -> None:
    total = FREE
    for _ in range(count):
        total = total.plus(cost)
    assert cost.times(count) == total


def test_each_part_is_added_by_itself() -> None:
    assert Cost(1.5, 200, 0.01, 1).plus(Cost(0.5, 1, 0.02, 2)) == pytest.approx((2.0, 201, 0.03, 3))


@settings(deadline=None)
@given(COSTS, st.integers(1, 20))
def test_what_has_an_unknown_price_has_none_on_the_average(cost: Cost, count: int) -> None:
    assert bool(cost.mean(count).unpriced) == bool(cost.unpriced)
    assert cost.times(count).mean(count) == pytest.approx(cost)
