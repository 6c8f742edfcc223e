"""The best measured row under a preference over tasks and budgets that are stated afterwards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from mtnas.errors import SearchError, unknown_name
from mtnas.limits import as_limits, check_number
from mtnas.results.cost_names import MEAN_ERROR
from mtnas.results.results import Results, Row


def pick(
    results: Results, weights: Mapping[str, float] | None = None, budgets: Mapping[str, float] | None = None
) -> Row:
    """The row of lowest weighted error among those within the budgets. Nothing is trained or measured.

    The chosen row is looked for among all rows, not only on the run's front: a tighter budget on a cost that is no
    objective may leave rows that were dominated before. No row within the budgets is at least as good in every
    error, params and macs and better in one. Of rows with equal weighted error, the one with the fewest params is
    taken, then of the lowest mean error, then of the fewest macs, then the one measured first.

    Args:
        results: of a search.
        weights: how much each task's error counts, 1 for tasks without one; see `weighted_error`.
        budgets: hard upper limits by cost name, on measured values. They are added to those of the run.

    Raises:
        SearchError: for an unknown task or cost, a weight or limit that makes no sense, or budgets that no row meets.
    """
    full = task_weights(results.space.tasks, weights or {})
    rows = _within(results, budgets or {})

    def rank(row: Row) -> tuple[float, ...]:
        error = weighted_error(row, full)
        return error, row.costs["params"], row.costs[MEAN_ERROR], row.costs["macs"], row.number

    return min(rows, key=rank)


def task_weights(tasks: Iterable[str], weights: Mapping[str, float]) -> dict[str, float]:
    """The weight of every task, 1 where none is given.

    Raises:
        SearchError: for an unknown task, a negative weight, or weights that are all 0.
    """
    full = dict.fromkeys(tasks, 1.0)
    for task, weight in weights.items():
        if task not in full:
            raise SearchError(f"weights: {unknown_name('task', task, full)}")
        check_number(SearchError, f"the weight of {task}", weight, at_least=0)
        full[task] = weight
    if not any(full.values()):
        raise SearchError(f"the weights of all tasks are 0 ({', '.join(full)}); give at least one that is above 0")
    return full


def weighted_error(row: Row, weights: Mapping[str, float]) -> float:
    """Weighted mean of a row's errors, plain ones as in its mean error; a weight of 0 ignores the task.

    Only ratios of weights matter. `Task.weight`, a factor of the training loss, plays no role here.

    Args:
        weights: of every task, as `task_weights` gives them.
    """
    _, exponent = math.frexp(max(weights.values()))  # a power of two takes sums of huge weights back, exactly
    shares = {task: math.ldexp(weight, -exponent) for task, weight in weights.items()}
    return math.fsum(share * row.costs[f"error/{task}"] for task, share in shares.items()) / math.fsum(shares.values())


def _within(results: Results, budgets: Mapping[str, float]) -> list[Row]:
    """Rows that meet the given budgets and the run's own; SearchError if there are none."""
    limits = dict(results.budgets)
    for name, limit in as_limits(SearchError, "budget", budgets).items():
        results.values(name)  # names the nearest cost if there is no such one
        limits[name] = min(limit, limits.get(name, limit))
    found = [row for row in results.rows if all(row.costs[name] <= limit for name, limit in limits.items())]
    if found:
        return found
    if not results.rows:
        raise SearchError("nothing is measured yet; search first")
    smallest = {name: float(results.values(name).min()) for name in limits}
    missed = [name for name, limit in limits.items() if smallest[name] > limit]
    told = missed or list(limits)
    stated = " and ".join(f"{name} <= {limits[name]:,g}" for name in told) + ("" if missed else " together")
    reached = ", ".join(f"{name} {smallest[name]:,g}" for name in told)
    raise SearchError(
        f"none of the {len(results.rows)} measured rows meets {stated} (smallest measured: {reached});"
        " raise a budget, or search with it"
    )
