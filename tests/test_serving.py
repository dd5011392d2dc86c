"""Graphs that serve: work from any thread, metadata, status, aborts, watching, and people."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest
from pydantic import BaseModel

from planai import Graph, InitialTaskWorker, JoinedTaskWorker, SubGraphWorker, Task, TaskWorker
from planai.errors import ConfigurationError, OutsideCallError
from planai.provenance import ProvenanceChain
from planai.run.user_input import UserInputRequest
from waiting import wait_until

WAIT = 30.0


class Number(Task):
    value: int = 0


class Text(Task):
    text: str = ""


class Show(TaskWorker):
    output_types = [Text]

    def consume_work(self, task: Number) -> None:
        self.notify_status(task, f"showing {task.value}", Number(value=task.value))
        self.publish_work(Text(text=f"{task.value} {self.get_metadata(task).get('who', 'nobody')}"))


class Hold(TaskWorker):
    """Waits until it is let go, and tells that it began."""

    output_types = [Text]

    def consume_work(self, task: Number) -> None:
        self.begun.put(task.value)
        self.go.wait(WAIT)
        self.seen.append((task.value, self.aborted))
        self.publish_work(Text(text=str(task.value)))

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.begun: SimpleQueue[int] = SimpleQueue()
        self.go = threading.Event()
        self.seen: list[tuple[int, bool]] = []


class Collected:
    """What a sink or a status callback was called with, for a test that waits for it."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[tuple[Any, ...]] = SimpleQueue()

    def __call__(self, *arguments: Any) -> None:
        self.calls.put(arguments)

    def next(self) -> tuple[Any, ...]:
        return self.calls.get(timeout=WAIT)


def graph_of(worker: TaskWorker, notify: Callable[..., None] | None = None) -> Graph:
    graph = Graph(name="service").add_workers(worker).set_entry(worker)
    graph.set_sink(worker, worker.output_types[0], notify=notify)
    return graph


@contextmanager
def serving(graph: Graph) -> Iterator[threading.Thread]:
    """Let a graph serve as long as the block takes."""
    graph.prepare(display_terminal=False)
    thread = threading.Thread(target=graph.execute, args=([],), daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        assert graph.shutdown(WAIT)
        thread.join(WAIT)
        assert not thread.is_alive()


# ---- work from outside


def test_work_is_added_from_any_thread_with_metadata_and_a_sink_gets_both() -> None:
    show, sink = Show(), Collected()
    graph = graph_of(show, sink)
    with serving(graph):
        chains = [graph.add_work(show, Number(value=value), metadata={"who": f"user {value}"}) for value in (1, 2)]
        seen = sorted((metadata["who"], task.text, task.prefix(1)) for metadata, task in (sink.next(), sink.next()))
        assert seen == [("user 1", "1 user 1", chains[0]), ("user 2", "2 user 2", chains[1])]
        assert chains == [(("InitialTaskWorker", 1),), (("InitialTaskWorker", 2),)]
        assert show.add_work(Number(value=3)) == (("InitialTaskWorker", 3),)
        assert sink.next()[1].text == "3 nobody"


def test_a_service_goes_on_when_it_has_nothing_to_do() -> None:
    show, sink = Show(), Collected()
    with serving(graph_of(show, sink)) as thread:
        for value in range(3):
            show.add_work(Number(value=value))
            assert sink.next()[1].text == f"{value} nobody"
            assert thread.is_alive()


def test_work_that_is_added_first_is_done_and_then_the_run_ends() -> None:
    show = Show()
    graph = graph_of(show)
    graph.prepare(display_terminal=False)
    graph.add_work(show, Number(value=5), metadata={"who": "me"})
    assert graph.execute([]).outputs == [Text(text="5 me")]
    assert graph.get_output_tasks() == [Text(text="5 me")]
    with pytest.raises(ConfigurationError, match="has run, and takes no more work"):
        graph.add_work(show, Number(value=6))


@pytest.mark.parametrize("run", [Graph.run, lambda graph, tasks, **more: asyncio.run(graph.arun(tasks, **more))])
def test_work_that_was_added_since_it_was_prepared_is_part_of_a_run(run: Any) -> None:
    show, status = Show(), Collected()
    graph = graph_of(show)
    graph.prepare(display_terminal=False)
    chains = [graph.add_work(show, Number(value=1), {"who": "me"}, status), show.add_work(Number(value=2))]
    outputs = run(graph, [(show, Number(value=3))], display_terminal=False).outputs
    assert [task.text for task in outputs] == ["1 me", "2 nobody", "3 nobody"]
    assert [task.prefix(1) for task in outputs[:2]] == chains
    assert status.next()[4] == "showing 1"
    assert run(graph, [(show, Number(value=4))], display_terminal=False).outputs == [Text(text="4 nobody")]


def test_work_that_was_added_by_a_worker_is_done_and_then_the_run_ends() -> None:
    show = Show()
    graph = graph_of(show)
    graph.prepare(display_terminal=False)
    show.add_work(Number(value=1))
    assert graph.execute([]).outputs == [Text(text="1 nobody")]


@pytest.mark.parametrize("lose", [lambda graph: graph.run([], max_workers=2), Graph.prepare])
def test_work_that_was_added_is_not_lost_without_a_word(lose: Any) -> None:
    show = Show()
    graph = graph_of(show)
    graph.prepare(display_terminal=False)
    graph.add_work(show, Number(value=1))
    with pytest.raises(
        ConfigurationError, match=r"work was added to graph 'service' since .* call execute\(\[\]\) first"
    ):
        lose(graph)
    assert graph.execute([]).outputs == [Text(text="1 nobody")]
    lose(graph)


def test_entries_may_be_named_after_the_graph_was_prepared() -> None:
    show, other = Show(), Show()
    graph = Graph(name="g").add_workers(show, other)
    graph.set_sink(show, Text)
    graph.prepare(display_terminal=False)
    graph.set_entry(show)
    with pytest.raises(ConfigurationError, match="'Show', which is no entry"):
        graph.add_work(other, Number(value=1))
    with pytest.raises(ConfigurationError, match="is a 'Text', but the worker consumes 'Number'"):
        graph.add_work(show, Text())
    graph.add_work(show, Number(value=1))
    assert len(graph.execute([]).outputs) == 1


def test_a_graph_that_is_not_prepared_takes_no_work() -> None:
    show = Show()
    with pytest.raises(ConfigurationError, match="is not prepared"):
        graph_of(show).add_work(show, Number())
    with pytest.raises(OutsideCallError, match="'Show' is in no graph that runs"):
        show.add_work(Number())


def test_a_worker_may_add_work_from_within_a_call() -> None:
    class Again(Show):
        def consume_work(self, task: Number) -> None:
            if task.value:
                self.add_work(Number(value=task.value - 1), metadata={"who": f"after {task.value}"})
            super().consume_work(task)

    again = Again()
    result = graph_of(again).run([(again, Number(value=2))])
    assert [output.model_dump()["text"] for output in result.outputs] == ["2 nobody", "1 after 2", "0 after 1"]
    assert [output.provenance()[0] for output in result.outputs] == [("InitialTaskWorker", step) for step in (1, 2, 3)]


# ---- status


def test_status_callbacks_get_six_arguments_also_when_the_work_has_ended() -> None:
    show, status = Show(), Collected()
    graph = graph_of(show)
    with serving(graph):
        chain = graph.add_work(show, Number(value=7), metadata={"who": "me"}, status_callback=status)
        metadata, prefix, worker, task, message, told = status.next()
        assert (metadata, prefix, worker, message) == ({"who": "me"}, chain, show, "showing 7")
        assert (task, told) == (Number(value=7), Number(value=7))
        assert status.next() == ({"who": "me"}, chain, None, None, "Task removed", None)


def test_a_status_callback_of_five_arguments_gets_no_object() -> None:
    told = Collected()

    def status(metadata: dict[str, Any], prefix: ProvenanceChain, worker: Any, task: Any, message: str) -> None:
        told(prefix, worker and worker.name, message)

    show = Show()
    graph = graph_of(show)
    with serving(graph):
        chain = graph.add_work(show, Number(value=7), status_callback=status)  # type: ignore[arg-type]
        assert [told.next(), told.next()] == [(chain, "Show", "showing 7"), (chain, None, "Task removed")]


def test_a_callback_that_raises_is_reported_and_hangs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(
        metadata: dict[str, Any],
        prefix: ProvenanceChain,
        worker: TaskWorker,
        task: Task,
        message: str | None,
        told: BaseModel | None,
    ) -> None:
        raise LookupError("no screen")

    show, sink = Show(), Collected()
    graph = graph_of(show, sink)
    with serving(graph):
        graph.add_work(show, Number(value=1), status_callback=broken)
        assert sink.next()[1].text == "1 nobody"
    out = capsys.readouterr().out
    assert out.count("the callback") == 2
    assert "broken raised LookupError: no screen" in out


def test_state_is_there_until_it_is_removed() -> None:
    class Remove(TaskWorker):
        output_types = [Text]

        def consume_work(self, task: Number) -> None:
            before = self.get_state(task)
            self.remove_state(task)
            self.notify_status(task, "nobody hears this")
            self.publish_work(Text(text=f"{before['metadata']} {self.get_state(task)}"))

    worker, status = Remove(), Collected()
    graph = graph_of(worker)
    graph.prepare(display_terminal=False)
    graph.add_work(worker, Number(), metadata={"a": 1}, status_callback=status)
    [output] = graph.execute([]).outputs
    assert output == Text(text="{'a': 1} {'metadata': {}, 'callback': None}")
    assert status.calls.empty()


def test_outside_of_a_run_there_is_nobody_to_tell() -> None:
    show = Show()
    assert show.get_metadata(Number()) == {}
    assert show.get_state(Number()) == {"metadata": {}, "callback": None}
    assert show.get_worker_state((("InitialTaskWorker", 1),)) == {}
    assert not show.watch((("InitialTaskWorker", 1),))
    assert not show.unwatch((("InitialTaskWorker", 1),))
    assert not show.aborted
    show.remove_state(Number())
    show.notify_status(Number(), "hello")
    show.trace((("InitialTaskWorker", 1),))
    with pytest.raises(OutsideCallError):
        show.request_user_input(Number(), "Well?")


@pytest.mark.parametrize("depth", [1, 2])
def test_metadata_status_and_aborts_reach_into_graphs(depth: int) -> None:
    hold = Hold()
    worker: TaskWorker = hold
    for _ in range(depth):
        inner = Graph(name="inner").add_workers(worker).set_entry(worker).set_exit(worker)
        worker = SubGraphWorker(graph=inner)
    status, sink = Collected(), Collected()
    graph = graph_of(worker, sink)
    with serving(graph):
        chain = graph.add_work(worker, Number(value=1), metadata={"who": "me"}, status_callback=status)
        assert hold.begun.get(timeout=WAIT) == 1
        assert graph.abort_work(chain)
        other = graph.add_work(worker, Number(value=2), metadata={"who": "you"})
        assert hold.begun.get(timeout=WAIT) == 2
        hold.go.set()
        assert status.next()[1:5] == (chain, None, None, "Task removed")
        metadata, task = sink.next()
        assert (metadata, task.prefix(1), task.text) == ({"who": "you"}, other, "2")
    assert sorted(hold.seen) == [(1, True), (2, False)]
    assert sink.calls.empty()


# ---- aborts


class Spread(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        for value in range(task.value):
            self.publish_work(Number(value=value))


class Gather(JoinedTaskWorker):
    join_type = InitialTaskWorker
    output_types = [Text]

    def consume_work_joined(self, tasks: list[Text]) -> None:
        self.publish_work(Text(text=" ".join(task.text for task in tasks)))


def test_aborted_work_is_dropped_and_a_join_does_not_fire_for_it() -> None:
    spread, hold, gather, sink = Spread(), Hold(), Gather(), Collected()
    graph = Graph(name="g").add_workers(spread, hold, gather).set_entry(spread)
    spread.next(hold).next(gather).sink(Text, notify=sink)
    graph.set_max_parallel_tasks(Hold, 1)
    with serving(graph):
        first = graph.add_work(spread, Number(value=3))
        assert hold.begun.get(timeout=WAIT) == 0
        graph.add_work(spread, Number(value=2))
        assert graph.abort_work(first)
        hold.go.set()
        assert sink.next()[1].text == "0 1"
        assert not graph.abort_work(first)
    assert graph.result is not None
    assert (graph.result.aborted, graph.result.failures) == (3, [])
    assert (0, True) in hold.seen
    assert sink.calls.empty()


def test_a_limit_may_be_set_while_a_graph_serves() -> None:
    hold = Hold()
    graph = Graph(name="g").add_workers(hold).set_entry(hold)
    graph.set_sink(hold, Text)
    with serving(graph):
        graph.add_work(hold, Number(value=0))
        assert hold.begun.get(timeout=WAIT) == 0
        graph.set_max_parallel_tasks(Hold, 1)
        for value in (1, 2):
            graph.add_work(hold, Number(value=value))
        wait_until(lambda: len(graph.get_dispatcher().get_queued_tasks()) == 2)
        assert hold.begun.empty()
        graph.get_dispatcher().set_max_parallel_tasks(TaskWorker, 9)  # another limit, and this one is there still
        graph.set_max_parallel_tasks(Hold, 3)
        assert {hold.begun.get(timeout=WAIT) for _ in range(2)} == {1, 2}
        hold.go.set()


def test_a_limit_may_be_set_between_prepare_and_execute() -> None:
    most: list[int] = []

    class Watching(Hold):
        def consume_work(self, task: Number) -> None:
            most.append(graph.get_dispatcher().active_tasks)
            self.publish_work(Text(text=str(task.value)))

    watching = Watching()
    graph = Graph(name="g").add_workers(watching)
    graph.set_sink(watching, Text)
    graph.prepare(display_terminal=False)
    graph.set_max_parallel_tasks(Hold, 1)
    graph.execute([(watching, Number(value=value)) for value in range(50)])
    assert most == [1] * 50


def test_a_failure_of_an_aborted_call_is_none() -> None:
    class Break(Hold):
        num_retries = 3

        def consume_work(self, task: Number) -> None:
            super().consume_work(task)
            raise LookupError("told to end")

    worker, status = Break(), Collected()
    graph = graph_of(worker)
    with serving(graph):
        chain = graph.add_work(worker, Number(value=1), status_callback=status)
        worker.begun.get(timeout=WAIT)
        assert graph.abort_work(chain)
        assert graph.abort_work(chain)
        worker.go.set()
        assert status.next()[4] == "Task removed"
    assert graph.result is not None
    assert (graph.result.failures, graph.result.aborted, worker.begun.empty()) == ([], 1, True)


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_a_part_of_a_chain_may_be_aborted_from_within(executor: Any) -> None:
    class Stop(TaskWorker):
        output_types = [Text]

        def consume_work(self, task: Number) -> None:
            if task.value == 1:
                aborted.append(graph.abort_work(task.prefix(2)))
                aborted.append(graph.abort_work((("Spread", 99),)))
            self.publish_work(Text(text=str(task.value)))

    aborted: list[bool] = []
    spread, stop = Spread(), Stop()
    graph = Graph(name="g").add_workers(spread, stop)
    spread.next(stop).sink(Text)
    result = graph.run([(spread, Number(value=3))], executor=executor)
    assert result.outputs == [Text(text="0"), Text(text="2")]
    assert (aborted, result.aborted) == ([True, False], 1)


def test_an_abort_before_the_run_begins() -> None:
    show = Show()
    graph = graph_of(show)
    graph.prepare(display_terminal=False)
    chain = graph.add_work(show, Number(value=1))
    graph.add_work(show, Number(value=2))
    assert graph.abort_work(chain)
    assert not graph.abort_work((("InitialTaskWorker", 9),))
    assert not graph.abort_work(())
    assert graph.execute([]).outputs == [Text(text="2 nobody")]


# ---- the end


def test_shutdown_lets_what_is_there_be_done() -> None:
    hold = Hold()
    graph = graph_of(hold)
    graph.prepare(display_terminal=False)
    thread = threading.Thread(target=graph.execute, args=([],), daemon=True)
    thread.start()
    for value in range(3):
        graph.add_work(hold, Number(value=value))
    hold.begun.get(timeout=WAIT)
    hold.go.set()
    assert graph.shutdown(WAIT)
    thread.join(WAIT)
    assert graph.result is not None
    assert (len(graph.result.outputs), graph.result.interrupted) == (3, False)
    assert graph.shutdown()


def test_shutdown_tells_of_work_that_nobody_has_executed() -> None:
    hold = Hold()
    graph = graph_of(hold)
    graph.prepare(display_terminal=False)
    graph.add_work(hold, Number(value=1))
    with pytest.warns(RuntimeWarning, match=r"nobody has executed .*call execute"):
        assert not graph.shutdown()


def test_shutdown_drops_what_takes_too_long() -> None:
    hold = Hold()
    graph = graph_of(hold)
    graph.set_max_parallel_tasks(Hold, 1)
    graph.prepare(display_terminal=False)
    results: SimpleQueue[Any] = SimpleQueue()
    thread = threading.Thread(target=lambda: results.put(graph.execute([])), daemon=True)
    thread.start()
    for value in range(3):
        graph.add_work(hold, Number(value=value))
    hold.begun.get(timeout=WAIT)
    stopping = threading.Thread(target=graph.shutdown, args=(0.05,))
    stopping.start()
    while not graph.service.run.scope.is_stopping:  # type: ignore[union-attr]
        stopping.join(0.01)
    hold.go.set()
    result = results.get(timeout=WAIT)
    assert (result.interrupted, result.unfinished, len(result.outputs)) == (True, 2, 1)
    assert hold.seen == [(0, True)]


def test_a_graph_may_be_shut_down_by_one_of_its_calls() -> None:
    show = Show()
    graph = Graph(name="g").add_workers(show)
    graph.set_sink(show, Text, notify=lambda metadata, task: answers.append(graph.shutdown()))
    answers: list[bool] = []
    graph.prepare(display_terminal=False)
    thread = threading.Thread(target=graph.execute, args=([],), daemon=True)
    thread.start()
    graph.add_work(show, Number())
    thread.join(WAIT)
    assert (answers, thread.is_alive()) == ([True], False)


def test_a_graph_serves_again_after_it_was_prepared_again() -> None:
    show, sink = Show(), Collected()
    graph = graph_of(show, sink)
    for _ in range(2):
        with serving(graph):
            assert graph.add_work(show, Number()) == (("InitialTaskWorker", 1),)
            sink.next()


def test_a_failure_is_told_while_the_graph_serves_and_not_again_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    class Break(Show):
        def consume_work(self, task: Number) -> None:
            raise LookupError(f"no {task.value}")

    worker, status = Break(), Collected()
    graph = graph_of(worker)
    with serving(graph):
        for value in (1, 2):
            graph.add_work(worker, Number(value=value), status_callback=status)
            status.next()
        while "no 1" not in (said := capsys.readouterr().err):
            threading.Event().wait(0.001)
    said += capsys.readouterr().err
    assert [said.count(f"LookupError: no {value}") for value in (1, 2)] == [1, 1]


# ---- state and watching


class Tally(TaskWorker):
    """Counts what comes of each task from outside, and tells when no more will come."""

    output_types = [Text]

    def consume_work(self, task: Number) -> None:
        prefix = task.prefix(1)
        with self.lock:
            state = self.get_worker_state(prefix)
            state["sum"] = state.get("sum", 0) + task.value
        self.watch(prefix)

    def notify(self, prefix: ProvenanceChain) -> None:
        assert self.unwatch(prefix)
        self.publish_work(Text(text=f"{prefix[0][1]}: {self.get_worker_state(prefix)['sum']}"))


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_a_watcher_is_told_once_when_no_work_is_left(executor: Any) -> None:
    spread, tally = Spread(), Tally()
    graph = Graph(name="g").add_workers(spread, tally)
    spread.next(tally).sink(Text)
    result = graph.run([(spread, Number(value=value)) for value in (4, 5)], executor=executor)
    assert result.ok
    assert [task.model_dump()["text"] for task in result.outputs] == ["1: 6", "2: 10"]
    assert result.workers["Tally"].completed == 9


def test_a_watcher_that_fails_is_tried_again_like_any_call() -> None:
    tries: list[int] = []

    class Fragile(Tally):
        num_retries = 1

        def notify(self, prefix: ProvenanceChain) -> None:
            tries.append(1)
            if len(tries) == 1:
                raise LookupError("once")
            self.publish_work(Text(text="told"))

    fragile = Fragile()
    result = graph_of(fragile).run([(fragile, Number(value=1))])
    assert (result.outputs, result.failures, len(tries)) == ([Text(text="told")], [], 2)


def test_watchers_come_after_joins_and_callbacks_after_them() -> None:
    order: list[str] = []

    class Ordered(Tally):
        output_types = [Number]

        def consume_work(self, task: Number) -> None:
            watched.append(self.watch(task.prefix(1), lambda prefix: order.append(f"callback {prefix}")))
            watched.append(self.watch(task.prefix(1)))
            watched.append(self.watch(task.prefix(1)))
            self.publish_work(Number(value=1))

        def notify(self, prefix: ProvenanceChain) -> None:
            order.append("notify")

    class Join(JoinedTaskWorker):
        def consume_work_joined(self, tasks: list[Number]) -> None:
            order.append("join")

    watched: list[bool] = []
    ordered, join = Ordered(), Join()
    graph = Graph(name="g").add_workers(ordered, join)
    ordered.next(join)
    assert graph.run([(ordered, Number())], executor="inline").ok
    assert order == ["join", "notify", "callback (('InitialTaskWorker', 1),)"]
    assert watched == [True, True, False]


class Remind(TaskWorker):
    """Lets a callback in place of `notify` be called, which publishes, and fails at first."""

    output_types = [Text]
    num_retries = 1
    undone: list[bool] = []

    def consume_work(self, task: Number) -> None:
        self.watch(task.prefix(1), callback=self.remind)

    def remind(self, prefix: ProvenanceChain) -> None:
        self.undone.extend(self.unwatch(prefix, callback=self.remind) for _ in range(2))
        self.publish_work(Text(text=f"{prefix}"))
        if len(self.undone) == 2:
            raise LookupError("once")

    def notify(self, prefix: ProvenanceChain) -> None:
        raise AssertionError("nobody has asked for this")


class RemindAsync(Remind):
    async def consume_work(self, task: Number) -> None:  # type: ignore[override]
        self.watch(task.prefix(1), callback=self.remind_async)

    async def remind_async(self, prefix: ProvenanceChain) -> None:
        self.undone.extend(self.unwatch(prefix, callback=self.remind_async) for _ in range(2))
        self.publish_work(Text(text=f"{prefix}"))
        if len(self.undone) == 2:
            raise LookupError("once")


@pytest.mark.parametrize("kind", [Remind, RemindAsync])
@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_a_callback_is_called_in_place_of_notify_and_may_publish(kind: type[Remind], executor: Any) -> None:
    remind = kind()
    result = graph_of(remind).run([(remind, Number())], executor=executor)
    assert (result.outputs, result.failures) == ([Text(text="(('InitialTaskWorker', 1),)")], [])
    assert remind.undone == [True, False, True, False]


def test_a_callback_that_fails_has_failed() -> None:
    class Broken(TaskWorker):
        output_types = [Text]

        def consume_work(self, task: Number) -> None:
            self.watch(task.prefix(1), callback=fail)

    def fail(prefix: ProvenanceChain) -> None:
        raise LookupError(prefix)

    broken = Broken()
    [failure] = graph_of(broken).run([(broken, Number())]).failures
    assert isinstance(failure.error, LookupError)


def test_nothing_is_left_of_a_callback_when_what_it_watched_has_ended() -> None:
    class Watch(TaskWorker):
        output_types = [Text]

        def consume_work(self, task: Number) -> None:
            def callback(prefix: ProvenanceChain) -> None:
                called.append(prefix)

            self.watch(task.prefix(1), callback)
            known.append(weakref.ref(callback))

    called: list[ProvenanceChain] = []
    known: list[weakref.ref[Any]] = []
    watch = Watch()
    graph = graph_of(watch)
    assert graph.run([(watch, Number()), (watch, Number())], executor="inline").ok
    gc.collect()
    assert ([ref() for ref in known], len(called)) == ([None, None], 2)


def test_who_does_not_watch_any_more_is_not_told() -> None:
    class Fickle(Tally):
        def consume_work(self, task: Number) -> None:
            answers.extend([self.watch(task.prefix(1)), self.unwatch(task.prefix(1)), self.unwatch(task.prefix(1))])

        def notify(self, prefix: ProvenanceChain) -> None:
            raise AssertionError

    answers: list[bool] = []
    fickle = Fickle()
    assert graph_of(fickle).run([(fickle, Number())], executor="inline").ok
    assert answers == [True, True, False]


def test_a_graph_watches_for_a_worker() -> None:
    class Listen(Hold):
        def notify(self, prefix: ProvenanceChain) -> None:
            told.put(prefix)

    told: SimpleQueue[ProvenanceChain] = SimpleQueue()
    listen = Listen()
    graph = graph_of(listen)
    with serving(graph):
        chain = graph.add_work(listen, Number())
        listen.begun.get(timeout=WAIT)
        assert graph.watch(chain, listen)
        assert not graph.watch(chain, listen)
        listen.go.set()
        assert told.get(timeout=WAIT) == chain
        assert not graph.unwatch(chain, listen)


@pytest.mark.parametrize("wrong", [(), [("InitialTaskWorker", 1)]])
def test_only_prefixes_can_be_watched(wrong: Any) -> None:
    show = Show()
    graph = graph_of(show)
    graph.prepare(display_terminal=False)
    with pytest.raises(ConfigurationError, match="is no prefix of a provenance"):
        graph.watch(wrong, show)


class Round(TaskWorker):
    """Feeds its work back upstream, by way of another worker, until it has gone round often enough."""

    output_types = [Number, Text]

    def consume_work(self, task: Number) -> None:
        state = self.get_worker_state(task.prefix(1))
        state["rounds"] = state.get("rounds", 0) + 1
        if task.value:
            self.publish_work(Number(value=task.value))
        else:
            self.publish_work(Text(text=f"{state['rounds']} rounds"))


class Less(TaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value - 1))


def test_work_that_is_fed_back_upstream_comes_to_an_end_and_state_is_kept_until_then() -> None:
    turn, less = Round(), Less()
    graph = Graph(name="circle").add_workers(turn, less).set_entry(turn)
    turn.next(less).next(turn).sink(Text)
    result = graph.run([(turn, Number(value=value)) for value in (3, 0)])
    assert result.outputs == [Text(text="4 rounds"), Text(text="1 rounds")]


def test_a_trace_tells_what_happened_below_a_chain() -> None:
    spread, show = Spread(), Show()
    graph = Graph(name="g").add_workers(spread, show).set_entry(spread)
    spread.next(show).sink(Text)
    graph.prepare(display_terminal=False)
    traced, _ = graph.add_work(spread, Number(value=2)), graph.add_work(spread, Number(value=5))
    graph.trace(traced)
    graph.execute([])
    traces = graph.get_dispatcher().get_traces()
    lines = traces.pop(traced)
    assert [(line["worker"], line["action"], line["published"]) for line in lines] == [
        ("Spread", "completed", ["Number", "Number"]),
        ("Show", "completed", ["Text"]),
        ("Show", "completed", ["Text"]),
    ]
    assert traces == {}
    assert graph.get_dispatcher().get_traces(7) == {}


# ---- people


class Ask(TaskWorker):
    output_types = [Text]

    def consume_work(self, task: Number) -> None:
        data, kind = self.request_user_input(task, f"What is {task.value}?", ["text/plain", "text/html"])
        self.publish_work(Text(text=f"{data} {kind}"))


def test_a_person_is_asked_and_answers_later_from_another_thread() -> None:
    ask, requests, sink = Ask(), Collected(), Collected()
    graph = graph_of(ask, sink)
    graph.set_user_request_callback(requests)
    with serving(graph):
        chain = graph.add_work(ask, Number(value=6), metadata={"who": "me"})
        metadata, request = requests.next()
        assert (metadata, request.instruction, request.provenance) == ({"who": "me"}, "What is 6?", chain)
        assert graph.get_dispatcher().get_user_input_requests() == [request]
        with pytest.raises(ConfigurationError, match="'image/png' is not accepted: pass one of 'text/plain'"):
            request.respond(b"", "image/png")
        request.respond("six", "text/html")
        assert sink.next()[1] == Text(text="six text/html")
        assert graph.get_dispatcher().get_user_input_requests() == []


def test_a_person_who_is_waited_for_takes_no_place_of_others() -> None:
    ask, show = Ask(), Show()
    graph = Graph(name="g").add_workers(ask, show)
    graph.set_sink(ask, Text)
    graph.set_sink(show, Text, notify=lambda metadata, task: requests.pop().respond("now") if requests else None)
    requests: list[UserInputRequest] = []
    graph.set_user_request_callback(lambda metadata, request: requests.append(request))
    work: list[tuple[TaskWorker, Task]] = [(ask, Number(value=1)), *[(show, Number(value=value)) for value in range(9)]]
    result = graph.run(work, max_workers=1)
    assert result.outputs == [Text(text="now text/plain")]


def test_many_people_are_waited_for_at_once_with_a_limit_of_one_call() -> None:
    ask, requests, sink = Ask(), Collected(), Collected()
    graph = graph_of(ask, sink)
    graph.set_max_parallel_tasks(Ask, 1)
    graph.set_user_request_callback(requests)
    with serving(graph):
        for value in range(100):
            graph.add_work(ask, Number(value=value))
        waiting = [requests.next()[1] for _ in range(100)]
        for request in waiting:
            request.respond(request.instruction)
        answers = {sink.next()[1].text for _ in range(100)}
    assert answers == {f"What is {value}? text/plain" for value in range(100)}


class AskAsync(TaskWorker):
    output_types = [Text]

    async def consume_work(self, task: Number) -> None:
        data, _ = await self.arequest_user_input(task, f"What is {task.value}?")
        self.publish_work(Text(text=f"{data}"))


def test_async_workers_await_answers_and_hold_no_thread() -> None:
    ask, requests, sink = AskAsync(), Collected(), Collected()
    graph = graph_of(ask, sink)
    graph.set_max_parallel_tasks(AskAsync, 1)
    graph.set_user_request_callback(requests)
    before = threading.active_count()
    with serving(graph):
        chains = [graph.add_work(ask, Number(value=value)) for value in range(500)]
        waiting = [requests.next()[1] for _ in range(500)]
        assert threading.active_count() - before <= 4  # the run, the event loop, and what sinks and callbacks need
        assert graph.abort_work(chains[0])
        for request in waiting:
            request.respond(request.instruction)
        answers = {sink.next()[1].text for _ in range(499)}
    assert answers == {f"What is {value}?" for value in range(1, 500)}
    assert graph.result is not None
    assert (graph.result.aborted, graph.result.failures) == (1, [])


def test_an_async_worker_that_would_hold_up_the_others_is_told() -> None:
    class Blocks(AskAsync):
        async def consume_work(self, task: Number) -> None:
            self.request_user_input(task, "Well?")

    blocks = Blocks()
    [failure] = graph_of(blocks).run([(blocks, Number())], display_terminal=False).failures
    assert "await self.arequest_user_input" in str(failure.error)


def test_an_answer_at_once_and_none_at_all() -> None:
    ask = Ask()
    graph = graph_of(ask)
    graph.set_user_request_callback(lambda metadata, request: request.respond("yes"))
    assert graph.run([(ask, Number())], executor="inline").outputs == [Text(text="yes text/plain")]
    graph.set_user_request_callback(lambda metadata, request: request.respond(None))
    assert graph.run([(ask, Number())], executor="inline").outputs == [Text(text="None None")]


def test_the_dispatcher_answers_by_the_id_of_a_request() -> None:
    ask, sink = Ask(), Collected()
    graph = graph_of(ask, sink)
    dispatcher = graph.get_dispatcher()
    with serving(graph):
        graph.add_work(ask, Number(value=1))
        while not (requests := dispatcher.get_user_input_requests()):
            threading.Event().wait(0.001)
        assert not dispatcher.set_user_input_result("no such id", "x")
        assert dispatcher.set_user_input_result(requests[0].task_id, "one", "text/plain")
        assert sink.next()[1] == Text(text="one text/plain")


def test_a_request_that_nobody_would_see_is_a_failure() -> None:
    ask = Ask()
    [failure] = graph_of(ask).run([(ask, Number())], display_terminal=False).failures
    assert "nobody would see it: call graph.set_user_request_callback" in str(failure.error)


def test_a_request_whose_work_is_aborted_is_waited_for_no_more() -> None:
    ask, requests, status = Ask(), Collected(), Collected()
    graph = graph_of(ask)
    graph.set_user_request_callback(requests)
    with serving(graph):
        chain = graph.add_work(ask, Number(), status_callback=status)
        request = requests.next()[1]
        assert graph.abort_work(chain)
        assert status.next()[4] == "Task removed"
        assert request.is_answered
    assert graph.result is not None
    assert (graph.result.aborted, graph.result.failures) == (1, [])


def test_a_request_of_the_graph_itself() -> None:
    show = Show()
    graph = graph_of(show)
    graph.set_user_request_callback(lambda metadata, request: request.respond("fine"))
    graph.prepare(display_terminal=False)
    assert graph.wait_on_user_request(UserInputRequest("1", "How are you?")) == ("fine", "text/html")


# ---- several graphs


def test_graphs_that_share_a_dispatcher_serve_together_and_end_together() -> None:
    first, second, sinks = Show(), Show(), [Collected(), Collected()]
    lead, other = graph_of(first, sinks[0]), graph_of(second, sinks[1])
    lead.prepare(display_terminal=False)
    other.register_dispatcher(lead.get_dispatcher())
    thread = threading.Thread(target=lead.execute, args=([],), daemon=True)
    thread.start()
    lead.add_work(first, Number(value=1))
    other.add_work(second, Number(value=2), metadata={"who": "me"})
    assert (sinks[0].next()[1].text, sinks[1].next()[1].text) == ("1 nobody", "2 me")
    assert lead.shutdown(WAIT)
    thread.join(WAIT)
    assert other.result is not None
    assert lead.get_dispatcher() is other.get_dispatcher()
    assert lead.get_dispatcher().total_completed_tasks == 4
    with pytest.raises(ConfigurationError, match="takes no more work"):
        other.add_work(second, Number())


def test_work_of_the_lead_may_go_on_in_another_graph() -> None:
    first, second, sink = Show(), Show(), Collected()
    lead, other = Graph(name="lead").add_workers(first), graph_of(second, sink)

    def pass_on(metadata: dict[str, Any], task: Task) -> None:
        other.add_work(second, Number(value=9))

    lead.set_sink(first, Text, notify=pass_on)
    lead.prepare(display_terminal=False)
    other.register_dispatcher(lead.get_dispatcher())
    assert lead.execute([(first, Number(value=1))]).ok
    assert sink.next()[1].text == "9 nobody"


@pytest.mark.parametrize("first", [0, 1])
def test_graphs_that_share_a_dispatcher_may_each_be_executed_in_a_thread(first: int) -> None:
    workers, sinks = [Show(), Show()], [Collected(), Collected()]
    graphs = [graph_of(worker, sink) for worker, sink in zip(workers, sinks, strict=True)]
    graphs[0].prepare(display_terminal=False)
    graphs[1].register_dispatcher(graphs[0].get_dispatcher())
    for graph, worker in zip(graphs, workers, strict=True):
        graph.add_work(worker, Number(value=1))
    threads = [threading.Thread(target=graph.execute, args=([],), daemon=True) for graph in graphs]
    for number in (first, 1 - first):
        threads[number].start()
        assert sinks[number].next()[1].text == "1 nobody"
    for graph in graphs:
        assert graph.shutdown(WAIT)
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()
    assert graphs[0].get_dispatcher().total_completed_tasks == 4


def test_a_graph_whose_execution_was_refused_keeps_its_work() -> None:
    show = Show()
    graph = graph_of(show)
    graph.prepare(display_terminal=False)
    graph.add_work(show, Number(value=1))
    with pytest.raises(ConfigurationError):
        graph.execute([(show, Text())])
    assert graph.execute([]).outputs == [Text(text="1 nobody")]
