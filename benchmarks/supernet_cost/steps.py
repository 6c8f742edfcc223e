"""The kinds of training steps that are compared."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.supernet_cost.clock import DEVICE
from benchmarks.supernet_cost.encoder import BATCH, BLOCKS, CLASSES, SIDE, encoder
from benchmarks.supernet_cost.memory import MEMORY, peak_memory
from benchmarks.supernet_cost.soft_mixture import SoftMixture
from mtnas.architecture import Architecture, Tree
from mtnas.seeds import derive_seed
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings
from mtnas.training.loss import task_losses, weighted_sum
from mtnas.training.sampling import Sandwich
from mtnas.training.weight_step import add_gradients

SAMPLED, SPLIT, HARD = "one sampled tree", "fully split tree", "hard sharing"
MOST_FOR_OUTPUTS = 8
"""Tasks up to which the mixture of outputs is measured. Its runs of a block grow with T^2: a step of 16 tasks takes as
long as 216 single-task steps, and about 12 GB, more than twice what is saved for backward."""


@dataclass(frozen=True)
class Step:
    """A kind of training step. ``run`` does one and returns how often it ran a block.

    Attributes:
        every: measured in one round out of so many.
        times: steps per round; of sampled trees each is another one.
        left_out: why it is not measured; empty: it is.
    """

    run: Callable[[], int]
    modules: Sequence[nn.Module]
    every: int = 1
    times: int = 1
    left_out: str = ""


class Steps:
    """All kinds of steps of one number of tasks on one batch, with one kind of optimizer: the trainer's."""

    def __init__(self, tasks: int, seed: int) -> None:
        self.tasks, self.space = tasks, encoder(tasks)
        self.rng = random.Random(derive_seed(seed, "trees", tasks))
        names = self.space.architectures.tasks
        torch.manual_seed(seed)
        self.x = torch.randn(BATCH, 3, SIDE, SIDE).to(DEVICE, memory_format=torch.channels_last)
        self.labels = {name: torch.randint(CLASSES, (BATCH,)).to(DEVICE) for name in names}
        self.supernet = SuperNetwork(self.space, self.x.cpu(), seed).to(DEVICE).train()
        self.optimizer = torch.optim.AdamW(self.supernet.parameters(), fused=True)
        self.settings = TrainingSettings()
        self.weighting = self.settings.weighting.begin(names, DEVICE)
        self.sandwich = Sandwich.of(self.space.architectures, self.supernet.found.costs, self.settings)

    def reference(self) -> Step:
        """One step of a single task's network."""
        return self._ordinary([self._network(encoder(1), Tree.shared(1, BLOCKS))])

    def kinds(self) -> dict[str, Step]:
        """All kinds by name, hard sharing first."""
        alone = [self._network(encoder(1), Tree.shared(1, BLOCKS)) for _ in range(self.tasks)]
        split = Tree.split(self.tasks, BLOCKS)
        return {
            HARD: self._ordinary([self._network(self.space, Tree.shared(self.tasks, BLOCKS))]),
            "a network per task": self._ordinary(alone),
            # The fully split tree comes first, so that the optimizer knows all copies when others are timed.
            SPLIT: Step(lambda: self._train([self.architecture(split)]), [self.supernet]),
            SAMPLED: Step(lambda: self._train([self.architecture(self.tree())]), [self.supernet], times=3),
            f"sandwich of {2 + self.settings.random_networks}": Step(
                lambda: self._train(self.sandwich.draw(self.tree, self.rng)), [self.supernet]
            ),
            "soft mixture of inputs": self._mixture(of_outputs=False),
            "soft mixture of outputs": self._mixture(of_outputs=True),
        }

    def tree(self) -> Tree:
        """A uniform draw."""
        return self.space.architectures.draw_tree(self.rng)

    def architecture(self, tree: Tree) -> Architecture:
        return self.space.architectures.draw_options(tree, self.rng)

    def _train(self, drawn: Sequence[Architecture]) -> int:
        """A step of the supernetwork, by the trainer's own function."""
        self.optimizer.zero_grad(set_to_none=True)
        add_gradients(self.supernet, [(self.x, self.labels)], drawn, self.weighting, self.settings, DEVICE)
        self.optimizer.step()
        return sum(architecture.tree.node_count for architecture in drawn)

    def _ordinary(self, networks: Sequence[nn.Module]) -> Step:
        """A step of each of some networks that share nothing."""
        optimizers = [torch.optim.AdamW(network.parameters(), fused=True) for network in networks]

        def run() -> int:
            for network, optimizer in zip(networks, optimizers, strict=True):
                optimizer.zero_grad(set_to_none=True)
                total = weighted_sum(self.space.tasks, task_losses(self.space.tasks, network(self.x), self.labels))
                assert total is not None
                total.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            return len(networks) * BLOCKS

        return Step(run, networks)

    def _network(self, space: SearchSpace, tree: Tree) -> nn.Module:
        whole = SuperNetwork(space, self.x.cpu(), self.rng.getrandbits(30))
        return whole.extract(space.architectures.draw_options(tree, self.rng)).to(DEVICE).train()

    def _mixture(self, *, of_outputs: bool) -> Step:
        network = SoftMixture(self.space, self.x.cpu(), of_outputs=of_outputs).to(DEVICE).train()
        step = self._ordinary([network])

        def run() -> int:
            step.run()
            return network.block_runs

        left_out = ""
        if of_outputs and self.tasks > MOST_FOR_OUTPUTS:
            one = self.reference()
            size = network.block_runs / BLOCKS * peak_memory(one.run, one.modules)
            left_out = f"left out: {network.block_runs} runs of a block, about {size / 2**30:.0f} GiB of {MEMORY}"
        return Step(run, [network], every=2 if of_outputs and self.tasks > 4 else 1, left_out=left_out)
