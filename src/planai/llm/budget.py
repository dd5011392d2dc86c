"""Budget: whether an answer may be paid for, by what it may cost at most."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from math import ceil
from typing import Any, NamedTuple

from planai.bills import Bills, Usage, usage_of_texts
from planai.call import Activation
from planai.cost import Cost
from planai.errors import BudgetExceeded, ConfigurationError
from planai.llm.client import LLM, Answer, Request, RunLimit
from planai.llm.reckoning import most_tokens, most_tokens_of_text

OUTPUT_TOKENS = 4096
"""So long an answer may be, in a run with a limit, where ``max_tokens`` says nothing: each model gives as many."""

_UNSEEN = 1024
"""So long an answer of a model may be at the least of which none is known: a shorter one is not asked for."""

_SHORT = 256
_NOTHING = Decimal(0)

_THOUGHTS = {
    True: 10_000,
    "minimal": 1024,
    "low": 2048,
    "medium": 10_000,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 32_768,
}
"""Tokens of thoughts by the setting ``thinking``, which are a part of an answer: a limit below them is refused."""

_THINKING = {
    "anthropic_thinking": "budget_tokens",
    "google_thinking_config": "thinking_budget",
    "openrouter_reasoning": "max_tokens",
}
"""Settings of single providers that say how many tokens thoughts may have, and under which name."""

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""What the limit of an answer is called on the wires."""

_KEEPING = ("anthropic", "bedrock")
_AN_HOUR = "1h"
"""For how long a provider is to keep how a request begins, by one of the settings of pydantic-ai for that."""

_SPEEDS = ("service_tier", "openai_service_tier", "anthropic_speed", "speed")
_SOONER = frozenset({"priority", "fast"})
_FOR_SOONER = Decimal("2.5")
"""What a token costs at most that is answered sooner, as a multiple of its price: by the list of November 2026."""


class Terms(NamedTuple):
    """How a question may be asked.

    Attributes:
        request: the question, as it may be sent.
        dollars: what the answer may cost at most.
        tokens_in: how many tokens the request may have.
        tokens_out: how many the answer may have.
    """

    request: Request
    dollars: Decimal
    tokens_in: int
    tokens_out: int


def usage_of(answer: Answer) -> Usage:
    """Return what an answer took."""
    return Usage(
        answers=1,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cached_tokens=answer.cached_tokens,
        dollars=answer.dollars or Decimal(0),
        unpriced=int(answer.dollars is None),
        priced=answer.priced,
    )


def usage_of_all(answers: Iterable[Answer]) -> Usage:
    """Return what several answers took."""
    return reduce(Usage.plus, map(usage_of, answers), Usage())


def cost_of(answers: Sequence[Answer], seconds: float) -> Cost:
    """Return what answers took."""
    usage = usage_of_all(answers)
    return Cost(seconds, usage.input_tokens + usage.output_tokens, float(usage.dollars), usage.unpriced)


def note_answers(activation: Activation, answers: Sequence[Answer]) -> None:
    """Let a call know what answers of models took, whoever has paid for them: it is written beside what it keeps."""
    usage = usage_of_all(answers).plus(usage_of_texts(activation.notes.get("usage", {})))
    activation.notes["usage"] = usage.as_texts()


class Budget:
    """What a run may still spend, for one who asks models."""

    def __init__(self, bills: Bills) -> None:
        self._bills = bills

    @property
    def is_limited(self) -> bool:
        """Whether there is an end to what may be spent."""
        return self._bills.limit is not None

    def terms(self, llm: LLM, request: Request) -> Terms:
        """Return how a question may be asked.

        In a run with a limit, an answer gets one, too. That has no part in what answers are kept under: one that is cut
        off is not kept, and a whole one is what would have been said without it.

        Raises:
            ConfigurationError: the run has a limit, and nobody knows the price of the model, or the length of the
                request.
        """
        if self._bills.limit is None:
            return Terms(request, Decimal(0), 0, 0)
        bounded, settings = request, _settings(llm, request)
        if not settings.get("max_tokens"):
            settings["max_tokens"] = RunLimit(OUTPUT_TOKENS + _thought_tokens(settings))
            bounded = replace(request, settings={**request.settings, "max_tokens": settings["max_tokens"]})
        if _price(llm, settings, 1, 1) == 0:
            return Terms(request, Decimal(0), 0, 0)
        tokens_in, tokens_out = most_tokens(bounded, llm.model_name) + _in_body(settings), _most_said(settings)
        dollars = _price(llm, settings, tokens_in, tokens_out)
        if dollars is None:
            raise ConfigurationError(
                f"nobody knows the price of {llm.model_name!r}, and the run has max_cost_usd: pass prices= to "
                'llm_from_config, as in prices={"input": 0.5, "output": 2.0} per million tokens'
            )
        return Terms(bounded, dollars, tokens_in, tokens_out)

    def reserve(self, terms: Terms, llm: LLM) -> Terms | None:
        """Set aside what an answer may cost, and return the terms with it; None where that is not possible just now.

        Where an answer as long as the run allows has no place any more, and nobody said how long it may be, a shorter
        one may: as long as what is left pays for, if that is twice as long as the longest so far.

        Raises:
            BudgetExceeded: it is not, and will not be.
        """
        if self._bills.limit is None:
            return terms
        try:
            return self._reserve(terms, llm)
        except BudgetExceeded:
            shorter = self._shorter(terms, llm)
            if shorter is None:
                raise
        return self._reserve(shorter, llm)

    def _reserve(self, terms: Terms, llm: LLM) -> Terms | None:
        model = llm.model_name
        known = terms._replace(dollars=self._bills.reckoned(terms.dollars, model))
        tokens = f"reckoned at {terms.tokens_in} + {terms.tokens_out} tokens at most"
        if isinstance(terms.request.settings.get("max_tokens"), RunLimit):
            tokens += " (set max_tokens where answers are shorter)"
        if known.dollars > terms.dollars:
            tokens += ", of which one has cost more than was reckoned"
        return known if self._bills.reserve(known.dollars, f"the next answer of {model!r}, {tokens},", model) else None

    def _shorter(self, terms: Terms, llm: LLM) -> Terms | None:
        """Return the terms for as long an answer as what is left pays for; None where nobody should ask for that."""
        settings = _settings(llm, terms.request)
        if not isinstance(settings.get("max_tokens"), RunLimit):
            return None
        left, longest = self._bills.room_for_less(llm.model_name)
        least = max(2 * longest or _UNSEEN, _SHORT) + _thought_tokens(settings)
        lengths = range(least, settings["max_tokens"])

        def dollars(tokens: int) -> Decimal:
            return _price(llm, settings, terms.tokens_in, tokens) or _NOTHING

        number = bisect_right(lengths, left, key=dollars)
        if not number:
            return None
        limit = RunLimit(lengths[number - 1])
        request = replace(terms.request, settings={**terms.request.settings, "max_tokens": limit})
        return Terms(request, dollars(limit), terms.tokens_in, limit)

    def reserve_again(self, terms: Terms) -> bool:
        """Count a try that has failed as spent, and set aside as much for the next; tell whether that was possible."""
        return self._bills.limit is None or self._bills.reserve_again(terms.dollars)

    def release(
        self, terms: Terms, llm: LLM, *, paid: Decimal | None = None, is_known: bool = True, tokens: int = 0
    ) -> None:
        """Give back what was set aside, unless nobody knows what the answer cost: then it counts as spent."""
        if self._bills.limit is not None:
            self._bills.release(terms.dollars, llm.model_name, paid=paid, is_known=is_known, tokens=tokens)

    def when_released(self, callback: Callable[[], None]) -> None:
        """Call `callback` when something was given back."""
        self._bills.when_released(callback)


def _thought_tokens(settings: Mapping[str, Any]) -> int:
    """Return how many tokens of thoughts a model is to have besides its answer.

    >>> _thought_tokens({"thinking": "low"}), _thought_tokens({"anthropic_thinking": {"budget_tokens": 5000}})
    (2048, 5000)
    """
    thinking = settings.get("thinking")
    found = [_THOUGHTS.get(thinking, 0) if isinstance(thinking, bool | str) else 0]
    for name, field in _THINKING.items():
        own = settings.get(name)
        tokens = own.get(field) if isinstance(own, Mapping) else None
        found.append(tokens if isinstance(tokens, int) else 0)
    return max(found)


def _settings(llm: LLM, request: Request) -> dict[str, Any]:
    """Return the settings of a request; a limit that is sent as it is goes before the one that has a name here."""
    found = {**llm.settings(), **request.settings}
    body = found.get("extra_body")
    limits = [body[name] for name in _LIMITS if body.get(name)] if isinstance(body, Mapping) else []
    return {**found, "max_tokens": max(limits)} if limits else found


def _in_body(settings: Mapping[str, Any]) -> int:
    """Return the tokens of what is sent as it is, of which nobody knows what it tells the model."""
    body = settings.get("extra_body")
    return most_tokens_of_text(json.dumps(body, ensure_ascii=False, default=str)) if body else 0


def _most_said(settings: Mapping[str, Any]) -> int:
    """Return how many tokens are said at most: in one answer, or in as many as are asked for at once."""
    body = settings.get("extra_body")
    number = body.get("n") if isinstance(body, Mapping) else None
    return int(settings["max_tokens"]) * (number if isinstance(number, int) else 1)


def _for_speed(llm: LLM, settings: Mapping[str, Any]) -> Decimal:
    """Return by what the prices of the list are to be multiplied; those of one's own are what is paid.

    >>> from planai import llm_from_config
    >>> _for_speed(llm_from_config("openai", "gpt-5"), {"extra_body": {"service_tier": "priority"}})
    Decimal('2.5')
    """
    if getattr(llm, "prices", None) is not None:
        return Decimal(1)
    body = settings.get("extra_body")
    given = {**settings, **(body if isinstance(body, Mapping) else {})}
    return _FOR_SOONER if any(given.get(name) in _SOONER for name in _SPEEDS) else Decimal(1)


def _price(llm: LLM, settings: Mapping[str, Any], tokens_in: int, tokens_out: int) -> Decimal | None:
    """Return what an answer may cost; None where nobody knows."""
    price: Callable[[int, int], Decimal | None] | None = getattr(llm, "dollars_for", None)
    dollars = None if price is None else price(ceil(tokens_in * _surcharge(llm, settings)), tokens_out)
    return None if dollars is None else dollars * _for_speed(llm, settings)


def _surcharge(llm: LLM, settings: Mapping[str, Any]) -> Decimal:
    """Return what a token of a request may cost besides its price: what a provider is to keep costs more at first."""
    if _AN_HOUR in settings.values():
        return Decimal(2)
    return Decimal("1.25") if getattr(llm, "provider", "").startswith(_KEEPING) else Decimal(1)
