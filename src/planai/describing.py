"""Description: what a graph is told of its workers and their wiring, and how it is drawn."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Self

from planai.checks import edge_problem, sink_problem
from planai.desk import Desk
from planai.drawing import as_mermaid, as_text
from planai.errors import ConfigurationError, TypeMismatch
from planai.planning import doubts_of, make_plan
from planai.task import Task
from planai.wires import Sink, Wires
from planai.worker import SinkCallback, TaskWorker

if TYPE_CHECKING:
    from rich.text import Text


class Description:
    """Workers, and who consumes what they publish.

    Attributes:
        name: what the graph is called in messages and on screens.
        strict: refuse to publish a task that has a provenance already.
        wires: what was told so far.
    """

    def __init__(self, name: str, strict: bool) -> None:
        self.name = name
        self.strict = strict
        self.wires = Wires(name, strict=strict)

    @property
    def desk(self) -> Desk | None:
        """What workers ask of the present run; None where there is none."""
        return None

    @property
    def workers(self) -> set[TaskWorker]:
        """The workers that were added."""
        return set(self.wires.workers)

    @property
    def dependencies(self) -> dict[TaskWorker, list[TaskWorker]]:
        """The workers downstream of each worker that has some."""
        found: dict[TaskWorker, list[TaskWorker]] = {}
        for up, down in self.wires.edges:
            found.setdefault(up, []).append(down)
        return found

    def add_worker(self, worker: TaskWorker) -> Self:
        """Add `worker`, and return the graph.

        Raises:
            ConfigurationError: it is in the graph already, or is no worker.
        """
        if not isinstance(worker, TaskWorker):
            raise ConfigurationError(f"{worker!r} is not a TaskWorker: add an instance of one, not its class")
        if worker in self.wires.workers:
            raise ConfigurationError(f"worker {worker.name!r} is in graph {self.name!r} already: add it once")
        self.wires.workers.append(worker)
        worker.attach_to_graph(self)
        for upstream in self.wires.workers:
            for downstream in upstream.registered_consumers:
                if worker in (upstream, downstream) and downstream in self.wires.workers:
                    self.set_dependency(upstream, downstream)
        return self

    def add_workers(self, *workers: TaskWorker) -> Self:
        """Add several workers, and return the graph."""
        for worker in workers:
            self.add_worker(worker)
        return self

    def set_dependency(self, upstream: TaskWorker, downstream: TaskWorker) -> TaskWorker:
        """Let `downstream` consume what `upstream` publishes of its type; return `downstream`, for ``.next(...)``.

        Raises:
            ConfigurationError: one of the two was not added, or `downstream` does not say what it consumes.
            TypeMismatch: it consumes nothing that `upstream` publishes.
        """
        self._need(upstream)
        self._need(downstream)
        _refuse(edge_problem(upstream.name, upstream, downstream.name, downstream.get_task_classes()))
        if (upstream, downstream) not in self.wires.edges:
            self.wires.edges.append((upstream, downstream))
        return downstream

    def set_sink(self, worker: TaskWorker, output_type: type[Task], notify: SinkCallback | None = None) -> None:
        """Collect what `worker` publishes of `output_type`.

        Args:
            worker: the worker upstream.
            output_type: the type; its subclasses, too, but for those that something else is wired to consume.
            notify: called as ``notify(metadata, task)`` in place of collecting the task.

        Raises:
            ConfigurationError: the worker was not added.
            TypeMismatch: it publishes no such tasks.
        """
        self._need(worker)
        if not (isinstance(output_type, type) and issubclass(output_type, Task)):
            raise TypeMismatch(f"the sink of {worker.name!r} collects {output_type!r}: pass a Task class")
        _refuse(sink_problem(worker.name, worker, output_type))
        self.wires.sinks.append((worker, Sink(output_type, notify)))

    def set_entry(self, *workers: TaskWorker) -> Self:
        """Name the workers that tasks from outside come to, and return the graph."""
        for worker in workers:
            self._need(worker)
        self.wires.entries.extend(worker for worker in workers if worker not in self.wires.entries)
        return self

    def get_entry_workers(self) -> list[TaskWorker]:
        """Return what `set_entry` named."""
        return list(self.wires.entries)

    def set_exit(self, worker: TaskWorker) -> Self:
        """Name the worker whose outputs are those of the whole graph, and return the graph."""
        self._need(worker)
        self.wires.exit = worker
        return self

    def get_exit_worker(self) -> TaskWorker | None:
        """Return what `set_exit` named."""
        return self.wires.exit

    def set_max_parallel_tasks(self, worker_class: type, max_parallel_tasks: int) -> None:
        """Make at most so many calls at once of all workers together that are instances of `worker_class`.

        Raises:
            ConfigurationError: the number is not positive, or `worker_class` can be no worker's.
        """
        if not isinstance(worker_class, type):
            raise ConfigurationError(f"{worker_class!r} is limited: pass the class of a worker, not an instance")
        if issubclass(worker_class, Task):
            raise ConfigurationError(f"{worker_class.__name__!r} is limited, a task: pass the class of a worker")
        if max_parallel_tasks < 1:
            raise ConfigurationError(f"max_parallel_tasks is {max_parallel_tasks!r}: it has to be at least 1")
        self.wires.limits[worker_class] = max_parallel_tasks

    def get_worker_by_input_type(self, task_type: type[Task]) -> TaskWorker | None:
        """Return the first worker that consumes `task_type`, or None."""
        return next((worker for worker in self.wires.workers if task_type in worker.get_task_classes()), None)

    def get_worker_by_output_type(self, task_type: type[Task]) -> TaskWorker | None:
        """Return the first worker that publishes `task_type`, or None."""
        return next((worker for worker in self.wires.workers if task_type in worker.output_types), None)

    # ---- check and draw

    def check(self) -> list[str]:
        """Return a sentence for each thing in the wiring that is seldom meant, but may be.

        These are workers that nothing leads to, types that nobody consumes, and cycles. A run tells them, too.

        Raises:
            WiringError: the graph cannot run; all mistakes are in the message.
        """
        make_plan(self.wires)
        return doubts_of(self.wires)

    def describe(self) -> str:
        """Draw the graph as text: who gets what from whom."""
        return as_text(self.wires)

    def to_mermaid(self) -> str:
        """Draw the graph as a flowchart in the language of Mermaid, which many pages and editors show."""
        return as_mermaid(self.wires)

    def __rich__(self) -> Text:
        from rich.text import Text  # noqa: PLC0415 - rich is loaded when something is drawn

        return Text(self.describe(), no_wrap=True)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return what a notebook shows: JupyterLab draws Mermaid, others have the text."""
        text = self.describe()
        return {
            "text/plain": text,
            "text/html": f"<pre>{html.escape(text)}</pre>",
            "text/vnd.mermaid": self.to_mermaid(),
        }

    def _need(self, worker: TaskWorker) -> None:
        if worker not in self.wires.workers:
            raise ConfigurationError(
                f"worker {getattr(worker, 'name', worker)!r} is not in graph {self.name!r}: call add_workers first"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, workers={[worker.name for worker in self.wires.workers]})"


def _refuse(problem: str) -> None:
    if problem:
        raise TypeMismatch(problem)
