"""measure_time: how long a block took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


@contextlib.contextmanager
def measure_time() -> Iterator[dict[str, float]]:
    """Measure a block, also one that raises: afterwards, ``elapsed_time`` holds its milliseconds.

    >>> with measure_time() as measured:
    ...     total = sum(range(1000))
    >>> measured["elapsed_time"] > 0
    True
    """
    measured: dict[str, float] = {}
    started = time.perf_counter()
    try:
        yield measured
    finally:
        measured["elapsed_time"] = (time.perf_counter() - started) * 1000
