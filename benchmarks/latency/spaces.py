"""Spaces whose candidates are measured; weights make no difference, so nothing is trained."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from mtnas.architecture import FLOAT, Architecture, Candidate
from mtnas.evaluation import latencies, reference_ms
from mtnas.quantizing import JointCosts, joint_costs
from mtnas.space.file import load_space_file
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.targets import MeasureSettings, OnnxRuntime, Target


@dataclass(frozen=True)
class Measurable:
    """A space, and an example of its inputs."""

    name: str
    space: SearchSpace
    example: Tensor

    @classmethod
    def of(cls, name: str, factor: float, side: int) -> Measurable:
        """Of a space file that is shipped, its widths multiplied; for grey images of ``side`` x ``side``."""
        file = load_space_file(Path(__file__).parents[2] / "search_spaces" / f"{name}.py")
        space = file.space if factor == 1 else file.widening()(factor)
        example = torch.rand(8, 1, side, side, generator=torch.Generator().manual_seed(0))
        return cls(f"{name} x{factor:g}", space, example.contiguous(memory_format=torch.channels_last))

    @cached_property
    def costs(self) -> JointCosts:
        return joint_costs(self.space, self.supernet.found, self.example, (FLOAT, OnnxRuntime().integers))

    @cached_property
    def supernet(self) -> SuperNetwork:
        return SuperNetwork(self.space, self.example)

    def draw(self, count: int, seed: int, *, float_only: bool = False) -> list[Candidate]:
        """Different candidates, uniform over trees, then over options and bits of their nodes."""
        rng, found = random.Random(seed), dict[Candidate, None]()
        while len(found) < count:
            if float_only:
                candidate = Candidate(self.space.architectures.draw(rng))
            else:
                candidate = self.costs.space.split(self.costs.space.product.draw(rng))
            found[candidate] = None
        return list(found)

    def anchor(self, target: Target) -> float:
        return reference_ms(target, MeasureSettings())

    def measured(
        self, candidates: Sequence[Candidate], target: Target, anchor: float, settings: MeasureSettings
    ) -> list[float]:
        """Milliseconds of each, one call after the other."""
        found = []
        for candidate in candidates:
            ((_, latency),) = latencies(self.supernet, [candidate], target, self.example, settings, anchor=anchor)
            found.append(latency.ms)
        return found

    def member(self, candidate: Candidate) -> Architecture:
        return self.costs.space.join(candidate)
