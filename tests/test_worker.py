"""Workers: what they are, what they consume, and what they can do outside of a run."""

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from planai import (
    CachedJoinedTaskWorker,
    CachedLLMTaskWorker,
    CachedTaskWorker,
    ChatTaskWorker,
    Graph,
    InitialTaskWorker,
    MergedTaskWorker,
    Task,
    TaskWorker,
    WorkspaceLLMTaskWorker,
)
from planai.errors import ConfigurationError, OutsideCallError, PublishedOutside, PublishError
from planai.testing import run_inline


class Number(Task):
    value: int = 0


class Text(Task):
    text: str = ""


class Double(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=2 * task.value))


class Either(TaskWorker):
    def consume_work(self, task: Number | Text) -> None:
        """Do nothing."""


class Silent(TaskWorker):
    def consume_work(self, task: Number) -> None:
        """Do nothing."""


class Untyped(TaskWorker):
    def consume_work(self, task) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - the mistake under test
        """Do nothing."""


class Misnamed(TaskWorker):
    def consume_work(self, work: Number) -> None:
        """Do nothing."""


class WrongType(TaskWorker):
    def consume_work(self, task: int) -> None:
        """Do nothing."""


# ---- identity and types


def test_workers_are_told_apart_by_identity() -> None:
    one, other = Double(), Double()
    assert one != other
    assert len({one, other, one}) == 2


def test_a_worker_is_called_like_its_class() -> None:
    assert Double().name == "Double"


def test_a_worker_without_consume_work_cannot_be_made() -> None:
    class Nothing(TaskWorker):
        pass

    with pytest.raises(TypeError, match="consume_work"):
        Nothing()  # type: ignore[abstract]


def test_the_annotation_says_what_a_worker_consumes() -> None:
    assert Double().get_task_class() is Number
    assert Either().get_task_classes() == [Number, Text]


def test_an_annotation_may_be_a_string_and_name_a_local_class() -> None:
    class Local(Task):
        pass

    class Quoted(TaskWorker):
        def consume_work(self, task: "Local") -> None:
            """Do nothing."""

    assert Quoted().get_task_class() is Local


@pytest.mark.parametrize("worker", [Untyped, Misnamed, WrongType])
def test_a_consume_work_that_does_not_say_what_it_consumes_is_refused(worker: type[TaskWorker]) -> None:
    with pytest.raises(ConfigurationError, match=rf"{worker.__name__}.consume_work does not say.*'task'"):
        worker().get_task_class()


def test_the_logger_is_called_after_module_and_class(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Double().logger.info("hello")
    assert [record.name.endswith("test_worker.Double") for record in caplog.records] == [True]


def test_the_lock_is_one_for_each_worker_and_can_be_taken_twice() -> None:
    one, other = Double(), Double()
    assert one.lock is one.lock
    assert one.lock is not other.lock
    with one.lock, one.lock:
        taken: list[bool] = []
        thread = threading.Thread(target=lambda: taken.append(one.lock.acquire(blocking=False)))
        thread.start()
        thread.join()
    assert taken == [False]


# ---- outside of a run


def test_a_direct_call_that_publishes_says_what_to_do() -> None:
    with pytest.raises(OutsideCallError, match=r"'Double' publishes a 'Number' outside of a run.*run_inline"):
        Double().consume_work(Number(value=1))


def test_a_direct_call_that_publishes_nothing_is_made() -> None:
    seen: list[int] = []

    class See(TaskWorker):
        def consume_work(self, task: Number) -> None:
            assert self.elapsed_time >= 0
            seen.append(task.value)

    See().consume_work(Number(value=4))
    assert seen == [4]


def test_a_direct_call_raises_what_the_worker_raises() -> None:
    class Bad(TaskWorker):
        def consume_work(self, task: Number) -> None:
            raise LookupError(task.value)

    with pytest.raises(LookupError, match="7"):
        Bad().consume_work(Number(value=7))


def test_publishing_outside_of_a_call_is_an_error() -> None:
    with pytest.raises(PublishedOutside, match="publishing from 'Double' exists only while") as caught:
        Double().publish_work(Number())
    assert isinstance(caught.value, ValueError)
    with pytest.raises(PublishError, match="add the type there"):
        Double().publish_work(Task())


def test_what_consume_work_returns_is_passed_over_with_a_warning() -> None:
    class Return(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> Any:
            self.publish_work(Number(value=1), input_task=task)
            return task.value

    with pytest.warns(UserWarning, match=r"Return\.consume_work returned a int, which nobody gets: publish it"):
        assert run_inline(Return(), Number()).outputs == [Number(value=1)]


def test_elapsed_time_outside_of_a_call_is_an_error() -> None:
    with pytest.raises(OutsideCallError, match=r"Double\.elapsed_time"):
        _ = Double().elapsed_time


def test_print_outside_of_a_run_prints(capsys: pytest.CaptureFixture[str]) -> None:
    Double().print("a", 1)
    assert capsys.readouterr().out == "a 1\n"


class Threads(TaskWorker):
    """Lets threads publish, and says what they were told."""

    output_types = [Number]
    passes_input: bool = True
    num_retries = 1

    def consume_work(self, task: Number) -> None:
        self.problems: list[Exception] = []
        threads = [threading.Thread(target=self.attempt, args=(task, value)) for value in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if task.value == 3 and task.retry_count == 0:
            raise LookupError("try again")

    def attempt(self, task: Number, value: int) -> None:
        try:
            self.publish_work(Number(value=10 * task.value + value), input_task=task if self.passes_input else None)
        except OutsideCallError as error:
            self.problems.append(error)


def test_a_thread_of_ones_own_publishes_by_what_is_consumed() -> None:
    threads = Threads()
    graph = Graph(name="threads").add_workers(threads)
    threads.sink(Number)
    outputs = graph.run([(threads, Number(value=value)) for value in range(1, 5)], display_terminal=False).outputs
    found = [(task.value, task.provenance()[0][1]) for task in outputs if isinstance(task, Number)]
    assert sorted(found) == [(10 * first + value, first) for first in (1, 2, 3, 4) for value in range(3)]


def test_a_thread_of_ones_own_that_does_not_say_for_what_cannot_publish_and_is_told_how() -> None:
    stray = Threads(passes_input=False)
    assert run_inline(stray, Number()).outputs == []
    assert "pass input_task" in str(stray.problems[0])


def test_a_thread_that_goes_on_after_its_call_cannot_publish() -> None:
    task, worker = Number(), Double()
    worker_task: list[Task] = []

    class Keep(Double):
        def consume_work(self, task: Number) -> None:
            worker_task.append(task)

    keep = Keep()
    assert run_inline(keep, task).outputs == []
    with pytest.raises(PublishedOutside):
        keep.publish_work(Number(), input_task=worker_task[0])
    with pytest.raises(PublishedOutside):
        worker.publish_work(Number(), input_task=task)


def test_another_worker_called_by_hand_inside_a_call_does_not_publish_into_the_run() -> None:
    class Caller(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            Double().consume_work(task)

    result = run_inline(Caller(), Number())
    assert [type(failure.error) for failure in result.failures] == [PublishedOutside]


def test_the_initial_task_worker_consumes_nothing() -> None:
    with pytest.raises(OutsideCallError, match="start of a run"):
        InitialTaskWorker().consume_work(Number())


# ---- wiring


def test_wiring_before_the_worker_is_in_a_graph_says_so() -> None:
    with pytest.raises(ConfigurationError, match="'Double' is in no graph yet: call graph"):
        Double().next(Silent())
    with pytest.raises(ConfigurationError, match="'Double' is in no graph yet"):
        Double().sink(Number)


def test_wiring_a_worker_that_is_in_several_graphs_says_so() -> None:
    worker = Double()
    Graph(name="one").add_workers(worker)
    Graph(name="two").add_workers(worker)
    with pytest.raises(ConfigurationError, match="in several graphs"):
        worker.sink(Number)


def test_next_returns_the_downstream_worker() -> None:
    one, two, three = Double(), Double(), Silent()
    graph = Graph().add_workers(one, two, three)
    assert one.next(two).next(three) is three
    assert graph.dependencies == {one: [two], two: [three]}


def test_a_worker_in_two_graphs_runs_in_both() -> None:
    worker = Double()
    graphs = [Graph(name="one"), Graph(name="two")]
    for graph in graphs:
        graph.add_workers(worker).set_sink(worker, Number)
    outputs = [graph.run([(worker, Number(value=3))], executor="inline").outputs for graph in graphs]
    assert outputs == [[Number(value=6)], [Number(value=6)]]


def test_a_registered_consumer_gets_what_is_published() -> None:
    class Keep(TaskWorker):
        output_types = [Text]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Text(text=str(task.value)))

    double, keep = Double(), Keep()
    graph = Graph().add_workers(double, keep)
    double.register_consumer(Number, keep)
    graph.set_sink(keep, Text)
    assert graph.run([(double, Number(value=4))], executor="inline").outputs == [Text(text="8")]


def test_a_consumer_is_registered_for_what_both_know_only() -> None:
    double, silent = Double(), Silent()
    Graph().add_workers(double, silent)
    with pytest.raises(TypeError, match="pass a Task class"):
        double.register_consumer(int, silent)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'Silent' consumes 'Number', and no 'Text'"):
        double.register_consumer(Text, silent)
    with pytest.raises(ValueError, match="'Silent' publishes nothing, and no 'Number' for 'Double'"):
        silent.register_consumer(Number, double)


def test_a_consumer_is_asked_whether_it_consumes_a_type() -> None:
    class SubNumber(Number):
        """A number, too."""

    assert Double().validate_task(Number, Silent()) == (True, None)
    assert Double().validate_task(SubNumber, Silent()) == (True, None)
    fits, problem = Double().validate_task(Text, Silent())
    assert not fits
    assert isinstance(problem, TypeError)


# ---- the names of workers are their authors'


WORKERS = [CachedLLMTaskWorker, CachedJoinedTaskWorker, MergedTaskWorker, ChatTaskWorker, WorkspaceLLMTaskWorker]


def test_what_planai_keeps_to_itself_in_a_worker_is_called_as_no_author_calls_anything() -> None:
    bases = {base for worker in WORKERS for base in worker.__mro__ if base.__module__.startswith("planai.")}
    private = {
        name for base in bases for name in vars(base) if name.startswith("_") and not name.startswith(("__", "_abc"))
    }
    assert {name for name in private if not name.endswith("_")} == {
        "_graph",
        "_cache",
        "_cache_hit_is_valid",
        "_get_cache_key",
        "_invoke_llm",
        "_format_task",
        "_format_messages",
    }  # PlanAI's


@pytest.mark.parametrize(
    "name", ["_cache", "_graph", "_lock", "_first", "_key", "_settings", "_cost", "mode", "space", "parts", "describe"]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_may_call_its_attributes_as_it_likes(tmp_path: Path, name: str, when: str) -> None:
    class Own(CachedTaskWorker):
        output_types = [Number]

        def __init__(self, **settings: Any) -> None:
            if when == "before":
                setattr(self, name, {"mine": 1})
            super().__init__(**settings)
            if when == "after":
                setattr(self, name, {"mine": 1})

        def consume_work(self, task: Number) -> None:
            assert getattr(self, name) == {"mine": 1}
            self.publish_work(Number(value=task.value + 1))

    worker = Own(cache_dir=tmp_path)
    graph = Graph(name="own")
    graph.add_workers(worker).set_sink(worker, Number)
    runs = [graph.run([(worker, Number(value=1))]) for _ in range(2)]
    assert [(run.cache_hits, run.outputs) for run in runs] == [(0, [Number(value=2)]), (1, [Number(value=2)])]
