"""PageFetcher: pages of the web as Markdown."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import httpx2

from planai.errors import WebError
from planai.integrations.guard import PublicTransport
from planai.integrations.markdown import markdown_of

T = TypeVar("T")
_AGENT = "planai (+https://pypi.org/project/planai)"
_HTML = {"text/html", "application/xhtml+xml"}
_TEXT = {"application/json", "application/xml", "application/yaml"}
_TEXT_ENDS = ("+json", "+xml")


class Page(NamedTuple):
    """A page as it was found.

    Attributes:
        url: where it was in the end, after redirects.
        title: its title; empty without one.
        markdown: its content.
        media_type: such as ``"text/html"``.
    """

    url: str
    title: str
    markdown: str
    media_type: str


class Download(NamedTuple):
    """What is at an address.

    Attributes:
        url: where it was in the end, after redirects.
        media_type: such as ``"text/html"``.
        content: what the server sent.
        charset: the encoding that it named; None without one.
        encoding: that one, or the likeliest.
    """

    url: str
    media_type: str
    content: bytes
    charset: str | None
    encoding: str


class PageFetcher:
    """Fetches pages over HTTP, from public addresses only.

    Args:
        timeout: seconds that a page may take altogether.
        max_bytes: bytes that it may have.
        allow_private: fetch from this machine and private networks, too, and through the proxy of the environment.
            Leave it off where a model or a stranger chooses the addresses.
        pdf: turns the bytes of a PDF into Markdown; without it, a PDF is an error.
        user_agent: what the fetcher says it is.
    """

    def __init__(
        self,
        *,
        timeout: float = 30.0,
        max_bytes: int = 10_000_000,
        allow_private: bool = False,
        pdf: Callable[[bytes], str] | None = None,
        user_agent: str = _AGENT,
    ) -> None:
        self.timeout = timeout
        self.max_bytes = max_bytes
        self.allow_private = allow_private
        self.pdf = pdf
        self.user_agent = user_agent

    def fetch(self, url: str) -> Page:
        """Fetch a page.

        Raises:
            WebError: it cannot be had, is too large, or is neither HTML nor text.
            MissingDependency: it is HTML, and the package that reads it is not installed.
        """
        found = self.download(url)
        if found.media_type in _HTML:
            title, markdown = markdown_of(found.content, found.url, found.charset)
            return Page(found.url, title, markdown, found.media_type)
        if found.media_type == "application/pdf" and self.pdf is not None:
            return Page(found.url, "", self.pdf(found.content), found.media_type)
        if found.media_type.startswith("text/") or found.media_type in _TEXT or found.media_type.endswith(_TEXT_ENDS):
            return Page(found.url, "", found.content.decode(found.encoding, "replace"), found.media_type)
        hint = ": pass pdf=..., a function that reads one" if found.media_type == "application/pdf" else ""
        raise WebError(f"{url!r} is {found.media_type!r}, and no text{hint}")

    def download(self, url: str) -> Download:
        """Fetch what is at `url`, whatever it is.

        Raises:
            WebError: it cannot be had, or is too large.
        """
        response, content = _explained(url, lambda: self._get(url))
        media_type = response.headers.get("content-type", "text/html").split(";")[0].strip().lower()
        charset = response.charset_encoding
        return Download(str(response.url), media_type, content, charset, response.encoding or "utf-8")

    def markdown(self, url: str) -> str:
        """Return the content of a page of the web as Markdown.

        Args:
            url: the address of the page, with http:// or https://.
        """
        return self.fetch(url).markdown

    def with_pdf(self, pdf: Callable[[bytes], str] | None) -> PageFetcher:
        """Return a fetcher like this one that reads PDFs by `pdf`; None for this one."""
        if pdf is None:
            return self
        return PageFetcher(
            timeout=self.timeout,
            max_bytes=self.max_bytes,
            allow_private=self.allow_private,
            pdf=pdf,
            user_agent=self.user_agent,
        )

    def _get(self, url: str) -> tuple[httpx2.Response, bytes]:
        ends = time.monotonic() + self.timeout
        content = bytearray()
        with self._client() as client, client.stream("GET", url) as response:
            response.raise_for_status()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > self.max_bytes:
                    raise WebError(f"{url!r} has more than {self.max_bytes} bytes: raise max_bytes to read it")
                if time.monotonic() > ends:
                    raise WebError(f"{url!r} was not there after {self.timeout:g} s: raise timeout to wait longer")
        return response, bytes(content)

    def _client(self) -> httpx2.Client:
        return httpx2.Client(
            timeout=self.timeout,
            transport=None if self.allow_private else PublicTransport(),
            trust_env=self.allow_private,  # a proxy would resolve names itself
            follow_redirects=True,
            max_redirects=5,
            headers={"User-Agent": self.user_agent},
        )


def _explained(url: str, fetch: Callable[[], T]) -> T:
    try:
        return fetch()
    except httpx2.HTTPStatusError as error:
        raise WebError(f"{url!r} answers {error.response.status_code} {error.response.reason_phrase}") from None
    except httpx2.TimeoutException:
        raise WebError(f"{url!r} does not answer in time: raise timeout to wait longer") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise WebError(f"{url!r} cannot be fetched: {error}") from None
