"""Descriptions: how a graph shows itself on a terminal and in a notebook."""

from __future__ import annotations

from rich.console import Console

from planai import Graph, Task, TaskWorker


class Page(Task):
    pass


class Read(TaskWorker):
    def consume_work(self, task: Page) -> None:
        """Do nothing."""


def graph() -> Graph:
    return Graph(name="<g>").add_workers(Read())


def test_rich_prints_the_drawing() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(graph())
    assert captured.get() == "graph '<g>'\n└─ Page → Read\n"


def test_a_notebook_gets_text_html_and_mermaid() -> None:
    described = graph()
    shown = described._repr_mimebundle_()
    assert shown["text/plain"] == described.describe()
    assert shown["text/html"] == "<pre>graph &#x27;&lt;g&gt;&#x27;\n└─ Page → Read</pre>"
    assert shown["text/vnd.mermaid"] == described.to_mermaid()


def test_an_entry_is_named_once() -> None:
    read = Read()
    described = Graph(name="g").add_workers(read).set_entry(read).set_entry(read)
    assert described.get_entry_workers() == [read]
