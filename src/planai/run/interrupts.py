"""Interrupts: Ctrl-C falls into the user's code at once, and into a run's own work at one point only."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, Self, TypeVar, TypeVarTuple

_PATIENCE = 2
"""How many interrupts may wait to be taken note of; the next one is raised wherever the run is."""

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


class Interrupts:
    """Keeps Ctrl-C from what a run does between taking an event and having handled it.

    What was lost there would be waited for: a run would end by its grace period only. So the main thread, while a run
    goes on in it, has a handler that raises KeyboardInterrupt where the user's code runs (see `let`), and else only
    wakes the loop, which raises it itself (see `check`). Other threads than the main one get no signals. A handler that
    somebody has set in place of Python's own is left alone: its owner knows what it is to do.

    Args:
        wake: wakes the loop; called from the handler, anywhere in the loop's own work.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._thread: int | None = None
        self._earlier: Any = None
        self._waiting = 0
        self._asked: deque[None] = deque()  # which takes two threads at once
        self._taken = False
        self._open = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread() and _may_be_replaced(signal.getsignal(signal.SIGINT)):
            self._thread = threading.get_ident()
            self._earlier = signal.signal(signal.SIGINT, self._pressed)
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is None:
            return
        self._thread = None
        signal.signal(signal.SIGINT, self._earlier)
        if self._waiting and not self._taken:  # came when the run was all but over
            signal.raise_signal(signal.SIGINT)

    def let(self, do: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Call the user's code, in which Ctrl-C is raised; one that came before it is raised at once."""
        if self._thread != threading.get_ident():
            return do(*arguments)
        try:
            self._open = True
            self.check()
            return do(*arguments)
        finally:
            self._open = False

    def ask(self) -> None:
        """Ask the run to end, from any thread; the user's code is not interrupted by that."""
        self._asked.append(None)
        self._wake()

    def check(self) -> None:
        """Raise what has come since the last time.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed, or somebody asked the run to end.
        """
        if self._asked:
            self._asked.popleft()
            raise KeyboardInterrupt
        if self._waiting:
            self._waiting -= 1
            self._taken = True
            raise KeyboardInterrupt

    def _pressed(self, number: int, frame: FrameType | None) -> None:
        is_child = self._thread != threading.get_ident()  # of a fork in another thread: it has no loop
        if self._open or is_child or self._waiting == _PATIENCE:
            raise KeyboardInterrupt
        self._waiting += 1
        self._wake()


def _may_be_replaced(handler: object) -> bool:
    """Tell whether a handler is Python's own, or of the run that the present one is a part of."""
    return handler is signal.default_int_handler or isinstance(getattr(handler, "__self__", None), Interrupts)
