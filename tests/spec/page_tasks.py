"""What the blocks of the page take for granted: task types, and a record of what was really computed."""

from __future__ import annotations

from planai import Task

COMPUTED: list[object] = []


class InputData(Task):
    data: int = 7


class InputTask(Task):
    value: int = 7
    category: str = "c"
    id: int = 1
    version: int = 1
    complexity: int = 9
    data_type: str = "static"


class ComputedResult(Task):
    value: int
    computation_time: float


class ProcessedData(Task):
    value: int


class Result(Task):
    value: int


class ErrorResult(Task):
    error: str


class LargeResult(Task):
    text: str


class Document(Task):
    text: str = "a document"


class Analysis(Task):
    insight: str
