"""Running the demo, and telling a person what came of it."""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path

from rich.console import Console

from planai.demo.pipeline import Report, make_graph, make_library
from planai.demo.report import RunFigures, render_html, render_table
from planai.errors import ConfigurationError
from planai.llm.client import LLM
from planai.llm.config import llm_from_config
from planai.llm.embedded import missing
from planai.run.result import RunResult


def show(*, llm: str, limit: int | None, classify: int, folder: Path) -> None:
    """Run the demo and print what it found, where the report is, and what the cache did.

    Args:
        llm: ``"provider:model"``, ``"embedded"``, or ``"none"``.
        limit: how many modules to read; None for all.
        classify: how many of them to ask the model about.
        folder: where the cache and the report go.

    Raises:
        ConfigurationError: there is no such provider, or nothing was found to read.
    """
    began = time.perf_counter()
    console = Console()
    model = _model(llm, console) if classify else None
    library = make_library(limit, classify if model else 0)
    if not library.modules:
        raise ConfigurationError(
            "this Python has no source of its standard library beside it: install it, or use another"
        )
    _make_folder(folder)
    graph, first = make_graph(str(folder / "cache"), model)
    if not sys.stderr.isatty():
        console.print(f"Reading {len(library.modules)} modules, asking about {len(library.classified)} ...")
    result = graph.run([(first, library)])
    report = next((task for task in result.outputs if isinstance(task, Report)), Report(facts=[], categories={}))
    figures = RunFigures(
        modules=len(report.facts),
        classified=len(report.categories),
        seconds=time.perf_counter() - began,
        cache_hits=result.cache_hits,
        cache_misses=result.cache_misses,
        seconds_saved=result.seconds_saved,
        model=model.model_name if model else None,
        python=platform.python_version(),
    )
    page = folder / "report.html"
    page.write_text(render_html(report.facts, report.categories, figures), encoding="utf-8")
    console.print(render_table(report.facts, report.categories))
    console.print(f"\nThe whole report, with a plot: {page}", highlight=False)
    console.print(_in_words(figures, result), highlight=False)


def _make_folder(folder: Path) -> None:
    """Make the folder before all the work, and not only when the report is written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder {str(folder)!r} cannot be made: {error.strerror}; name another"
        ) from error


def _model(name: str, console: Console) -> LLM | None:
    """Return the model called `name`, or None where there is none to ask."""
    if name == "none":
        return None
    if name == "embedded" and (reason := missing()):
        console.print(
            f"No module is classified: {reason}; or name another model with --llm provider:model.", markup=False
        )
        return None
    provider, _, model = name.partition(":")
    if provider != "embedded" and not model:
        raise ConfigurationError(f"--llm {name!r}: write provider:model, 'embedded', or 'none'")
    return llm_from_config(provider, model)


def _in_words(figures: RunFigures, result: RunResult) -> str:
    """Say what was computed and what was not."""
    asked = figures.cache_hits + figures.cache_misses
    lines = [f"{figures.cache_hits:,} of {asked:,} answers came from the cache"]
    if figures.cache_hits:
        lines[0] += f": they took {figures.seconds_saved:.1f} s to compute at first"
    else:
        lines[0] += "; run the same command again, and all of them will"
    for key, row in result.cache.workers.items():
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in row.reasons.most_common())
        if row.misses:
            lines.append(f"Computed now: {row.misses:,} by {key} ({reasons})")
    if result.failures:
        lines.append(f"{len(result.failures):,} calls failed; see above")
    lines.append(f"This run took {figures.seconds:.1f} s")
    return ".\n".join(lines) + "."
