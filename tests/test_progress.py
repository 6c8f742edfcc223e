"""Progress of long work, in a terminal and elsewhere."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from mtnas.progress import live, number, progress, sparkline


def shown(width: int = 100) -> tuple[io.StringIO, Console]:
    file = io.StringIO()
    return file, Console(file=file, force_terminal=True, width=width, color_system=None)


def test_a_terminal_has_a_bar_a_text_and_a_row_for_each_figure() -> None:
    file, console = shown()
    losses = iter([4.5, 1.5, 2.5])
    with live("training", 5, 2, console, every_s=0) as advance:
        for phase in ("hard sharing", "parting", "all [trees]"):
            advance(phase, lambda: {"loss a": next(losses), "count": 12345})
    last = file.getvalue().rsplit("training", 1)[1].splitlines()
    assert "5/5" in last[0] and last[1].strip() == "all [trees]"  # no markup
    assert [line.split() for line in last[2:4]] == [["loss", "a", "2.500", "█▁▃"], ["count", "12,345", "▁▁▁"]]


def test_a_narrow_terminal_cuts_the_text_and_not_the_figures() -> None:
    file, console = shown(40)
    with live("search", 1, 0, console) as advance:
        advance("a text that is longer than the terminal is wide", lambda: {"hypervolume": 0.25})
    last = file.getvalue().rsplit("search", 1)[1]
    assert "longer than" in last and "is wide" not in last and "hypervolume  0.2500" in last


def test_figures_are_asked_for_now_and_then_only() -> None:
    _, console = shown()
    asked = 0

    def figures() -> dict[str, float]:
        nonlocal asked
        asked += 1
        return {"a": 1.0}

    with live("search", 1000, 0, console, every_s=3600) as advance:
        for _ in range(1000):
            advance("", figures)
    assert asked == 2  # the first and the last


def test_elsewhere_there_are_lines_with_figures(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("search", 3, 1, every_s=0) as advance:
        advance("so far", lambda: {"hypervolume": 0.5, "rows": 2})
        advance("the end")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("search 2/3  0 s, 0 s left  so far  hypervolume 0.5000  rows 2")
    assert lines[1].startswith("search 3/3") and lines[1].endswith("the end")


def test_nothing_is_asked_or_printed_where_it_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def figures() -> Any:
        raise AssertionError

    with progress("search", 1, show=False) as advance:
        advance("text", figures)
    assert capsys.readouterr() == ("", "")


def test_a_sparkline_has_the_last_values_between_least_and_largest() -> None:
    assert sparkline([0, 7, 3.5]) == "▁█▅" and sparkline([2, 2]) == "▁▁"
    assert sparkline(range(100), width=8) == "▁▂▃▄▅▆▇█"


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0.012346, 3, 12345.6, 99.999)] == ["0.01235", "3", "12,346", "100.0"]
