"""Workers with a model on the server of the tests, in a folder of one test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm.openai_server import OpenAIServer
from planai import CachedLLMTaskWorker, Task, llm_from_config
from planai.llm.client import LLM
from planai.run.result import RunResult
from planai.testing import run_inline


class Document(Task):
    text: str


class Analysis(Task):
    insight: str


class Analyze(CachedLLMTaskWorker):
    prompt = "Analyze it."
    llm_input_type = Document
    output_types = [Analysis]


def model(server: OpenAIServer, name: str = "m", **settings: Any) -> LLM:
    return llm_from_config("local", name, base_url=server.url, **{"max_retries": 0, "timeout": 20, **settings})


def make(server: OpenAIServer, folder: Path, kind: type[CachedLLMTaskWorker] = Analyze, **settings: Any) -> Any:
    return kind(**{"llm": model(server), "cache_dir": folder, **settings})


def run(worker: CachedLLMTaskWorker, *texts: str) -> RunResult:
    return run_inline(worker, *(Document(text=text) for text in texts or ("a",)))
