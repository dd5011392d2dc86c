"""WebBrowser: pages as Markdown, with PlanAI's names."""

from __future__ import annotations

from collections.abc import Callable

from planai.errors import WebError
from planai.integrations.markdown import markdown_of
from planai.integrations.pages import PageFetcher


class WebBrowser:
    """Reads pages of the web; what goes wrong is told to `print_func`, and gives None."""

    fetcher = PageFetcher()
    """What fetches; one with other limits may take its place."""

    @staticmethod
    def extract_markdown(html_content: str) -> str:
        """Return the Markdown of a page."""
        return markdown_of(html_content)[1]

    @classmethod
    def get_markdown_from_page(
        cls,
        url: str,
        extract_markdown_from_pdf: Callable[[bytes], str] | None = None,
        print_func: Callable[[str], object] = print,
    ) -> str | None:
        """Fetch a page, and return its Markdown.

        Args:
            url: where it is.
            extract_markdown_from_pdf: turns the bytes of a PDF into Markdown.
            print_func: is told what went wrong.
        """
        try:
            return cls.fetcher.with_pdf(extract_markdown_from_pdf).markdown(url)
        except WebError as error:
            print_func(f"{error}")
            return None
