"""SessionFixtures: what a session of pytest knows of fixtures, and which of them nobody needs any more."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planai.testing.fixtures import FixtureStore


@dataclass
class SessionFixtures:
    """What is known of the folders of a session, which may be one of several processes that share its tests.

    Attributes:
        stores: the store of each folder.
        waiting: the tests of each folder that were not made yet.
        unfinished: folders with a test that was left out, or did not pass: it may need what seems to be unused.
        kept: folders of which nothing was removed, though that was asked for.
        removed: how many files were.
        is_lost: whether a process has ended without saying what it has used.
    """

    stores: dict[Path, FixtureStore] = field(default_factory=dict)
    waiting: dict[Path, set[str]] = field(default_factory=dict)
    unfinished: set[Path] = field(default_factory=set)
    kept: set[Path] = field(default_factory=set)
    removed: int = 0
    is_lost: bool = False

    def store(self, folder: Path) -> FixtureStore:
        """Return the store of a folder."""
        return self.stores.setdefault(folder, FixtureStore(folder))

    def dump(self) -> dict[str, Any]:
        """Return what `take_over` takes, as data that goes to another process."""
        return {
            "used": {str(folder): sorted(map(str, store.used)) for folder, store in self.stores.items()},
            "waiting": {str(folder): sorted(tests) for folder, tests in self.waiting.items()},
            "unfinished": sorted(map(str, self.unfinished)),
        }

    def take_over(self, dumped: dict[str, Any] | None) -> None:
        """Add what another process knows; of one that knows nothing all may be missing.

        A test waits until one of the processes has made it.
        """
        if dumped is None:
            self.is_lost = True
            return
        for folder, used in dumped["used"].items():
            self.store(Path(folder)).used.update(map(Path, used))
        for folder, tests in dumped["waiting"].items():
            known = self.waiting.setdefault(Path(folder), set(tests))
            known &= set(tests)
        self.unfinished.update(map(Path, dumped["unfinished"]))

    def prune(self, *, is_whole: bool) -> None:
        """Remove fixtures that no test has used, of the folders all of whose tests were made and have passed.

        Args:
            is_whole: whether all tests were to be made.
        """
        for folder, store in self.stores.items():
            if self.is_lost or not is_whole or folder in self.unfinished or self.waiting.get(folder):
                self.kept.add(folder)
                continue
            for path in store.unused():
                path.unlink()
                self.removed += 1
