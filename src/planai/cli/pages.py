"""What ``planai cache`` prints for people."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from planai.cache.about import Profile
from planai.cache.explain import Nearest
from planai.cache.inspect import Entry
from planai.cache.prune import Pruned
from planai.cache.stats import Stats
from planai.cache.transfer import Exported, Imported
from planai.cache.verify import Damage
from planai.cli.render import cost, counted, duration, moment, say, size, table, tell
from planai.cost import money

_NOTHING = "-"
_WIDTH = 10
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_SHORT = 16


def entries(shown: Iterable[Entry], now: float, *, to_stderr: bool = False) -> None:
    """Print a table of entries: id, worker, input, age, size, cost, hits."""
    headers = ("ID", "WORKER", "AGE", "SIZE", "COST", "HITS", "INPUT")
    rows = (_row(entry, now) for entry in shown)
    table(headers, rows, right=("AGE", "SIZE", "COST", "HITS"), file=sys.stderr if to_stderr else sys.stdout)


def whole_entry(entry: Entry, now: float, sources: Mapping[str, Entry | None], output: Any) -> None:
    """Print all that is known of an entry, and what it holds."""
    _head(entry, now)
    _pairs("input", entry.about.fields, entry.type or _NOTHING)
    _pairs("parts", entry.about.parts)
    _pairs("reads", dict(entry.about.reads))
    _pairs("sources", {name: found.worker if found else "(not there any more)" for name, found in sources.items()})
    _line("publishes", ", ".join(entry.about.outputs) or "nothing")
    _line("output", "")
    for line in json.dumps(output, indent=2, ensure_ascii=False).splitlines():
        say(f"  {line}")


def explanation(entry: Entry, profile: Profile | None, other: Entry | None, found: Nearest | None, now: float) -> None:
    """Print what decides an entry, and what is different in another."""
    _head(entry, now)
    _pairs("parts", entry.about.parts)
    if profile is not None:
        _pairs("of worker", profile.parts)
        _pairs("settings", profile.settings)
        _pairs("code", profile.code)
        _pairs("outputs", profile.outputs)
    say()
    if other is None or found is None:
        say("There is no other entry of this worker to compare it with.")
        return
    say(f"Most like it is {other.id}, stored {duration(other.age(now))} ago.")
    if not found.differences:
        say("Nothing that was written down differs.")
        return
    say()
    rows = [(one.part, one.name, one.old or _NOTHING, one.new or _NOTHING) for one in found.differences]
    table(("WHAT", "NAME", "THERE", "HERE"), rows)


def stats(rows: list[Stats], now: float) -> None:
    """Print a table with a line for each worker, and one for what models took; the last rows are the sum."""
    headers = ("WORKER", "ENTRIES", "EXPIRED", "SIZE", "OLDEST", "NEWEST", "HITS", "COST", "SAVED", "DAMAGED")
    cells = [
        (
            row.worker or "all",
            f"{row.entries:,}",
            f"{row.expired:,}",
            size(row.size),
            _age(row.oldest, now),
            _age(row.newest, now),
            f"{row.hits:,}",
            cost(row.cost),
            cost(row.saved),
            f"{row.quarantined:,}",
        )
        for row in rows
    ]
    table(headers, cells, right=headers[1:])
    asked = [row for row in rows if row.usage.answers]
    if asked:
        say()
        _usages(asked)


def _usages(rows: list[Stats]) -> None:
    headers = ("MODELS OF", "ANSWERS", "INPUT", "CACHED", "OUTPUT", "PAID", "SAVED", "PRICES OF")
    cells = [
        (
            row.worker or "all",
            *(f"{count:,}" for count in (usage.answers, usage.input_tokens, usage.cached_tokens, usage.output_tokens)),
            money(usage.dollars, usage.unpriced),
            money(row.saved_usage.dollars, row.saved_usage.unpriced),
            usage.priced or _NOTHING,
        )
        for row in rows
        for usage in [row.usage]
    ]
    table(headers, cells, right=headers[1:])


def damage(found: list[Damage]) -> None:
    """Print what is damaged."""
    rows = [(one.worker or "the store", one.key, one.reason, "yes" if one.repaired else "no") for one in found]
    table(("WORKER", "KEY", "DAMAGE", "REPAIRED"), rows)


def pruned(found: Pruned, *, dry_run: bool) -> None:
    """Print what was removed, or would be."""
    verb = "would remove" if dry_run else "removed"
    say(f"{verb} {counted(found.entries, 'entry', 'entries')} of {size(found.size)}")
    if found.entries:
        them = "it" if found.entries == 1 else "them"
        say(f"to compute {them} again would take {cost(found.cost)}")
    if found.profiles:
        say(f"{verb} {counted(found.profiles, 'profile')} that no entry refers to")


def exported(found: Exported, file: str) -> None:
    """Print what was written."""
    say(f"wrote {counted(found.entries, 'entry', 'entries')} of {size(found.size)} to {file}")
    if found.damaged:
        tell(f"left out {counted(found.damaged, 'damaged entry', 'damaged entries')}: see `planai cache verify`")


def imported(found: Imported, file: str) -> None:
    """Print what became of the records of a file."""
    say(f"read {file}: {found.added:,} added, {found.replaced:,} replaced by newer, {found.older:,} known or older")


def _head(entry: Entry, now: float) -> None:
    info = entry.info
    _line("id", entry.id)
    _line("key", entry.key)
    _line("worker", entry.worker)
    _line("profile", entry.about.profile or _NOTHING)
    _line("stored", f"{moment(info.stored_at)} ({duration(entry.age(now))} ago)")
    _line("used", f"{moment(info.used_at)}, {counted(entry.hits, 'time')} in all")
    _line("expires", moment(info.expires_at) + (" (expired)" if entry.expired(now) else ""))
    _line("size", size(entry.size))
    _line("cost", cost(entry.cost))
    if entry.usage.answers:
        _line("models", f"{entry.usage}" + (f", by prices of {entry.usage.priced}" if entry.usage.priced else ""))


def _pairs(title: str, pairs: Mapping[str, str], text: str = "") -> None:
    """Print a title and what is under it; nothing where there is nothing."""
    if not (pairs or text):
        return
    _line(title, text)
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        say(f"  {name.ljust(width)}  {_DIGEST.sub(_cut, value)}")


def _cut(digest: re.Match[str]) -> str:
    """Return the beginning of a digest, which nobody reads to the end; --json prints all of it."""
    return digest[0][:_SHORT]


def _line(name: str, text: str) -> None:
    say(f"{name.ljust(_WIDTH)}{text}".rstrip())


def _class(name: str) -> str:
    """Return the name of a class without its module."""
    return name.rpartition(":")[2]


def _row(entry: Entry, now: float) -> tuple[str, ...]:
    info, about = entry.info, entry.about  # once each: there may be many entries
    age = duration(entry.age(now))
    fields = [f"{name}={value}" for name, value in about.fields.items()]
    return (
        entry.id,
        _class(info.space),
        age if info.expires_at is None or not entry.expired(now) else f"{age} (expired)",
        size(info.size),
        cost(entry.cost),
        f"{info.hits:,}",
        " ".join([_class(about.input), *fields]).strip() or _NOTHING,
    )


def _age(when: float | None, now: float) -> str:
    return _NOTHING if when is None else duration(max(0.0, now - when))
