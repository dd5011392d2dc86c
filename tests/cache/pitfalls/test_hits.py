"""Pitfalls 31 to 42: a hit does what a miss did, and only what went well can be hit."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Annotated, Any

import pytest

from cache.pitfalls.kit import (
    Counting,
    Double,
    Number,
    Word,
    chain,
    figures,
    program,
    run,
    start,
    values_of,
)
from llm.openai_server import OpenAIServer, answer
from planai import CachedLLMTaskWorker, CachedTaskWorker, Graph, JoinedTaskWorker, Task, TaskWorker, llm_from_config
from planai.cache.cache import CacheWarning
from planai.cache.canonical import CacheIgnore

ONE = Number(value=1)

# pitfall 31


@pytest.mark.parametrize("error", [ValueError, SystemExit, GeneratorExit, MemoryError])
def test_what_was_published_before_an_error_is_neither_released_nor_stored(
    folder: Path, error: type[BaseException]
) -> None:
    class Half(Counting):
        def consume_work(self, task: Number) -> None:
            self.computed.append(task.value)
            self.publish_work(Number(value=10))
            if len(self.computed) == 1:
                raise error
            self.publish_work(Number(value=20))

    worker = Half(cache_dir=folder)
    first = run(worker, ONE)
    assert (first.outputs, [type(failure.error) for failure in first.failures]) == ([], [error])
    assert not worker.is_cached(ONE)
    assert [(values_of(result), figures(result)) for result in (run(worker, ONE), run(worker, ONE))] == [
        ([10, 20], (0, 1)),
        ([10, 20], (1, 0)),
    ]


def test_an_interrupted_call_is_not_stored(folder: Path) -> None:
    class Stopped(Double):
        def consume_work(self, task: Number) -> None:
            super().consume_work(task)
            if task.value == 2:
                raise KeyboardInterrupt

    worker = Stopped(cache_dir=folder)
    with pytest.raises(KeyboardInterrupt):
        run(worker, ONE, Number(value=2), Number(value=3))
    assert [worker.is_cached(Number(value=value)) for value in (1, 2, 3)] == [True, False, False]


# pitfall 32


def test_a_store_that_breaks_between_looking_and_keeping_publishes_once(folder: Path) -> None:
    class Breaking(Counting):
        def consume_work(self, task: Number) -> None:
            self.computed.append(task.value)
            shutil.rmtree(folder)
            folder.write_text("no folder any more")
            for value in (1, 2, 3):
                self.publish_work(Number(value=value))

    worker = Breaking(cache_dir=folder)
    with pytest.warns(CacheWarning, match="results are computed without it"):
        result = run(worker, ONE)
    assert (values_of(result), worker.computed, worker.get_cache().errors > 0) == ([1, 2, 3], [1], True)


# pitfalls 33 and 35


class Split(Counting):
    """Publishes the numbers below its own."""

    def consume_work(self, task: Word) -> None:
        self.computed.append(len(task.text))
        for value in range(len(task.text)):
            self.publish_work(Number(value=value))


class Fragile(Counting):
    broken: Annotated[frozenset[int], CacheIgnore()] = frozenset()

    def consume_work(self, task: Number) -> None:
        self.computed.append(task.value)
        if task.value in self.broken:
            raise ValueError(task.value)
        self.publish_work(Number(value=task.value * 2))


def test_a_step_that_fails_loses_no_earlier_one_and_only_what_failed_is_computed_again(folder: Path) -> None:
    split, fragile = Split(cache_dir=folder), Fragile(cache_dir=folder, broken=frozenset({2, 5}))
    graph = chain(split, fragile, sink=Number)
    first = graph.run([(split, Word(text="xxxxxxx"))], executor="inline")
    assert (len(first.failures), values_of(first)) == (2, [0, 2, 6, 8, 12])
    fragile.broken = frozenset()
    fragile.computed.clear()
    second = graph.run([(split, Word(text="xxxxxxx"))], executor="inline")
    assert (second.failures, values_of(second)) == ([], [0, 2, 4, 6, 8, 10, 12])
    assert (split.computed, fragile.computed, second.cache_hits) == ([7], [2, 5], 6)


def test_a_hit_of_a_parent_does_not_hide_that_its_children_fail_again(folder: Path) -> None:
    split, fragile = Split(cache_dir=folder), Fragile(cache_dir=folder, broken=frozenset({0}))
    graph = chain(split, fragile, sink=Number)
    for _ in range(3):
        result = graph.run([(split, Word(text="xx"))], executor="inline")
        assert (len(result.failures), values_of(result)) == (1, [2])
    assert (split.computed, fragile.computed) == ([2], [0, 1, 0, 0])


# pitfall 34; publishing nothing, and false tasks, are in tests/cache/test_worker.py


@pytest.mark.parametrize("value", [0, 0.0, "", b"", [], {}, (), False, None])
def test_a_false_value_that_was_kept_by_hand_is_there(folder: Path, value: Any) -> None:
    worker = Double(cache_dir=folder)
    worker.save_to_cache("key", value)
    assert "key" in worker.get_cache()
    found = worker.get_from_cache("key")
    assert (found, type(found)) == (value, type(value))
    assert worker.get_cache()["key"] == value


# pitfall 37


def test_a_replayed_call_is_counted_as_one_for_each_worker_and_costs_nothing_now(
    server: OpenAIServer, folder: Path
) -> None:
    server.fallback = lambda _: answer(insight="x")
    sample = Sample(llm=llm_from_config("local", "m", base_url=server.url), cache_dir=folder)
    cold, warm = run(sample, Question(text="a")), run(sample, Question(text="a"))
    assert (cold.workers["Sample"].hits, cold.workers["Sample"].misses) == (0, 1)
    assert (warm.workers["Sample"].hits, warm.workers["Sample"].misses) == (1, 0)
    assert warm.seconds_saved > 0 == cold.seconds_saved
    assert (warm.workers["Sample"].failed, warm.total.hits, len(server.seen)) == (0, 1, 1)


# pitfall 38


class Letters(CachedTaskWorker):
    """Publishes tasks of two types in turn, and talks."""

    output_types = [Word, Number]

    def consume_work(self, task: Word) -> None:
        for place, letter in enumerate(task.text):
            self.print(f"at {letter}")
            self.publish_work(Word(text=letter) if place % 2 else Number(value=ord(letter)))


def test_what_is_published_comes_in_the_same_order_and_what_is_printed_does_not_come_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Letters(cache_dir=folder)
    seen, printed = [], []
    for _ in range(2):
        got: list[Any] = []
        graph = Graph(name="letters").add_workers(worker)
        graph.set_sink(worker, Word, lambda _, task, got=got: got.append(task))  # type: ignore[misc]  # a default binds
        graph.set_sink(worker, Number, lambda _, task, got=got: got.append(task))  # type: ignore[misc]
        graph.run([(worker, Word(text="abcde"))], executor="inline", display_terminal=False)
        seen.append([(repr(task), task.provenance()) for task in got])
        printed.append(capsys.readouterr().out.split())
    assert seen[0] == seen[1]
    assert len(seen[0]) == 5
    assert printed == [["at", "a", "at", "b", "at", "c", "at", "d", "at", "e"], []]


# pitfall 39


class Question(Task):
    text: str
    sample: int = 0


class Insight(Task):
    insight: str


class Sample(CachedLLMTaskWorker):
    prompt = "Think of something."
    llm_input_type = Question
    output_types = [Insight]
    temperature = 1.0

    def pre_process(self, task: Question) -> Word:
        return Word(text=task.text)


class Several(Sample):
    """Asks one question several times in a call."""

    def consume_work(self, task: Question) -> None:
        for _ in range(4):
            super().consume_work(task)


def test_several_samples_of_one_question_stay_several(server: OpenAIServer, folder: Path) -> None:
    server.fallback = lambda _: answer(insight=str(len(server.seen)))
    worker = Sample(llm=llm_from_config("local", "m", base_url=server.url), cache_dir=folder)
    tasks = [Question(text="a", sample=number) for number in range(4)]
    wanted = [Insight(insight=str(number)) for number in range(1, 5)]
    assert [run(worker, *tasks).outputs for _ in range(2)] == [wanted] * 2
    assert len(server.seen) == 4
    assert len({seen.turns[-1] for seen in server.seen}) == 1, "the question is the same every time"


def test_several_samples_of_one_question_in_one_call_stay_several(server: OpenAIServer, folder: Path) -> None:
    server.fallback = lambda _: answer(insight=str(len(server.seen)))
    worker = Several(llm=llm_from_config("local", "m", base_url=server.url), cache_dir=folder)
    wanted = [Insight(insight=str(number)) for number in range(1, 5)]
    assert [run(worker, Question(text="a")).outputs for _ in range(2)] == [wanted] * 2
    assert len(server.seen) == 4


# pitfall 40


class Gather(JoinedTaskWorker):
    output_types = [Word]

    def consume_work_joined(self, tasks: list[Number]) -> None:
        self.publish_work(Word(text=" ".join(str(task.value) for task in tasks)))


def test_joins_are_complete_behind_hits_and_behind_hits_and_misses_together(folder: Path) -> None:
    split, double = Split(cache_dir=folder), Double(cache_dir=folder)
    graph = chain(split, double, Gather(), sink=Word)
    texts = ["xx", "xxxx", "x"]
    expected = [Word(text="0 2"), Word(text="0 2 4 6"), Word(text="0")]
    for begin in (1, 2, 3):
        for executor in ("inline", "threads"):
            tasks = [(split, Word(text=text)) for text in texts[:begin]]
            result = graph.run(tasks, executor=executor)
            assert result.outputs == expected[:begin]
    assert all(task.find_input_task(Word) in [Word(text=text) for text in texts] for task in result.outputs)


# pitfall 41

RESUMED = """
import threading

class Middle(Task):
    value: int

class First(CachedTaskWorker):
    output_types = [Middle]
    def consume_work(self, task: Number) -> None:
        if os.path.exists("hold") and task.value % 2:
            os.write(1, b"held\\n")  # in one piece, whatever other threads write
            threading.Event().wait()
        self.publish_work(Middle(value=task.value))

class Second(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Middle) -> None:
        self.publish_work(Number(value=task.value * 2))
    def post_consume_work(self, task) -> None:
        os.write(1, b"done\\n")

first, second = First(cache_dir="cache"), Second(cache_dir="cache")
graph = Graph(name="resumed").add_workers(first, second)
graph.set_dependency(first, second).sink(Number)
if sys.argv[1] == "hold":  # what calls read of the command line is in their keys
    open("hold", "w").close()
elif os.path.exists("hold"):
    os.remove("hold")
tasks = [(first, Number(value=value)) for value in range(10)]
result = graph.run(tasks if sys.argv[1] == "hold" else tasks[::-1])
print("result", result.cache_hits, *(task.value for task in result.outputs))
"""


def test_a_run_that_was_killed_is_taken_up_in_any_order(tmp_path: Path) -> None:
    process = start(tmp_path, RESUMED, "hold")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(10)]
    assert sorted(lines) == ["done\n"] * 5 + ["held\n"] * 5
    process.send_signal(signal.SIGKILL)
    process.communicate()
    said = program(tmp_path, RESUMED, "go")
    assert said[said.index("result") + 1 :] == ["10", *(str(2 * value) for value in range(9, -1, -1))]


def test_a_poll_may_ask_the_same_again_and_again(folder: Path) -> None:
    class Poll(Counting):
        def should_cache(self, task: Any) -> bool:
            return False

        def consume_work(self, task: Number) -> None:
            self.computed.append(task.value)
            if len(self.computed) < 5:
                run(self, task)
            self.publish_work(Number(value=len(self.computed)))

    class Brief(Poll):
        cache_ttl = 0

        def should_cache(self, task: Any) -> bool:
            return True

    for kind in (Poll, Brief):
        worker = kind(cache_dir=folder)
        assert values_of(run(worker, ONE, ONE)) == [5, 6]
        assert not worker.is_cached(ONE)


# pitfall 42


def test_with_retries_an_answer_is_written_once_by_the_try_that_went_well(folder: Path) -> None:
    class Flaky(Counting):
        num_retries = 5
        writes: Annotated[list[int], CacheIgnore()] = []

        def save_to_cache(self, task_or_key: Any, value: Any) -> None:
            self.writes.append(value.value)
            super().save_to_cache(task_or_key, value)

        def consume_work(self, task: Number) -> None:
            self.computed.append(task.value)
            self.publish_work(Number(value=len(self.computed)))
            if len(self.computed) < 4:
                raise ValueError("not yet")

    worker = Flaky(cache_dir=folder)
    for hits in (0, 1):
        result = run(worker, ONE)
        assert (result.cache_hits, values_of(result), worker.writes) == (hits, [4], [4])
        assert result.failures == []


def test_a_worker_behind_a_retried_one_gets_each_answer_once(folder: Path) -> None:
    class Unsteady(Counting):
        num_retries = 2

        def consume_work(self, task: Number) -> None:
            self.computed.append(task.value)
            for value in (1, 2):
                self.publish_work(Number(value=value))
            if len(self.computed) % 2:
                raise ValueError("every other time")

    class Last(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            self.publish_work(task.copy_public())

    unsteady = Unsteady(cache_dir=folder)
    graph = chain(unsteady, Last(), sink=Number)
    assert [values_of(graph.run([(unsteady, ONE)])) for _ in range(2)] == [[1, 2]] * 2
