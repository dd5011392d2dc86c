"""Recording and replaying: pipelines of model calls as tests that ask nobody, from text files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from pydantic_ai import Agent, ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

from llm.openai_server import OpenAIServer, answer
from llm.workers import Analysis, Analyze, Document, make, model, run
from planai import CachedLLMTaskWorker, Graph, Task
from planai.cache.opening import overriding
from planai.errors import CacheMiss
from planai.llm import CachedModel
from planai.testing import ScriptedLLM
from planai.testing.fixtures import FixtureStore

KEY = "sk-recorded-0123456789"


class Edited(Analyze):
    cache_name = "llm.workers:Analyze"

    def post_process(self, response: Analysis, input_task: Document) -> None:
        self.publish_work(Analysis(insight=f"{response.insight}, edited"))


class Summary(Task):
    text: str


class Sum(CachedLLMTaskWorker):
    prompt = "Sum it up."
    llm_input_type = Analysis
    output_types = [Summary]


def record(server: OpenAIServer, tmp_path: Path) -> Path:
    server.fallback = lambda body: answer(insight="x") if "Analyze" in str(body) else answer(text="a sum")
    folder = tmp_path / "fixtures"
    settings = {"extra_headers": {"X-Secret": KEY}}
    with overriding(FixtureStore(folder), "refresh"):
        assert run(make(server, tmp_path, llm=model(server, api_key=KEY), model_settings=settings)).ok
    return folder


def test_recordings_are_readable_and_have_no_keys(server: OpenAIServer, tmp_path: Path) -> None:
    folder = record(server, tmp_path)
    files = list(folder.rglob("*.json"))
    responses = [file for file in files if "responses" in file.parent.name]
    (content,) = [json.loads(file.read_text()) for file in responses]
    text = json.dumps(content)
    assert "Analyze it." in text
    assert not [file for file in files if KEY in file.read_text()]


def test_python_may_change_over_recordings(server: OpenAIServer, tmp_path: Path) -> None:
    folder = record(server, tmp_path)
    nobody = make(server, tmp_path, Edited, llm=model(server, api_key="another"))
    with overriding(FixtureStore(folder), "replay"):
        assert run(nobody).outputs == [Analysis(insight="x, edited")]
        (failed,) = run(nobody, "b").failures
    assert isinstance(failed.error, CacheMiss)
    assert '-  "text": "a"\n    +  "text": "b"' in str(failed.error)
    assert len(server.seen) == 1


def test_a_whole_pipeline_is_replayed(server: OpenAIServer, tmp_path: Path) -> None:
    def pipeline(mode: Any, llm: Any) -> Any:
        graph = Graph(name="pipeline")
        analyze, summarise = (kind(llm=llm, cache_dir=tmp_path) for kind in (Analyze, Sum))
        graph.add_workers(analyze, summarise)
        graph.set_dependency(analyze, summarise).sink(Summary)
        return graph.run([(analyze, Document(text="a"))], cache_mode=mode, display_terminal=False)

    server.fallback = lambda body: answer(insight="x") if "Analyze" in str(body) else answer(text="a sum")
    recorded = pipeline("refresh", model(server))
    replayed = pipeline("replay", model(server))
    assert recorded.outputs == replayed.outputs == [Summary(text="a sum")]
    assert (len(server.seen), replayed.bill.spent.answers) == (2, 0)


def test_models_of_pydantic_ai_are_recorded_too(tmp_path: Path) -> None:
    lines = iter(["Paris", "Rome"])
    saying = FunctionModel(lambda messages, info: ModelResponse(parts=[TextPart(next(lines))]), model_name="m")
    cached = CachedModel(saying, cache=tmp_path / "own")

    def ask() -> str:
        return asyncio.run(Agent(cached).run("The capital of France?")).output

    with overriding(FixtureStore(tmp_path / "fixtures"), "refresh"):
        assert ask() == "Paris"
    with overriding(FixtureStore(tmp_path / "fixtures"), "replay"):
        assert ask() == "Paris"
    assert ask() == "Rome"


def test_a_model_that_is_not_there_is_not_needed(server: OpenAIServer, tmp_path: Path) -> None:
    run(make(server, tmp_path, llm=ScriptedLLM([Analysis(insight="x")])))
    assert run(make(server, tmp_path, Edited, llm=ScriptedLLM([]), cache_mode="replay")).ok
