"""WebBrowser: pages as Markdown, with PlanAI's names."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from planai.errors import WebError
from planai.integrations.markdown import markdown_of
from planai.integrations.pages import PageFetcher

_PDF = "application/pdf"


class WebBrowser:
    """Reads pages of the web; what goes wrong is told to `print_func`, and gives None."""

    fetcher = PageFetcher()
    """What fetches; one with other limits may take its place."""

    @staticmethod
    def extract_markdown(html_content: str) -> str:
        """Return the Markdown of a page."""
        return markdown_of(html_content)[1]

    @classmethod
    def get_page_content(
        cls,
        url: str,
        download_path: str | Path | None = None,
        print_func: Callable[[str], object] = print,
    ) -> tuple[str | None, str | None]:
        """Fetch a page, and return its media type and its HTML; of a PDF, the path of the file where it is now.

        Args:
            url: where it is.
            download_path: the folder for PDFs; ``downloads`` in the current one by default.
            print_func: is told what went wrong; then media type and content are None.
        """
        try:
            found = cls.fetcher.download(url)
        except WebError as error:
            print_func(f"{error}")
            return None, None
        if found.media_type != _PDF:
            return found.media_type, found.content.decode(found.encoding, "replace")
        path = Path(download_path or "downloads") / (Path(urlsplit(found.url).path).name or "page.pdf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found.content)
        return found.media_type, str(path)

    @classmethod
    def get_markdown_from_page(
        cls,
        url: str,
        extract_markdown_from_pdf: Callable[..., str] | None = None,
        print_func: Callable[[str], object] = print,
    ) -> str | None:
        """Fetch a page, and return its Markdown.

        Args:
            url: where it is.
            extract_markdown_from_pdf: turns the bytes of a PDF into Markdown. One with a parameter `print_func` gets
                the path of a file in place of the bytes, and `print_func`, as PlanAI does it.
            print_func: is told what went wrong.
        """
        read = extract_markdown_from_pdf
        try:
            return cls.fetcher.with_pdf(None if read is None else _of_bytes(read, print_func)).markdown(url)
        except WebError as error:
            print_func(f"{error}")
            return None


def _of_bytes(read: Callable[..., str], print_func: Callable[[str], object]) -> Callable[[bytes], str]:
    if "print_func" not in inspect.signature(read).parameters:
        return read

    def of_file(content: bytes) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "page.pdf")
            path.write_bytes(content)
            return read(str(path), print_func=print_func)

    return of_file
