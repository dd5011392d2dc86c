"""LLMInterface: a model by PlanAI's name for all models; made directly, it is one of Ollama."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from planai.errors import ConfigurationError
from planai.llm.client import LLM, Answer, OnChunk, Request
from planai.llm.config import llm_from_config
from planai.llm.direct import Direct

if TYPE_CHECKING:
    from planai.llm.transported import Transported


class _AnyModel(ABCMeta):
    """Lets every model be an instance, so that settings of workers may be annotated with the class."""

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or (cls is LLMInterface and isinstance(instance, LLM))


class LLMInterface(Direct, metaclass=_AnyModel):
    """A model of an Ollama server; `llm_from_config` makes those of others. Making it needs no network.

    >>> from planai import LLMInterface
    >>> LLMInterface(model_name="llama3").model_name
    'llama3'
    >>> isinstance(llm_from_config("openai", "gpt-4"), LLMInterface)
    True

    Args:
        model_name: as Ollama calls it.
        host: the address of the server, such as ``"http://10.0.0.5:11434"``.
        support_structured_outputs: whether the server follows JSON schemas.
        timeout: seconds that one try of a request may take.
        max_retries: how often a request is tried again after a time-out, a 429 or a 5xx.
        without_effect: what else PlanAI's takes and `llm_from_config` does, such as ``log_dir`` and ``use_cache``.
    """

    def __init__(
        self,
        model_name: str = "llama2",
        log_dir: str = "logs",
        client: None = None,
        host: str | None = None,
        support_json_mode: bool = True,
        support_structured_outputs: bool = False,
        timeout: float = 600.0,
        max_retries: int = 3,
        **without_effect: Any,
    ) -> None:
        if client is not None:
            raise ConfigurationError("planai asks Ollama by itself: leave out client, or write a model of your own")
        unknown = without_effect.keys() - _WITHOUT_EFFECT
        if unknown:
            raise ConfigurationError(f"LLMInterface has no parameter {', '.join(sorted(unknown))}")
        self.model_name = model_name
        self._model = llm_from_config(
            "ollama",
            model_name,
            host=host,
            structured_outputs=support_structured_outputs,
            timeout=timeout,
            max_retries=max_retries,
        )

    def __getattr__(self, name: str) -> Any:
        """Return what else the model of the server has, such as prices."""
        if name == "_model":
            raise AttributeError(name)
        return getattr(self._model, name)

    @property
    def support_structured_outputs(self) -> bool:
        """Whether the server follows JSON schemas."""
        return cast("Transported", self._model).support_structured_outputs

    @support_structured_outputs.setter
    def support_structured_outputs(self, follows: bool) -> None:
        cast("Transported", self._model).support_structured_outputs = follows

    def identity(self) -> Mapping[str, str | None]:
        """Return provider, model, and server."""
        return self._model.identity()

    def settings(self) -> Mapping[str, Any]:
        """Return the settings that change the answers."""
        return self._model.settings()

    def ask(self, request: Request, on_chunk: OnChunk | None = None, **how: Any) -> Answer:
        """Ask the server."""
        return self._model.ask(request, on_chunk, **how)


_WITHOUT_EFFECT = frozenset(
    {"max_tool_rounds", "requires_thinking", "retry_delay", "support_system_prompt", "use_cache"}
)
