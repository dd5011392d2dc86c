"""What users decide and see: provenance that is read, keys in one's own hand, older schemas, lifetime, and figures."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import pytest

from cache.pitfalls.kit import (
    WAIT,
    Counting,
    Double,
    Number,
    Versions,
    Word,
    chain,
    database,
    entries,
    figures,
    run,
    text_of,
    values_of,
)
from planai import CachedTaskWorker, CacheIgnore, CacheKey, Graph, RunResult, Task, TaskWorker

ONE = Number(value=1)

# ---- what a worker reads of a task's provenance


class Page(Task):
    url: str
    more: str = ""
    run_id: Annotated[str, CacheIgnore()] = ""


class Text(Task):
    text: str


class Reduce(TaskWorker):
    """Keeps only a part of the page."""

    output_types = [Text]

    def consume_work(self, task: Page) -> None:
        text = Text(text="same")
        text.add_private_state("user", task.more)
        self.publish_work(text)


def nearest(task: Task) -> Page | None:
    return task.find_input_task(Page)


class ByFind(Counting):
    output_types = [Word]

    def look(self, task: Text) -> object:
        return task.find_input_task(Page)

    def consume_work(self, task: Text) -> None:
        self.computed.append(1)
        self.publish_work(Word(text=repr(self.look(task))))


class ByPrevious(ByFind):
    def look(self, task: Text) -> object:
        return task.previous_input_task()


class ByAll(ByFind):
    def look(self, task: Text) -> object:
        return task.find_input_tasks(Page)


class ByState(ByFind):
    def look(self, task: Text) -> object:
        return task.get_private_state("user")


class ByHelper(ByFind):
    def look(self, task: Text) -> object:
        return nearest(task)


class ByName(ByFind):
    def look(self, task: Text) -> object:
        return getattr(task, "find_" + "input_task")(Page)


class OnlySometimes(ByFind):
    def look(self, task: Text) -> object:
        return task.find_input_task(Page) if task.text == "another" else None


READERS = [ByFind, ByPrevious, ByAll, ByState]
NOT_SEEN = [ByHelper, ByName]


def outcomes(folder: Path, kind: type[ByFind], *pages: Page) -> tuple[list[str], int]:
    reduce, reader = Reduce(), kind(cache_dir=folder)
    graph = chain(reduce, reader, sink=Word)
    result = graph.run([(reduce, page) for page in pages], executor="inline")
    assert result.failures == []
    return [output.text for output in result.outputs if isinstance(output, Word)], result.cache_hits


@pytest.mark.parametrize(
    "kind",
    [*READERS, *NOT_SEEN],
)
def test_who_reads_the_provenance_is_not_given_another_pages_answer(folder: Path, kind: type[ByFind]) -> None:
    pages = [Page(url="a", more="x"), Page(url="a", more="y"), Page(url="b", more="z")]
    cold = [text for page in pages for text in outcomes(folder / "cold", kind, page)[0]]
    assert len(set(cold)) == 3
    for _ in range(2):
        texts, hits = outcomes(folder / "cold", kind, *pages)
        assert (texts, hits) == (cold, 3)


@pytest.mark.parametrize("kind", [*READERS, *NOT_SEEN])
def test_who_reads_the_same_is_given_the_same(folder: Path, kind: type[ByFind]) -> None:
    assert outcomes(folder, kind, Page(url="a", more="x", run_id="1"))[1] == 0
    assert outcomes(folder, kind, Page(url="a", more="x", run_id="2"))[1] == 1


def test_who_reads_nothing_this_time_shares_with_all(folder: Path) -> None:
    assert outcomes(folder, OnlySometimes, Page(url="a")) == (["None"], 0)
    assert outcomes(folder, OnlySometimes, Page(url="b")) == (["None"], 1)


def test_who_reads_a_private_state_shares_with_pages_of_the_same_state(folder: Path) -> None:
    assert outcomes(folder, ByState, Page(url="a", more="x"))[1] == 0
    assert outcomes(folder, ByState, Page(url="b", more="x"))[1] == 1


# ---- keys in one's own hand


def test_without_code_in_the_key_an_edit_still_hits(versions: Versions, folder: Path) -> None:
    for factor, hits in ((2, 0), (3, 1)):
        steps = versions.load(EDITED.format(options="cache_code = False", factor=factor, name="Work"))
        result = run(steps.Work(cache_dir=folder), steps.Number(value=1))
        assert (result.cache_hits, [repr(output) for output in result.outputs]) == (hits, ["Number(value=2)"])
        assert figures(run(steps.Work(cache_dir=folder, factor=5), steps.Number(value=1))) == (hits, 1 - hits)


EDITED = """
class {name}(CachedTaskWorker):
    output_types = [Number]
    {options}
    factor: int = 1
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * {factor}))
"""


def test_a_pinned_name_survives_a_renamed_and_a_moved_class(versions: Versions, folder: Path) -> None:
    pinned = EDITED.format(options='cache_name = "pinned"', factor=2, name="{name}")
    types = "from planai import CachedTaskWorker, Task\nclass Number(Task):\n    value: int\n"
    for module, name, hits in (("first", "Work", 0), ("first", "Job", 1), ("second", "Job", 1)):
        code = "from kinds import Number\nfrom planai import CachedTaskWorker\n" + pinned.format(name=name)
        steps = versions.load(f"import kinds, {module} as moved", kinds=types, **{module: code})
        worker = getattr(steps.moved, name)(cache_dir=folder)
        assert run(worker, steps.kinds.Number(value=1)).cache_hits == hits


def test_a_field_may_be_represented_by_a_function_of_it(folder: Path) -> None:
    class Named(Task):
        text: Annotated[str, CacheKey(str.lower)]
        other: str = ""

    class Show(Counting):
        output_types = [Word]

        def consume_work(self, task: Named) -> None:
            self.publish_work(Word(text=task.text))

    worker = Show(cache_dir=folder)
    assert text_of(run(worker, Named(text="Hello"))) == "Hello"
    assert text_of(run(worker, Named(text="HELLO"))) == "Hello"
    assert text_of(run(worker, Named(text="HELLO", other="x"))) == "HELLO"
    assert text_of(run(worker, Named(text="bye"))) == "bye"


# ---- pitfall 21: older schemas

MIGRATED = """
class Result(Task):
    {fields}

    {migrate}

class Work(CachedTaskWorker):
    output_types = [Result]
    {options}
    def consume_work(self, task: Number) -> None:
        self.publish_work(Result.model_validate({{"size": 7, "length": 7}}))
"""
MIGRATE = """
    @{kind}
    def cache_migrate({first}data: dict, from_schema: str) -> dict:
        assert isinstance(from_schema, str) and from_schema
        return {{"length": data["size"] * 10}}
"""


@pytest.mark.parametrize(("kind", "first"), [("staticmethod", ""), ("classmethod", "cls, ")])
@pytest.mark.parametrize("options", ["", "cache_code = False"])
def test_an_answer_of_an_older_schema_is_migrated(
    versions: Versions, folder: Path, kind: str, first: str, options: str
) -> None:
    steps = versions.load(MIGRATED.format(fields="size: int", migrate="", options=options))
    run(steps.Work(cache_dir=folder), steps.Number(value=1))
    migrate = MIGRATE.format(kind=kind, first=first)
    steps = versions.load(MIGRATED.format(fields="length: int", migrate=migrate, options=options))
    result = run(steps.Work(cache_dir=folder), steps.Number(value=1))
    assert (result.cache_hits, [repr(output) for output in result.outputs]) == (1, ["Result(length=70)"])


@pytest.mark.parametrize(
    "failing", ["return {{}}", "raise KeyError('size')", "return None", "return {{'length': 'x'}}"]
)
def test_an_answer_that_cannot_be_migrated_is_computed_again(versions: Versions, folder: Path, failing: str) -> None:
    steps = versions.load(MIGRATED.format(fields="size: int", migrate="", options=""))
    run(steps.Work(cache_dir=folder), steps.Number(value=1))
    migrate = MIGRATE.replace('return {{"length": data["size"] * 10}}', failing).format(kind="staticmethod", first="")
    steps = versions.load(MIGRATED.format(fields="length: int", migrate=migrate, options=""))
    result = run(steps.Work(cache_dir=folder), steps.Number(value=1))
    assert (figures(result), [repr(output) for output in result.outputs]) == ((0, 1), ["Result(length=7)"])


# ---- pitfall 22: time


def test_a_stale_answer_is_given_at_once_and_computed_anew_for_the_next(folder: Path) -> None:
    class Draw(Counting):
        cache_ttl = 0.05
        stale_while_revalidate = 600

        def consume_work(self, task: Number) -> None:
            self.computed.append(1)
            self.publish_work(Number(value=len(self.computed)))

    worker = Draw(cache_dir=folder)
    assert values_of(run(worker, ONE)) == [1]
    stored = max(entry[-1] for entry in entries(folder))
    over, deadline = threading.Event(), time.monotonic() + WAIT
    while time.time() - stored <= 0.05:
        over.wait(0.005)  # only the clock brings it about
    assert values_of(run(worker, ONE)) == [1]
    while values_of(run(worker, ONE)) == [1]:
        assert time.monotonic() < deadline
        over.wait(0.005)
    assert len(worker.computed) > 1


def test_what_has_expired_is_removed_without_a_read(folder: Path) -> None:
    worker = Double(cache_dir=folder, cache_ttl=600)
    run(worker, *(Number(value=value) for value in range(50)))
    with database(folder) as connection:
        connection.execute("UPDATE entries SET stored = stored - 700, expires = expires - 700")
    del worker
    gc.collect()  # the next worker opens the store anew, whose first write looks for what has expired
    run(Double(cache_dir=folder), Number(value=1000))
    assert len(entries(folder)) < 5


# ---- pitfall 28: clear() during a computation


@pytest.mark.parametrize("clear", [lambda worker: worker.clear_cache(), lambda worker: worker.get_cache().clear()])
def test_clearing_during_a_computation_discards_its_late_answer(folder: Path, clear: Any) -> None:
    class Held(Counting):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.began, self.release = threading.Event(), threading.Event()

        def consume_work(self, task: Number) -> None:
            self.began.set()
            assert self.release.wait(WAIT)
            self.publish_work(task)

    worker, results = Held(cache_dir=folder), list[RunResult]()
    thread = threading.Thread(target=lambda: results.append(run(worker, ONE)))
    thread.start()
    assert worker.began.wait(WAIT)
    clear(Held(cache_dir=folder))
    worker.release.set()
    thread.join(WAIT)
    assert results[0].outputs == [ONE]
    assert not worker.is_cached(ONE)


# ---- pitfalls 15, 37 and 46: figures


def test_a_damaged_entry_is_kept_apart_and_counted(folder: Path) -> None:
    worker: Any = Double(cache_dir=folder)
    run(worker, ONE)
    with database(folder) as connection:
        connection.execute("UPDATE entries SET payload = x'00'")
    assert values_of(run(worker, ONE)) == [2]
    assert worker.cache_stats.quarantined == 1


def test_a_worker_counts_its_hits_and_misses(folder: Path) -> None:
    worker: Any = Double(cache_dir=folder)
    for _ in range(3):
        run(worker, ONE, Number(value=2))
    assert worker.cache_stats.hits == 4


def test_a_run_tells_why_it_missed(versions: Versions, folder: Path) -> None:
    reasons = []
    for factor, value in ((2, 1), (2, 1), (3, 1), (3, 2)):
        steps = versions.load(EDITED.format(options="", factor=factor, name="Work"))
        cache: Any = vars(RunResult)["cache"].__get__(run(steps.Work(cache_dir=folder), steps.Number(value=value)))
        assert (cache.hits + cache.misses, sum(cache.reasons.values())) == (1, cache.misses)
        reasons.append(next(iter(cache.reasons), "hit"))
    assert reasons[1] == "hit"
    assert len(set(reasons)) == 4, "new, hit, another code, another task"


# ---- what is in all this not to be forgotten


def test_a_graph_takes_no_option_that_it_does_not_know(folder: Path) -> None:
    worker = Double(cache_dir=folder)
    graph = Graph(name="options").add_workers(worker)
    graph.set_sink(worker, Number)
    with pytest.raises(TypeError, match="cache_moode"):
        graph.run([(worker, ONE)], cache_moode="off")  # type: ignore[call-arg]  # that is the point
    assert issubclass(Double, CachedTaskWorker)
