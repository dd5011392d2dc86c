"""Pages in a real browser, at a real server."""

import shutil

import httpx2
import pytest

from integrations.website import Website
from planai.errors import WebError
from planai.integrations.browser import BrowserFetcher

pytest.importorskip("playwright", reason="the extra 'browser' is not installed")
pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), reason="there is no Chromium here"
)


def test_what_a_script_writes_is_there(site: Website) -> None:
    site.put_json("/data", {"text": "from the server"})
    script = "fetch('/data').then(r => r.json()).then(d => document.body.innerHTML = '<h1>' + d.text + '</h1>')"
    url = site.put("/", f"<title>T</title><body>empty<script>{script}</script></body>")
    page = BrowserFetcher(allow_private=True).fetch(url)
    assert (page.title, page.markdown) == ("T", "# from the server")


def test_a_redirect_is_followed_before_the_browser_sees_it(site: Website) -> None:
    end = site.put("/end", "<a href='x'>link</a>")
    url = site.put("/start", "", status=302, headers={"Location": "/end"})
    page = BrowserFetcher(allow_private=True).fetch(url)
    assert (page.url, page.markdown) == (end, f"[link]({site.url('/x')})")


def test_this_machine_is_not_reached_unless_that_is_meant(site: Website) -> None:
    with pytest.raises(WebError, match="no public address"):
        BrowserFetcher().fetch(site.put("/", "secret"))
    assert site.seen == []


def test_a_page_cannot_make_the_browser_reach_elsewhere(site: Website) -> None:
    secret = site.put("/secret", "secret")
    html = f"""<body>public<img src="{secret}"><iframe src="{secret}"></iframe><link rel="prefetch" href="{secret}">
        <script>
            fetch("{secret}").catch(() => 0);
            new WebSocket("{secret.replace("http", "ws")}");
            navigator.sendBeacon("{secret}");
            fetch("/away").catch(() => 0);
        </script></body>"""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.host != "1.1.1.1":
            raise WebError("not public")
        if request.url.path == "/away":
            return httpx2.Response(302, headers={"Location": secret})
        return httpx2.Response(200, html=html)

    page = BrowserFetcher(transport=httpx2.MockTransport(answer)).fetch("http://1.1.1.1/")
    assert "public" in page.markdown
    assert site.seen == []


def test_the_browser_has_no_network_of_its_own(site: Website) -> None:
    script = f"new WebSocket('{site.url('/socket').replace('http', 'ws')}').onerror = () => document.body.append('cut')"
    page = BrowserFetcher(allow_private=True).fetch(site.put("/", f"<body><script>{script}</script></body>"))
    assert page.markdown == "cut"
    assert "/socket" not in [path for path, _, _ in site.seen]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "chrome://version", "about:blank", "no address"])
def test_only_pages_of_the_web_are_opened(url: str) -> None:
    with pytest.raises(WebError, match="no address of a page"):
        BrowserFetcher().fetch(url)


def test_an_error_of_the_server_is_told(site: Website) -> None:
    with pytest.raises(WebError, match="404"):
        BrowserFetcher(allow_private=True).fetch(site.url("/nothing"))


def test_a_browser_that_is_not_there_is_told(site: Website) -> None:
    with pytest.raises(WebError, match="cannot be opened in a browser"):
        BrowserFetcher(allow_private=True, executable="/nothing").fetch(site.put("/", "x"))
