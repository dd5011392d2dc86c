"""Scripted models, as the ``llm`` of workers."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from planai import CachedLLMTaskWorker, LLMTaskWorker, MediaTask, Task
from planai.errors import ConfigurationError, TypeMismatch
from planai.llm.client import LLM, Answer, Message, Request
from planai.testing import MockLLM, MockLLMResponse, ScriptedLLM, run_inline
from planai.testing.models import Line


class Question(Task):
    text: str


class Reply(Task):
    text: str


class Ask(LLMTaskWorker):
    prompt = "Answer the question, please."
    llm_input_type = Question
    output_types = [Reply]


class AskOnce(CachedLLMTaskWorker):
    prompt = "Answer the question, please."
    llm_input_type = Question
    output_types = [Reply]


def request(text: str) -> Request:
    return Request((Message("system", "Be brief."), Message("user", text)))


def replies(model: LLM, *texts: str) -> list[Task]:
    result = run_inline(Ask(llm=model), *(Question(text=text) for text in texts))
    if result.failures:
        raise result.failures[0].error
    return result.outputs


@pytest.mark.parametrize(
    ("line", "text"),
    [("plain", "plain"), (Reply(text="x"), '{"text":"x"}'), (Answer("with figures", input_tokens=3), "with figures")],
)
def test_a_script_has_text_objects_and_answers(line: Line, text: str) -> None:
    assert ScriptedLLM([line]).ask(request("?")).text == text


def test_an_object_is_said_under_its_aliases() -> None:
    class Link(BaseModel):
        target: str = Field(alias="href")

    assert ScriptedLLM([Link(href="a")]).ask(request("?")).text == '{"href":"a"}'


def test_the_answers_come_in_their_order_and_then_there_are_no_more() -> None:
    model = ScriptedLLM([Reply(text="1"), Reply(text="2")])
    assert replies(model, "a", "b") == [Reply(text="1"), Reply(text="2")]
    with pytest.raises(ConfigurationError, match="no answer number 3"):
        replies(model, "c")


def test_a_function_answers_what_it_is_asked() -> None:
    model = ScriptedLLM(lambda request: Reply(text=str("Louvre" in request.messages[-1].text)))
    assert replies(model, "the Louvre?", "the Prado?") == [Reply(text="True"), Reply(text="False")]
    assert len(model.requests) == 2


def test_a_script_is_a_list() -> None:
    with pytest.raises(TypeMismatch, match=r"write ScriptedLLM\(\['Paris'\]\)"):
        ScriptedLLM("Paris")


def test_an_error_in_the_script_is_raised() -> None:
    with pytest.raises(TimeoutError, match="too late"):
        replies(ScriptedLLM([TimeoutError("too late")]), "a")


def test_an_answer_that_does_not_fit_is_asked_for_again() -> None:
    model = ScriptedLLM(["no JSON", Reply(text="put right")])
    assert replies(model, "a") == [Reply(text="put right")]


def test_the_text_is_passed_on_as_it_comes() -> None:
    chunks: list[str] = []
    ScriptedLLM(["all at once"]).ask(request("?"), chunks.append)
    assert chunks == ["all at once"]


@pytest.mark.parametrize(
    "pattern",
    ["Louvre", "Answer the question", "^System", "User: [^?]*Louvre", re.compile("LOUVRE", re.IGNORECASE)],
)
def test_a_mock_looks_for_its_pattern_in_all_that_is_told(pattern: str | re.Pattern[str]) -> None:
    model = MockLLM(responses=[MockLLMResponse(pattern=pattern, response=Reply(text="found"))])
    assert replies(model, "the Louvre?") == [Reply(text="found")]


def test_the_first_pattern_that_fits_counts() -> None:
    model = MockLLM(
        responses=[
            MockLLMResponse(pattern="Prado", response=Reply(text="Madrid")),
            MockLLMResponse(pattern="Louvre", response_string='{"text": "Paris"}'),
            MockLLMResponse(pattern=".", response=Reply(text="no idea")),
        ]
    )
    expected = [Reply(text=text) for text in ("Paris", "Madrid", "no idea")]
    assert replies(model, "the Louvre?", "the Prado?", "the Met?") == expected


def test_a_mock_raises_what_it_is_told_to() -> None:
    with pytest.raises(ValueError, match="told to fail"):
        replies(MockLLM([MockLLMResponse(".", raise_exception=True)]), "a")
    with pytest.raises(TimeoutError):
        replies(MockLLM([MockLLMResponse(".", raise_exception=True, exception=TimeoutError())]), "a")


def test_a_mock_without_a_pattern_that_fits_says_what_it_was_told() -> None:
    with pytest.raises(ValueError, match=r"'User.*Louvre|Louvre.*the patterns are: 'Prado'"):
        replies(MockLLM([MockLLMResponse("Prado")]), "the Louvre?")


def test_a_cached_worker_asks_a_mock_once(tmp_path: Path) -> None:
    model = MockLLM([MockLLMResponse("Louvre", response=Reply(text="Paris"))])
    worker = AskOnce(llm=model, cache_dir=str(tmp_path))
    results = [run_inline(worker, Question(text="the Louvre?")) for _ in range(2)]
    assert [result.cache_hits for result in results] == [0, 1]
    assert results[0].outputs == results[1].outputs == [Reply(text="Paris")]
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    "pattern",
    [
        r'data:\n\{\n  "text": "why\?"\n\}\n\nHere are your instructions:\nAnswer the question, please\.\n$',
        r"^System: Be brief\.\nUser: Here is your input data:",
        r"The input:\n\n\{",
        r"User: .*\n(.*\n)*Answer the question, please\.$",
    ],
)
def test_patterns_may_be_for_planais_wording_or_for_what_is_told(pattern: str) -> None:
    model = MockLLM([MockLLMResponse(pattern, response=Reply(text="x"))])
    assert run_inline(Ask(llm=model, system_prompt="Be brief."), Question(text="why?")).outputs == [Reply(text="x")]
    assert "Here is your input data" not in model.requests[0].messages[-1].text


def test_patterns_may_pass_over_what_the_model_has_said() -> None:
    turns = [Message("system", "s"), Message("user", "one"), Message("assistant", "two"), Message("user", "three")]
    for pattern in ("^System: s\nUser: one\nUser: three\n$", "Assistant: two"):
        model = MockLLM([MockLLMResponse(pattern, response_string="yes")])
        assert model.ask(Request(tuple(turns))).text == "yes"


class Sketch(MediaTask):
    text: str = ""


class Look(CachedLLMTaskWorker):
    prompt = "Look."
    llm_input_type = Sketch
    output_types = [Reply]


def test_a_mock_is_shown_pictures_that_are_not_there_and_their_names_count(tmp_path: Path) -> None:
    def hits(name: str) -> int:
        look = Look(llm=MockLLM([MockLLMResponse("Look", response=Reply(text="seen"))]), cache_dir=tmp_path)
        result = run_inline(look, Sketch(images=[name]))
        assert result.outputs == [Reply(text="seen")]
        return result.cache_hits

    assert [hits(name) for name in ("a.png", "b.png", "a.png")] == [0, 0, 1]
