"""Searching the web through an HTTP API: any that answers with a list in JSON, and Serper's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2

from planai.errors import WebError


@dataclass(frozen=True)
class SearchApi:
    """How an API is asked, and where the results are in its answer.

    For a SearXNG of one's own, for example: ``SearchApi("http://localhost:8888/search", results="results", link="url",
    snippet="content", parameters={"format": "json"})``.

    Attributes:
        url: where the API is.
        method: ``"GET"`` with the parameters in the address, or ``"POST"`` with them as JSON.
        query: what the parameter with the query is called.
        count: what the one with the number of results is called; empty if there is none.
        page: what the one with the number of the page is called, counted from 1; empty if there is none.
        parameters: others that are always passed.
        results: the field of the answer with the list of results; dots lead into fields of fields.
        title: the field of a result with its title.
        link: the field with its address.
        snippet: the field with some text of it.
        key_header: the header with the key.
        key_variable: the environment variable that holds the key; empty if there is none. It is read for each search.
        timeout: seconds that a search may take.
    """

    url: str
    method: Literal["GET", "POST"] = "GET"
    query: str = "q"
    count: str = ""
    page: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    results: str = "results"
    title: str = "title"
    link: str = "link"
    snippet: str = "snippet"
    key_header: str = "X-API-KEY"
    key_variable: str = ""
    timeout: float = 30.0

    def has_key(self) -> bool:
        """Tell whether the key is there that the API wants."""
        return not self.key_variable or bool(os.environ.get(self.key_variable))

    def search(self, query: str, num_results: int = 10, start_index: int = 1) -> list[dict[str, Any]]:
        """Search the web.

        Args:
            query: the words to search for.
            num_results: how many results are wanted.
            start_index: the number of the first result, counted from 1; APIs give whole pages.

        Returns:
            The results, each with ``title``, ``link``, ``snippet`` and what else the API says of it.

        Raises:
            WebError: there is no key, the API cannot be reached, or what it answers is no list of results.
        """
        wanted = {
            **self.parameters,
            self.query: query,
            self.count: num_results,
            self.page: (start_index - 1) // num_results + 1,
        }
        wanted.pop("", None)
        found = self._asked(wanted)
        for part in self.results.split("."):
            found = found.get(part, []) if isinstance(found, dict) else None
        if not isinstance(found, list):
            raise WebError(f"{self.url!r} answers without a list {self.results!r}: say with results= where it is")
        return [self._named(result) for result in found if isinstance(result, dict)][:num_results]

    def _asked(self, wanted: dict[str, Any]) -> Any:
        if not self.has_key():
            raise WebError(f"{self.url!r} wants a key: set {self.key_variable}")
        key = os.environ.get(self.key_variable, "") if self.key_variable else ""
        sent: dict[str, Any] = {"params": wanted} if self.method == "GET" else {"json": wanted}
        try:
            response = httpx2.request(
                self.method, self.url, headers={self.key_header: key} if key else {}, timeout=self.timeout, **sent
            )
            response.raise_for_status()
            return response.json()
        except httpx2.HTTPStatusError as error:
            raise WebError(f"{self.url!r} answers {error.response.status_code} to a search") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise WebError(f"{self.url!r} cannot be asked: {type(error).__name__}") from None
        except ValueError:
            raise WebError(f"{self.url!r} answers with something that is no JSON") from None

    def _named(self, result: dict[str, Any]) -> dict[str, Any]:
        names = {"title": self.title, "link": self.link, "snippet": self.snippet}
        return {**result, **{name: str(result.get(where) or "") for name, where in names.items()}}


def _serper(kind: str, results: str) -> SearchApi:
    return SearchApi(
        f"https://google.serper.dev/{kind}",
        "POST",
        count="num",
        page="page",
        results=results,
        key_variable="SERPER_API_KEY",
    )


class SerperGoogleSearchTool:
    """Google's results by way of serper.dev, whose key is in SERPER_API_KEY."""

    apis: Mapping[str, SearchApi] = {"search": _serper("search", "organic"), "news": _serper("news", "news")}
    """How each type of search is done."""

    @classmethod
    def check(cls) -> bool:
        """Tell whether there is a key."""
        return cls.apis["search"].has_key()

    @classmethod
    def search_internet(
        cls,
        query: str,
        num_results: int = 10,
        start_index: int = 1,
        search_type: Literal["search", "news"] = "search",
        print_func: Callable[[str], object] = print,
    ) -> list[dict[str, Any]] | None:
        """Search the web; for the arguments, see `SearchApi.search`.

        Returns:
            The results; None where there are none to be had, which `print_func` is told.
        """
        try:
            return cls.apis[search_type].search(query, num_results, start_index)
        except WebError as error:
            print_func(f"the search for {query!r} failed: {error}")
            return None
