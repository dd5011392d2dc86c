"""What PlanAI's workers have besides, and programs and tests written for it touch."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from planai.alive import call_that_consumes, calls_of, outside
from planai.call import Activation, current_activation
from planai.desk import Attended, Desk
from planai.errors import PublishedOutside
from planai.planai_desk import StandInDesk
from planai.task import Task
from planai.task_types import check_published

_numbers: WeakKeyDictionary[object, count[int]] = WeakKeyDictionary()
_lock = threading.Lock()


class LastGraph:
    """Reads as the graph that a worker was last added to, None where it is in none.

    It only reads: a worker's author may call an attribute of his own so.
    """

    def __get__(self, worker: Any, owner: type) -> Any:
        wirings = () if worker is None else worker.wirings
        return wirings[-1] if wirings else None


class PlanAIWorker(Attended):
    """Names that PlanAI's workers have, and for which workers here have others, or no use."""

    _graph = LastGraph()

    if TYPE_CHECKING:
        output_types: list[type[Task]]

        @property
        def name(self) -> str:
            """The name of the class."""

    def _stand_in_(self) -> Any:
        """Return what a test has put in place of the worker's graph; None where it has not, and in a run."""
        activation = current_activation()
        is_in_run = activation is not None and activation.scope.desk is not None
        is_real = hasattr(type(self._graph), "desk")
        return None if is_in_run or is_real or not hasattr(self._graph, "_provenance_tracker") else self._graph

    def _desk_(self) -> Desk | None:
        graph = self._stand_in_()
        return super()._desk_() if graph is None else StandInDesk(graph)

    def get_next_provenance(self) -> tuple[str, int]:
        """Return the worker's name with a number, which grows by one with each call.

        Runs count by themselves, each from 1: what is returned here is no step of one.
        """
        with _lock:
            number = next(_numbers.setdefault(self, count(1)))
        return (type(self).__name__, number)

    def _call_of_input_(self, task: Task, input_task: Task | None) -> Activation:
        """Return the call that consumes `input_task`, and has started this thread, which publishes `task`.

        Raises:
            PublishError: there is none, or the worker does not publish such tasks.
        """
        activation: Activation | None = call_that_consumes(self, input_task)
        if activation is None:
            for call in calls_of(self):  # it may be a thread of one of them
                call.notes["lost"] = True
            check_published(self.name, self.output_types, type(task))
            raise PublishedOutside(outside(f"publishing from {self.name!r}"))
        return activation
