"""Tables in narrow terminals."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from mtnas.cli.tables.console import print_fitting


def table() -> Table:
    found = Table(title="Networks")
    found.add_column("id", no_wrap=True)
    for column in ("error left digit", "params", "macs"):
        found.add_column(column, justify="right")
    found.add_row("0123456789", "0.0312", "10,748", "202,032")
    return found


@pytest.mark.parametrize(
    ("width", "there", "missing"),
    [
        (60, ["error", "0.0312", "10,748", "202,032"], ""),
        (41, ["error", "0.0312", "10,748"], "No room for macs:"),
        (31, ["10,748"], "No room for macs, error left digit:"),
    ],
)
def test_columns_that_do_not_fit_are_named_and_no_number_is_cut(width: int, there: list[str], missing: str) -> None:
    file = io.StringIO()
    print_fitting(table(), [["macs"], ["error left digit"]], Console(file=file, width=width))
    shown = " ".join(file.getvalue().split())
    assert "0123456789" in shown and "…" not in shown
    assert all(word in shown for word in there)
    assert ("202,032" in shown) == (width == 60)
    assert missing in shown and ("No room" in shown) == bool(missing)
