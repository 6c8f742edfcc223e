"""The command and its panels. Starts fast: torch and optuna are imported by the steps only."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mtnas import __version__
from mtnas.cli.beginning import panel as beginning
from mtnas.cli.looking import panel as looking
from mtnas.cli.opening import panel as opening
from mtnas.cli.output import say_error, set_volume
from mtnas.cli.searching import panel as searching
from mtnas.cli.shipping import panel as shipping
from mtnas.errors import MtnasError

_ANYWHERE = ("--quiet", "--verbose")
"""Options of the whole command that are understood behind the name of one, too."""


class _Group(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """With those options in front that may stand anywhere."""
        end = args.index("--") if "--" in args else len(args)
        moved = [one for one in args[:end] if one in _ANYWHERE]
        return super().parse_args(ctx, [*moved, *(one for one in args[:end] if one not in _ANYWHERE), *args[end:]])

    def invoke(self, ctx: Any) -> Any:
        """Says what to do after Ctrl-C, where Typer would only say that it aborted."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("interrupted; the same command goes on where it stopped", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Group,
    help="Multi-task neural architecture search: train one supernetwork, search branched networks, get a Pareto front.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for panel in (beginning, searching, looking, opening, shipping):
    app.registered_commands += panel.registered_commands


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mtnas {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", help="Print results and errors only: no progress, no remarks. Also behind the command."
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", help="Show tracebacks of errors, and what libraries log. Also behind the command."),
    ] = False,
) -> None:
    """Multi-task neural architecture search: train one supernetwork, search branched networks, get a Pareto front."""
    set_volume(quiet, verbose)


def main() -> None:
    """Entry point: errors of the user are one sentence on standard error and exit status 1; Ctrl-C is 130."""
    try:
        app()
    except MtnasError as error:
        say_error(error)
        sys.exit(1)
