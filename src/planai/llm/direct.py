"""Direct: asking a model without a worker of its own, by the names of PlanAI's model objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from planai.bills import Bills
from planai.call import current_activation
from planai.errors import InvalidAnswer
from planai.flow import go_through
from planai.llm.asking import Conversation, Outcome
from planai.llm.budget import Budget, cost_of, note_answers, usage_of
from planai.llm.client import LLM, Answer, Message, Request
from planai.llm.prompt import unfenced
from planai.llm.tools import Tool

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class Direct:
    """Lets a program ask a model itself, as from within ``consume_work``: nothing is kept, and the call pays."""

    def chat(
        self,
        messages: Sequence[dict[str, Any]],
        tools: Sequence[Tool] | None = None,
        temperature: float | None = None,
        response_schema: type[BaseModel] | None = None,
        max_tool_rounds: int | None = None,
        **without_effect: Any,
    ) -> str:
        """Return what the model says to a conversation.

        >>> from planai.testing import ScriptedLLM
        >>> ScriptedLLM(["Hello!"]).chat([{"role": "user", "content": "Hi"}])
        'Hello!'

        Args:
            messages: the turns so far, each with its ``role`` and ``content``.
            tools: what the model may call.
            temperature: 0 for the likeliest answer; None for what the model was made with.
            response_schema: what the answer has to fit, as JSON.
            max_tool_rounds: how often the model may call tools; None for 5.
            without_effect: what else PlanAI's models take, such as ``allow_json_mode`` and ``token_usage``.

        Raises:
            InvalidAnswer: it refused, or was cut off.
            ModelUnavailable: it cannot be asked.
        """
        turns = [Message(turn["role"], turn["content"]) for turn in messages]
        request = _request(turns, tools, temperature, response_schema)
        return _ask(cast("LLM", self), request, lambda text: Outcome(text.strip()), tools, max_tool_rounds)

    def generate_pydantic(
        self,
        prompt_template: str,
        output_schema: type[M],
        system: str = "",
        tools: Sequence[Tool] | None = None,
        extra_validation: Callable[[M], str | None] | None = None,
        temperature: float | None = None,
        max_tool_rounds: int | None = None,
        **values: Any,
    ) -> M | None:
        """Return what the model says as an object; None where that is not valid after asking again.

        >>> from planai import Task
        >>> from planai.testing import ScriptedLLM
        >>> class Reply(Task):
        ...     text: str
        >>> ScriptedLLM([Reply(text="Paris")]).generate_pydantic("The capital of {land}?", Reply, land="France")
        Reply(text='Paris')

        Args:
            prompt_template: what the model is told, with names in braces for `values`.
            output_schema: the type of the answer.
            system: what the model is told about its part.
            tools: what the model may call.
            extra_validation: says what is wrong with an answer, for the model to put right; None if nothing is.
            temperature: 0 for the likeliest answer; None for what the model was made with.
            max_tool_rounds: how often the model may call tools; None for 5.
            values: what is put into the template.

        Raises:
            ModelUnavailable: it cannot be asked.
        """
        first = [Message("system", system)] if system else []
        turns = [*first, Message("user", prompt_template.format(**values))]
        request = _request(turns, tools, temperature, output_schema)
        accept = partial(_object, output_schema, extra_validation)
        try:
            return _ask(cast("LLM", self), request, accept, tools, max_tool_rounds)
        except InvalidAnswer:
            return None


def _object(kind: type[M], extra_validation: Callable[[M], str | None] | None, text: str) -> Outcome[M]:
    try:
        found = kind.model_validate_json(unfenced(text))
    except ValidationError as error:
        return Outcome(None, str(error))
    problem = None if extra_validation is None else extra_validation(found)
    return Outcome(found) if problem is None else Outcome(None, problem)


def _request(
    turns: Sequence[Message], tools: Sequence[Tool] | None, temperature: float | None, kind: type[BaseModel] | None
) -> Request:
    named = {} if kind is None else {"schema": kind.model_json_schema(), "schema_name": kind.__name__}
    settings = {} if temperature is None else {"temperature": temperature}
    specs = tuple(one.spec() for one in tools or ())
    return Request(tuple(turns), settings=settings, tools=specs, **named)  # type: ignore[arg-type]  # by their names


def _ask(
    llm: LLM, request: Request, accept: Callable[[str], Outcome[T]], tools: Sequence[Tool] | None, rounds: int | None
) -> T:
    activation = current_activation()
    conversation: Conversation[T] = Conversation(
        who="a program" if activation is None else str(getattr(activation.worker, "name", activation.worker)),
        models=[llm],
        accept=accept,
        tools=tools or (),
        tool_rounds=5 if rounds is None else rounds,
        spend=_spend,
        budget=Budget(Bills() if activation is None else activation.scope.bills),
    )
    return go_through(conversation.ask(request))


def _spend(llm: LLM, answer: Answer) -> None:
    activation = current_activation()
    if activation is not None:
        note_answers(activation, [answer])
        activation.cost = activation.cost.plus(cost_of([answer], 0.0))
        activation.scope.bills.spend(activation.on_bill, usage_of(answer))
