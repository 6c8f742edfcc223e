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
    return _read(run)[0]


def read_reference(run: Run, target: Mapping[str, Any]) -> float | None:
    """What the target's reference took when the run was first measured there, in ms; None: it was not."""
    return _read(run)[1].get(_place(target))


def keep_latencies(
    run: Run, target: Mapping[str, Any], reference_ms: float, found: Mapping[Candidate, Latency]
) -> None:
    """Add latencies to those of the run; of a candidate on the same target the newest stays.

    Args:
        reference_ms: what they were set against.
    """
    with run.hold():
        rows, references = _read(run)
        known = {(_place(one.target), one.candidate): one for one in rows}
        known.update({(_place(target), one): MeasuredLatency(one, target, latency) for one, latency in found.items()})
        references[_place(target)] = reference_ms
        content = {
            "references": [{"target": json.loads(place), "ms": ms} for place, ms in references.items()],
            "rows": [
                {"candidate": one.candidate.to_json(), "target": dict(one.target), "latency": one.latency.to_json()}
                for one in known.values()
            ],
        }
        run.write_text(FILE, json.dumps(content, indent=1))


def _place(target: Mapping[str, Any]) -> str:
    return json.dumps(dict(target), sort_keys=True)


def _read(run: Run) -> tuple[tuple[MeasuredLatency, ...], dict[str, float]]:
    """Latencies, and what the reference took by target."""
    path = run.path / FILE
    if not path.exists():
        return (), {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(
            MeasuredLatency(
                Candidate.from_json(entry["candidate"]), dict(entry["target"]), Latency.from_json(entry["latency"])
            )
            for entry in content["rows"]
        )
        return rows, {_place(entry["target"]): float(entry["ms"]) for entry in content["references"]}
    except (ValueError, KeyError, TypeError, MtnasError) as error:
        raise RunError(f"{path} is damaged ({error}); delete it and measure again") from error
