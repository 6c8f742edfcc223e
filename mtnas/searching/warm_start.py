"""Rows of another run that a search begins from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial, create_trial

from mtnas.architecture import EXACT_COSTS, Architecture, CostTable
from mtnas.errors import ArchitectureError, RunError, SearchError
from mtnas.predicting.spread import evenly_spread
from mtnas.results import Results, Row
from mtnas.results.front import non_dominated
from mtnas.runs import Run
from mtnas.runs.measured import CANDIDATE, COSTS, as_row
from mtnas.searching.parameters import Parameters

FILE = "earlier.json"
"""Name of the copy of the other run's rows in the run directory."""


class EarlierRows:
    """Rows that were measured with another supernetwork: good to begin from, never taken for rows of this run.

    Attributes:
        rows: those whose architecture is a member of this run's space.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)

    @classmethod
    def of(cls, run: Run, parameters: Parameters, given: Results | None) -> EarlierRows:
        """Those that this run began from, or now begins from. They are copied, so that the other run may go.

        Raises:
            SearchError: if the other run has no row in this space.
            RunError: if this run began from other rows, or has measured candidates without any.
        """
        path, manifest = run.path / FILE, run.manifest.read()
        if given is None:
            if "earlier" not in manifest:
                return cls(())
            if not path.exists():
                raise RunError(f"the run {run.path} has lost {FILE}; restore it, or use another run directory")
            return cls([as_row(number, entry) for number, entry in enumerate(json.loads(path.read_text("utf-8")))])
        rows = [row for row in given.rows if _is_member(parameters, given, row.candidate.architecture)]
        if not rows:
            raise SearchError(
                f"none of the {len(given.rows)} rows to begin from is in this space, which needs the same tasks and"
                " blocks, and options of the same names; begin without them"
            )
        content = [{CANDIDATE: row.candidate.to_json(), COSTS: dict(row.costs)} for row in rows]
        if "study" in manifest and "earlier" not in manifest:
            raise RunError(f"the run {run.path} was searched without rows to begin from; use another run directory")
        run.manifest.claim("earlier", {"rows": len(rows), "first": content[0], "last": content[-1]})
        run.write_text(FILE, json.dumps(content))
        return cls(rows)

    def trials(self, parameters: Parameters, objectives: Sequence[str]) -> list[FrozenTrial]:
        """As trials for a sampler."""
        return [
            create_trial(
                params=parameters.encode(row.candidate.architecture),
                distributions=parameters.distributions,
                values=[row.costs[name] for name in objectives],
            )
            for row in self.rows
        ]

    def best(
        self,
        parameters: Parameters,
        costs: CostTable,
        objectives: Sequence[str],
        budgets: Mapping[str, float],
        count: int,
    ) -> list[Architecture]:
        """At most ``count`` members of their front that meet the budgets, spread from the smallest to the largest."""
        space = parameters.space
        rows = [(row, {**row.costs, **costs.of(space, row.candidate.architecture)}) for row in self.rows]
        rows = [(row, found) for row, found in rows if all(found[name] <= limit for name, limit in budgets.items())]
        if not rows or count < 1:
            return []
        front = non_dominated(np.array([[found[name] for name in objectives] for _, found in rows]))
        members = [pair for pair, on_it in zip(rows, front, strict=True) if on_it]
        members.sort(key=lambda pair: (pair[1][EXACT_COSTS[0]], pair[0].number))
        return [members[place][0].candidate.architecture for place in evenly_spread(len(members), count)]


def _is_member(parameters: Parameters, given: Results, architecture: Architecture) -> bool:
    here, there = parameters.space, given.space
    if here.tasks != there.tasks or [b.name for b in here.blocks] != [b.name for b in there.blocks]:
        return False
    try:
        here.check(architecture)
    except ArchitectureError:
        return False
    return True
