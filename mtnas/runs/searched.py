"""What the manifest says of a run's search, as values that are known to make sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtnas.architecture import FLOAT, ArchitectureSpace, Bits
from mtnas.json_values import finite, listed, text, whole
from mtnas.results import possible_cost_names
from mtnas.runs.run import Run


@dataclass(frozen=True)
class Searched:
    """A search as the manifest has it.

    Attributes:
        objectives: names of the costs that are minimised, at least one.
        budgets: hard upper limits by cost name, above 0.
        reference: reference point of the hypervolume by cost name, above 0; empty until it is settled.
        precisions: bits that nodes may have.
        target: the latency target's description of itself; None if latency is no cost.
        study: what the manifest says of the study: its name, and the address of its database if it has one.
    """

    objectives: tuple[str, ...]
    budgets: Mapping[str, float]
    reference: Mapping[str, float]
    precisions: tuple[Bits, ...]
    target: Mapping[str, Any] | None
    study: Mapping[str, str]


def read_searched(run: Run, space: ArchitectureSpace) -> Searched | None:
    """The search of a run; None if none was started.

    Args:
        space: the run's, as `Run.architectures` gives it.

    Raises:
        RunError: if the manifest is damaged.
    """
    manifest = run.manifest.read()
    if "study" not in manifest:
        return None
    known = possible_cost_names(space.tasks)
    try:
        found = _searched(manifest, known)
    except KeyError as error:
        raise run.manifest.damaged(f"search, study or reference: there is no {error}") from error
    except (TypeError, ValueError) as error:
        raise run.manifest.damaged(f"search, study or reference: {error}") from error
    return found


def _searched(manifest: Mapping[str, Any], known: tuple[str, ...]) -> Searched:
    search, study = _section(manifest, "search"), _section(manifest, "study")
    objectives = tuple(map(text, listed(search["objectives"])))
    if not objectives or len(set(objectives)) < len(objectives) or not set(objectives) <= set(known):
        raise ValueError("the objectives are not different costs of this space")
    reference = _limits(manifest["reference"], known) if "reference" in manifest else {}
    if reference and not set(objectives) <= set(reference):
        raise ValueError("the reference point lacks an objective")
    precisions = [tuple(map(whole, listed(bits))) for bits in listed(search.get("precisions", [list(FLOAT)]))]
    if any(len(bits) != 2 for bits in precisions):
        raise ValueError("a precision is not a pair of bits")
    target = check_target(search["target"]) if "target" in search else None
    about = {name: text(study[name]) for name in ("name", "storage") if name in study or name == "name"}
    budgets = _limits(study["budgets"], known)
    return Searched(objectives, budgets, reference, tuple((bits[0], bits[1]) for bits in precisions), target, about)


def check_target(value: Any) -> Mapping[str, Any]:
    """A latency target's description of itself; TypeError if it is none."""
    if not isinstance(value, dict):
        raise TypeError("a target is no object")
    for name in ("runtime", "version", "device"):
        text(value.get(name, ""))
    return value


def _section(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = manifest[name]
    if not isinstance(value, dict):
        raise TypeError(f"{name} is no object")
    return value


def _limits(value: Any, known: tuple[str, ...]) -> dict[str, float]:
    """Numbers above 0 by cost name."""
    if not isinstance(value, dict):
        raise TypeError("limits are no object")
    for name, limit in value.items():
        if name not in known:
            raise ValueError(f"there is no cost '{name}'")
        if finite(limit) <= 0:
            raise ValueError(f"{name} is {limit}, but must be above 0")
    return dict(value)
