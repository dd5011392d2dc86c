"""Models that answer what a test says, without network: `ScriptedLLM`, and `MockLLM` with PlanAI's names."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from planai.errors import ConfigurationError, TypeMismatch
from planai.llm.borrowed import TEMPLATE
from planai.llm.client import Answer, Request
from planai.llm.direct import Direct
from planai.llm.prompt import taken_apart

Line = str | BaseModel | Answer | Exception
"""What a scripted model says: text, an object as JSON, an answer with all its figures, or an error that it raises."""


class ScriptedLLM(Direct):
    """A model that answers from a script; pass it as the ``llm`` of a worker.

    >>> from planai import LLMTaskWorker, Task
    >>> from planai.testing import run_inline
    >>> class Question(Task):
    ...     text: str
    >>> class Reply(Task):
    ...     text: str
    >>> class Ask(LLMTaskWorker):
    ...     prompt = "Answer the question."
    ...     llm_input_type = Question
    ...     output_types = [Reply]
    >>> model = ScriptedLLM([Reply(text="In Paris.")])
    >>> run_inline(Ask(llm=model), Question(text="Where is the Louvre?")).outputs
    [Reply(text='In Paris.')]
    >>> "Where is the Louvre?" in model.requests[0].messages[-1].text
    True

    Args:
        script: the answers in their order, or a function that gives the answer to a request.
        model_name: what the model is called, in keys, too.

    Attributes:
        requests: what the model was asked, in order.

    Raises:
        TypeMismatch: `script` is one answer, and no list.
    """

    def __init__(self, script: Iterable[Line] | Callable[[Request], Line], model_name: str = "scripted") -> None:
        self.model_name = model_name
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        if isinstance(script, str | BaseModel):
            raise TypeMismatch(f"ScriptedLLM takes a list of answers: write ScriptedLLM([{script!r}])")
        self._lines = None if callable(script) else iter(script)
        self._answer = script if callable(script) else self._next_line

    def identity(self) -> Mapping[str, str | None]:
        """Return what tells this model from others."""
        return {"provider": "scripted", "model": self.model_name}

    def settings(self) -> Mapping[str, Any]:
        """Return no settings."""
        return {}

    def ask(self, request: Request, on_chunk: Callable[[str], None] | None = None) -> Answer:
        """Answer by the script.

        Raises:
            ConfigurationError: the script has no more answers.
            Exception: the one that the script has in place of an answer.
        """
        with self._lock:
            self.requests.append(request)
            line = self._answer(request)
        if isinstance(line, Exception):
            raise line
        answer = line if isinstance(line, Answer) else Answer(_text(line))
        if on_chunk is not None:
            on_chunk(answer.text)
        return answer

    def _next_line(self, request: Request) -> Line:
        for line in self._lines or ():
            return line
        raise ConfigurationError(f"the script has no answer number {len(self.requests)}: add one to it")


class MockLLMResponse:
    """What a `MockLLM` says when `pattern` is found in what it is told.

    Attributes:
        pattern: a regular expression, looked for anywhere in ``System: ...`` and ``User: ...``, also as PlanAI words
            it: with ``Here is your input data:`` and ``Here are your instructions:``, and without earlier answers.
        response: the answer as an object.
        response_string: the answer as text.
        raise_exception: whether to raise `exception` in place of an answer.
        exception: the error; by default a ValueError.
    """

    def __init__(
        self,
        pattern: str | re.Pattern[str],
        response: BaseModel | None = None,
        response_string: str | None = None,
        raise_exception: bool = False,
        exception: Exception | None = None,
    ) -> None:
        self.pattern = re.compile(pattern)
        self.response = response
        self.response_string = response_string
        self.raise_exception = raise_exception
        self.exception = exception or ValueError("the mock model was told to fail")

    def line(self) -> Line:
        """Return what the model says."""
        if self.raise_exception:
            return self.exception
        return self.response_string or self.response or ""


class MockLLM(ScriptedLLM):
    """A model that answers by the first of `responses` whose pattern is found in what it is told.

    >>> model = MockLLM(responses=[MockLLMResponse(pattern="capital of France", response_string="Paris")])
    >>> from planai.llm.client import Message
    >>> model.ask(Request((Message("user", "What is the capital of France?"),))).text
    'Paris'

    Attributes:
        responses: the answers; more may be added at any time.
        looks_at_pictures: False: tests may name pictures that are not there.
    """

    looks_at_pictures = False

    def __init__(self, responses: list[MockLLMResponse], support_structured_outputs: bool = True) -> None:
        super().__init__(self._find, model_name="mock")
        self.responses = responses
        self.support_structured_outputs = support_structured_outputs

    def _find(self, request: Request) -> Line:
        told = [_as_planai_tells(request), _as_told(request)]
        for response in self.responses:
            if any(response.pattern.search(text) for text in told):
                return response.line()
        patterns = ", ".join(repr(response.pattern.pattern) for response in self.responses) or "none at all"
        raise ConfigurationError(f"No matching mock response found for {told[1]!r}; the patterns are: {patterns}")


def _as_told(request: Request) -> str:
    return "".join(f"{message.role.capitalize()}: {message.text}\n" for message in request.messages)


def _as_planai_tells(request: Request) -> str:
    """Return what PlanAI's mock shows to patterns: what is told without answers, in the wording of its prompts."""
    lines = []
    for message in request.messages:
        shown, instructions = taken_apart(message.text)
        text = TEMPLATE.format(task=shown, instructions=instructions) if shown else instructions
        lines += [f"{message.role.capitalize()}: {text}\n"] if message.role in ("system", "user") else []
    return "".join(lines)


def _text(line: str | BaseModel) -> str:
    return line if isinstance(line, str) else line.model_dump_json(by_alias=True)
