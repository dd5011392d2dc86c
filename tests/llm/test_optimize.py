"""Optimising prompts: with models that follow a script, and over the command line with a server on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm.openai_server import OpenAIServer, answer, completion
from llm.workers import Analysis, Analyze, Document
from planai import LLMTaskWorker, tool
from planai.bills import Bills, Usage
from planai.errors import ConfigurationError, ModelUnavailable
from planai.llm.client import Answer, Request, ToolCall
from planai.llm.optimize import Optimizer, Proposal, Verdict, recorded_in_cache, recorded_in_log
from planai.llm.responses import open_room
from planai.testing import ScriptedLLM, run_inline

DOCUMENTS = [Document(text=text) for text in ("one", "two", "three")]


class Label(LLMTaskWorker):
    prompt = "Label {text}."
    llm_input_type = Document
    output_types = [Analysis]

    def format_prompt(self, task: Document) -> str:
        return self.prompt.format(text=task.text)


def answering(request: Request) -> Analysis:
    """Answer as well as the prompt is long."""
    return Analysis(insight="good" * request.messages[-1].text.count("well"))


def writing(request: Request) -> Proposal | Verdict:
    """Write ever longer prompts, and like long answers."""
    if request.schema_name == "Verdict":
        return Verdict(score=min(10, request.messages[-1].text.count("good")), critique="more!")
    now = request.messages[-1].text.split("The instructions now:\n")[1].split("\n")[0]
    return Proposal(prompt=f"{now} Do it well.", change=f"{now.count('well') + 1} times well")


def optimizer(
    folder: Path, worker: type[LLMTaskWorker] = Label, **settings: Any
) -> tuple[Optimizer, list[ScriptedLLM]]:
    models = [ScriptedLLM(answering, "m"), ScriptedLLM(writing, "author")]
    return Optimizer(worker(llm=models[0]), models[1], "long answers", open_room(folder), **settings), models


def test_the_best_of_several_prompts_wins(tmp_path: Path) -> None:
    made, _ = optimizer(tmp_path)
    report = made.run(DOCUMENTS, iterations=2)
    assert [variant.score for variant in report.variants] == [0, 1, 2]
    assert report.best.prompt == "Label {text}. Do it well. Do it well."
    assert "-Label {text}.\n+Label {text}. Do it well. Do it well." in report.diff()
    assert report.best.change == "2 times well"
    assert {trial.answer for trial in report.best.trials} == {'{"insight":"goodgood"}'}


def test_a_worker_may_use_its_tools_while_its_prompt_is_tried(tmp_path: Path) -> None:
    def look_up(word: str) -> str:
        """Look a word up."""
        return f"good {word}"

    def using(request: Request) -> Answer | Analysis:
        last = request.messages[-1]
        calls = (ToolCall("c1", "look_up", '{"word": "a"}'),)
        return Analysis(insight=last.text) if last.role == "tool" else Answer("", "tool_call", calls=calls)

    worker = Label(llm=ScriptedLLM(using), tools=[tool(look_up)])
    report = Optimizer(worker, ScriptedLLM(writing, "author"), "long answers", open_room(tmp_path)).run(DOCUMENTS, 0)
    assert [trial.answer for trial in report.best.trials] == ['{"insight":"good a"}'] * 3


def test_a_second_run_pays_for_what_is_new_alone(tmp_path: Path) -> None:
    optimizer(tmp_path)[0].run(DOCUMENTS, iterations=2)
    again, models = optimizer(tmp_path)
    report = again.run(DOCUMENTS, iterations=3)
    assert [variant.score for variant in report.variants] == [0, 1, 2, 3]
    assert [len(model.requests) for model in models] == [3, 4]  # 3 answers; 1 proposal and 3 verdicts
    assert report.bill.spent.answers == 7


def test_inputs_that_come_in_another_order_are_no_other_question(tmp_path: Path) -> None:
    optimizer(tmp_path)[0].run(DOCUMENTS, iterations=1)
    again, models = optimizer(tmp_path)
    again.run(DOCUMENTS[::-1], iterations=1)
    assert [model.requests for model in models] == [[], []]


def test_a_proposal_keeps_the_placeholders(tmp_path: Path) -> None:
    made, _ = optimizer(tmp_path)
    proposals = iter([Proposal(prompt="Label it.", change="c"), Proposal(prompt="Label {text} well.", change="c")])
    made.author = ScriptedLLM(
        lambda request: next(proposals) if request.schema_name == "Proposal" else Verdict(score=1, critique="")
    )
    report = made.run(DOCUMENTS, iterations=1)
    assert report.variants[1].prompt == "Label {text} well."


def test_what_is_no_answer_scores_nothing(tmp_path: Path) -> None:
    made, _ = optimizer(tmp_path)
    made.worker.llm = ScriptedLLM(lambda _: "no JSON")
    (first, *_) = made.run(DOCUMENTS, iterations=1).variants
    assert first.score == 0
    assert "no valid answer" in first.trials[0].critique


def test_a_budget_ends_it_with_what_there_is(tmp_path: Path) -> None:
    class Priced(ScriptedLLM):
        def dollars_for(self, tokens_in: int, tokens_out: int) -> Decimal:
            return Decimal(1)

    made, _ = optimizer(tmp_path, limit=Bills(Decimal(8)))
    made.worker.llm, made.author = Priced(answering), Priced(writing)
    made.limit.spend("before", Usage(dollars=Decimal("7.5")))
    report = made.run(DOCUMENTS, iterations=5)
    assert "max_cost_usd=8" in report.ended
    assert [(one.number, one.trials) for one in report.variants] == [(0, ())]


def refusing(kind: str, after: int, how: Any) -> Any:
    """An author who refuses or fails, when `kind` was asked of it so often."""
    asked = []

    def say(request: Request) -> Any:
        asked.append(request.schema_name)
        return how if asked.count(kind) > after else writing(request)

    return ScriptedLLM(say, "author")


REFUSED = Answer("", refusal="I will not judge.")


@pytest.mark.parametrize("how", [REFUSED, Answer("no JSON"), ModelUnavailable("the author is gone")])
@pytest.mark.parametrize(("kind", "after", "tried"), [("Verdict", 4, 1), ("Verdict", 1, 1), ("Proposal", 1, 2)])
def test_an_author_who_fails_ends_it_with_what_there_is(
    tmp_path: Path, kind: str, after: int, tried: int, how: Any
) -> None:
    made, (first, _) = optimizer(tmp_path)
    made.author = refusing(kind, after, how)
    report = made.run(DOCUMENTS, iterations=3)
    assert re.search("refused to answer: I will not judge|no valid answer|the author is gone", report.ended)
    assert len(report.variants) == tried
    assert report.best.number == tried - 1
    assert report.bill.spent.answers >= 3 + after
    again, (model, _) = optimizer(tmp_path)
    assert not again.run(DOCUMENTS, iterations=tried - 1).ended
    assert not [one for one in model.requests if one in first.requests]  # the others had not been asked when it ended


def test_one_who_fails_before_anything_was_paid_for_says_so_at_once(tmp_path: Path) -> None:
    made, _ = optimizer(tmp_path)
    made.worker.llm = ScriptedLLM(lambda _: ModelUnavailable("nobody is there"))
    with pytest.raises(ModelUnavailable, match="nobody is there"):
        made.run(DOCUMENTS)


def test_without_inputs_there_is_nothing_to_try(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no recorded inputs of 'Label'"):
        optimizer(tmp_path)[0].run([])


# ---- where inputs come from


def test_inputs_come_from_a_debug_log(tmp_path: Path) -> None:
    worker = Label(llm=ScriptedLLM(answering), debug_mode=True, debug_dir=tmp_path)
    run_inline(worker, *DOCUMENTS, DOCUMENTS[0])
    assert recorded_in_log(worker, tmp_path / "Label.json") == DOCUMENTS
    with (tmp_path / "Label.json").open("a") as log:
        log.write('{"input_task": {"te')
    assert recorded_in_log(worker, tmp_path / "Label.json") == DOCUMENTS
    with pytest.raises(ConfigurationError, match="debug_mode=True"):
        recorded_in_log(worker, tmp_path / "gone.json")


@pytest.mark.parametrize("first", [False, True])
def test_inputs_come_from_the_cache(tmp_path: Path, first: bool) -> None:
    worker = Analyze(llm=ScriptedLLM(answering), cache_dir=tmp_path, instructions_first=first)
    run_inline(worker, *DOCUMENTS)
    found = recorded_in_cache(worker, open_room(tmp_path), worker.cache_space)
    assert sorted(map(str, found)) == sorted(map(str, DOCUMENTS))
    assert recorded_in_cache(worker, open_room(tmp_path), "another") == []


def test_an_input_that_was_no_json_is_left_out(tmp_path: Path) -> None:
    class Braces(Analyze):
        cache_name = "braces"

        def get_full_prompt(self, task: Any, system_prompt: str | None = None) -> str:
            return f"The input:\n\n{{{task.text}"

    worker = Braces(llm=ScriptedLLM([Analysis(insight="x")]), cache_dir=tmp_path)
    run_inline(worker, DOCUMENTS[0])
    assert recorded_in_cache(worker, open_room(tmp_path), "braces") == []


# ---- the command

PROGRAM = """
from planai import CachedLLMTaskWorker, Task

class Document(Task):
    text: str

class Analysis(Task):
    insight: str

class Analyze(CachedLLMTaskWorker):
    prompt = "Analyze it."
    llm_input_type = Document
    output_types = [Analysis]
"""


def asks(body: dict[str, Any], name: str) -> bool:
    return bool(body["response_format"]["json_schema"]["name"] == name)


def test_the_command_writes_the_best_prompt(server: OpenAIServer, tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> Any:
        name = body["response_format"]["json_schema"]["name"]
        told = body["messages"][-1]["content"]
        if name == "Proposal":
            return answer(prompt="Analyze it well.", change="well")
        if name == "Verdict":
            return answer(score=9 if "good" in told.split("The answer:")[1] else 2, critique="c")
        return answer(insight="good" if "well" in told else "bad")

    server.fallback = reply
    (tmp_path / "program.py").write_text(PROGRAM)
    log = [json.dumps({"input_task": {"text": text}, "response": {}}) for text in ("a", "b")]
    (tmp_path / "log.json").write_text("\n".join(log))
    command = [
        *(sys.executable, "-c", "from planai.cli.app import main; main()", "optimize-prompt"),
        *("--python-file", str(tmp_path / "program.py"), "--class-name", "Analyze", "--goal-prompt", "be good"),
        *("--debug-log", str(tmp_path / "log.json"), "--num-iterations", "1", "--output-dir", str(tmp_path / "out")),
        *("--llm-provider", "local", "--llm-model", "m", "--base-url", server.url),
    ]
    env = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "-Analyze it.\n+Analyze it well." in done.stdout
    assert "9.00" in done.stdout
    assert (tmp_path / "out" / "Analyze_prompt.txt").read_text() == "Analyze it well.\n"
    written = json.loads((tmp_path / "out" / "Analyze_variants.json").read_text())
    assert (written["best"], written["spent"]["answers"], written["saved"]) == (1, "9", {})
    asked = len(server.seen)
    subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=env)
    assert len(server.seen) == asked == 9
    limited = [*command, "--max-cost-usd", "0.001", "--prices", "input=100,output=100", "--goal-prompt", "be short"]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert "of max_cost_usd=0.001" in done.stderr
    no = completion(None, refusal="I will not judge.")
    server.fallback = lambda body: no if asks(body, "Verdict") else reply(body)
    refused = [*command, "--goal-prompt", "be exact", "--output-dir", str(tmp_path / "refused")]
    done = subprocess.run(refused, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.returncode == 1
    assert "refused to answer: I will not judge." in done.stderr
    assert "spent now: 4 answers" in done.stdout
    assert "nothing was tried on all inputs" in done.stdout
    assert "I will not judge" in json.loads((tmp_path / "refused" / "Analyze_variants.json").read_text())["ended"]
    wrong = [*command, "--prices", "input=dear,output=2"]
    done = subprocess.run(wrong, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert "the price of 'input' is 'dear'" in done.stderr
