"""LLMTaskWorker: a worker whose answers come from a model, as validated tasks."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from planai.cache.fields import has_marks
from planai.cache.memo import per_class
from planai.call import current_activation
from planai.errors import ConfigurationError, InvalidAnswer
from planai.flow import Blocking, Flow, go_along, go_through
from planai.llm.asking import Outcome
from planai.llm.base import BaseLLMTaskWorker
from planai.llm.borrowed import as_asked, own_way
from planai.llm.client import Message, Rendered, Request
from planai.llm.debug import write_debug
from planai.llm.media import MediaTask, images_of
from planai.llm.planai_names import PlanAIModelWorker
from planai.llm.prompt import full_prompt, input_text, message_of, unfenced
from planai.task import Task

_NOTHING = Task()
"""Stands for any input in the form of a message, which a later version of planai may change."""


class LLMTaskWorker(PlanAIModelWorker, BaseLLMTaskWorker):
    """Asks a model about each task, and publishes its answer as a task of the declared type.

    Attributes:
        prompt: the instructions; `format_prompt` may fill them in.
        llm_input_type: the type that the worker consumes; or annotate ``consume_work`` of a subclass.
        llm_output_type: the type of the answer; by default, the only one of `output_types`.
        few_shot: pairs of a message and the answer to it, shown to the model as earlier turns.
        use_xml: show the input as XML in place of JSON.
        instructions_first: tell the instructions with the system prompt, and the input alone in the message after it.
            Requests about other inputs begin alike then, and providers that keep how requests begin charge less.
        max_validation_retries: how often the model is asked again after an answer that is not valid.
        debug_mode: append what was asked and answered to a file, a line of JSON for each call, for
            ``planai optimize-prompt``.
        debug_dir: the folder of that file, which is called after the worker.

    Raises:
        ConfigurationError: there is no `llm_output_type`, and not just one of `output_types` either.
    """

    prompt: str = Field(default="", min_length=1, validate_default=True)
    llm_input_type: type[Task] | None = None
    llm_output_type: type[BaseModel] | None = None
    few_shot: list[tuple[str, str]] = Field(default_factory=list)
    use_xml: bool = False
    instructions_first: bool = False
    max_validation_retries: int = Field(default=2, ge=0)
    debug_mode: bool = False
    debug_dir: str | Path = "debug"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.answer_type()

    # ---- what subclasses may override

    def format_prompt(self, task: Any) -> str:
        """Return the instructions for `task`."""
        return self.prompt

    def pre_process(self, task: Any) -> Any:
        """Return what the model is shown of `task`: a task or another model, or data in a `PydanticDictWrapper`.

        None shows the instructions alone.
        """
        return task

    def extra_validation(self, response: Any, input_task: Any) -> str | None:
        """Return what is wrong with an answer that fits its type, for the model to put right; None if nothing is."""
        return None

    def post_process(self, response: Any, input_task: Any) -> Awaitable[None] | Any:
        """Publish what comes of the answer: by default, the answer. Of an async worker, it may be ``async def``.

        An override gets None where there is no valid answer, when all retries are used up. What it publishes then is
        kept in no cache; if it publishes nothing, or raises, the call has failed for want of an answer. That is also
        what comes of handing None on to this method, which then publishes nothing.
        """
        if response is None:
            self.logger.error("LLM did not return a valid response for %s", type(input_task).__name__)
        else:
            self.publish_work(task=response, input_task=input_task)
        return None

    def get_full_prompt(self, task: Any, system_prompt: str | None = None) -> str:
        """Return the message about `task`: the input and the instructions; with a system prompt, all that is told."""
        message = full_prompt(self.format_prompt(task), self.pre_process(task), as_xml=self.use_xml)
        return message if system_prompt is None else f"{system_prompt}\n\n{message}"

    # ---- how it works

    def get_task_classes(self) -> list[type[Task]]:
        """Return `llm_input_type`, or what ``consume_work`` of a subclass is annotated with."""
        overridden = inspect.unwrap(type(self).consume_work) is not inspect.unwrap(LLMTaskWorker.consume_work)
        if self.llm_input_type is not None:
            return [self.llm_input_type]
        if not overridden:
            raise ConfigurationError(
                f"{self.name} does not say what it consumes: set llm_input_type = MyTask, "
                "or override consume_work(self, task: MyTask)"
            )
        return super().get_task_classes()

    def consume_work(self, task: Any) -> Awaitable[None] | Any:
        """Ask the model, and publish its answer; to be awaited in an ``async def`` of a subclass.

        Raises:
            RequestTooLong: it has more tokens than `max_input_tokens`.
            BudgetExceeded: the answer might cost more than the run may spend.
            InvalidAnswer: the model refused, was cut off, or gave no valid answer after being asked again.
            ModelUnavailable: it could not be asked.
        """
        return (
            go_along(self._ask_and_publish_(task)) if self.is_async_worker else go_through(self._ask_and_publish_(task))
        )

    def _ask_and_publish_(self, task: Any) -> Flow[None]:
        try:
            response = yield from self._answer_to_(task)
        except InvalidAnswer as error:
            yield from self._go_without_(task, error)
            return
        if self.debug_mode:
            yield Blocking(partial(write_debug, self.debug_dir, self.name, task, self.request_for(task), response))
        pending = self.post_process(response, task)
        if pending is not None:
            yield pending

    def _answer_to_(self, task: Any) -> Flow[BaseModel]:
        ask = own_way(self.llm, "generate_pydantic")
        if ask is None:
            accept = partial(self.accept_answer, task)
            rendered = self.rendered_request(task)
            return (yield from self.ask_until_valid(rendered, task, accept, self.max_validation_retries))
        response: BaseModel | None = yield Blocking(partial(ask, **self._as_planai_asks_(task)))
        if response is None:
            raise InvalidAnswer(f"{self.llm.model_name!r} gave {self.name!r} no valid answer")
        return response

    def _as_planai_asks_(self, task: Any) -> dict[str, Any]:
        """Return the arguments for a model object that is asked by its own ``generate_pydantic``."""
        shown, tools = self.pre_process(task), self.get_tools(task)
        written = None if shown is None else input_text(shown, as_xml=self.use_xml)
        rounds = {} if not tools or self.max_tool_rounds is None else {"max_tool_rounds": self.max_tool_rounds}
        return {
            **as_asked(self.llm, self.answer_type(), self.format_prompt(task), written),
            "system": self.get_system_prompt(task),
            "tools": tools or None,
            "temperature": self.temperature,
            "debug_saver": None,
            "extra_validation": lambda response: self.extra_validation(response, task),
            "images": task.images if isinstance(task, MediaTask) else None,
            **rounds,
        }

    def _go_without_(self, task: Any, error: InvalidAnswer) -> Flow[None]:
        """Let a subclass publish something else for a task without a valid answer, when it is not tried again.

        Raises:
            InvalidAnswer: it does not.
        """
        activation = current_activation()
        is_own = inspect.unwrap(type(self).post_process) is not inspect.unwrap(LLMTaskWorker.post_process)
        if not is_own or activation is None:
            raise error
        left = 0 if activation.call is None else self.num_retries - activation.call.attempt
        if left > 0 and isinstance(error, self.retry_on):
            raise error
        activation.notes["unanswered"] = True
        before = len(activation.outputs)
        try:
            pending = self.post_process(None, task)
            if pending is not None:
                yield pending
        except Exception as problem:
            raise error from problem
        if len(activation.outputs) == before:
            raise error
        self.logger.warning("%s", error)

    def request_for(self, task: Any) -> Request:
        """Return all that the model is told about `task`."""
        return self.rendered_request(task).request

    def rendered_request(self, task: Any) -> Rendered:
        """Return what the model is told about `task`; within a call, it is worked out once for the same task."""
        activation = current_activation()
        if activation is None or activation.worker is not self:
            return self._make_request_(task)
        known: tuple[object, Rendered] = activation.notes.get("request", (None, None))
        if known[0] is not task:
            known = activation.notes["request"] = (task, self._make_request_(task))
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

    def _make_request_(self, task: Any) -> Rendered:
        text, pieces, shown = self._make_message_(task)
        before = pieces.get("before", "")
        images = images_of(task, self.llm)
        pieces |= {"pictures": [(image.data, image.url) for image in images]} if images else {}
        messages = [Message("user", text, images=images)]
        for question, answer in reversed(self.few_shot):
            messages[:0] = [Message("user", question), Message("assistant", answer)]
        pieces |= {"examples": self.few_shot} if self.few_shot else {}
        kind = self.answer_type()
        schema = _schema_of(kind)
        rendered = self.render_request(task, messages, pieces, before, schema=schema, schema_name=kind.__name__)
        return replace(rendered, shown=shown)

    def _make_message_(self, task: Any) -> tuple[str, dict[str, Any], str]:
        """Return the message about `task`, what it is made of besides the task, and the task as it is written there."""
        if inspect.unwrap(type(self).get_full_prompt) is not inspect.unwrap(LLMTaskWorker.get_full_prompt):
            text = self.get_full_prompt(task)
            return text, {"prompt": text}, ""
        instructions, shown = self.format_prompt(task), self.pre_process(task)
        written = None if shown is None else input_text(shown, as_xml=self.use_xml)
        pieces = {"prompt": instructions, "form": full_prompt("", _NOTHING, as_xml=self.use_xml)}
        if shown is not task:
            pieces["what is shown of the input"] = written or ""
        as_written = written if shown is task and not has_marks(type(task)) else None
        if self.instructions_first and written is not None:
            pieces["before"], instructions = instructions, ""
        return message_of(instructions, written), pieces, as_written or ""

    def accept_answer(self, task: Any, text: str) -> Outcome[BaseModel]:
        """Make the answer of its text, or say what is wrong with it."""
        try:
            response = self.answer_type().model_validate_json(unfenced(text))
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, item['loc'])) or 'the answer'}: {item['msg']}" for item in error.errors())
            return Outcome(None, "; ".join(problems))
        problem = self.extra_validation(response, task)
        return Outcome(response) if problem is None else Outcome(None, problem)


@per_class
def _schema_of(kind: type) -> dict[str, Any]:
    schema: dict[str, Any] = kind.model_json_schema()  # type: ignore[attr-defined]  # of a model
    return schema
