"""Changes that no check can tell from the truth, for want of a digest: worked out anew, not by the package's checks.

A manifest and a study are text and tables that people may edit. A number that stands in one place only, and is still a
possible one, may have been there from the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mtnas.refining import RefinedRows, read_refined
from mtnas.results import Results
from mtnas.runs import Run, read_results


@dataclass(frozen=True)
class Truth:
    """What the undamaged run has."""

    results: Results
    refined: RefinedRows

    @classmethod
    def of(cls, path: Path) -> Truth:
        run = Run(path)
        return cls(read_results(run), read_refined(run))


def is_valid_edit(file: str, path: Path, truth: Truth) -> bool:
    """Whether what is read of a damaged run differs from the truth by what is said once only.

    Args:
        file: that was damaged.
        path: of the run.
        truth: before.
    """
    run = Run(path)
    if file == "latencies.json":  # every latency stands there once
        return True
    if file == "refined":
        return _refined_differ_in_what_is_said_once(truth.refined, read_refined(run))
    if file == "supernet.safetensors":
        return False
    found, known = read_results(run), truth.results
    same = (found.objectives, found.space.tasks) == (known.objectives, known.space.tasks)
    if file == "manifest.json":
        # Budgets, the reference point, and what no row uses: names and costs of options, where branching is allowed.
        return same and found.rows == known.rows
    # The last trials may never have been there; figures of predictors stand in a study once.
    return file == "study.db" and same and found.rows == known.rows[: len(found.rows)]


def _refined_differ_in_what_is_said_once(known: RefinedRows, found: RefinedRows) -> bool:
    """Test errors, and the epoch of weights that were best before and after the training."""
    return len(known.rows) == len(found.rows) and all(
        (one.candidate, one.how, one.valid) == (other.candidate, other.how, other.valid)
        for one, other in zip(known.rows, found.rows, strict=True)
    )
