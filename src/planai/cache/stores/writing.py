"""Writing: a connection to one file that writes for all threads that want to, as many at once as there are."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from planai.cache.stores.connecting import connect, with_files
from planai.cache.stores.damage import names_locked


class Transaction:
    """One transaction, in which several operations take part.

    Attributes:
        execute: runs one statement.
        execute_many: runs one statement for many rows.
        on_commit: called when it is on disk.
        on_rollback: called when it did not come about; the operations then run again in another.
    """

    __slots__ = ("execute", "execute_many", "on_commit", "on_rollback")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.execute = connection.execute
        self.execute_many = connection.executemany
        self.on_commit: list[Callable[[], object]] = []
        self.on_rollback: list[Callable[[], object]] = []


Operation = Callable[[Transaction], Any]
Statement = tuple[str, tuple[Any, ...]]
"""What changes rows, and its parameters."""


class Writer:
    """Writes into the file at `path`, with a connection that is opened by the first write.

    Threads that write at the same time are served by one transaction: whoever holds the lock writes for all that wait.

    Args:
        path: the file.
        begin: the first operation of each transaction.
        is_due: tells whether `begin` has something to do.

    Attributes:
        lock: held by whoever uses the connection.
        file: what `identity` says of the file that is to be written; another connection is opened where it changes.
        connection: the connection, if it is open.
    """

    def __init__(self, path: str, begin: Operation, is_due: Callable[[], bool]) -> None:
        self.lock = threading.Lock()
        self.file: tuple[int, ...] | None = None
        self.connection: sqlite3.Connection | None = None
        self._path = path
        self._begin = begin
        self._is_due = is_due
        self._waiting: deque[_Ticket] = deque()
        self._connected: tuple[int, ...] | None = None

    def is_current(self) -> bool:
        """Tell whether the connection, if it is open, is to the right file."""
        return self._connected == self.file

    def write_alone(self, sql: str, parameters: tuple[Any, ...]) -> int | None:
        """Run one statement, and return how many rows it changed; None where that is not all there is to be done."""
        if self._waiting or not self.lock.acquire(blocking=False):
            return None
        try:
            if self.connection is None or not self.is_current() or self._is_due():
                return None
            return self.connection.execute(sql, parameters).rowcount
        finally:
            self.lock.release()

    def write(self, operation: Operation) -> Any:
        """Let `operation` be part of the next transaction, and return its result when that is on disk.

        Raises:
            FileReplacedError: another file is at the path.
        """
        ticket = _Ticket(operation)
        self._waiting.append(ticket)
        with self.lock:
            if not ticket.done:
                self._commit()
        return ticket.result()

    def forget(self) -> None:
        """Leave undone what waits: in the child of a fork, it is for the parent to write."""
        self._waiting.clear()

    def close(self) -> None:
        """Close the connection; the lock is held."""
        if self.connection is not None:
            self.connection.close()
        self.connection = self._connected = None

    def _commit(self) -> None:
        """Do everything that waits, in one transaction."""
        tickets = []
        while self._waiting:
            tickets.append(self._waiting.popleft())
        try:
            self._transact(self._current(), tickets)
        except Exception as error:  # noqa: BLE001 - handed to those who asked for it
            if len(tickets) == 1:
                tickets[0].fail(error)
                return
            for ticket in tickets:  # one by one, so that nobody suffers for another's mistake
                self._waiting.append(ticket)
                self._commit()
        except BaseException:  # Ctrl-C: whoever waits for the lock does what is left
            self._waiting.extendleft(reversed(tickets))
            raise

    def _current(self) -> sqlite3.Connection:
        """Return the connection, which is opened where it is not, or where it is to another file."""
        if self.connection is None or not self.is_current():
            self.close()
            file = self.file
            with names_locked(self._path):
                self.connection = with_files(lambda: connect(self._path, file or ()))
            self._connected = file
        return self.connection

    def _transact(self, connection: sqlite3.Connection, tickets: list[_Ticket]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        transaction = Transaction(connection)
        try:
            self._begin(transaction)
            for ticket in tickets:
                ticket.run(transaction)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for undo in transaction.on_rollback:
                undo()
            raise
        for ticket in tickets:
            ticket.done = True
        for follow in transaction.on_commit:
            follow()


class _Ticket:
    """A write that waits for its transaction."""

    __slots__ = ("_error", "_operation", "_result", "done")

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._result: Any = None
        self._error: BaseException | None = None
        self.done = False

    def run(self, transaction: Transaction) -> None:
        self._result = self._operation(transaction)

    def fail(self, error: BaseException) -> None:
        self._error = error
        self.done = True

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result
