"""The response level: what a model has said is asked for once, whoever asks and whatever is made of it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import field_validator

from llm.openai_server import OpenAIServer, answer, completion, failure
from llm.workers import Analysis, Analyze, Document, make, model, run
from planai import CachedLLMTaskWorker, Graph, Task
from planai.errors import CacheMiss
from planai.flow import go_through
from planai.llm.client import Message, Request
from planai.llm.request_key import deciding
from planai.llm.responses import SPACE, Responses, open_room
from planai.testing import ScriptedLLM


@pytest.fixture
def server(server: OpenAIServer) -> OpenAIServer:
    server.fallback = lambda _: answer(insight=f"insight {len(server.seen)}")
    return server


def responses(worker: CachedLLMTaskWorker) -> int:
    return len(worker.response_room().cache.notes(SPACE))


# ---- what asks the model again, and what does not


class Shout(Analyze):
    cache_name = "analyze"

    def post_process(self, response: Analysis, input_task: Document) -> None:
        self.publish_work(Analysis(insight=response.insight.upper()))


class Whisper(Analyze):
    cache_name = "analyze"

    def post_process(self, response: Analysis, input_task: Document) -> None:
        self.publish_work(Analysis(insight=response.insight.lower()))


def test_an_edit_of_post_process_runs_python_and_asks_nobody(server: OpenAIServer, tmp_path: Path) -> None:
    first = run(make(server, tmp_path, Shout), "a", "b")
    second = run(make(server, tmp_path, Whisper), "a", "b")
    assert (first.outputs, second.outputs) == (
        [Analysis(insight="INSIGHT 1"), Analysis(insight="INSIGHT 2")],
        [Analysis(insight="insight 1"), Analysis(insight="insight 2")],
    )
    assert (second.cache_hits, second.cache_misses) == (0, 2)
    assert len(server.seen) == 2
    third = run(make(server, tmp_path, Whisper), "a", "b")
    assert (third.cache_hits, third.outputs) == (2, second.outputs)


def test_workers_that_tell_the_same_share_what_is_said(server: OpenAIServer, tmp_path: Path) -> None:
    class Other(Analyze):
        pass

    assert run(make(server, tmp_path)).outputs == run(make(server, tmp_path, Other)).outputs
    assert len(server.seen) == 1


def test_a_kept_response_is_validated_again(server: OpenAIServer, tmp_path: Path) -> None:
    class Long(Analyze):
        def extra_validation(self, response: Analysis, input_task: Document) -> str | None:
            return None if len(response.insight) > 12 else "too short"

    run(make(server, tmp_path))
    server.script(answer(insight="a long insight"))
    assert run(make(server, tmp_path, Long)).outputs == [Analysis(insight="a long insight")]
    assert "too short" in server.seen[-1].turns[-1][1]
    assert server.seen[-1].turns[-2] == ("assistant", '{"insight": "insight 1"}')
    longs = [run(make(server, tmp_path, Long, cache_name=f"long {number}")) for number in range(2)]
    assert [result.outputs for result in longs] == [[Analysis(insight="a long insight")]] * 2


def test_a_type_that_refuses_what_was_kept_asks_again(server: OpenAIServer, tmp_path: Path) -> None:
    def worker(*, strict: bool) -> type[CachedLLMTaskWorker]:
        class Insight(Task):
            insight: str

            @field_validator("insight")
            @classmethod
            def check(cls, value: str) -> str:
                assert not strict or value.endswith("!"), "say it with an exclamation mark"
                return value

        class Exclaim(CachedLLMTaskWorker):
            prompt = "Exclaim."
            llm_input_type = Document
            output_types = [Insight]

        return Exclaim

    run(make(server, tmp_path, worker(strict=False)))
    server.script(answer(insight="ah!"))
    (output,) = run(make(server, tmp_path, worker(strict=True))).outputs
    assert output.model_dump() == {"insight": "ah!"}
    assert "exclamation mark" in server.seen[-1].turns[-1][1]


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "Analyze it well."},
        {"system_prompt": "Be terse."},
        {"temperature": 0},
        {"model_settings": {"top_p": 0.5}},
        {"model_settings": {"stop_sequences": ["x"]}},
        {"cache_scope": "tenant"},
        {"sample": 1},
        {"use_xml": True},
    ],
    ids=str,
)
def test_what_the_model_is_told_asks_again(server: OpenAIServer, tmp_path: Path, change: dict[str, Any]) -> None:
    run(make(server, tmp_path))
    run(make(server, tmp_path, cache_name="other", **change))
    assert len(server.seen) == 2
    run(make(server, tmp_path, cache_name="third", **change))
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": 3},
        {"openai_user": "somebody"},
        {"extra_headers": {"x-request-id": "1", "Authorization": "Bearer secret"}},
    ],
    ids=str,
)
def test_what_the_model_is_not_told_asks_nobody(server: OpenAIServer, tmp_path: Path, settings: dict[str, Any]) -> None:
    run(make(server, tmp_path))
    again = run(make(server, tmp_path, model_settings=settings))
    assert (again.cache_hits, len(server.seen)) == (1, 1)


def test_a_setting_that_is_left_out_is_not_zero() -> None:
    assert deciding({}) != deciding({"temperature": 0})


def test_several_samples_of_one_question_stay_what_they_are(server: OpenAIServer, tmp_path: Path) -> None:
    def sampled(number: int) -> list[Task]:
        return run(make(server, tmp_path, temperature=1.0, sample=number)).outputs

    first = [sampled(number) for number in range(3)]
    assert first == [[Analysis(insight=f"insight {number}")] for number in (1, 2, 3)]
    assert [sampled(number) for number in (2, 0, 1)] == [first[2], first[0], first[1]]


# ---- what is kept


def test_an_answer_that_was_put_right_is_kept_with_what_was_wrong(server: OpenAIServer, tmp_path: Path) -> None:
    server.script(answer(wrong="x"), answer(insight="right"))
    run(make(server, tmp_path))
    assert run(make(server, tmp_path, Shout)).outputs == [Analysis(insight="RIGHT")]
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    "reply", [completion(None, refusal="no"), completion('{"insight": "x"}', "length"), answer(no="x"), failure(500)]
)
def test_what_is_no_answer_is_not_kept(server: OpenAIServer, tmp_path: Path, reply: Any) -> None:
    server.script(reply)
    worker = make(server, tmp_path, max_validation_retries=0)
    assert run(worker).failures
    assert responses(worker) == 0
    assert run(worker).outputs == [Analysis(insight="insight 2")]


def test_an_expired_response_is_asked_for_again(server: OpenAIServer, tmp_path: Path) -> None:
    run(make(server, tmp_path))
    assert run(make(server, tmp_path, cache_ttl=0.0, cache_name="other")).outputs == [Analysis(insight="insight 2")]
    assert run(make(server, tmp_path, cache_ttl=3600.0, cache_name="third")).outputs == [Analysis(insight="insight 1")]


def test_a_damaged_response_is_asked_for_again(server: OpenAIServer, tmp_path: Path) -> None:
    run(make(server, tmp_path))
    (file,) = tmp_path.glob("*.sqlite3")
    with closing(sqlite3.connect(file)) as database, database:
        assert database.execute("UPDATE entries SET payload = x'00' WHERE space = ?", (SPACE,)).rowcount == 1
    assert run(make(server, tmp_path, cache_name="other")).outputs == [Analysis(insight="insight 2")]


def test_clear_cache_forgets_what_was_said(server: OpenAIServer, tmp_path: Path) -> None:
    worker, other = make(server, tmp_path), make(server, tmp_path, Shout, prompt="Other.")
    run(worker)
    run(other)
    worker.clear_cache()
    assert run(worker).outputs == [Analysis(insight="insight 3")]
    assert run(other).cache_hits == 1
    assert responses(worker) == 2


def test_limits_hold_for_responses_too(server: OpenAIServer, tmp_path: Path) -> None:
    other = make(server, tmp_path, Shout, prompt="Other.")
    run(other, "x", "y")
    worker = make(server, tmp_path, cache_size_limit=3)
    run(worker, *"abcdefgh")
    assert responses(worker) == 5


# ---- modes


@pytest.mark.parametrize(
    ("mode", "asked", "kept"), [("read_write", 0, 1), ("refresh", 1, 1), ("read_only", 0, 1), ("off", 1, 1)]
)
def test_modes(server: OpenAIServer, tmp_path: Path, mode: Any, asked: int, kept: int) -> None:
    run(make(server, tmp_path))
    worker = make(server, tmp_path, Shout, cache_mode=mode)
    assert not run(worker).failures
    assert (len(server.seen) - 1, responses(worker)) == (asked, kept)


def test_refresh_asks_once_in_a_run(server: OpenAIServer, tmp_path: Path) -> None:
    run(make(server, tmp_path))
    first, second = make(server, tmp_path), make(server, tmp_path, Shout)
    graph = Graph()
    graph.add_workers(first, second)
    for worker in (first, second):
        graph.set_sink(worker, Analysis)
    pairs = [(worker, Document(text="a")) for worker in (first, second)]
    outputs = graph.run(pairs, cache_mode="refresh", executor="inline").outputs
    assert len(server.seen) == 3  # each refreshes what it is responsible for
    assert outputs == [Analysis(insight="insight 2"), Analysis(insight="INSIGHT 3")]


def test_read_only_keeps_nothing(server: OpenAIServer, tmp_path: Path) -> None:
    worker = make(server, tmp_path, cache_mode="read_only")
    run(worker)
    assert responses(worker) == 0


# ---- one question at once


def test_equal_questions_of_several_workers_are_asked_once(server: OpenAIServer, tmp_path: Path) -> None:
    workers = [make(server, tmp_path, kind) for kind in (Analyze, Shout)]
    graph = Graph()
    graph.add_workers(*workers)
    for worker in workers:
        graph.set_sink(worker, Analysis)
    result = graph.run([(worker, Document(text="a")) for worker in workers])
    assert sorted(str(output) for output in result.outputs) == ["insight='INSIGHT 1'", "insight='insight 1'"]
    assert len(server.seen) == 1


def test_who_waits_asks_when_the_first_fails(server: OpenAIServer, tmp_path: Path) -> None:
    server.script(failure(400))
    workers = [make(server, tmp_path, kind) for kind in (Analyze, Shout)]
    graph = Graph()
    graph.add_workers(*workers)
    for worker in workers:
        graph.set_sink(worker, Analysis)
    result = graph.run([(worker, Document(text="a")) for worker in workers])
    assert (len(result.outputs), len(result.failures), len(server.seen)) == (1, 1, 2)


def test_a_failed_call_holds_nobody_up(server: OpenAIServer, tmp_path: Path) -> None:
    worker = make(server, tmp_path)
    for reply in (failure(400), completion(None, refusal="no")):
        server.script(reply)
        assert run(worker).failures
    done = threading.Thread(target=run, args=(worker,), daemon=True)
    done.start()
    done.join(20)
    assert not done.is_alive()


@pytest.mark.parametrize("steps", [0, 1], ids=["before it is looked up", "while it is looked up once more"])
def test_an_interrupt_holds_nobody_up(tmp_path: Path, steps: int) -> None:
    llm, request = ScriptedLLM([]), Request((Message("user", "Hello?"),))

    def begun() -> Any:
        return Responses(open_room(tmp_path)).begin(llm, request)

    flow = begun()
    next(flow)
    for _ in range(steps):
        flow.send(None)
    with pytest.raises(KeyboardInterrupt):
        flow.throw(KeyboardInterrupt())
    assert go_through(begun()) is None  # and does not wait


# ---- keys and people


def test_no_key_in_a_body_is_written(server: OpenAIServer, tmp_path: Path) -> None:
    secret = {"extra_body": {"api_key": "sk-body-0123456789", "guided": 1}}
    run(make(server, tmp_path, llm=model(server, model_settings=secret)))
    assert server.seen[0].body["api_key"] == "sk-body-0123456789"
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"sk-body" in file.read_bytes()]
    run(make(server, tmp_path, llm=model(server, model_settings={"extra_body": {"api_key": "another", "guided": 1}})))
    assert len(server.seen) == 1
    run(make(server, tmp_path, llm=model(server, model_settings={"extra_body": {"guided": 2}})))
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    "secret",
    [
        {"extra_body": {"proxy": [{"api_key": "sk-deep-0123456789", "guided": 1}]}},
        {"extra_headers": {"Authorization": "Bearer sk-deep-0123456789"}},
    ],
)
def test_no_key_in_the_settings_of_a_worker_is_written_or_shown(
    server: OpenAIServer, tmp_path: Path, secret: dict[str, Any]
) -> None:
    worker = make(server, tmp_path, model_settings=secret)
    run(worker)
    assert "sk-deep" in str(server.seen[0].body) + str(server.seen[0].headers)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"sk-deep" in file.read_bytes()]
    assert "sk-deep" not in repr(worker)


def test_no_key_is_written(server: OpenAIServer, tmp_path: Path) -> None:
    run(make(server, tmp_path, llm=model(server, api_key="sk-very-secret")))
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"sk-very-secret" in file.read_bytes()]


def test_a_model_in_the_key_may_be_any(server: OpenAIServer, tmp_path: Path) -> None:
    run(make(server, tmp_path, include_model_in_key=False))
    other = make(server, tmp_path, Shout, llm=model(server, "other"), include_model_in_key=False)
    assert run(other).outputs == [Analysis(insight="INSIGHT 1")]
    assert run(make(server, tmp_path, Shout, llm=model(server, "other"))).outputs == [Analysis(insight="INSIGHT 2")]


def test_an_explanation_names_what_is_told(server: OpenAIServer, tmp_path: Path) -> None:
    run(make(server, tmp_path))

    def reason(**settings: Any) -> str:
        (found,) = run(make(server, tmp_path, cache_mode="read_only", **settings)).cache.reasons
        return found

    assert reason(prompt="Analyze it well.") == "prompt changed"
    assert reason(system_prompt="Be terse.") == "system prompt changed"
    assert reason(temperature=0.5) == "model setting temperature is new"
    assert reason(llm=model(server, "other")) == 'setting llm: model changed from "m" to "other"'
    assert reason(llm=model(server, max_tokens=5)) == "setting llm: max_tokens is new"
    explained = make(server, tmp_path, prompt="Analyze it well.").explain(Document(text="a"))
    assert [(item.part, item.name) for item in explained.differences] == [("extra", "prompt")]


def test_another_input_is_explained_by_its_fields(server: OpenAIServer, tmp_path: Path) -> None:
    run(make(server, tmp_path))
    explained = make(server, tmp_path).explain(Document(text="b"))
    assert (explained.reason, [item[:2] for item in explained.differences]) == ("new input", [("field", "text")])


def test_a_replay_runs_python_over_what_was_recorded(server: OpenAIServer, tmp_path: Path) -> None:
    run(make(server, tmp_path, Shout))
    worker = make(server, tmp_path, Whisper, cache_mode="replay")
    assert run(worker).outputs == [Analysis(insight="insight 1")]
    assert len(server.seen) == 1
    assert len(worker.get_cache()) == 1  # nothing is added


def test_a_miss_in_a_replay_says_what_is_recorded_instead(server: OpenAIServer, tmp_path: Path) -> None:
    run(make(server, tmp_path))
    (failed,) = run(make(server, tmp_path, prompt="Analyze it\nwell.", cache_mode="replay")).failures
    assert isinstance(failed.error, CacheMiss)
    assert len(server.seen) == 1
    text = str(failed.error)
    assert "'llm.workers:Analyze' asks 'm' what is not recorded, and the mode is 'replay'" in text
    assert "    -Analyze it.\n    +Analyze it\n    +well." in text
    (nothing,) = run(make(server, tmp_path / "empty", cache_mode="replay")).failures
    assert str(nothing.error).endswith("nothing is recorded at all")


def test_the_nearest_recording_is_the_one_whose_text_is_most_alike(server: OpenAIServer, tmp_path: Path) -> None:
    run(make(server, tmp_path), "a", "b", "c")
    (failed,) = run(make(server, tmp_path, prompt="Analyze it well.", cache_mode="replay"), "b").failures
    changed = [line.strip() for line in str(failed.error).splitlines() if line.startswith(("    -", "    +"))]
    assert changed == ["--- recorded", "+++ asked", "-Analyze it.", "+Analyze it well."]
    (failed,) = run(make(server, tmp_path, cache_mode="replay", output_types=[Renamed]), "b").failures
    assert "answer: " in str(failed.error)


class Renamed(Task):
    insight: str


def test_loading_the_client_is_no_part_of_what_an_answer_takes(server: OpenAIServer, tmp_path: Path) -> None:
    script = f"""
import sys, time
import subprocess
import sys
from pathlib import Path
sys.path[:0] = {sys.path!r}
from llm.workers import Analyze, Document
from planai import llm_from_config
from planai.testing import run_inline

began = time.perf_counter()
worker = Analyze(llm=llm_from_config("local", "m", base_url={server.url!r}), cache_dir={str(tmp_path)!r})
assert run_inline(worker, Document(text="a")).ok
took = time.perf_counter() - began
(kept,), (said,) = worker.get_cache().notes(worker.cache_space), worker.response_room().cache.notes(SPACE)
print(took, kept.cost.seconds, said.cost.seconds)
""".replace("from planai.testing", "from planai.llm.responses import SPACE\nfrom planai.testing")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    took, kept, said = map(float, done.stdout.split())
    assert 0 < said <= kept < took / 2
