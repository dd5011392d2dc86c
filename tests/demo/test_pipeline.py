"""The demo's graph, run as a person runs it: in one process after the other, with code that changes between them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import planai
from llm.openai_server import OpenAIServer, answer
from planai import RunResult, llm_from_config
from planai.demo.pipeline import EXAMPLES, Analyse, Classify, Library, Report, make_graph, make_library

MODULES = ["bisect", "colorsys", "csv", "fnmatch", "sched", "textwrap"]
CLASSIFIED = ["csv", "textwrap"]
ALL, ASKED = len(MODULES), len(CLASSIFIED)

SCRIPT = """
import json, sys
from planai import llm_from_config
from planai.demo.pipeline import Library, make_graph
folder, url, modules, classified = sys.argv[1:]
graph, first = make_graph(folder, llm_from_config("local", "m", base_url=url) if url else None)
result = graph.run([(first, Library(modules=modules.split(), classified=classified.split()))])
print(json.dumps({
    "figures": {key: [row.hits, row.misses] for key, row in result.workers.items()},
    "reports": [task.model_dump(mode="json") for task in result.outputs],
    "loaded": "openai" in sys.modules,
}))
"""


@dataclass(frozen=True)
class Ran:
    """What a run in a process of its own came to: hits and misses of each worker, and the report."""

    figures: dict[str, list[int]]
    reports: list[dict[str, object]]
    loaded: bool


@pytest.fixture(scope="module")
def running_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(running_server: OpenAIServer) -> OpenAIServer:
    running_server.reset()
    running_server.fallback = lambda body: answer(
        category="data formats" if "Module: csv" in body["messages"][-1]["content"] else "text"
    )
    return running_server


def run_apart(cache: Path, url: str, code: Path | None = None) -> Ran:
    """Run the demo in a new process, with the library as it is, or as it is in the folder `code`."""
    command = [sys.executable, "-c", SCRIPT]
    env = {**os.environ, "PYTHONPATH": str(code or "")}
    done = subprocess.run(
        [*command, str(cache), url, " ".join(MODULES), " ".join(CLASSIFIED)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=env,
    )
    assert done.stderr == ""
    return Ran(**json.loads(done.stdout))


def patched(folder: Path, file: str, old: str, new: str) -> Path:
    """Copy the library into `folder`, with something changed."""
    copy = folder / "planai"
    shutil.copytree(Path(planai.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / file).read_text(encoding="utf-8")
    assert source.count(old) == 1
    (copy / file).write_text(source.replace(old, new), encoding="utf-8")
    return folder


def run_here(cache: Path, url: str, classified: list[str]) -> RunResult:
    """Run the demo with a model that is not the one that filled the cache."""
    graph, first = make_graph(str(cache), llm_from_config("local", "other", base_url=url) if url else None)
    return graph.run([(first, Library(modules=MODULES, classified=classified))])


def report_of(result: RunResult) -> Report:
    (report,) = result.outputs
    assert isinstance(report, Report)
    return report


@pytest.fixture(scope="module")
def cold(running_server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A cache that a first run has filled, and what that run came to."""
    running_server.reset()
    running_server.fallback = lambda body: answer(
        category="data formats" if "Module: csv" in body["messages"][-1]["content"] else "text"
    )
    cache = tmp_path_factory.mktemp("demo") / "cache"
    return cache, run_apart(cache, running_server.url)


@pytest.fixture
def cache(cold: tuple[Path, Ran], tmp_path: Path) -> Path:
    """A copy of the filled cache, which a test may add to."""
    return Path(shutil.copytree(cold[0], tmp_path / "cache"))


def test_a_first_run_computes_everything(cold: tuple[Path, Ran]) -> None:
    _, ran = cold
    assert ran.figures["Analyse"] == [0, ALL]
    assert ran.figures["Classify"] == [0, ASKED]
    (report,) = ran.reports
    assert len(report["facts"]) == ALL  # type: ignore[arg-type]  # JSON
    assert set(report["categories"].values()) == {"data formats", "text"}  # type: ignore[attr-defined]  # JSON


def test_a_second_process_computes_nothing(server: OpenAIServer, cold: tuple[Path, Ran], cache: Path) -> None:
    ran = run_apart(cache, server.url)
    assert (ran.figures["Analyse"], ran.figures["Classify"]) == ([ALL, 0], [ASKED, 0])
    assert ran.reports == cold[1].reports
    assert server.seen == []
    assert (cold[1].loaded, ran.loaded) == (True, False)  # the client of the model


CHANGES = {
    "a helper of Analyse": ("demo/analysis.py", "return 1 + _decisions(function)", "return 2 + _decisions(function)"),
    "Analyse itself": ("demo/pipeline.py", "analyse(task.name, task.source)", "analyse(task.name, task.source + '#')"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_analysis_is_done_again_and_no_model_is_asked(
    server: OpenAIServer, cache: Path, tmp_path: Path, change: tuple[str, str, str]
) -> None:
    ran = run_apart(cache, server.url, patched(tmp_path, *change))
    assert (ran.figures["Analyse"], ran.figures["Classify"]) == ([0, ALL], [ASKED, 0])
    assert server.seen == []


def test_an_edit_of_what_is_done_with_answers_asks_no_model(server: OpenAIServer, cache: Path, tmp_path: Path) -> None:
    code = patched(tmp_path, "demo/pipeline.py", "category=response.category)", "category=str(response.category))")
    ran = run_apart(cache, server.url, code)
    assert (ran.figures["Analyse"], ran.figures["Classify"]) == ([ALL, 0], [0, ASKED])
    assert server.seen == []


def test_a_changed_question_is_asked_again_and_nothing_else_is_done(
    server: OpenAIServer, cache: Path, tmp_path: Path
) -> None:
    old = '"You sort Python modules into categories."'
    ran = run_apart(cache, server.url, patched(tmp_path, "demo/pipeline.py", old, '"You sort modules."'))
    assert (ran.figures["Analyse"], ran.figures["Classify"]) == ([ALL, 0], [0, ASKED])
    assert {seen.turns[0] for seen in server.seen} == {("system", "You sort modules.")}


def test_another_order_of_lines_and_other_comments_change_nothing(
    server: OpenAIServer, cache: Path, tmp_path: Path
) -> None:
    old = '        """Publish the facts."""\n'
    code = patched(tmp_path, "demo/pipeline.py", old, '        """Say it otherwise."""\n\n        # a comment\n')
    ran = run_apart(cache, server.url, code)
    assert (ran.figures["Analyse"], ran.figures["Classify"]) == ([ALL, 0], [ASKED, 0])


def test_a_change_that_is_taken_back_finds_the_earlier_answers(
    server: OpenAIServer, cache: Path, tmp_path: Path
) -> None:
    run_apart(cache, server.url, patched(tmp_path, *CHANGES["a helper of Analyse"]))
    assert run_apart(cache, server.url).figures["Analyse"] == [ALL, 0]


# ---- what the report holds


def test_the_report_has_every_module_and_the_models_categories(server: OpenAIServer, cache: Path) -> None:
    result = run_here(cache, server.url, CLASSIFIED)
    assert result.ok
    report = report_of(result)
    assert sorted(facts.name for facts in report.facts) == MODULES
    assert sorted(report.categories) == CLASSIFIED
    assert set(report.categories.values()) == {"data formats", "text"}


def test_the_model_sees_an_example_of_each_category(server: OpenAIServer, cache: Path) -> None:
    run_here(cache, server.url, CLASSIFIED)
    turns = server.seen[0].turns
    assert [role for role, _ in turns] == ["system", *["user", "assistant"] * len(EXAMPLES), "user"]
    assert [json.loads(text)["category"] for role, text in turns if role == "assistant"] == list(EXAMPLES)
    assert turns[-1][1].startswith("Module: ")


def test_a_model_that_fails_leaves_modules_unclassified(server: OpenAIServer, cache: Path) -> None:
    server.fallback = lambda _: answer(category="cookery")
    result = run_here(cache, server.url, CLASSIFIED)
    assert len(result.failures) == ASKED
    assert (len(report_of(result).facts), report_of(result).categories) == (ALL, {})


def test_a_model_that_nobody_is_asked_about_is_not_asked(server: OpenAIServer, cache: Path) -> None:
    assert report_of(run_here(cache, server.url, [])).categories == {}
    assert server.seen == []


def test_without_a_model_only_modules_are_analysed(cache: Path) -> None:
    result = run_here(cache, "", [])
    assert (result.cache_hits, result.workers["Analyse"].hits) == (ALL, ALL)
    assert "Classify" not in result.workers


def test_without_a_model_there_is_a_report(cache: Path) -> None:
    report = report_of(run_here(cache, "", []))
    assert (len(report.facts), report.categories) == (ALL, {})


# ---- what is read


def test_the_largest_modules_that_are_imported_by_name_are_asked_about() -> None:
    library = make_library(200, 20)
    assert len(library.classified) == 20
    assert set(library.classified) <= set(library.modules)
    assert not [name for name in library.classified if "." in name or name.startswith("_")]
    assert not {name for name, _, _ in EXAMPLES.values()} & set(library.classified)


def test_the_selection_is_always_the_same() -> None:
    assert make_library(12, 2) == make_library(12, 2)
    assert set(make_library(12, 0).modules) < set(make_library(22, 0).modules)


def test_both_cached_workers_use_the_folder(server: OpenAIServer, tmp_path: Path) -> None:
    graph, _ = make_graph(str(tmp_path), llm_from_config("local", "m", base_url=server.url))
    cached = {type(worker): worker for worker in graph.workers if isinstance(worker, Analyse | Classify)}
    assert set(cached) == {Analyse, Classify}
    assert {str(worker.cache_dir) for worker in cached.values()} == {str(tmp_path)}
