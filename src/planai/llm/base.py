"""BaseLLMTaskWorker: what all workers with a model have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import Field, field_validator

from planai.bills import Bills
from planai.call import Scope, current_activation
from planai.cost import Cost
from planai.errors import ModelError
from planai.flow import Flow
from planai.llm.asking import Conversation, Keeper, Outcome, Said, require_room
from planai.llm.budget import Budget, cost_of, note_answers, usage_of, usage_of_all
from planai.llm.client import LLM, Answer, Message, Rendered, Request
from planai.llm.config import as_llm
from planai.llm.offline import LABEL
from planai.llm.prompt import SYSTEM
from planai.llm.rate import RateLimit
from planai.llm.showing import Shown
from planai.llm.tools import Tool, as_tool, may_be_tool
from planai.worker import TaskWorker

T = TypeVar("T")
TOOL_ROUNDS = 5


class BaseLLMTaskWorker(TaskWorker):
    """What all workers with a model have in common; limit them together with ``set_max_parallel_tasks``.

    Attributes:
        llm: the model; see `llm_from_config`. Any model object of pydantic-ai will do, and ``"provider:model"``.
        fallback_llms: models to turn to, in this order, when `llm` is not available.
        system_prompt: what the model is told about its part; None for nothing.
        tools: what the model may call: made with `tool`, or plain functions.
        max_tool_rounds: how often it may call tools before it answers; None for 5.
        temperature: 0 for the likeliest answer; None for what the model was made with.
        model_settings: any other setting by its name, such as ``top_p``, ``seed``, ``stop_sequences`` or ``thinking``.
        max_input_tokens: a longer request is refused before it is sent; None for any length.
        rate_limit: how fast models may be asked, as a `RateLimit`, or a dict such as ``{"calls_per_second": 5}``.
        stream: whether `handle_stream` gets the text of answers while they come.
    """

    llm: LLM
    fallback_llms: list[LLM] = Field(default_factory=list)
    system_prompt: str | None = SYSTEM
    tools: list[Tool] | None = None
    max_tool_rounds: int | None = Field(default=None, ge=0)
    temperature: float | None = Field(default=None, ge=0, le=2)
    model_settings: dict[str, Any] = Field(default_factory=dict, repr=False)
    max_input_tokens: int | None = Field(default=None, ge=1)
    rate_limit: RateLimit | None = Field(default=None, repr=False)
    stream: bool = False

    @field_validator("llm", mode="before")
    @classmethod
    def _has_to_be_a_model_(cls, llm: object) -> LLM:
        return as_llm(llm)

    @field_validator("fallback_llms", mode="before")
    @classmethod
    def _have_to_be_models_(cls, models: Any) -> list[LLM]:
        if not hasattr(models, "__iter__"):
            raise ValueError(f"fallback_llms is a {type(models).__name__}: pass a list of models")
        return [as_llm(llm) for llm in models]

    @field_validator("tools", mode="before")
    @classmethod
    def _may_be_functions_(cls, tools: Any) -> list[Tool] | None:
        wrong = (
            tools if not isinstance(tools, list | tuple) else next((one for one in tools if not may_be_tool(one)), None)
        )
        if wrong is not None:
            raise ValueError(f"tools has {wrong!r}: pass a list of functions or Tools")
        return None if tools is None else list(map(as_tool, tools))

    # ---- what subclasses may override

    def get_tools(self, task: Any) -> list[Tool]:
        """Return what the model may call for `task`."""
        return list(map(as_tool, self.tools or ()))

    def get_system_prompt(self, task: Any) -> str | None:
        """Return what the model is told about its part."""
        return self.system_prompt

    def handle_stream(self, chunk: str) -> None:
        """Get a piece of an answer while it comes; an empty one says that what came before was not valid."""

    # ---- how it works

    def render_request(
        self, task: Any, messages: list[Message], pieces: dict[str, Any], before: str = "", **more: Any
    ) -> Rendered:
        """Return the request with `messages`, after the system prompt and `before`, with settings and tools."""
        system = "\n\n".join(filter(None, [self.get_system_prompt(task), before]))
        first = [Message("system", system)] if system else []
        settings = {} if self.temperature is None else {"temperature": self.temperature}
        tools = tuple(self.get_tools(task))
        specs = tuple(one.spec() for one in tools)
        request = Request((*first, *messages), settings={**self.model_settings, **settings}, tools=specs, **more)
        return Rendered(request, tools, pieces)

    def ask_until_valid(
        self, rendered: Rendered, task: Any, accept: Callable[[str], Outcome[T]], retries: int
    ) -> Flow[T]:
        """Return the flow that asks until `accept` makes a value of what the model says."""
        activation = current_activation()
        require_room(self.name, rendered.request, self.max_input_tokens)
        conversation: Conversation[T] = Conversation(
            who=self.name,
            models=self.models_to_ask(),
            accept=accept,
            tools=rendered.tools,
            tool_rounds=TOOL_ROUNDS if self.max_tool_rounds is None else self.max_tool_rounds,
            retries=retries,
            keeper=self.response_keeper(task),
            spend=self.note_spending,
            find=self.note_found,
            miss=self.note_missing,
            spare=self.note_spare_time,
            budget=Budget(Bills() if activation is None else activation.scope.bills),
            shown=Shown(self.handle_stream if self.stream else None),
            max_input_tokens=self.max_input_tokens,
            rate_limit=self.rate_limit,
        )
        return conversation.ask(rendered.request)

    def run_remarks(self, scope: Scope) -> list[str]:
        """Return also which models were not available, and that answers are made up where they may not look so."""
        remarks = super().run_remarks(scope)
        for name, why in scope.notes.get((self, "missing"), {}).items():
            remarks.append(f"{self.name!r} asked another model than {name!r}, which was not available: {why}")
        if self.llm.identity().get("provider") == LABEL:
            remarks.append(f"the answers of {self.name!r} are made up: its model is {LABEL!r}, for first steps only")
        return remarks

    def models_to_ask(self) -> list[LLM]:
        """Return the models in the order in which they are turned to."""
        return [self.llm, *self.fallback_llms]

    def response_keeper(self, task: Any) -> Keeper:
        """Return where what the model says to `task` is kept: here, nowhere."""
        return Keeper()

    def note_spending(self, llm: LLM, answer: Answer) -> None:
        """Let the present call have cost what an answer did."""
        activation = current_activation()
        if activation is not None:
            note_answers(activation, [answer])
            activation.cost = activation.cost.plus(cost_of([answer], 0.0))
            activation.scope.bills.spend(activation.on_bill, usage_of(answer))

    def note_found(self, llm: LLM, said: Said) -> None:
        """Let the present call have saved what was kept."""
        activation = current_activation()
        if activation is not None:
            note_answers(activation, said.answers)
            activation.found = activation.found.plus(said.cost)
            activation.scope.bills.save(activation.on_bill, usage_of_all(said.answers))

    def note_missing(self, llm: LLM, error: ModelError) -> None:
        """Let the present run tell that a model could not be asked, so that others were."""
        activation = current_activation()
        if activation is not None:
            activation.scope.notes.setdefault((self, "missing"), {}).setdefault(llm.model_name, str(error))

    def note_spare_time(self, seconds: float) -> None:
        """Let the present call have taken less time than it did: another one would not take so long."""
        activation = current_activation()
        if activation is not None:
            activation.cost = activation.cost.plus(Cost(-seconds))
