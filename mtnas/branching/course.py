"""How the choices of branch points changed while they learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mtnas.branching.branch_points import BranchPoints
from mtnas.json_values import finite, listed, whole

DIGITS = 4
"""Decimals that are kept: more than anybody sees, and a fifth of the room."""


@dataclass
class Course:
    """Probabilities of the labels after some of the steps of a fit.

    Attributes:
        steps: after how many steps of the optimizer; the first is 0, the last what was learned. None are kept of branch
            points that have nothing to learn.
        probabilities: of every label then, (steps, P, T, labels); 0 where a label is not allowed.
        entropies: of every choice over that of an even one, (steps, P, T - 1).
    """

    steps: list[int]
    probabilities: list[Any]
    entropies: list[Any]

    def add(self, step: int, points: BranchPoints) -> None:
        """Keep one more instant."""
        self.steps.append(step)
        self.probabilities.append(_rounded(points.probabilities().tolist()))
        self.entropies.append(_rounded(points.entropy().tolist()))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None, points: BranchPoints) -> Course:
        """The course of some branch points; nothing of a training of old, which kept none.

        Raises:
            KeyError, TypeError, ValueError: if it is not that.
        """
        if value is None:
            return cls([], [], [])
        steps = [whole(step) for step in listed(value["steps"])]
        blocks, tasks, labels = points.logits.shape
        probabilities = [_shares(one, (blocks, tasks, labels)) for one in listed(value["probabilities"])]
        entropies = [_shares(one, (blocks, tasks - 1)) for one in listed(value["entropies"])]
        if not len(steps) == len(probabilities) == len(entropies) or steps != sorted(set(steps)):
            raise ValueError("steps are not in order, or not as many as probabilities")
        return cls(steps, probabilities, entropies)


def _rounded(value: Any) -> Any:
    return [_rounded(one) for one in value] if isinstance(value, list) else round(value, DIGITS)


def _shares(value: Any, shape: tuple[int, ...]) -> Any:
    """A nested list of a shape, of numbers from 0 to 1."""
    if shape:
        rows = listed(value)
        if len(rows) != shape[0]:
            raise ValueError(f"{len(rows)} values where {shape[0]} are needed")
        return [_shares(row, shape[1:]) for row in rows]
    if not 0 <= finite(value) <= 1:
        raise ValueError("a share is not from 0 to 1")
    return value
