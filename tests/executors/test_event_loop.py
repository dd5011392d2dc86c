"""The loop that all async workers share."""

from __future__ import annotations

import _thread
import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from planai.executors.event_loop import LoopThread, holding_up, shared_loop

WAIT = 30.0


async def thread_of_loop() -> threading.Thread:
    return threading.current_thread()


def test_it_is_the_same_loop_each_time() -> None:
    thread = shared_loop()
    assert shared_loop() is thread
    assert thread.wait_for(thread_of_loop()) is thread
    assert thread.daemon


def test_while_its_thread_is_held_up_another_takes_over() -> None:
    async def hold() -> tuple[LoopThread, threading.Thread]:
        with holding_up():
            other = shared_loop()
            return other, other.wait_for(thread_of_loop())  # which waits for ever on a loop that stands still

    thread = shared_loop()
    other, ran_in = thread.wait_for(hold())
    assert other is ran_in is not thread
    assert shared_loop() is thread


def test_other_threads_hold_nothing_up() -> None:
    with holding_up():
        assert shared_loop().held == 0


def test_what_a_coroutine_raises_is_raised_where_it_is_waited_for() -> None:
    async def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        shared_loop().wait_for(fail())


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_task_that_wants_to_end_the_program_ends_alone(error: type[BaseException]) -> None:
    async def leave() -> None:
        raise error

    async def start() -> bool:
        task = asyncio.ensure_future(leave())
        await asyncio.wait([task])
        return isinstance(task.exception(), error)

    assert shared_loop().wait_for(start())
    assert shared_loop().wait_for(thread_of_loop()) is shared_loop()


def test_an_interrupted_wait_cancels_and_lets_the_coroutine_clean_up() -> None:
    seen = []

    async def stay() -> None:
        _thread.interrupt_main()
        try:
            await asyncio.sleep(WAIT)
        finally:
            await asyncio.sleep(0.01)
            seen.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        shared_loop().wait_for(stay())
    assert seen == ["cleaned up"]


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    thread = shared_loop()
    process = os.fork()
    if process == 0:
        own = shared_loop()
        os._exit(7 if own is not thread and own.wait_for(thread_of_loop()) is own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 7
    assert thread.wait_for(thread_of_loop()) is thread


def program(text: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", textwrap.dedent(text)]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=True)


def test_a_process_ends_with_what_is_left_on_the_loop_cancelled() -> None:
    done = program("""
        import asyncio
        from planai.executors.event_loop import shared_loop

        async def stay():
            try:
                await asyncio.sleep(60)
            finally:
                print("cancelled")

        async def start():
            global task
            task = asyncio.ensure_future(stay())
            await asyncio.sleep(0)

        shared_loop().wait_for(start())
    """)
    assert (done.stdout, done.stderr) == ("cancelled\n", "")


def test_a_blocked_loop_does_not_keep_a_process_from_ending() -> None:
    began = time.monotonic()
    done = program("""
        import time
        from planai.executors import event_loop

        async def block():
            time.sleep(60)

        event_loop.GRACE_SECONDS = 0.1
        event_loop.shared_loop().loop.call_soon_threadsafe(time.sleep, 60)
    """)
    assert time.monotonic() - began < WAIT / 2
    assert done.returncode == 0


def test_a_program_without_async_workers_does_not_import_asyncio() -> None:
    done = program("""
        import sys
        from planai import CachedTaskWorker, Graph, Task

        class Number(Task):
            value: int

        class Double(CachedTaskWorker):
            output_types = [Number]
            cache_store = "memory"

            def consume_work(self, task: Number) -> None:
                self.publish_work(Number(value=2 * task.value))

        double, graph = Double(), Graph()
        graph.add_workers(double).set_sink(double, Number)
        assert graph.run([(double, Number(value=1))]).outputs == [Number(value=2)]
        print("asyncio" in sys.modules)
    """)
    assert done.stdout == "False\n"
