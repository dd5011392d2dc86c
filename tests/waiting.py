"""Waiting for what another thread, another process or the clock brings about."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

WAIT = 30.0
"""How long to wait for anything, in seconds."""


def wait_until(holds: Callable[[], bool], seconds: float = WAIT, every: float = 0.001) -> None:
    """Look `every` so many seconds until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(every)
