"""Workspace: a folder whose files can be reached by relative paths, and nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path, PurePosixPath

from planai.errors import ConfigurationError
from planai.workspace.matching import matching

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Workspace:
    """A folder that nobody gets out of by a path: not with ``..``, not with a symbolic link.

    A hard link is a file like any other: who made it inside has let it in. What is written takes its place.

    Making one touches nothing; the folder is made when the first file is written.

    >>> Workspace("/tmp/job").resolve("notes/today.md").relative_to("/tmp/job")
    PosixPath('notes/today.md')

    Attributes:
        root: the folder, absolute and without symbolic links.
    """

    def __init__(self, root: str | Path) -> None:
        """Take a folder.

        Raises:
            ConfigurationError: its name is empty, which would mean the folder that the program was started in.
        """
        if not str(root).strip():
            raise ConfigurationError(f"the workspace {root!r} names no folder: pass a path, or '.' for the present one")
        self.root = Path(root).expanduser().resolve()

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    def resolve(self, rel_path: str | Path) -> Path:
        """Return the absolute path of what `rel_path` names, whether it exists or not.

        Raises:
            ConfigurationError: the path is empty, absolute, has a ``..``, or leads out through a symbolic link.
        """
        asked = str(rel_path)
        parts = PurePosixPath(asked).parts
        if not asked or "\0" in asked:
            raise ConfigurationError(f"the path {asked!r} names nothing: pass one relative to the workspace")
        if PurePosixPath(asked).is_absolute() or ".." in parts:
            raise ConfigurationError(
                f"the path {asked!r} is absolute or has a '..': pass one relative to the workspace"
            )
        found = self._followed(self.root / asked)
        if found is None:
            raise ConfigurationError(f"the path {asked!r} escapes the workspace through a link: name a file inside it")
        return found

    @contextlib.contextmanager
    def read(self, rel_path: str) -> Iterator[BufferedReader]:
        """Open a file for reading bytes.

        Raises:
            ConfigurationError: see `resolve`.
            OSError: there is no such file, or it is no ordinary file.
        """
        with self._folder(self.resolve(rel_path)) as (folder, name):
            handle = os.open(name, _READ, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise FileNotFoundError(f"{rel_path!r} is no ordinary file")  # a pipe would hold us up
        with os.fdopen(handle, "rb") as file:
            yield file

    def write(self, rel_path: str, content: bytes) -> None:
        """Write a whole file, or leave the one that is there as it was; folders are made as needed.

        Raises:
            ConfigurationError: see `resolve`.
            OSError: it cannot be written.
        """
        path = self.resolve(rel_path)
        mode = stat.S_IMODE(path.stat().st_mode) & 0o777 if path.exists() else 0o644  # whose rights it has is not kept
        temporary = f".planai-{secrets.token_hex(8)}"
        with self._folder(path, make=True) as (folder, name):
            handle = os.open(temporary, _WRITE, mode, dir_fd=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(temporary, dir_fd=folder)
                raise

    def glob(self, pattern: str, folder: str = ".") -> list[str]:
        """Return the names of the files below `folder` that `pattern` matches, sorted; no link is followed out.

        Raises:
            ConfigurationError: the pattern is empty, absolute or has a ``..``; or see `resolve`.
            OSError: there is no such folder.
        """
        if not pattern.strip() or PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
            raise ConfigurationError(
                f"the pattern {pattern!r} is empty, absolute or has a '..': pass one like '**/*.md'"
            )
        start = self.resolve(folder)
        if not start.is_dir():
            raise NotADirectoryError(f"{folder!r} is no folder")
        found = (Path(entry.path) for entry in matching(start, pattern, self._is_inside) if self._is_file(entry))
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def _is_inside(self, path: Path) -> bool:
        return self._followed(path) is not None

    def _is_file(self, entry: os.DirEntry[str]) -> bool:
        if not entry.is_symlink():
            return entry.is_file(follow_symlinks=False)
        target = self._followed(Path(entry.path))
        return target is not None and target.is_file()

    def _followed(self, path: Path) -> Path | None:
        """Return where a path leads, or None where that is outside."""
        try:
            found = path.resolve()
        except (OSError, RuntimeError):  # links in a circle
            return None
        return found if found.is_relative_to(self.root) else None

    @contextlib.contextmanager
    def _folder(self, path: Path, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open the folder of a file, and return it with the file's name in it.

        It is opened step by step, so that nobody can put a link in the way after the path was resolved.
        """
        if make:
            self.root.mkdir(parents=True, exist_ok=True)
        *folders, name = path.relative_to(self.root).parts or (".",)
        handle = os.open(self.root, _FOLDER)
        try:
            for part in folders:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, dir_fd=handle)
                inner = os.open(part, _FOLDER, dir_fd=handle)
                os.close(handle)
                handle = inner
            yield handle, name
        finally:
            os.close(handle)


def hash_files(workspace: Workspace | str | Path, globs: Iterable[str]) -> str:
    """Return a digest over the names and contents of all files that match one of `globs`; empty if none does.

    Raises:
        ConfigurationError: a pattern leads out of the workspace.
    """
    room = workspace if isinstance(workspace, Workspace) else Workspace(workspace)
    if not room.root.is_dir():
        return ""
    names = sorted({name for pattern in globs for name in room.glob(pattern)})
    digest = hashlib.blake2b(digest_size=20)
    for name in names:
        with room.read(name) as file:
            content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).digest()
        encoded = name.encode("utf-8", "surrogateescape")
        digest.update(len(encoded).to_bytes(8, "big") + encoded + content)
    return digest.hexdigest() if names else ""
