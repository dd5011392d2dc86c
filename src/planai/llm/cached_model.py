"""CachedModel: a model of pydantic-ai that says the same to the same request, and is paid for it once."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic_ai import ModelMessage, ModelResponse, ModelSettings, RunContext
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai.models import (
    CompletedStreamedResponse,
    KnownModelName,
    Model,
    ModelRequestParameters,
    StreamedResponse,
)
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.usage import RequestUsage

from planai.cache.about import RESPONSES, About, load_about
from planai.cache.answer import Answer
from planai.cache.canonical import canonical, digest
from planai.cache.counters import CacheStats
from planai.cache.opening import StoreName, override
from planai.cache.store import CacheMode, Store
from planai.call import mode_of_environment
from planai.errors import CacheMiss
from planai.flow import Blocking, Flow, Until, go_along
from planai.llm.budget import cost_of, usage_of
from planai.llm.foreign import settings_of, url_of
from planai.llm.missing import Recording, explain_missing
from planai.llm.plain_messages import TEXT, lines_of, plain, shown
from planai.llm.request_key import Asked, deciding, in_order, whose
from planai.llm.responses import Room, open_room
from planai.llm.translate import KEPT, answer_of, reason_of, was_cut, written

_FORMAT = "pydantic-ai 1"
_COMPARED = 200
_NOT_DONE = frozenset({"length", "content_filter", "error"})
_asked_here: ContextVar[frozenset[str]] = ContextVar("asked_here", default=frozenset())
"""The keys that the present code has asked for: it would wait for itself."""

_parameters: TypeAdapter[ModelRequestParameters] = TypeAdapter(ModelRequestParameters)


class CachedModel(WrapperModel):
    """Keeps what a model says under the request alone, for people who use pydantic-ai directly.

    >>> import asyncio, tempfile
    >>> from pydantic_ai import Agent
    >>> from pydantic_ai.models.test import TestModel
    >>> model = CachedModel(TestModel(custom_output_text="Paris"), cache=tempfile.mkdtemp())
    >>> agent = Agent(model)
    >>> [asyncio.run(agent.run("The capital of France?")).output for _ in range(3)]
    ['Paris', 'Paris', 'Paris']
    >>> model.cache_stats.misses, model.cache_stats.hits
    (1, 2)

    Equal requests at once, also of other threads and processes, are asked once. Answers that were refused or cut off
    are not kept, nor are errors. A kept answer has no usage: nothing is paid for it.

    Args:
        wrapped: the model, or its name.
        cache: the folder, or a `Store` of your own.
        mode: see `CachedTaskWorker`; None leaves it to the environment variable PLANAI_CACHE_MODE.
        ttl: seconds after which the model is asked again; None for never.
        scope: such as a tenant: nobody gets an answer from another scope.
        sample: which of several answers to the same request; 0 for the first.
        cache_store: how entries are kept in the folder: ``"sqlite"``, ``"memory"`` or ``"diskcache"``.
    """

    def __init__(
        self,
        wrapped: Model | KnownModelName | str,
        cache: str | Path | Store = "./cache",
        *,
        mode: CacheMode | None = None,
        ttl: float | None = None,
        scope: str = "",
        sample: int = 0,
        cache_store: StoreName = "sqlite",
    ) -> None:
        super().__init__(wrapped)
        self._where = (cache, cache_store) if isinstance(cache, str | Path) else ("", cache)
        self._rooms: dict[object, Room] = {}
        self._given_mode, self._ttl = mode, ttl
        self._asked = Asked(scope, sample)
        self._refreshed: set[str] = set()

    @property
    def cache_stats(self) -> CacheStats:
        """What the cache did: hits, misses, and what they saved and cost."""
        return self._room.cache.stats

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Return what was said to this request before, or ask."""
        asked = (messages, model_settings, model_request_parameters)
        key = "" if self._mode() == "off" else self._key(*asked)
        if not key or key in _asked_here.get():
            return await super().request(*asked)
        found = await go_along(self._begin(key, *asked))
        if found is not None:
            return found
        with self._asking(key):
            began = time.perf_counter()
            response = await super().request(*asked)
            await Blocking(partial(self._keep, key, asked, response, time.perf_counter() - began))
        return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Yield what was said to this request before, as a stream, or ask for one; it is kept when it was read."""
        asked = (messages, model_settings, model_request_parameters)
        key = "" if self._mode() == "off" else self._key(*asked)
        if not key or key in _asked_here.get():
            async with super().request_stream(*asked, run_context) as stream:
                yield stream
            return
        found = await go_along(self._begin(key, *asked))
        if found is not None:
            yield CompletedStreamedResponse(
                found, model_request_parameters=model_request_parameters, replay_events=True
            )
            return
        with self._asking(key):
            began = time.perf_counter()
            async with super().request_stream(*asked, run_context) as stream:
                yield stream
                response = stream.get()
            await Blocking(partial(self._keep, key, asked, response, time.perf_counter() - began))

    async def kept(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse | None:
        """Return what was said to this request before; None where it would have to be asked."""
        if self._mode() in ("off", "refresh"):
            return None
        key = self._key(messages, model_settings, model_request_parameters)
        found: ModelResponse | None = await Blocking(partial(self._look_as_owner, key))
        return found

    # ---- inside

    def _mode(self) -> CacheMode:
        over = override()
        return self._given_mode or mode_of_environment() if over is None else over.mode

    @property
    def _room(self) -> Room:
        """Where responses are kept: here, or where a test has all workers keep theirs."""
        over = override()
        found = self._rooms.get(over)
        if found is None:
            found = self._rooms[over] = open_room(*self._where)
        return found

    def _key(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> str:
        told = {
            "messages": in_order(plain(messages)),
            "parameters": in_order(_parameters.dump_python(parameters, mode="json", fallback=str)),
            "settings": deciding({**settings_of(self), **(settings or {})}),
            "model": [self.system, self.model_name, url_of(self)],
        }
        return digest(_FORMAT.encode(), canonical(told, "the request"), canonical(whose(self._asked)))

    def _begin(self, key: str, *asked: Any) -> Flow[ModelResponse | None]:
        """Return what is kept; None when it is to be asked, and then `_end` has to follow."""
        name = f"{RESPONSES}\0{key}"
        while True:
            found: ModelResponse | None = yield Blocking(partial(self._look, key))
            if found is not None:
                return found
            if self._mode() == "replay":
                raise CacheMiss((yield Blocking(partial(self._explain, *asked))))
            if self._room.flights.begin(name):
                break
            yield Until(partial(self._room.flights.when_over, name))
        try:
            found = yield Blocking(partial(self._look_as_owner, key))
        except BaseException:  # whoever asks next must not wait for this
            self._end(key)
            raise
        if found is not None:
            self._end(key)
        return found

    def _look_as_owner(self, key: str) -> ModelResponse | None:
        """Look once more, now that nobody else asks: it may have been stored meanwhile."""
        if self._mode() == "refresh" or self._room.cache.peek(key, ttl=self._ttl)[0] is None:
            return None
        return self._look(key)

    @contextmanager
    def _asking(self, key: str) -> Iterator[None]:
        """Let those look who wait, when the answer is there; who asks the same meanwhile in here waits for nobody."""
        here = _asked_here.get()
        _asked_here.set(here | {key})
        try:
            yield
        finally:
            _asked_here.set(here)
            self._end(key)

    def _explain(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> str:
        """Return why there is no answer to a request: the nearest that there is, and what differs."""
        return explain_missing(
            f"{self.model_name!r} is asked what is not recorded, and the mode is 'replay'",
            About("", fields=shown(self, self._asked, messages, settings, parameters)),
            lines_of(plain(messages[-1:])),
            [
                Recording(about, partial(self._lines_of, info.key))
                for info in self._room.cache.notes(RESPONSES, _COMPARED)
                if (about := load_about(info.about)) and TEXT in about.fields
            ],
            TEXT,
        )

    def _lines_of(self, key: str) -> list[str]:
        hit = self._room.cache.peek(key)[0]
        return lines_of(hit.value["asked"]) if hit is not None and isinstance(hit.value, dict) else []

    def _end(self, key: str) -> None:
        self._room.flights.end(f"{RESPONSES}\0{key}")

    def _look(self, key: str) -> ModelResponse | None:
        if self._mode() == "refresh" and key not in self._refreshed:
            return None
        hit, _ = self._room.cache.look(key, ttl=self._ttl)
        if hit is None or not isinstance(hit.value, dict) or "response" not in hit.value:
            return None
        try:
            (response,) = ModelMessagesTypeAdapter.validate_python([hit.value["response"]])
        except ValueError:  # of another version of pydantic-ai
            return None
        if not isinstance(response, ModelResponse):
            return None
        took = dataclasses.asdict(response.usage)
        return dataclasses.replace(response, usage=RequestUsage(), metadata={**(response.metadata or {}), KEPT: took})

    def _keep(self, key: str, asked: tuple[Any, ...], response: ModelResponse, seconds: float) -> None:
        refused = (response.provider_details or {}).get("refusal") is not None
        is_whole = bool(response.parts) and response.state == "complete" and not refused and not was_cut(response)
        if self._mode() not in ("read_write", "refresh") or not is_whole:
            return
        if reason_of(response) in _NOT_DONE:
            return
        (said,) = json.loads(written(response))
        told = plain(asked[0][-1:])
        name = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
        answer = answer_of(response)
        about = About(name, fields=shown(self, self._asked, *asked), usage=usage_of(answer).as_texts())
        cost = cost_of([answer], seconds)
        value = {"asked": told, "response": said}
        if self._room.cache.keep(key, Answer(value, self._ttl, cost=cost, about=about.dump(), id=name)):
            self._refreshed.add(key)
