"""ChatTaskWorker: a conversation in plain text, turn by turn."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import date
from functools import partial
from typing import Any, Literal

from planai.flow import Blocking, Flow, go_along, go_through
from planai.llm.asking import Outcome
from planai.llm.base import BaseLLMTaskWorker
from planai.llm.borrowed import own_way
from planai.llm.client import Message
from planai.task import Task


class ChatMessage(Task):
    """One turn of a conversation.

    Attributes:
        role: whose turn.
        content: what is said.
    """

    role: Literal["system", "user", "assistant"]
    content: str


class ChatTask(Task):
    """A conversation that is to go on.

    Attributes:
        messages: the turns so far, the oldest first.
    """

    messages: list[ChatMessage]


class ChatTaskWorker(BaseLLMTaskWorker):
    """Lets a model go on with a conversation, and publishes its turn as a `ChatMessage`.

    >>> from planai.testing import ScriptedLLM, run_inline
    >>> chat = ChatTaskWorker(llm=ScriptedLLM(["Hello!"]))
    >>> run_inline(chat, ChatTask(messages=[ChatMessage(role="user", content="Hi")])).outputs
    [ChatMessage(role='assistant', content='Hello!')]

    Attributes:
        system_prompt: what the model is told about its part; ``{date}`` in it stands for the present day. It is left
            out of a conversation that has a system turn itself.
    """

    output_types: list[type[Task]] = [ChatMessage]
    system_prompt: str | None = "You are a helpful AI assistant. Today is {date}."

    def get_system_prompt(self, task: Any) -> str | None:
        """Return what the model is told about its part."""
        if self.system_prompt is None or any(message.role == "system" for message in task.messages):
            return None
        return self.system_prompt.replace("{date}", date.today().isoformat())  # noqa: DTZ011 - the day of who chats

    def _format_messages(self, messages: list[ChatMessage]) -> list[dict[str, str]]:
        """Return what the model is told, as tests written for PlanAI look at it."""
        system = self.get_system_prompt(ChatTask(messages=messages))
        first = [ChatMessage(role="system", content=system)] if system else []
        return [{"role": message.role, "content": message.content} for message in [*first, *messages]]

    def consume_work(self, task: ChatTask) -> Awaitable[None] | Any:
        """Ask the model for its turn, and publish it; to be awaited in an ``async def`` of a subclass.

        Raises:
            InvalidAnswer: the model refused, was cut off, or said nothing.
            ModelUnavailable: it could not be asked.
        """
        return go_along(self._take_turn_(task)) if self.is_async_worker else go_through(self._take_turn_(task))

    def _take_turn_(self, task: ChatTask) -> Flow[None]:
        chat = own_way(self.llm, "chat")
        if chat is None:
            turns = [Message(message.role, message.content) for message in task.messages]
            text = yield from self.ask_until_valid(self.render_request(task, turns, {}), task, _something, retries=1)
        else:
            told, tools = self._format_messages(task.messages), self.get_tools(task) or None
            text = yield Blocking(partial(chat, told, tools=tools, allow_json_mode=False))
        self.publish_work(ChatMessage(role="assistant", content=text), input_task=task)


def _something(text: str) -> Outcome[str]:
    return Outcome(text) if text.strip() else Outcome(None, "it is empty")
