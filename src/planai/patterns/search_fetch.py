"""Search and fetch: the pages that a search finds, as far as a model holds them to be of use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from planai.cache.canonical import CacheIgnore
from planai.cache.worker import CachedTaskWorker
from planai.errors import WebError
from planai.graph import Graph
from planai.integrations.browse import WebBrowser
from planai.integrations.pages import Page
from planai.integrations.search import SerperGoogleSearchTool
from planai.join import InitialTaskWorker, MergedTaskWorker
from planai.llm.cached import CachedLLMTaskWorker
from planai.llm.client import LLM
from planai.subgraph import SubGraphWorker
from planai.task import Task
from planai.worker import TaskWorker

Search = Callable[[str], list[dict[str, Any]]]
"""Returns the results of a query, each with ``title``, ``link`` and ``snippet``; or raises."""

Fetch = Callable[[str], Page]
"""Returns the page at an address, or raises."""

_LARGEST_PAGE = 100_000


class SearchQuery(Task):
    """What to search for."""

    query: str = Field(description="The words to search for")
    metadata: str | None = Field(default=None, description="Whatever the caller wants to find again in the results")


class SearchStarted(Task):
    """Tells the end of the graph that there was a query, so that it answers also when nothing was found."""

    query: str


class SearchResult(Task):
    """One result of a search."""

    title: str
    link: str
    snippet: str | None = None


class SearchResults(Task):
    """The results of a search, in their order."""

    results: list[SearchResult]


class PageResult(Task):
    """A page, as Markdown."""

    url: str
    title: str
    content: str | None = None


class PageAnalysis(Task):
    """What a model makes of a page."""

    cleaned_content: str | None = Field(
        default=None, description="What the page says of the matter, without menus, advertisements and the like"
    )
    summary: str = Field(description="What it says, in a sentence or two")
    is_relevant: bool = Field(description="Whether it helps with the search")


class ConsolidatedPages(Task):
    """The pages that are of use, in the order of the search; none if there are none, or if something failed."""

    pages: list[PageResult]


class SearchEntry(TaskWorker):
    """Takes the query in."""

    output_types = [SearchQuery, SearchStarted]

    def consume_work(self, task: SearchQuery) -> None:
        """Pass the query on, and say that there is one."""
        self.publish_work(SearchStarted(query=task.query), input_task=task)
        self.publish_work(task.copy_public(), input_task=task)


class SearchExecutor(CachedTaskWorker):
    """Searches."""

    output_types = [SearchResults]
    search: Annotated[Search, CacheIgnore] = Field(repr=False)

    def pre_consume_work(self, task: SearchQuery) -> None:
        """Tell whoever asked how it goes."""
        self.notify_status(task, f"Searching for {task.query}")

    def consume_work(self, task: SearchQuery) -> None:
        """Publish what is found."""
        found = [SearchResult.model_validate(result) for result in self.search(task.query)]
        self.publish_work(SearchResults(results=found), input_task=task)


class SearchResultSplitter(TaskWorker):
    """Passes on each result that the filter lets through, and each address once."""

    output_types = [SearchResult]
    filter_func: Callable[[SearchResult], bool] | None = None

    def consume_work(self, task: SearchResults) -> None:
        """Publish the results one by one."""
        for result in {result.link: result for result in task.results}.values():
            if self.filter_func is None or self.filter_func(result):
                self.publish_work(result, input_task=task)


class ResultFetcher(CachedTaskWorker):
    """Fetches the page of a result."""

    output_types = [PageResult]
    num_retries = 1
    fetch: Annotated[Fetch, CacheIgnore] = Field(repr=False)

    def pre_consume_work(self, task: SearchResult) -> None:
        """Tell whoever asked how it goes."""
        self.notify_status(task, f"Fetching {task.link}")

    def consume_work(self, task: SearchResult) -> None:
        """Publish the page."""
        page = self.fetch(task.link)
        self.publish_work(
            PageResult(url=task.link, title=page.title or task.title, content=page.markdown), input_task=task
        )


class PageRelevanceFilter(CachedLLMTaskWorker):
    """Asks the model what a page is worth."""

    llm_input_type = PageResult
    output_types = [PageAnalysis]
    prompt = (
        "Somebody searched for: {query}\n\nTell whether this page helps. If it does, give back what it says of the "
        "matter, in its own words as far as possible, and without what belongs to the site and not to the page."
    )

    def pre_consume_work(self, task: PageResult) -> None:
        """Tell whoever asked how it goes."""
        self.notify_status(task, f"Judging {task.url}")

    def pre_process(self, task: PageResult) -> PageResult:
        """Show no more of a page than a model can read."""
        return task.model_copy(update={"content": (task.content or "")[:_LARGEST_PAGE]})

    def format_prompt(self, task: PageResult) -> str:
        """Fill in the query."""
        query = task.find_input_task(SearchQuery)
        return self.prompt.replace("{query}", query.query if query else "")


class PageAnalysisConsumer(TaskWorker):
    """Passes on the pages that are of use."""

    output_types = [PageResult]

    def consume_work(self, task: PageAnalysis) -> None:
        """Publish the page as the model cleaned it."""
        page = task.find_input_task(PageResult)
        if task.is_relevant and page is not None:
            content = task.cleaned_content or page.content
            self.publish_work(PageResult(url=page.url, title=page.title, content=content), input_task=task)


class PageConsolidator(MergedTaskWorker):
    """Collects the pages of one query."""

    output_types = [ConsolidatedPages]
    join_type: type[TaskWorker] = InitialTaskWorker
    merged_types = [SearchStarted, PageResult]

    def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
        """Publish the pages together."""
        pages = [page for page in tasks.get("PageResult", []) if isinstance(page, PageResult)]
        self.publish_work(ConsolidatedPages(pages=pages), input_task=tasks["SearchStarted"][0])


def _search_by_serper(query: str) -> list[dict[str, Any]]:
    problems: list[str] = []
    found = SerperGoogleSearchTool.search_internet(query, num_results=10, print_func=problems.append)
    if found is None:
        raise WebError("; ".join(problems) or f"the search for {query!r} failed")
    return found


def _fetch_with(pdf: Callable[..., str] | None) -> Fetch:
    def fetch(url: str) -> Page:
        problems: list[str] = []
        found = WebBrowser.get_markdown_from_page(
            url, extract_markdown_from_pdf=pdf, print_func=lambda *words: problems.append(" ".join(map(str, words)))
        )
        if found is None:
            raise WebError("; ".join(problems) or f"{url!r} cannot be fetched")
        return Page(url, "", found, "")

    return fetch


def create_search_fetch_graph(
    *,
    llm: LLM,
    name: str = "SearchFetchWorker",
    filter_func: Callable[[SearchResult], bool] | None = None,
    extract_pdf_func: Callable[..., str] | None = None,
    search: Search | None = None,
    fetch: Fetch | None = None,
    cache_dir: str = "./cache",
) -> tuple[Graph, TaskWorker, TaskWorker]:
    """Return a graph that searches, with the worker that consumes a `SearchQuery` and the one that gives the pages.

    Args:
        llm: the model that judges the pages.
        name: what the graph is called.
        filter_func: tells whether a result is worth fetching.
        extract_pdf_func: turns a PDF into Markdown; see `WebBrowser.get_markdown_from_page`.
        search: how to search, such as ``SearchApi(...).search``; by default by serper.dev, with the key in
            SERPER_API_KEY.
        fetch: how to fetch, such as ``PageFetcher(...).fetch``; by default by `WebBrowser`.
        cache_dir: where results, pages and the model's answers are kept.
    """
    search = search or _search_by_serper
    fetch = fetch or _fetch_with(extract_pdf_func)
    entry, executor = SearchEntry(), SearchExecutor(search=search, cache_dir=cache_dir)
    splitter, fetcher = SearchResultSplitter(filter_func=filter_func), ResultFetcher(fetch=fetch, cache_dir=cache_dir)
    relevance, consumer = PageRelevanceFilter(llm=llm, cache_dir=cache_dir), PageAnalysisConsumer()
    consolidator = PageConsolidator()
    graph = Graph(name=f"{name}Graph")
    graph.add_workers(entry, executor, splitter, fetcher, relevance, consumer, consolidator)
    graph.set_dependency(entry, executor).next(splitter).next(fetcher).next(relevance).next(consumer).next(consolidator)
    graph.set_dependency(entry, consolidator)
    graph.set_entry(entry).set_exit(consolidator)
    return graph, entry, consolidator


def create_search_fetch_worker(
    *,
    llm: LLM,
    name: str = "SearchFetchWorker",
    filter_func: Callable[[SearchResult], bool] | None = None,
    extract_pdf_func: Callable[..., str] | None = None,
    search: Search | None = None,
    fetch: Fetch | None = None,
    cache_dir: str = "./cache",
) -> TaskWorker:
    """Return a worker that consumes a `SearchQuery` and publishes one `ConsolidatedPages`.

    For the arguments, see `create_search_fetch_graph`.
    """
    graph, entry, last = create_search_fetch_graph(
        llm=llm,
        name=name,
        filter_func=filter_func,
        extract_pdf_func=extract_pdf_func,
        search=search,
        fetch=fetch,
        cache_dir=cache_dir,
    )
    return SubGraphWorker(name=name, graph=graph, entry_worker=entry, exit_worker=last)
