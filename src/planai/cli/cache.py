"""``planai cache``: what is in a cache, why, and what may go.

Exit codes: 0 for fine; 1 for nothing found, for damage that was found, and for errors; 2 for a wrong use; 130 after
Ctrl-C. With ``--json`` each command prints one array or object; `planai.cli.records` tells the names in it.
"""

from __future__ import annotations

import gc
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from planai.cache.explain import nearest
from planai.cache.frame import DamagedPayload
from planai.cache.inspect import Entry, Filter, entries, find, output_of, pick, profile_of, profiles, sources
from planai.cache.prune import Pruned, Rules, remove, select
from planai.cache.prune import prune as prune_store
from planai.cache.stats import stats as stats_of
from planai.cache.stats import total
from planai.cache.stores.disk import FILE, DiskStore
from planai.cache.transfer import export as export_to
from planai.cache.transfer import import_
from planai.cache.verify import verify as verify_store
from planai.cli import pages, records, render, values
from planai.errors import CacheError

app = typer.Typer(
    help="Look into a cache, and tidy it up.",
    epilog="Exit codes: 0 all is well; 1 nothing was found, something is damaged, or failed; 2 wrong use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_ON_A_SCREEN = 50
"""How many entries `ls` shows on a terminal, unless told otherwise."""


class Sort(StrEnum):
    """What comes first in a list of entries: the newest, or what has most of it."""

    AGE = "age"
    SIZE = "size"
    COST = "cost"
    HITS = "hits"


_ORDERS: dict[Sort, Callable[[Entry], float]] = {
    Sort.AGE: lambda entry: entry.info.stored_at,
    Sort.SIZE: lambda entry: entry.size,
    Sort.COST: lambda entry: entry.cost.seconds,
    Sort.HITS: lambda entry: entry.hits,
}

_Dir = Annotated[Path, typer.Option("--dir", envvar="PLANAI_CACHE_DIR", help="the folder of the cache")]
_Json = Annotated[bool, typer.Option("--json", help="print JSON")]
_Worker = Annotated[str | None, typer.Option(help="of this worker only: module:Class, or Class")]
_Type = Annotated[str | None, typer.Option("--type", help="whose input is of this class: module:Class, or Class")]
_Older = Annotated[Any, typer.Option(parser=values.seconds, metavar="TIME", help="stored longer ago, such as 30d, 12h")]
_Younger = Annotated[Any, typer.Option(parser=values.seconds, metavar="TIME", help="stored within, such as 2h")]
_Larger = Annotated[Any, typer.Option(parser=values.byte_count, metavar="SIZE", help="with more bytes, such as 1MB")]
_Text = Annotated[str | None, typer.Option(help="with this in the input's fields, or in a class's name")]
_Field = Annotated[
    Any, typer.Option("--field", parser=values.name_and_value, metavar="NAME=VALUE", help="with this input field")
]
_Dry = Annotated[bool, typer.Option("--dry-run", help="remove nothing, and tell what would be")]
_Key = Annotated[str, typer.Argument(help="the beginning of a key or of an id, as `ls` shows them")]
_CACHE = Path("cache")


@app.command()
def ls(  # noqa: PLR0913 - options
    *,
    worker: _Worker = None,
    kind: _Type = None,
    older_than: _Older = None,
    younger_than: _Younger = None,
    larger_than: _Larger = None,
    text: _Text = None,
    field: _Field = None,
    sort: Annotated[Sort, typer.Option(help="what comes first: the newest, or the largest")] = Sort.AGE,
    limit: Annotated[
        int | None, typer.Option(min=0, help="show so many; 0 for all [50 on a terminal, else all]")
    ] = None,
    folder: _Dir = _CACHE,
    json: _Json = False,
) -> None:
    """List entries."""
    now = time.time()
    wanted = Filter(worker, kind, older_than, younger_than, larger_than, text, field)
    if limit is None and sys.stdout.isatty() and not json:
        limit = _ON_A_SCREEN
    with _many_objects():
        with opened(folder) as store:
            found = sorted(entries(store, now, wanted), key=_ORDERS[sort], reverse=True)
        shown = found[: limit or None]
        if json:
            render.as_json(records.of_entry(entry, now) for entry in shown)
        elif shown:
            pages.entries(shown, now)
    if not found:
        leave("no entry is there, or none that is wanted", quietly=json)
    if len(shown) < len(found) and not json:
        render.tell(f"{len(shown):,} of {len(found):,} entries; --limit 0 shows all")


@app.command()
def show(key: _Key, *, folder: _Dir = _CACHE, json: _Json = False) -> None:
    """Show one entry: how it came about, and what it holds."""
    with opened(folder) as store:
        entry = find(store, key)
        found = sources(store, entry)
        try:
            output, damage = output_of(store, entry), ""
        except DamagedPayload as error:
            output, damage = None, str(error)
    if json:
        render.as_json(records.of_whole_entry(entry, time.time(), found, output))
    else:
        pages.whole_entry(entry, time.time(), found, output)
    if damage:
        raise CacheError(f"{damage}; `planai cache verify --repair` puts such entries aside")


@app.command()
def explain(key: _Key, *, folder: _Dir = _CACHE, json: _Json = False) -> None:
    """Tell what decides an entry, and how it differs from the other entry of its worker that is most like it."""
    now = time.time()
    with opened(folder) as store:
        known = entries(store, now)
        entry = pick(known, key)
        others = {id(one.about): one for one in known if one.worker == entry.worker and one.key != entry.key}
        versions = profiles(store, entry.worker)
        profile = profile_of(store, entry)
    candidates = ((one.about, versions.get(one.about.profile)) for one in others.values())
    found = nearest(entry.about, candidates, profile)
    other = others[id(found.about)] if found else None
    if json:
        render.as_json(records.of_explanation(entry, profile, other, found, now))
    else:
        pages.explanation(entry, profile, other, found, now)


@app.command()
def stats(*, folder: _Dir = _CACHE, json: _Json = False) -> None:
    """Show how much each worker keeps, what that took, and what it has saved."""
    now = time.time()
    with opened(folder) as store:
        rows = stats_of(store, now)
    if json:
        every = {"workers": [records.of_stats(row) for row in rows], "total": records.of_stats(total(rows))}
        render.as_json(every)
    else:
        pages.stats([*rows, total(rows)], now)


@app.command()
def verify(
    *,
    repair: Annotated[bool, typer.Option("--repair", help="put damaged entries aside")] = False,
    folder: _Dir = _CACHE,
    json: _Json = False,
) -> None:
    """Read everything, and tell what is damaged."""
    with opened(folder) as store, render.progress("checking") as progress:
        found = verify_store(store, repair=repair, progress=progress)
    if json:
        render.as_json([records.of_damage(one) for one in found])
    elif found:
        pages.damage(found)
        if not all(one.repaired for one in found):
            render.tell("with --repair, damaged entries are put aside and computed again")
    else:
        render.say("no damage found")
    if found:
        raise typer.Exit(1)


@app.command()
def prune(
    *,
    older_than: _Older = None,
    max_size: Annotated[
        Any, typer.Option(parser=values.byte_count, metavar="SIZE", help="bytes that may stay, such as 2GB")
    ] = None,
    max_entries: Annotated[int | None, typer.Option(min=0, help="how many entries may stay")] = None,
    expired: Annotated[bool, typer.Option("--expired", help="only what has expired, which goes in any case")] = False,
    worker: _Worker = None,
    dry_run: _Dry = False,
    folder: _Dir = _CACHE,
    json: _Json = False,
) -> None:
    """Remove what has expired, then what is too old, then the least recently used until the limits hold."""
    rules = Rules(older_than, max_size, max_entries, worker)
    limited = replace(rules, worker=None) != Rules()
    if limited == expired:
        raise typer.BadParameter("say what may go: --expired alone, or any of --older-than, --max-size, --max-entries")
    with opened(folder) as store:
        found = prune_store(store, time.time(), rules, dry_run=dry_run)
    if json:
        render.as_json(records.of_pruned(found, dry_run=dry_run))
    else:
        pages.pruned(found, dry_run=dry_run)


@app.command()
def rm(
    keys: Annotated[list[str] | None, typer.Argument(help="beginnings of keys or ids, as `ls` shows them")] = None,
    *,
    worker: _Worker = None,
    field: _Field = None,
    downstream: Annotated[bool, typer.Option("--downstream", help="and all that was computed from them")] = False,
    dry_run: _Dry = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    folder: _Dir = _CACHE,
    json: _Json = False,
) -> None:
    """Remove the entries that are named, or all that are wanted. Asks before it removes more than one."""
    if not (keys or worker or field):
        raise typer.BadParameter("say what to remove: keys, --worker or --field")
    now = time.time()
    with opened(folder) as store:
        known = entries(store, now)
        named = {one.name: one for one in (pick(known, key) for key in keys)}.values() if keys else known
        wanted = Filter(worker=worker, input_field=field)
        chosen = select(store, [one for one in named if wanted.matches(one, now)], with_downstream=downstream)
        if not chosen:
            if json:
                render.as_json(records.of_pruned(Pruned(), dry_run=dry_run))
            leave("no entry is wanted: nothing was removed", quietly=json)
        answers = [one for one in chosen if not one.is_question]
        if len(answers) > 1 and not (dry_run or yes):
            _ask(answers, now)
        found = remove(store, chosen, dry_run=dry_run)
    if json:
        render.as_json(records.of_pruned(found, dry_run=dry_run))
        return
    if dry_run:
        pages.entries(answers, now)
    pages.pruned(found, dry_run=dry_run)


@app.command()
def export(  # noqa: PLR0913 - options
    file: Annotated[Path, typer.Argument(help="the file to write")],
    *,
    worker: _Worker = None,
    kind: _Type = None,
    older_than: _Older = None,
    younger_than: _Younger = None,
    larger_than: _Larger = None,
    text: _Text = None,
    field: _Field = None,
    folder: _Dir = _CACHE,
    json: _Json = False,
) -> None:
    """Write entries to one file, which `import` reads."""
    wanted = Filter(worker, kind, older_than, younger_than, larger_than, text, field)
    with opened(folder) as store, render.progress("exporting") as progress:
        found = export_to(store, file, time.time(), wanted, progress)
    if json:
        render.as_json(records.of_exported(found, str(file)))
    elif found.entries:
        pages.exported(found, str(file))
    if not found.entries:
        leave("no entry is there, or none that is wanted: nothing was written", quietly=json)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="a file that `export` wrote")],
    *,
    folder: _Dir = _CACHE,
    json: _Json = False,
) -> None:
    """Add the entries in a file; of two for the same key the one that was stored later stays."""
    with opened(folder, make=True) as store, render.progress("importing") as progress:
        found = import_(store, file, progress)
    if json:
        render.as_json(records.of_imported(found, str(file)))
    else:
        pages.imported(found, str(file))


@contextmanager
def opened(folder: Path, *, make: bool = False) -> Iterator[DiskStore]:
    """Open the cache in a folder, which is only made when something is to be put there."""
    if not make and not (folder / FILE).is_file():
        raise CacheError(f"there is no cache in {str(folder)!r}: name its folder with --dir, or in PLANAI_CACHE_DIR")
    try:
        with _many_objects(), closing(DiskStore(folder)) as store:
            yield store
    except (sqlite3.Error, OSError) as error:
        raise CacheError(
            f"the cache in {str(folder)!r} cannot be used: {error}. `planai cache verify --repair` mends what can be "
            "mended; the folder may be removed at any time, and then everything is computed again"
        ) from error


@contextmanager
def _many_objects() -> Iterator[None]:
    """Look for no garbage: of a hundred thousand entries none is, and looking takes a third of the time."""
    was_looking = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_looking:
            gc.freeze()  # or the first look would be at all of them
            gc.enable()


def _ask(answers: list[Entry], now: float) -> None:
    """Ask whether to remove these; anything but yes ends the command, and Ctrl-C ends it as always."""
    pages.entries(answers[:_ON_A_SCREEN], now, to_stderr=True)
    print(f"Remove {render.counted(len(answers), 'entry', 'entries')}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        leave("nothing was removed; --yes removes without asking", quietly=False)


def leave(reason: str, *, quietly: bool) -> None:
    """End the command with nothing found."""
    if not quietly:
        render.tell(f"planai: {reason}")
    raise typer.Exit(1)
