"""HTML as Markdown: what a person reads of a page, without what only a browser needs."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

from planai.errors import MissingDependency, WebError

_UNSEEN = ["script", "style", "noscript", "template", "svg", "iframe", "head", "title", "nav", "footer", "aside"]
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n+")


def markdown_of(html: str | bytes, url: str = "", charset: str | None = None) -> tuple[str, str]:
    """Return the title and the Markdown of a page.

    Args:
        html: the page; of bytes, the encoding is found out.
        url: where it comes from, which makes its links absolute.
        charset: the encoding that the server named.

    Raises:
        MissingDependency: markdownify is not installed.
        WebError: the page is nested too deep to be read.
    """
    soup = _parsed(html, charset)
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    for element in soup.find_all(_UNSEEN):
        element.decompose()
    for element in soup.find_all(href=True):
        element["href"] = urljoin(url, element["href"])
    for element in soup.find_all(src=True):
        element["src"] = urljoin(url, element["src"])
    try:
        text = _converter().convert_soup(soup)
    except RecursionError:
        raise WebError(f"the page {url!r} is nested too deep to be read") from None
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return title, _BLANK_LINES.sub("\n\n", lines).strip()


def _parsed(html: str | bytes, charset: str | None) -> Any:
    try:
        from bs4 import BeautifulSoup  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingDependency(f'HTML is read by markdownify: pip install "planai[web]" ({error})') from error
    return BeautifulSoup(html, "html.parser", from_encoding=charset if isinstance(html, bytes) else None)


def _converter() -> Any:
    from markdownify import MarkdownConverter  # noqa: PLC0415 - an extra

    return MarkdownConverter(heading_style="ATX", bullets="-")
