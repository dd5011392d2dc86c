"""Reading entries of PlanAI as data, without making what their pickles name."""

import datetime as dt
import json
import os
import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from planai.migration import reading
from planai.migration.reading import entries

CACHE = Path(__file__).parent / "planai-0.7.1"


class Evil:
    """Runs a program when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


class Model:
    """Pickles as a pydantic model does, as far as that is read."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def __getstate__(self) -> dict[str, Any]:
        return {"__dict__": self.fields, "__pydantic_private__": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise AssertionError("it was unpickled as what it is")


def cache_of(folder: Path, *values: Any) -> Path:
    connection = sqlite3.connect(folder / "cache.db")
    connection.execute("CREATE TABLE Cache (key TEXT, mode INTEGER, filename TEXT, value BLOB)")
    for number, value in enumerate(values):
        connection.execute("INSERT INTO Cache VALUES (?, 4, NULL, ?)", (str(number), pickle.dumps(value)))
    connection.commit()
    connection.close()
    return folder


def test_the_entries_of_a_real_cache_are_read() -> None:
    found = {entry["input"]["fields"]["who"]: entry for entry in entries(CACHE) if len(entry["outputs"]) > 1}
    assert found.keys() == {"ab", "c"}
    assert found["ab"]["input"]["fields"] == {
        "who": "ab",
        "since": "2020-01-02",
        "color": "blue",
        "size": {"width": 3},
        "data": {"$bytes": "/wA="},
    }
    assert [output["class"] for _, output in found["ab"]["outputs"]] == ["Price", "Price", "Discount"]
    assert {consumer for consumer, _ in found["ab"]["outputs"]} == {"SinkWorker"}


def test_nothing_that_a_pickle_names_is_called(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    cache_of(tmp_path, [[["x", Evil(marker)]], Model(a=Evil(marker))])
    (entry,) = entries(tmp_path)
    assert entry["problem"] == "TypeError: a system is no task"
    assert not marker.exists()
    assert pickle.loads(pickle.dumps(Evil(marker))) == 0  # which does run it
    assert marker.exists()


def test_values_become_what_pydantic_takes_back(tmp_path: Path) -> None:
    given = Model(when=dt.datetime(2020, 1, 2, tzinfo=dt.UTC), long=dt.timedelta(seconds=3), pair=(1, {2}), by={1: "a"})
    cache_of(tmp_path, [[], given])
    (entry,) = entries(tmp_path)
    assert entry["input"]["fields"] == {
        "when": "2020-01-02T00:00:00+00:00",
        "long": 3.0,
        "pair": [1, [2]],
        "by": {"1": "a"},
    }


@pytest.mark.parametrize("value", [b"no entry", 5, [[], 5], [[["x", 5]], Model()]])
def test_what_is_no_entry_is_told(tmp_path: Path, value: object) -> None:
    cache_of(tmp_path, value)
    (entry,) = entries(tmp_path)
    assert set(entry) == {"key", "problem"}


def test_a_file_outside_of_the_folder_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (tmp_path / "outside").write_bytes(pickle.dumps([[], Model()]))
    connection = sqlite3.connect(cache_of(folder) / "cache.db")
    connection.execute("INSERT INTO Cache VALUES ('k', 4, '../outside', NULL)")
    connection.commit()
    connection.close()
    (entry,) = entries(folder)
    assert "outside of the folder" in entry["problem"]


def test_it_is_a_program_that_needs_nothing_but_python() -> None:
    command = [sys.executable, "-I", "-S", reading.__file__, str(CACHE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 4
