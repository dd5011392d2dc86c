"""Trace: what a computation has looked up of where its input comes from.

A cache must know, since an answer that depends on a page upstream is no answer for the same input below another page.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Step = tuple[str, Any]
"""What was looked up, by the name of the method of `Task`, and its argument; or ``("item", number)`` of a list."""

Question = tuple[Step, ...]
"""Steps from the input task to what was looked up: more than one where something found was asked in turn."""


class Trace:
    """The questions that one computation has asked, each once, in order. Safe for threads.

    Attributes:
        paused: while it is set, nothing is noted.
    """

    __slots__ = ("paused", "questions")

    def __init__(self) -> None:
        self.paused = False
        self.questions: dict[Question, None] = {}


class Watch(NamedTuple):
    """What makes a task tell a trace what it is asked; `path` leads from the input to this task."""

    trace: Trace
    path: Question = ()

    def note(self, what: str, argument: object) -> Watch:
        """Note a question, and return the watch for what is found."""
        question = (*self.path, (what, argument))
        if not self.trace.paused:
            self.trace.questions.setdefault(question)
        return Watch(self.trace, question)

    def item(self, number: int) -> Watch:
        """Return the watch for one of several tasks that were found."""
        return Watch(self.trace, (*self.path, ("item", number)))
