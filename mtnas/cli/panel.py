"""Commands that stand together in the help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., Any])

DATA = "The data folder is read from MTNAS_DATA when --data-dir is not given."
"""Below the examples of commands that read data."""


class Panel:
    """Commands under one heading of ``mtnas --help``.

    Args:
        title: the heading.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._commands = typer.Typer()
        self.registered_commands = self._commands.registered_commands

    def command(self, example: str, more: str = "") -> Callable[[Command], Command]:
        """Make a function a command of the panel.

        Args:
            example: a whole line that a user may type.
            more: to be said below it.
        """
        return self._commands.command(
            epilog=f"Example:\n\n[bold]{example}[/bold]\n\n{more}", rich_help_panel=self.title
        )
