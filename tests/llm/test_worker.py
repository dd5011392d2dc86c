"""Workers with a model: what the model is told, and what becomes of its answer."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import BaseModel, ValidationError

from llm.openai_server import OpenAIServer, answer, completion, failure
from planai import BaseLLMTaskWorker, CachedLLMTaskWorker, Graph, LLMTaskWorker, Task, llm_from_config
from planai.errors import ConfigurationError, InvalidAnswer, OutsideCallError, WiringError
from planai.llm.prompt import SYSTEM
from planai.testing import InvokeTaskWorker, ScriptedLLM, run_inline


class Document(Task):
    text: str


class Label(Task):
    label: str


class Verdict(BaseModel):
    label: str
    sure: bool


class Sort(LLMTaskWorker):
    prompt = "Sort it."
    llm_input_type = Document
    output_types = [Label]


def ask(server: OpenAIServer, kind: type[LLMTaskWorker], **settings: Any) -> list[tuple[str, str]]:
    """Run a worker of `kind` over one document, and return what the model was told."""
    server.fallback = lambda _: answer(label="x")
    result = run_inline(make(server, kind, **settings), Document(text="a<b"))
    assert result.outputs == [Label(label="x")]
    return server.seen[-1].turns


def make(server: OpenAIServer, kind: type[LLMTaskWorker], **settings: Any) -> LLMTaskWorker:
    return kind(llm=llm_from_config("local", "m", base_url=server.url, max_retries=0, timeout=20), **settings)


# ---- what the model is told


def test_the_model_is_told_its_part_the_input_and_the_instructions(server: OpenAIServer) -> None:
    message = 'The input:\n\n{\n  "text": "a<b"\n}\n\nWhat to do with it:\n\nSort it.'
    assert ask(server, Sort) == [("system", SYSTEM), ("user", message)]


def test_the_input_may_be_xml(server: OpenAIServer) -> None:
    _, (_, message) = ask(server, Sort, use_xml=True)
    assert "<Document>\n  <text>a&lt;b</text>\n</Document>" in message


def test_examples_are_earlier_turns(server: OpenAIServer) -> None:
    turns = ask(server, Sort, few_shot=[("q1", "a1"), ("q2", "a2")])
    assert turns[1:-1] == [("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2")]


def test_instructions_may_come_first(server: OpenAIServer) -> None:
    system, (_, message) = ask(server, Sort, instructions_first=True)
    assert system == ("system", f"{SYSTEM}\n\nSort it.")
    assert message == 'The input:\n\n{\n  "text": "a<b"\n}'
    assert ask(server, Sort, instructions_first=True, system_prompt=None)[0] == ("system", "Sort it.")


def test_there_may_be_no_system_prompt(server: OpenAIServer) -> None:
    assert [role for role, _ in ask(server, Sort, system_prompt=None)] == ["user"]


def test_format_prompt_fills_in_the_instructions(server: OpenAIServer) -> None:
    class Filled(Sort):
        prompt = "Sort {count} letters."

        def format_prompt(self, task: Document) -> str:
            return self.prompt.format(count=len(task.text))

    assert ask(server, Filled)[-1][1].endswith("Sort 3 letters.")


def test_pre_process_may_show_something_else(server: OpenAIServer) -> None:
    class Shown(Sort):
        def pre_process(self, task: Document) -> Task:
            return Label(label=task.text.upper())

    assert '"label": "A<B"' in ask(server, Shown)[-1][1]


def test_pre_process_may_show_nothing(server: OpenAIServer) -> None:
    class Hidden(Sort):
        def pre_process(self, task: Document) -> None:
            return None

    assert ask(server, Hidden)[-1] == ("user", "Sort it.")


def test_get_full_prompt_replaces_the_message(server: OpenAIServer) -> None:
    class Whole(Sort):
        def get_full_prompt(self, task: Document, system_prompt: str | None = None) -> str:
            return f"{self.prompt} {task.text}"

        def get_system_prompt(self, task: Document) -> str:
            return f"You read {len(task.text)} letters."

    assert ask(server, Whole) == [("system", "You read 3 letters."), ("user", "Sort it. a<b")]


def test_consume_work_may_change_the_task(server: OpenAIServer) -> None:
    class Changing(LLMTaskWorker):
        prompt = "Sort it."
        output_types = [Label]

        def consume_work(self, task: Document) -> None:  # the documented form
            super().consume_work(Document(text=f"changed {task.text}"))

    assert '"text": "changed a<b"' in ask(server, Changing)[-1][1]


def test_a_worker_may_ask_about_two_tasks(server: OpenAIServer) -> None:
    class Twice(Sort):
        def post_process(self, response: Label, input_task: Document) -> None:
            other = self.request_for(Document(text="other")).messages[-1].text
            self.publish_work(Label(label=f"{response.label} {'other' in other}"))

    server.fallback = lambda _: answer(label="x")
    assert run_inline(make(server, Twice), Document(text="a")).outputs == [Label(label="x True")]


# ---- what becomes of the answer


def test_a_code_fence_around_the_answer_is_taken_off(server: OpenAIServer) -> None:
    server.script(completion('```json\n{"label": "x"}\n```\n'))
    assert run_inline(make(server, Sort), Document(text="a")).outputs == [Label(label="x")]


def test_post_process_publishes_what_it_likes(server: OpenAIServer) -> None:
    class Both(Sort):
        llm_output_type = Verdict

        def post_process(self, response: Verdict, input_task: Document) -> None:
            for number in range(2):
                self.publish_work(Label(label=f"{input_task.text} {response.label} {number}"))

    server.script(answer(label="x", sure=True))
    result = run_inline(make(server, Both), Document(text="a"))
    assert result.outputs == [Label(label="a x 0"), Label(label="a x 1")]
    assert server.seen[0].body["response_format"]["json_schema"]["name"] == "Verdict"


def test_post_process_may_publish_nothing(server: OpenAIServer) -> None:
    class Silent(Sort):
        def post_process(self, response: Label, input_task: Document) -> None:
            return

    server.script(answer(label="x"))
    result = run_inline(make(server, Silent), Document(text="a"))
    assert (result.ok, result.outputs) == (True, [])


class Short(Sort):
    def extra_validation(self, response: Label, input_task: Document) -> str | None:
        return f"{response.label!r} is too long" if len(response.label) > 3 else None


def test_extra_validation_asks_again_with_the_answer_and_the_problem(server: OpenAIServer) -> None:
    server.script(answer(label="longer"), answer(label="ok"))
    assert run_inline(make(server, Short), Document(text="a")).outputs == [Label(label="ok")]
    first, second = server.seen
    assert second.turns[: len(first.turns)] == first.turns
    (who, failed), (asker, correction) = second.turns[len(first.turns) :]
    assert (who, json.loads(failed)) == ("assistant", {"label": "longer"})
    assert asker == "user"
    assert "'longer' is too long" in correction
    assert second.body["response_format"] == first.body["response_format"]


def test_an_answer_of_the_wrong_type_is_asked_for_again(server: OpenAIServer) -> None:
    server.script(answer(lable="x"), completion("label: x"), answer(label="x"))
    assert run_inline(make(server, Sort), Document(text="a")).outputs == [Label(label="x")]
    assert "label: Field required" in server.seen[1].turns[-1][1]
    assert len(server.seen[2].turns) == len(server.seen[0].turns) + 4


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_asking_again_comes_to_an_end(server: OpenAIServer, retries: int) -> None:
    server.fallback = lambda _: answer(label="longer")
    result = run_inline(make(server, Short, max_validation_retries=retries), Document(text="a"))
    (failed,) = result.failures
    assert isinstance(failed.error, InvalidAnswer)
    assert f"no valid answer in {retries + 1} tries; the last problem: 'longer' is too long" in str(failed.error)
    assert len(server.seen) == retries + 1


def test_one_failed_call_does_not_end_the_others(server: OpenAIServer) -> None:
    server.fallback = lambda body: failure(400) if "bad" in str(body) else answer(label="x")
    result = run_inline(make(server, Sort), *(Document(text=text) for text in ("a", "bad", "b")))
    assert result.outputs == [Label(label="x"), Label(label="x")]
    assert [failed.task for failed in result.failures] == [Document(text="bad")]


def test_an_answer_outside_of_a_run_goes_nowhere(server: OpenAIServer) -> None:
    server.script(answer(label="x"))
    with pytest.raises(OutsideCallError, match="run_inline"):
        make(server, Sort).consume_work(Document(text="a"))


# ---- what is declared


def test_the_input_type_may_be_an_annotation(server: OpenAIServer) -> None:
    class Annotated(LLMTaskWorker):
        prompt = "Sort it."
        output_types = [Label]

        def consume_work(self, task: Document) -> None:  # the documented form
            super().consume_work(task)

    assert Annotated.get_task_classes(make(server, Annotated)) == [Document]
    assert ask(server, Annotated)[-1][1].endswith("Sort it.")


def test_a_missing_input_type_is_reported_before_anything_runs(server: OpenAIServer) -> None:
    class Undeclared(LLMTaskWorker):
        prompt = "Sort it."
        output_types = [Label]

    with pytest.raises(WiringError, match="Undeclared does not say what it consumes: set llm_input_type = MyTask"):
        run_inline(make(server, Undeclared), Document(text="a"))
    assert server.seen == []


class Undecided(LLMTaskWorker):
    prompt = "Sort it."
    llm_input_type = Document
    output_types = [Label, Document]


@pytest.mark.parametrize("count", [0, 2])
def test_a_missing_output_type_is_reported_when_the_worker_is_made(server: OpenAIServer, count: int) -> None:
    kinds = Undecided.model_fields["output_types"].default[:count]
    with pytest.raises(ConfigurationError, match=f"Undecided has {count} output_types: say with llm_output_type"):
        make(server, Undecided, output_types=kinds)
    worker = make(server, Undecided, output_types=kinds, llm_output_type=Label)
    assert worker.answer_type() is Label


def test_a_prompt_is_needed(server: OpenAIServer) -> None:
    class Promptless(LLMTaskWorker):
        llm_input_type = Document
        output_types = [Label]

    with pytest.raises(ValidationError, match="prompt"):
        make(server, Promptless)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ValidationError, match="llm"):
        Sort(llm="gpt-4")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"tools": ["look"]}, "tools has 'look'"), ({"fallback_llms": ScriptedLLM([])}, "fallback_llms is a ScriptedLLM")],
    ids=["tools", "fallback_llms"],
)
def test_what_is_no_list_of_tools_or_models_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Sort(**{"llm": ScriptedLLM([]), **wrong})


def test_workers_with_a_model_are_limited_together(server: OpenAIServer) -> None:
    class Again(Sort):
        pass

    server.fallback = lambda _: answer(label="x")
    graph, workers = Graph(), (make(server, Sort), make(server, Again))
    graph.add_workers(*workers)
    for worker in workers:
        graph.set_sink(worker, Label)
    graph.set_max_parallel_tasks(BaseLLMTaskWorker, 1)
    result = graph.run([(worker, Document(text=str(number))) for worker in workers for number in range(5)])
    assert (len(result.outputs), server.most_at_once) == (10, 1)


class Anyhow(LLMTaskWorker):
    prompt = "Sort it."
    llm_input_type = Document
    output_types = [Label]

    def post_process(self, response: Label | None, input_task: Document) -> None:
        """Publish in any case."""
        self.publish_work(response or Label(label="unknown"), input_task=input_task)


class Shout(Anyhow):
    def post_process(self, response: Any, input_task: Document) -> None:
        """Need an answer."""
        self.publish_work(Label(label=response.label.upper()), input_task=input_task)


class CachedAnyhow(CachedLLMTaskWorker):
    prompt = "Sort it."
    llm_input_type = Document
    output_types = [Label]

    def post_process(self, response: Label | None, input_task: Document) -> None:
        """Publish in any case."""
        self.publish_work(response or Label(label="unknown"), input_task=input_task)


def test_a_post_process_of_ones_own_gets_none_where_there_is_no_answer() -> None:
    worker = InvokeTaskWorker(Anyhow, llm=ScriptedLLM(lambda _: "no JSON"))
    assert worker.invoke(Document(text="a")) == [Label(label="unknown")]


def test_one_that_needs_an_answer_fails_for_want_of_it() -> None:
    with pytest.raises(InvalidAnswer, match="no valid answer") as caught:
        InvokeTaskWorker(Shout, llm=ScriptedLLM(lambda _: "no JSON")).invoke(Document(text="a"))
    assert isinstance(caught.value.__cause__, AttributeError)


def test_what_is_published_without_an_answer_is_not_kept() -> None:
    model = ScriptedLLM(["no JSON", "nor this", Label(label="x")])
    worker = CachedAnyhow(llm=model, cache_store="memory", max_validation_retries=1)
    for expected in ("unknown", "x", "x"):
        assert run_inline(worker, Document(text="a")).outputs == [Label(label=expected)]
    assert len(model.requests) == 3


def test_one_that_publishes_nothing_fails_for_want_of_an_answer_and_no_answer_is_tried_for_again_first() -> None:
    class Silent(Anyhow):
        def post_process(self, response: Any, input_task: Document) -> None:
            if response is not None:
                super().post_process(response, input_task)

    result = run_inline(Silent(llm=ScriptedLLM(lambda _: "no JSON")), Document(text="a"))
    assert "no valid answer" in str(result.failures[0].error)
    answers: list[Any] = ["no JSON", Label(label="x")]
    worker = Anyhow(llm=ScriptedLLM(answers), num_retries=1, max_validation_retries=0)
    assert run_inline(worker, Document(text="a")).outputs == [Label(label="x")]


def test_outside_of_a_call_a_missing_answer_is_what_is_told() -> None:
    for kind in (Anyhow, Shout):
        with pytest.raises(InvalidAnswer, match="no valid answer"):
            kind(llm=ScriptedLLM(lambda _: "no JSON")).consume_work(Document(text="a"))


def test_what_the_answer_is_published_as_is_seen_by_a_patch_of_publish_work() -> None:
    worker, label, document = Sort(llm=ScriptedLLM([])), Label.model_construct(), Document.model_construct()
    with patch("planai.llm_task.LLMTaskWorker.publish_work") as publish:
        worker.post_process(label, document)
    publish.assert_called_once_with(task=label, input_task=document)


def test_post_process_logs_that_there_is_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    worker = Sort(llm=ScriptedLLM([]))
    with patch("planai.llm_task.LLMTaskWorker.publish_work") as publish:
        worker.post_process(None, Document.model_construct())
    publish.assert_not_called()
    assert caplog.messages == ["LLM did not return a valid response for Document"]


class Said(Task):
    text: str


class Plain(LLMTaskWorker):
    llm_input_type = Said
    output_types = [Said]
    prompt = "Go on."


def test_planais_names_for_asking_and_for_the_input_are_known() -> None:
    with patch("planai.llm_task.LLMTaskWorker.publish_work") as publish:
        Plain(llm=ScriptedLLM(['{"text": "hello"}']))._invoke_llm(Said(text="x"))
    publish.assert_called_once_with(task=Said(text="hello"), input_task=Said(text="x"))
    assert Plain(llm=ScriptedLLM([]))._format_task(Said(text="x")) == '{\n  "text": "x"\n}'
    assert "<text>x</text>" in Plain(llm=ScriptedLLM([]), use_xml=True)._format_task(Said(text="x"))
