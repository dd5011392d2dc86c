"""History: the last calls of a run, how long calls took, and what happened below the chains that are traced."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from planai.call import Call
from planai.events import Failed, Finished, Step

KEPT_CALLS = 100
KEPT_SECONDS = 1000
KEPT_LINES = 1000


class History:
    """What somebody asks for who looks at a run, while it goes on or afterwards.

    Attributes:
        completed: the last calls that ended well.
        seconds: by worker, how long its last calls took.
        lines: what workers printed last.
        traces: by step, what happened below it, in its order.
    """

    def __init__(self) -> None:
        self.completed: deque[Call] = deque(maxlen=KEPT_CALLS)
        self.seconds: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT_SECONDS))
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.traces: dict[Step, list[dict[str, Any]]] = {}

    def note(self, call: Call, event: Finished | Failed) -> None:
        """Remember how `call` ended."""
        self.seconds[call.worker].append(event.seconds)
        if type(event) is Finished:
            self.completed.append(call)
        for step, lines in self.traces.items() if self.traces else ():
            if step in call.scope.chain():
                lines.append(_line(call, event))


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
