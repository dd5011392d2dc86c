"""Flows: the same logic, driven by a thread and by an event loop."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from planai.flow import Blocking, Flow, Until, go_along, go_through

WAIT = 30.0
Drive = Callable[[Flow[Any]], Any]
name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


def on_a_loop(flow: Flow[Any]) -> Any:
    return asyncio.run(go_along(flow))


@pytest.fixture(params=[go_through, on_a_loop], ids=["thread", "loop"])
def drive(request: pytest.FixtureRequest) -> Drive:
    driver: Drive = request.param
    return driver


def fail() -> None:
    raise LookupError("gone")


def test_what_comes_of_a_step_is_sent_to_the_flow(drive: Drive) -> None:
    def flow() -> Flow[list[int]]:
        return [(yield Blocking(lambda: 1)), (yield Blocking(lambda: 2))]

    assert drive(flow()) == [1, 2]


def test_a_flow_without_a_step_ends_at_once(drive: Drive) -> None:
    def flow() -> Flow[str]:
        yield from ()
        return "done"

    assert drive(flow()) == "done"


def test_what_a_step_raises_is_raised_in_the_flow(drive: Drive) -> None:
    seen = []

    def flow() -> Flow[str]:
        try:
            yield Blocking(fail)
        except LookupError as error:
            seen.append(str(error))
        return (yield Blocking(lambda: "and went on"))  # type: ignore[no-any-return]

    assert (drive(flow()), seen) == ("and went on", ["gone"])


def test_what_the_flow_raises_is_raised_by_the_driver(drive: Drive) -> None:
    def flow() -> Flow[None]:
        try:
            yield Blocking(fail)
        finally:
            ended.append(True)

    ended: list[bool] = []
    with pytest.raises(LookupError, match="gone"):
        drive(flow())
    assert ended == [True]


def test_a_wait_ends_when_somebody_calls_back(drive: Drive) -> None:
    def later(callback: Callable[[], None]) -> None:
        threading.Timer(0.01, callback).start()

    def flow() -> Flow[float]:
        began = time.monotonic()
        yield Until(later)
        return time.monotonic() - began

    assert 0.005 < drive(flow()) < WAIT


def test_a_wait_for_what_is_over_ends_at_once(drive: Drive) -> None:
    def flow() -> Flow[str]:
        yield Until(lambda callback: callback())
        return "over"

    assert drive(flow()) == "over"


def test_blocking_work_knows_the_context_of_the_flow(drive: Drive) -> None:
    def flow() -> Flow[str]:
        token = name.set("me")
        try:
            return (yield Blocking(name.get))  # type: ignore[no-any-return]
        finally:
            name.reset(token)

    assert drive(flow()) == "me"


def test_in_a_thread_blocking_work_is_done_on_the_spot() -> None:
    def flow() -> Flow[threading.Thread]:
        return (yield Blocking(threading.current_thread))  # type: ignore[no-any-return]

    assert go_through(flow()) is threading.current_thread()
    assert on_a_loop(flow()) is not threading.current_thread()


def test_blocking_work_and_waits_leave_the_loop_free() -> None:
    release = threading.Event()

    def work() -> Flow[None]:
        yield Blocking(lambda: release.wait(WAIT))

    def wait() -> Flow[None]:
        yield Until(callbacks.append)

    async def both() -> None:
        tasks = [asyncio.ensure_future(go_along(work())), asyncio.ensure_future(go_along(wait()))]
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the loop comes round while both are at it
        assert not any(task.done() for task in tasks)
        release.set()
        callbacks[0]()
        await asyncio.gather(*tasks)

    callbacks: list[Callable[[], None]] = []
    asyncio.run(both())


def test_an_awaitable_is_for_an_event_loop_alone() -> None:
    async def three() -> int:
        return 3

    def flow(pending: Awaitable[int]) -> Flow[int]:
        return (yield pending)  # type: ignore[no-any-return]

    assert on_a_loop(flow(three())) == 3
    coroutine = three()
    with pytest.raises(TypeError, match="write the method that waits for it as async def"):
        go_through(flow(coroutine))
    coroutine.close()


def test_blocking_work_is_done_to_its_end_before_who_waits_is_cancelled() -> None:
    began, release = threading.Event(), threading.Event()
    done = []

    def work() -> None:
        began.set()
        assert release.wait(WAIT)
        done.append(True)

    def flow() -> Flow[None]:
        try:
            yield Blocking(work)
        except asyncio.CancelledError:
            done.append(False)
            raise

    async def cancel() -> None:
        task = asyncio.ensure_future(go_along(flow()))
        await asyncio.to_thread(began.wait, WAIT)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert done == [True, False]


def test_who_calls_back_when_nobody_waits_any_more_does_no_harm() -> None:
    callbacks: list[Callable[[], None]] = []

    def flow() -> Flow[None]:
        yield Until(callbacks.append)

    async def cancel() -> None:
        task = asyncio.ensure_future(go_along(flow()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        callbacks[0]()
        await asyncio.sleep(0)

    asyncio.run(cancel())
    callbacks[0]()  # the loop is closed by now
