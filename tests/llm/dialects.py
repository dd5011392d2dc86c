"""What providers say on the wire, written down from their references: one class for each protocol."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

from llm.openai_server import OpenAIServer, Reply, Seen
from planai import llm_from_config
from planai.llm.remote import RemoteModel

INPUT, OUTPUT, CACHED = 110, 7, 30
"""Tokens that each answer took; of the input, so many were cached by the provider."""

KEY = "sk-conform-0123456789"


class Dialect:
    """How one provider is spoken to. Answers are made of plain data, requests are read into plain data."""

    name = ""
    provider = ""
    model = ""
    path = ""
    more: dict[str, Any] = {}
    prefix = "/v1"
    caches = True

    def __repr__(self) -> str:
        return self.name

    def make(self, server: OpenAIServer, **settings: Any) -> RemoteModel:
        url = server.url.removesuffix("/v1") + self.prefix
        given = {"api_key": KEY, "max_retries": 0, "timeout": 20, **self.more, **settings}
        made = llm_from_config(self.provider, self.model, base_url=url, **given)
        assert isinstance(made, RemoteModel)
        return made

    def text(self, text: str) -> Reply:
        return self.reply(text, [])

    def calls(self, *calls: tuple[str, str, dict[str, Any]]) -> Reply:
        return self.reply("", list(calls))

    def cut_off(self, text: str) -> Reply:
        return self.reply(text, [], "length")

    def reply(self, text: str, calls: list[tuple[str, str, dict[str, Any]]], reason: str = "stop") -> Reply:
        return Reply(json.dumps(self.answer(text, calls, reason)).encode())

    def stream(self, *pieces: str) -> Reply:
        return Reply(self.events(list(pieces)).encode(), headers={"content-type": "text/event-stream"})

    def error(self, status: int, message: str = "scripted", **headers: str) -> Reply:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return Reply(json.dumps(self.failure(status, message)).encode(), status, named)

    def answer(self, text: str, calls: list[tuple[str, str, dict[str, Any]]], reason: str = "stop") -> Any:
        raise NotImplementedError

    def events(self, pieces: list[str]) -> str:
        raise NotImplementedError

    def failure(self, status: int, message: str) -> Any:
        return {"error": {"message": message, "type": "scripted_error", "param": None, "code": None}}

    def schema(self, seen: Seen) -> dict[str, Any] | None:
        """Return the schema that the answer has to fit, where it is asked for by the protocol's own means."""
        raise NotImplementedError

    def told(self, seen: Seen) -> str:
        """Return all that the model is told, as one text."""
        return json.dumps(seen.body, ensure_ascii=False)

    def tools(self, seen: Seen) -> dict[str, dict[str, Any]]:
        """Return the schema of each tool's arguments."""
        raise NotImplementedError

    def results(self, seen: Seen) -> list[tuple[str, str]]:
        """Return the results of tools, with the id or name of the call."""
        raise NotImplementedError

    def images(self, seen: Seen) -> list[bytes]:
        raise NotImplementedError

    def key(self, seen: Seen) -> str:
        return seen.headers["authorization"].removeprefix("Bearer ")

    def setting(self, seen: Seen, name: str) -> Any:
        """Return ``temperature`` or ``max_tokens`` as it was sent; None where it was not."""
        return seen.body.get(name)


class OpenAIChat(Dialect):
    name, provider, model, path = "openai chat", "openai", "gpt-4o", "/v1/chat/completions"

    def answer(self, text: str, calls: list[tuple[str, str, dict[str, Any]]], reason: str = "stop") -> Any:
        said = [
            {"id": number, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for number, name, arguments in calls
        ]
        message = {
            "role": "assistant",
            "content": text or None,
            "refusal": None,
            **({"tool_calls": said} if said else {}),
        }
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if said else reason, "logprobs": None}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()}

    def events(self, pieces: list[str]) -> str:
        head = self._head("chat.completion.chunk")
        deltas = [{"index": 0, "delta": {"role": "assistant", "content": piece}} for piece in pieces]
        deltas.append({"index": 0, "delta": {}, "finish_reason": "stop"})
        chunks = [{**head, "choices": [delta]} for delta in deltas]
        chunks.append({**head, "choices": [], "usage": self._usage()})
        return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": self.model}

    def _usage(self) -> dict[str, Any]:
        return {
            "prompt_tokens": INPUT,
            "completion_tokens": OUTPUT,
            "total_tokens": INPUT + OUTPUT,
            "prompt_tokens_details": {"cached_tokens": CACHED},
        }

    def schema(self, seen: Seen) -> dict[str, Any] | None:
        form = seen.body.get("response_format") or {}
        found: dict[str, Any] | None = form.get("json_schema", {}).get("schema")
        return found

    def tools(self, seen: Seen) -> dict[str, dict[str, Any]]:
        return {one["function"]["name"]: one["function"]["parameters"] for one in seen.body.get("tools", [])}

    def results(self, seen: Seen) -> list[tuple[str, str]]:
        return [(turn["tool_call_id"], turn["content"]) for turn in seen.body["messages"] if turn["role"] == "tool"]

    def images(self, seen: Seen) -> list[bytes]:
        parts = [
            part for turn in seen.body["messages"] if isinstance(turn["content"], list) for part in turn["content"]
        ]
        return [_data(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]

    def setting(self, seen: Seen, name: str) -> Any:
        return seen.body.get("max_completion_tokens" if name == "max_tokens" else name)


class Ollama(OpenAIChat):
    name, provider, model = "ollama", "ollama", "llama3.2"

    def setting(self, seen: Seen, name: str) -> Any:
        return seen.body.get(name)


class OpenRouter(OpenAIChat):
    name, provider, model = "openrouter", "openrouter", "openai/gpt-4o"

    def _head(self, kind: str) -> dict[str, Any]:
        return {**super()._head(kind), "provider": "OpenAI"}

    def setting(self, seen: Seen, name: str) -> Any:
        return seen.body.get(name, seen.body.get("max_completion_tokens") if name == "max_tokens" else None)


class Compatible(Ollama):
    name, provider, model = "compatible", "vllm", "mistral-7b"


class OpenAIResponses(Dialect):
    name, provider, model, path = "openai responses", "openai", "gpt-4o", "/v1/responses"
    more = {"openai_api": "responses"}

    def answer(self, text: str, calls: list[tuple[str, str, dict[str, Any]]], reason: str = "stop") -> Any:
        output: list[Any] = [
            {
                "type": "function_call",
                "id": f"fc_{number}",
                "call_id": number,
                "name": name,
                "arguments": json.dumps(arguments),
                "status": "completed",
            }
            for number, name, arguments in calls
        ]
        if text:
            output.insert(0, self._message(text))
        return self._response(output, reason)

    @staticmethod
    def _message(text: str) -> dict[str, Any]:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}

    def _response(self, output: list[Any], reason: str = "stop") -> dict[str, Any]:
        cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": self.model,
            "status": "completed",
            "error": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "temperature": 1.0,
            "top_p": 1.0,
            "output": output,
            "usage": {
                "input_tokens": INPUT,
                "input_tokens_details": {"cached_tokens": CACHED},
                "output_tokens": OUTPUT,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": INPUT + OUTPUT,
            },
            **(cut if reason == "length" else {}),
        }

    def events(self, pieces: list[str]) -> str:
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
        part = {"type": "output_text", "text": "", "annotations": []}
        where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        done = self._message("".join(pieces))
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": self._response([])},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.content_part.added", **where, "part": part},
            *({"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []} for piece in pieces),
            {"type": "response.output_text.done", **where, "text": "".join(pieces), "logprobs": []},
            {"type": "response.content_part.done", **where, "part": {**part, "text": "".join(pieces)}},
            {"type": "response.output_item.done", "output_index": 0, "item": done},
            {"type": "response.completed", "response": self._response([done])},
        ]
        return _named_events([{**event, "sequence_number": number} for number, event in enumerate(events)])

    def schema(self, seen: Seen) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (seen.body.get("text") or {}).get("format", {}).get("schema")
        return found

    def tools(self, seen: Seen) -> dict[str, dict[str, Any]]:
        return {one["name"]: one["parameters"] for one in seen.body.get("tools", [])}

    def results(self, seen: Seen) -> list[tuple[str, str]]:
        items = [item for item in seen.body["input"] if item.get("type") == "function_call_output"]
        return [(item["call_id"], item["output"]) for item in items]

    def images(self, seen: Seen) -> list[bytes]:
        parts = [
            part for item in seen.body["input"] if isinstance(item.get("content"), list) for part in item["content"]
        ]
        return [_data(part["image_url"]) for part in parts if part["type"] == "input_image"]

    def setting(self, seen: Seen, name: str) -> Any:
        return seen.body.get("max_output_tokens" if name == "max_tokens" else name)


class Anthropic(Dialect):
    name, provider, model, path = "anthropic", "anthropic", "claude-sonnet-4-6", "/v1/messages"
    prefix = ""

    def answer(self, text: str, calls: list[tuple[str, str, dict[str, Any]]], reason: str = "stop") -> Any:
        content: list[Any] = [{"type": "text", "text": text}] if text else []
        content += [{"type": "tool_use", "id": number, "name": name, "input": given} for number, name, given in calls]
        ended = {"stop": "end_turn", "length": "max_tokens"}[reason]
        return {
            **self._head(),
            "content": content,
            "stop_reason": "tool_use" if calls else ended,
            "usage": self._usage(),
        }

    def _head(self) -> dict[str, Any]:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    def _usage(self) -> dict[str, Any]:
        return {
            "input_tokens": INPUT - CACHED,
            "cache_read_input_tokens": CACHED,
            "cache_creation_input_tokens": 0,
            "output_tokens": OUTPUT,
        }

    def reply(self, text: str, calls: list[tuple[str, str, dict[str, Any]]], reason: str = "stop") -> Reply:
        """Answer at once, or in events: the client asks for these where an answer may be long."""
        whole = self.answer(text, calls, reason)
        blocks = [self._text_block([text])] if text else []
        for block in whole["content"]:
            if block["type"] == "tool_use":
                delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
                blocks.append(({**block, "input": {}}, [delta]))
        return replace(super().reply(text, calls, reason), events=self._stream(blocks, whole["stop_reason"]).encode())

    def events(self, pieces: list[str]) -> str:
        return self._stream([self._text_block(pieces)], "end_turn")

    @staticmethod
    def _text_block(pieces: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]

    def _stream(self, blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]], reason: str) -> str:
        started = {**self._head(), "usage": {**self._usage(), "output_tokens": 1}}
        events: list[dict[str, Any]] = [{"type": "message_start", "message": started}]
        for index, (block, deltas) in enumerate(blocks):
            events.append({"type": "content_block_start", "index": index, "content_block": block})
            events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": index})
        ended = {"stop_reason": reason, "stop_sequence": None}
        events.append({"type": "message_delta", "delta": ended, "usage": self._usage()})
        return _named_events([*events, {"type": "message_stop"}])

    def failure(self, status: int, message: str) -> Any:
        return {"type": "error", "error": {"type": "scripted_error", "message": message}}

    def schema(self, seen: Seen) -> dict[str, Any] | None:
        form = (seen.body.get("output_config") or {}).get("format") or seen.body.get("output_format") or {}
        found: dict[str, Any] | None = form.get("schema")
        return found

    def tools(self, seen: Seen) -> dict[str, dict[str, Any]]:
        return {one["name"]: one["input_schema"] for one in seen.body.get("tools", [])}

    def results(self, seen: Seen) -> list[tuple[str, str]]:
        blocks = [block for block in self._blocks(seen) if block["type"] == "tool_result"]
        return [(block["tool_use_id"], _plain(block["content"])) for block in blocks]

    def images(self, seen: Seen) -> list[bytes]:
        blocks = [block for block in self._blocks(seen) if block["type"] == "image"]
        return [base64.b64decode(block["source"]["data"]) for block in blocks]

    @staticmethod
    def _blocks(seen: Seen) -> list[dict[str, Any]]:
        turns = [turn["content"] for turn in seen.body["messages"] if isinstance(turn["content"], list)]
        return [block for turn in turns for block in turn]


class Gemini(Dialect):
    name, provider, model = "gemini", "gemini", "gemini-2.5-flash"
    path = "/v1beta/models/gemini-2.5-flash:generateContent"
    prefix = ""

    def answer(self, text: str, calls: list[tuple[str, str, dict[str, Any]]], reason: str = "stop") -> Any:
        parts: list[Any] = [{"text": text}] if text else []
        parts += [{"functionCall": {"id": number, "name": name, "args": given}} for number, name, given in calls]
        return self._said(parts, {"stop": "STOP", "length": "MAX_TOKENS"}[reason])

    def _said(self, parts: list[Any], reason: str | None) -> dict[str, Any]:
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
        return {
            "candidates": [candidate | ({"finishReason": reason} if reason else {})],
            "modelVersion": self.model,
            "responseId": "r1",
            "usageMetadata": {
                "promptTokenCount": INPUT,
                "cachedContentTokenCount": CACHED,
                "candidatesTokenCount": OUTPUT,
                "totalTokenCount": INPUT + OUTPUT,
            },
        }

    def events(self, pieces: list[str]) -> str:
        last = len(pieces) - 1
        chunks = [self._said([{"text": piece}], "STOP" if n == last else None) for n, piece in enumerate(pieces)]
        return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)

    def failure(self, status: int, message: str) -> Any:
        return {"error": {"code": status, "message": message, "status": "SCRIPTED"}}

    def schema(self, seen: Seen) -> dict[str, Any] | None:
        config = seen.body.get("generationConfig", {})
        found: dict[str, Any] | None = config.get("responseJsonSchema") or config.get("responseSchema")
        return found

    def tools(self, seen: Seen) -> dict[str, dict[str, Any]]:
        declared = [one for tool in seen.body.get("tools", []) for one in tool["functionDeclarations"]]
        return {one["name"]: one["parameters_json_schema"] for one in declared}

    def results(self, seen: Seen) -> list[tuple[str, str]]:
        parts = [part for turn in seen.body["contents"] for part in turn["parts"] if "functionResponse" in part]
        found = [part["functionResponse"] for part in parts]
        return [(one.get("id", ""), json.dumps(one["response"])) for one in found]

    def images(self, seen: Seen) -> list[bytes]:
        parts = [part for turn in seen.body["contents"] for part in turn["parts"] if "inlineData" in part]
        return [base64.b64decode(part["inlineData"]["data"], altchars=b"-_") for part in parts]

    def key(self, seen: Seen) -> str:
        return seen.headers["x-goog-api-key"]

    def setting(self, seen: Seen, name: str) -> Any:
        return seen.body["generationConfig"].get("maxOutputTokens" if name == "max_tokens" else name)


DIALECTS = [OpenAIChat(), OpenAIResponses(), Anthropic(), Gemini(), Ollama(), OpenRouter(), Compatible()]


def _named_events(events: list[dict[str, Any]]) -> str:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)


def _plain(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _data(url: str) -> bytes:
    head, _, body = url.partition(",")
    assert head.startswith("data:image/")
    assert head.endswith(";base64")
    return base64.b64decode(body)
