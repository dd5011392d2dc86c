"""Three stages of which the middle one is cached, for either of the two libraries called `planai`."""

from collections.abc import Callable
from typing import Any, List, Type  # noqa: UP035 - PlanAI 0.7.1 compares annotations with these

from planai import CachedTaskWorker, Graph, Task, TaskWorker
from work import compute


class Number0(Task):
    value: int


class Number1(Task):
    value: int


class Number2(Task):
    value: int


class Number3(Task):
    value: int


class Text2(Task):
    value: str


class Text3(Task):
    value: str


class First(TaskWorker):
    output_types: List[Type[Task]] = [Number1]  # noqa: UP006

    def consume_work(self, task: Number0) -> None:
        self.publish_work(Number1(value=task.value + 1), input_task=task)


class Middle(CachedTaskWorker):
    output_types: List[Type[Task]] = [Number2]  # noqa: UP006
    kind: str = "number"

    def consume_work(self, task: Number1) -> None:
        self.publish_work(Number2(value=compute(self.kind, task.value)), input_task=task)


class Last(TaskWorker):
    output_types: List[Type[Task]] = [Number3]  # noqa: UP006

    def consume_work(self, task: Number2) -> None:
        self.publish_work(Number3(value=task.value + 1), input_task=task)


class MiddleText(CachedTaskWorker):
    output_types: List[Type[Task]] = [Text2]  # noqa: UP006
    kind: str = "words"

    def consume_work(self, task: Number1) -> None:
        self.publish_work(Text2(value=compute(self.kind, task.value)), input_task=task)


class LastText(TaskWorker):
    output_types: List[Type[Task]] = [Text3]  # noqa: UP006

    def consume_work(self, task: Text2) -> None:
        self.publish_work(Text3(value=task.value), input_task=task)


def make(folder: str, kind: str) -> tuple[Callable[[list[int]], list[Any]], Callable[[], None]]:
    """Return what runs a list of values through a new graph, and what closes the cache."""
    is_text = kind in ("words", "hex")
    middle: Any = (MiddleText if is_text else Middle)(cache_dir=folder, kind=kind)
    first, last = First(), LastText() if is_text else Last()
    graph = Graph(name="three stages")
    graph.add_workers(first, middle, last)
    graph.set_dependency(first, middle).next(last).sink(Text3 if is_text else Number3)

    def run(values: list[int]) -> list[Any]:
        tasks = [(first, Number0(value=value)) for value in values]
        graph.run(initial_tasks=tasks, display_terminal=False, run_dashboard=False)
        return [task.value for task in graph.get_output_tasks()]  # type: ignore[attr-defined]

    def close() -> None:
        if hasattr(middle, "get_cache"):
            middle.get_cache().close()

    return run, close
