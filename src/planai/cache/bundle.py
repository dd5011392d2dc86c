"""What a worker published for one task, as it is kept and replayed."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel


class Published(NamedTuple):
    """One output of a worker, as it is kept: the task, and the consumer that was asked for, if one was."""

    task: BaseModel
    consumer: str | None = None


class Bundle(NamedTuple):
    """What a worker published for one task: several outputs, or none; it may be published in their place."""

    outputs: tuple[Published, ...]

    def __bool__(self) -> bool:
        # ``if cached := self.get_from_cache(task)`` must take an answer without outputs for an answer.
        return True
