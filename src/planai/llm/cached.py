"""CachedLLMTaskWorker: a model worker that asks the same question once."""

from __future__ import annotations

from typing import Any

from planai.cache.canonical import canonical
from planai.cache.source import code_of_model
from planai.cache.worker import CachedTaskWorker
from planai.llm.worker import LLMTaskWorker


class CachedLLMTaskWorker(CachedTaskWorker, LLMTaskWorker):
    """A model worker whose answers are kept, under all that the model is told and all that is done with its answer.

    Attributes:
        include_model_in_key: whether another model is asked again. With False, an answer of any model will do.
    """

    include_model_in_key: bool = True

    def key_parts(self, task: Any) -> dict[str, bytes]:
        """Return what decides the answer to `task`: also the request, the model and its settings."""
        request = self.request_for(task)
        parts = super().key_parts(task)
        parts["messages"] = canonical([(message.role, message.text) for message in request.messages])
        parts["schema"] = canonical(request.schema)
        parts["answer's code"] = code_of_model(self.answer_type()).digest().encode()
        parts["model settings"] = canonical({**self.llm.settings(), **request.settings})
        if self.include_model_in_key:
            parts["model"] = canonical(dict(self.llm.identity()))
        return parts
