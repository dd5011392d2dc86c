"""LLMInterface: PlanAI's name for all models, and a model of Ollama."""

from __future__ import annotations

import pytest

from llm.openai_server import OpenAIServer, answer
from planai import LLMInterface, LLMTaskWorker, Task, llm_from_config
from planai.errors import ConfigurationError
from planai.testing import MockLLM, ScriptedLLM, run_inline


class Number(Task):
    value: int


class Double(LLMTaskWorker):
    llm_input_type = Number
    output_types = [Number]
    prompt = "Double it."


class Annotated(Double):
    llm: LLMInterface


@pytest.mark.parametrize("llm", [ScriptedLLM([]), MockLLM(responses=[]), llm_from_config("openai", "gpt-4")])
def test_every_model_is_one(llm: object) -> None:
    assert isinstance(llm, LLMInterface)
    assert Annotated(llm=llm).llm is llm
    assert not isinstance("openai", LLMInterface)


def test_made_directly_it_is_a_model_of_ollama() -> None:
    llm = LLMInterface(model_name="qwen", host="elsewhere:11434", log_dir="logs", use_cache=False, max_tool_rounds=3)
    assert dict(llm.identity()) == dict(llm_from_config("ollama", "qwen", host="elsewhere:11434").identity())
    assert Double(llm=llm).llm is llm
    assert LLMInterface().model_name == "llama2"


def test_it_asks_the_server(server: OpenAIServer) -> None:
    server.script(answer(value=4))
    llm = LLMInterface(host=server.url.removesuffix("/v1"), support_structured_outputs=True)
    assert run_inline(Double(llm=llm), Number(value=2)).outputs == [Number(value=4)]


@pytest.mark.parametrize("llm", [LLMInterface(support_structured_outputs=True), llm_from_config("openai", "gpt-4")])
def test_that_a_server_follows_no_schemas_may_be_said_later(llm: LLMInterface) -> None:
    assert llm.support_structured_outputs
    llm.support_structured_outputs = False
    assert not llm.support_structured_outputs
    assert llm.settings()["structured_outputs"] is False


@pytest.mark.parametrize("given", [{"client": object()}, {"modle_name": "qwen"}])
def test_what_would_have_no_effect_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        LLMInterface(**given)  # type: ignore[arg-type]


def test_a_subclass_tells_its_own_instances() -> None:
    class Mine(LLMInterface):
        pass

    assert isinstance(Mine(), Mine)
    assert isinstance(Mine(), LLMInterface)
    assert not isinstance(ScriptedLLM([]), Mine)
