"""CachedLLMTaskWorker: a model worker that asks the same question once."""

from __future__ import annotations

from typing import Any

from planai.cache.canonical import canonical
from planai.cache.source import code_of_model
from planai.cache.worker import CachedTaskWorker
from planai.llm.worker import LLMTaskWorker
from planai.task import Task


class CachedLLMTaskWorker(CachedTaskWorker, LLMTaskWorker):
    """A model worker whose answers are kept, under all that the model is told and all that is done with its answer.

    Attributes:
        include_model_in_key: whether another model is asked again. With False, an answer of any model will do.
    """

    include_model_in_key: bool = True

    def key_parts(self, task: Any) -> dict[str, bytes]:
        """Return what decides the answer to `task`: also what the model is told."""
        request = self.request_for(task)
        told = [(message.role, message.text) for message in request.messages]
        asked = {"messages": canonical(told), "request": canonical([request.schema, request.settings])}
        return super().key_parts(task) | asked

    def profile_parts(self, kind: type[Task]) -> dict[str, bytes]:
        """Return what decides all answers: also the model, and its settings."""
        parts = super().profile_parts(kind)
        parts["model settings"] = canonical(dict(self.llm.settings()))
        if self.cache_code:
            parts["answer"] = code_of_model(self.answer_type()).digest().encode()
        if self.include_model_in_key:
            parts["model"] = canonical(dict(self.llm.identity()))
        return parts
