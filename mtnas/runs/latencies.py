"""Measured latencies of a run: what was measured, where, and how well it repeats."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mtnas.architecture import ArchitectureSpace, Candidate
from mtnas.errors import MtnasError, RunError, SearchError, brief
from mtnas.json_values import finite, is_there, listed, read_json
from mtnas.latency import LATENCY, Latency
from mtnas.results import Results
from mtnas.runs.run import Run
from mtnas.runs.searched import check_target

FILE = "latencies.json"
PROBES = "probes.json"
"""Latencies of networks that are in no row: measured to foresee those of others."""


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


def read_latencies(run: Run, file: str = FILE) -> tuple[MeasuredLatency, ...]:
    """All latencies of a run in the order of their first measuring. Runs no code of the space.

    Args:
        file: or `PROBES`.

    Raises:
        RunError: if the file is damaged.
    """
    return _read(run, file)[0]


def read_reference(run: Run, target: Mapping[str, Any]) -> float | None:
    """What the target's reference took when the run was first measured there, in ms; None: it was not."""
    return _read(run, FILE)[1].get(_place(target))


def with_latencies(results: Results, measured: Sequence[MeasuredLatency], target: str = "") -> Results:
    """The rows whose latency was measured, with it among their costs as ``latency_ms``.

    Args:
        measured: as `read_latencies` gives them; those under a policy that a row does not have are left out.
        target: what `told_apart` says of the target, or a part of it; needed where there are several.

    Raises:
        SearchError: if no row was measured there, or the text fits several targets.
    """
    texts = told_apart([one.target for one in measured])
    places = {target} & {*texts} or {text for text in texts if target in text}
    if len(places) > 1:
        told_places = "; ".join(map(brief, sorted(places)))
        raise SearchError(f"latencies were measured on several targets; name one by part of its text: {told_places}")
    found = {one.candidate: one.latency.ms for one, text in zip(measured, texts, strict=True) if text in places}
    rows = [
        replace(row, costs={**row.costs, LATENCY: found[row.candidate]})
        for row in results.rows
        if row.candidate in found
    ]
    if not rows:
        where = f" on a target like '{target}'" if target else ""
        raise SearchError(f"no candidate's latency was measured{where}; run mtnas measure first")
    return replace(results, rows=tuple(rows))


def told(target: Mapping[str, Any]) -> str:
    """A target in words.

    >>> told({"runtime": "torch", "version": "2.13", "device": "cpu", "threads": 1, "batch": 8, "compiled": False})
    'torch 2.13, cpu, threads 1, batch 8, compiled False'
    """
    first = [f"{target.get('runtime', '')} {target.get('version', '')}".strip(), target.get("device", "")]
    rest = {name: value for name, value in target.items() if name not in ("runtime", "version", "device", "hardware")}
    return ", ".join([*filter(None, first), *(f"{name} {value}" for name, value in rest.items())])


def told_whole(target: Mapping[str, Any]) -> str:
    """A target in words, with its hardware."""
    return f"{told(target)}, {target.get('hardware', 'unknown')}"


def told_apart(targets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Targets in words; those that differ in their hardware alone, with that.

    >>> told_apart([{"runtime": "torch", "hardware": "A"}, {"runtime": "torch", "hardware": "B"}, {"runtime": "mine"}])
    ['torch, A', 'torch, B', 'mine']
    """
    counts = Counter({_place(target): told(target) for target in targets}.values())
    return [told(target) if counts[told(target)] == 1 else told_whole(target) for target in targets]


def keep_latencies(
    run: Run,
    target: Mapping[str, Any],
    reference_ms: float,
    found: Mapping[Candidate, Latency],
    file: str = FILE,
) -> None:
    """Add latencies to those of the run; of a candidate on the same target the newest stays.

    Args:
        reference_ms: what they were set against.
        file: or `PROBES`.
    """
    with run.hold():
        rows, references = _read(run, file)
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
        run.write_text(file, json.dumps(content, indent=1))


def _place(target: Mapping[str, Any]) -> str:
    return json.dumps(dict(target), sort_keys=True)


def _read(run: Run, file: str) -> tuple[tuple[MeasuredLatency, ...], dict[str, float]]:
    """Latencies, and what the reference took by target."""
    path = run.path / file
    if not is_there(path):
        return (), {}
    space, _ = run.architectures()
    try:
        content = read_json(path)
        references = {
            _place(check_target(entry["target"])): _ms(entry["ms"]) for entry in listed(content["references"])
        }
        rows = tuple(_measured(entry, references, space) for entry in listed(content["rows"]))
        if len({(_place(one.target), one.candidate) for one in rows}) < len(rows):
            raise ValueError("a candidate is there twice for one target")
        return rows, references
    except (ValueError, KeyError, TypeError, OSError, MtnasError) as error:
        raise RunError(f"{path} is damaged ({brief(error)}); delete it and measure again") from error


def _measured(entry: Any, references: Mapping[str, float], space: ArchitectureSpace) -> MeasuredLatency:
    candidate = Candidate.from_json(entry["candidate"])
    space.check(candidate.architecture)
    target = check_target(entry["target"])
    if _place(target) not in references:
        raise ValueError("a latency's target has no reference")
    return MeasuredLatency(candidate, target, Latency.from_json(entry["latency"]))


def _ms(value: Any) -> float:
    """Milliseconds."""
    if finite(value) <= 0:
        raise ValueError(f"a reference took {value} ms")
    return float(value)
