"""Conversations in plain text, turn by turn."""

from __future__ import annotations

from planai import (
    ChatMessage,
    ChatTask,
    ChatTaskWorker,
    Task,
    tool,
)
from planai.llm.client import Answer, ToolCall
from planai.testing import ScriptedLLM, run_inline


def only_error(worker: ChatTaskWorker, task: Task) -> str:
    (failed,) = run_inline(worker, task).failures
    return f"{type(failed.error).__name__}: {failed.error}"


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word} means one"


def chat(*turns: tuple[str, str]) -> ChatTask:
    return ChatTask(messages=[ChatMessage.model_validate({"role": role, "content": text}) for role, text in turns])


def test_a_chat_goes_on() -> None:
    llm = ScriptedLLM(["Fine."])
    task = chat(("user", "Hi"), ("assistant", "Hello"), ("user", "How are you?"))
    assert run_inline(ChatTaskWorker(llm=llm), task).outputs == [ChatMessage(role="assistant", content="Fine.")]
    roles = [message.role for message in llm.requests[0].messages]
    assert roles == ["system", "user", "assistant", "user"]
    assert "Today is 20" in llm.requests[0].messages[0].text
    assert llm.requests[0].schema is None


def test_a_chat_may_bring_its_system_prompt() -> None:
    llm = ScriptedLLM(["Fine."])
    run_inline(ChatTaskWorker(llm=llm), chat(("system", "Be terse."), ("user", "Hi")))
    assert [message.text for message in llm.requests[0].messages] == ["Be terse.", "Hi"]


def test_a_chat_may_use_tools() -> None:
    llm = ScriptedLLM([Answer("", calls=(ToolCall("c1", "look_up", '{"word": "a"}'),)), "It means one."])
    outputs = run_inline(ChatTaskWorker(llm=llm, tools=[look_up]), chat(("user", "a?"))).outputs
    assert outputs == [ChatMessage(role="assistant", content="It means one.")]


def test_a_model_that_says_nothing_is_a_failure() -> None:
    assert only_error(ChatTaskWorker(llm=ScriptedLLM(["", " "])), chat(("user", "Hi"))).startswith("InvalidAnswer")


def test_a_test_may_look_at_what_the_model_is_told() -> None:
    chat = ChatTaskWorker(llm=ScriptedLLM([]), system_prompt="Be brief.")
    told = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert chat._format_messages([ChatMessage(role="user", content="Hi")]) == told
