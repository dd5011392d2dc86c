"""``planai optimize-prompt``: better instructions for a worker with a model, tried on inputs that were recorded."""

from __future__ import annotations

import importlib.util
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from planai.bills import Bills
from planai.cli import render
from planai.errors import ConfigurationError
from planai.llm.cached import CachedLLMTaskWorker
from planai.llm.client import LLM
from planai.llm.config import llm_from_config
from planai.llm.optimize import Optimizer, Report, recorded_in_cache, recorded_in_log
from planai.llm.responses import open_room
from planai.llm.worker import LLMTaskWorker
from planai.task import Task


def optimize_prompt(  # noqa: PLR0913 - PlanAI's options, and a few of our own
    *,
    python_file: Annotated[Path, typer.Option(help="the file with the worker's class")],
    class_name: Annotated[str, typer.Option(help="the worker's class")],
    goal_prompt: Annotated[str, typer.Option(help="what a good answer is, in words")],
    debug_log: Annotated[Path | None, typer.Option(help="what the worker wrote with debug_mode")] = None,
    cache: Annotated[Path | None, typer.Option(help="or the cache folder of the worker")] = None,
    num_iterations: Annotated[int, typer.Option(help="how many variants", min=1)] = 3,
    samples: Annotated[int, typer.Option(help="how many recorded inputs", min=1)] = 10,
    llm_provider: Annotated[str, typer.Option(help="provider of the worker's model")] = "openai",
    llm_model: Annotated[str, typer.Option(help="the worker's model")] = "gpt-4o-mini",
    llm_opt_provider: Annotated[str | None, typer.Option(help="provider of the model that proposes and judges")] = None,
    llm_opt_model: Annotated[str | None, typer.Option(help="the model that proposes and judges")] = None,
    base_url: Annotated[str | None, typer.Option(help="a server that speaks OpenAI's protocol, for both")] = None,
    search_path: Annotated[Path | None, typer.Option(help="a folder to import from")] = None,
    output_dir: Annotated[Path, typer.Option(help="where the prompt and the report go")] = Path(),
    max_cost_usd: Annotated[float | None, typer.Option(help="US dollars to spend at most")] = None,
    prices: Annotated[str | None, typer.Option(help="US dollars per million tokens, as input=0.5,output=2")] = None,
) -> None:
    """Propose, try and compare better prompts for a worker. Run again, it pays for what is new alone."""
    given: dict[str, Any] = {"base_url": base_url, "prices": _prices(prices)}
    llm = llm_from_config(llm_provider, llm_model, **given)
    author = llm
    if llm_opt_provider or llm_opt_model:
        author = llm_from_config(llm_opt_provider or llm_provider, llm_opt_model or llm_model, **given)
    worker = _worker(python_file, class_name, search_path, llm)
    tasks = _inputs(worker, debug_log, cache)[:samples]
    limit = Bills(None if max_cost_usd is None else Decimal(str(max_cost_usd)))
    room = open_room(output_dir / ".planai-optimize")
    report = Optimizer(worker, author, goal_prompt, room, limit).run(tasks, num_iterations)
    _show(report)
    _write(report, output_dir)
    if report.ended:
        raise typer.Exit(1)


def _prices(text: str | None) -> dict[str, Any] | None:
    """Return what is meant by ``input=0.5,output=2``; whether these are prices, `llm_from_config` says."""
    if text is None:
        return None
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): price.strip() for name, _, price in pairs}


def _worker(python_file: Path, class_name: str, search_path: Path | None, llm: LLM) -> LLMTaskWorker:
    """Import the file, and make the worker."""
    sys.path[:0] = [str(search_path or python_file.resolve().parent)]
    spec = importlib.util.spec_from_file_location(python_file.stem, python_file)
    if spec is None or spec.loader is None or not python_file.is_file():
        raise ConfigurationError(f"{python_file} is no Python file")
    module = sys.modules[python_file.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kind = getattr(module, class_name, None)
    if not (isinstance(kind, type) and issubclass(kind, LLMTaskWorker)):
        raise ConfigurationError(f"{python_file} has no LLMTaskWorker called {class_name!r}")
    return kind(llm=llm)


def _inputs(worker: LLMTaskWorker, debug_log: Path | None, cache: Path | None) -> list[Task]:
    if debug_log is not None:
        return recorded_in_log(worker, debug_log)
    if cache is None:
        raise ConfigurationError("where are the recorded inputs? pass --debug-log, or --cache")
    if not isinstance(worker, CachedLLMTaskWorker):
        raise ConfigurationError(f"{worker.name!r} has no cache: pass --debug-log")
    return recorded_in_cache(worker, open_room(cache, writes=False), worker.cache_space)


def _show(report: Report) -> None:
    rows = [
        [
            str(one.number),
            f"{one.score:.2f}" if one.trials else "",
            "best" if one is report.best and one.trials else "",
            one.change or "as it was",
        ]
        for one in report.variants
    ]
    render.table(["variant", "score", "", "change"], rows, right=["variant", "score"])
    render.say()
    render.say(f"spent now: {report.bill.spent}; paid for before: {report.bill.saved}")
    if report.ended:
        render.tell(f"planai: {report.ended}")
    unchanged = "the prompt as it was is the best" if report.best.trials else "nothing was tried on all inputs"
    for line in (report.diff() or unchanged).splitlines():
        render.say(line)


def _write(report: Report, folder: Path) -> None:
    """Write the winning prompt, and all that was tried."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{report.worker}_prompt.txt").write_text(report.best.prompt + "\n", encoding="utf-8")
    variants = [
        {
            "number": one.number,
            "score": one.score,
            "change": one.change,
            "prompt": one.prompt,
            "trials": [
                {"input": t.task.model_dump(mode="json"), "answer": t.answer, "score": t.score, "critique": t.critique}
                for t in one.trials
            ],
        }
        for one in report.variants
    ]
    found: dict[str, Any] = {"worker": report.worker, "best": report.best.number, "variants": variants}
    found |= {"diff": report.diff(), "ended": report.ended}
    found |= {"spent": report.bill.spent.as_texts(), "saved": report.bill.saved.as_texts()}
    text = json.dumps(found, indent=2, ensure_ascii=False)
    (folder / f"{report.worker}_variants.json").write_text(text + "\n", encoding="utf-8")
