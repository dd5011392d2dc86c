"""Made-up answers that fit any schema."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from llm.workers import Document
from planai import CachedLLMTaskWorker, LLMTaskWorker, Task
from planai.llm.client import Image, Message, Request
from planai.llm.offline import OfflineModel
from planai.testing import ScriptedLLM, run_inline


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Everything(Task):
    tree: Tree
    scores: dict[str, float]
    kind: str | int | None = None
    price: Decimal = Decimal(0)


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


@pytest.mark.parametrize("kind", [LLMTaskWorker, CachedLLMTaskWorker])
def test_a_run_says_of_answers_that_may_not_look_it_that_they_are_made_up(kind: Any, tmp_path: Path) -> None:
    class Count(Task):
        number: int

    def remarks(llm: Any) -> list[str]:
        guess = type("Guess", (kind,), {"__module__": __name__, "output_types": [Count]})
        more = {"cache_dir": tmp_path} if kind is CachedLLMTaskWorker else {}
        return run_inline(guess(prompt="?", llm_input_type=Document, llm=llm, **more), Document(text="a")).remarks

    assert [remark.partition(":")[0] for remark in remarks(OfflineModel())] == ["the answers of 'Guess' are made up"]
    assert remarks(ScriptedLLM([Count(number=1)])) == []


def test_all_that_is_told_makes_another_answer() -> None:
    picture = (Image("image/png", b"1"),)
    requests = [
        Request((Message("user", "a"),)),
        Request((Message("user", "b"),)),
        Request((Message("system", "a"),)),
        Request((Message("user", "a", images=picture),)),
        Request((Message("user", "a"),), settings={"seed": 1}),
        Request((Message("user", "a"),), settings={"seed": 2}),
    ]
    wide = {"type": "integer", "minimum": 0, "maximum": 10**12}
    assert len({OfflineModel().ask(replace(one, schema=wide)).text for one in requests}) == len(requests)
