"""Pictures: where they come from, and that they decide what is asked."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from llm.workers import Analysis
from planai import (
    CachedLLMTaskWorker,
    MediaTask,
    Task,
)
from planai.llm.client import Answer
from planai.testing import ScriptedLLM, run_inline


def said(insight: str) -> Answer:
    return Answer(json.dumps({"insight": insight}))


def only_error(worker: CachedLLMTaskWorker, task: Task) -> str:
    (failed,) = run_inline(worker, task).failures
    return f"{type(failed.error).__name__}: {failed.error}"


PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


class Picture(MediaTask):
    caption: str


class Describe(CachedLLMTaskWorker):
    prompt = "Describe it."
    llm_input_type = Picture
    output_types = [Analysis]


def test_pictures_are_shown_as_pictures(tmp_path: Path) -> None:
    file = tmp_path / "pixel.gif"
    file.write_bytes(PIXEL)
    llm = ScriptedLLM([said("black")])
    images = [str(file), base64.b64encode(PIXEL).decode(), "https://example.org/a.png"]
    run_inline(Describe(llm=llm, cache_dir=tmp_path / "cache"), Picture(caption="c", images=images))
    (message,) = llm.requests[0].messages[1:]
    assert [(image.media_type, image.data, image.url) for image in message.images] == [
        ("image/gif", PIXEL, ""),
        ("image/gif", PIXEL, ""),
        ("image/png", b"", "https://example.org/a.png"),
    ]
    assert "pixel.gif" not in message.text
    assert '"caption": "c"' in message.text


def test_another_picture_in_the_same_file_is_another_question(tmp_path: Path) -> None:
    file = tmp_path / "pixel.gif"
    worker = Describe(llm=ScriptedLLM([said("black"), said("white")]), cache_dir=tmp_path / "cache")
    outputs = []
    for data in (PIXEL, PIXEL + b";", PIXEL):
        file.write_bytes(data)
        outputs += run_inline(worker, Picture(caption="c", images=[str(file)])).outputs
    assert outputs == [Analysis(insight=insight) for insight in ("black", "white", "black")]


def test_what_is_no_picture_is_refused() -> None:
    task = Picture(caption="c", images=["/nowhere.png"])
    text = only_error(Describe(llm=ScriptedLLM([]), cache_mode="off"), task)
    assert text.startswith("ConfigurationError: '/nowhere.png' is no picture")
