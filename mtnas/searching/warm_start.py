"""Rows of another run that a search begins from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from optuna.trial import FrozenTrial, create_trial

from mtnas.architecture import Candidate
from mtnas.errors import ArchitectureError, RunError, SearchError, brief
from mtnas.json_values import listed, read_json
from mtnas.predicting.spread import evenly_spread
from mtnas.quantizing import JointCosts
from mtnas.results import MEAN_ERROR, Results, Row
from mtnas.results.front import non_dominated
from mtnas.runs import Run
from mtnas.runs.measured import CANDIDATE, COSTS, as_row
from mtnas.searching.parameters import Parameters

FILE = "earlier.json"
"""Name of the copy of the other run's rows in the run directory."""


class EarlierRows:
    """Rows that were measured with another supernetwork: good to begin from, never taken for rows of this run.

    Attributes:
        rows: those whose candidate is a member of this run's space, with that space's exact costs.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)

    @classmethod
    def of(cls, run: Run, joint: JointCosts, needed: Sequence[str], given: Results | None) -> EarlierRows:
        """Those that this run began from, or now begins from. They are copied, so that the other run may go, or grow.

        Args:
            needed: costs that all rows must have: the objectives and those with budgets.

        Raises:
            SearchError: if the other run has no row in this space, or did not measure a cost that is needed.
            RunError: if this run began from other rows, or has measured candidates without any.
        """
        manifest = run.manifest.read()
        if given is None:
            return cls(_kept(run, joint) if "earlier" in manifest else ())
        rows = [row for row in given.rows if _is_member(joint, given, row.candidate)]
        if not rows:
            raise SearchError(
                f"none of the {len(given.rows)} rows to begin from is in this space, which needs the same tasks and"
                " blocks, and options of the same names; begin without them"
            )
        missing = sorted(set(needed) - {*rows[0].costs, *joint.table.names})
        if missing:
            raise SearchError(
                f"the rows to begin from have no {' and no '.join(missing)}, which is an objective or has a budget"
                " here; begin without them"
            )
        exact = [_with_exact(joint, row) for row in rows]
        if "study" in manifest:
            if "earlier" not in manifest:
                raise RunError(f"the run {run.path} was searched without rows to begin from; use another run directory")
            kept = _kept(run, joint)
            if list(map(_measured, kept)) != list(map(_measured, exact[: len(kept)])):
                raise RunError(
                    f"the run {run.path} began from {len(kept)} earlier rows, which are not the first of those given;"
                    " leave these out, and it goes on with its copy of them, or use another run directory"
                )
            return cls(kept)
        # Rows that were to be begun from before do not count: none of this run rests on them.
        content = [{CANDIDATE: row.candidate.to_json(), COSTS: dict(row.costs)} for row in rows]
        run.write_text(FILE, json.dumps(content))
        run.manifest.write("earlier", {"rows": len(rows), "first": content[0], "last": content[-1]})
        return cls(exact)

    def trials(self, parameters: Parameters, joint: JointCosts, objectives: Sequence[str]) -> list[FrozenTrial]:
        """As trials for a sampler."""
        return [
            create_trial(
                params=parameters.encode(joint.space.join(row.candidate)),
                distributions=parameters.distributions,
                values=[row.costs[name] for name in objectives],
            )
            for row in self.rows
        ]

    def best(self, objectives: Sequence[str], budgets: Mapping[str, float], count: int) -> list[Candidate]:
        """At most ``count`` members of their front that meet the budgets, spread from the smallest to the largest."""
        rows = [row for row in self.rows if all(row.costs[name] <= limit for name, limit in budgets.items())]
        if not rows or count < 1:
            return []
        front = non_dominated(np.array([[row.costs[name] for name in objectives] for row in rows]))
        members = [row for row, on_it in zip(rows, front, strict=True) if on_it]
        members.sort(key=lambda row: (row.costs["params"], row.number))
        return [members[place].candidate for place in evenly_spread(len(members), count)]


def _kept(run: Run, joint: JointCosts) -> list[Row]:
    """The copy of the rows that a run began from."""
    path = run.path / FILE
    if not path.exists():
        raise RunError(f"the run {run.path} has lost {FILE}; restore it, or use another run directory")
    try:
        rows = [as_row(number, entry) for number, entry in enumerate(listed(read_json(path)))]
        return [_with_exact(joint, row) for row in rows]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RunError(f"{path} is damaged ({brief(error)}); restore it, or use another run directory") from error


def _measured(row: Row) -> tuple[Candidate, float]:
    """What stays of a row, however often its latency is measured again."""
    return row.candidate, row.costs[MEAN_ERROR]


def _is_member(joint: JointCosts, given: Results, candidate: Candidate) -> bool:
    here, there = joint.space.base, given.space
    if here.tasks != there.tasks or [b.name for b in here.blocks] != [b.name for b in there.blocks]:
        return False
    try:
        joint.space.join(candidate)
    except ArchitectureError:
        return False
    return True


def _with_exact(joint: JointCosts, row: Row) -> Row:
    """A row whose exact costs are those of this space, and whose candidate is named as here."""
    member = joint.space.join(row.candidate)
    costs = {**row.costs, **joint.table.of(joint.space.product, member)}
    return replace(row, candidate=joint.space.split(member), costs=costs)
