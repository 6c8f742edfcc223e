"""Measured rows and results of a run, read from its files alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mtnas.architecture import Candidate
from mtnas.errors import RunError
from mtnas.json_values import finite, parse_json, text, whole
from mtnas.latency import LATENCY
from mtnas.results import Results, Row
from mtnas.runs.latencies import read_latencies
from mtnas.runs.row_checks import RowCheck
from mtnas.runs.run import Run
from mtnas.runs.searched import read_searched
from mtnas.runs.study_file import Ask, reading_study

CANDIDATE, COSTS = "candidate", "costs"
"""Attributes of a trial that make its row."""

_STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")
"""Of a trial; only what is complete was measured."""

# In this order: a trial that another process writes meanwhile, as a whole, is either not among the first lines, or has
# all of the others.
_TRIALS = "SELECT trials.trial_id, trials.number, trials.state FROM trials WHERE study_id = :study ORDER BY number"
_ATTRIBUTES = f"""
    SELECT attributes.trial_id, attributes.key, attributes.value_json
    FROM trials JOIN trial_user_attributes AS attributes USING (trial_id)
    WHERE trials.study_id = :study AND attributes.key IN ('{CANDIDATE}', '{COSTS}')
"""
_VALUES = """
    SELECT found.trial_id, found.objective, found.value, found.value_type
    FROM trials JOIN trial_values AS found USING (trial_id)
    WHERE trials.study_id = :study ORDER BY found.trial_id, found.objective
"""


def read_results(run: Run) -> Results:
    """Results of a run so far. Reads the manifest and the study; runs no code of the space and needs no data.

    Raises:
        RunError: if nothing was searched, or a file is damaged: that is so too where what is read contradicts itself.
    """
    space, costs = run.architectures()
    searched = read_searched(run, space)
    if searched is None:
        raise RunError(f"the run {run.path} has no results yet; search first")
    rows = _with_confirmed(run, searched.target, read_rows(run))
    return Results(space, costs, searched.objectives, searched.budgets, searched.reference, rows)


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

    Raises:
        RunError: if the manifest or the study is damaged, or a row contradicts itself.
    """
    if "study" not in run.manifest.read():
        return ()
    space, costs = run.architectures()
    searched = read_searched(run, space)
    if searched is None:
        return ()
    check = RowCheck(space, costs, searched)
    rows: list[Row] = []
    with reading_study(run, searched.study, patience_s) as ask:
        for attributes, values in _measured(ask):
            row = as_row(len(rows), attributes)
            check(row, values)
            rows.append(row)
        check.end()
    return tuple(rows)


def _measured(ask: Ask) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Attributes and values of the trials that were measured, in the order of their numbers."""
    states = _states(ask)
    attributes: dict[int, dict[str, Any]] = {trial: {} for trial in states}
    for trial, key, value in ask(_ATTRIBUTES):
        if states.get(trial) == "COMPLETE":
            attributes[trial][key] = parse_json(text(value))
    values: dict[int, list[float]] = {trial: [] for trial in states}
    for trial, objective, value, kind in ask(_VALUES):
        if trial not in states:  # of a trial that another process has just added
            continue
        if objective != len(values[trial]) or kind != "FINITE":
            raise ValueError("the values of a trial are not one finite number for each objective")
        values[trial].append(finite(value))
    for trial, state in states.items():
        if state == "COMPLETE":
            yield attributes[trial], values[trial]
        elif values[trial]:
            raise ValueError(f"a trial that is {state} has values")


def _states(ask: Ask) -> dict[int, str]:
    """States of the trials by id, in the order of their numbers."""
    states: dict[int, str] = {}
    last: int | None = None
    for trial, place, state in ask(_TRIALS):
        if place != len(states):  # a trial is written as a whole and never taken away
            raise ValueError(f"trial {len(states)} is missing, or is there twice")
        if last is not None and whole(trial) <= last:  # a later trial has a later id
            raise ValueError(f"trial {place} is in another's place")
        if state not in _STATES:
            raise ValueError(f"trial {place} is in a state that is not known")
        last = whole(trial)
        states[last] = state
    return states


def as_row(number: int, attributes: Mapping[str, Any]) -> Row:
    """The row of a trial's attributes; ValueError, KeyError or TypeError if they are not those of a row."""
    costs = attributes[COSTS]
    if not isinstance(costs, dict) or not costs:
        raise ValueError(f"row {number} has no costs")
    for name, cost in costs.items():
        if not is_cost(cost):
            raise ValueError(f"row {number} has {name} = {cost}")
    return Row(number, Candidate.from_json(attributes[CANDIDATE]), dict(costs))


def is_cost(value: object) -> bool:
    """Whether a value is a finite number."""
    try:
        finite(value)
    except (TypeError, ValueError):
        return False
    return True
