"""Rows of every seed, and their means."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from benchmarks.realdata.figures import Spread
from benchmarks.realdata.outcome import Outcome, Trained
from mtnas.results import mean_error


def rows_of(data: str, outcome: Outcome) -> list[dict[str, Any]]:
    """One row for every network of a seed."""
    return [
        {
            "data": data,
            "network": network.name,
            "seed": outcome.seed,
            "tree": network.tree,
            "params": network.params,
            "MACs": network.macs,
            "valid %": 100 * mean_error(network.valid),
            "test %": 100 * mean_error(network.test),
            "Delta_m %": 100 * outcome.gain(network),
            "lead": 100 * outcome.lead(network),
            "p": "",
            "test % by task": " ".join(f"{100 * error:.2f}" for error in network.test.values()),
        }
        for network in outcome.networks
    ]


def means_of(data: str, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """One row for every network, mean and standard deviation over the seeds that have it."""
    found = []
    for name in dict.fromkeys(network.name for outcome in outcomes for network in outcome.networks):
        pairs = [(outcome, one) for outcome in outcomes for one in outcome.networks if one.name == name]
        lead = Spread.of([100 * outcome.lead(one) for outcome, one in pairs])
        found.append(
            {
                "data": data,
                "network": name,
                "seed": f"{len(pairs)} seeds",
                "tree": "",
                "params": round(fmean(one.params for _, one in pairs)),
                "MACs": round(fmean(one.macs for _, one in pairs)),
                "valid %": _spread([100 * mean_error(one.valid) for _, one in pairs]),
                "test %": _spread([100 * mean_error(one.test) for _, one in pairs]),
                "Delta_m %": _spread([100 * outcome.gain(one) for outcome, one in pairs]),
                "lead": str(lead),
                "p": f"{lead.p:.3f}",
                "test % by task": _by_task([one for _, one in pairs]),
            }
        )
    return found


def _spread(values: Sequence[float]) -> str:
    return str(Spread.of(values))


def _by_task(networks: Sequence[Trained]) -> str:
    tasks = networks[0].test
    return " ".join(f"{100 * fmean(network.test[task] for network in networks):.2f}" for task in tasks)
