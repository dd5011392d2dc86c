"""What a model is told: the input, the instructions, and what was wrong with an answer."""

from __future__ import annotations

from planai.task import Task

SYSTEM = "You carry out one step of a larger job. Follow the instructions exactly, and answer in JSON."
"""What a model is told about its part, unless a worker says otherwise."""


def full_prompt(instructions: str, task: Task | None, *, as_xml: bool) -> str:
    """Return the message for one task; without a task, the instructions alone."""
    if task is None:
        return instructions
    data = task.model_dump_xml() if as_xml else task.model_dump_json(indent=2)
    return f"The input:\n\n{data}\n\nWhat to do with it:\n\n{instructions}"


def correction(problem: str) -> str:
    """Return the message that asks for another answer."""
    return f"That answer cannot be used: {problem}\n\nAnswer again, in full, with this put right."
