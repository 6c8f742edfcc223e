"""What all files of a finished training have: errors by task, and the epoch that was kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mtnas.json_values import finite, listed, null_unless_finite
from mtnas.runs.row_checks import mean_of


def task_errors_in(row: Mapping[str, Any], split: str, tasks: Sequence[str]) -> dict[str, float]:
    """Errors by task of a split; none at all for a test split that is not there.

    Raises:
        KeyError, TypeError or ValueError: unless they are finite numbers, one for each task.
    """
    value = row[split]
    if not isinstance(value, dict):
        raise TypeError(f"its {split} errors are no object")
    if set(value) != set(tasks) and (value or split != "test"):
        raise ValueError(f"its {split} errors are not those of the tasks {', '.join(tasks)}")
    found = {task: float(finite(error)) for task, error in value.items()}
    if found:
        mean_of(found)
    return found


def history_in(row: Mapping[str, Any], tasks: Sequence[str]) -> list[dict[str, float]]:
    """Errors by task after every epoch, as `epoch_errors` has them; none in files of earlier versions.

    Raises:
        TypeError or ValueError: unless they are numbers or null, one for each task.
    """
    return [epoch_errors(one, tasks) for one in listed(row.get("history", []))]


def epoch_errors(value: Any, tasks: Sequence[str]) -> dict[str, float]:
    """Errors by task after an epoch: NaN where one was not finite, which files have as null. Raises as `history_in`."""
    if not isinstance(value, dict) or set(value) != set(tasks):
        raise ValueError(f"the errors of an epoch are not those of the tasks {', '.join(tasks)}")
    known = null_unless_finite(value)
    found = {task: math.nan if error is None else float(finite(error)) for task, error in known.items()}
    score(found)
    return found


def score(errors: Mapping[str, float]) -> float:
    """The mean error, by which epochs are told apart; infinite if an error is not finite: no epoch is worse."""
    return mean_of(errors) if all(map(math.isfinite, errors.values())) else math.inf


def check_kept(row: Mapping[str, Any], epoch: int, valid: Mapping[str, float]) -> None:
    """Raise TypeError or ValueError unless the errors are those of the epoch that was kept, and no epoch was better.

    Args:
        epoch: that was kept, from 1; 0: the weights as they were at the start.
        valid: errors by task on the validation split.
    """
    if epoch < 0:
        raise ValueError(f"it kept epoch {epoch}")
    if "history" not in row:  # of earlier versions
        return
    history = history_in(row, tuple(valid))
    if epoch > len(history) or (epoch and history[epoch - 1] != valid):
        raise ValueError(f"its errors are not those of epoch {epoch}")
    if any(score(errors) < score(valid) for errors in history):
        raise ValueError(f"epoch {epoch} was not the best")
