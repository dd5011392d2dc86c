"""Graphs as users run them."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal

import pytest

from planai import Graph, RunResult, Task, TaskWorker
from planai.errors import ConfigurationError, PublishError, RunFailed
from planai.executors import InlineExecutor
from planai.provenance import INITIAL

WAIT = 30.0
both_executors = pytest.mark.parametrize("executor", ["inline", "threads"])
ExecutorName = Literal["inline", "threads"]


class Number(Task):
    value: int = 0


class Text(Task):
    text: str = ""


class Double(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=2 * task.value))


class Spread(TaskWorker):
    """Publishes 0 to the number, by one object that it changes."""

    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        out = Number()
        for value in range(task.value):
            out.value = value
            self.publish_work(out)


class Show(TaskWorker):
    output_types = [Text]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Text(text=str(task.value)))


def graph_of(*workers: TaskWorker) -> Graph:
    """Return a chain of `workers`, the last of which has sinks for all it publishes."""
    graph = Graph(name="test").add_workers(*workers)
    for up, down in pairwise(workers):
        graph.set_dependency(up, down)
    for kind in workers[-1].output_types:
        graph.set_sink(workers[-1], kind)
    return graph


def numbers(result: RunResult) -> list[int]:
    return [task.value for task in result.outputs if isinstance(task, Number)]


# ---- describing


def test_a_worker_is_added_once() -> None:
    worker = Double()
    graph = Graph(name="g").add_worker(worker)
    with pytest.raises(ConfigurationError, match="'Double' is in graph 'g' already"):
        graph.add_worker(worker)


def test_a_class_is_no_worker() -> None:
    with pytest.raises(ConfigurationError, match="add an instance of one, not its class"):
        Graph().add_workers(Double)  # type: ignore[arg-type]


def test_only_workers_of_the_graph_are_wired() -> None:
    graph = Graph(name="g")
    with pytest.raises(ConfigurationError, match="'Double' is not in graph 'g': call add_workers first"):
        graph.set_dependency(Double(), Show())
    with pytest.raises(ConfigurationError, match="not in graph"):
        graph.set_sink(Double(), Number)
    with pytest.raises(ConfigurationError, match="not in graph"):
        graph.set_entry(Double())
    with pytest.raises(ConfigurationError, match="not in graph"):
        graph.set_exit(Double())


def test_a_graph_tells_what_it_was_told() -> None:
    double, show = Double(), Show()
    graph = graph_of(double, show).set_entry(double).set_exit(show)
    assert graph.workers == {double, show}
    assert graph.dependencies == {double: [show]}
    assert graph.get_entry_workers() == [double]
    assert graph.get_exit_worker() is show
    assert graph.get_worker_by_input_type(Number) is double
    assert graph.get_worker_by_output_type(Text) is show
    assert graph.get_worker_by_output_type(Task) is None
    assert repr(graph) == "Graph(name='test', workers=['Double', 'Show'])"


@pytest.mark.parametrize("count", [0, -1])
def test_a_limit_has_to_be_positive(count: int) -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        Graph().set_max_parallel_tasks(Double, count)


def test_an_unknown_executor_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no executor 'fibres': choose 'threads' or 'inline'"):
        graph_of(Double()).run([], executor="fibres")  # type: ignore[arg-type]


def test_the_dashboard_is_announced_as_missing() -> None:
    with pytest.warns(UserWarning, match="no dashboard"):
        graph_of(Double()).run([], run_dashboard=True)


# ---- outputs


@both_executors
def test_outputs_are_in_the_order_of_their_provenance(executor: ExecutorName) -> None:
    spread, double = Spread(), Double()
    result = graph_of(spread, double).run([(spread, Number(value=40)), (spread, Number(value=3))], executor=executor)
    if executor == "inline":
        assert numbers(result) == [2 * value for value in [*range(40), *range(3)]]
    steps = [tuple(index for _, index in out.provenance()) for out in result.outputs]
    assert steps == sorted(steps)
    assert len(result.outputs) == 43


def test_outputs_are_sorted_although_the_last_one_came_first() -> None:
    first_may_end = threading.Event()

    class Wait(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            if task.value == 0:
                assert first_may_end.wait(WAIT)
            self.publish_work(task)
            if task.value == 2:
                first_may_end.set()

    wait = Wait()
    result = graph_of(wait).run([(wait, Number(value=value)) for value in range(3)])
    assert numbers(result) == [0, 1, 2]
    assert [out.provenance()[0] for out in result.outputs] == [(INITIAL, 1), (INITIAL, 2), (INITIAL, 3)]


@both_executors
def test_a_task_changed_and_published_in_a_loop_gives_each_state(executor: ExecutorName) -> None:
    spread = Spread()
    assert numbers(graph_of(spread).run([(spread, Number(value=4))], executor=executor)) == [0, 1, 2, 3]


def test_a_sink_and_a_consumer_both_get_the_task() -> None:
    double, show = Double(), Show()
    graph = graph_of(double, show)
    graph.set_sink(double, Number)
    result = graph.run([(double, Number(value=2))], executor="inline")
    assert result.outputs == [Number(value=4), Text(text="4")]
    assert graph.get_output_tasks() == result.outputs


def test_what_a_sink_collected_is_not_changed_by_a_consumer() -> None:
    class Clear(Show):
        def consume_work(self, task: Number) -> None:
            task.value = -1

    double, clear = Double(), Clear()
    graph = graph_of(double, clear)
    graph.set_sink(double, Number)
    assert numbers(graph.run([(double, Number(value=2))], executor="inline")) == [4]


def test_there_are_no_output_tasks_before_the_first_run() -> None:
    assert graph_of(Double()).get_output_tasks() == []


def test_a_run_over_nothing_ends_at_once() -> None:
    result = graph_of(Double()).run([])
    assert result.ok
    assert result.outputs == []


def test_initial_tasks_are_left_as_they_were() -> None:
    task = Number(value=2)
    double = Double()
    graph_of(double).run([(double, task)], executor="inline")
    assert task.provenance() == ()


@both_executors
def test_a_worker_may_feed_itself(executor: ExecutorName) -> None:
    class Down(TaskWorker):
        output_types = [Number, Text]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Number(value=task.value - 1) if task.value else Text(text="done"))

    down = Down()
    graph = Graph(name="loop").add_workers(down)
    down.next(down)
    graph.set_sink(down, Text)
    result = graph.run([(down, Number(value=300))], executor=executor)
    assert result.outputs == [Text(text="done")]
    assert len(result.outputs[0].provenance()) == 302


# ---- sinks with a callback


@both_executors
def test_a_sink_with_a_callback_hands_over_each_task(executor: ExecutorName) -> None:
    seen: list[tuple[dict[str, Any], Task]] = []
    double = Double()
    graph = Graph(name="g").add_workers(double)
    double.sink(Number, notify=lambda metadata, task: seen.append((metadata, task)))
    result = graph.run([(double, Number(value=2))], executor=executor)
    assert seen == [({}, Number(value=4))]
    assert result.outputs == []
    assert set(result.workers) == {"Double"}


def test_a_callback_that_raises_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(metadata: dict[str, Any], task: Task) -> None:
        raise LookupError("no room")

    double = Double()
    graph = graph_of(double)
    double.sink(Number, notify=refuse)
    result = graph.run([(double, Number(value=2))])
    assert numbers(result) == [4]
    [failure] = result.failures
    assert isinstance(failure.error, LookupError)
    assert failure.task == Number(value=4)
    assert "no room" in capsys.readouterr().err


# ---- consumers


class ShowLoud(Show):
    def consume_work(self, task: Number) -> None:
        self.publish_work(Text(text=f"{task.value}!"))


class Choose(TaskWorker):
    output_types = [Number]
    consumer: TaskWorker | None

    def consume_work(self, task: Number) -> None:
        self.publish_work(task.copy_public(), consumer=self.consumer)


def graph_with_choice(choose: Choose, *takers: TaskWorker) -> Graph:
    graph = Graph(name="choice").add_workers(choose, *takers)
    for taker in takers:
        graph.set_dependency(choose, taker)
        graph.set_sink(taker, Text)
    return graph


@pytest.mark.parametrize(("chosen", "text"), [(0, "1"), (1, "1!")])
def test_consumer_says_who_gets_a_task(chosen: int, text: str) -> None:
    takers = [Show(), ShowLoud()]
    choose = Choose(consumer=takers[chosen])
    result = graph_with_choice(choose, *takers).run([(choose, Number(value=1))], executor="inline")
    assert result.outputs == [Text(text=text)]


def test_two_consumers_without_a_choice_fail_the_call() -> None:
    choose = Choose(consumer=None)
    result = graph_with_choice(choose, Show(), ShowLoud()).run([(choose, Number())], display_terminal=False)
    [failure] = result.failures
    assert isinstance(failure.error, PublishError)
    assert "'Show', 'ShowLoud' all consume" in str(failure.error)
    assert result.outputs == []


# ---- failures


class Misbehave(TaskWorker):
    """Publishes a text that is not declared, or a number that nobody consumes."""

    output_types = [Number]

    def consume_work(self, task: Text) -> None:
        self.publish_work(Number() if task.text == "number" else task)


@both_executors
@pytest.mark.parametrize(
    ("text", "message"),
    [("text", "its output_types are 'Number'"), ("number", "publishes a 'Number' that nobody consumes")],
)
def test_a_wrong_publication_fails_that_call_and_is_reported(
    executor: ExecutorName, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Misbehave()
    result = Graph(name="g").add_workers(worker).run([(worker, Text(text=text))], executor=executor)
    [failure] = result.failures
    assert isinstance(failure.error, PublishError)
    assert (failure.worker, failure.attempts, failure.provenance) == ("Misbehave", 1, ((INITIAL, 1),))
    assert message in str(failure)
    assert "Misbehave" in capsys.readouterr().err
    assert not result.ok


class Flaky(TaskWorker):
    """Publishes, and then fails as often as `failures` says for each task."""

    output_types = [Number]
    failures: int

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.retry_count))
        if task.retry_count < self.failures:
            raise LookupError(f"try {task.retry_count}")


@both_executors
def test_a_retry_does_not_publish_twice(executor: ExecutorName) -> None:
    flaky = Flaky(failures=2, num_retries=2)
    result = graph_of(flaky).run([(flaky, Number())], executor=executor)
    assert result.ok
    assert numbers(result) == [2]
    figures = result.workers["Flaky"]
    assert (figures.completed, figures.retried, figures.failed, figures.queued) == (1, 2, 0, 0)


@both_executors
def test_a_call_fails_for_good_when_its_retries_are_exhausted(executor: ExecutorName) -> None:
    flaky = Flaky(failures=3, num_retries=2)
    result = graph_of(flaky).run([(flaky, Number()), (flaky, Number())], executor=executor)
    assert result.outputs == []
    assert [(failure.attempts, str(failure.error)) for failure in result.failures] == [(3, "try 2")] * 2
    figures = result.workers["Flaky"]
    assert (figures.completed, figures.retried, figures.failed) == (0, 4, 2)


class FailOdd(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        if task.value % 2:
            raise LookupError(f"odd {task.value}")
        self.publish_work(task)


def test_other_tasks_go_on_when_one_fails() -> None:
    worker = FailOdd()
    result = graph_of(worker).run([(worker, Number(value=value)) for value in range(6)])
    assert numbers(result) == [0, 2, 4]
    assert sorted(str(failure.error) for failure in result.failures) == ["odd 1", "odd 3", "odd 5"]


def test_raise_on_failure_carries_the_result_and_the_cause() -> None:
    worker = FailOdd()
    graph = graph_of(worker)
    initial = [(worker, Number(value=value)) for value in range(3)]
    with pytest.raises(RunFailed, match=r"1 calls of graph 'test' failed; the first: FailOdd failed.*odd 1") as caught:
        graph.run(initial, raise_on_failure=True)
    assert isinstance(caught.value.__cause__, LookupError)
    assert numbers(caught.value.result) == [0, 2]
    assert graph.get_output_tasks() == caught.value.result.outputs


def test_raise_on_failure_returns_the_result_when_all_went_well() -> None:
    worker = FailOdd()
    assert graph_of(worker).run([(worker, Number())], raise_on_failure=True).ok


@pytest.mark.parametrize("broken", ["__str__", "__repr__"])
def test_an_error_or_a_task_that_cannot_be_shown_is_a_failure_like_others(broken: str) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            if broken == "__str__":
                raise LookupError("no text")
            return "text"

    class Hidden(Task):
        def __repr__(self) -> str:
            if broken == "__repr__":
                raise LookupError("no text")
            return "text"

    class Raise(TaskWorker):
        def consume_work(self, task: "Hidden") -> None:
            raise Unspeakable

    worker = Raise()
    result = Graph(name="g").add_workers(worker).run([(worker, Hidden())])
    assert [type(failure.error) for failure in result.failures] == [Unspeakable]


# ---- initial tasks


def test_a_wrong_initial_task_in_a_list_is_refused_before_anything_runs() -> None:
    seen: list[int] = []

    class See(TaskWorker):
        def consume_work(self, task: Number) -> None:
            seen.append(task.value)

    see = See()
    with pytest.raises(ConfigurationError, match="'See' is a 'Text'"):
        graph_of(see).run([(see, Number()), (see, Text())], executor="inline")
    assert seen == []


def test_initial_tasks_may_come_from_a_generator() -> None:
    double = Double()
    assert numbers(graph_of(double).run((double, Number(value=value)) for value in range(200))) == list(
        range(0, 400, 2)
    )


def test_a_generator_is_taken_from_as_work_gets_done() -> None:
    ahead: list[int] = []
    handed_out = 0
    done = 0

    class Finish(Double):
        def consume_work(self, task: Number) -> None:
            nonlocal done
            with self.lock:
                done += 1
            super().consume_work(task)

    finish = Finish()

    def source() -> Iterator[tuple[TaskWorker, Task]]:
        nonlocal handed_out
        for value in range(100):
            ahead.append(handed_out - done)
            handed_out += 1
            yield finish, Number(value=value)

    result = graph_of(finish).run(source(), max_workers=4)
    assert len(result.outputs) == 100
    assert max(ahead) <= 4


def test_a_generator_that_raises_ends_the_run_with_its_error() -> None:
    ended: list[str] = []

    class Tidy(Double):
        def completed(self) -> None:
            ended.append(self.name)

    tidy = Tidy()

    def source() -> Iterator[tuple[TaskWorker, Task]]:
        yield tidy, Number()
        raise LookupError("source is dry")

    with pytest.raises(LookupError, match="source is dry"):
        graph_of(tidy).run(source(), display_terminal=False)
    assert ended == ["Tidy"]


def test_a_wrong_task_from_a_generator_ends_the_run() -> None:
    double = Double()
    with pytest.raises(ConfigurationError, match="'Double' is a 'Text'"):
        graph_of(double).run(iter([(double, Text())]))


# ---- several runs


def test_a_graph_runs_twice_with_equal_results() -> None:
    spread, double = Spread(), Double()
    graph = graph_of(spread, double)
    results = [graph.run([(spread, Number(value=5))], executor="inline") for _ in range(2)]
    assert results[0].outputs == results[1].outputs
    assert [out.provenance() for out in results[0].outputs] == [out.provenance() for out in results[1].outputs]
    assert graph.get_output_tasks() == results[1].outputs


def test_two_runs_at_once_do_not_mix() -> None:
    both_run = threading.Barrier(2)

    class Meet(Double):
        def consume_work(self, task: Number) -> None:
            if task.value in (1, 100):
                both_run.wait(WAIT)
            super().consume_work(task)

    meet, show = Meet(), Show()
    graph = graph_of(meet, show)
    results: dict[int, RunResult] = {}

    def run(start: int) -> None:
        results[start] = graph.run([(meet, Number(value=start + offset)) for offset in range(20)])

    threads = [threading.Thread(target=run, args=(start,)) for start in (1, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    for start in (1, 100):
        assert results[start].outputs == [Text(text=str(2 * (start + offset))) for offset in range(20)]
        assert results[start].workers["Meet"].completed == 20


def test_a_run_inside_a_call_is_a_run_of_its_own() -> None:
    inner_double = Double()
    inner = graph_of(inner_double)

    class Outer(Double):
        def consume_work(self, task: Number) -> None:
            for out in inner.run([(inner_double, task)], executor="inline").outputs:
                self.publish_work(out)

    outer = Outer()
    result = graph_of(outer).run([(outer, Number(value=3))])
    assert numbers(result) == [6]
    assert result.outputs[0].provenance() == ((INITIAL, 1), ("Outer", 1))


def test_prepare_and_execute_are_run_in_two_steps() -> None:
    double = Double()
    graph = graph_of(double)
    with pytest.raises(ConfigurationError, match=r"'test' is not prepared: call prepare\(\)"):
        graph.execute([])
    graph.prepare(display_terminal=False)
    assert numbers(graph.execute([(double, Number(value=2))])) == [4]
    assert numbers(graph.execute([(double, Number(value=3))])) == [6]


# ---- init and completed


class Counted(Double):
    num_retries = 1

    def init(self) -> None:
        self.inits = getattr(self, "inits", 0) + 1
        self.thread = threading.current_thread()

    def completed(self) -> None:
        self.ends = getattr(self, "ends", 0) + 1


@both_executors
def test_init_and_completed_are_called_once_in_a_run(executor: ExecutorName) -> None:
    counted = Counted()
    graph = graph_of(counted)
    for runs in (1, 2):
        graph.run([(counted, Number(value=value)) for value in range(5)], executor=executor)
        assert (counted.inits, counted.ends) == (runs, runs)
    assert counted.thread is threading.current_thread()


def test_completed_is_called_when_init_raises() -> None:
    class Bad(Counted):
        def init(self) -> None:
            super().init()
            raise LookupError("not ready")

    first, bad, last = Counted(), Bad(), Counted()
    with pytest.raises(LookupError, match="not ready"):
        graph_of(first, bad, last).run([(first, Number())], display_terminal=False)
    assert (first.ends, bad.ends) == (1, 1)
    assert not hasattr(last, "ends")


def test_a_completed_that_raises_is_reported_and_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    class Bad(Counted):
        def completed(self) -> None:
            raise LookupError("not tidy")

    bad, last = Bad(), Counted()
    result = graph_of(bad, last).run([(bad, Number(value=1))])
    assert numbers(result) == [4]
    assert last.ends == 1
    assert "completed() raised LookupError: not tidy" in "".join(capsys.readouterr())


# ---- limits


class Gauge:
    """Counts how many calls run at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = 0
        self.most = 0

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.now -= 1


class Gauged(TaskWorker):
    output_types = [Number]
    gauge: Any
    barrier: Any

    def consume_work(self, task: Number) -> None:
        with self.gauge:
            self.barrier.wait(WAIT)
        self.publish_work(task)


class GaugedToo(Gauged):
    pass


def test_a_limit_is_reached_and_never_exceeded() -> None:
    gauge, barrier = Gauge(), threading.Barrier(3)
    worker = Gauged(gauge=gauge, barrier=barrier)
    graph = graph_of(worker)
    graph.set_max_parallel_tasks(Gauged, 3)
    result = graph.run([(worker, Number(value=value)) for value in range(30)])
    assert result.ok
    assert gauge.most == 3


def test_a_limit_on_a_base_class_counts_all_its_workers_together() -> None:
    gauge, barrier = Gauge(), threading.Barrier(2)
    one, other = Gauged(gauge=gauge, barrier=barrier), GaugedToo(gauge=gauge, barrier=barrier)
    graph = Graph(name="g").add_workers(one, other)
    for worker in (one, other):
        graph.set_sink(worker, Number)
    graph.set_max_parallel_tasks(Gauged, 2)
    result = graph.run([(worker, Number()) for _ in range(10) for worker in (one, other)])
    assert len(result.outputs) == 20
    assert gauge.most == 2


# ---- what a worker can do meanwhile


def test_elapsed_time_and_print_work_during_a_call(capsys: pytest.CaptureFixture[str]) -> None:
    times: list[float] = []

    class Talk(Double):
        def consume_work(self, task: Number) -> None:
            times.extend([self.elapsed_time, self.elapsed_time])
            self.print("value", task.value)
            super().consume_work(task)

    talk = Talk()
    result = graph_of(talk).run([(talk, Number(value=3))])
    assert 0 <= times[0] <= times[1] <= result.seconds
    assert capsys.readouterr().out == "value 3\n"


def test_a_graph_prints(capsys: pytest.CaptureFixture[str]) -> None:
    Graph().print("a", 1)
    assert capsys.readouterr().out == "a 1\n"


def test_a_strict_graph_refuses_to_publish_what_it_consumed() -> None:
    class Forward(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            self.publish_work(task)

    forward = Forward()
    graph = Graph(name="strict", strict=True).add_workers(forward)
    graph.set_sink(forward, Number)
    result = graph.run([(forward, Number())], executor="inline", display_terminal=False)
    assert "copy_public" in str(result.failures[0].error)


def test_an_executor_may_be_passed() -> None:
    double = Double()
    assert numbers(graph_of(double).run([(double, Number(value=2))], executor=InlineExecutor())) == [4]


# ---- Ctrl-C

SCRIPT = """
import signal, sys, threading
from planai import Graph, Task, TaskWorker

release = threading.Event()

def on_ctrl_c(number, frame):
    if not HOLD:
        release.set()
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, on_ctrl_c)

class Number(Task):
    value: int = 0

class Work(TaskWorker):
    output_types = [Number]
    def consume_work(self, task: Number) -> None:
        if task.value == 1:
            print("working", flush=True)
            release.wait(60)
        self.publish_work(task)
    def completed(self) -> None:
        print("completed", flush=True)

work = Work()
graph = Graph(name="long")
graph.add_workers(work).set_sink(work, Number)
initial = [(work, Number(value=value)) for value in range(4)]
"""

CATCHING = """
try:
    graph.run(initial, max_workers=1)
except KeyboardInterrupt:
    result = graph.result
    print([task.value for task in result.outputs], result.interrupted, result.unfinished)
"""

LEAVING = """
try:
    graph.run(initial, max_workers=1)
except KeyboardInterrupt:
    print("left")
"""


@contextlib.contextmanager
def started(script: str) -> Iterator[subprocess.Popen[str]]:
    """Start a script, and wait until a call of it works."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=pipe, stderr=pipe, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "working\n"
            yield process
        finally:
            process.kill()


def interrupted(script: str) -> tuple[int, str, str]:
    with started(script) as process:
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=WAIT)
        return process.returncode, out, error


def test_ctrl_c_ends_a_run_that_keeps_what_was_done() -> None:
    code, out, error = interrupted(SCRIPT.replace("HOLD", "False") + CATCHING)
    assert (code, out.splitlines()[0]) == (0, "completed")
    assert out.splitlines()[1].startswith("[0, 1] True")
    assert "stopping; waiting for 1 running calls" in error
    assert "interrupted with" in error


def test_ctrl_c_counts_the_initial_tasks_that_are_left() -> None:
    _, out, _ = interrupted(SCRIPT.replace("HOLD", "False") + CATCHING)
    assert out.splitlines()[1] == "[0, 1] True 2"


def test_ctrl_c_again_leaves_running_calls_behind() -> None:
    with started(SCRIPT.replace("HOLD", "True") + LEAVING) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "Ctrl-C again" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=8)
    assert out.splitlines() == ["completed", "left"]


def test_ctrl_c_that_nobody_catches_ends_the_program_with_a_keyboard_interrupt() -> None:
    code, _, error = interrupted(SCRIPT.replace("HOLD", "False") + "graph.run(initial)")
    assert code != 0
    assert error.splitlines()[-1].startswith("KeyboardInterrupt: run of 'long' was interrupted")


def test_ctrl_c_that_nobody_catches_ends_the_program_as_the_shell_expects() -> None:
    code, _, _ = interrupted(SCRIPT.replace("HOLD", "False") + "graph.run(initial)")
    assert code in (-signal.SIGINT, 130)


class Interrupted(TaskWorker):
    """Publishes its task, and is interrupted by the one with value 1."""

    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        if task.value == 1:
            raise KeyboardInterrupt
        self.publish_work(task)


def interrupt_inline(monkeypatch: pytest.MonkeyPatch) -> RunResult:
    monkeypatch.setattr("planai.run.loop.GRACE_SECONDS", 0.01)
    worker = Interrupted()
    graph = graph_of(worker)
    with pytest.raises(KeyboardInterrupt, match="was interrupted: 1 calls done, 2 left"):
        graph.run([(worker, Number(value=value)) for value in range(3)], executor="inline")
    assert graph.result is not None
    return graph.result


def test_ctrl_c_in_an_inline_run_keeps_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    result = interrupt_inline(monkeypatch)
    assert numbers(result) == [0]
    assert result.interrupted
    assert not result.ok


def test_ctrl_c_in_an_inline_run_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_inline(monkeypatch)
    assert "waiting for" not in capsys.readouterr().err


# ---- mistakes that are told


@pytest.mark.parametrize("initial", [[Number()], [(Number(), Double())], [(Double, Number())], ["ab"]])
def test_initial_tasks_that_are_no_pairs_say_what_they_should_be(initial: list[Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"a list of pairs \(worker, task\)"):
        graph_of(Double()).run(initial)
    with pytest.raises(ConfigurationError, match=r"a list of pairs \(worker, task\)"):
        graph_of(Double()).run(iter(initial))


def test_a_value_that_is_returned_and_not_published_fails_the_call() -> None:
    class Return(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> Number:  # type: ignore[override]
            return task

    worker = Return()
    result = graph_of(worker).run([(worker, Number())])
    assert "publish it with self.publish_work" in str(result.failures[0].error)


def test_a_class_in_place_of_a_task_is_told() -> None:
    class Publish(TaskWorker):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Number)  # type: ignore[arg-type]

    worker = Publish()
    failure = graph_of(worker).run([(worker, Number())]).failures[0]
    assert "the class Number was published" in str(failure.error)


def test_a_retry_gets_the_task_as_it_came() -> None:
    class Spoil(TaskWorker):
        output_types = [Number]
        num_retries = 2

        def consume_work(self, task: Number) -> None:
            task.value += 1
            if task.retry_count < 2:
                raise ValueError("again")
            self.publish_work(task)

    worker = Spoil()
    assert numbers(graph_of(worker).run([(worker, Number(value=5))])) == [6]


def test_a_limit_is_for_workers() -> None:
    with pytest.raises(ConfigurationError, match="'Number' is limited, a task"):
        Graph(name="g").set_max_parallel_tasks(Number, 1)
