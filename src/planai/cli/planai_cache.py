"""``planai cache FOLDER``: PlanAI's command for a cache, which names the folder in the place of a sub-command."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option
from typer.core import TyperGroup

from planai.cache.inspect import Filter, entries, everything, is_named
from planai.cache.prune import remove
from planai.cli import pages
from planai.cli.cache import leave, opened

NAME = "of-folder"
"""The command that takes the folder; it is listed nowhere."""


class FolderFirst(TyperGroup):
    """Takes the name of a folder that is there for a command that shows it, where no command is called so."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is meant, and what is left for it."""
        is_folder = args[0] not in self.commands and Path(args[0]).is_dir()
        return super().resolve_command(ctx, [NAME, *args] if is_folder else args)


def of_folder(
    folder: Annotated[Path, Argument(help="the folder of the cache")],
    *,
    output_task_filter: Annotated[str | None, Option(help="answers of this class only")] = None,
    delete: Annotated[str | None, Option(metavar="CLASS", help="remove the answers to inputs of this class")] = None,
    clear: Annotated[bool, Option("--clear", help="remove all entries")] = False,
    search_dirs: Annotated[str | None, Option(help="has no effect: to look at entries, nothing is imported")] = None,
) -> None:
    """List the entries of a cache, or remove them, without asking, by PlanAI's options."""
    now = time.time()
    with opened(folder) as store:
        if clear or delete is not None:
            pages.pruned(remove(store, everything(store, now, Filter(type=None if clear else delete))), dry_run=False)
            return
        wanted = output_task_filter
        found = [
            entry
            for entry in reversed(entries(store, now))
            if wanted is None or any(is_named(kind, wanted) for kind in entry.about.outputs)
        ]
    if not found:
        leave("no entry is there, or none that is wanted", quietly=False)
    pages.entries(found, now)
