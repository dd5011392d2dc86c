"""A web site on loopback, with pages that a test puts there."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass
class Served:
    """What is answered at one path; with `stalls`, the server says that more will come, and waits."""

    body: bytes = b""
    media_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stalls: bool = False


class Website:
    """Serves `pages` by path, and notes what it was asked in `seen`: path with query, headers, and body."""

    def __init__(self) -> None:
        self.pages: dict[str, Served] = {}
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.closing = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                site.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                page = site.pages.get(self.path.split("?")[0], Served(status=404))
                self.send_response(page.status)
                length = len(page.body) + (1 if page.stalls else 0)
                for name, value in {"Content-Type": page.media_type, "Content-Length": str(length)}.items():
                    self.send_header(name, value)
                for name, value in page.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(page.body)
                if page.stalls:
                    site.closing.wait(30)

            do_POST = do_GET  # noqa: N815 - the name that http.server calls

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def put(self, path: str, body: str | bytes, media_type: str = "text/html; charset=utf-8", **more: Any) -> str:
        """Serve `body` at `path`, and return its address."""
        self.pages[path] = Served(body.encode() if isinstance(body, str) else body, media_type, **more)
        return self.url(path)

    def put_json(self, path: str, value: Any, **more: Any) -> str:
        return self.put(path, json.dumps(value), "application/json", **more)
