"""Which rows a command takes where none are named."""

from __future__ import annotations

from collections.abc import Sequence

from mtnas.errors import RunError
from mtnas.results import MEAN_ERROR, Results, Row


def by_mean_error(rows: Sequence[Row]) -> list[Row]:
    """Rows by rising mean error."""
    return sorted(rows, key=lambda row: (row.costs[MEAN_ERROR], row.number))


def members(results: Results, count: int) -> list[Row]:
    """At most ``count`` members of the front, spread over the mean error.

    Raises:
        RunError: if the front has none.
    """
    if not results.rows:
        raise RunError("nothing is measured yet; search first")
    front = by_mean_error(results.front())
    if not front:
        raise RunError(
            f"none of the {len(results.rows)} measured rows meets the run's budgets, so that there is no front; name"
            " candidates (--candidate), or search with higher budgets"
        )
    return spread(front, count)


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """At most ``count`` of the rows, evenly spaced, first and last included."""
    if len(rows) <= count:
        return list(rows)
    if count == 1:
        return [rows[0]]
    return [rows[round(i * (len(rows) - 1) / (count - 1))] for i in range(count)]
