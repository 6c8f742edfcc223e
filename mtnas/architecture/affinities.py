"""Which tasks get along in one node: what a supernetwork training tells about every pair of them at every block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture.space import ArchitectureSpace
from mtnas.architecture.tree import Tree
from mtnas.errors import ArchitectureError, brief
from mtnas.json_values import finite, listed, text

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Affinities:
    """How much worse a task is served by a node that learned for another task than by one that learned for itself.

    Attributes:
        tasks: their names.
        blocks: names of the blocks where branching is allowed.
        places: numbers of these blocks.
        cost: (blocks, tasks, tasks): ``cost[p, i, j]`` is the logarithm of task j's readout error from the node of task
            i, over that from its own, where all tasks part at block p. 0: as good; the diagonal is 0.
        noise: standard errors of ``cost``.
    """

    tasks: tuple[str, ...]
    blocks: tuple[str, ...]
    places: tuple[int, ...]
    cost: Floats
    noise: Floats

    def __post_init__(self) -> None:
        shape = (len(self.blocks), len(self.tasks), len(self.tasks))
        for name in ("cost", "noise"):
            if getattr(self, name).shape != shape:
                raise ArchitectureError(f"affinities of shape {getattr(self, name).shape} where {shape} is needed")

    def check(self, space: ArchitectureSpace) -> None:
        """Raise ArchitectureError unless these are affinities of the space's tasks at its branch points."""
        blocks = tuple(block.name for block in space.blocks if block.branching)
        if (self.tasks, self.blocks, self.places) != (space.tasks, blocks, space.split_depths[:-1]):
            raise ArchitectureError("the affinities are not those of the tasks and branch points of this space")

    # Trees ------------------------------------------------------------------------------------------------------

    def together(self, leaders: Ints) -> Floats:
        """1 where a task has another for company in its node, else 0, (n, blocks, tasks, tasks).

        Args:
            leaders: the task that leads the node of every block and task, (n, all blocks, tasks).
        """
        at = leaders[:, list(self.places)]
        found: Floats = (at[:, :, :, None] == at[:, :, None, :]).astype(np.float64)
        return found

    def energies(self, leaders: Ints, *, at_once: int = 2**19) -> Floats:
        """Energies of trees, (n,): the mean over tasks of the costs of all company that they have in their nodes.

        A sum, not a mean over the company: a node's width is limited, and every further task that wants other features
        takes some of it. On the controlled problem it finds the tree where means do not (docs/branching.md).

        Args:
            leaders: (n, all blocks, tasks).
            at_once: pairs of tasks that are looked at in one go, so that they stay in a processor's cache.
        """
        found, step = np.zeros(len(leaders)), max(1, at_once // max(1, self.cost.size))
        for begin in range(0, len(leaders), step):
            # Not a product of matrices: threads that share out so small a one wait for each other on a busy machine.
            together = self.together(leaders[begin : begin + step])
            found[begin : begin + step] = np.einsum("npij,pij->n", together, self.cost)
        return found / len(self.tasks)

    def energy(self, tree: Tree) -> float:
        """Energy of a tree. See `energies`."""
        return float(self.energies(np.array([tree.leaders]))[0])

    @property
    def least_energy(self) -> float:
        """No tree has less: as if just those shared nodes who gain by it. At most 0, which parting all gives."""
        return float(np.minimum(self.cost, 0).sum()) / len(self.tasks)

    def difference_noise(self, leaders: Ints, tree: Tree) -> Floats:
        """Standard errors of the differences between the energies of trees and that of one, (n,).

        Args:
            leaders: (n, all blocks, tasks).
        """
        differ = self.together(leaders) != self.together(np.array([tree.leaders]))
        found: Floats = np.sqrt(np.einsum("npij,pij->n", differ, self.noise**2)) / len(self.tasks)
        return found

    def confidences(self, leaders: Ints, seed: int, *, draws: int = 1000) -> Floats:
        """Share of draws of the affinities, normal with their standard errors, in which each tree is the best, (n,).

        Args:
            leaders: (n, all blocks, tasks).
            seed: of the draws.
        """
        together = self.together(leaders).reshape(len(leaders), self.cost.size)
        rng = np.random.default_rng(seed)
        costs = self.cost.ravel() + self.noise.ravel() * rng.standard_normal((draws, self.cost.size))
        best = (costs @ together.T).argmin(1)
        found: Floats = np.bincount(best, minlength=len(leaders)) / draws
        return found

    # JSON -------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        return {
            "tasks": list(self.tasks),
            "blocks": list(self.blocks),
            "places": list(self.places),
            "cost": self.cost.tolist(),
            "noise": self.noise.tolist(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], space: ArchitectureSpace) -> Affinities:
        """Those of a space.

        Raises:
            ArchitectureError: if they are not.
        """
        try:
            found = cls(
                tuple(map(text, listed(value["tasks"]))),
                tuple(map(text, listed(value["blocks"]))),
                tuple(listed(value["places"])),
                _array(value["cost"], len(space.tasks)),
                _array(value["noise"], len(space.tasks)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArchitectureError(f"not affinities: {brief(str(value)[:80])}") from error
        found.check(space)
        return found


def _array(value: Any, tasks: int) -> Floats:
    rows: Sequence[Any] = [[[finite(one) for one in listed(row)] for row in listed(block)] for block in listed(value)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), tasks, tasks)
