"""What holds of a cache that nothing has harmed."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from faults.squares import Squarer


def assert_sound(folder: Path, count: int) -> None:
    """Assert that the database is whole, that there are so many entries, and that all of them can be read."""
    with contextlib.closing(sqlite3.connect(folder / "planai.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    cache = Squarer(cache_dir=folder).get_cache()
    assert len(list(cache.items())) == len(cache) == count
    assert (cache.errors, cache.damaged) == (0, 0)
