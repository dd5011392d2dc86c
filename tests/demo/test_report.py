"""The page and the table: well-formed, self-contained, and safe from what they show."""

from __future__ import annotations

import io
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from planai.demo.analysis import ModuleFacts, analyse
from planai.demo.report import RunFigures, render_html, render_table

RUN = RunFigures(40, 2, 75.2, 30, 10, 3.5, "tiny-model", "3.11.7")
HOSTILE = "<script>alert('&')</script>"
VOID = {"br", "line", "meta", "wbr"}


class Page(HTMLParser):
    """Reads a page, and sees to it that every tag is closed in turn, and that nothing comes from elsewhere."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []
        assert "script" not in self.tags
        assert "://" not in html
        assert "url(" not in html

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not {"src", "href"} & {name for name, _ in attrs}
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text_of(html: str) -> str:
    return " ".join(html.split())


def table(facts: list[ModuleFacts], categories: dict[str, str]) -> str:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(render_table(facts, categories))
    return console.export_text()


@pytest.mark.parametrize("count", [0, 1, 2, 25])
@pytest.mark.parametrize("classified", [False, True])
def test_the_page_is_well_formed(facts: list[ModuleFacts], count: int, *, classified: bool) -> None:
    shown = facts[:count]
    categories = {module.name: f"group {len(module.name) % 11}" for module in shown} if classified else {}
    page = Page(render_html(shown, categories, RUN))
    assert page.tags.count("svg") == (2 if count else 0)
    assert page.tags.count("circle") == 2 * sum(bool(module.code_lines) for module in shown)


def test_a_page_without_categories_does_not_speak_of_them(facts: list[ModuleFacts]) -> None:
    assert "By category" not in render_html(facts, {}, RUN)


def test_a_module_without_category_is_called_so(facts: list[ModuleFacts]) -> None:
    page = render_html(facts, {facts[0].name: "network"}, RUN)
    assert "By category" in page
    assert "not classified" in page


def test_hostile_names_are_escaped() -> None:
    facts = replace(analyse("m", "def f(): pass\n"), name=HOSTILE, most_complex=HOSTILE, synopsis=HOSTILE)
    page = render_html([facts], {HOSTILE: HOSTILE}, replace(RUN, model=HOSTILE, python=HOSTILE))
    assert "&lt;script&gt;" in page
    Page(page)


def test_the_page_tells_the_runs_figures(facts: list[ModuleFacts]) -> None:
    page = text_of(render_html(facts, {}, RUN))
    assert "40 modules analysed in 1 min 15 s on Python 3.11.7; 2 classified by tiny-model." in page
    assert "The cache answered 30 calls and missed 10; that saved 3.5 s of work." in page


@pytest.mark.parametrize("run", [replace(RUN, model=None), replace(RUN, classified=0)])
def test_the_page_says_when_no_model_was_asked(facts: list[ModuleFacts], run: RunFigures) -> None:
    page = text_of(render_html(facts, {}, run))
    assert "no model was asked" in page
    assert "tiny-model" not in page


def test_the_table_has_the_hardest_modules_first(facts: list[ModuleFacts]) -> None:
    hardest = max(facts, key=lambda module: (module.complexity_max, module.complexity_total))
    rows = [line.split()[0] for line in table(facts, {}).splitlines() if "/" in line]
    assert rows[0] == hardest.name
    assert len(rows) == 12


def test_the_table_takes_no_markup_from_names(facts: list[ModuleFacts]) -> None:
    assert "[bold]network" in table(facts, {module.name: "[bold]network" for module in facts})


def test_the_table_has_categories_only_if_there_are_some(facts: list[ModuleFacts]) -> None:
    assert "Category" not in table(facts, {})
    assert "Category" in table(facts, {facts[0].name: "network"})


def test_the_table_of_nothing_says_so() -> None:
    assert "No modules were analysed" in table([], {})
