"""RateLimit: how fast models may be asked, by calls and by tokens."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from planai.call import current_activation
from planai.errors import ModelUnavailable
from planai.flow import Blocking

_LOOK_SECONDS = 0.2
_lock = threading.Lock()  # of no single limit, so that limits can be copied and pickled


class RateLimit(BaseModel):
    """How fast a model may be asked; workers with the same object share it, workers with equal ones do not.

    Calls are spread evenly, with no burst at the beginning. An answer from a cache does not count. The tokens of a
    request are estimated first, and put right by what the model says that it took, with those of its answer.

    >>> RateLimit(calls_per_second=5).seconds_until_free(100)
    0.0

    Attributes:
        calls_per_second: requests that may be sent in a second; None for any number.
        tokens_per_minute: tokens that requests and answers may have in a minute; None for any number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls_per_second: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    _next_call: float = PrivateAttr(default=0.0)
    _next_tokens: float = PrivateAttr(default=0.0)

    def seconds_until_free(self, tokens: int) -> float:
        """Take the next place for a request with so many tokens, and return the seconds until it is due."""
        with _lock:
            now = time.monotonic()
            begin = max(now, self._next_call, self._next_tokens)
            if self.calls_per_second is not None:
                self._next_call = begin + 1.0 / self.calls_per_second
            self._next_tokens = begin + self._seconds_for(tokens)
        return begin - now

    def correct(self, reckoned: int, tokens: int) -> None:
        """Take note that a request that was reckoned at so many tokens took others, with its answer."""
        with _lock:
            self._next_tokens += self._seconds_for(tokens - reckoned)

    def _seconds_for(self, tokens: int) -> float:
        return 0.0 if self.tokens_per_minute is None else tokens * 60.0 / self.tokens_per_minute


class Pause(Blocking):
    """A step that takes so many seconds; in a thread, it ends early when the work of the call is aborted."""

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        super().__init__(self._wait)
        self._seconds = seconds

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait without holding a thread."""
        import asyncio  # noqa: PLC0415 - costs 50 ms, and programs without async workers need none of it

        return asyncio.sleep(self._seconds).__await__()

    def _wait(self) -> None:
        activation, until = current_activation(), time.monotonic() + self._seconds
        while (left := until - time.monotonic()) > 0:
            if activation is not None and activation.aborted:
                raise ModelUnavailable("the model was not asked: the work was aborted while its rate_limit held it up")
            time.sleep(min(left, _LOOK_SECONDS))
