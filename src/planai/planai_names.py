"""Steps of a run that PlanAI's graphs are asked for one by one, and that a graph here takes by itself."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from planai.describing import Description
from planai.planning import make_plan
from planai.worker import TaskWorker


class PlanAINames(Description):
    """Lets programs that take these steps go on: a run takes them itself, each time anew."""

    @abstractmethod
    def get_dispatcher(self) -> Any:
        """Return the figures of the present or last run."""

    @property
    def _dispatcher(self) -> Any:
        return self.get_dispatcher()

    @property
    def _max_parallel_tasks(self) -> dict[type, int]:
        return self.wires.limits

    @property
    def _sink_workers(self) -> list[TaskWorker]:
        return [worker for worker, _ in self.wires.sinks]

    def display_terminal_status(self) -> None:
        """Print how many tasks each worker has completed, works on, has still to do, and could not do."""
        for worker, row in self.get_dispatcher().get_execution_statistics().items():
            counts = ", ".join(f"{row[name]} {name}" for name in ("completed", "active", "queued", "failed"))
            print(f"{worker}: {counts}")  # noqa: T201 - it is what the method is for

    def finalize(self) -> None:
        """Make sure that the graph can run.

        Raises:
            WiringError: it cannot; all mistakes are in the message.
        """
        make_plan(self.wires)

    def validate_graph(self) -> None:
        """Make sure that the graph can run; see `finalize`."""
        self.finalize()

    def compute_worker_distances(self) -> None:
        """Do nothing: distances are part of the plan of a run."""

    def init_workers(self) -> None:
        """Do nothing: a run lets each worker get ready when it begins."""
