"""Bills: what the models of a run were paid, worker by worker, and the limit that it must not pass."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from planai.cost import money
from planai.errors import BudgetExceeded

_NOTHING = Decimal(0)


class Usage(NamedTuple):
    """What answers of models took.

    Attributes:
        answers: how many.
        input_tokens: tokens of the requests, cached ones included.
        output_tokens: tokens of the answers.
        cached_tokens: tokens of the requests that the provider had in a cache of its own.
        dollars: US dollars, as far as prices are known.
        unpriced: answers of models whose price nobody knows; what they cost is not in `dollars`.
        priced: the date of the latest prices, as ``"2026-01-31"``.
    """

    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    dollars: Decimal = _NOTHING
    unpriced: int = 0
    priced: str = ""

    def plus(self, other: Usage) -> Usage:
        """Return the sum of both."""
        return Usage(
            self.answers + other.answers,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.dollars + other.dollars,
            self.unpriced + other.unpriced,
            max(self.priced, other.priced),
        )

    def times(self, count: int) -> Usage:
        """Return what it took so often."""
        return Usage(
            self.answers * count,
            self.input_tokens * count,
            self.output_tokens * count,
            self.cached_tokens * count,
            self.dollars * count,
            self.unpriced * count,
            self.priced if count else "",
        )

    def __str__(self) -> str:
        cached = f" ({self.cached_tokens} cached)" if self.cached_tokens else ""
        tokens = f"{self.input_tokens}{cached} + {self.output_tokens} tokens"
        return f"{self.answers} answers, {tokens}, {money(self.dollars, self.unpriced)}"

    def as_texts(self) -> dict[str, str]:
        """Return it as plain texts, without what is nothing.

        >>> usage = Usage(1, 11, 7, dollars=Decimal("0.02"))
        >>> usage.as_texts()
        {'answers': '1', 'input_tokens': '11', 'output_tokens': '7', 'dollars': '0.02'}
        >>> usage_of_texts(usage.as_texts()) == usage
        True
        """
        return {name: str(value) for name, value in self._asdict().items() if value}


def usage_of_texts(texts: Mapping[str, str]) -> Usage:
    """Return what `Usage.as_texts` has given; nothing for what is no such thing."""
    try:
        return Usage(**{name: _READ[name](text) for name, text in texts.items()})
    except (KeyError, ValueError, InvalidOperation):
        return Usage()


_READ: dict[str, Callable[[str], Any]] = dict.fromkeys(Usage._fields, int) | {"dollars": Decimal, "priced": str}


@dataclass(frozen=True, slots=True)
class Bill:
    """What one worker's models took, and what was saved.

    Attributes:
        spent: what was paid for in this run.
        saved: what answers of models took at first that did not have to be paid for again: those that were kept, and
            those of which kept answers of workers were made.
    """

    spent: Usage = field(default_factory=Usage)
    saved: Usage = field(default_factory=Usage)

    def plus(self, other: Bill) -> Bill:
        """Return the sum of both."""
        return Bill(self.spent.plus(other.spent), self.saved.plus(other.saved))

    def __str__(self) -> str:
        return f"{self.spent}" + (f"; saved: {self.saved}" if self.saved.answers else "")


@dataclass(slots=True)
class Bills:
    """The bills of a run. Safe for threads.

    Attributes:
        limit: US dollars that the run may spend at most; None for any number.
    """

    limit: Decimal | None = None
    _bills: dict[str, Bill] = field(default_factory=dict)
    _reserved: Decimal = _NOTHING
    _reservations: int = 0
    _unknown: Decimal = _NOTHING
    _asked_first: set[str] = field(default_factory=set)
    _dearest: dict[str, Decimal] = field(default_factory=dict)
    _longest: dict[str, int] = field(default_factory=dict)
    _waiting: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def spend(self, worker: str, usage: Usage) -> None:
        """Add what an answer took."""
        self._add(worker, Bill(spent=usage))

    def save(self, worker: str, usage: Usage) -> None:
        """Add what was kept, and did not have to be asked for."""
        self._add(worker, Bill(saved=usage))

    def by_worker(self) -> dict[str, Bill]:
        """Return the bill of each worker that has one."""
        with self._lock:
            return dict(self._bills)

    def total(self) -> Bill:
        """Return the sum over all workers."""
        total = Bill()
        for bill in self.by_worker().values():
            total = total.plus(bill)
        return total

    def reckoned(self, dollars: Decimal, model: str) -> Decimal:
        """Return what an answer may cost: what was reckoned, or what one of that model has cost that cost more."""
        with self._lock:
            return max(dollars, self._dearest.get(model, _NOTHING))

    def room_for_less(self, model: str) -> tuple[Decimal, int]:
        """Return what is neither spent nor set aside, and the tokens of the longest answer of a model so far.

        Nothing is left for a model of which an answer has cost more than was reckoned.
        """
        with self._lock:
            if self.limit is None or self._dearest.get(model):
                return _NOTHING, 0
            return self.limit - self._spent() - self._reserved, self._longest.get(model, 0)

    def reserve(self, dollars: Decimal, what: str, model: str) -> bool:
        """Set aside what an answer may cost at most, until `release`; tell whether that was possible just now.

        It is not while what others have set aside may still be given back, nor while the first answer of a model is
        under way, which tells whether its answers cost what was reckoned; `when_released` tells when to try again.

        Raises:
            BudgetExceeded: it would not be possible then either.
        """
        with self._lock:
            spent, unknown = self._spent(), self._unknown
            if model in self._asked_first:
                return False
            if self.limit is None or spent + self._reserved + dollars <= self.limit:
                self._reserved += dollars
                self._reservations += 1
                if model not in self._dearest:
                    self._asked_first.add(model)
                return True
            if self._reservations:
                return False
        raise BudgetExceeded(
            f"the run has spent ${spent:.4f} of max_cost_usd={self.limit}"
            + (f" (with ${unknown:.4f} for what was asked, and may be charged without an answer)" if unknown else "")
            + f", and {what} may cost ${dollars:.4f}: "
            "it ends here; what cached workers computed is kept, and will be replayed"
        )

    def reserve_again(self, dollars: Decimal) -> bool:
        """Count what was set aside as spent, and set as much aside once more; tell whether that was possible."""
        with self._lock:
            if self.limit is not None and self._spent() + self._reserved + dollars > self.limit:
                return False
            self._unknown += dollars
            return True

    def release(
        self, dollars: Decimal, model: str, *, paid: Decimal | None = None, is_known: bool = True, tokens: int = 0
    ) -> None:
        """Give back what was set aside: what the answer cost is spent by now.

        Args:
            dollars: what was set aside.
            model: for an answer of which model.
            paid: what the answer cost; None where there was none.
            tokens: how many tokens the answer has.
            is_known: whether that is known; else all that was set aside counts against the limit, and is on no bill.
        """
        with self._lock:
            self._asked_first.discard(model)
            beyond = paid if paid is not None and paid > dollars else _NOTHING
            self._dearest[model] = max(self._dearest.get(model, _NOTHING), beyond)
            self._longest[model] = max(self._longest.get(model, 0), tokens)
            self._reservations -= 1
            self._reserved = self._reserved - dollars if self._reservations else _NOTHING  # which rounding may miss
            self._unknown += _NOTHING if is_known else dollars
            waiting, self._waiting[:] = list(self._waiting), []
        for callback in waiting:
            callback()

    def when_released(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, from any thread, when something was given back; at once if nothing is set aside."""
        with self._lock:
            if self._reservations:
                self._waiting.append(callback)
                return
        callback()

    def _spent(self) -> Decimal:
        return sum((bill.spent.dollars for bill in self._bills.values()), self._unknown)

    def _add(self, worker: str, bill: Bill) -> None:
        with self._lock:
            self._bills[worker] = self._bills.get(worker, Bill()).plus(bill)
