"""Where tables are printed, and how they begin."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def console() -> Console:
    """Tables keep their columns in files and pipes, which have no width of their own."""
    found = Console()
    return found if found.is_terminal else Console(width=200)


def titled_table(title: str, *columns: str) -> Table:
    """A table with its title above, at the left."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column)
    return table
