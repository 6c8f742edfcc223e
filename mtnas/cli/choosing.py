"""Which rows a command takes where none are named."""

from __future__ import annotations

from collections.abc import Sequence

from mtnas.results import MEAN_ERROR, Row


def by_mean_error(rows: Sequence[Row]) -> list[Row]:
    """Rows by rising mean error."""
    return sorted(rows, key=lambda row: (row.costs[MEAN_ERROR], row.number))


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """At most ``count`` of the rows, evenly spaced, first and last included."""
    if len(rows) <= count:
        return list(rows)
    if count == 1:
        return [rows[0]]
    return [rows[round(i * (len(rows) - 1) / (count - 1))] for i in range(count)]
