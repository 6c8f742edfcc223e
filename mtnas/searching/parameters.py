"""Architectures as parameters of an Optuna trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from mtnas.architecture import Architecture, ArchitectureSpace, Genome, decode, encode


class Parameters:
    """The genes of a space as Optuna distributions with readable names; genes with one value are left out.

    ``parent/<task>`` is the earlier task that a task goes along with, ``depth/<task>`` how far (an index into the
    blocks where branching is allowed, the last index meaning all the way), ``option/<block>/<task>`` the operator of
    the node that the task leads.
    """

    def __init__(self, space: ArchitectureSpace) -> None:
        self.space = space
        self.distributions: dict[str, BaseDistribution] = {}
        for index, task in enumerate(space.tasks):
            if index > 1:
                self.distributions[f"parent/{task}"] = CategoricalDistribution(space.tasks[:index])
            if index > 0 and len(space.split_depths) > 1:
                self.distributions[f"depth/{task}"] = IntDistribution(0, len(space.split_depths) - 1)
        for block in space.blocks:
            for task in space.tasks:
                if len(block.options) > 1:
                    self.distributions[f"option/{block.name}/{task}"] = CategoricalDistribution(block.options)

    def encode(self, architecture: Architecture) -> dict[str, Any]:
        """Parameters of an architecture."""
        space, genome = self.space, encode(architecture)
        values: dict[str, Any] = {}
        for index, task in enumerate(space.tasks[1:]):
            values[f"parent/{task}"] = space.tasks[genome.parents[index]]
            values[f"depth/{task}"] = space.split_depths.index(genome.depths[index])
        for block, names in zip(space.blocks, genome.options, strict=True):
            values.update({f"option/{block.name}/{task}": name for task, name in zip(space.tasks, names, strict=True)})
        return {name: value for name, value in values.items() if name in self.distributions}

    def genes(self, names: Sequence[str], architectures: Sequence[Architecture]) -> NDArray[np.int64]:
        """Numbers of the values of some parameters, (architectures, names)."""
        found = [self.encode(architecture) for architecture in architectures]
        rows = [[int(self.distributions[name].to_internal_repr(one[name])) for name in names] for one in found]
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(names))

    def architecture(self, names: Sequence[str], genes: NDArray[np.int64]) -> Architecture:
        """The architecture of one row of `genes`, (names,)."""
        values = {
            name: self.distributions[name].to_external_repr(gene)
            for name, gene in zip(names, genes.tolist(), strict=True)
        }
        return self.decode(values)

    def decode(self, values: Mapping[str, Any]) -> Architecture:
        """Architecture of a trial's parameters. Several sets of parameters may give the same one."""
        space = self.space
        parents = [space.tasks.index(values.get(f"parent/{task}", space.tasks[0])) for task in space.tasks[1:]]
        depths = [space.split_depths[values.get(f"depth/{task}", 0)] for task in space.tasks[1:]]
        options = [
            tuple(values.get(f"option/{block.name}/{task}", block.options[0]) for task in space.tasks)
            for block in space.blocks
        ]
        return decode(Genome(tuple(parents), tuple(depths), tuple(options)), space.most_groups)
