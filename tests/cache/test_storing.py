"""What a worker keeps and for how long: times, limits, stores, and answers that are served while they are renewed."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planai import CachedTaskWorker, Graph, RunResult, Task
from planai.cache.cache import CacheWarning
from planai.cache.store import Record
from planai.cache.stores.disk import DiskStore
from planai.cache.stores.memory import MemoryStore
from planai.errors import CacheMiss, ConfigurationError
from planai.testing import run_inline
from waiting import wait_until

WAIT = 30.0


class Number(Task):
    value: int


class Draw(CachedTaskWorker):
    """Gives another answer each time; while `gate` is closed, it takes its time."""

    output_types = [Number]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.computed: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()
        self.fails = False

    def consume_work(self, task: Number) -> None:
        self.computed.append(task.value)
        self.began.set()
        assert self.gate.wait(WAIT)
        if self.fails:
            raise LookupError("no more draws")
        self.publish_work(Number(value=100 * task.value + len(self.computed)))

    def get_cache_key(self, task: Any) -> str:
        return f"{task.value}"


ONE = Number(value=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def values(result: RunResult) -> list[int]:
    assert result.failures == []
    return [output.value for output in result.outputs if isinstance(output, Number)]


# ---- served while it is computed again


def make_stale(worker: CachedTaskWorker, *, by: float = 60.0) -> None:
    """Let all entries of `worker` have been stored so long ago that they are no longer fresh."""
    cache = worker.get_cache()
    for info in cache.store.scan(cache.space):
        record = cache.store.get(info.space, info.key)
        assert record is not None
        assert record.stale_at is not None
        assert record.expires_at is not None
        age = record.stale_at - record.stored_at + by
        times = (record.stored_at - age, record.expires_at - age, record.stale_at - age)
        cache.store.put(info.space, info.key, Record(record.payload, *times, record.cost, record.about))


def stale_worker(folder: Path, **settings: Any) -> Draw:
    worker = Draw(**{"cache_dir": folder, "cache_ttl": 10, "stale_while_revalidate": 600, **settings})
    assert values(run_inline(worker, ONE)) == [101]
    make_stale(worker)
    return worker


def test_a_stale_answer_is_given_at_once_and_the_next_one_is_new(folder: Path) -> None:
    worker = stale_worker(folder)
    worker.gate.clear()
    result = run_inline(worker, ONE)
    assert (values(result), result.cache_hits, result.workers["Draw"].stale) == ([101], 1, 1)
    worker.gate.set()
    wait_until(lambda: worker.cache_stats.stores == 2)
    fresh = run_inline(worker, ONE)
    assert (values(fresh), fresh.workers["Draw"].stale) == ([102], 0)
    assert worker.computed == [1, 1]


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_of_many_who_are_given_it_one_renews_it(folder: Path, executor: Any) -> None:
    worker = stale_worker(folder)
    worker.gate.clear()
    graph = Graph(name="stale").add_workers(worker)
    graph.set_sink(worker, Number)
    result = graph.run([(worker, ONE)] * 20, executor=executor, display_terminal=False)
    assert values(result) == [101] * 20
    worker.gate.set()
    wait_until(lambda: worker.cache_stats.stores == 2)
    assert values(run_inline(worker, ONE)) == [102]
    assert worker.computed == [1, 1]


def test_of_many_callers_by_hand_one_renews_it(folder: Path) -> None:
    worker = stale_worker(folder)
    worker.gate.clear()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(worker.consume_work, [ONE] * 20))
    worker.gate.set()
    wait_until(lambda: worker.cache_stats.stores == 2)
    assert worker.computed == [1, 1]


def test_a_renewal_that_fails_keeps_the_old_answer_and_is_told(folder: Path) -> None:
    worker = stale_worker(folder)
    worker.fails = True
    told = threading.Event()

    def ask() -> None:
        assert values(run_inline(worker, ONE)) == [101]
        wait_until(lambda: len(worker.computed) == 2)
        told.wait(0.2)  # the warning comes from another thread, and nothing else tells of it

    with pytest.warns(CacheWarning, match="could not renew a stale answer: LookupError: no more draws"):
        ask()
    worker.gate.clear()
    worker.fails = False
    assert values(run_inline(worker, ONE)) == [101], "and the next one tries again"
    worker.gate.set()
    wait_until(lambda: worker.cache_stats.stores == 2)


@pytest.mark.parametrize("mode", ["read_only", "replay"])
def test_who_may_not_store_renews_nothing(folder: Path, mode: Any) -> None:
    worker = stale_worker(folder)
    graph = Graph(name="stale").add_workers(worker)
    graph.set_sink(worker, Number)
    result = graph.run([(worker, ONE)] * 3, executor="inline", display_terminal=False, cache_mode=mode)
    assert (values(result), worker.computed) == ([101] * 3, [1])


def test_what_is_too_old_to_be_served_is_computed_at_once(folder: Path) -> None:
    worker = stale_worker(folder)
    make_stale(worker, by=700)
    result = run_inline(worker, ONE)
    assert (values(result), result.cache.reasons) == ([102], {"expired": 1})


def test_a_process_ends_after_it_has_renewed_what_is_stale(folder: Path) -> None:
    program = dedent("""
        import sys
        from planai import CachedTaskWorker, Task
        from planai.testing import run_inline

        class Number(Task):
            value: int

        class Draw(CachedTaskWorker):
            output_types = [Number]
            cache_ttl = 1e-9
            stale_while_revalidate = 600
            def consume_work(self, task: Number) -> None:
                if "renew" in sys.argv:
                    sys.stdin.readline()
                self.publish_work(Number(value=len(sys.argv)))
            def get_cache_key(self, task):
                return "key"

        print(run_inline(Draw(cache_dir=sys.argv[1]), Number(value=1)).outputs[0].value, flush=True)
    """)
    command = [sys.executable, "-c", program, str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    def start(*more: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen([*command, *more], env=environment, text=True, stdin=pipe, stdout=pipe)

    first, _ = start().communicate(timeout=WAIT)
    renewing = start("renew")
    assert renewing.stdout is not None
    assert renewing.stdout.readline() == first
    renewing.communicate("go on\n", timeout=WAIT)
    assert renewing.returncode == 0
    assert start("third").communicate(timeout=WAIT)[0] == "3\n"


# ---- times to live


def test_an_endless_time_is_no_limit(folder: Path) -> None:
    run_inline(Draw(cache_dir=folder, cache_ttl=math.inf), ONE)
    cache = Draw(cache_dir=folder).get_cache()
    assert [info.expires_at for info in cache.store.scan(cache.space)] == [None]


def test_an_answer_may_be_served_stale_for_ever(folder: Path) -> None:
    run_inline(Draw(cache_dir=folder, cache_ttl=10, stale_while_revalidate=math.inf), ONE)
    cache = Draw(cache_dir=folder).get_cache()
    assert [info.expires_at for info in cache.store.scan(cache.space)] == [None]


def test_zero_stores_nothing_and_counts_a_miss_each_time(folder: Path) -> None:
    worker = Draw(cache_dir=folder, cache_ttl=0)
    assert [run_inline(worker, ONE).cache_misses for _ in range(2)] == [1, 1]
    assert list(worker.get_cache()) == []


class Timed(Draw):
    """Lives as long as `times` says."""

    times: Any = None

    def get_ttl(self, task: Any) -> Any:
        if isinstance(self.times, Exception):
            raise self.times
        return self.times


@pytest.mark.parametrize("ttl", [0, -1, -math.inf])
def test_a_task_that_is_past_its_time_is_not_stored(folder: Path, ttl: float) -> None:
    worker = Timed(cache_dir=folder, times=ttl)
    assert values(run_inline(worker, ONE)) == [101]
    assert list(worker.get_cache()) == []


@pytest.mark.parametrize("ttl", [math.inf, 10**400])
def test_a_time_without_end_is_no_limit(folder: Path, ttl: float) -> None:
    worker = Timed(cache_dir=folder, times=ttl)
    assert values(run_inline(worker, ONE)) == [101]
    cache = worker.get_cache()
    assert [info.expires_at for info in cache.store.scan(cache.space)] == [None]


@pytest.mark.parametrize("ttl", ["soon", math.nan, [1], object()])
def test_rubbish_from_get_ttl_is_told_with_the_worker(folder: Path, ttl: Any) -> None:
    (failure,) = run_inline(Timed(cache_dir=folder, times=ttl), ONE).failures
    assert isinstance(failure.error, ConfigurationError)
    assert "Timed.get_ttl returned" in str(failure.error)
    assert "return seconds, or None for never" in str(failure.error)


def test_an_error_in_get_ttl_is_the_users_own(folder: Path) -> None:
    worker = Timed(cache_dir=folder, times=KeyError("kind"))
    (failure,) = run_inline(worker, ONE).failures
    assert isinstance(failure.error, KeyError)
    assert worker.computed == [], "nothing was computed in vain"


@pytest.mark.parametrize("ttl", [True, 1e18, 1e300])
def test_a_number_is_a_number_of_seconds(folder: Path, ttl: Any) -> None:
    worker = Timed(cache_dir=folder, times=ttl)
    assert [values(run_inline(worker, ONE)) for _ in range(2)] == [[101], [101]]


# ---- limits


class Large(Draw):
    """Gives as many bytes as it is told, of which none can be packed."""

    class Bytes(Task):
        data: bytes

    output_types = [Bytes]

    def consume_work(self, task: Number) -> None:
        self.publish_work(self.Bytes(data=os.urandom(task.value)))


def test_an_entry_beyond_the_limit_is_told_once_and_computed_each_time(folder: Path) -> None:
    worker = Large(cache_dir=folder, cache_disk_limit=1000)
    with pytest.warns(CacheWarning, match="is larger than the limit of 1000: not kept") as told:
        results = [run_inline(worker, Number(value=5000), Number(value=6000)) for _ in range(2)]
    assert all(result.ok for result in results)
    assert len(told) == 1
    assert "Large" in str(told[0].message)
    assert len(worker.get_cache()) == 0


def test_a_limit_of_one_keeps_the_newest(folder: Path) -> None:
    worker = Draw(cache_dir=folder, cache_size_limit=1)
    for value in (1, 2, 3):
        run_inline(worker, Number(value=value))
    assert list(worker.get_cache()) == ["3"]
    assert worker.cache_stats.evictions == 2


def test_limits_of_one_worker_are_none_of_another_in_the_same_folder(folder: Path) -> None:
    class Other(Draw):
        pass

    run_inline(Other(cache_dir=folder), *(Number(value=value) for value in range(5)))
    run_inline(Draw(cache_dir=folder, cache_size_limit=1), *(Number(value=value) for value in range(5)))
    assert len(Other(cache_dir=folder).get_cache()) == 5


class Slow(Draw):
    """Takes as many milliseconds as it is told."""

    def consume_work(self, task: Number) -> None:
        self.gate.clear()
        self.gate.wait(task.value / 1000)
        self.publish_work(task)


@pytest.mark.parametrize(("eviction", "left"), [("cost", {"40", "60"}), ("lru", {"60", "1"})])
def test_what_goes_first_is_what_was_chosen(folder: Path, eviction: Any, left: set[str]) -> None:
    worker = Slow(cache_dir=folder, cache_size_limit=2, cache_eviction=eviction)
    for value in (40, 60, 1):
        run_inline(worker, Number(value=value))
    worker.get_cache().evict()
    assert set(worker.get_cache()) == left


# ---- stores

STORES: dict[str, Callable[[Path], Any]] = {
    "sqlite": lambda _: "sqlite",
    "memory": lambda _: "memory",
    "diskcache": lambda _: "diskcache",
    "a store in memory": lambda _: MemoryStore(),
    "a store on disk": lambda folder: DiskStore(folder / "own"),
}


@pytest.fixture(params=STORES)
def chosen(request: pytest.FixtureRequest, folder: Path) -> Iterator[Any]:
    if request.param == "diskcache":
        pytest.importorskip("diskcache")
    made = STORES[request.param](folder)
    yield made
    if not isinstance(made, str):
        made.close()


class Plus(Draw):
    def consume_work(self, task: Number) -> None:
        self.computed.append(task.value)
        self.publish_work(Number(value=task.value + 1))


class Twice(Plus):
    pass


def test_who_only_looks_uses_nothing(folder: Path) -> None:
    plus = Plus(cache_dir=folder)
    graph = Graph(name="looked at").add_workers(plus)
    graph.set_sink(plus, Number)
    initial = [(plus, Number(value=value)) for value in range(3)]
    graph.run(initial, display_terminal=False)
    assert graph.plan(initial).hits == 3
    assert plus.is_cached(Number(value=1))
    plus.get_cache().close()
    with closing(DiskStore(folder)) as store:
        assert {info.hits for info in store.scan(plus.get_cache().space)} == {0}


def test_a_graph_runs_on_any_store(folder: Path, chosen: Any) -> None:
    plus, twice = Plus(cache_dir=folder, cache_store=chosen), Twice(cache_dir=folder, cache_store=chosen)
    graph = Graph(name="stores").add_workers(plus, twice)
    graph.set_dependency(plus, twice)
    graph.set_sink(twice, Number)
    initial = [(plus, Number(value=value)) for value in range(20)]
    cold = graph.run(initial, display_terminal=False)
    warm = graph.run(initial, display_terminal=False)
    assert (cold.cache_hits, cold.cache_misses) == (0, 40)
    assert (warm.cache_hits, warm.cache_misses) == (40, 0)
    assert values(warm) == values(cold) == list(range(2, 22))
    assert graph.plan(initial).hits == 40
    again = Plus(cache_dir=folder, cache_store=chosen)
    assert values(run_inline(again, Number(value=3))) == [4]
    assert again.computed == [], "another worker with the same store has the same answers"
    plus.clear_cache()
    assert (len(plus.get_cache()), len(twice.get_cache())) == (0, 20)


def test_of_equal_tasks_one_computes_on_any_store(folder: Path, chosen: Any) -> None:
    worker = Draw(cache_dir=folder, cache_store=chosen)
    worker.gate.clear()
    graph = Graph(name="flight").add_workers(worker)
    graph.set_sink(worker, Number)

    def open_gate() -> None:
        worker.began.wait(WAIT)
        worker.gate.set()

    opened = threading.Thread(target=open_gate)
    opened.start()
    result = graph.run([(worker, ONE)] * 20, display_terminal=False)
    opened.join(WAIT)
    assert (values(result), worker.computed) == ([101] * 20, [1])
    assert (result.cache_misses, result.cache_hits) == (1, 19)


def test_what_is_in_memory_leaves_no_file(folder: Path) -> None:
    worker = Draw(cache_dir=folder, cache_store="memory")
    run_inline(worker, ONE)
    assert run_inline(Draw(cache_dir=folder, cache_store="memory"), ONE).cache_hits == 1
    assert run_inline(Draw(cache_dir=folder / "other", cache_store="memory"), ONE).cache_hits == 0
    assert not folder.exists()


# ---- what is stored by hand, and what is asked for


@settings(deadline=None)
@given(st.one_of(st.integers(), st.none(), st.binary(), st.lists(st.integers())))
def test_only_tasks_and_keys_are_looked_up(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"'Draw' looks up a .*: pass a task, or a key as a str"):
        Draw(cache_store="memory").get_from_cache(wrong)


def test_plain_data_comes_back_as_it_was(folder: Path) -> None:
    worker = Draw(cache_dir=folder)
    for value in ([1, {"a": None}], b"\0\xff", "text", 0, False):
        worker.save_to_cache("key", value)
        assert worker.get_from_cache("key") == value
    assert worker.get_from_cache("another") is None


def test_whoever_replays_by_hand_is_told_of_a_miss(folder: Path) -> None:
    class ByHand(Draw):
        def consume_work(self, task: Number) -> None:
            self.publish_work(self.get_from_cache(task) or task)

    (failure,) = run_inline(ByHand(cache_dir=folder, cache_mode="replay"), ONE).failures
    assert isinstance(failure.error, CacheMiss)
    assert "'ByHand' has nothing stored at the key '1'" in str(failure.error)


def test_a_debugging_worker_logs_what_it_asks(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    worker = Draw(cache_dir=folder, debug_cache=True)
    for _ in range(2):
        run_inline(worker, ONE)
    assert [record.getMessage() for record in caplog.records if record.name.endswith("Draw")] == [
        "cache MISS 1",
        "cache STORED 1",
        "cache HIT 1",
    ]
