"""Models that a program asks itself."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from llm.openai_server import OpenAIServer, answer, completion
from planai import LLMTaskWorker, Task, llm_from_config, tool
from planai.llm.direct import Direct
from planai.testing import MockLLM, MockLLMResponse, ScriptedLLM, run_inline


class Town(BaseModel):
    name: str


class Land(Task):
    name: str


class Reply(Task):
    text: str


def test_a_conversation_is_told_with_what_was_asked_for(server: OpenAIServer) -> None:
    server.fallback = lambda _: completion("Paris\n")
    model = llm_from_config("local", "m", base_url=server.url, max_retries=0, timeout=20)
    assert isinstance(model, Direct)
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    assert model.chat(turns, temperature=0.5, allow_json_mode=False) == "Paris"
    assert server.seen[0].turns == [("system", "s"), ("user", "u")]
    assert server.seen[0].body["temperature"] == 0.5


def test_an_object_is_made_of_the_answer_and_asked_for_again() -> None:
    model = ScriptedLLM(["no json", Town(name="Lyon"), Town(name="Paris")])
    found = model.generate_pydantic(
        "The capital of {land}?",
        Town,
        system="Be brief.",
        land="France",
        extra_validation=lambda town: None if town.name == "Paris" else "that is no capital",
    )
    assert found == Town(name="Paris")
    assert [message.text for message in model.requests[0].messages] == ["Be brief.", "The capital of France?"]
    assert "that is no capital" in model.requests[2].messages[-1].text


def test_what_stays_invalid_is_none_and_errors_are_raised() -> None:
    assert ScriptedLLM(["a", "b", "c"]).generate_pydantic("x", Town) is None
    failing = MockLLM([MockLLMResponse("x", raise_exception=True, exception=ValueError("not today"))])
    with pytest.raises(ValueError, match="not today"):
        failing.generate_pydantic("x", Town)
    with pytest.raises(ValueError, match="No matching mock response found"):
        failing.chat([{"role": "user", "content": "y"}])


def test_a_worker_may_ask_its_model_itself_and_its_call_pays(server: OpenAIServer) -> None:
    class AskAlone(LLMTaskWorker):
        prompt = "unused"
        output_types = [Reply]

        def consume_work(self, task: Land) -> None:
            assert isinstance(self.llm, Direct)
            town = self.llm.generate_pydantic("The capital of {land}?", Town, land=task.name)
            self.publish_work(Reply(text=town.name if town else ""), input_task=task)

    server.fallback = lambda _: answer(name="Paris")
    model = llm_from_config(
        "local", "m", base_url=server.url, max_retries=0, timeout=20, prices={"input": 1.0, "output": 1.0}
    )
    result = run_inline(AskAlone(llm=model), Land(name="France"))
    assert result.outputs == [Reply(text="Paris")]
    assert float(result.bill.spent.dollars) == pytest.approx(18e-6)


def test_tools_may_be_called() -> None:
    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    model = ScriptedLLM(["42"])
    assert model.chat([{"role": "user", "content": "40 + 2?"}], tools=[add]) == "42"
    assert [spec.name for spec in model.requests[0].tools] == ["add"]
