"""One suite for all executors, and what only threads have to show."""

import asyncio
import threading
import weakref
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Barrier, Event, Thread

import pytest

from planai.call import Call
from planai.errors import ConfigurationError
from planai.events import Event as RunEvent
from planai.events import Finished
from planai.executors import Executor, InlineExecutor, ThreadExecutor
from planai.executors.aio import AioExecutor
from planai.provenance import ROOT
from planai.task import Task
from waiting import wait_until

WAIT = 30.0
Perform = Callable[[Call], RunEvent]


def call(number: int) -> Call:
    return Call(number, "W", (), ROOT)


def done(made: Call) -> RunEvent:
    return Finished(made.id, made.worker, (), 0.0)


class Driver:
    """Feeds an executor the way a run does; to one that awaits its calls, it gives them as coroutines."""

    def __init__(self, executor: Executor | AioExecutor, perform: Perform = done) -> None:
        self.executor = executor
        self.inbox: SimpleQueue[RunEvent] = SimpleQueue()

        async def perform_async(made: Call) -> RunEvent:
            await asyncio.sleep(0)
            return perform(made)

        if isinstance(executor, AioExecutor):
            executor.start(perform_async, self.inbox.put)
        else:
            executor.start(perform, self.inbox.put)

    def submit(self, count: int) -> None:
        for number in range(count):
            self.executor.submit(call(number))

    def next(self) -> int:
        """Wait for an event, nudging as long as calls wait, and return the number of its call."""
        while self.executor.waiting:
            try:
                return self._id(self.inbox.get(timeout=0.005))
            except Empty:
                self.executor.nudge()
        return self.wait()

    def wait(self) -> int:
        """Wait for an event without a nudge."""
        return self._id(self.inbox.get(timeout=WAIT))

    def ids(self, count: int) -> list[int]:
        return [self.next() for _ in range(count)]

    @staticmethod
    def _id(event: RunEvent) -> int:
        assert isinstance(event, Finished)
        return event.call


class Watched:
    """Performs calls, and remembers in which threads and how many at once."""

    def __init__(self, during: Callable[[], object]) -> None:
        self._during = during
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0
        self.threads: set[Thread] = set()

    def __call__(self, made: Call) -> RunEvent:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.threads.add(threading.current_thread())
        self._during()
        with self._lock:
            self._now -= 1
        return done(made)


@pytest.fixture(
    params=[InlineExecutor, ThreadExecutor, lambda: ThreadExecutor(1), AioExecutor, lambda: AioExecutor(1)],
    ids=["inline", "threads", "one thread", "async", "one async"],
)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    made: Executor = request.param()
    yield made
    made.stop()


@pytest.fixture
def threads() -> Iterator[ThreadExecutor]:
    made = ThreadExecutor()
    yield made
    made.stop()


# ---- any executor


def test_each_call_ends_with_one_event(executor: Executor) -> None:
    driver = Driver(executor)
    driver.submit(200)
    assert sorted(driver.ids(200)) == list(range(200))
    assert driver.inbox.empty()
    assert executor.waiting == 0


def test_the_event_is_the_one_that_performing_returned(executor: Executor) -> None:
    event = Finished(42, "V", (), 1.5)
    driver = Driver(executor, lambda _: event)
    driver.submit(1)
    assert driver.inbox.get(timeout=WAIT) is event


def test_calls_may_follow_upon_events(executor: Executor) -> None:
    driver = Driver(executor)
    for number in range(300):
        executor.submit(call(number))
        assert driver.next() == number


def test_at_least_one_call_fits(executor: Executor) -> None:
    assert executor.capacity >= 1


def test_no_more_than_the_capacity_run_at_once(executor: Executor) -> None:
    watched = Watched(lambda: None)
    driver = Driver(executor, watched)
    driver.submit(300)
    driver.ids(300)
    assert 1 <= watched.most <= executor.capacity


def test_when_all_is_done_nothing_is_discarded(executor: Executor) -> None:
    driver = Driver(executor)
    driver.submit(3)
    driver.ids(3)
    assert executor.discard() == []


def test_nudging_and_stopping_do_no_harm(executor: Executor) -> None:
    driver = Driver(executor)
    executor.nudge()
    driver.submit(3)
    executor.nudge()
    assert sorted(driver.ids(3)) == [0, 1, 2]
    executor.stop()
    executor.stop()


# ---- inline


def test_inline_calls_are_made_at_once_in_the_same_thread() -> None:
    watched = Watched(lambda: None)
    driver = Driver(InlineExecutor(), watched)
    driver.submit(3)
    assert watched.threads == {threading.current_thread()}
    assert driver.ids(3) == [0, 1, 2]


def test_an_inline_call_that_was_interrupted_is_given_back() -> None:
    def interrupt(made: Call) -> RunEvent:
        raise KeyboardInterrupt

    executor = InlineExecutor()
    driver = Driver(executor, interrupt)
    with pytest.raises(KeyboardInterrupt):
        driver.submit(1)
    assert executor.discard() == [call(0)]


class Payload(Task):
    """What a call is about."""


def test_nothing_is_kept_of_a_call_that_is_over(executor: Executor) -> None:
    driver = Driver(executor)
    task = Payload()
    watch = weakref.ref(task)
    executor.submit(Call(0, "W", (task,), ROOT))
    del task
    driver.next()
    wait_until(lambda: watch() is None)


# ---- threads


@pytest.mark.parametrize("count", [0, -1])
def test_at_least_one_thread_is_needed(count: int) -> None:
    with pytest.raises(ConfigurationError, match="at least one thread is needed"):
        ThreadExecutor(count)


def test_sixty_four_blocking_calls_run_side_by_side(threads: ThreadExecutor) -> None:
    barrier = Barrier(64)
    driver = Driver(threads, Watched(lambda: barrier.wait(WAIT)))
    driver.submit(64)
    assert sorted(driver.ids(64)) == list(range(64))


def test_calls_that_need_each_other_do_not_wait_for_ever(threads: ThreadExecutor) -> None:
    """The first call waits for the second, and is alone in its thread before anybody nudges."""
    second_began = Event()

    def perform(made: Call) -> RunEvent:
        if made.id == 1:
            second_began.set()
        assert second_began.wait(WAIT)
        return done(made)

    driver = Driver(threads, perform)
    driver.submit(2)
    assert sorted(driver.ids(2)) == [0, 1]


def test_trivial_calls_one_after_the_other_share_a_thread(threads: ThreadExecutor) -> None:
    watched = Watched(lambda: None)
    driver = Driver(threads, watched)
    for _ in range(500):
        driver.submit(1)
        driver.wait()
    assert len(watched.threads) == 1


def test_a_batch_of_trivial_calls_needs_few_threads(threads: ThreadExecutor) -> None:
    watched = Watched(lambda: None)
    driver = Driver(threads, watched)
    driver.submit(300)
    for _ in range(300):
        driver.wait()
    assert len(watched.threads) <= 8


def test_no_wakeup_is_lost_in_many_short_rounds(threads: ThreadExecutor) -> None:
    """Nobody nudges here: a call that came just when the last thread went to rest would never be made."""
    driver = Driver(threads)
    for turn in range(3000):
        count = 1 + turn % 3
        driver.submit(count)
        found = sorted(driver.wait() for _ in range(count))
        assert found == list(range(count))


def test_nudging_stays_below_the_limit() -> None:
    executor = ThreadExecutor(3)
    barrier = Barrier(3)
    watched = Watched(lambda: barrier.wait(WAIT))
    driver = Driver(executor, watched)
    driver.submit(30)
    for _ in range(10):
        executor.nudge()
    driver.ids(30)
    executor.stop()
    assert (watched.most, len(watched.threads)) == (3, 3)


class Held:
    """An executor of one thread, in which a first call runs until it is released, and others wait."""

    def __init__(self, waiting: int) -> None:
        self.began = Event()
        self.release = Event()
        self.watched = Watched(self._hold)
        self.executor = ThreadExecutor(1)
        self.driver = Driver(self.executor, self.watched)
        self.driver.submit(1 + waiting)
        assert self.began.wait(WAIT)

    def _hold(self) -> None:
        self.began.set()
        assert self.release.wait(WAIT)

    def end(self) -> list[int]:
        """Release the call, wait for the thread to end, and return which calls were made."""
        self.release.set()
        [thread] = self.watched.threads
        thread.join(WAIT)
        assert not thread.is_alive()
        made = []
        while not self.driver.inbox.empty():
            made.append(self.driver.next())
        return made


def test_calls_that_have_not_begun_are_given_back() -> None:
    held = Held(waiting=3)
    assert held.executor.waiting == 3
    assert [left.id for left in held.executor.discard()] == [1, 2, 3]
    assert held.executor.waiting == 0
    held.executor.stop()
    assert held.end() == [0]


def test_a_stopped_thread_ends_after_its_present_call() -> None:
    held = Held(waiting=1)
    held.executor.stop()
    assert held.end() == [0]


def test_stopping_does_not_wait_for_running_calls() -> None:
    held = Held(waiting=0)
    held.executor.stop()
    assert held.driver.inbox.empty()
    assert held.end() == [0]


def test_idle_threads_end_when_the_executor_stops() -> None:
    executor = ThreadExecutor()
    barrier = Barrier(5)
    watched = Watched(lambda: barrier.wait(WAIT))
    driver = Driver(executor, watched)
    driver.submit(5)
    driver.ids(5)
    executor.stop()
    for thread in watched.threads:
        thread.join(WAIT)
    assert len(watched.threads) == 5
    assert not any(thread.is_alive() for thread in watched.threads)
    assert all(thread.daemon for thread in watched.threads)
