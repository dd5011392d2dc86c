"""The model in this process: the real engine with the real small model, where both are installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from planai import LLMTaskWorker, Task
from planai.errors import InvalidAnswer, ModelError, ModelUnavailable
from planai.llm.client import Image, Message, Request, ToolSpec
from planai.llm.embedded import EmbeddedModel, find_model, missing
from planai.testing import run_inline
from waiting import wait_until

needs_model = pytest.mark.skipif(missing() is not None, reason=missing() or "")


class Sentence(Task):
    text: str


class Part(Task):
    place: Literal["sky", "ground", "body"]
    size: Literal["small", "large"]


class Colour(Task):
    colour: Literal["red", "green", "blue"]
    sure: bool
    part: Part


class Look(LLMTaskWorker):
    prompt = "Which colour does the sentence speak of, and of what?"
    llm_input_type = Sentence
    output_types = [Colour]


STORY = Request((Message("user", "Tell a very long story about a king, his seven sons, and a dragon."),))
SENTENCES = ["The sky is blue.", "Grass is green.", "Blood is red."]


def question(text: str) -> Request:
    schema = {
        "type": "object",
        "properties": {"colour": {"type": "string", "enum": ["red", "green", "blue"]}},
        "required": ["colour"],
    }
    return Request((Message("user", f"{text} Which colour is meant?"),), schema)


@pytest.fixture(scope="module")
def model() -> Iterator[EmbeddedModel]:
    made = EmbeddedModel()
    yield made
    made.close()


@needs_model
def test_answers_fit_their_schema(model: EmbeddedModel) -> None:
    result = run_inline(Look(llm=model, max_validation_retries=0), *(Sentence(text=text) for text in SENTENCES))
    assert result.ok, result.failures
    assert [type(task) for task in result.outputs] == [Colour] * 3


@needs_model
def test_the_answer_is_the_same_every_time(model: EmbeddedModel) -> None:
    first, _, again = (model.ask(question(SENTENCES[number])) for number in (0, 1, 0))
    assert first == again
    assert first.input_tokens > 10
    assert first.output_tokens > 1


@needs_model
def test_the_answer_does_not_depend_on_who_asked_before(model: EmbeddedModel) -> None:
    fresh = EmbeddedModel()
    try:
        assert fresh.ask(question(SENTENCES[2])) == model.ask(question(SENTENCES[2]))
    finally:
        fresh.close()


@needs_model
def test_several_threads_get_the_answers_to_their_own_questions(model: EmbeddedModel) -> None:
    alone = [model.ask(question(text)) for text in SENTENCES]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda number: model.ask(question(SENTENCES[number % 3])), range(6))) == alone * 2


@needs_model
def test_a_limit_of_tokens_cuts_the_answer_off(model: EmbeddedModel) -> None:
    answer = model.ask(Request(STORY.messages, settings={"max_tokens": 3}))
    assert (answer.finish_reason, answer.output_tokens) == ("length", 3)


@needs_model
def test_an_answer_that_is_cut_off_is_no_answer() -> None:
    brief = EmbeddedModel(max_tokens=3)
    result = run_inline(Look(llm=brief), Sentence(text=SENTENCES[0]))
    brief.close()
    assert isinstance(result.failures[0].error, InvalidAnswer)
    assert "raise max_tokens" in str(result.failures[0].error)


@needs_model
def test_what_ends_an_answer_may_be_said(model: EmbeddedModel) -> None:
    whole, ended = (model.ask(replace(STORY, settings=more)) for more in ({}, {"stop_sequences": [" king"]}))
    assert " king" in whole.text
    assert (ended.text, ended.finish_reason) == (whole.text.partition(" king")[0], "stop")


@pytest.mark.parametrize(
    "asked",
    [
        Request((Message("user", "What is it?", images=(Image("image/png", b"1"),)),)),
        Request((Message("user", "What is it?"),), tools=(ToolSpec("look", "", {}),)),
    ],
    ids=["pictures", "tools"],
)
def test_what_it_cannot_do_is_refused_and_not_passed_over(asked: Request) -> None:
    with pytest.raises(ModelUnavailable, match="calls no tools and sees no pictures"):
        EmbeddedModel().ask(asked)


@needs_model
def test_a_request_that_is_too_long_is_an_error(model: EmbeddedModel) -> None:
    with pytest.raises(ModelError, match="the embedded model failed"):
        model.ask(Request((Message("user", "many words " * 3000),)))
    assert model.ask(question(SENTENCES[0])).finish_reason == "stop"


@needs_model
def test_identity_tells_files_apart_and_knows_no_place(model: EmbeddedModel, tmp_path: Path) -> None:
    file = find_model()
    assert file is not None
    copy = tmp_path / file.name
    copy.symlink_to(file)
    assert EmbeddedModel(copy).identity() == model.identity()
    other = tmp_path / "other" / file.name
    other.parent.mkdir()
    other.write_bytes(b"GGUF")
    assert EmbeddedModel(other).identity() != model.identity()


@needs_model
def test_closing_cuts_a_running_answer_short() -> None:
    made = EmbeddedModel(max_tokens=1500)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(made.ask, STORY)
        wait_for_words(made)
        waiting = pool.submit(made.ask, STORY)
        made.close()
        with pytest.raises(ModelError, match="cut short"):
            running.result(10)
        with pytest.raises(ModelError, match="closed"):
            waiting.result(10)


def wait_for_words(model: EmbeddedModel) -> None:
    wait_until(lambda: model._current is not None and len(model._current.chunks) >= 3)


def test_a_closed_model_says_so() -> None:
    made = EmbeddedModel()
    made.close()
    made.close()
    with pytest.raises(ModelError, match="the embedded model was closed"):
        made.ask(STORY)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "missing.gguf"
    with pytest.raises(ModelUnavailable, match="there is no model file") as caught:
        EmbeddedModel(file).ask(STORY)
    assert str(file) in str(caught.value)
    assert EmbeddedModel(file).identity() == {"provider": "embedded", "model": "missing", "bytes": None}


@needs_model
def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    file = tmp_path / "text.gguf"
    file.write_text("no model")
    with pytest.raises(ModelUnavailable, match="is it a GGUF file") as caught:
        EmbeddedModel(file).ask(STORY)
    assert str(file) in str(caught.value)


ENGINES = {
    "gone": ("raise ModuleNotFoundError('no engine')", 'pip install "planai[embedded]"'),
    "without a library": ("raise ImportError('libgomp.so.1: cannot open shared object file')", "on Debian, libgomp1"),
}


@needs_model
@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_missing_is_said_with_what_to_do_about_it(tmp_path: Path, engine: str) -> None:
    content, remedy = ENGINES[engine]
    (tmp_path / "xllamacpp.py").write_text(content)
    program = "from planai.llm.embedded import missing; print(missing())"
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert remedy in said
    demo = [sys.executable, "-m", "planai", "demo", "--limit", "3", "--folder", str(tmp_path / "demo")]
    shown = subprocess.run(demo, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, check=True)
    assert "No module is classified: the engine" in shown.stdout.decode()
    assert "failed" not in shown.stdout.decode()


FORKING = """
import os
from planai.errors import ModelError
from planai.llm.client import Image, Message, Request, ToolSpec
from planai.llm.embedded import EmbeddedModel
model = EmbeddedModel()
pid = os.fork()
if pid:
    os.waitpid(pid, 0)
else:
    try:
        model.ask(Request((Message("user", "hi"),)))
    except ModelError as error:
        print(error)
"""


def test_a_model_does_not_go_through_a_fork() -> None:
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=30, check=True)
    assert "make another one in the child process" in done.stdout


ASKING = """
import threading
from planai.llm.client import Image, Message, Request, ToolSpec
from planai.llm.embedded import EmbeddedModel
model = EmbeddedModel(max_tokens=1900)
def tell():
    while model._current is None or len(model._current.chunks) < 3:
        threading.Event().wait(0.01)
    print("asking", flush=True)
threading.Thread(target=tell, daemon=True).start()
print(model.ask(Request((Message("user", "Tell a very long story about a king, his seven sons, and a dragon."),))))
"""

RUNNING = """
import threading
from planai import Graph, LLMTaskWorker, Task
from planai.llm.embedded import EmbeddedModel
class Topic(Task):
    topic: str
class Story(Task):
    story: str
class Tell(LLMTaskWorker):
    prompt = "Tell a very long story."
    llm_input_type = Topic
    output_types = [Story]
model = EmbeddedModel(max_tokens=1900)
def tell():
    while model._current is None or len(model._current.chunks) < 3:
        threading.Event().wait(0.01)
    print("asking", flush=True)
threading.Thread(target=tell, daemon=True).start()
graph, worker = Graph(), Tell(llm=model)
graph.add_workers(worker).set_sink(worker, Story)
graph.run([(worker, Topic(topic=str(number))) for number in range(3)])
"""


def interrupt(script: str, times: int) -> tuple[int, str]:
    """Run `script` until it asks, interrupt it, and return its code and what it wrote to stderr."""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == "asking\n"
        child.send_signal(signal.SIGINT)
        if times == 2:
            assert "Ctrl-C again" in child.stderr.readline()
            child.send_signal(signal.SIGINT)
        try:
            _, errors = child.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            raise
        return child.returncode, errors


@needs_model
def test_ctrl_c_ends_a_program_that_asks() -> None:
    code, errors = interrupt(ASKING, times=1)
    assert (code, errors.splitlines()[-1]) == (-signal.SIGINT, "KeyboardInterrupt")


@needs_model
def test_ctrl_c_twice_ends_a_graph_that_asks() -> None:
    code, errors = interrupt(RUNNING, times=2)
    assert code in (1, -signal.SIGINT)
    assert "Interrupt" in errors.splitlines()[-1]
