"""History: the last calls of a run, how long calls took, and what happened below the chains that are traced."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from typing import Any, NamedTuple

from planai.call import Call
from planai.events import Failed, Finished
from planai.provenance import ProvenanceChain

KEPT_CALLS = 100
KEPT_SECONDS = 1000
KEPT_LINES = 1000


class Past(NamedTuple):
    """A call that has ended, by the clock on the wall: in seconds since 1970."""

    call: Call
    began: float
    ended: float


class History:
    """What somebody asks for who looks at a run, while it goes on or afterwards.

    Attributes:
        completed: the last calls that ended well.
        failed: the last that did not, those included that were tried again.
        seconds: by worker, how long its last calls took.
        lines: what workers printed last, and when.
        traces: by chain, what happened below it, in its order.
    """

    def __init__(self) -> None:
        self.completed: deque[Past] = deque(maxlen=KEPT_CALLS)
        self.failed: deque[Past] = deque(maxlen=KEPT_CALLS)
        self.seconds: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT_SECONDS))
        self.lines: deque[dict[str, Any]] = deque(maxlen=KEPT_LINES)
        self.traces: dict[ProvenanceChain, list[dict[str, Any]]] = {}

    def note(self, call: Call, event: Finished | Failed) -> None:
        """Remember how `call` ended."""
        self.seconds[call.worker].append(event.seconds)
        now = time.time()
        kept = self.completed if type(event) is Finished else self.failed
        kept.append(Past(call, now - event.seconds, now))
        for prefix, lines in list(self.traces.items()) if self.traces else ():  # workers add to it meanwhile
            if prefix[-1] in call.scope.chain():
                lines.append(_line(call, event))

    def say(self, text: str) -> None:
        """Remember what a worker printed."""
        self.lines.append({"timestamp": time.time(), "message": text})


def _line(call: Call, event: Finished | Failed) -> dict[str, Any]:
    return {
        "worker": call.worker,
        "action": "notified" if call.notice else "failed" if isinstance(event, Failed) else "completed",
        "task": type(call.tasks[0]).__name__,
        "provenance": call.tasks[0].provenance(),
        "attempt": call.attempt,
        "seconds": event.seconds,
        "published": [] if isinstance(event, Failed) else [type(output.task).__name__ for output in event.outputs],
    }
