"""Comparisons of a run's candidates with plain networks, for a report."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

from mtnas.architecture import Candidate
from mtnas.errors import RunError
from mtnas.json_values import read_json
from mtnas.refining import read_compared
from mtnas.runs import Run


def compared(run: Run) -> list[dict[str, Any]]:
    """Test errors of every network of every comparison, mean and standard deviation over its trainings."""
    found = []
    for path in sorted((run.path / "compared").glob("*/comparison.json")):
        try:
            candidate = Candidate.from_json(read_json(path)["candidate"])
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise RunError(f"{path} is damaged ({error}); delete its folder to compare again") from error
        comparison = read_compared(run, candidate)
        for network in comparison.networks:
            errors = comparison.errors(network.name, "test", "mean") or comparison.errors(network.name, "valid", "mean")
            found.append(
                {
                    "id": candidate.id,
                    "network": network.name,
                    "params": network.params,
                    "trainings": len(errors),
                    "error": fmean(errors) if errors else None,
                    "sd": stdev(errors) if len(errors) > 1 else None,
                    "delta_m": comparison.delta_m(network.name) if errors else None,
                }
            )
    return found
