"""Runs one block of the page in a process of its own, through a real graph, and prints what happened as JSON."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import logging
import os
import re
import sqlite3
import sys
import threading
import types
import typing
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import planai
from planai import Graph, RunResult, Task, TaskWorker
from spec import page_tasks
from spec.page_tasks import COMPUTED


def blocks(page: Path) -> dict[str, str]:
    """Return the page's code blocks by the class that each defines."""
    found = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return {re.findall(r"^class (\w+)", block, re.MULTILINE)[0]: block for block in found}


def load(name: str, source: str) -> types.ModuleType:
    """Execute a block, unchanged, among the names that the page takes for granted."""
    module = types.ModuleType(f"page_{name.lower()}")
    taken = {key: value for key, value in vars(page_tasks).items() if not key.startswith("_")}
    module.__dict__.update(taken, os=os, CachedTaskWorker=planai.CachedTaskWorker)
    module.__dict__.update({key: getattr(typing, key) for key in ("List", "Type", "Optional")})
    sys.modules[module.__name__] = module
    exec(compile(source, f"<{name}>", "exec"), module.__dict__)
    return module


def run(worker: TaskWorker, *tasks: Task) -> RunResult:
    """Run `worker` over `tasks` in a graph with a sink for each of its output types."""
    graph = Graph(name="page")
    graph.add_workers(worker)
    for kind in worker.output_types:
        graph.set_sink(worker, kind)
    return graph.run([(worker, task) for task in tasks], raise_on_failure=True)


def summary(result: RunResult) -> dict[str, Any]:
    """Return what the tests look at; what was computed is counted since the last summary."""
    computed = len(COMPUTED)
    COMPUTED.clear()
    return {
        "outputs": [task.model_dump() for task in result.outputs],
        "hits": result.cache_hits,
        "misses": result.cache_misses,
        "computed": computed,
    }


def twice(worker: TaskWorker, *tasks: Task) -> list[dict[str, Any]]:
    """Run `worker` twice over the same tasks."""
    return [summary(run(worker, *tasks)) for _ in range(2)]


def computing(base: Any, **settings: Any) -> Any:
    """Return a worker of a subclass that has the `process` which the page leaves out."""

    class Computing(base):  # type: ignore[misc]
        def process(self, task: Any) -> Any:
            COMPUTED.append(task)
            return page_tasks.Result(value=task.value * 2)

    return Computing(**settings)


def consuming(base: Any, **settings: Any) -> Any:
    """Return a worker of a subclass that has the `consume_work` which the page leaves out."""
    output = base.model_fields["output_types"].default[0]

    class Consuming(base):  # type: ignore[misc]
        def consume_work(self, task: page_tasks.InputTask) -> None:
            COMPUTED.append(task)
            self.publish_work(output(value=task.value * 2))

    return Consuming(**settings)


def stored(folder: str | Path) -> list[tuple[Any, ...]]:
    """Return (expires - stored, payload) of each entry, read from the file itself."""
    with contextlib.closing(sqlite3.connect(Path(folder) / "planai.sqlite3")) as database:
        return database.execute(
            "SELECT expires - stored, payload FROM entries WHERE space NOT LIKE 'profiles of %' ORDER BY stored"
        ).fetchall()


def expensive_computation(page: types.ModuleType) -> Any:
    return twice(page.ExpensiveComputation(), page_tasks.InputData(data=12))


def custom_key(page: types.ModuleType) -> Any:
    elided = twice(page.CustomCacheWorker(cache_dir="./elided"), page_tasks.InputTask())
    same_key = [page_tasks.InputTask(value=1), page_tasks.InputTask(value=2), page_tasks.InputTask(value=3, id=2)]
    worker = consuming(page.CustomCacheWorker)
    return {"elided": elided, "custom": [summary(run(worker, task)) for task in same_key]}


def configured(page: types.ModuleType) -> Any:
    worker = page.ConfiguredCacheWorker()
    runs = twice(worker, page_tasks.InputData())
    return {"runs": runs, "lives": [row[0] for row in stored("my_cache")]}


@contextlib.contextmanager
def openai_server() -> Iterator[list[dict[str, Any]]]:
    """Serve the wire format of OpenAI's chat completions on loopback, and collect what is asked."""
    asked: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            message = {"role": "assistant", "content": '{"insight": "it is short"}'}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
            head = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4"}
            body = json.dumps({**head, "choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["OPENAI_API_KEY"] = "sk-none-of-your-business"
    os.environ["OPENAI_BASE_URL"] = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


def cached_analyzer(page: types.ModuleType) -> Any:
    with openai_server() as asked:
        # A second process is given the address of the first one's server, where nobody listens any more.
        os.environ["OPENAI_BASE_URL"] = os.environ.get("PAGE_URL", os.environ["OPENAI_BASE_URL"])
        runs = twice(page.analyzer, page_tasks.Document())
        models = [body["model"] for body in asked]
        return {"runs": runs, "models": models, "url": os.environ["OPENAI_BASE_URL"]}


def conditional(page: types.ModuleType) -> Any:
    tasks = [page_tasks.InputTask(value=1, complexity=3), page_tasks.InputTask(value=2, complexity=7)]
    return twice(computing(page.ConditionalCacheWorker), *tasks)


def versioned(page: types.ModuleType) -> Any:
    worker = consuming(page.VersionedCacheWorker)
    runs = twice(worker, page_tasks.InputTask())
    page.VersionedCacheWorker.algorithm_version = "v2.2"
    return [*runs, *twice(worker, page_tasks.InputTask())]


def multi_level(page: types.ModuleType) -> Any:
    return [*twice(computing(page.MultiLevelCacheWorker), page_tasks.InputTask())]


def managed(page: types.ModuleType) -> Any:
    worker = consuming(page.ManagedCacheWorker, cache_dir="./managed")
    runs = twice(worker, page_tasks.InputTask())
    worker.clear_old_entries(days=7)
    kept = len(worker.get_cache())
    worker.clear_old_entries(days=-1)
    left = len(worker.get_cache())
    run(worker, page_tasks.InputTask())
    worker.clear_cache()
    gone = not Path("managed").exists()
    again = twice(worker, page_tasks.InputTask(value=8))
    worker.clear_cache()
    return {"runs": runs, "kept": kept, "left": left, "gone": gone, "again": again}


def monitored(page: types.ModuleType) -> Any:
    worker = computing(page.MonitoredCacheWorker)
    counts = []
    for _ in range(2):
        run(worker, page_tasks.InputTask())
        counts.append([worker.cache_hits, worker.cache_misses])
    return counts


def smart_ttl(page: types.ModuleType) -> Any:
    worker = consuming(page.SmartTTLWorker, cache_dir="./smart")
    kinds = [page_tasks.InputTask(data_type=kind) for kind in ("static", "dynamic", "other")]
    runs = [summary(run(worker, task)) for task in kinds * 2]
    return {"computed": sum(row["computed"] for row in runs), "lives": [round(row[0]) for row in stored("smart")]}


def warmable(page: types.ModuleType) -> Any:
    worker = consuming(page.WarmableCacheWorker)
    tasks = [page_tasks.InputTask(value=value) for value in (1, 2)]
    before = [worker.is_cached(task) for task in tasks]
    worker.warm_cache(tasks)
    warmed = len(COMPUTED)
    worker.warm_cache(tasks)
    again = len(COMPUTED) - warmed
    COMPUTED.clear()
    after = [worker.is_cached(task) for task in tasks]
    return {"before": before, "warmed": warmed, "again": again, "after": after, "runs": twice(worker, *tasks)}


def error_aware(page: types.ModuleType) -> Any:
    broken = Path("broken")

    class Fragile(page.ErrorAwareCacheWorker):  # type: ignore[misc,name-defined]
        def process(self, task: Any) -> Any:
            COMPUTED.append(task)
            if broken.exists():
                raise ValueError("out of order")
            return page_tasks.Result(value=task.value * 2)

    worker = Fragile()
    if not Path("second").exists():
        broken.touch()
    failing = twice(worker, page_tasks.InputTask())
    broken.unlink(missing_ok=True)
    Path("second").touch()
    return {"failing": failing, "working": twice(worker, page_tasks.InputTask())}


def size_limited(page: types.ModuleType) -> Any:
    worker = consuming(page.SizeLimitedCacheWorker, cache_size_limit=5)
    declared = consuming(page.SizeLimitedCacheWorker)
    run(worker, *(page_tasks.InputTask(value=value) for value in range(8)))
    kept = len(worker.get_cache())
    worker.evict_old_entries()
    worker.cache_size_limit = 2
    worker.evict_old_entries()
    limits = [declared.cache_size_limit, declared.cache_disk_limit]
    return {"kept": kept, "evicted_to": len(worker.get_cache()), "declared": limits}


def compressing(page: types.ModuleType) -> Any:
    class Large(page.CompressedCacheWorker):  # type: ignore[misc,name-defined]
        def consume_work(self, task: page_tasks.InputTask) -> None:
            COMPUTED.append(task)
            self.publish_work(page_tasks.LargeResult(text="large " * 50_000))

    runs = twice(Large(cache_dir="./compressed"), page_tasks.InputTask())
    payload: bytes = stored("compressed")[0][1]
    inner = payload[5:]
    return {
        "runs": [{**row, "outputs": [len(out["text"]) for out in row["outputs"]]} for row in runs],
        "bytes": len(payload),
        "zlib": len(zlib.decompress(inner)) > 300_000,
    }


def debugging(page: types.ModuleType) -> Any:
    worker = computing(page.DebugCacheWorker)
    heard = io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(heard))
    runs = twice(worker, page_tasks.InputTask())
    said = heard.getvalue()
    return {"runs": runs, "said": [text for text in ("Cache key:", "Cache HIT", "Cache MISS") if text in said]}


SCENARIOS: dict[str, Callable[[types.ModuleType], Any]] = {
    "ExpensiveComputation": expensive_computation,
    "CustomCacheWorker": custom_key,
    "ConfiguredCacheWorker": configured,
    "CachedAnalyzer": cached_analyzer,
    "ConditionalCacheWorker": conditional,
    "VersionedCacheWorker": versioned,
    "MultiLevelCacheWorker": multi_level,
    "ManagedCacheWorker": managed,
    "MonitoredCacheWorker": monitored,
    "SmartTTLWorker": smart_ttl,
    "WarmableCacheWorker": warmable,
    "ErrorAwareCacheWorker": error_aware,
    "SizeLimitedCacheWorker": size_limited,
    "CompressedCacheWorker": compressing,
    "DebugCacheWorker": debugging,
}


if __name__ == "__main__":
    path, name = sys.argv[1:]
    sys.stdout.write(json.dumps(SCENARIOS[name](load(name, blocks(Path(path))[name]))))
