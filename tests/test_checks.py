"""Checks: what is seldom meant in the wiring of a graph, and told before it runs."""

from __future__ import annotations

import pytest

from planai import Graph, JoinedTaskWorker, Task, TaskWorker
from planai.errors import WiringError


class Page(Task):
    pass


class Word(Task):
    pass


class Split(TaskWorker):
    output_types = [Word]

    def consume_work(self, task: Page) -> None:
        self.publish_work(Word())


class Read(TaskWorker):
    def consume_work(self, task: Word) -> None:
        """Do nothing."""


class Back(TaskWorker):
    output_types = [Page]

    def consume_work(self, task: Word) -> None:
        """Feed nothing back."""


class JoinOnRead(JoinedTaskWorker):
    join_type = Read

    def consume_work_joined(self, tasks: list[Word]) -> None:
        """Do nothing."""


def test_a_right_graph_raises_no_doubts() -> None:
    split, read = Split(), Read()
    graph = Graph(name="g").add_workers(split, read)
    split.next(read)
    assert graph.check() == []


def test_a_type_that_nobody_consumes_is_told() -> None:
    [doubt] = Graph(name="g").add_workers(Split()).check()
    assert doubt == (
        "'Split' publishes 'Word', which nobody consumes: wire a consumer, collect it with "
        "graph.set_sink(worker, Word), or take it out of Split.output_types"
    )


def test_what_the_exit_publishes_needs_no_consumer() -> None:
    split = Split()
    assert Graph(name="g").add_workers(split).set_exit(split).check() == []


def test_a_worker_to_which_nothing_leads_is_told() -> None:
    split, read, lost = Split(), Read(), Read()
    graph = Graph(name="g").add_workers(split, read, lost).set_entry(split)
    split.next(read)
    [doubt] = graph.check()
    assert doubt.startswith("'Read#2' gets no work: nothing leads to it from 'Split'; wire it with")


def test_a_cycle_is_told_once() -> None:
    split, back = Split(), Back()
    graph = Graph(name="g").add_workers(split, back).set_entry(split)
    split.next(back).next(split)
    assert graph.check() == ["Split -> Back -> Split is a cycle: work that is fed back has to come to an end by itself"]


def test_a_cycle_that_nothing_leads_to_is_told_as_well() -> None:
    split, back, read = Split(), Back(), Read()
    graph = Graph(name="g").add_workers(read, split, back)
    split.next(back).next(split)
    assert [doubt.split(":")[0] for doubt in graph.check()] == [
        "'Split' gets no work",
        "'Back' gets no work",
        "Split -> Back -> Split is a cycle",
    ]


def test_doubts_are_said_before_the_first_run_starts_with_a_drawing(capsys: pytest.CaptureFixture[str]) -> None:
    split, read, lost = Split(), Read(), Back()
    graph = Graph(name="g").add_workers(split, read, lost)
    split.next(read)
    assert graph.run([(split, Page())], display_terminal=False).ok
    said = capsys.readouterr().err
    assert "planai: graph 'g' runs, but 'Back' gets no work: nothing leads to it from 'Split'" in said
    assert "planai: graph 'g' runs, but 'Back' publishes 'Page', which nobody consumes" in said
    assert "└─ Word → Read" in said
    graph.run([(split, Page())], display_terminal=False)
    assert capsys.readouterr().err == ""


def test_an_initial_task_reaches_what_the_wires_do_not(capsys: pytest.CaptureFixture[str]) -> None:
    split, back = Split(), Back()
    graph = Graph(name="g").add_workers(split, back)
    split.next(back).next(split)
    graph.run([(back, Word())], display_terminal=False)
    assert "gets no work" not in capsys.readouterr().err


def test_a_join_that_can_never_fire_is_refused_with_a_drawing() -> None:
    split, join = Split(), JoinOnRead()
    graph = Graph(name="g").add_workers(split, join)
    split.next(join)
    with pytest.raises(WiringError) as caught:
        graph.check()
    assert len(caught.value.problems) == 1
    assert caught.value.drawing == graph.describe()
    assert str(caught.value).endswith("graph 'g'\n└─ Page → Split\n   └─ Word → JoinOnRead (joins on Read)")


class JoinOnSplit(JoinedTaskWorker):
    join_type = Split

    def consume_work_joined(self, tasks: list[Word]) -> None:
        """Do nothing."""


def test_a_join_on_those_that_feed_it_is_told() -> None:
    split, join = Split(), JoinOnSplit()
    graph = Graph(name="g").add_workers(split, join)
    split.next(join)
    [doubt] = graph.check()
    assert doubt == (
        "'JoinOnSplit' joins on 'Split', which feeds it directly, so that each of its groups is one task: "
        "set join_type to a worker further upstream, or to InitialTaskWorker"
    )


def test_a_join_that_others_feed_too_is_not_told() -> None:
    class Same(TaskWorker):
        output_types = [Word]

        def consume_work(self, task: Word) -> None:
            self.publish_work(Word())

    split, same, join = Split(), Same(), JoinOnSplit()
    graph = Graph(name="g").add_workers(split, same, join)
    graph.set_dependency(split, same)
    graph.set_dependency(split, join)
    graph.set_dependency(same, join)
    assert graph.check() == []
