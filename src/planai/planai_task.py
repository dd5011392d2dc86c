"""Attributes of tasks that PlanAI holds to be private, and that tests written for it read and set all the same."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from functools import reduce
from typing import Any, Protocol, Self

from planai.provenance import ROOT, ProvenanceChain, Said


class Numbering(Protocol):
    """A worker, as far as a step of its own is taken from it."""

    def get_next_provenance(self) -> tuple[str, int]:
        """Return its name with a number."""


class PlanAITask:
    """Lets tests say and see where a task comes from. What is read is a list of its own: to change it, set it."""

    __slots__ = ()

    @abstractmethod
    def provenance(self) -> ProvenanceChain:
        """Return the steps that led to this task."""

    @abstractmethod
    def copy_input_provenance(self) -> list[Any]:
        """Return all tasks that this one was computed from."""

    @abstractmethod
    def _with_(self, **known: Any) -> Self:
        """Change what is known of the task beyond its fields."""

    @property
    def _provenance(self) -> list[tuple[str, int]]:
        return list(self.provenance())

    @_provenance.setter
    def _provenance(self, steps: Iterable[tuple[str, int]]) -> None:
        self._with_(provenance=reduce(lambda node, step: Said(node, *step), steps, ROOT))

    @property
    def _input_provenance(self) -> list[Any]:
        return self.copy_input_provenance()

    @_input_provenance.setter
    def _input_provenance(self, tasks: Iterable[Any]) -> None:
        self._with_(previous=None, injected=tuple(tasks)[::-1])

    def _add_input_provenance(self, input_task: Any | None) -> Self:
        """Let the task have been computed from `input_task`, without a step of its own yet."""
        if input_task is None:
            return self._with_(provenance=ROOT, previous=None, injected=())
        self._provenance = input_task.provenance()
        return self._with_(previous=input_task, injected=())

    def _add_worker_provenance(self, worker: Numbering) -> Self:
        """Let the task be the next one of `worker`."""
        self._provenance = [*self.provenance(), worker.get_next_provenance()]
        return self
