from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from planai.cache.stores.large import LargeFiles
from planai.cache.stores.schema import prepare
from planai.cache.stores.touches import Touches
from planai.cache.stores.upkeep import Upkeep
from planai.cache.stores.writing import Transaction


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        prepare(connection)
        connection.execute("INSERT INTO entries VALUES (7, 's', 'a', 0, 0, 0, NULL, NULL, 0, 0, 0, 1, NULL, x'', x'')")
        yield connection


def test_what_was_used_is_not_written_again_at_once_where_writing_fails(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    """On a full disk, each put did so: 9,000 of them took ten times as long where there were 600 hits."""

    def try_to_write(*, fails: bool) -> int:
        """Begin a transaction, and end it; return how many uses of the entry are written after it."""
        transaction = Transaction(connection)
        connection.execute("BEGIN")
        upkeep.begin(transaction)
        connection.execute("ROLLBACK" if fails else "COMMIT")
        for follow in transaction.on_rollback if fails else transaction.on_commit:
            follow()
        tries.append(connection.total_changes)
        return int(connection.execute("SELECT hits FROM entries").fetchone()[0])

    touches: Touches[int] = Touches()
    upkeep, tries = Upkeep(touches, LargeFiles(tmp_path)), [connection.total_changes]
    touches.add(7)
    assert upkeep.is_due()
    assert [try_to_write(fails=True) for _ in range(3)] == [0, 0, 0]
    assert [after - before for before, after in itertools.pairwise(tries)] == [1, 0, 0]
    assert (len(touches), upkeep.is_due()) == (1, False)
    upkeep.try_again()
    assert upkeep.is_due()
    assert try_to_write(fails=True) == 0
    assert try_to_write(fails=False) == 0
    assert upkeep.is_due()
    assert try_to_write(fails=False) == 1
    assert (len(touches), upkeep.is_due()) == (0, False)
