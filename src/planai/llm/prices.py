"""Prices of tokens in US dollars, where somebody knows better than the list of genai-prices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from planai.errors import ConfigurationError

_MILLION = Decimal(1_000_000)
_ADVICE = 'pass US dollars per million tokens, as in prices={"input": 0.5, "output": 2.0, "cached": 0.05}'
_NAMES = frozenset({"input", "output", "cached"})


def checked(prices: Mapping[str, float | Decimal] | None) -> dict[str, Decimal] | None:
    """Return prices of one's own: US dollars per million tokens of ``input``, ``output``, and ``cached`` input.

    >>> checked({"input": 0.5, "output": 2})
    {'input': Decimal('0.5'), 'output': Decimal('2')}

    Raises:
        ConfigurationError: another name, no price of ``input`` or ``output``, or what is no price.
    """
    if prices is None:
        return None
    if not {"input", "output"} <= prices.keys() <= _NAMES:
        raise ConfigurationError(f"prices has {', '.join(sorted(prices)) or 'nothing'}: {_ADVICE}")
    return {name: _price(name, price) for name, price in prices.items()}


def _price(name: str, price: float | Decimal) -> Decimal:
    try:
        found = Decimal(str(price))
    except InvalidOperation:
        found = Decimal("nan")
    if not (found.is_finite() and found >= 0):
        raise ConfigurationError(f"the price of {name!r} is {price!r}: {_ADVICE}")
    return found


def cost_of_tokens(prices: Mapping[str, Decimal], *, tokens_in: int, tokens_out: int, cached: int = 0) -> Decimal:
    """Return what tokens cost in US dollars, by prices as `checked` returns them.

    >>> cost_of_tokens({"input": Decimal(1), "output": Decimal(2)}, tokens_in=1_000_000, tokens_out=500_000)
    Decimal('2')
    """
    fresh = (tokens_in - cached) * prices["input"] + cached * prices.get("cached", prices["input"])
    return (fresh + tokens_out * prices["output"]) / _MILLION


def price_of(
    provider: str,
    model_name: str,
    tokens_in: int,
    tokens_out: int,
    prices: Mapping[str, Decimal] | None = None,
    cached: int = 0,
) -> Decimal | None:
    """Return what tokens of a model would cost in US dollars; None where nobody knows.

    >>> price_of("openai", "gpt-4o", 1_000_000, 0) > 0, price_of("nobody", "nothing", 1, 1)
    (True, None)

    Args:
        provider: whose model.
        model_name: which.
        tokens_in: of the request.
        tokens_out: of the answer.
        prices: as `checked` returns them; None for the list of genai-prices.
        cached: how many of `tokens_in` the provider had in a cache of its own.
    """
    if prices is not None:
        return cost_of_tokens(prices, tokens_in=tokens_in, tokens_out=tokens_out, cached=cached)
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - a quarter of a second of CPU

    usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out, cache_read_tokens=cached)
    try:
        return calc_price(usage, model_ref=model_name, provider_id=_LISTED.get(provider, provider)).total_price
    except (LookupError, ValueError):
        return None


_LISTED = {"gemini": "google"}
"""What providers are called in the list, where that is another name."""
