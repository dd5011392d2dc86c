"""Asking models through pydantic-ai, on the one event loop of the process."""

from __future__ import annotations

import asyncio
import queue
import random
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, cast

from pydantic_ai import ModelMessage, ModelResponse, ModelSettings
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    UserError,
)
from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models import Model, ModelRequestParameters

from planai.call import current_activation
from planai.errors import ModelError, ModelUnavailable
from planai.llm.client import Answer, MayTryAgain, OnChunk, Request
from planai.llm.foreign import ForeignModel, single_models
from planai.llm.loop import LoopThread, run, running_loop_thread, start, with_chunks
from planai.llm.providers import build
from planai.llm.remote import RemoteModel
from planai.llm.secrets import without_secrets
from planai.llm.translate import answer_of, history_of, parameters_of, was_cut

Described = RemoteModel | ForeignModel

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
_LOOK_SECONDS = 0.25
_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_PASSING = (
    ModelHTTPError,
    ModelConnectionError,
    ModelRequestTimeout,
    ModelRateLimitError,
    ModelServerError,
    TimeoutError,
)
_GIVEN_UP = frozenset({408, 499, 504, 524})
"""Of a gateway that waits no longer for who may answer all the same."""

_NEVER_REACHED = ("connect", "pool")
_OF_PROVIDERS = ("anthropic_", "google_", "openai_", "openrouter_")
"""How settings begin that only one provider has."""

_CACHING = frozenset({"anthropic", "bedrock"})
_bound: weakref.WeakKeyDictionary[Described, tuple[LoopThread, Model]] = weakref.WeakKeyDictionary()


def ask(model: Described, request: Request, on_chunk: OnChunk | None, may_try_again: MayTryAgain) -> Answer:
    """Ask `model`, and wait for its answer.

    Args:
        model: who is asked.
        request: what it is told.
        on_chunk: gets the text while it comes; None for all of it at the end.
        may_try_again: is asked before another try, where the provider may charge for the one before.

    Raises:
        ModelUnavailable: the server cannot be reached, or answers with an error.
    """
    chunks: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    future = start(_told(model, request, may_try_again, None if on_chunk is None else chunks.put))
    future.add_done_callback(lambda _: chunks.put(None))
    return _awaited(future, chunks, on_chunk)


async def ask_async(model: Described, request: Request, on_chunk: OnChunk | None, may_try_again: MayTryAgain) -> Answer:
    """Do what `ask` does, for a program with an event loop of its own."""
    if on_chunk is None:
        return await asyncio.wrap_future(start(_told(model, request, may_try_again)))
    told = partial(_told, model, request, may_try_again)
    return await with_chunks(lambda tell: asyncio.wrap_future(start(told(tell))), on_chunk)


def find_kept(model: ForeignModel, request: Request) -> Answer | None:
    """Return what the cache of a model object has, without asking for it."""
    response: ModelResponse | None = run(_kept(model, request))
    return None if response is None else answer_of(response, model.prices, model.dollars_for)


async def _kept(model: ForeignModel, request: Request) -> ModelResponse | None:
    bound: Any = _bind(model)
    found: ModelResponse | None = await bound.kept(*_in_its_words(bound, model, request))
    return found


def _awaited(future: Future[Answer], chunks: queue.SimpleQueue[str | None], on_chunk: OnChunk | None) -> Answer:
    """Wait for the answer, and hand on what comes of it in the thread that asks, where a worker may do all it may.

    When the wait is interrupted, or the call that it is for was aborted, the request is cancelled.
    """
    try:
        while True:
            try:
                chunk = chunks.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if _is_aborted():
                    raise ModelUnavailable(
                        "the answer was not waited for: its work was aborted", may_be_billed=True
                    ) from None
                continue
            if chunk is None:
                return _outcome(future)
            if on_chunk is not None:
                on_chunk(chunk)
    except BaseException:
        future.cancel()
        raise


def _outcome(future: Future[Answer]) -> Answer:
    """Return the answer, or raise what went wrong: from here, since nobody can use a line inside of a future."""
    error = future.exception()
    if error is not None:
        raise error
    return future.result()


def _is_aborted() -> bool:
    """Tell whether the present call was; one that is to end with its run may still have ten seconds to do so."""
    activation = current_activation()
    call = None if activation is None else activation.call
    return activation is not None and call is not None and call.id in activation.scope.aborted


async def _told(
    model: Described, request: Request, may_try_again: MayTryAgain, on_chunk: Callable[[str], Any] | None = None
) -> Answer:
    """Ask, and say what went wrong in words that help."""
    try:
        return await _tried(model, request, may_try_again, on_chunk)
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001 - three libraries raise what they like, on what a server sends
        # Not chained: the text of an error may hold the key, and a traceback would show it.
        raise ModelUnavailable(
            without_secrets(_explained(error, model), model.secrets(request)), may_be_billed=_may_be_billed(error)
        ) from None


async def _tried(
    model: Described, request: Request, may_try_again: MayTryAgain, on_chunk: Callable[[str], Any] | None
) -> Answer:
    """Ask, and again after a pause where that may help."""
    bound = _bind(model)
    for tries in range(model.max_retries + 1):
        if tries and on_chunk is not None:
            on_chunk("")
        try:
            async with asyncio.timeout(model.timeout):
                response = await _asked(bound, model, request, on_chunk)
                return answer_of(response, model.prices, model.dollars_for)
        except (ModelAPIError, TimeoutError) as error:
            pause = _pause(error, tries, model)
            if tries == model.max_retries or pause is None:
                raise
            if _may_be_billed(error) and not may_try_again():
                raise
        await asyncio.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _pause(error: Exception, tries: int, model: Described) -> float | None:
    """Return the seconds after which to try again, as the server says if it does; None where that is of no use."""
    if isinstance(error, ModelHTTPError) and error.status_code not in _RETRIED:
        return None
    if isinstance(error, ModelQuotaExceededError) or not isinstance(error, _PASSING):
        return None
    wanted: float | None = error.retry_after if isinstance(error, ModelAPIError) else None
    if wanted is not None:
        return wanted if wanted <= _longest_pause(model) else None
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**tries) * random.uniform(0.75, 1.0)  # noqa: S311 - no secret


def _longest_pause(model: Described) -> float:
    """Return how many seconds are waited at most where a server asks for a pause."""
    return max(model.timeout, _LONGEST_PAUSE)


def _may_be_billed(error: BaseException) -> bool:
    """Tell whether a provider may charge for a try that has failed: unless it refused, or was never reached."""
    match error:
        case BaseExceptionGroup():  # of several models, each asked after the other
            return any(map(_may_be_billed, error.exceptions))
        case ModelHTTPError():
            return error.status_code in _GIVEN_UP
        case ModelConnectionError():
            return error.phase not in _NEVER_REACHED
    return not isinstance(error, UserError | ImportError)


async def _asked(
    bound: Model, model: Described, request: Request, on_chunk: Callable[[str], Any] | None
) -> ModelResponse:
    messages, settings, parameters = _in_its_words(bound, model, request)
    if on_chunk is None:
        said = await model_request(bound, messages, model_settings=settings, model_request_parameters=parameters)
        return _whole(said, model, streamed=False)
    stream = model_request_stream(bound, messages, model_settings=settings, model_request_parameters=parameters)
    async with stream as response:
        async for event in response:
            match event:
                case PartStartEvent(part=TextPart(content=text)) if text:
                    on_chunk(text)
                case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                    on_chunk(text)
    return _whole(response.get(), model, streamed=True)


def _whole(said: ModelResponse, model: Described, *, streamed: bool) -> ModelResponse:
    """Return what was said, or raise that its connection was closed in mid-answer."""
    if was_cut(said, streamed=streamed):
        raise ModelConnectionError(model.model_name, "the stream ended before the server said why", phase="read")
    return said


def _in_its_words(
    bound: Model, model: Described, request: Request
) -> tuple[list[ModelMessage], ModelSettings, ModelRequestParameters]:
    given = {**model.sent(), **request.settings}
    if isinstance(model, RemoteModel):
        _require_known(given)
    settings = cast("ModelSettings", {**_caching(model, request), **_once(bound), **given})
    parameters = parameters_of(request, bound, follows_schemas=model.structured_outputs)
    return history_of(request.messages), settings, parameters


def _once(bound: Model) -> dict[str, Any]:
    """Let no client of a user's own try again unseen, which may be charged for: who asks does, for all in one way."""
    clients = (getattr(one, "client", None) for one in single_models(bound))
    return {"max_retries": 0} if any(getattr(client, "max_retries", 0) for client in clients) else {}


def _require_known(settings: Mapping[str, Any]) -> None:
    """Make sure that each setting is one: pydantic-ai leaves others out without a word."""
    unknown = [name for name in settings.keys() - ModelSettings.__annotations__ if not name.startswith(_OF_PROVIDERS)]
    if unknown:
        raise UserError(
            f"there is no setting {', '.join(sorted(unknown))}: what a server is to get as it is goes into extra_body, "
            "as in model_settings={'extra_body': {...}}"
        )


def _caching(model: Described, request: Request) -> dict[str, Any]:
    """Have the provider keep what its next request begins with: tools and instructions, and rounds of tools."""
    if model.provider not in _CACHING or not getattr(model, "prompt_caching", True):
        return {}
    return {"cache": {"messages": bool(request.tools)}}


def _bind(model: Described) -> Model:
    """Return the client of `model` on the present loop: after a fork, there is another loop and another client."""
    owner = running_loop_thread()
    known = _bound.get(model)
    if known is not None and known[0] is owner:
        return known[1]
    built = build(model)
    _bound[model] = (owner, built.model)
    if built.close is not None:
        owner.closers.add(built.close)
        weakref.finalize(model, owner.drop, built.close).atexit = False
    return built.model


def _explained(error: Exception, model: Described) -> str:
    """Say what went wrong, and what to do; a server may have echoed a secret."""
    who, cause = f"{model.model_name!r} of {model.provider!r}", f"({type(error).__name__}: {error})"
    where = model.url() or "its provider"
    match error:
        case ModelTimeoutError() | ModelRequestTimeout() | TimeoutError():
            return f"{who} timed out: no answer within {model.timeout:g} s; raise timeout, or ask for less {cause}"
        case ModelConnectionError() if error.phase in ("read", "write"):
            return f"{who} at {where} closed the connection before its answer was complete {cause}"
        case ModelConnectionError():
            return f"no server answers for {who} at {where}: start it, or pass another base_url {cause}"
        case ModelAuthenticationError() if model.variables():
            return f"{who} refuses the key: look at {' or '.join(model.variables())}, or pass api_key {cause}"
        case UserError():
            return f"{who} cannot be asked in this way {cause}"
        case ModelHTTPError(retry_after=float() as wanted) if wanted > _longest_pause(model):
            return f"{who} at {where} asks for a pause of {wanted:.0f} s, longer than timeout: try again then {cause}"
        case ModelHTTPError(status_code=404):
            return (
                f"{where} has no {who}: pass another model_name, or, where it speaks OpenAI's protocol, a base_url "
                f"up to and with /v1 {cause}"
            )
        case ModelAPIError() if type(error) is not ModelAPIError:
            return f"{who} at {where} answered with an error {cause}"
    return (
        f"what came from {where} for {who} is no answer of a model: "
        f"is it the right server, and does base_url go up to and with /v1 where it speaks OpenAI's protocol? {cause}"
    )
