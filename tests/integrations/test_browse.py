"""Pages with PlanAI's names."""

import pytest

from integrations.website import Website
from planai.integrations import PageFetcher, WebBrowser

pytest.importorskip("markdownify", reason="the extra 'web' is not installed")


@pytest.fixture
def _open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebBrowser, "fetcher", PageFetcher(allow_private=True))


def test_markdown_of_html() -> None:
    assert WebBrowser.extract_markdown("<h2>Two</h2>") == "## Two"


@pytest.mark.usefixtures("_open")
def test_markdown_of_a_page(site: Website) -> None:
    assert WebBrowser.get_markdown_from_page(site.put("/", "<p>x</p>")) == "x"
    pdf = site.put("/pdf", b"%PDF", "application/pdf")
    assert WebBrowser.get_markdown_from_page(pdf, extract_markdown_from_pdf=lambda content: str(len(content))) == "4"


def test_what_cannot_be_had_is_told_and_gives_none(site: Website) -> None:
    told: list[str] = []
    assert WebBrowser.get_markdown_from_page(site.put("/", "secret"), print_func=told.append) is None
    assert "no public address" in told[0]
