"""Cost: what an answer took to compute, which is what a hit saves."""

from __future__ import annotations

from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds of a worker's time, tokens of a model, and US dollars.

    >>> Cost(1.5, 200, 0.01).plus(Cost(0.5))
    Cost(seconds=2.0, tokens=200, dollars=0.01)
    """

    seconds: float = 0.0
    tokens: int = 0
    dollars: float = 0.0

    def plus(self, other: Cost) -> Cost:
        """Return the sum of both."""
        if other is FREE:
            return self
        if self is FREE:
            return other
        return Cost(self.seconds + other.seconds, self.tokens + other.tokens, self.dollars + other.dollars)

    def times(self, count: int) -> Cost:
        """Return the cost of doing it so often."""
        return Cost(self.seconds * count, self.tokens * count, self.dollars * count)


FREE = Cost()
"""The cost of what cost nothing, or of which nothing is known."""
