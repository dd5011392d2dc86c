"""FixtureFiles: the files of a folder of fixtures, found by the keys of what is in them."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from planai.errors import ConfigurationError
from planai.testing.fixture_names import folder_of, identity_of, likeness, name_of


class FixtureFiles:
    """The files in `folder`, which others may change at any time: they are read again where their folders changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, str], tuple[Path, dict[str, Any]]] = {}
        self._state: object = None

    def path(self, space: str, key: str) -> Path | None:
        """Return the file of a record, if there is one."""
        found = self._look().get((space, key))
        return None if found is None else found[0]

    def content(self, space: str, key: str) -> dict[str, Any] | None:
        """Return what is in the file of a record, if there is one."""
        path = self.path(space, key)
        content = None if path is None else read_fixture(path)
        return content if content is None or (content["space"], content["key"]) == (space, key) else None

    def contents(self) -> list[dict[str, Any]]:
        """Return what is in all files now, in the order of their names."""
        paths = sorted(self._folder.glob("*/*.json"))
        return [content for path in paths if (content := read_fixture(path)) is not None]

    def find(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """Return what is in the first file that fits."""
        return next(filter(fits, self.contents()), None)

    def write(self, content: dict[str, Any], used: Collection[Path]) -> Path:
        """Write a record, whole or not at all, and return its file: that of an earlier version of it, if there is one.

        Args:
            content: the record.
            used: the files that are no earlier versions, as they are in use.
        """
        path = self._place(content, used)
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")  # others may record just now
        temporary.write_text(text, encoding="utf-8", errors="surrogatepass")
        temporary.replace(path)
        self._known = {key: found for key, found in self._known.items() if found[0] != path}
        self._known[content["space"], content["key"]] = (path, content)
        self._state = self._present_state()
        return path

    def remove(self, space: str, key: str) -> Path | None:
        """Remove the file of a record, and return what it was called; None where there is none."""
        path = self.path(space, key)
        if path is not None:
            path.unlink(missing_ok=True)
            del self._known[space, key]
        return path

    def _place(self, content: dict[str, Any], used: Collection[Path]) -> Path:
        """Return the file for a record: its own; of those for the same in earlier versions the likest; or a new one."""
        known = self.path(content["space"], content["key"])
        folder, name = self._folder / folder_of(content["space"]), name_of(content)
        if known is not None and known.name.startswith(name):
            return known
        if known is not None:  # what stands for it has changed
            self.remove(content["space"], content["key"])
        others = {path: one for path, one in self._look().values() if path.parent == folder}
        earlier = [
            (-likeness(content, one), path.name.count("-"), path.name, path)
            for path, one in others.items()
            if path not in used and path.name.startswith(name) and identity_of(one) == identity_of(content)
        ]
        if earlier:
            return min(earlier)[-1]
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        return next(path for one in names if not (path := folder / f"{one}.json").exists())

    def _look(self) -> dict[tuple[str, str], tuple[Path, dict[str, Any]]]:
        state = self._present_state()
        if state != self._state:
            found = ((path, read_fixture(path)) for path in sorted(self._folder.glob("*/*.json")))
            self._known = {(one["space"], one["key"]): (path, one) for path, one in found if one is not None}
            self._state = state
        return self._known

    def _present_state(self) -> list[tuple[str, int]]:
        """Return what changes with every file that is made or renamed."""
        try:
            return sorted(
                (entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(self._folder) if entry.is_dir()
            )
        except FileNotFoundError:
            return []


def read_fixture(path: Path) -> dict[str, Any] | None:
    """Return what is in a file; None where there is none.

    Raises:
        ConfigurationError: it is no fixture.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigurationError(f"the fixture {path} is no JSON ({error}): record it again") from None
    if not isinstance(content, dict) or not {"space", "key"} <= content.keys():
        raise ConfigurationError(f"the fixture {path} has no 'space' and 'key': record it again")
    return content
