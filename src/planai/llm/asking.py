"""Conversation: a question to a model, with all that follows until there is an answer that is valid.

A round is what a model says to one request: an answer, or tools to call. An answer that is not valid goes back to the
model with what is wrong with it, within the round. The results of tools begin another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from planai.bills import Bills
from planai.cost import FREE, Cost
from planai.errors import (
    BudgetExceeded,
    CacheMiss,
    InvalidAnswer,
    MissingDependency,
    ModelError,
    ModelUnavailable,
    PlanaiError,
    RequestTooLong,
)
from planai.flow import Blocking, Flow, Until
from planai.llm.ask import Ask
from planai.llm.budget import Budget, Terms, cost_of
from planai.llm.client import LLM, Answer, Message, Request
from planai.llm.prompt import correction, token_estimate
from planai.llm.rate import Pause, RateLimit
from planai.llm.showing import Shown
from planai.llm.tools import Tool, run_tool

T = TypeVar("T")
_SHOWN = 300


class Outcome(NamedTuple, Generic[T]):
    """What becomes of an answer: the value that was made of it, or what is wrong with it."""

    value: T | None
    problem: str = ""


class Said(NamedTuple):
    """What was said in one round.

    Attributes:
        turns: what follows the request: answers and corrections, of which the last one counts.
        answers: the answers among them, with what they took.
        cost: what all of it took, where it was kept.
    """

    turns: tuple[Message, ...]
    answers: tuple[Answer, ...] = ()
    cost: Cost = FREE

    @property
    def last(self) -> Message:
        """The turn that counts: a valid answer, or tools to call."""
        return self.turns[-1]


class Keeper:
    """Keeps what was said in a round; this one keeps nothing. See `planai.llm.responses`."""

    def begin(self, llm: LLM, request: Request) -> Flow[Said | None]:
        """Return what was said to `request` before; None when it is to be asked, and then `end` has to follow."""
        yield from ()
        return None

    def keep(self, llm: LLM, request: Request, said: Said) -> None:
        """Keep what was said; it was found to be valid."""

    def end(self, llm: LLM, request: Request) -> None:
        """Let those go on who wait for what was to be said."""


@dataclass(frozen=True, slots=True)
class Conversation(Generic[T]):
    """How a question is asked.

    Attributes:
        who: who asks, for messages.
        models: the model, and those to turn to when it is not available.
        accept: makes a value of an answer's text, or says what is wrong with it.
        tools: what the model may call.
        tool_rounds: how often it may call tools.
        retries: how often it may put an answer right.
        keeper: where rounds are kept.
        spend: is told of each answer that was paid for.
        find: is told of each answer that was kept.
        miss: is told of each model that could not be asked, and why, where there are others.
        spare: is told of seconds that another answer would not take.
        budget: who says whether an answer may be paid for.
        shown: shows the text of answers while they come, kept ones included.
        max_input_tokens: a request that has grown longer, by results of tools or answers put right, is not sent.
        rate_limit: how fast requests may be sent; None for as fast as one can.
    """

    who: str
    models: Sequence[LLM]
    accept: Callable[[str], Outcome[T]]
    tools: Sequence[Tool] = ()
    tool_rounds: int = 5
    retries: int = 2
    keeper: Keeper = field(default_factory=Keeper)
    spend: Callable[[LLM, Answer], None] = lambda _, __: None
    find: Callable[[LLM, Said], None] = lambda _, __: None
    miss: Callable[[LLM, ModelError], None] = lambda _, __: None
    spare: Callable[[float], None] = lambda _: None
    budget: Budget = field(default_factory=lambda: Budget(Bills()))
    shown: Shown = field(default_factory=Shown)
    max_input_tokens: int | None = None
    rate_limit: RateLimit | None = None

    def ask(self, request: Request) -> Flow[T]:
        """Ask until there is a valid answer, and return the value made of it.

        Raises:
            InvalidAnswer: the model refused, was cut off, called tools without end, or gave no valid answer.
            RequestTooLong: what was to be sent has more tokens than `max_input_tokens`.
            ModelUnavailable: none of the models could be asked.
            CacheMiss: in the mode ``replay``, nothing is kept of any of them.
        """
        by_name = {tool.name: tool for tool in self.tools}
        for left in range(self.tool_rounds, -1, -1):
            llm, request, outcome = yield from self._round(request)
            calls = request.messages[-1].calls
            if not calls:
                return outcome.value  # type: ignore[return-value]  # of an answer that has no problem
            if not left:  # and nobody would be told what tools give
                break
            results = []
            for call in calls:
                text = yield from run_tool(by_name, call)
                results.append(Message("tool", text, call=call))
            request = request.then(*results)
        raise InvalidAnswer(
            f"{llm.model_name!r}, asked by {self.who!r}, still calls tools after {self.tool_rounds} rounds of them: "
            "raise max_tool_rounds, or say in the prompt when to stop"
        )

    def _round(self, request: Request) -> Flow[tuple[LLM, Request, Outcome[T]]]:
        """Return the request with a valid answer at its end: of the first model that can be asked."""
        problems: list[str] = []
        missing: list[CacheMiss] = []
        for llm in self.models:
            try:
                found = yield from self._valid(llm, request)
            except CacheMiss as miss:  # in a replay: another model may have stood in when this was recorded
                missing.append(miss)
            except (ModelUnavailable, MissingDependency) as error:
                if len(self.models) == 1:
                    raise
                self.miss(llm, error)
                problems.append(str(error))
            else:
                return llm, *found
        if missing:
            raise missing[0]
        raise ModelUnavailable("no model is available: " + "; ".join(problems))

    def _valid(self, llm: LLM, request: Request) -> Flow[tuple[Request, Outcome[T]]]:
        """Return the request with a valid answer of `llm` at its end; what was kept is validated, too."""
        left = self.retries
        while True:
            said = yield from self.keeper.begin(llm, request)
            if said is None:
                return (yield from self._asked(llm, request, left))
            outcome = self._judged(said.last)
            request = request.then(*said.turns)
            if not outcome.problem:
                self.find(llm, said)
                self.shown.show_whole(said.last.text)
                return request, outcome
            left -= 1
            if left < 0:
                raise self._invalid(llm, outcome.problem, said.last.text)
            request = request.then(Message("user", correction(outcome.problem)))

    def _asked(self, llm: LLM, request: Request, left: int) -> Flow[tuple[Request, Outcome[T]]]:
        """Ask until the answer is valid, keep it, and return the request with it at its end."""
        turns: list[Message] = []
        answers: list[Answer] = []
        try:
            while True:
                if turns:
                    self.shown.void()
                answer = yield from self._paid(llm, request.then(*turns))
                self._require_whole(llm, answer)
                answers.append(answer)
                turns.append(answer.as_turn())
                outcome = self._judged(turns[-1])
                if not outcome.problem:
                    said = Said(tuple(turns), tuple(answers))
                    yield Blocking(partial(self.keeper.keep, llm, request, said))
                    return request.then(*turns), outcome
                if not left:
                    raise self._invalid(llm, outcome.problem, answer.text)
                left -= 1
                turns.append(Message("user", correction(outcome.problem)))
        except InvalidAnswer:
            self.shown.void()
            raise
        finally:
            self.keeper.end(llm, request)

    def _paid(self, llm: LLM, request: Request) -> Flow[Answer]:
        """Ask, where that may be paid for."""
        require_room(self.who, request, self.max_input_tokens)
        answer: Answer | None = yield from self._kept_by_model(llm, request)
        if answer is not None:
            return answer
        terms, reserved = self.budget.terms(llm, request), None
        while answer is None:
            while (reserved := self.budget.reserve(terms, llm)) is None:
                yield Until(self.budget.when_released)
            answer = yield from self._reserved(llm, reserved)
        if answer.finish_reason == "length" and reserved is not None and reserved.tokens_out < terms.tokens_out:
            raise BudgetExceeded(
                f"what was left of max_cost_usd paid for {reserved.tokens_out} tokens of {llm.model_name!r}, asked by "
                f"{self.who!r}, which needed more: the run ends here"
            )
        if answer.finish_reason == "length" and terms.request is not request:
            raise InvalidAnswer(
                f"{llm.model_name!r}, asked by {self.who!r}, was cut off after {answer.output_tokens} tokens: where "
                "max_cost_usd limits a run and max_tokens no answer, it may be no longer, lest the limit be passed: "
                "set max_tokens"
            )
        return answer

    def _kept_by_model(self, llm: LLM, request: Request) -> Flow[Answer | None]:
        """Return what a model has kept itself: in a run with a limit, nothing has to be set aside for that."""
        find = getattr(llm, "find_kept", None)
        if find is None or not self.budget.is_limited:
            return None
        answer: Answer | None = yield Blocking(partial(find, request))
        if answer is not None:
            self._count(llm, answer)
            self.shown.show_whole(answer.text)
        return answer

    def _count(self, llm: LLM, answer: Answer) -> None:
        """Tell of what was paid for an answer; or of what was saved, where a cache of the model's own had it."""
        if answer.kept:
            self.find(llm, Said((answer.as_turn(),), (answer,), cost_of([answer], 0.0)))
        else:
            self.spend(llm, answer)

    def _reserved(self, llm: LLM, terms: Terms) -> Flow[Answer | None]:
        """Ask for what was set aside; None where that was spent on a try that failed, and another has to wait."""
        is_known, has_to_wait, paid, tokens = False, False, None, 0

        def may_try_again() -> bool:
            nonlocal has_to_wait
            has_to_wait = not self.budget.reserve_again(terms)
            return not has_to_wait

        try:
            yield from self._prepared(llm)
            reckoned = yield from self._in_turn(terms.request)
            began = time.perf_counter()
            answer: Answer = yield Ask(llm, terms.request, self.shown.on_chunk, may_try_again)
            self._count(llm, answer)
            if self.rate_limit is not None and answer.input_tokens:
                self.rate_limit.correct(reckoned, answer.input_tokens + answer.output_tokens)
            paid, tokens = Decimal(0) if answer.kept else answer.dollars, answer.output_tokens
            is_known = paid is not None
        except PlanaiError as error:  # of who could not be asked, or has not answered
            self.shown.void()
            is_known = not getattr(error, "may_be_billed", False)
            if not has_to_wait:
                raise
            return None
        finally:
            self.budget.release(terms, llm, paid=paid, is_known=is_known, tokens=tokens)
        return replace(answer, seconds=time.perf_counter() - began)

    def _prepared(self, llm: LLM) -> Flow[None]:
        """Let a model get ready: once in a process, which is no part of what an answer takes."""
        if not getattr(llm, "is_ready", True):
            began = time.perf_counter()
            yield Blocking(llm.prepare)  # type: ignore[attr-defined]  # of one that can be unready
            self.spare(time.perf_counter() - began)

    def _in_turn(self, request: Request) -> Flow[int]:
        """Wait until the rate limit lets a request through, and return the tokens that it is reckoned at."""
        if self.rate_limit is None:
            return 0
        reckoned = token_estimate(request)
        seconds = self.rate_limit.seconds_until_free(reckoned)
        if seconds:
            self.spare(seconds)
            yield Pause(seconds)
        return reckoned

    def _judged(self, turn: Message) -> Outcome[T]:
        return Outcome(None) if turn.calls else self.accept(turn.text)

    def _invalid(self, llm: LLM, problem: str, text: str) -> InvalidAnswer:
        return InvalidAnswer(
            f"{llm.model_name!r} gave {self.who!r} no valid answer in {1 + self.retries} tries; "
            f"the last problem: {problem}; the last answer: {text[:_SHOWN]!r}"
        )

    def _require_whole(self, llm: LLM, answer: Answer) -> None:
        """Make sure that the model was done with its answer."""
        who = f"{llm.model_name!r}, asked by {self.who!r},"
        if answer.refusal is not None or answer.finish_reason == "content_filter":
            raise InvalidAnswer(f"{who} refused to answer: {answer.refusal or 'its content filter'}")
        if answer.finish_reason == "length":
            raise InvalidAnswer(
                f"{who} was cut off by its token limit after {answer.output_tokens} tokens: raise max_tokens; "
                f"the answer began {answer.text[:_SHOWN]!r}"
            )
        if answer.finish_reason == "error":
            raise InvalidAnswer(f"{who} ended with an error; the answer began {answer.text[:_SHOWN]!r}")
        if answer.calls and not self.tools:
            raise InvalidAnswer(f"{who} calls the tool {answer.calls[0].name!r}, though there is none")


def require_room(who: str, request: Request, limit: int | None) -> None:
    """Make sure that a request has no more than `limit` tokens, as far as these can be counted without the model.

    Raises:
        RequestTooLong: it has more; nothing was sent.
    """
    if limit is None:
        return
    count = token_estimate(request)
    if count > limit:
        raise RequestTooLong(
            f"{who!r} would send about {count} tokens, by an estimate, and max_input_tokens is {limit}: "
            "shorten the input, or raise it"
        )
