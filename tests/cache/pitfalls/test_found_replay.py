"""Found while looking for wrong answers: what a miss leaves behind and a hit does not (pitfalls 38 and 40)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest

from cache.pitfalls.kit import Double, Number, Word, chain, run
from planai import CachedTaskWorker, Graph, Task, TaskWorker
from planai.cache.cache import CacheWarning
from planai.cache.canonical import CacheIgnore

ONE = Number(value=1)


class Middle(Task):
    same: int = 0


class Start(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Word) -> None:
        number = Number(value=1)
        number.add_private_state("given", task.text)
        self.publish_work(number)


class AttachToOutput(CachedTaskWorker):
    output_types = [Middle]

    def consume_work(self, task: Number) -> None:
        result = Middle()
        result.add_private_state("user", "ada")
        self.publish_work(result)


class AttachToInput(AttachToOutput):
    def consume_work(self, task: Number) -> None:
        task.add_private_state("user", "ada")
        self.publish_work(Middle())


class TakeOut(AttachToOutput):
    def consume_work(self, task: Number) -> None:
        task.get_private_state("given")
        self.publish_work(Middle())


class InjectIntoInput(AttachToOutput):
    def consume_work(self, task: Number) -> None:
        task.inject_input(Middle(same=7))
        self.publish_work(Middle())


class ChangeInput(AttachToOutput):
    def consume_work(self, task: Number) -> None:
        task.value = 99
        self.publish_work(Middle())


class Report(TaskWorker):
    """Tells all that it can see of where its task comes from."""

    output_types = [Word]

    def consume_work(self, task: Middle) -> None:
        states = [task.get_private_state(name) for name in ("user", "given")]
        self.publish_work(Word(text=f"{states} {task.find_input_task(Number)} {task.find_input_task(Middle)}"))


@pytest.mark.parametrize("kind", [TakeOut, ChangeInput])
def test_those_downstream_see_on_a_hit_what_they_see_on_a_miss(folder: Path, kind: type[AttachToOutput]) -> None:
    start, worker = Start(), kind(cache_dir=folder)
    graph = chain(start, worker, Report(), sink=Word)
    cold, warm = (graph.run([(start, Word(text="x"))], executor="inline") for _ in range(2))
    assert cold.outputs == warm.outputs
    assert (cold.cache.misses, warm.cache.hits) == (1, 1)


@pytest.mark.parametrize("kind", [AttachToOutput, AttachToInput, InjectIntoInput])
def test_what_a_replay_could_not_attach_is_not_cached(folder: Path, kind: type[AttachToOutput]) -> None:
    start, worker = Start(), kind(cache_dir=folder)
    graph = chain(start, worker, Report(), sink=Word)
    with pytest.warns(CacheWarning, match="which a replay could not"):
        first, second = (graph.run([(start, Word(text="x"))], executor="inline") for _ in range(2))
    assert first.outputs == second.outputs
    assert second.cache.misses == 1


class Send(CachedTaskWorker):
    output_types = [Middle]
    target: Annotated[Any, CacheIgnore()] = None

    def consume_work(self, task: Number) -> None:
        self.publish_work(Middle(), consumer=self.target)


class Take(TaskWorker):
    output_types = [Word]

    def consume_work(self, task: Middle) -> None:
        self.publish_work(Word(text="taken"))


class TakeRenamed(Take):
    pass


def test_an_answer_for_a_consumer_that_is_gone_is_computed_again(folder: Path) -> None:
    for target in (Take(), TakeRenamed()):
        send = Send(cache_dir=folder, target=target)
        result = chain(send, target, sink=Word).run([(send, ONE)], executor="inline")
        assert (result.failures, result.outputs) == ([], [Word(text="taken")])


class Numbered(CachedTaskWorker):
    output_types = [Word]

    def consume_work(self, task: Middle) -> None:
        self.publish_work(Word(text=str(task.provenance()[0])))


def test_an_answer_made_from_the_steps_is_not_given_to_another_task(folder: Path) -> None:
    reduce, numbered = Reduce(), Numbered(cache_dir=folder)
    graph = chain(reduce, numbered, sink=Word)
    result = graph.run([(reduce, Number(value=value)) for value in (1, 2)], executor="inline")
    assert result.outputs == [Word(text=str(("InitialTaskWorker", number))) for number in (1, 2)]


class Reduce(TaskWorker):
    output_types = [Middle]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Middle())


class Origin(Middle):
    """Has a method that looks at where it comes from."""

    def origin(self) -> Number | None:
        return self.find_input_task(Number)


class ReduceToOrigin(TaskWorker):
    output_types = [Origin]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Origin())


class ByMethodOfTask(CachedTaskWorker):
    output_types = [Word]

    def consume_work(self, task: Origin) -> None:
        self.publish_work(Word(text=repr(task.origin())))


def test_provenance_that_a_method_of_the_task_reads_decides(folder: Path) -> None:
    reduce, worker = ReduceToOrigin(), ByMethodOfTask(cache_dir=folder)
    graph = chain(reduce, worker, sink=Word)
    result = graph.run([(reduce, Number(value=value)) for value in (1, 2)], executor="inline")
    assert result.outputs == [Word(text="Number(value=1)"), Word(text="Number(value=2)")]


class ByHand(Double):
    """Stores by hand, after it has changed its task."""

    def consume_work(self, task: Number) -> None:
        if cached := self.get_from_cache(task):
            self.publish_work(cached)
            return
        task.value += 1
        result = Number(value=task.value * 10)
        self.save_to_cache(task, result)
        self.publish_work(result)


def test_storing_by_hand_is_under_the_task_as_it_came(folder: Path) -> None:
    worker = ByHand(cache_dir=folder)
    assert run(worker, ONE).outputs == [Number(value=20)]
    assert run(worker, Number(value=2)).outputs == [Number(value=30)]


def test_consumers_of_one_type_get_on_a_hit_what_they_get_on_a_miss(folder: Path) -> None:
    one, other = Take(), TakeRenamed()
    send = Send(cache_dir=folder, target=other)
    graph = Graph(name="two").add_workers(send, one, other)
    for down in (one, other):
        graph.set_dependency(send, down)
        graph.set_sink(down, Word)
    for hits in (0, 1):
        result = graph.run([(send, ONE)], executor="inline")
        assert (result.cache_hits, result.workers["TakeRenamed"].completed) == (hits, 1)
        assert result.workers["Take"].completed == 0
