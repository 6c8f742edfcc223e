"""What all files of a finished training have: errors by task, and the epoch that was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtnas.json_values import finite, listed
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
    history = [task_errors_in({"history": one}, "history", tuple(valid)) for one in listed(row["history"])]
    if epoch > len(history) or (epoch and history[epoch - 1] != valid):
        raise ValueError(f"its errors are not those of epoch {epoch}")
    if any(mean_of(errors) < mean_of(valid) for errors in history):
        raise ValueError(f"epoch {epoch} was not the best")
