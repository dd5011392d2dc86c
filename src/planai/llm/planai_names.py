"""PlanAIModelWorker: what only tests written for PlanAI call of a worker with a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planai.flow import Flow, go_through
from planai.llm.prompt import input_text


class PlanAIModelWorker:
    """Names that PlanAI holds to be private."""

    if TYPE_CHECKING:
        use_xml: bool

        def _ask_and_publish_(self, task: Any) -> Flow[None]: ...

    def _invoke_llm(self, task: Any) -> None:
        go_through(self._ask_and_publish_(task))

    def _format_task(self, task: Any) -> str:
        return input_text(task, as_xml=self.use_xml)
