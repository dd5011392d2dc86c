"""Pitfalls 15 to 23: what is stored comes back as it was, or not at all."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cache.pitfalls.kit import (
    DATABASE,
    Counting,
    Double,
    Number,
    Versions,
    Word,
    chain,
    database,
    entries,
    figures,
    program,
    run,
    said,
    start,
    text_of,
    values_of,
)
from planai import CachedTaskWorker, Task, TaskWorker

ONE = Number(value=1)

# pitfall 15

DAMAGES = {
    "cut off": "substr(payload, 1, length(payload) - 1)",
    "cut to its head": "substr(payload, 1, 5)",
    "empty": "x''",
    "another byte at the end": "CAST(payload || x'00' AS BLOB)",
    "another byte": "CAST(substr(payload, 1, 9) || x'7f' || substr(payload, 11) AS BLOB)",
    "another form": "CAST(x'7a' || substr(payload, 2) AS BLOB)",
    "foreign": "x'00112233445566778899'",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_answer_is_computed_again_and_counted(folder: Path, damage: str) -> None:
    worker = Double(cache_dir=folder)
    run(worker, ONE)
    with database(folder) as connection:
        connection.execute(f"UPDATE entries SET payload = {damage} WHERE length(payload) > 20")
    assert not worker.is_cached(ONE)
    assert worker.get_cache().damaged == 1
    result = run(worker, ONE)
    assert (figures(result), values_of(result)) == ((0, 1), [2])
    assert figures(run(worker, ONE)) == (1, 0)


@pytest.mark.parametrize("damage", ["'text'", "5"])
def test_an_answer_of_another_kind_is_computed_again(folder: Path, damage: str) -> None:
    worker = Double(cache_dir=folder)
    run(worker, ONE)
    with database(folder) as connection:
        connection.execute(f"UPDATE entries SET payload = {damage}")
    result = run(worker, ONE)
    assert (result.failures, worker.cache_stats.quarantined) == ([], 1)
    assert values_of(result) == [2]
    assert figures(run(worker, ONE)) == (1, 0)


@pytest.mark.filterwarnings("ignore::planai.cache.cache.CacheWarning")
@pytest.mark.parametrize("seed", range(8))
def test_a_database_with_holes_gives_no_wrong_answer(folder: Path, seed: int) -> None:
    worker = Double(cache_dir=folder)
    tasks = [Number(value=value) for value in range(200)]
    run(worker, *tasks)
    worker.get_cache().close()
    holes = random.Random(seed)
    with (folder / DATABASE).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for _ in range(5):
            file.seek(holes.randrange(100, size - 600))
            file.write(bytes(holes.randrange(256) for _ in range(500)))
    for _ in range(2):
        result = run(worker, *tasks)
        assert result.failures == []
        assert values_of(result) == [2 * value for value in range(200)]


# pitfall 16


def test_an_entry_that_is_deleted_after_it_was_seen_is_computed_again_and_there_again(folder: Path) -> None:
    worker = Double(cache_dir=folder)
    run(worker, ONE)
    assert worker.is_cached(ONE)
    with database(folder) as connection:
        connection.execute("DELETE FROM entries")
    assert figures(run(worker, ONE)) == (0, 1)
    assert figures(run(worker, ONE)) == (1, 0)


@pytest.mark.parametrize("gone", [DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"])
def test_a_file_that_is_removed_by_hand_costs_no_more_than_its_answers(folder: Path, gone: str) -> None:
    worker = Double(cache_dir=folder)
    run(worker, ONE)
    worker.get_cache().close()
    (folder / gone).unlink(missing_ok=True)
    result = run(worker, ONE)
    assert (result.failures, values_of(result)) == ([], [2])
    assert figures(run(worker, ONE)) == (1, 0)


# pitfall 17


def test_after_an_eviction_the_new_answer_takes_the_place_of_the_old_one_all_the_way_down(folder: Path) -> None:
    class Draw(Counting):
        def consume_work(self, task: Word) -> None:
            self.computed.append(0)
            self.publish_work(Number(value=len(self.computed)))

    draw, double = Draw(cache_dir=folder), Double(cache_dir=folder)
    graph = chain(draw, double, sink=Number)

    def outcome() -> tuple[list[int], int]:
        result = graph.run([(draw, Word(text="a"))], executor="inline")
        return values_of(result), result.cache_hits

    assert [outcome(), outcome()] == [([2], 0), ([2], 2)]
    draw.clear_cache()
    assert [outcome(), outcome()] == [([4], 0), ([4], 2)]


# pitfall 18; the mode "refresh" is in test_modes.py


def test_an_answer_that_is_stored_again_is_the_one_that_is_found(folder: Path) -> None:
    worker = Double(cache_dir=folder)
    run(worker, ONE)
    assert values_of(run(worker, ONE)) == [2]
    worker.save_to_cache(ONE, Number(value=7))
    assert values_of(run(worker, ONE)) == [7]
    worker.get_cache()[worker.get_cache_key(ONE)] = Number(value=8)
    assert values_of(run(Double(cache_dir=folder), ONE)) == [8]


# pitfall 19

KILLED = """
class Work(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * 2))
    def post_consume_work(self, task) -> None:
        print(task.value, flush=True)

result = run_inline(Work(cache_dir="cache"), *(Number(value=value) for value in range(int(sys.argv[1]))))
wrong = [task for place, task in enumerate(result.outputs) if task.value != 2 * place]
print(result.cache_hits, len(result.outputs), len(wrong), len(result.failures))
"""


@pytest.mark.parametrize("done", [1, 7, 60])
def test_a_killed_program_has_kept_what_it_had_answered(tmp_path: Path, done: int) -> None:
    process = start(tmp_path, KILLED, 100_000)
    assert process.stdout is not None
    for _ in range(done):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    answered = done + process.communicate(timeout=60)[0].count("\n")
    hits, outputs, wrong, failures = map(int, program(tmp_path, KILLED, answered + 5)[-4:])
    assert hits >= answered - 1, "the last one had perhaps been computed, but not stored"
    assert (outputs, wrong, failures) == (answered + 5, 0, 0)


FULL = """
import resource, warnings

warnings.simplefilter("always")
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

class Fat(Task):
    text: str

class Work(CachedTaskWorker):
    output_types = [Fat]
    def consume_work(self, task: Number) -> None:
        self.publish_work(Fat(text=os.urandom(10_000).hex()))

work = Work(cache_dir="cache")
result = run_inline(work, *(Number(value=value) for value in range(40)))
print(len(result.outputs), len(result.failures), work.get_cache().errors > 0)
again = run_inline(work, *(Number(value=value) for value in range(40)))
print(len(again.outputs), len(again.failures), again.cache_hits > 0)
"""


def test_a_full_disk_costs_answers_but_no_run_and_says_so(tmp_path: Path) -> None:
    process = start(tmp_path, FULL)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert out.split()[:5] == ["40", "0", "True", "40", "0"]
    assert error.count("CacheWarning") == 1


READ_ONLY = """
import warnings

class Work(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value * 2))

if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    result = run_inline(Work(cache_dir=sys.argv[1]), *(Number(value=value) for value in range(3)))
print(*(task.value for task in result.outputs), len(result.failures), [str(each.message) for each in seen].__len__())
"""


def test_a_folder_that_may_not_be_written_to_costs_no_run_and_is_told_once(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # the folders of pytest are closed to the user that root becomes
        Path(name).chmod(0o555)
        assert program(tmp_path, READ_ONLY, name) == ["0", "2", "4", "0", "1"]


# pitfalls 20 and 21

RENAMED = """
class {output}(Task):
    {fields}

class Work(CachedTaskWorker):
    output_types = [{output}]
    def get_cache_key(self, task: Number) -> str:
        return "one"
    def consume_work(self, task: Number) -> None:
        self.publish_work({output}({given}))
"""
BEFORE = {"output": "Old", "fields": "size: int", "given": "size=1"}
AFTER = {
    "a renamed class": {**BEFORE, "output": "New"},
    "an added field": {**BEFORE, "fields": "size: int; more: int", "given": "size=1, more=2"},
    "a renamed field": {**BEFORE, "fields": "length: int", "given": "length=1"},
    "another type": {**BEFORE, "fields": "size: list[int]", "given": "size=[1]"},
    "a tightened type": {**BEFORE, "fields": "size: Literal[5]", "given": "size=5"},
}


@pytest.mark.parametrize("after", AFTER.values(), ids=AFTER)
def test_an_answer_whose_class_is_gone_or_accepts_it_no_more_is_computed_again(
    versions: Versions, folder: Path, after: dict[str, str]
) -> None:
    for form in (BEFORE, after):
        steps = versions.load("from typing import Literal\n" + RENAMED.format(**form))
        worker = steps.Work(cache_dir=folder)
        for expected in ((0, 1), (1, 0)):
            result = run(worker, steps.Number(value=1))
            assert figures(result) == expected
            assert [repr(output) for output in result.outputs] == [f"{form['output']}({form['given']})"]


# pitfall 22


def wait_until_older(worker: CachedTaskWorker, seconds: float) -> None:
    """Wait until all entries are so old; only the clock brings that about."""
    stored = max(entry[-1] for entry in entries(Path(worker.cache_dir)))
    over = threading.Event()
    while time.time() - stored <= seconds:
        over.wait(0.005)


def test_the_time_to_live_is_kept_with_the_answer_and_holds_for_all_who_ask(tmp_path: Path, folder: Path) -> None:
    brief = Double(cache_dir=folder, cache_ttl=0.1)
    run(brief, ONE)
    wait_until_older(brief, 0.1)
    assert not Double(cache_dir=folder).is_cached(ONE)
    assert list(Double(cache_dir=folder).get_cache()) == []
    assert figures(run(Double(cache_dir=folder), ONE)) == (0, 1)


TIMED = """
class Work(CachedTaskWorker):
    output_types = [Number]
    cache_ttl = 600
    def consume_work(self, task: Number) -> None:
        self.publish_work(task)

print(run_inline(Work(cache_dir="cache"), Number(value=1)).cache_hits)
"""


def test_another_time_zone_neither_ends_nor_prolongs_a_life(tmp_path: Path) -> None:
    zones = ("Asia/Tokyo", "America/Los_Angeles", "UTC")
    assert [program(tmp_path, TIMED, TZ=zone) for zone in zones] == [["0"], ["1"], ["1"]]
    with database(tmp_path / "cache") as connection:
        connection.execute("UPDATE entries SET expires = stored - 1")
    assert [program(tmp_path, TIMED, TZ=zone) for zone in zones] == [["0"], ["1"], ["1"]]


@pytest.mark.parametrize("ttl", [0, -1, -0.5])
def test_an_answer_that_lives_no_time_is_not_stored(folder: Path, ttl: float) -> None:
    class Brief(Double):
        def get_ttl(self, task: Any) -> float:
            return ttl

    worker = Brief(cache_dir=folder)
    assert [figures(run(worker, ONE)) for _ in range(2)] == [(0, 1), (0, 1)]
    assert len(worker.get_cache()) == 0


def test_a_time_to_live_of_zero_replays_nothing_that_was_stored_before(folder: Path) -> None:
    run(Double(cache_dir=folder), ONE)
    assert figures(run(Double(cache_dir=folder, cache_ttl=0), ONE)) == (0, 1)


def test_a_time_to_live_that_was_made_shorter_holds_for_what_was_stored_before(folder: Path) -> None:
    worker = Double(cache_dir=folder)
    run(worker, ONE)
    wait_until_older(worker, 0.05)
    assert figures(run(Double(cache_dir=folder, cache_ttl=0.05), ONE)) == (0, 1)


# pitfall 23


class Items(Task):
    items: list[list[int]]


class Make(CachedTaskWorker):
    output_types = [Items]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Items(items=[[task.value]]))


class Append(TaskWorker):
    """Changes what it gets."""

    output_types = [Word]

    def consume_work(self, task: Items) -> None:
        task.items[0].append(99)
        task.items.append([])
        self.publish_work(Word(text=repr(task.items)))


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_who_changes_an_answer_changes_it_for_nobody_else(folder: Path, executor: str) -> None:
    make, append = Make(cache_dir=folder), Append()
    graph = chain(make, append, sink=Word)
    for _ in range(2):
        result = graph.run([(make, ONE)] * 5, executor=executor)  # type: ignore[arg-type]  # one of the names
        assert result.outputs == [Word(text="[[1, 99], []]")] * 5
    make.get_from_cache(ONE).items.clear()
    make.get_cache()[make.get_cache_key(ONE)].items.clear()
    assert make.get_from_cache(ONE) == Items(items=[[1]])


def test_a_worker_that_goes_on_changing_what_it_published_changes_no_answer(folder: Path) -> None:
    class Late(Counting):
        output_types = [Items]

        def consume_work(self, task: Number) -> None:
            items = Items(items=[[1]])
            self.publish_work(items)
            items.items[0].append(2)
            task.value = 50

    worker = Late(cache_dir=folder)
    assert [run(worker, ONE).outputs for _ in range(2)] == [[Items(items=[[1]])]] * 2
    assert (worker.is_cached(ONE), worker.is_cached(Number(value=50))) == (True, False)


def test_a_folder_that_goes_while_a_program_runs_costs_no_answer(tmp_path: Path, folder: Path) -> None:
    class Sweeping(Double):
        def consume_work(self, task: Number) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            super().consume_work(task)

    worker = Sweeping(cache_dir=folder)
    assert values_of(run(worker, *(Number(value=value) for value in range(5)))) == [0, 2, 4, 6, 8]
    assert said(start(tmp_path, TIMED)) == ["0"]


def test_an_answer_of_many_megabytes_comes_back(folder: Path) -> None:
    class Large(CachedTaskWorker):
        output_types = [Word]

        def consume_work(self, task: Number) -> None:
            self.publish_work(Word(text="ä" * 20_000_000))

    worker = Large(cache_dir=folder)
    assert [len(text_of(run(worker, ONE))) for _ in range(2)] == [20_000_000] * 2
    assert figures(run(worker, ONE)) == (1, 0)
