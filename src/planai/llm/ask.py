"""Ask: the step of asking a model once, which a thread takes as well as an event loop."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

from planai.flow import Blocking
from planai.llm.client import LLM, Answer, MayTryAgain, OnChunk, Request


class Ask(Blocking):
    """The step of asking a model: in this thread, or beside an event loop, of as many models at once as one likes."""

    __slots__ = ("_llm", "_may_try_again", "_on_chunk", "_request")

    def __init__(self, llm: LLM, request: Request, on_chunk: OnChunk | None, may_try_again: MayTryAgain) -> None:
        self._llm, self._request, self._on_chunk = llm, request, on_chunk
        tries_again = getattr(llm, "tries_again", False)
        self._may_try_again: dict[str, Any] = {"may_try_again": may_try_again} if tries_again else {}
        super().__init__(partial(llm.ask, request, *self._more(), **self._may_try_again))

    def __await__(self) -> Generator[Any, Any, Answer]:
        """Ask without holding a thread, where the model can be asked so."""
        ask_async = getattr(self._llm, "ask_async", None)
        asked = (
            self._in_a_thread() if ask_async is None else ask_async(self._request, *self._more(), **self._may_try_again)
        )
        found: Answer = yield from asked.__await__()
        return found

    async def _in_a_thread(self) -> Answer:
        import asyncio  # noqa: PLC0415 - costs 50 ms, and programs without async workers need none of it

        from planai.llm.loop import with_chunks  # noqa: PLC0415 - likewise

        if self._on_chunk is None:
            return await asyncio.to_thread(self.take)
        ask = partial(self._llm.ask, self._request, **self._may_try_again)
        return await with_chunks(lambda tell: asyncio.ensure_future(asyncio.to_thread(ask, tell)), self._on_chunk)

    def _more(self) -> tuple[OnChunk, ...]:
        return () if self._on_chunk is None else (self._on_chunk,)
