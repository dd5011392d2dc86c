"""Pages of a real server, as Markdown."""

import pytest

from integrations.website import Website
from planai.errors import WebError
from planai.integrations import PageFetcher

pytest.importorskip("markdownify", reason="the extra 'web' is not installed")
OPEN = PageFetcher(allow_private=True)


def test_html_becomes_markdown(site: Website) -> None:
    url = site.put("/a/page", "<title> A  page </title><h1>One</h1><p>Text, and a <a href='../b'>link</a>.</p>")
    page = OPEN.fetch(url)
    assert page.title == "A page"
    assert page.markdown == f"# One\n\nText, and a [link]({site.url('/b')})."
    assert (page.url, page.media_type) == (url, "text/html")


@pytest.mark.parametrize("media_type", ["text/plain", "text/markdown; charset=utf-8", "application/json"])
def test_text_stays_as_it_is(site: Website, media_type: str) -> None:
    assert OPEN.markdown(site.put("/", '{"a": "é"}', media_type)) == '{"a": "é"}'


def test_a_redirect_is_followed_and_told(site: Website) -> None:
    end = site.put("/end", "<p>there</p>")
    url = site.put("/start", "", status=302, headers={"Location": "/end"})
    assert (OPEN.fetch(url).url, OPEN.fetch(url).markdown) == (end, "there")


def test_redirects_in_a_circle_end(site: Website) -> None:
    url = site.put("/", "", status=302, headers={"Location": "/"})
    with pytest.raises(WebError, match="cannot be fetched"):
        OPEN.fetch(url)


def test_this_machine_is_not_reached_unless_that_is_meant(site: Website) -> None:
    with pytest.raises(WebError, match="no public address"):
        PageFetcher().fetch(site.put("/", "secret"))
    assert site.seen == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://x/y", "cannot be fetched"),
        ("file:///etc/passwd", "cannot be fetched"),
        ("http://[", "cannot be fetched"),
    ],
)
def test_other_addresses_are_refused(url: str, told: str) -> None:
    with pytest.raises(WebError, match=told):
        OPEN.fetch(url)


def test_an_error_of_the_server_is_told(site: Website) -> None:
    with pytest.raises(WebError, match="answers 404 Not Found"):
        OPEN.fetch(site.url("/nothing"))


def test_a_page_that_is_too_large_is_not_read_to_its_end(site: Website) -> None:
    url = site.put("/", "x" * 5000)
    with pytest.raises(WebError, match="more than 4000 bytes"):
        PageFetcher(allow_private=True, max_bytes=4000).fetch(url)


def test_a_server_that_stalls_is_left(site: Website) -> None:
    url = site.put("/", "some", stalls=True)
    with pytest.raises(WebError, match="does not answer in time"):
        PageFetcher(allow_private=True, timeout=0.2).fetch(url)


def test_a_server_that_is_not_there_is_told() -> None:
    with Website() as site:
        url = site.url()
    with pytest.raises(WebError, match="cannot be fetched"):
        OPEN.fetch(url)


def test_a_pdf_needs_a_reader(site: Website) -> None:
    url = site.put("/", b"%PDF", "application/pdf")
    with pytest.raises(WebError, match="pass pdf="):
        OPEN.fetch(url)
    assert OPEN.with_pdf(lambda content: content.decode() + " read").markdown(url) == "%PDF read"
    assert OPEN.with_pdf(None) is OPEN


def test_what_is_no_text_is_refused(site: Website) -> None:
    with pytest.raises(WebError, match="is 'image/png', and no text"):
        OPEN.fetch(site.put("/", b"\x89PNG", "image/png"))
