"""What planai adds to a call of a model: hits on both levels and misses, beside pydantic-ai alone, in one run.

    python benchmarks/models.py [calls]

The server is another process on loopback, which answers at once; figures are milliseconds a call, one call after the
other in one thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from pydantic_ai import Agent, ModelRequest
from pydantic_ai.direct import model_request
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import NativeOutput
from pydantic_ai.providers.openai import OpenAIProvider

from planai import CachedLLMTaskWorker, Graph, LLMTaskWorker, Task, llm_from_config

CONTENT = json.dumps({"insight": "x"})
BODY = json.dumps(
    {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": CONTENT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
).encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)


class Document(Task):
    text: str


class Insight(Task):
    insight: str


class Ask(LLMTaskWorker):
    prompt = "Analyze it."
    llm_input_type = Document
    output_types = [Insight]


class Keep(CachedLLMTaskWorker):
    prompt = "Analyze it."
    llm_input_type = Document
    output_types = [Insight]


class Edited(Keep):
    def post_process(self, response: Insight, input_task: Document) -> None:
        self.publish_work(Insight(insight=response.insight * 2))


def serve(listener: socket.socket) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):  # the client is gone
            while head := (await reader.readuntil(b"\r\n\r\n")).lower():
                await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
                writer.write(HEAD + BODY)

    async def forever() -> None:
        await (await asyncio.start_server(handle, sock=listener)).serve_forever()

    asyncio.run(forever())


def measured(name: str, count: int, go: Callable[[], Any]) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    go()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{name:44} {1000 * cpu / count:8.3f} ms CPU {1000 * wall / count:8.3f} ms wall")


def graph_of(worker: LLMTaskWorker, count: int) -> None:
    graph = Graph()
    graph.add_workers(worker).set_sink(worker, Insight)
    pairs = [(worker, Document(text=f"text {number}")) for number in range(count)]
    result = graph.run(pairs, executor="inline", display_terminal=False)
    assert len(result.outputs) == count, result.failures[:1]


def alone(url: str, count: int) -> None:
    async def go() -> None:
        model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=url, api_key="k"))
        agent = Agent(model, output_type=NativeOutput(Insight))
        await agent.run("warm up")
        for name, ask in (
            ("pydantic-ai alone, direct", lambda text: model_request(model, [ModelRequest.user_text_prompt(text)])),
            ("pydantic-ai alone, Agent", agent.run),
        ):
            cpu, wall = time.process_time(), time.perf_counter()
            for number in range(count):
                await ask(f"text {number}")
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            print(f"{name:44} {1000 * cpu / count:8.3f} ms CPU {1000 * wall / count:8.3f} ms wall")

    asyncio.run(go())


def main(count: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listener,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    llm = llm_from_config("local", "m", base_url=url)
    alone(url, count)
    with tempfile.TemporaryDirectory() as folder:
        graph_of(Ask(llm=llm), 3)  # warm up
        measured("LLMTaskWorker", count, lambda: graph_of(Ask(llm=llm), count))
        graph_of(Keep(llm=llm, cache_dir=f"{folder}/warm"), 3)
        kept = Keep(llm=llm, cache_dir=folder)
        measured("CachedLLMTaskWorker, a miss", count, lambda: graph_of(kept, count))
        measured(
            "CachedLLMTaskWorker, a hit of the response",
            count,
            lambda: graph_of(Edited(llm=llm, cache_dir=folder), count),
        )
        measured(
            "CachedLLMTaskWorker, a hit of the output", count, lambda: graph_of(Keep(llm=llm, cache_dir=folder), count)
        )
    server.terminate()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
