"""What a model can do with the files of a workspace; what goes wrong is told as text, so that it may try otherwise."""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import ParamSpec

from planai.errors import ConfigurationError
from planai.workspace.jail import Workspace
from planai.workspace.searching import Search, searching

P = ParamSpec("P")

LARGEST = 2**26
"""Bytes of a file that is read at most: one that has a hole in it may say that it has more than there is memory."""

_LINES_AT_ONCE = 1000


def _told(act: Callable[P, str]) -> Callable[P, str]:
    """Return what went wrong as text that begins with ``Error:``."""

    @functools.wraps(act)
    def told(*args: P.args, **kwargs: P.kwargs) -> str:
        try:
            text = act(*args, **kwargs)
        except UnicodeDecodeError:
            text = "Error: the file is not UTF-8 text, it may be binary"
        except FileNotFoundError as error:
            text = f"Error: not found: {error.filename or error}"
        except OSError as error:
            text = f"Error: {error.strerror or error}"
        except (ConfigurationError, ValueError, OverflowError, RecursionError, re.error) as error:
            text = f"Error: {error}"
        return text.encode("utf-8", "backslashreplace").decode()  # names need be no text, and what is sent has to

    return told


@dataclass(frozen=True, slots=True)
class Files:
    """Reads, writes, lists and searches text files of a workspace.

    Attributes:
        workspace: where.
        max_read_chars: characters that `read_file` returns at most.
        max_list_entries: files that `list_files` names at most.
        max_grep_matches: lines that `grep_files` returns at most.
        max_grep_line_chars: characters of each of them at most.
    """

    workspace: Workspace
    max_read_chars: int = 100_000
    max_list_entries: int = 500
    max_grep_matches: int = 200
    max_grep_line_chars: int = 500

    @_told
    def read_file(self, path: str, offset: int = 0, limit: int = 0) -> str:
        """Read a text file; each line comes with its number.

        Args:
            path: the file, relative to the workspace.
            offset: the number of the first line; lines are counted from 1, and 0 is the first, too.
            limit: how many lines; 0 for all up to the end.
        """
        first = max(offset - 1, 0)
        text = ""
        for number, line in itertools.islice(self._lines(path), first, first + limit if limit > 0 else None):
            text += f"{number:6}\t{line}\n"
            if len(text) > self.max_read_chars + 1:
                cut = f"[truncated at {self.max_read_chars} characters: read on with offset and limit]"
                return f"{text[: self.max_read_chars]}\n\n{cut}"
        return text.removesuffix("\n")

    @_told
    def write_file(self, path: str, content: str) -> str:
        """Write a text file, in place of what was there.

        Args:
            path: the file, relative to the workspace.
            content: all that shall be in it.
        """
        data = content.encode()
        self.workspace.write(path, data)
        return f"Wrote {len(data)} bytes ({len(content.splitlines())} lines) to {path}"

    @_told
    def edit_file(self, path: str, old_string: str, new_string: str, replace_all: bool = False) -> str:
        """Replace a piece of text in a file.

        Args:
            path: the file, relative to the workspace.
            old_string: the text as it is in the file; it has to be there once, unless replace_all is set.
            new_string: what to put in its place.
            replace_all: replace it wherever it is.
        """
        if not old_string:
            return "Error: old_string must not be empty"
        with self._opened(path) as file:
            text = file.read(LARGEST).decode()
        count = text.count(old_string)
        if count == 0:
            return f"Error: old_string not found in {path}"
        if count > 1 and not replace_all:
            return f"Error: old_string is not unique in {path}, it is there {count} times: add text around it"
        self.workspace.write(path, text.replace(old_string, new_string).encode())
        return f"Replaced {count} occurrence(s) in {path}"

    @_told
    def list_files(self, path: str = ".", pattern: str = "**/*") -> str:
        """List files with their sizes in bytes.

        Args:
            path: the folder, relative to the workspace.
            pattern: which files, such as "**/*" for all below the folder, or "*.py" for those right in it.
        """
        names = self.workspace.glob(pattern, path)
        lines = [f"{self._size(name)}  {name}" for name in names[: self.max_list_entries]]
        if len(names) > self.max_list_entries:
            lines += ["", f"[truncated at {self.max_list_entries} of {len(names)} entries: use a narrower pattern]"]
        return "\n".join(lines) or "(no files found)"

    @_told
    def grep_files(self, pattern: str, path: str = ".", glob: str = "**/*") -> str:
        """Search text files for a regular expression.

        Args:
            pattern: what to look for in each line, as a Python regular expression.
            path: the folder, relative to the workspace.
            glob: which files, such as "**/*.md".
        """
        with searching(pattern) as search:
            found = list(itertools.islice(self._matches(search, path, glob), self.max_grep_matches + 1))
        if len(found) > self.max_grep_matches:
            found[-1] = f"\n[truncated at {self.max_grep_matches} matches: use a narrower pattern]"
        return "\n".join(found) or "(no matches found)"

    def _matches(self, search: Search, path: str, glob: str) -> Iterator[str]:
        for name in self.workspace.glob(glob, path):
            try:
                lines = self._lines(name)
                while some := list(itertools.islice(lines, _LINES_AT_ONCE)):
                    for found in search([line for _, line in some]):
                        number, line = some[found]
                        cut = " [cut]" if len(line) > self.max_grep_line_chars else ""
                        yield f"{name}:{number}: {line[: self.max_grep_line_chars]}{cut}"
            except OSError as error:
                if error.errno == errno.EFBIG:
                    yield f"{name}: [not searched: {error.strerror}]"
            except UnicodeDecodeError:
                continue

    def _size(self, name: str) -> str:
        try:
            return f"{self.workspace.resolve(name).stat().st_size:10}"
        except (OSError, ConfigurationError):  # gone meanwhile, or led out
            return f"{'-':>10}"

    def _lines(self, path: str) -> Iterator[tuple[int, str]]:
        with self._opened(path) as file:
            for number, line in enumerate(file, 1):
                yield number, line.decode().rstrip("\r\n")

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[BufferedReader]:
        with self.workspace.read(path) as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise OSError(errno.EFBIG, f"the file is too large: more than {LARGEST} bytes")
            yield file
