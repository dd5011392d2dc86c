"""Secrets: what is sent to a server and must not be shown, and texts without it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

SECRET = re.compile(
    r"(api[-_]?key|access[-_]?key|auth[-_]?token|access[-_]?token|secret|password|authorization)$", re.IGNORECASE
)
QUERY_SECRET = re.compile(SECRET.pattern + r"|^(key|token|code|sig|signature|subscription-key)$", re.IGNORECASE)
"""In an address, what is called just so is a key, too."""

SECRET_HEADER = re.compile(r"auth|cookie|credential|password|secret|signature|token|(^|[-_])(api)?key", re.IGNORECASE)

_SHORTEST = 4
_SHORTEST_WORD = 8
"""A word of a header may be one that has nothing to hide, such as ``true``."""


def secrets_in(settings: Mapping[str, Any]) -> set[str]:
    """Return what is called a secret in the settings of a request; of headers, all that they say.

    >>> sorted(secrets_in({"extra_body": {"auth": {"password": "hush!"}}, "extra_query": {"sig": "abcd", "v": "2026"}}))
    ['abcd', 'hush!']
    """
    headers, query = settings.get("extra_headers"), settings.get("extra_query")
    said = [word for value in _values(headers) for word in (str(value), *str(value).split())]
    found = {word for word in said if len(word) >= _SHORTEST_WORD}
    named = [value for name, value in _items(query) if QUERY_SECRET.search(name)]
    found |= {text for one in (*named, *_secret_values(settings.get("extra_body"))) for text in _texts(one)}
    return {text for text in found if len(text) >= _SHORTEST}


def secrets_in_address(url: str) -> set[str]:
    """Return the password in an address, and the keys.

    >>> sorted(secrets_in_address("https://me:hush@example.org/v1?api-key=abcd&version=2026"))
    ['abcd', 'hush']
    """
    try:
        parts = urlsplit(url)
        named = [value for name, value in parse_qsl(parts.query) if QUERY_SECRET.search(name)]
        return {text for text in (*named, unquote(parts.password or "")) if len(text) >= _SHORTEST}
    except ValueError:
        return set()


def shown_address(url: str) -> str:
    """Return an address with its secrets blotted out, as it may be kept and shown.

    >>> shown_address("https://me:hush@example.org/v1?api-key=abcd&version=2026")
    'https://me:***@example.org/v1?api-key=***&version=2026'
    """
    return without_secrets(url, secrets_in_address(url))


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text with each secret blotted out, also where it is written as in an address or a string.

    >>> without_secrets("no such key: a%2Fb+c", {"a/b c"})
    'no such key: ***'
    """
    written = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(written, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _forms(secret: str) -> tuple[str, ...]:
    plain = secret.encode("utf-8", "replace").decode()
    return secret, quote(plain), quote(plain, safe=""), quote_plus(plain), json.dumps(secret)[1:-1], repr(secret)[1:-1]


def _secret_values(value: Any) -> Iterator[Any]:
    """Return what is called a secret in what is sent, however deep it is."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from [one] if isinstance(name, str) and SECRET.search(name) else _secret_values(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _secret_values(one)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list | tuple):
        for one in _values(value) if isinstance(value, Mapping) else value:
            yield from _texts(one)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _items(value: Any) -> list[tuple[str, Any]]:
    return [(str(name), one) for name, one in value.items()] if isinstance(value, Mapping) else []


def _values(value: Any) -> list[Any]:
    return [one for _, one in _items(value)]
