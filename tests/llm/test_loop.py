"""The event loop that all model calls share."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from planai.llm.loop import LoopThread, run, running_loop_thread


async def thread_of() -> LoopThread:
    return running_loop_thread()


async def fail() -> None:
    raise LookupError("from the loop")


class Endless:
    """A coroutine that ends only when it is cancelled, and tells so."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.cancelled = threading.Event()

    async def wait(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


def test_all_threads_share_one_loop() -> None:
    with ThreadPoolExecutor(8) as pool:
        threads = set(pool.map(lambda _: run(thread_of()), range(32)))
    assert len(threads) == 1
    assert threads == {run(thread_of())}


def test_an_error_reaches_who_waits() -> None:
    with pytest.raises(LookupError, match="from the loop"):
        run(fail())


def test_calls_wait_side_by_side() -> None:
    barrier = asyncio.Barrier(20)

    async def meet() -> int:
        return await barrier.wait()

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(lambda _: run(asyncio.wait_for(meet(), 10)), range(20))) == list(range(20))


def test_ctrl_c_ends_the_wait_and_cancels_the_call() -> None:
    endless, waiting = Endless(), threading.get_ident()

    async def interrupted() -> None:
        while sys._current_frames()[waiting].f_code.co_name != "wait":  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGINT)
        await endless.wait()

    with pytest.raises(KeyboardInterrupt):
        run(interrupted())
    assert endless.cancelled.wait(5)


def test_elsewhere_there_is_no_loop_thread() -> None:
    with pytest.raises(TypeError, match="event loop of the models"):
        running_loop_thread()


def test_stopping_cancels_what_runs_closes_what_is_open_and_ends_the_thread() -> None:
    endless, closed = Endless(), threading.Event()

    async def close() -> None:
        closed.set()

    thread = LoopThread()
    thread.closers.add(close)
    thread.start()
    future = thread.submit(endless.wait())
    assert endless.started.wait(5)
    thread.stop()
    assert endless.cancelled.is_set()
    assert closed.is_set()
    assert future.cancelled()
    assert thread.loop.is_closed()
    assert not thread.is_alive()


def test_the_thread_does_not_keep_a_program_alive() -> None:
    assert run(thread_of()).daemon
