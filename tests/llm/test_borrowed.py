"""Model objects that are asked by their own methods: those of llm_interface, and those that a test has altered."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from planai import CachedLLMTaskWorker, ChatMessage, ChatTask, ChatTaskWorker, LLMInterface, LLMTaskWorker, Task
from planai.errors import InvalidAnswer
from planai.llm.borrowed import Borrowed
from planai.llm.client import Answer, Message, Request, ToolCall
from planai.llm.media import MediaTask
from planai.testing import MockLLM, MockLLMResponse, ScriptedLLM, run_inline


class Question(Task):
    text: str


class Picture(MediaTask):
    text: str = ""


class Reply(Task):
    text: str


class Ask(LLMTaskWorker):
    llm_input_type: type[Task] | None = Question
    output_types = [Reply]
    prompt = "Answer politely."


class Look(Ask):
    llm_input_type: type[Task] | None = Picture


class AskOnce(CachedLLMTaskWorker):
    llm_input_type = Question
    output_types = [Reply]
    prompt = "Answer politely."


class Theirs:
    """What workers see of a model object of llm_interface."""

    support_structured_outputs = True

    def __init__(self, model_name: str = "theirs", answer: str | None = "yes") -> None:
        self.model_name = model_name
        self.answer = answer
        self.told: list[dict[str, Any]] = []

    @staticmethod
    def get_format_instructions(kind: type[BaseModel]) -> str:
        return f"as {kind.__name__}"

    def generate_pydantic(self, **told: Any) -> BaseModel | None:
        self.told.append(told)
        if self.answer is None:
            return None
        response: BaseModel = told["output_schema"](text=self.answer)
        problem = told["extra_validation"](response)
        return response if problem is None else None

    def chat(self, messages: list[dict[str, str]], **told: Any) -> str:
        self.told.append(told)
        return f"{messages[-1]['content']}?"


def test_a_worker_asks_a_borrowed_model_by_its_own_method() -> None:
    model = Theirs()
    ask = Ask(llm=model, temperature=0.5)
    assert run_inline(ask, Question(text="Well?")).outputs == [Reply(text="yes")]
    [told] = model.told
    assert told["prompt_template"].format(**told).endswith("Answer politely.")
    assert '"Well?"' in told["task"]
    assert (told["system"], told["tools"], told["images"]) == (ask.system_prompt, None, None)
    assert told["temperature"] == 0.5
    assert ask.llm.model_name == "theirs"


def test_it_is_told_the_form_of_the_answer_where_it_follows_no_schema() -> None:
    model = Theirs()
    model.support_structured_outputs = False
    run_inline(Ask(llm=model), Question(text="Well?"))
    assert model.told[0]["prompt_template"].format(**model.told[0]).endswith("Answer politely.\n\nas Reply")


def test_it_gets_tools_and_pictures_as_they_are() -> None:
    def lamp(on: bool) -> str:
        """Switch the lamp."""
        return str(on)

    model = Theirs()
    run_inline(Look(llm=model, tools=[lamp], max_tool_rounds=3), Picture(images=["nowhere.png"]))
    assert model.told[0]["images"] == ["nowhere.png"]
    assert [tool.name for tool in model.told[0]["tools"]] == ["lamp"]
    assert model.told[0]["max_tool_rounds"] == 3


class OfTheirPackage(Theirs):
    __module__ = "llm_interface.theirs"


class Picky(Ask):
    def extra_validation(self, response: Reply, input_task: Question) -> str | None:
        return "too short" if len(response.text) < 5 else None


@pytest.mark.parametrize(("worker", "answer"), [(Ask, None), (Picky, "yes")])
def test_a_call_without_a_valid_answer_has_failed(worker: type[Ask], answer: str | None) -> None:
    [failure] = run_inline(worker(llm=Theirs(answer=answer)), Question(text="Well?")).failures
    assert isinstance(failure.error, InvalidAnswer)
    assert str(failure.error) == f"'theirs' gave {worker.__name__!r} no valid answer"


def test_what_comes_of_it_is_kept_under_its_model(tmp_path: Path) -> None:
    models = [OfTheirPackage(), OfTheirPackage(), OfTheirPackage("other"), OfTheirPackage(answer="no")]
    for model in models:
        run_inline(AskOnce(llm=model, cache_dir=tmp_path), Question(text="Well?"))
    assert [len(model.told) for model in models] == [1, 0, 1, 1]


def test_a_chat_goes_on_by_its_own_method() -> None:
    model = Theirs()
    turn = ChatTask(messages=[ChatMessage(role="user", content="Hello")])
    assert run_inline(ChatTaskWorker(llm=model), turn).outputs == [ChatMessage(role="assistant", content="Hello?")]
    assert model.told == [{"tools": None, "allow_json_mode": False}]


def test_it_can_be_asked_for_text() -> None:
    chunks: list[str] = []
    model = Borrowed(Theirs())
    assert model.ask(Request((Message("user", "Hello"),)), chunks.append).text == "Hello?"
    assert (chunks, model.answer) == (["Hello?"], "yes")


def test_a_method_that_a_test_puts_in_place_of_ours_is_asked() -> None:
    model = LLMInterface()
    vars(model)["generate_pydantic"] = lambda **told: Reply(text=told["system"])
    assert run_inline(Ask(llm=model, system_prompt="calm"), Question(text="Well?")).outputs == [Reply(text="calm")]


def test_a_class_may_add_to_what_ours_does() -> None:
    class Counting(MockLLM):
        count = 0

        def generate_pydantic(self, *args: Any, **told: Any) -> Any:
            self.count += 1
            return super().generate_pydantic(*args, **told)

    model = Counting([MockLLMResponse(pattern="(?s)input data:.*Well", response=Reply(text="yes"))])
    assert run_inline(Ask(llm=model), Question(text="Well?")).outputs == [Reply(text="yes")]
    assert model.count == 1


@dataclass
class TheirTool:
    """What llm_interface makes of a function."""

    name: str
    description: str
    parameters: dict[str, Any]
    func: Callable[..., Any]


MULTIPLY = TheirTool("multiply", "Multiply.", {"type": "object", "properties": {}}, lambda x, y: x * y)


class Reckon(Ask):
    tools: list[Any] | None = [MULTIPLY]


@pytest.mark.parametrize("make", [Reckon, partial(Ask, tools=[MULTIPLY])], ids=["in the class", "as a setting"])
def test_tools_of_llm_interface_are_called_by_any_model(make: Callable[..., Ask]) -> None:
    call = ToolCall("1", "multiply", '{"x": 6, "y": 7}')
    model = ScriptedLLM([Answer("", calls=(call,)), Reply(text="done")])
    assert run_inline(make(llm=model), Question(text="Well?")).outputs == [Reply(text="done")]
    assert [spec.description for spec in model.requests[0].tools] == ["Multiply."]
    assert model.requests[1].messages[-1].text == "42"


def test_the_code_of_tools_of_llm_interface_is_in_keys(tmp_path: Path) -> None:
    def hits_with(func: Callable[..., Any]) -> int:
        times = TheirTool("times", "Multiply.", {"type": "object", "properties": {}}, func)
        ask = AskOnce(llm=ScriptedLLM([Reply(text="done")]), cache_dir=tmp_path, tools=[times])
        return run_inline(ask, Question(text="Well?")).cache_hits

    assert [hits_with(func) for func in (lambda x: 2 * x, lambda x: 3 * x, lambda x: 2 * x)] == [0, 0, 1]


@pytest.mark.parametrize("replace_first", [False, True])
def test_what_took_the_place_of_our_method_is_in_the_key(tmp_path: Path, *, replace_first: bool) -> None:
    model = ScriptedLLM(lambda _: '{"text": "ours"}')
    worker = AskOnce(llm=model, cache_dir=tmp_path)
    if not replace_first:
        assert run_inline(worker, Question(text="Well?")).outputs == [Reply(text="ours")]
    for said in ("a", "b", "a"):
        vars(model)["generate_pydantic"] = partial(reply, said) if replace_first else replying(said)
        assert run_inline(worker, Question(text="Well?")).outputs == [Reply(text=said)]
    vars(model).pop("generate_pydantic")
    assert run_inline(worker, Question(text="Well?")).outputs == [Reply(text="ours")]


def reply(said: str, **_: Any) -> Reply:
    return Reply(text=said)


def replying(said: str) -> Callable[..., Reply]:
    return lambda **_: Reply(text=said)


def test_objects_of_an_unknown_kind_are_told_apart(tmp_path: Path) -> None:
    models = [Theirs(), Theirs()]
    for model in (*models, *models):
        run_inline(AskOnce(llm=model, cache_dir=tmp_path), Question(text="Well?"))
    assert [len(model.told) for model in models] == [1, 1]


class Fixed(MockLLM):
    def __init__(self, said: str) -> None:
        super().__init__([])
        self.said = said

    def generate_pydantic(self, *_: Any, **__: Any) -> Any:
        return Reply(text=self.said)


def test_methods_of_objects_that_differ_are_told_apart(tmp_path: Path) -> None:
    ours = ScriptedLLM(lambda _: '{"text": "ours"}')
    for said in ("a", "b"):
        assert run_inline(AskOnce(llm=Fixed(said), cache_dir=tmp_path), Question(text="Well?")).outputs == [
            Reply(text=said)
        ]
        vars(ours)["generate_pydantic"] = Fixed(said).generate_pydantic
        assert run_inline(AskOnce(llm=ours, cache_dir=tmp_path), Question(text="So?")).outputs == [Reply(text=said)]
