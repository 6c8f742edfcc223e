"""Training of the hard-sharing network of the largest operators: what the supernetwork's is measured against."""

from __future__ import annotations

import time

import torch

from benchmarks.supernet_cost.clock import DEVICE, clock
from mtnas.architecture import Tree
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings
from mtnas.training.alone import train_epoch


class HardSharing:
    """The network, trained as long and on the same batches as the supernetwork of these settings and this seed."""

    def __init__(self, space: SearchSpace, data: Data, settings: TrainingSettings, seed: int) -> None:
        self.space, self.data, self.settings, self.seed = space, data, settings, seed
        whole = SuperNetwork(space, data.example()[0], seed)
        tree = Tree.shared(len(space.tasks), len(space.blocks))
        largest = whole.found.costs.uniform(space.architectures, tree, "params", largest=True)
        self.network = whole.extract(largest).to(DEVICE)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )

    def epoch(self, number: int) -> tuple[float, float]:
        """Train the epoch of that number; seconds of `clock` and of the wall."""
        wall, begin = time.perf_counter(), clock()
        train_epoch(
            self.network,
            self.space.tasks,
            self.data,
            self.optimizer,
            epoch=number,
            epochs=self.settings.epochs,
            seed=self.seed,
            learning_rate=self.settings.learning_rate,
            warmup_share=self.settings.warmup_share,
            gradient_clip=self.settings.gradient_clip,
            device=DEVICE,
        )
        return clock() - begin, time.perf_counter() - wall
