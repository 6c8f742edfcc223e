"""Measured latencies of a run: what was measured, where, and how well it repeats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtnas.architecture import Candidate
from mtnas.errors import MtnasError, RunError
from mtnas.runs.run import Run
from mtnas.targets.latency import Latency

FILE = "latencies.json"


@dataclass(frozen=True)
class MeasuredLatency:
    """One latency.

    Attributes:
        candidate: with its policy.
        target: the target's description of itself; latencies under different ones are never compared.
        latency: with its noise.
    """

    candidate: Candidate
    target: Mapping[str, Any]
    latency: Latency


def read_latencies(run: Run) -> tuple[MeasuredLatency, ...]:
    """All latencies of a run in the order of their first measuring. Runs no code of the space.

    Raises:
        RunError: if the file is damaged.
    """
    path = run.path / FILE
    if not path.exists():
        return ()
    try:
        return tuple(
            MeasuredLatency(
                Candidate.from_json(entry["candidate"]), dict(entry["target"]), Latency.from_json(entry["latency"])
            )
            for entry in json.loads(path.read_text(encoding="utf-8"))
        )
    except (ValueError, KeyError, TypeError, MtnasError) as error:
        raise RunError(f"{path} is damaged ({error}); delete it and measure again") from error


def keep_latencies(run: Run, target: Mapping[str, Any], found: Mapping[Candidate, Latency]) -> None:
    """Add latencies to those of the run; of a candidate on the same target the newest stays."""
    with run.hold():
        known = {(json.dumps(dict(one.target), sort_keys=True), one.candidate): one for one in read_latencies(run)}
        place = json.dumps(dict(target), sort_keys=True)
        known.update({(place, one): MeasuredLatency(one, target, latency) for one, latency in found.items()})
        entries = [
            {"candidate": one.candidate.to_json(), "target": dict(one.target), "latency": one.latency.to_json()}
            for one in known.values()
        ]
        run.write_text(FILE, json.dumps(entries, indent=1))
