"""The ``planai`` command."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from planai.cli import cache, graphs, optimize, planai_cache
from planai.errors import PlanaiError

app = typer.Typer(
    help="Run typed task graphs once, and keep their answers.", no_args_is_help=True, pretty_exceptions_enable=False
)
for _command in (graphs.plan, graphs.warm, graphs.migrate):
    cache.app.command()(_command)
cache.app.command(planai_cache.NAME, hidden=True)(planai_cache.of_folder)
app.add_typer(cache.app, name="cache", cls=planai_cache.FolderFirst)
app.command()(optimize.optimize_prompt)


@app.callback()
def _planai(
    context: typer.Context,
    llm_provider: Annotated[str | None, typer.Option(help="provider of the models of optimize-prompt")] = None,
    llm_model: Annotated[str | None, typer.Option(help="the worker's model in optimize-prompt")] = None,
    llm_reason_model: Annotated[str | None, typer.Option(help="the model that proposes and judges there")] = None,
) -> None:
    """Keep ``planai`` a command with sub-commands, and take what PlanAI's has before its command."""
    given = {"llm_provider": llm_provider, "llm_model": llm_model, "llm_opt_model": llm_reason_model}
    context.default_map = {"optimize-prompt": {name: value for name, value in given.items() if value is not None}}


@app.command()
def version() -> None:
    """Print the version."""
    from planai import __version__  # noqa: PLC0415 - `planai --help` needs none of it

    print(__version__)


@app.command()
def demo(
    llm: Annotated[str, typer.Option(help="provider:model, 'embedded', or 'none'")] = "embedded",
    limit: Annotated[int | None, typer.Option(help="read so many modules only", min=1)] = None,
    classify: Annotated[int, typer.Option(help="ask the model about so many modules", min=0)] = 36,
    folder: Annotated[Path, typer.Option(help="where the cache and the report go")] = Path("planai-demo"),
) -> None:
    """Analyse the source of Python's own standard library, and write a report. Run it twice."""
    from planai.demo.show import show  # noqa: PLC0415 - `planai --help` needs none of it

    show(llm=llm, limit=limit, classify=classify, folder=folder)


def _terminated(number: int, frame: FrameType | None) -> None:
    """Do what Ctrl-C does: calls that are running come to their end, and what they have computed is kept."""
    signal.raise_signal(signal.SIGINT)


def main(args: list[str] | None = None) -> None:
    """Run the command; a mistake that planai explains ends it with a message instead of a traceback.

    Args:
        args: what is written after ``planai``; None for what this process was called with. Given, it returns when the
            command has worked.
    """
    if args is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGTERM, _terminated)
    try:
        app(args)
    except SystemExit as end:
        if args is None or end.code:
            raise
    except KeyboardInterrupt:
        sys.exit(130)  # what a shell says of a command that Ctrl-C ended; the run has said what it keeps
    except PlanaiError as error:
        print(f"planai: {error}", file=sys.stderr)
        sys.exit(1)
