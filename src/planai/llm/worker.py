"""LLMTaskWorker: a worker whose answers come from a model, as validated tasks."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from planai.call import current_activation
from planai.cost import Cost
from planai.errors import ConfigurationError, InvalidAnswer
from planai.llm.client import LLM, Answer, Message, Request
from planai.llm.prompt import SYSTEM, correction, full_prompt
from planai.task import Task
from planai.worker import TaskWorker

_SHOWN = 300


class BaseLLMTaskWorker(TaskWorker):
    """What all workers with a model have in common; limit them together with ``set_max_parallel_tasks``.

    Attributes:
        llm: the model; see `llm_from_config`.
        system_prompt: what the model is told about its part; None for nothing.
    """

    llm: LLM
    system_prompt: str | None = SYSTEM

    @field_validator("llm", mode="before")
    @classmethod
    def _has_to_be_a_model(cls, llm: object) -> object:
        if not isinstance(llm, LLM):
            raise ValueError(f"{llm!r} is no model: pass llm=llm_from_config(provider, model_name)")  # noqa: TRY004
        return llm


class LLMTaskWorker(BaseLLMTaskWorker):
    """Asks a model about each task, and publishes its answer as a task of the declared type.

    Attributes:
        prompt: the instructions; `format_prompt` may fill them in.
        llm_input_type: the type that the worker consumes; or annotate ``consume_work`` of a subclass.
        llm_output_type: the type of the answer; by default, the only one of `output_types`.
        examples: pairs of a message and the answer to it, shown to the model as earlier turns.
        temperature: 0 for the likeliest answer; None for what the model was made with.
        use_xml: show the input as XML in place of JSON.
        max_validation_retries: how often the model is asked again after an answer that is not valid.
    """

    prompt: str = Field(default="", min_length=1)
    llm_input_type: type[Task] | None = None
    llm_output_type: type[BaseModel] | None = None
    examples: list[tuple[str, str]] = Field(default_factory=list)
    temperature: float | None = Field(default=None, ge=0, le=2)
    use_xml: bool = False
    max_validation_retries: int = Field(default=2, ge=0)

    # ---- what subclasses may override

    def format_prompt(self, task: Any) -> str:
        """Return the instructions for `task`."""
        return self.prompt

    def pre_process(self, task: Any) -> Task | None:
        """Return what the model is shown of `task`; None for the instructions alone."""
        return task  # type: ignore[no-any-return]

    def extra_validation(self, response: Any, input_task: Any) -> str | None:
        """Return what is wrong with an answer that fits its type, for the model to put right; None if nothing is."""
        return None

    def post_process(self, response: Any, input_task: Any) -> None:
        """Publish what comes of the answer: by default, the answer."""
        self.publish_work(response, input_task=input_task)

    def get_full_prompt(self, task: Any) -> str:
        """Return the message about `task`: the input and the instructions."""
        return full_prompt(self.format_prompt(task), self.pre_process(task), as_xml=self.use_xml)

    def get_system_prompt(self, task: Any) -> str | None:
        """Return what the model is told about its part."""
        return self.system_prompt

    # ---- how it works

    def get_task_classes(self) -> list[type[Task]]:
        """Return `llm_input_type`, or what ``consume_work`` of a subclass is annotated with."""
        overridden = inspect.unwrap(type(self).consume_work) is not inspect.unwrap(LLMTaskWorker.consume_work)
        if not overridden:
            self.answer_type()  # raises, when the graph is planned, where it is not declared
        if self.llm_input_type is not None:
            return [self.llm_input_type]
        if not overridden:
            raise ConfigurationError(
                f"{self.name} does not say what it consumes: set llm_input_type = MyTask, "
                "or override consume_work(self, task: MyTask)"
            )
        return super().get_task_classes()

    def consume_work(self, task: Any) -> None:
        """Ask the model, and publish its answer.

        Raises:
            InvalidAnswer: the model refused, was cut off, or gave no valid answer after being asked again.
            ModelUnavailable: it could not be asked.
        """
        self.post_process(self._ask(task), task)

    def request_for(self, task: Any) -> Request:
        """Return all that the model is told about `task`; within a call, it is worked out once for the same task."""
        activation = current_activation()
        if activation is None or activation.worker is not self:
            return self._make_request(task)
        known: tuple[object, Request] = activation.notes.get("request", (None, None))
        if known[0] is not task:
            known = activation.notes["request"] = (task, self._make_request(task))
        return known[1]

    def answer_type(self) -> type[BaseModel]:
        """Return the type of the model's answer.

        Raises:
            ConfigurationError: it is not declared.
        """
        if self.llm_output_type is not None:
            return self.llm_output_type
        if len(self.output_types) != 1:
            raise ConfigurationError(
                f"{self.name} has {len(self.output_types)} output_types: "
                "say with llm_output_type which of them the model answers"
            )
        return self.output_types[0]

    def _make_request(self, task: Any) -> Request:
        messages = [Message("user", self.get_full_prompt(task))]
        for question, answer in reversed(self.examples):
            messages[:0] = [Message("user", question), Message("assistant", answer)]
        system = self.get_system_prompt(task)
        if system:
            messages.insert(0, Message("system", system))
        kind = self.answer_type()
        settings = {} if self.temperature is None else {"temperature": self.temperature}
        return Request(tuple(messages), kind.model_json_schema(), kind.__name__, settings)

    def _ask(self, task: Any) -> BaseModel:
        """Ask, and ask again, until the answer is valid."""
        request = self.request_for(task)
        problem = ""
        for _ in range(1 + self.max_validation_retries):
            answer = self.llm.ask(request)
            _spend(answer)
            self._require_whole(answer)
            response, problem = self._validated(answer, task)
            if response is not None:
                return response
            again = (Message("assistant", answer.text), Message("user", correction(problem)))
            request = Request((*request.messages, *again), request.schema, request.schema_name, request.settings)
        raise InvalidAnswer(
            f"{self.llm.model_name!r} gave {self.name!r} no valid answer in {1 + self.max_validation_retries} tries; "
            f"the last problem: {problem}; the last answer: {answer.text[:_SHOWN]!r}"
        )

    def _validated(self, answer: Answer, task: Any) -> tuple[BaseModel | None, str]:
        """Return the answer as a model, or what is wrong with it."""
        try:
            response = self.answer_type().model_validate_json(_unfenced(answer.text))
        except ValidationError as error:
            return None, "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'the answer'}: {item['msg']}" for item in error.errors()
            )
        problem = self.extra_validation(response, task)
        return (response, "") if problem is None else (None, problem)

    def _require_whole(self, answer: Answer) -> None:
        """Make sure that the model was done with its answer."""
        who = f"{self.llm.model_name!r}, asked by {self.name!r},"
        if answer.refusal is not None or answer.finish_reason == "content_filter":
            raise InvalidAnswer(f"{who} refused to answer: {answer.refusal or 'its content filter'}")
        if answer.finish_reason == "length":
            raise InvalidAnswer(
                f"{who} was cut off by its token limit after {answer.output_tokens} tokens: raise max_tokens; "
                f"the answer began {answer.text[:_SHOWN]!r}"
            )


def _spend(answer: Answer) -> None:
    """Let the present call have cost what the answer did."""
    activation = current_activation()
    if activation is not None:
        tokens = answer.input_tokens + answer.output_tokens
        activation.cost = activation.cost.plus(Cost(0.0, tokens, answer.dollars))


def _unfenced(text: str) -> str:
    """Return JSON without the code fence that some models put around it."""
    inner = text.strip()
    if inner.startswith("```") and inner.endswith("```"):
        inner = inner.removeprefix("```").removesuffix("```").strip().removeprefix("json")
    return inner
