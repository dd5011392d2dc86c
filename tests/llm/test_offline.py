"""Made-up answers that fit any schema."""

from __future__ import annotations

from pydantic import BaseModel

from llm.workers import Document
from planai import (
    LLMTaskWorker,
    Task,
)
from planai.llm.offline import OfflineModel
from planai.testing import run_inline


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Everything(Task):
    tree: Tree
    scores: dict[str, float]
    kind: str | int | None = None


def test_the_offline_model_fits_any_schema() -> None:
    class Make(LLMTaskWorker):
        prompt = "Make it."
        llm_input_type = Document
        output_types = [Everything]

    documents = [Document(text=str(number)) for number in range(30)]
    first, second = (run_inline(Make(llm=OfflineModel()), *documents) for _ in range(2))
    assert not first.failures
    assert first.outputs == second.outputs
    assert len({str(output) for output in first.outputs}) > 20
    assert all("offline" in str(output) for output in first.outputs)
