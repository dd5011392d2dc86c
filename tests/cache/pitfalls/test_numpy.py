"""Arrays: all of them counts in keys, and in entries they are refused with one clear warning."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ConfigDict

from cache.pitfalls.kit import Versions
from planai import CachedTaskWorker, Task
from planai.cache.cache import CacheWarning
from planai.cache.canonical import canonical
from planai.errors import UnkeyableValue
from planai.testing import run_inline

SIX = np.arange(6).reshape(2, 3)

DIFFERENT: dict[str, Any] = {
    "an array": SIX,
    "another shape": SIX.reshape(3, 2),
    "one dimension": SIX.reshape(6),
    "another order in memory": np.asfortranarray(SIX),
    "another value at the end": np.add(SIX, [[0, 0, 0], [0, 0, 1]]),
    "another size of items": SIX.astype("i4"),
    "without a sign": SIX.astype("u8"),
    "another order of bytes": SIX.astype(">i8"),
    "floats": SIX.astype("f8"),
    "an array of another class": SIX.view(np.recarray),
    "a list": SIX.tolist(),
    "objects": SIX.astype(object),
    "texts": SIX.astype(str),
    "longer texts": SIX.astype("U30"),
    "with a mask": np.ma.array(SIX, mask=SIX > 3),
    "with another mask": np.ma.array(SIX, mask=SIX > 4),
    "nothing in rows": np.zeros((0, 3)),
    "nothing in columns": np.zeros((3, 0)),
    "no dimension": np.array(1.0),
    "a number": np.float64(1.0),
    "a smaller number": np.float32(1.0),
    "a plain number": 1.0,
    "a time": np.array(["2026-01-01"], "M8[D]"),
    "a time in seconds": np.array(["2026-01-01"], "M8[s]"),
    "a record": np.array([(1, 2)], [("a", "i4"), ("b", "i4")]),
    "a record with other names": np.array([(1, 2)], [("a", "i4"), ("c", "i4")]),
    "a record with another value": np.array([(1, 3)], [("a", "i4"), ("b", "i4")]),
    "elements": np.array(["a", 1, None], object),
    "other elements": np.array(["a", 1.0, None], object),
    "a type of items": np.dtype("i4"),
    "another type of items": np.dtype("i8"),
    "a function": np.add,
    "another function": np.multiply,
}


def test_each_array_has_a_form_of_its_own_and_its_copy_the_same() -> None:
    forms = {name: canonical(value) for name, value in DIFFERENT.items()}
    assert len(set(forms.values())) == len(DIFFERENT)
    assert {name: canonical(copy.deepcopy(value)) for name, value in DIFFERENT.items()} == forms


def test_a_part_of_an_array_is_equal_to_a_copy_of_it() -> None:
    assert canonical(np.arange(12)[::2]) == canonical(np.arange(12)[::2].copy())


def test_what_is_between_the_fields_of_a_record_means_nothing() -> None:
    aligned = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    one, other = (np.full(aligned.itemsize * 2, fill, "u1").view(aligned) for fill in (0, 255))
    for record in (one, other):
        record["a"], record["b"] = 1, 2.0
    assert one.tobytes() != other.tobytes()
    assert canonical(one) == canonical(other)


def test_an_array_in_a_file_is_its_contents(tmp_path: Path) -> None:
    mapped = [np.memmap(tmp_path / name, "i4", "w+", shape=(3,)) for name in ("one", "two")]
    assert canonical(mapped[0]) == canonical(mapped[1])
    mapped[1][2] = 1
    assert canonical(mapped[0]) != canonical(mapped[1])


REFUSED: dict[str, Any] = {
    "random numbers": np.random.default_rng(1),
    "an array of what has none": np.array([object()], object),
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_what_has_no_identity_is_refused(value: Any) -> None:
    with pytest.raises(UnkeyableValue):
        canonical(value)


# ---- workers


class Signal(Task):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    samples: np.ndarray[Any, Any]


class Level(Task):
    level: float = 0.0
    more: dict[str, Any] = {}


class Measure(CachedTaskWorker):
    output_types = [Level]

    def consume_work(self, task: Signal) -> None:
        self.publish_work(Level(level=np.mean(task.samples)))


class Copy(CachedTaskWorker):
    output_types = [Signal]

    def consume_work(self, task: Signal) -> None:
        self.publish_work(Signal(samples=task.samples * 2))


def figures(worker: CachedTaskWorker, *tasks: Task) -> tuple[int, int]:
    result = run_inline(worker, *tasks)
    assert result.failures == []
    return result.cache_hits, result.cache_misses


def test_equal_arrays_hit_and_others_miss(tmp_path: Path) -> None:
    worker = Measure(cache_dir=tmp_path)
    large = np.zeros(100_000)
    assert figures(worker, Signal(samples=large)) == (0, 1)
    large[50_000] = 1e-300
    assert figures(worker, Signal(samples=large)) == (0, 1)
    assert figures(worker, Signal(samples=np.zeros(100_000)), Signal(samples=large.copy())) == (2, 0)


def test_a_number_of_numpy_in_a_field_of_numbers_is_kept(tmp_path: Path) -> None:
    worker = Measure(cache_dir=tmp_path)
    for _ in range(2):
        (level,) = run_inline(worker, Signal(samples=np.arange(4.0))).outputs
        assert level == Level(level=1.5)


@pytest.mark.parametrize("make", [np.float64, np.int64, np.arange, lambda value: [np.arange(value)]])
def test_what_an_entry_cannot_keep_is_published_and_one_warning_says_so(
    tmp_path: Path, make: Callable[[int], Any]
) -> None:
    class Publish(CachedTaskWorker):
        output_types = [Level]

        def consume_work(self, task: Level) -> None:
            self.publish_work(Level(level=task.level, more={"value": make(3)}))

    worker = Publish(cache_dir=tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            assert figures(worker, Level(level=1), Level(level=2)) == (0, 2)
    assert [warning.category for warning in caught] == [CacheWarning]
    assert "not cached: Level.more['value']" in str(caught[0].message)
    assert "numpy" in str(caught[0].message)


def test_arrays_are_published_and_one_warning_names_the_field(tmp_path: Path) -> None:
    worker = Copy(cache_dir=tmp_path)
    with pytest.warns(CacheWarning, match=r"not cached: Signal.samples is a numpy.ndarray") as caught:
        (signal,) = run_inline(worker, Signal(samples=SIX)).outputs
    assert isinstance(signal, Signal)
    assert (signal.samples == SIX * 2).all()
    assert len(caught) == 1


CALLING = """
import numpy as np
from numpy import FUNCTION as calculate

class Result(Task):
    total: float

class Work(CachedTaskWorker):
    output_types = [Result]
    def consume_work(self, task: Number) -> None:
        self.publish_work(Result(total=calculate(TABLE)))

TABLE = np.array([1, 2, 6, LAST])
"""


@pytest.mark.parametrize(
    ("name", "value"), [("FUNCTION", ("mean", "median")), ("LAST", ("7", "8")), ("FUNCTION", ("add.reduce", "sum"))]
)
def test_an_edit_of_what_is_taken_from_numpy_is_computed_again(
    versions: Versions, tmp_path: Path, name: str, value: tuple[str, str]
) -> None:
    hits = []
    for text in value:
        code = CALLING.replace(name, text).replace("FUNCTION", "mean").replace("LAST", "7")
        if "." in text:
            code = code.replace("from numpy import add.reduce as calculate", "calculate = np.add.reduce")
        steps = versions.load(code)
        hits.append(figures(steps.Work(cache_dir=tmp_path), steps.Number(value=1))[0])
    assert hits == [0, 0]


LOADING = """
import numpy as np

TABLE = np.array([1, 2])

class Result(Task):
    total: float

class Work(CachedTaskWorker):
    output_types = [Result]
    def consume_work(self, task: Number) -> None:
        global TABLE
        TABLE = TABLE * 2
        self.publish_work(Result(total=float(TABLE.sum())))
"""


def test_an_array_that_calls_replace_counts_as_it_was_at_first(versions: Versions, tmp_path: Path) -> None:
    hits = []
    for text in (LOADING, LOADING, LOADING.replace("[1, 2]", "[1, 3]")):
        steps = versions.load(text)
        worker = steps.Work(cache_dir=tmp_path)
        hits.append([figures(worker, steps.Number(value=1))[0] for _ in range(2)])
    assert hits == [[0, 1], [1, 1], [0, 1]]
