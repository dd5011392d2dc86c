"""What workers with a model were asked and answered, as lines of JSON, for people and for `planai optimize-prompt`."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from planai.llm.client import Request

_lock = threading.Lock()


def write_debug(folder: str | Path, worker: str, task: BaseModel, request: Request, response: BaseModel) -> None:
    """Append one call to ``folder/worker.json``.

    Args:
        folder: where; it is made when it is not there.
        worker: the name of the worker.
        task: its input.
        request: what the model was told.
        response: the answer that was valid.
    """
    record: dict[str, Any] = {
        "input_task": task.model_dump(mode="json"),
        "prompt_template": request.messages[-1].text,
        "response": response.model_dump(mode="json"),
    }
    path = Path(folder) / f"{worker}.json"
    line = json.dumps(record, ensure_ascii=False) + "\n"
    with _lock:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", errors="surrogatepass") as file:
            file.write(line)
