"""``planai cache plan | warm | migrate``: what needs the program whose answers are kept, and not only the cache."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planai.cli import render
from planai.cli.records import of_cost
from planai.errors import CacheError, ConfigurationError

if TYPE_CHECKING:
    from planai.graph import Graph
    from planai.run.forecast import WorkerForecast

Target = Annotated[
    str, typer.Argument(help="module:function or file.py:function, which returns (graph, initial_tasks)")
]
_Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def plan(target: Target, *, json: _Json = False) -> None:
    """Tell what a run would find in its caches, and what the rest will cost by past experience. Computes nothing."""
    with render.kept_for_json(json):
        graph, tasks = load(target)
        found = graph.plan(tasks)
    if json:
        rows = [{"worker": key, **_of_row(row)} for key, row in found.workers.items()]
        expected = {"expected": of_cost(found.expected), "unforeseen": found.unforeseen}
        render.as_json({"graph": graph.name, **expected, "workers": rows})
    else:
        for line in str(found).splitlines():
            render.say(line)


def warm(target: Target, *, json: _Json = False) -> None:
    """Run a graph, so that its answers are there when they are needed."""
    with render.kept_for_json(json):
        graph, tasks = load(target)
        result = graph.run(tasks)
    if json:
        cache = result.cache
        saved, spent = of_cost(cache.saved), of_cost(cache.spent)
        figures = {"hits": cache.hits, "misses": cache.misses, "reasons": dict(cache.reasons)}
        render.as_json({**figures, "saved": saved, "spent": spent, "failures": len(result.failures)})
    else:
        render.say(f"{graph.name}: {result.cache}")
    if result.failures:
        raise CacheError(
            f"{render.counted(len(result.failures), 'call')} failed, whose answers are not there; see above"
        )


def migrate(
    target: Target,
    *,
    accept_code: Annotated[
        bool, typer.Option("--accept-code", help="also what other code computed: you know that it still holds")
    ] = False,
    from_planai: Annotated[
        Path | None, typer.Option("--from-planai", help="take along what is in this cache folder of PlanAI")
    ] = None,
    i_trust_this_folder: Annotated[
        bool, typer.Option("--i-trust-this-folder", help="you know who wrote into the folder of --from-planai")
    ] = False,
    json: _Json = False,
) -> None:
    """Take the answers of earlier versions of a graph's workers along to the present ones, or those of PlanAI."""
    from planai.cache.migrating import MigratingTaskWorker  # noqa: PLC0415 - `planai cache ls` needs none of it

    with render.kept_for_json(json):
        graph, _ = load(target)
    if from_planai is not None:
        _from_planai(graph, from_planai, accept_code, i_trust_this_folder, json)
        return
    workers = [worker for worker in graph.workers if isinstance(worker, MigratingTaskWorker)]
    with render.kept_for_json(json):
        counts = {worker.cache_space: worker.migrate_cache(accept_code=accept_code) for worker in workers}
    if json:
        render.as_json({"migrated": counts})
    else:
        for space, count in sorted(counts.items()):
            render.say(f"{space}: {count} answers taken along")
    if not any(counts.values()):
        render.tell("nothing was to be taken along: each answer is there, or was computed by other code")


def _from_planai(graph: Graph, folder: Path, accept_code: bool, is_trusted: bool, as_json: bool) -> None:
    if not is_trusted:
        raise ConfigurationError(
            f"entries of PlanAI are pickles, which may be made to run anything. If you know who wrote into "
            f"{str(folder)!r}, say so with --i-trust-this-folder"
        )
    render.tell(
        "reading pickles, in a process of its own and without making any object of their classes. PlanAI's keys hold "
        "no code: what is taken along is what the workers' code of that time computed"
    )
    from planai.migration.taking import take_along  # noqa: PLC0415 - as above

    with render.kept_for_json(as_json):
        counts = take_along(graph, folder, accept_unverified=accept_code)
    if as_json:
        render.as_json({"entries": dict(counts)})
    else:
        for what, count in counts.most_common():
            render.say(f"{count} {what}")
    if counts and not (counts["taken"] or counts["there already"]):
        raise typer.Exit(1)


def load(target: str) -> tuple[Graph, Iterable[Any]]:
    """Return the graph and the initial tasks that a function of the user's makes.

    Raises:
        ConfigurationError: the target cannot be found, or does not return a graph and tasks.
    """
    from planai.graph import Graph  # noqa: PLC0415 - `planai cache ls` needs none of it

    place, _, name = target.rpartition(":")
    if not place or not name:
        raise ConfigurationError(f"{target!r} names no function: write module:function, or file.py:function")
    module = _module(place)
    found = getattr(module, name, None)
    if found is None:
        raise ConfigurationError(f"{place!r} has no {name!r}")
    made = _call(found, target) if callable(found) else found
    if isinstance(made, Graph):
        made = (made, [])
    if not (isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], Graph)):  # noqa: PLR2004 - a pair
        raise ConfigurationError(f"{target!r} returns a {type(made).__name__}: return (graph, initial_tasks)")
    return made


def _call(function: Callable[[], Any], target: str) -> Any:
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise ConfigurationError(f"{target!r} cannot be called without arguments: {error}") from error
    return function()


def _module(place: str) -> Any:
    """Import a module by its name or file; the current folder counts, as it does for ``python -m``."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            who = "" if error.name == place else f", which {place!r} is in or imports"
            raise ConfigurationError(f"there is no module {error.name!r}{who}") from error
    path = Path(place).resolve()
    if not path.is_file():
        raise ConfigurationError(f"there is no file {place!r}")
    sys.path.insert(0, str(path.parent))
    return importlib.import_module(path.stem)  # by the name under which a script's classes are kept, too


def _of_row(row: WorkerForecast) -> dict[str, Any]:
    return {
        "hits": row.hits,
        "misses": row.misses,
        "repeats": row.repeats,
        "unknown": row.unknown,
        "reasons": dict(row.reasons),
        "saved": of_cost(row.saved),
        "expected": None if row.expected is None else of_cost(row.expected),
    }
