"""Attributes of tasks that PlanAI holds to be private, and that tests written for it read and set all the same."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from functools import reduce
from typing import Any, Self

from planai.provenance import ROOT, ProvenanceChain


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
        self._with_(provenance=reduce(lambda node, step: node.child(*step), steps, ROOT))

    @property
    def _input_provenance(self) -> list[Any]:
        return self.copy_input_provenance()

    @_input_provenance.setter
    def _input_provenance(self, tasks: Iterable[Any]) -> None:
        self._with_(previous=None, injected=tuple(tasks)[::-1])
