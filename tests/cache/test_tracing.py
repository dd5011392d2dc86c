"""What computations look up above their input is noted: all of that, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planai import CachedTaskWorker, Graph, RunResult, Task, TaskWorker
from planai.cache.about import load_about
from planai.cache.cache import CacheWarning
from planai.cache.tracing import TracingTaskWorker, is_traced, own_activation
from planai.task import lineage_of


class Page(Task):
    url: str
    thing: Any = None


class Text(Task):
    text: str = "same"


class Word(Task):
    text: str


class Reduce(TaskWorker):
    output_types = [Text]

    def consume_work(self, task: Page) -> None:
        self.publish_work(Text())


class Reader(CachedTaskWorker):
    """Publishes what it finds; `look` is what differs."""

    output_types = [Word]

    def consume_work(self, task: Text) -> None:
        self.publish_work(Word(text=self.look(task)))

    def look(self, task: Text) -> str:
        page = task.find_input_task(Page)
        return page.url if page else ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def run(reader: CachedTaskWorker, *pages: Page) -> RunResult:
    reduce = Reduce()
    graph = Graph(name="pages").add_workers(reduce, reader)
    graph.set_dependency(reduce, reader)
    graph.set_sink(reader, Word)
    return graph.run([(reduce, page) for page in pages], executor="inline", display_terminal=False)


def reads(reader: CachedTaskWorker) -> list[list[str]]:
    """Return what was looked up for each answer that is kept."""
    abouts = [load_about(info.about) for info in reader.get_cache().notes(reader.cache_space)]
    return [[what for what, _ in about.reads] for about in abouts if about is not None]


def test_what_was_looked_up_is_written_beside_the_answer(folder: Path) -> None:
    reader = Reader(cache_dir=folder)
    assert run(reader, Page(url="a")).ok
    assert reads(reader) == [[f"task.find_input_task({Page.__module__}:Page)"]]


def test_answers_are_told_apart_by_what_was_found(folder: Path) -> None:
    reader = Reader(cache_dir=folder)
    pages = [Page(url="a"), Page(url="b"), Page(url="a", thing=1)]
    cold = run(reader, *pages)
    assert [task.text for task in cold.outputs if isinstance(task, Word)] == ["a", "b", "a"]
    assert len(reads(reader)) == 3
    assert run(reader, *pages).cache_hits == 3


def test_the_key_may_look_without_a_trace(folder: Path) -> None:
    class Keyed(Reader):
        def extra_cache_key(self, task: Text) -> str:
            page = task.find_input_task(Page)
            return page.url if page else ""

        def look(self, task: Text) -> str:
            return self.explain(task).reason

    reader = Keyed(cache_dir=folder)
    run(reader, Page(url="a"), Page(url="b"))
    assert reads(reader) == [[], []]
    assert run(reader, Page(url="a", thing="another")).cache_hits == 1


def test_what_is_found_in_turn_is_part_of_the_trace(folder: Path) -> None:
    class Deep(Reader):
        def look(self, task: Text) -> str:
            return str([above.previous_input_task() for above in task.copy_input_provenance()])

    reader = Deep(cache_dir=folder)
    run(reader, Page(url="a"))
    assert reads(reader) == [["task.copy_input_provenance()", "task.copy_input_provenance()[0].previous_input_task()"]]


def test_a_second_question_may_depend_on_the_first(folder: Path) -> None:
    class Curious(Reader):
        def look(self, task: Text) -> str:
            page = task.find_input_task(Page)
            if page is not None and page.url == "a":
                return str(task.get_private_state("user"))
            return "not asked"

    reader = Curious(cache_dir=folder)

    def page(url: str, user: str) -> Page:
        made = Page(url=url)
        made.add_private_state("user", user)
        return made

    for _ in range(2):
        result = run(reader, page("a", "Ann"), page("a", "Bob"), page("b", "Ann"), page("b", "Bob"))
        told = [task.text for task in result.outputs if isinstance(task, Word)]
        assert told == ["Ann", "Bob", "not asked", "not asked"]
    assert result.cache_hits == 4
    assert sorted(map(len, reads(reader))) == [1, 2, 2]


def test_nobody_watches_after_the_computation_however_it_ended(folder: Path) -> None:
    seen = list[Task]()

    class Failing(Reader):
        def look(self, task: Text) -> str:
            seen.append(task)
            assert lineage_of(task).watch is not None
            raise LookupError("no such page")

    assert len(run(Failing(cache_dir=folder), Page(url="a")).failures) == 1
    assert [lineage_of(task).watch for task in seen] == [None]


def test_what_is_found_and_published_again_is_not_watched_further_down(folder: Path) -> None:
    class Pass(CachedTaskWorker):
        output_types = [Page]

        def consume_work(self, task: Text) -> None:
            page = task.find_input_task(Page)
            assert page is not None
            self.publish_work(page)

    watches = list[object]()

    class Last(TaskWorker):
        output_types = [Word]

        def consume_work(self, task: Page) -> None:
            watches.append(lineage_of(task).watch)
            above = task.find_input_task(Page)
            watches.append(above and lineage_of(above).watch)
            self.publish_work(Word(text=task.url))

    reduce, through, last = Reduce(), Pass(cache_dir=folder), Last()
    graph = Graph(name="pages").add_workers(reduce, through, last)
    graph.set_dependency(reduce, through)
    graph.set_dependency(through, last)
    graph.set_sink(last, Word)
    for _ in range(2):
        assert graph.run([(reduce, Page(url="a"))], executor="inline", display_terminal=False).ok
    assert watches == [None] * 4


def test_what_is_found_without_identity_is_told_and_not_kept(folder: Path) -> None:
    reader = Reader(cache_dir=folder)
    with pytest.warns(CacheWarning, match=r"looked up in the provenance of its input what has no identity.*\.thing"):
        result = run(reader, Page(url="a", thing=object()))
    assert result.outputs == [Word(text="a")]
    assert reads(reader) == []


def test_a_new_question_after_an_edit_is_asked_beside_the_old_one(folder: Path) -> None:
    class Style(Reader):
        both: bool = False

        def look(self, task: Text) -> str:
            page = task.find_input_task(Page)
            return f"{page and page.url} {self.both and len(task.provenance())}"

    for both in (False, True, False, True):
        result = run(Style(cache_dir=folder, both=both), Page(url="a"))
    assert result.cache_hits == 1
    assert sorted(map(len, reads(Style(cache_dir=folder)))) == [1, 2]


def test_an_answer_that_took_several_tries_is_replayed_at_once(folder: Path) -> None:
    class Flaky(Reader):
        def look(self, task: Text) -> str:
            if task.retry_count < 2:
                raise ConnectionError
            return "at last"

    assert run(Flaky(cache_dir=folder, num_retries=2), Page(url="a")).outputs == [Word(text="at last")]
    assert reads(Flaky(cache_dir=folder)) == [[]]
    again = run(Flaky(cache_dir=folder, cache_mode="replay"), Page(url="a"))
    assert (again.outputs, again.cache_hits) == ([Word(text="at last")], 1)


def test_a_key_of_ones_own_leaves_no_trace(folder: Path) -> None:
    class ByText(Reader):
        def get_cache_key(self, task: Any) -> str:
            return str(task.text)

    class Added(Reader):
        def get_cache_key(self, task: Any) -> str:
            return "v2 " + super().get_cache_key(task)

    assert (is_traced(Reader), is_traced(ByText), is_traced(Added)) == (True, False, True)
    reader = ByText(cache_dir=folder)
    run(reader, Page(url="a"))
    assert reads(reader) == [[]]
    assert run(reader, Page(url="b")).outputs == [Word(text="a")], "which is what was asked for"
    added = Added(cache_dir=folder)
    run(added, Page(url="a"))
    assert run(added, Page(url="b")).outputs == [Word(text="b")]


def test_outside_of_a_call_there_is_nothing_to_trace() -> None:
    class Bare(TracingTaskWorker):
        output_types = [Word]

        def consume_work(self, task: Text) -> None:
            self.publish_work(Word(text=""))

    worker = Bare()
    assert own_activation(worker) is None
    assert worker._finder_(None) is None
    find = Reader()._finder_(Text())
    assert find is not None
    assert find(json.dumps([["previous_input_task", None]])) == find(json.dumps([["get_private_state", "a"]]))
