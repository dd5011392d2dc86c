"""Work in the background, which ends before the process does: renewing answers that are stale."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_THREADS = 4
_pools: list[ThreadPoolExecutor] = []


def in_background(work: Callable[[], None], over: Callable[[], None], warn: Callable[[str], None]) -> None:
    """Do `work` in another thread, then call `over` in any case; tell `warn` when the work fails.

    The process does not end before it is done; Ctrl-C at that time ends the wait.
    """

    def do() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a user's method; the old answer is still there
            warn(f"could not renew a stale answer: {type(error).__name__}: {error}")
        finally:
            over()

    try:
        if not _pools:
            _pools.append(ThreadPoolExecutor(_THREADS, thread_name_prefix="planai-background"))
        _pools[0].submit(do)
    except RuntimeError:  # the process is ending
        over()


os.register_at_fork(after_in_child=_pools.clear)  # whose threads are not there
