"""One call of one worker, without a graph."""

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import pytest

from planai import CachedTaskWorker, Graph, InitialTaskWorker, JoinedTaskWorker, MergedTaskWorker, Task, TaskWorker
from planai.errors import PublishError
from planai.testing import InvokeTaskWorker, TestTaskContext, add_input_provenance, unregister_output_type


class Word(Task):
    text: str


class Hint(Task):
    text: str


class Upper(TaskWorker):
    output_types = [Word]
    suffix: str = ""

    def consume_work(self, task: Word) -> None:
        hint = task.find_input_task(Hint)
        self.publish_work(Word(text=task.text.upper() + self.suffix + (hint.text if hint else "")), input_task=task)


class Several(TaskWorker):
    output_types = [Word, Hint]
    other: Any = None

    def consume_work(self, task: Word) -> None:
        self.publish_work(Word(text="1"), input_task=task, consumer=self.other)
        self.publish_work(Hint(text="2"), input_task=task)
        self.print("two")


class Concat(JoinedTaskWorker):
    output_types = [Word]
    join_type: type[TaskWorker] = InitialTaskWorker

    def consume_work_joined(self, tasks: list[Word]) -> None:
        self.publish_work(Word(text="".join(task.text for task in tasks)), input_task=tasks[0])


class Counted(MergedTaskWorker):
    output_types = [Word]
    merged_types = [Word, Hint]

    def consume_work_merged(self, tasks: dict[str, list[Task]]) -> None:
        self.publish_work(Word(text=str({name: len(found) for name, found in tasks.items()})), input_task=None)


class Undeclared(TaskWorker):
    def consume_work(self, task: Word) -> None:
        self.publish_work(Hint(text=""), input_task=task)


def test_what_a_worker_publishes_is_returned() -> None:
    upper = InvokeTaskWorker(Upper, suffix="!")
    assert upper.invoke(Word(text="a")) == [Word(text="A!")]
    assert isinstance(upper.worker, Upper)
    assert upper.context.current_input_task == Word(text="a")
    assert not upper.is_joined_worker


def test_what_is_published_knows_its_input() -> None:
    (published,) = InvokeTaskWorker(Upper).invoke(Word(text="a"))
    assert published.find_input_task(Word) == Word(text="a")


def test_only_the_last_call_counts() -> None:
    several = InvokeTaskWorker(Several)
    for _ in range(2):
        several.invoke(Word(text="a"))
    several.assert_published_task_count(2)
    several.assert_published_task_types([Word, Hint])
    with pytest.raises(AssertionError, match="published 2 tasks, and not 1"):
        several.assert_published_task_count(1)
    with pytest.raises(AssertionError, match="published 'Word', 'Hint', and not 'Hint', 'Word'"):
        several.assert_published_task_types([Hint, Word])


def test_a_consumer_may_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    several = InvokeTaskWorker(Several, other=Upper())
    several.invoke(Word(text="a"))
    several.assert_published_task_count(2)
    assert capsys.readouterr().out == "two\n"


def test_an_input_can_be_given_a_history() -> None:
    task = Word(text="a")
    assert add_input_provenance(task, Hint(text="?")) is task
    assert InvokeTaskWorker(Upper).invoke(task) == [Word(text="A?")]


def test_a_group_is_joined_in_the_order_in_which_it_is_given() -> None:
    concat = InvokeTaskWorker(Concat)
    assert concat.is_joined_worker
    assert concat.invoke_joined([Word(text="b"), Word(text="a")]) == [Word(text="ba")]


def test_a_merge_gets_all_its_types() -> None:
    counted = InvokeTaskWorker(Counted)
    assert counted.invoke_joined([Hint(text=""), Word(text=""), Word(text="")]) == [Word(text="{'Word': 2, 'Hint': 1}")]


def test_the_wrong_way_to_call_is_said() -> None:
    with pytest.raises(TypeError, match=r"invoke_joined\(\[...\]\)"):
        InvokeTaskWorker(Concat).invoke(Word(text=""))
    with pytest.raises(TypeError, match=r"invoke\(task\)"):
        InvokeTaskWorker(Upper).invoke_joined([Word(text="")])
    with pytest.raises(TypeError, match="consumes 'Word', and not a 'Hint'"):
        InvokeTaskWorker(Upper).invoke(Hint(text=""))


def test_what_a_worker_raises_reaches_the_test() -> None:
    class Fails(TaskWorker):
        def consume_work(self, task: Word) -> None:
            raise LookupError(task.text)

    with pytest.raises(LookupError, match="gone"):
        InvokeTaskWorker(Fails).invoke(Word(text="gone"))


def test_a_type_that_is_not_declared_is_refused_as_in_a_run() -> None:
    with pytest.raises(PublishError, match="output_types"):
        InvokeTaskWorker(Undeclared).invoke(Word(text=""))


def test_a_cached_worker_is_called_without_its_cache(tmp_path: Path) -> None:
    class Counting(CachedTaskWorker):
        output_types = [Word]
        calls: ClassVar[list[str]] = []

        def pre_consume_work(self, task: Word) -> None:
            self.calls.append("pre")

        def consume_work(self, task: Word) -> None:
            self.calls.append("consume")
            self.publish_work(task, input_task=task)

        def post_consume_work(self, task: Word) -> None:
            self.calls.append("post")

    invoked = InvokeTaskWorker(Counting, cache_dir=str(tmp_path / "cache"))
    for _ in range(2):
        invoked.invoke(Word(text="a"))
    assert Counting.calls == ["pre", "consume", "post"] * 2
    assert not (tmp_path / "cache").exists()


def test_async_workers_are_awaited() -> None:
    class Slow(TaskWorker):
        output_types = [Word]

        async def consume_work(self, task: Word) -> None:
            await asyncio.sleep(0)
            self.publish_work(Word(text=task.text * 2), input_task=task)

    class SlowConcat(JoinedTaskWorker):
        output_types = [Word]

        async def consume_work_joined(self, tasks: list[Word]) -> None:
            await asyncio.sleep(0)
            self.publish_work(Word(text=str(len(tasks))), input_task=tasks[0])

    assert InvokeTaskWorker(Slow).invoke(Word(text="ab")) == [Word(text="abab")]
    assert InvokeTaskWorker(SlowConcat).invoke_joined([Word(text="a"), Word(text="b")]) == [Word(text="2")]


def test_only_the_consumers_of_a_type_are_taken_away() -> None:
    several, upper = Several(), Upper()
    graph = Graph().add_workers(several, upper)
    graph.set_dependency(several, upper).sink(Word)
    graph.set_sink(several, Hint)
    unregister_output_type(several, Word)
    assert graph.dependencies == {}
    graph.set_sink(several, Word)
    outputs = graph.run([(several, Word(text="a"))], executor="inline").outputs
    assert outputs == [Word(text="1"), Hint(text="2")]


def test_consumers_that_are_not_there_cannot_be_taken_away() -> None:
    several, upper = Several(), Upper()
    graph = Graph().add_workers(several, upper)
    graph.set_dependency(several, upper)
    with pytest.raises(KeyError) as caught:
        unregister_output_type(several, Hint)
    assert str(caught.value) == "nobody consumes a 'Hint' from 'Several': there is none to take away"
    unregister_output_type(several, Word)
    for worker, kind in ((several, Word), (upper, Hint)):
        with pytest.raises(ValueError, match="nobody consumes"):
            unregister_output_type(worker, kind)


def test_consumers_of_a_worker_that_is_in_no_graph_can_be_taken_away() -> None:
    several, upper = Several(), Upper()
    several.register_consumer(Word, upper)
    unregister_output_type(several, Word)
    with pytest.raises(KeyError):
        unregister_output_type(several, Word)
    graph = Graph().add_workers(several, upper)
    assert graph.dependencies == {}


def test_a_context_can_be_reset() -> None:
    upper = InvokeTaskWorker(Upper)
    upper.invoke(Word(text="a"))
    assert isinstance(upper.context, TestTaskContext)
    upper.context.reset()
    assert upper.context.current_input_task is None
    upper.assert_published_task_count(0)


def test_a_hook_that_only_cached_workers_have_is_refused() -> None:
    class Hooked(Upper):
        def post_consume_work(self, task: Word) -> None: ...

    class Cached(CachedTaskWorker):
        def pre_consume_work(self, task: Word) -> None: ...

        def consume_work(self, task: Word) -> None: ...

    with pytest.raises(RuntimeError, match="post_consume_work is never called"):
        InvokeTaskWorker(Hooked).invoke(Word(text="a"))
    assert InvokeTaskWorker(Cached).invoke(Word(text="a")) == []
