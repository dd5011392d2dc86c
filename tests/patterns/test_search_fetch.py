"""Searching and fetching at a real server, with a model that answers from a script."""

from pathlib import Path
from typing import Any

import pytest

from integrations.website import Website
from planai import Graph, RunResult
from planai.integrations import PageFetcher, SearchApi, SerperGoogleSearchTool, WebBrowser
from planai.llm.client import Request
from planai.patterns.search_fetch import (
    ConsolidatedPages,
    PageAnalysis,
    PageResult,
    SearchQuery,
    create_search_fetch_graph,
    create_search_fetch_worker,
)
from planai.testing import ScriptedLLM
from planai.testing.models import Line

pytest.importorskip("markdownify", reason="the extra 'web' is not installed")


@pytest.fixture
def site() -> Any:
    with Website() as site:
        links = [site.put(f"/{name}", f"<title>{name}</title><p>text {name}</p>") for name in ("good", "bad", "best")]
        links += [site.url("/gone"), links[0]]
        site.put_json("/search", {"results": [{"title": "T", "link": link, "snippet": None} for link in links]})
        yield site


def judge(request: Request) -> Line:
    told = request.messages[-1].text
    assert "Somebody searched for: words" in told
    cleaned = "cleaned" if "text best" in told else None
    return PageAnalysis(summary="", is_relevant="text bad" not in told, cleaned_content=cleaned)


def run(site: Website, cache_dir: Path, **more: Any) -> RunResult:
    graph, entry, last = create_search_fetch_graph(
        llm=more.pop("llm", None) or ScriptedLLM(judge),
        search=SearchApi(site.url("/search")).search,
        fetch=PageFetcher(allow_private=True).fetch,
        cache_dir=str(cache_dir),
        **more,
    )
    graph.set_sink(last, ConsolidatedPages)
    return graph.run([(entry, SearchQuery(query="words"))], executor="inline", display_terminal=False)


def pages(result: RunResult) -> list[PageResult]:
    (found,) = result.outputs
    assert isinstance(found, ConsolidatedPages)
    return found.pages


def test_pages_that_are_of_use_come_in_the_order_of_the_search(site: Website, tmp_path: Path) -> None:
    result = run(site, tmp_path)
    assert pages(result) == [
        PageResult(url=site.url("/good"), title="good", content="text good"),
        PageResult(url=site.url("/best"), title="best", content="cleaned"),
    ]
    assert [failure.worker for failure in result.failures] == ["ResultFetcher"]


def test_results_can_be_left_out_before_they_are_fetched(site: Website, tmp_path: Path) -> None:
    found = pages(run(site, tmp_path, filter_func=lambda result: result.link.endswith("/best")))
    assert [page.title for page in found] == ["best"]
    assert [path.split("?")[0] for path, _, _ in site.seen] == ["/search", "/best"]


def test_nothing_found_is_an_empty_answer(site: Website, tmp_path: Path) -> None:
    site.put_json("/search", {"results": []})
    result = run(site, tmp_path)
    assert (pages(result), result.failures) == ([], [])


def test_a_search_that_fails_is_an_empty_answer_that_is_not_kept(site: Website, tmp_path: Path) -> None:
    search = site.pages.pop("/search")
    result = run(site, tmp_path)
    assert pages(result) == []
    assert [failure.worker for failure in result.failures] == ["SearchExecutor"]
    site.pages["/search"] = search
    assert len(pages(run(site, tmp_path))) == 2


def test_a_second_run_fetches_nothing_that_was_there(site: Website, tmp_path: Path) -> None:
    first = pages(run(site, tmp_path))
    site.seen.clear()
    model = ScriptedLLM(judge)
    assert pages(run(site, tmp_path, llm=model)) == first
    assert {path for path, _, _ in site.seen} == {"/gone"}
    assert model.requests == []


def test_several_queries_at_once_keep_their_pages_apart(site: Website, tmp_path: Path) -> None:
    def judged(request: Request) -> Line:
        wanted = request.messages[-1].text.split("Somebody searched for: ")[1].split()[0]
        return PageAnalysis(summary="", is_relevant=f"text {wanted}" in request.messages[-1].text)

    worker = create_search_fetch_worker(
        llm=ScriptedLLM(judged),
        search=SearchApi(site.url("/search")).search,
        fetch=PageFetcher(allow_private=True).fetch,
        cache_dir=str(tmp_path),
    )
    graph = Graph().add_workers(worker)
    graph.set_sink(worker, ConsolidatedPages)
    wanted = ["good", "best", "nothing"]
    found = graph.run([(worker, SearchQuery(query=query)) for query in wanted], display_terminal=False).outputs
    titles = [[page.title for page in pages.pages] for pages in found if isinstance(pages, ConsolidatedPages)]
    assert titles == [["good"], ["best"], []]
    queries = [pages.find_input_task(SearchQuery) for pages in found]
    assert [query.query for query in queries if query] == wanted


def test_without_a_search_and_a_fetcher_of_its_own_it_uses_serper_and_the_browser(
    site: Website, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SerperGoogleSearchTool, "apis", {"search": SearchApi(site.url("/search"))})
    monkeypatch.setattr(WebBrowser, "fetcher", PageFetcher(allow_private=True))
    worker = create_search_fetch_worker(llm=ScriptedLLM(judge), cache_dir=str(tmp_path))
    graph = Graph(name="g").add_workers(worker)
    worker.sink(ConsolidatedPages)
    result = graph.run([(worker, SearchQuery(query="words"))], display_terminal=False)
    assert [page.content for page in pages(result)] == ["text good", "cleaned"]
    assert ["404" in str(failure.error) for failure in result.failures] == [True]
    monkeypatch.setattr(SerperGoogleSearchTool, "apis", {"search": SearchApi(site.url("/nothing"))})
    result = graph.run([(worker, SearchQuery(query="other words"))], display_terminal=False)
    assert pages(result) == []
    assert "answers 404 to a search" in str(result.failures[0].error)


def test_who_asked_is_told_how_it_goes(site: Website, tmp_path: Path) -> None:
    graph, entry, last = create_search_fetch_graph(
        llm=ScriptedLLM(judge),
        search=SearchApi(site.url("/search")).search,
        fetch=PageFetcher(allow_private=True).fetch,
        filter_func=lambda result: result.link.endswith("/best"),
        cache_dir=str(tmp_path),
    )
    told: list[str | None] = []
    graph.set_sink(last, ConsolidatedPages)
    graph.prepare(display_terminal=False)
    graph.add_work(entry, SearchQuery(query="words"), status_callback=lambda *status: told.append(status[4]))
    graph.execute([])
    best = site.url("/best")
    assert told == ["Searching for words", f"Fetching {best}", f"Judging {best}", "Task removed"]
