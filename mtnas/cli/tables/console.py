"""Where tables are printed, how they begin, and what of them fits."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.markup import render
from rich.table import Column, Table


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


def print_fitting(table: Table, spare: Sequence[Sequence[str]], to: Console | None = None) -> None:
    """Print a table without columns for which a narrow terminal has no room, and say which these are.

    Cells are not cut: half a number is worse than none.

    Args:
        table: all of its columns are named.
        spare: names of columns that go together, those that are missed least first.
        to: where; None: `console()`.
    """
    to, missing = to or console(), list[str]()
    for names in spare:
        if _least_width(table) <= to.width:
            break
        missing += [str(column.header) for column in table.columns if column.header in names]
        table.columns = [column for column in table.columns if column.header not in names]
    to.print(table)
    if missing:
        to.print(f"No room for {', '.join(missing)}: a wider terminal shows them, and so does --json.")


def print_in_parts(table: Table, heads: int, to: Console | None = None) -> None:
    """Print a table that is too wide as several, one below the other, each with as many columns as have room.

    Args:
        heads: columns at the left that each of them begins with.
        to: where; None: `console()`.
    """
    to, first, rest = to or console(), table.columns[:heads], table.columns[heads:]
    title = table.title
    while True:
        room = to.width - 1 - sum(_column_width(column) + 3 for column in first)
        count = 0
        while count < len(rest) and (room := room - _column_width(rest[count]) - 3) >= 0:
            count += 1
        count = max(1, count)
        table.columns, rest = [*first, *rest[:count]], rest[count:]
        table.title = title
        to.print(table)
        title = None
        if not rest:
            return


def _least_width(table: Table) -> int:
    """With a line and two spaces to every column."""
    return 1 + sum(_column_width(column) + 3 for column in table.columns)


def _column_width(column: Column) -> int:
    """Of its longest word; of its longest cell if that must not be wrapped."""
    header, cells = render(str(column.header)).plain, [render(str(cell)).plain for cell in column.cells]
    words = [word for text in (header, *([] if column.no_wrap else cells)) for word in text.split()]
    return max(map(cell_len, [*words, *(cells if column.no_wrap else [])]), default=0)
