"""Pages with PlanAI's names."""

from collections.abc import Callable
from pathlib import Path

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


@pytest.mark.usefixtures("_open")
def test_a_function_for_pdfs_that_takes_print_func_gets_the_path_of_a_file(site: Website) -> None:
    told: list[str] = []

    def read(path: str, print_func: Callable[[str], object]) -> str:
        print_func("reading")
        return Path(path).read_text()

    pdf = site.put("/pdf", b"%PDF", "application/pdf")
    assert WebBrowser.get_markdown_from_page(pdf, extract_markdown_from_pdf=read, print_func=told.append) == "%PDF"
    assert told == ["reading"]


@pytest.mark.usefixtures("_open")
def test_the_content_of_a_page_is_its_html_and_of_a_pdf_a_file(site: Website, tmp_path: Path) -> None:
    page = site.put("/", "<p>x</p>")
    assert WebBrowser.get_page_content(page) == ("text/html", "<p>x</p>")
    pdf = site.put("/some/paper.pdf", b"%PDF", "application/pdf")
    kind, path = WebBrowser.get_page_content(pdf, download_path=str(tmp_path / "new"))
    assert (kind, path) == ("application/pdf", str(tmp_path / "new" / "paper.pdf"))
    assert (tmp_path / "new" / "paper.pdf").read_bytes() == b"%PDF"


def test_the_content_of_a_page_that_cannot_be_had_is_none(site: Website) -> None:
    told: list[str] = []
    assert WebBrowser.get_page_content(site.put("/", "secret"), print_func=told.append) == (None, None)
    assert "no public address" in told[0]
