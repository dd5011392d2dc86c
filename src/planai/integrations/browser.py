"""BrowserFetcher: pages as a real browser shows them, for those that are empty without their scripts."""

from __future__ import annotations

import os
import shutil
from typing import Any
from urllib.parse import urlsplit

import httpx2

from planai.errors import MissingDependency, WebError
from planai.integrations.guard import PublicTransport
from planai.integrations.markdown import markdown_of
from planai.integrations.pages import Page

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_NOT_PASSED_ON = {"content-encoding", "content-length", "transfer-encoding", "connection"}
_MILLISECONDS = 1000


class BrowserFetcher:
    """Opens pages in Chromium, lets their scripts run, and returns what is there then as Markdown.

    The browser has no network of its own: what it asks for is fetched for it, from public addresses only.

    Args:
        timeout: seconds that a page may take altogether.
        allow_private: fetch from this machine and private networks, too.
        executable: where Chromium is; by default what playwright has installed, or else the system's.
        transport: what fetches in place of HTTP to public addresses.
    """

    def __init__(
        self,
        *,
        timeout: float = 30.0,
        allow_private: bool = False,
        executable: str | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.timeout = timeout
        self.allow_private = allow_private
        self.executable = executable or next(filter(None, map(shutil.which, _NAMES)), None)
        self.transport = transport

    def fetch(self, url: str) -> Page:
        """Open a page, wait until it is quiet, and return it; it may be called in several threads at once.

        Raises:
            WebError: the page or the browser cannot be had.
            MissingDependency: playwright is not installed.
        """
        sync_playwright, playwright_error = _playwright()
        if urlsplit(url).scheme not in ("http", "https"):
            raise WebError(f"{url!r} is no address of a page: it begins with http:// or https://")
        with self._client() as client:
            found = self._resolved(client, url)
            try:
                with sync_playwright() as playwright:
                    return self._opened(playwright, client, found)
            except playwright_error as error:
                raise WebError(f"{url!r} cannot be opened in a browser: {str(error).splitlines()[0]}") from None

    def markdown(self, url: str) -> str:
        """Return the content of a page as Markdown.

        Args:
            url: the address of the page, with http:// or https://.
        """
        return self.fetch(url).markdown

    def _client(self) -> httpx2.Client:
        transport = self.transport or (None if self.allow_private else PublicTransport())
        return httpx2.Client(
            transport=transport, trust_env=self.allow_private, timeout=self.timeout, follow_redirects=True
        )

    def _resolved(self, client: httpx2.Client, url: str) -> str:
        """Return where a page is after redirects, which a browser would follow unasked."""
        try:
            with client.stream("GET", url) as response:
                response.raise_for_status()
                return str(response.url)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise WebError(f"{url!r} cannot be fetched: {error}") from None

    def _opened(self, playwright: Any, client: httpx2.Client, url: str) -> Page:
        browser = playwright.chromium.launch(
            executable_path=self.executable,
            args=["--host-resolver-rules=MAP * ~NOTFOUND"],  # whatever is not routed below gets nowhere
            chromium_sandbox=os.geteuid() != 0,  # which Chromium does not start with for root
        )
        try:
            page = browser.new_page()
            page.route("**/*", lambda route: _serve(route, client))
            page.goto(url, timeout=self.timeout * _MILLISECONDS, wait_until="networkidle")
            title, markdown = markdown_of(page.content(), url)
            return Page(url, page.title() or title, markdown, "text/html")
        finally:
            browser.close()


def _serve(route: Any, client: httpx2.Client) -> None:
    """Fetch what the browser asks for."""
    asked = route.request
    try:
        response = client.request(asked.method, asked.url, headers=asked.headers, content=asked.post_data_buffer)
    except (httpx2.HTTPError, httpx2.InvalidURL, WebError):
        route.abort()
        return
    headers = {name: value for name, value in response.headers.items() if name not in _NOT_PASSED_ON}
    route.fulfill(status=response.status_code, headers=headers, body=response.content)


def _playwright() -> tuple[Any, type[Exception]]:
    try:
        from playwright.sync_api import Error, sync_playwright  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingDependency(f'a browser needs playwright: pip install "planai[browser]" ({error})') from error
    return sync_playwright, Error
