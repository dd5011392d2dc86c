"""Searches at a real server."""

import json
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations.website import Website
from planai.errors import WebError
from planai.integrations import SearchApi, SerperGoogleSearchTool

RESULTS = [{"title": "One", "url": "http://1", "content": "first", "rank": 1}, {"title": "Two", "url": "http://2"}]


def searxng(site: Website) -> SearchApi:
    return SearchApi(site.url("/search"), link="url", snippet="content", page="pageno", parameters={"format": "json"})


def test_an_api_is_asked_by_get(site: Website) -> None:
    site.put_json("/search", {"results": RESULTS})
    found = searxng(site).search("a query & more", num_results=5, start_index=11)
    assert [(result["title"], result["link"], result["snippet"]) for result in found] == [
        ("One", "http://1", "first"),
        ("Two", "http://2", ""),
    ]
    assert found[0]["rank"] == 1
    query = parse_qs(urlsplit(site.seen[0][0]).query)
    assert query == {"q": ["a query & more"], "format": ["json"], "pageno": ["3"]}


def test_more_results_than_wanted_are_left_out(site: Website) -> None:
    site.put_json("/search", {"results": RESULTS})
    assert len(searxng(site).search("x", num_results=1)) == 1


def test_results_may_lie_deeper(site: Website) -> None:
    site.put_json("/search", {"web": {"results": RESULTS}})
    assert len(replace(searxng(site), results="web.results").search("x")) == 2
    assert replace(searxng(site), results="web.nothing").search("x") == []


def test_a_key_is_sent_in_its_header_and_shown_nowhere(site: Website, monkeypatch: pytest.MonkeyPatch) -> None:
    api = replace(searxng(site), key_variable="MY_SEARCH_KEY", key_header="X-Token")
    with pytest.raises(WebError, match="set MY_SEARCH_KEY"):
        api.search("x")
    assert not api.has_key()
    monkeypatch.setenv("MY_SEARCH_KEY", "s3cret")
    with pytest.raises(WebError, match="answers 404") as caught:
        api.search("x")
    assert "s3cret" not in str(caught.value) + repr(api)
    assert site.seen[0][1]["x-token"] == "s3cret"


@pytest.mark.parametrize("answer", [[], {"results": {}}, "text"])
def test_an_answer_without_a_list_is_told(site: Website, answer: object) -> None:
    site.put_json("/search", answer)
    with pytest.raises(WebError, match="without a list 'results'"):
        searxng(site).search("x")


def test_an_answer_that_is_no_json_is_told(site: Website) -> None:
    site.put("/search", "<html>")
    with pytest.raises(WebError, match="no JSON"):
        searxng(site).search("x")


def test_serper_is_asked_by_post(site: Website, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put_json("/search", {"organic": [{"title": "One", "link": "http://1", "snippet": "first", "position": 1}]})
    site.put_json("/news", {"news": [{"title": "New", "link": "http://n", "snippet": "today"}]})
    apis = {
        kind: replace(api, url=api.url.replace("https://google.serper.dev", site.url().rstrip("/")))
        for kind, api in SerperGoogleSearchTool.apis.items()
    }
    monkeypatch.setattr(SerperGoogleSearchTool, "apis", apis)
    monkeypatch.setenv("SERPER_API_KEY", "k")
    assert SerperGoogleSearchTool.check()
    found = SerperGoogleSearchTool.search_internet("words", num_results=3)
    assert found == [{"title": "One", "link": "http://1", "snippet": "first", "position": 1}]
    assert json.loads(site.seen[0][2]) == {"q": "words", "num": 3, "page": 1}
    assert site.seen[0][1]["x-api-key"] == "k"
    news = SerperGoogleSearchTool.search_internet("words", search_type="news")
    assert news is not None
    assert news[0]["title"] == "New"


def test_a_search_that_fails_is_told_and_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERPER_API_KEY", raising=False)
    told: list[str] = []
    assert not SerperGoogleSearchTool.check()
    assert SerperGoogleSearchTool.search_internet("words", print_func=told.append) is None
    assert "set SERPER_API_KEY" in told[0]
