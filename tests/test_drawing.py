"""Drawings of graphs, as text and for Mermaid."""

from __future__ import annotations

from planai import Graph, InitialTaskWorker, JoinedTaskWorker, SubGraphWorker, Task, TaskWorker
from planai.drawing import as_mermaid, as_text


class Page(Task):
    pass


class Word(Task):
    pass


class Split(TaskWorker):
    output_types = [Word]

    def consume_work(self, task: Page) -> None:
        """Do nothing."""


class Count(TaskWorker):
    output_types = [Page]

    def consume_work(self, task: Word) -> None:
        """Do nothing."""


class Untyped(TaskWorker):
    def consume_work(self, task) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - the mistake under test
        """Do nothing."""


class Join(JoinedTaskWorker):
    join_type = InitialTaskWorker
    output_types = [Page]

    def consume_work_joined(self, tasks: list[Word]) -> None:
        """Do nothing."""


def inner_graph() -> Graph:
    split, count = Split(), Count()
    graph = Graph(name="inner").add_workers(split, count)
    graph.set_entry(split).set_exit(count)
    split.next(count)
    return graph


def test_text_names_types_sinks_joins_and_what_was_drawn_before() -> None:
    split, count, join = Split(), Count(), Join()
    graph = Graph(name="g").add_workers(split, count, join).set_entry(split)
    split.next(count).next(split)
    split.next(join).sink(Page)
    graph.set_sink(count, Page, notify=lambda metadata, task: None)
    assert as_text(graph.wires).splitlines() == [
        "graph 'g'",
        "└─ Page → Split",
        "   ├─ Word → Count",
        "   │  ├─ Page → Split (above: a cycle)",
        "   │  └─ Page → sink with a callback",
        "   └─ Word → Join (joins on InitialTaskWorker)",
        "      └─ Page → sink",
    ]


def test_what_is_reached_on_two_ways_is_drawn_once() -> None:
    first, second, count = Split(), Split(), Count()
    graph = Graph(name="g").add_workers(first, second, count)
    graph.set_dependency(first, count)
    graph.set_dependency(second, count)
    assert as_text(graph.wires).splitlines()[1:] == [
        "├─ Page → Split#1",
        "│  └─ Word → Count",
        "└─ Page → Split#2",
        "   └─ Word → Count (above)",
    ]


def test_a_worker_that_does_not_say_what_it_consumes_is_drawn_all_the_same() -> None:
    assert "└─ ? → Untyped" in as_text(Graph(name="g").add_workers(Untyped()).wires)


def test_a_graph_inside_is_drawn_below() -> None:
    outer = Graph(name="outer")
    graph = inner_graph()
    outer.add_workers(SubGraphWorker(graph=graph, name="First"), SubGraphWorker(graph=graph, name="Second"))
    assert as_text(outer.wires).splitlines() == [
        "graph 'outer'",
        "├─ Page → First (graph 'inner')",
        "└─ Page → Second (graph 'inner')",
        "",
        "graph 'inner'",
        "└─ Page → Split",
        "   └─ Word → Count",
    ]


def test_mermaid_draws_arrows_with_types_and_boxes() -> None:
    outer = Graph(name="outer")
    sub, split = SubGraphWorker(graph=inner_graph()), Split()
    outer.add_workers(sub, split)
    sub.next(split).sink(Word)
    assert as_mermaid(outer.wires).splitlines() == [
        "flowchart TD",
        "    subgraph g1[\"SubGraphWorker (graph 'inner')\"]",
        '        w2["Split"]',
        '        w3["Count"]',
        '        w2 -->|"Word"| w3',
        "    end",
        '    w4["Split"]',
        '    w3 -->|"Page"| w4',
        "    s5([sink])",
        '    w4 -->|"Word"| s5',
    ]


def test_mermaid_gives_joins_a_shape_of_their_own_and_takes_any_name() -> None:
    odd = type('Odd"<Name>', (Join,), {})()
    assert as_mermaid(Graph(name="g").add_workers(odd).wires).splitlines()[1] == (
        '    w1{{"Odd#quot;#lt;Name#gt; (joins on InitialTaskWorker)"}}'
    )
