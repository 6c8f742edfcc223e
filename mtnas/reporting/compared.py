"""Comparisons of a run's candidates with plain networks, for a report."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

from mtnas.refining import read_comparisons
from mtnas.runs import Run


def compared(run: Run) -> list[dict[str, Any]]:
    """Test errors of every network of every comparison, mean and standard deviation over its trainings."""
    found = []
    for comparison in read_comparisons(run):
        for network in comparison.networks:
            errors = comparison.errors(network.name, "test", "mean") or comparison.errors(network.name, "valid", "mean")
            found.append(
                {
                    "id": comparison.candidate.id,
                    "network": network.name,
                    "params": network.params,
                    "trainings": len(errors),
                    "error": fmean(errors) if errors else None,
                    "sd": stdev(errors) if len(errors) > 1 else None,
                    "delta_m": comparison.delta_m(network.name) if errors else None,
                }
            )
    return found
