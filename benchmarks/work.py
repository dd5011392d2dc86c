"""What the middle one of three stages computes, the same for all contenders, and how often it did."""

import itertools
import random
import time
from collections.abc import Callable
from typing import Any

CALLS = itertools.count()  # next() is atomic, so worker threads may share it
MEGABYTE = 2**20
_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]


def compute(kind: str, value: int) -> Any:
    """Compute the answer of the given kind, and count that."""
    next(CALLS)
    return KINDS[kind](value)


def expected(kind: str, value: int) -> int | str:
    """Return what the three stages make of `value`: the first and the last add one to a number, and keep a text."""
    answer = answer_to(kind, value + 1)
    return answer + 1 if isinstance(answer, int) else answer


def answer_to(kind: str, value: int) -> int | str:
    """Return the right answer without waiting and without counting."""
    return value + 1 if kind in ("nap", "sleep") else KINDS[kind](value)


def _words(seed: int) -> str:
    """Return 1 MB of text that compresses to about a third."""
    chosen = random.Random(seed)
    words = ["".join(chosen.choices(_SYLLABLES, k=chosen.randint(1, 4))) for _ in range(3_000)]
    return " ".join(chosen.choices(words, k=MEGABYTE // 4))[:MEGABYTE]


def _hex(seed: int) -> str:
    """Return 1 MB of random hexadecimal digits, which hold half as many random bytes."""
    return random.Random(seed).randbytes(MEGABYTE // 2).hex()


def _after(seconds: float) -> Callable[[int], int]:
    def answer(value: int) -> int:
        time.sleep(seconds)
        return value + 1

    return answer


KINDS: dict[str, Callable[[int], int | str]] = {
    "number": lambda value: value + 1,
    "words": _words,
    "hex": _hex,
    "nap": _after(0.005),
    "sleep": _after(0.05),
}
