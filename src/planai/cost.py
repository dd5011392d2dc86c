"""Cost: what an answer took to compute, which is what a hit saves."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

_CENT = 0.01
_LEAST = 0.0001


class Cost(NamedTuple):
    """Seconds of a worker's time, tokens of a model, and US dollars.

    `unpriced` is how many answers of models are in it whose price nobody knows: what these cost is not in `dollars`.
    A store keeps the first three; see `planai.cache.about.whole_cost`.

    >>> Cost(1.5, 200, 0.01).plus(Cost(0.5, unpriced=1))
    Cost(seconds=2.0, tokens=200, dollars=0.01, unpriced=1)
    """

    seconds: float = 0.0
    tokens: int = 0
    dollars: float = 0.0
    unpriced: int = 0

    def plus(self, other: Cost) -> Cost:
        """Return the sum of both."""
        if other is FREE:
            return self
        if self is FREE:
            return other
        return Cost(
            self.seconds + other.seconds,
            self.tokens + other.tokens,
            self.dollars + other.dollars,
            self.unpriced + other.unpriced,
        )

    def times(self, count: int) -> Cost:
        """Return the cost of doing it so often."""
        return Cost(self.seconds * count, self.tokens * count, self.dollars * count, self.unpriced * count)

    def mean(self, count: int) -> Cost:
        """Return the cost of one of `count`; where any price is unknown, so is that of the one."""
        return Cost(self.seconds / count, round(self.tokens / count), self.dollars / count, -(-self.unpriced // count))


FREE = Cost()
"""The cost of what cost nothing, or of which nothing is known."""


def money(dollars: float | Decimal, unpriced: int = 0) -> str:
    """Return US dollars as people say them; what nobody knows is not called nothing.

    >>> money(0.5), money(0.0012), money(0.00001), money(0)
    ('$0.50', '$0.0012', 'less than $0.0001', '$0.00')
    >>> money(0.5, 2), money(0, 1)
    ('at least $0.50, 2 answers of unknown price', '1 answer of unknown price')
    """
    if dollars <= 0:
        known = "$0.00"
    elif dollars < _LEAST:
        known = f"less than ${_LEAST}"
    else:
        known = f"${dollars:,.4f}" if dollars < _CENT else f"${dollars:,.2f}"
    if not unpriced:
        return known
    unknown = f"{unpriced:,} answer{'' if unpriced == 1 else 's'} of unknown price"
    return f"at least {known}, {unknown}" if dollars >= _LEAST else unknown
