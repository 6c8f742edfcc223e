"""Tables in narrow terminals, and what they say of errors."""

from __future__ import annotations

import io
import math
import re

import pytest
from rich.console import Console
from rich.table import Table

from mtnas.architecture import Tree
from mtnas.branching.advice import Advice, Choice
from mtnas.branching.leading_trees import RankedTree
from mtnas.cli.tables import print_advice, print_comparison, print_refined
from mtnas.cli.tables.console import print_fitting, print_in_parts
from mtnas.cli.tables.error_text import error_text


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


@pytest.mark.parametrize("width", [20, 41, 60, 200])
def test_a_table_that_is_too_wide_is_printed_in_parts(width: int) -> None:
    file, found = io.StringIO(), table()
    print_in_parts(found, 1, Console(file=file, width=width))
    shown = file.getvalue()
    parts = {20: 3, 41: 2, 60: 1, 200: 1}[width]
    assert shown.count("0123456789") == parts and shown.count("Networks") == 1
    assert [shown.count(text) for text in ("0.0312", "10,748", "202,032")] == [1, 1, 1] or width == 20


def test_trees_of_many_tasks_are_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    tree = Tree.shared(40, 3)
    ranked = RankedTree(tree, energy=0.5, cost=1234, behind=0, noise=0, confidence=1)
    print_advice(0.5, Advice(2000, (ranked,), (Choice("b0", "t1", 0.1, 0.9),), lambda: tree))
    lines = capsys.readouterr().out
    assert "1,234" in lines and "0.500" in lines
    assert "".join(re.findall(r"^│ (.*?) │", lines, re.MULTILINE)).replace(" ", "") == str(tree)


@pytest.mark.parametrize(
    ("error", "sign", "text"),
    [
        (0.03125, "", "0.0312"),
        (0.00124, "+", "+0.0012"),
        (0.00002345, "", "2.35e-05"),
        (-0.00025, "+", "-0.00025"),
        (0.0, "+", "+0.0000"),
        (9.99994, "", "9.9999"),
        (-1234.56, "+", "-1,234.56"),
        (123456.7, "", "123,456.70"),
        (math.nan, "", "nan"),
    ],
)
def test_errors_are_printed_in_their_own_unit(error: float, sign: str, text: str) -> None:
    assert error_text(error, sign=sign) == text


def test_errors_of_regression_are_not_called_percent(capsys: pytest.CaptureFixture[str]) -> None:
    """Half a metre off is no 50 percent."""
    errors = {"valid/mean": 0.4, "test/mean": 0.35, "test/depth": 0.5, "test/item": 0.2}
    about = {"params": 10, "macs": 100, "delta_m": 0.0125}
    line = {"id": "0123456789", "corner": "", "tree": "01|0.1", "integer_nodes": 0, "how": "fine-tuned"}
    print_refined({"tasks": ["depth", "item"], "rows": [{**line, **about, **errors, "inherited": 0.45}]})
    spread = {f"{name}/sd": 0.01 for name in errors}
    network = {"network": "the candidate", "factor": 1.0, "runs": 2, **about, **errors, **spread}
    print_comparison({"candidate": "0123456789", "tree": "01|0.1", "tasks": ["depth", "item"], "networks": [network]})
    shown = capsys.readouterr().out
    assert "0.5000 " in shown and "0.5000 +- 0.0100" in shown and shown.count("1.25 ") == 2
    assert "percent" not in shown and "50.00" not in shown
