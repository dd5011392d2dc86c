"""Steps of a run that PlanAI's graphs are asked for one by one, and that a graph here takes by itself."""

from __future__ import annotations

from planai.describing import Description
from planai.planning import make_plan


class PlanAINames(Description):
    """Lets programs that take these steps go on: a run takes them itself, each time anew."""

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
