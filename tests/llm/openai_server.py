"""A server on loopback that speaks OpenAI's chat completions, or whatever a test scripts."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; with `never`, the server waits until the client has gone; with `cut`, it leaves in mid-answer.

    Where there are `events`, these are sent to who asks for a stream.
    """

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    never: bool = False
    cut: bool = False
    events: bytes = b""


@dataclass(frozen=True)
class Seen:
    """One request that the server got, and when."""

    body: dict[str, Any]
    headers: dict[str, str]
    at: float
    path: str = ""

    @property
    def turns(self) -> list[tuple[str, str]]:
        return [(message["role"], message["content"]) for message in self.body["messages"]]


def completion(content: str | None, finish_reason: str = "stop", refusal: str | None = None) -> Reply:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "served"}
    return Reply(json.dumps({**head, "choices": [choice], "usage": usage}).encode())


def answer(**fields: object) -> Reply:
    """A completion whose text is a JSON object."""
    return completion(json.dumps(fields))


def failure(status: int, message: str = "scripted", **headers: str) -> Reply:
    """An error as OpenAI sends it; ``retry_after="1"`` becomes the header Retry-After."""
    body = {"error": {"message": message, "type": "scripted_error", "param": None, "code": None}}
    return Reply(json.dumps(body).encode(), status, {name.replace("_", "-"): text for name, text in headers.items()})


def garbage(body: str, content_type: str = "application/json") -> Reply:
    """A 200 that is no completion."""
    return Reply(body.encode(), headers={"content-type": content_type})


SILENCE = Reply(b"", never=True)


class OpenAIServer:
    """Answers with `replies` in turn, then with what `fallback` makes of a request; `seen` has all requests.

    With `meet`, no request is answered before so many of them are waiting at once; `at_once` tells how many are,
    `most_at_once` how many were.
    """

    def __init__(self) -> None:
        self._socket = _listen()
        config = uvicorn.Config(
            Starlette(routes=[Route("/{path:path}", self._chat, methods=["POST"])]),
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        self._server = _Uvicorn(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self.reset()

    def reset(self) -> None:
        self.replies: deque[Reply] = deque()
        self.fallback: Callable[[dict[str, Any]], Reply] = lambda _: failure(418, "nothing is scripted")
        self.seen: list[Seen] = []
        self.meet = 0
        self.most_at_once = 0
        self.at_once = 0
        self._barrier: asyncio.Barrier | None = None

    def script(self, *replies: Reply) -> None:
        self.replies.extend(replies)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    async def _chat(self, request: Request) -> Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._reply(request)
        finally:
            self.at_once -= 1

    async def _reply(self, request: Request) -> Response:
        self.seen.append(Seen(await request.json(), dict(request.headers), time.monotonic(), request.url.path))
        reply = self.replies.popleft() if self.replies else self.fallback(self.seen[-1].body)
        if self.meet:
            self._barrier = self._barrier or asyncio.Barrier(self.meet)
            await self._barrier.wait()
        await asyncio.sleep(0)  # lets a request in that comes at the same time
        while reply.never and (await request.receive())["type"] != "http.disconnect":
            pass
        if reply.events and self.seen[-1].body.get("stream"):
            reply = replace(reply, body=reply.events, headers={"content-type": "text/event-stream"})
        if reply.cut:
            return _Cut(reply.body, reply.status, reply.headers, media_type="application/json")
        return Response(reply.body, reply.status, reply.headers, media_type="application/json")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._server.ready.wait(10), "the server did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


class _Cut(Response):
    """Sends a half of its body, and ends the connection."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
        raise ConnectionAbortedError


class _Uvicorn(uvicorn.Server):
    """Tells when it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()


def _listen() -> socket.socket:
    """Listen on a free port; the explicit protocol makes asyncio set TCP_NODELAY, without which a call takes 40 ms."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener
