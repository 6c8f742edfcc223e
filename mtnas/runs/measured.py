"""Measured rows and results of a run, read from its files alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mtnas.architecture import Candidate
from mtnas.errors import RunError
from mtnas.latency import LATENCY
from mtnas.results import Results, Row, possible_cost_names
from mtnas.runs.latencies import read_latencies
from mtnas.runs.run import Run
from mtnas.runs.study_file import reading_study

CANDIDATE, COSTS = "candidate", "costs"
"""Attributes of a trial that make its row."""

_ATTRIBUTES = """
    SELECT trials.number, attributes.key, attributes.value_json
    FROM trials LEFT JOIN trial_user_attributes AS attributes USING (trial_id)
    WHERE trials.study_id = :study AND trials.state = 'COMPLETE'
    ORDER BY trials.number
"""


def read_results(run: Run) -> Results:
    """Results of a run so far. Reads the manifest and the study; runs no code of the space and needs no data."""
    manifest = run.manifest.read()
    if "study" not in manifest:
        raise RunError(f"the run {run.path} has no results yet; search first")
    space, costs = run.architectures()
    known = possible_cost_names(space.tasks)
    try:
        objectives = tuple(manifest["search"]["objectives"])
        budgets, reference = dict(manifest["study"]["budgets"]), dict(manifest.get("reference", {}))
        intact = all(name in known for name in (*objectives, *budgets, *reference)) and all(
            isinstance(value, (int, float)) and value > 0 for value in (*budgets.values(), *reference.values())
        )
    except (KeyError, TypeError, ValueError):
        intact = False
    if not intact:
        raise RunError(
            f"the manifest {run.manifest.path} is damaged (search, study or reference);"
            " restore it, or use another run directory"
        )
    rows = _with_confirmed(run, manifest["search"].get("target"), read_rows(run))
    return Results(space, costs, objectives, budgets, reference, rows)


def _with_confirmed(run: Run, target: Mapping[str, Any] | None, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows with the latencies that were measured on the search's target since."""
    if target is None:
        return rows
    found = {one.candidate: one.latency.ms for one in read_latencies(run) if one.target == target}
    return tuple(
        replace(row, costs={**row.costs, LATENCY: found[row.candidate]}) if row.candidate in found else row
        for row in rows
    )


def read_rows(run: Run, *, patience_s: float = 30.0) -> tuple[Row, ...]:
    """Measured rows of a run, without writing to it; no rows if no search was started.

    Args:
        run: another process may be searching it.
        patience_s: seconds to wait for that process to finish what it is writing.
    """
    known = run.manifest.read().get("study")
    if known is None:
        return ()
    trials: dict[int, dict[str, Any]] = {}
    with reading_study(run, known, _ATTRIBUTES, patience_s) as attributes:
        for number, key, value in attributes:
            trials.setdefault(number, {})
            if key in (CANDIDATE, COSTS):
                trials[number][key] = json.loads(value)
        return tuple(as_row(number, found) for number, found in enumerate(trials.values()))


def as_row(number: int, attributes: Mapping[str, Any]) -> Row:
    """The row of a trial's attributes; ValueError, KeyError or TypeError if they are not those of a row."""
    costs = dict(attributes[COSTS])
    if not costs or not all(isinstance(cost, (int, float)) for cost in costs.values()):
        raise ValueError(f"row {number} has costs {costs}")
    return Row(number, Candidate.from_json(attributes[CANDIDATE]), costs)
