"""Retrying: whether a failed call is tried again, and when."""

from __future__ import annotations

from planai.call import Call
from planai.errors import CacheMiss
from planai.events import Failed
from planai.plan import Node

LONGEST_SECONDS = 300.0
"""However often a call is tried, no wait is longer."""

_GOLDEN = 0.6180339887498949
"""Multiples of it, without their whole part, are spread evenly: calls that failed together come back apart."""


def is_tried_again(call: Call, node: Node, error: BaseException) -> bool:
    """Tell whether `call`, which ended with `error`, has another try."""
    if isinstance(error, CacheMiss):  # which is a miss as often as it is tried
        return False
    return call.attempt < node.retry.count and isinstance(error, node.retry.on)


def seconds_until(call: Call, node: Node) -> float:
    """Return how long the next try of `call` waits: twice as long each time, and up to a half more or less by chance.

    What chance decides is the number of the call, so that a run that is repeated waits as long.
    """
    if not node.retry.delay:
        return 0.0
    jitter = 0.5 + call.id * _GOLDEN % 1.0
    return min(LONGEST_SECONDS, node.retry.delay * 2.0**call.attempt) * jitter


def overdue(call: Call, timeout: float, seconds: float) -> Failed:
    """Return what becomes of a call that took longer than `timeout` seconds."""
    error = TimeoutError(f"{call.worker!r} took longer than its timeout of {timeout:g} s")
    return Failed(call.id, call.worker, error, f"TimeoutError: {error}\n", seconds)
