"""Training of a supernetwork, epoch by epoch."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from mtnas.architecture import Affinities, Architecture, Tree
from mtnas.branching import Branching, NodeCosts, measure_affinities
from mtnas.errors import RunError, TrainingError, brief
from mtnas.runs import load_checkpoint, save_checkpoint
from mtnas.seeds import derive_seed
from mtnas.space.chance import fixed_chance
from mtnas.space.data import Batch, Data
from mtnas.space.dry_run import DryRun
from mtnas.space.parts import Part
from mtnas.space.search_space import SearchSpace
from mtnas.space.unstrided import unstrided
from mtnas.supernet import SuperNetwork
from mtnas.training.accumulation import in_groups
from mtnas.training.averages import WeightAverages
from mtnas.training.epoch_batches import MIDDLE, epoch_batches, length_of
from mtnas.training.group import ALONE, Group
from mtnas.training.optimizer import adamw
from mtnas.training.optimizer_state import load_optimizer, optimizer_tensors
from mtnas.training.phases import Phases
from mtnas.training.sampling import Sandwich
from mtnas.training.schedule import learning_rate_factor
from mtnas.training.settings import TrainingSettings
from mtnas.training.stored import branching_of, epoch_of, load_weights, named_part
from mtnas.training.weight_step import add_gradients

_OPTIMIZER = "optimizer.weights"
"""Beginning of the names of its tensors in a checkpoint."""


class Trainer:
    """State of a training: the supernetwork, its optimizer, what it learned about branching, the weighting of the
    tasks, the averages of the weights if there are any, the number of finished epochs and their history.

    Args:
        supernet: to train, as `begun` makes it.
        space: of which it is to be a supernetwork in the end; it may have fewer copies of a block.
        data: its train and branch splits are used.
        seed: of the run.
        settings: of the training.
        device: of the supernetwork.
        checkpoint: where the process of rank 0 keeps everything after every epoch.
        group: of the processes that train together.
    """

    def __init__(
        self,
        supernet: SuperNetwork,
        space: SearchSpace,
        data: Data,
        seed: int,
        settings: TrainingSettings,
        device: torch.device,
        checkpoint: Path,
        group: Group = ALONE,
    ) -> None:
        self.supernet, self.data, self.seed, self.settings, self.device = supernet, data, seed, settings, device
        self.checkpoint, self.group, self.space = checkpoint, group, space
        self.sandwich = Sandwich.of(space.architectures, supernet.found.costs, settings)
        self.weighting = settings.weighting.begin([task.name for task in supernet.space.tasks], device)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self.branching: Branching | None = None
        self._before_parting: dict[str, torch.Tensor] = {}
        self.phases = Phases.of(settings, space.architectures)
        self._take_weights()

    def _take_weights(self) -> None:
        """Begin to train the weights that there are now: optimizer and averages know nothing of earlier steps."""
        settings = self.settings
        self.weights = list(self.supernet.parameters())  # once: collecting them takes as long as a small operator
        self.averages = _averages(self.supernet, settings.ema_decay)
        self.optimizer = adamw(self.weights, settings.learning_rate, settings.weight_decay)

    # One epoch -------------------------------------------------------------------------------------------------

    def train_epoch(self) -> str:
        """Train one epoch, save a checkpoint, and say in which phase it was."""
        seed = derive_seed(self.seed, "epoch", self.epoch)
        rng = random.Random(seed)
        batches = self._batches(self.data.train_batches, seed)
        size, length = self.settings.accumulate, length_of(batches)
        steps = None if length is None else math.ceil(length / size)
        totals: dict[str, list[float]] = {task.name: [] for task in self.supernet.space.tasks}
        self.supernet.train()
        self.weighting.begin_epoch(self.history)
        # Dropout, augmentation and whatever else draws from the global generators.
        with unstrided(self.supernet), fixed_chance(self.group.seed(seed), self.device):
            for index, group in enumerate(in_groups(epoch_batches(batches, self.epoch), size)):
                share = index / steps if steps else MIDDLE
                self.weighting.begin_step(derive_seed(seed, "weighting", index))
                for name, loss in self._weight_step(group, share, rng).items():
                    totals[name].append(loss)
        self._finish_epoch(totals)
        return self.phases.name(self.epoch - 1)

    def _weight_step(self, batches: Sequence[Batch | None], share: float, rng: random.Random) -> dict[str, float]:
        """One step of the weights on some batches; gives the mean losses by task name."""
        settings = self.settings
        # A cosine for each phase: after the nodes are copied to the branches, these have to move apart.
        begin, end = self.phases.around(self.epoch)
        # Thousandths of an epoch need no count of steps, which iterable data does not have.
        step, steps = round((self.epoch + share - begin) * 1000), (end - begin) * 1000
        factor = learning_rate_factor(step, steps, round(steps * settings.warmup_share))
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor
        self.optimizer.zero_grad(set_to_none=True)
        drawn = self._sub_networks(rng)
        seen = add_gradients(self.supernet, batches, drawn, self.weighting, settings, self.device, self.group)
        if settings.gradient_clip > 0:
            torch.nn.utils.clip_grad_norm_(self.weights, settings.gradient_clip)
        self.optimizer.step()
        self.weighting.end_step()
        if self.averages is not None:
            self.averages.update()
        return seen

    def _sub_networks(self, rng: random.Random) -> list[Architecture]:
        """Those that one step trains, the teacher first if there is one."""
        if self.epoch < self.phases.shared:
            return self.sandwich.draw(lambda: self.sandwich.shared, rng)
        if self.epoch < self.phases.parted:
            return [self.sandwich.draw_parting(rng)]
        return self.sandwich.draw(lambda: self._tree(rng), rng)

    def _tree(self, rng: random.Random) -> Tree:
        """The tree of one sub-network: drawn uniformly, or from the branch points."""
        if self.branching is None or rng.random() < self.settings.random_trees:
            return self.space.architectures.draw_tree(rng)
        return self.branching.draw_tree(rng)

    def _batches(self, make: Callable[..., DataLoader[Batch]], seed: int) -> DataLoader[Batch]:
        """This process's part of the batches that a seed gives."""
        return make(seed) if self.group.alone else make(seed, Part(self.group.rank, self.group.size))

    # State -----------------------------------------------------------------------------------------------------

    def _finish_epoch(self, totals: Mapping[str, list[float]]) -> None:
        # Statistics of batch norms are those of a process's own samples.
        self.group.average(self.supernet.buffers())
        self.group.follow_first(self.supernet.parameters())
        learned = {f"weighting.{name}": tensor for name, tensor in self.weighting.tensors().items()}
        for name, tensor in {**self.supernet.state_dict(), **learned}.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise TrainingError(
                    f"{name} is no longer finite after epoch {self.epoch + 1}; lower the learning rate"
                    f" ({self.settings.learning_rate}) or the gradient clip ({self.settings.gradient_clip})"
                )
        self.history.append(
            {
                "epoch": self.epoch + 1,
                "losses": {name: sum(losses) / len(losses) if losses else None for name, losses in totals.items()},
                "learning_rate": self.optimizer.param_groups[0]["lr"],
            }
        )
        self.epoch += 1
        if self.epoch == self.phases.shared:
            self._spread_first_copy()
            if self.phases.parted > self.phases.shared:
                self._before_parting = {name: value.clone() for name, value in self.supernet.state_dict().items()}
        if self.epoch == self.phases.parted > self.phases.shared:
            self.branching = self._learn_branching()
            self.history[-1]["branching"] = self.branching.figures()
            self._end_parting()
        self.save()

    def _spread_first_copy(self) -> None:
        self.supernet.spread_first_copy()
        if self.averages is not None:
            with self.averages.swapped():
                self.supernet.spread_first_copy()

    def _end_parting(self) -> None:
        """Put the weights back that hard sharing gave, if any: nodes that learned for one task serve groups badly.

        Copies that the space does not have are dropped.
        """
        if self._before_parting:
            self.supernet.load_state_dict(self._before_parting)
            self._before_parting = {}
        elif not self.space.architectures.limited:
            return
        self.supernet.limit(self.space)
        self._take_weights()

    def _learn_branching(self) -> Branching:
        """Measure affinities, and have the branch points learn from them."""
        space, table = self.space.architectures, self.supernet.found.costs
        samples = self.settings.affinity_samples
        with fixed_chance(derive_seed(self.seed, "affinities"), self.device):
            value = self.group.first_says(
                lambda: measure_affinities(self.supernet, self.data, samples=samples).to_json()
            )
        self.group.follow_first(self.supernet.buffers())  # measuring has set those of one process
        affinities, costs = Affinities.from_json(value, space), NodeCosts.mean(space, table)
        return Branching.learn(
            space, affinities, costs, self.settings.tree_budgets, derive_seed(self.seed, "branch points")
        )

    def losses(self) -> dict[str, float]:
        """Losses of the last epoch by what they are called; none of tasks that had no label in it."""
        found = self.history[-1]["losses"]
        return {f"loss {name}": loss for name, loss in found.items() if loss is not None}

    def save(self) -> None:
        """Write weights, their averages, the state of optimizer and weighting, and history as one checkpoint."""
        if self.group.rank:
            return
        tensors = {f"model.{name}": tensor for name, tensor in self.supernet.state_dict().items()}
        tensors.update({f"weighting.{name}": tensor for name, tensor in self.weighting.tensors().items()})
        tensors.update(optimizer_tensors(_OPTIMIZER, self.optimizer))
        tensors.update({f"before.{name}": tensor for name, tensor in self._before_parting.items()})
        note: dict[str, Any] = {"epoch": self.epoch, "history": self.history}
        if self.branching is not None:
            note["branching"] = self.branching.to_json()
        if self.averages is not None:
            tensors.update({f"average.{name}": tensor for name, tensor in self.averages.values.items()})
            note["averaged_steps"] = self.averages.steps
        save_checkpoint(self.checkpoint, tensors, note)

    def resume(self) -> None:
        """Take up the checkpoint, if there is one."""
        path = self.checkpoint
        found = self.group.first_says(lambda: load_checkpoint(path) if path.exists() else None)
        if found is None:
            return
        tensors, note = found
        self.epoch, self.history = epoch_of(note, path), list(note["history"])
        if self.epoch >= self.phases.parted:
            self.supernet.limit(self.space)
            self._take_weights()
        load_weights(self.supernet, tensors, path, averaged=False)
        self.branching = branching_of(note, self.space.architectures, path)
        try:
            self.weighting.load(named_part(tensors, "weighting."))
            load_optimizer(_OPTIMIZER, self.optimizer, tensors)
            self._before_parting = {
                name: tensor.to(self.device) for name, tensor in named_part(tensors, "before.").items()
            }
            if self.averages is not None:
                self.averages.load(named_part(tensors, "average."), int(note["averaged_steps"]))
        except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise RunError(
                f"the checkpoint {path} does not hold all of this training ({type(error).__name__}:"
                f" {brief(error)}); delete it to train again from the start"
            ) from error


def begun(
    kind: type[SuperNetwork], space: SearchSpace, found: DryRun, seed: int, settings: TrainingSettings
) -> SuperNetwork:
    """A supernetwork with new weights: with a copy of every block for every task, as long as all have yet to part.

    Args:
        kind: its class.
        space: of the training.
        found: a dry run of it.
        seed: of the weights.
        settings: of the training.
    """
    phases = Phases.of(settings, space.architectures)
    parting = phases.parted > phases.shared and space.architectures.limited
    return kind(space.unlimited() if parting else space, found, seed)


def _averages(supernet: SuperNetwork, decay: float) -> WeightAverages | None:
    """Averages of all weights, or None if there are to be none."""
    if decay == 0:
        return None
    return WeightAverages(dict(supernet.named_parameters()), decay)
