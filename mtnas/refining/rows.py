"""What refined candidates reached, beside what they had inherited."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mtnas.architecture import ArchitectureSpace, Candidate, CostTable
from mtnas.errors import RunError, brief
from mtnas.json_values import is_there, read_json, text, whole
from mtnas.refining.row_files import check_kept, task_errors_in
from mtnas.results import corners, largest_corner, mean_error
from mtnas.runs import Run

HOWS = ("fine-tuned", "from scratch")
"""How a candidate may have been trained."""


@dataclass(frozen=True)
class RefinedRow:
    """One trained candidate.

    Attributes:
        candidate: what was trained.
        how: ``fine-tuned`` (from inherited weights) or ``from scratch``.
        valid: errors by task on the validation split, at the epoch that was kept.
        test: errors by task on the test split, measured once, after all choices; empty without a test split.
        epoch: number of the epoch that was kept, from 1; 0: the weights as they were at the start.
        settings: of the training, as `RefineSettings.to_json` tells them.
    """

    candidate: Candidate
    how: str
    valid: Mapping[str, float]
    test: Mapping[str, float]
    epoch: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of the row's folder."""
        return f"{self.candidate.id}-{self.how.replace(' ', '-')}"


@dataclass(frozen=True)
class RefinedRows:
    """Refined candidates of a run."""

    space: ArchitectureSpace
    cost_table: CostTable
    rows: tuple[RefinedRow, ...]

    def to_frame(self) -> pd.DataFrame:
        """One line per row: id, corner, tree, how, costs, validation and test errors, Delta_m."""
        names = {architecture: name for name, architecture in corners(self.space, self.cost_table).items()}
        lines = []
        for row in self.rows:
            architecture = row.candidate.architecture
            lines.append(
                {
                    "id": row.candidate.id,
                    "corner": names.get(architecture, ""),
                    "tree": str(architecture.tree),
                    "how": row.how,
                    "integer_nodes": len(row.candidate.policy.nodes),
                    **self.cost_table.of(self.space, architecture),
                    "epoch": row.epoch,
                    **{f"valid/{task}": error for task, error in row.valid.items()},
                    "valid/mean": mean_error(row.valid),
                    **{f"test/{task}": error for task, error in row.test.items()},
                    "test/mean": mean_error(row.test) if row.test else math.nan,
                    "delta_m": self.delta_m(row),
                }
            )
        return pd.DataFrame(lines)

    def delta_m(self, row: RefinedRow) -> float:
        """Mean relative gain in test error over the single-task networks that were trained the same way.

            Delta_m = 1/T sum_t (E_t,single - E_t) / E_t,single

        (arXiv 1904.08918, for errors; above zero is better.) The single-task networks are the largest ones; where
        a block has fewer copies than there are tasks, those of as many groups. NaN if they were not refined, or with
        other settings, have an error of zero, or there is no test split.
        """
        named = corners(self.space, self.cost_table)
        single = named.get(largest_corner(named, split=True))
        in_float = [r for r in self.rows if r.candidate.architecture == single and not r.candidate.policy.nodes]
        base = next((r for r in in_float if r.how == row.how and _alike(row, r)), None)
        if base is None or not row.test or any(error == 0 for error in base.test.values()):
            return math.nan
        return math.fsum((base.test[t] - row.test[t]) / base.test[t] for t in base.test) / len(base.test)


def _alike(row: RefinedRow, base: RefinedRow) -> bool:
    """Whether both were trained with the same settings in float; those of quantization are a policy's alone."""
    return all(row.settings.get(name) == value for name, value in base.settings.items())


def read_refined(run: Run) -> RefinedRows:
    """All refined candidates of a run, by folder name. Runs no code of the space.

    Raises:
        RunError: if a row or the manifest is damaged.
    """
    space, costs = run.architectures()
    rows = []
    for path in sorted(folder / "row.json" for folder in (run.path / "refined").glob("*")):
        if not is_there(path):  # it is being trained
            continue
        try:
            value = read_json(path)
            row = RefinedRow(
                Candidate.from_json(value["candidate"]),
                text(value["how"]),
                task_errors_in(value, "valid", space.tasks),
                task_errors_in(value, "test", space.tasks),
                whole(value["epoch"]),
                dict(value["settings"]),
            )
            _check(row, value, space, path.parent.name)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise RunError(
                f"{path} is damaged ({brief(error)}); delete its folder to refine that candidate again"
            ) from error
        rows.append(row)
    return RefinedRows(space, costs, tuple(rows))


def _check(row: RefinedRow, value: Mapping[str, Any], space: ArchitectureSpace, folder: str) -> None:
    """Raise ValueError if a row contradicts itself, its space, or where it lies: weights are looked for by its key."""
    space.check(row.candidate.architecture)
    if row.how not in HOWS:
        raise ValueError("how it was trained is not known")
    if value.get("id", row.candidate.id) != row.candidate.id or folder != row.key:
        raise ValueError(f"it is of candidate {row.candidate.id}, {row.how}")
    check_kept(value, row.epoch, row.valid)
