"""What ``planai cache ... --json`` prints: names that stay, whatever becomes of the classes behind them.

Times are seconds since the epoch, sizes bytes, costs objects as `of_cost` returns them; what is not there is null.
"""

from __future__ import annotations

from typing import Any

from planai.bills import Usage
from planai.cache.about import Profile
from planai.cache.explain import Difference, Nearest
from planai.cache.inspect import Entry
from planai.cache.prune import Pruned
from planai.cache.stats import Stats
from planai.cache.transfer import Exported, Imported
from planai.cache.verify import Damage
from planai.cost import Cost


def of_cost(cost: Cost) -> dict[str, Any]:
    """Return ``seconds tokens dollars unpriced``: the last is how many answers of models have no known price.

    What these cost is not in ``dollars``, which are null where nothing else is: unknown is not free.
    """
    return cost._asdict() | ({"dollars": None} if cost.unpriced and not cost.dollars else {})


def of_usage(usage: Usage) -> dict[str, Any]:
    """Return ``answers input_tokens output_tokens cached_tokens dollars unpriced priced``: what answers of models took.

    ``dollars`` are exact, as text; null as in `of_cost`. ``priced`` is the date of the latest prices, or null.
    """
    dollars = None if usage.unpriced and not usage.dollars else str(usage.dollars)
    return usage._asdict() | {"dollars": dollars, "priced": usage.priced or None}


def of_entry(entry: Entry, now: float) -> dict[str, Any]:
    """Return ``key id worker type fields outputs size stored_at used_at expires_at expired hits cost``."""
    info, about = entry.info, entry.about  # once each: there may be many entries
    return {
        "key": info.key,
        "id": entry.id,
        "worker": entry.worker,
        "type": about.input,
        "fields": about.fields,
        "outputs": about.outputs,
        "size": info.size,
        "stored_at": info.stored_at,
        "used_at": info.used_at,
        "expires_at": info.expires_at,
        "expired": entry.expired(now),
        "hits": info.hits,
        "cost": of_cost(entry.cost),
    }


def of_whole_entry(entry: Entry, now: float, sources: dict[str, Entry | None], output: Any) -> dict[str, Any]:
    """Return what `of_entry` does, and ``usage profile parts reads sources output``.

    ``reads`` are objects with ``what`` and ``digest``; ``sources`` are objects with ``id``, and with ``worker`` and
    ``key`` where the entry is still there.
    """
    return of_entry(entry, now) | {
        "usage": of_usage(entry.usage) if entry.usage.answers else None,
        "profile": entry.about.profile or None,
        "parts": entry.about.parts,
        "reads": [{"what": what, "digest": digest} for what, digest in entry.about.reads],
        "sources": [
            {"id": name, "worker": found and found.worker, "key": found and found.key}
            for name, found in sources.items()
        ],
        "output": output,
    }


def of_explanation(
    entry: Entry, profile: Profile | None, other: Entry | None, found: Nearest | None, now: float
) -> dict[str, Any]:
    """Return ``entry parts profile nearest``; the last with ``entry`` and ``differences``, or null."""
    return {
        "entry": of_entry(entry, now),
        "parts": entry.about.parts,
        "profile": profile and profile._asdict(),
        "nearest": other
        and found
        and {"entry": of_entry(other, now), "differences": [of_difference(one) for one in found.differences]},
    }


def of_difference(found: Difference) -> dict[str, Any]:
    """Return ``part name old new``."""
    return found._asdict()


def of_stats(row: Stats) -> dict[str, Any]:
    """Return the figures of a worker, or of all.

    They are ``worker entries expired size oldest newest hits cost saved questions profiles quarantined usage
    saved_usage``.
    """
    found = row._asdict() | {"cost": of_cost(row.cost), "saved": of_cost(row.saved)}
    del found["own"], found["own_usage"]  # which the sum is made of
    return found | {"usage": of_usage(row.usage), "saved_usage": of_usage(row.saved_usage)}


def of_damage(found: Damage) -> dict[str, Any]:
    """Return ``worker key reason repaired``."""
    return found._asdict()


def of_pruned(found: Pruned, *, dry_run: bool) -> dict[str, Any]:
    """Return ``dry_run entries size cost questions profiles``."""
    return {"dry_run": dry_run} | found._asdict() | {"cost": of_cost(found.cost)}


def of_exported(found: Exported, file: str) -> dict[str, Any]:
    """Return ``file entries questions profiles size damaged``."""
    return {"file": file} | found._asdict()


def of_imported(found: Imported, file: str) -> dict[str, Any]:
    """Return ``file added replaced older``."""
    return {"file": file} | found._asdict()
