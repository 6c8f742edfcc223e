"""Training of a supernetwork, epoch by epoch."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from mtnas.architecture import Tree
from mtnas.errors import RunError, TrainingError, brief
from mtnas.runs import load_checkpoint, save_checkpoint
from mtnas.seeds import derive_seed
from mtnas.space.data import Batch, Data
from mtnas.space.parts import Part
from mtnas.space.shapes import to_device
from mtnas.supernet import SuperNetwork
from mtnas.training.accumulation import in_groups, label_shares
from mtnas.training.averages import WeightAverages
from mtnas.training.branch_step import branch_loss, expected_share
from mtnas.training.group import ALONE, Group
from mtnas.training.optimizer_state import load_optimizer, optimizer_tensors
from mtnas.training.sampling import Sandwich
from mtnas.training.schedule import learning_rate_factor, temperature
from mtnas.training.settings import TrainingSettings
from mtnas.training.stored import epoch_of, load_weights, named_part
from mtnas.training.weight_step import add_gradients


class Trainer:
    """State of a training: the supernetwork, its two optimizers, the weighting of the tasks, the averages of the
    weights if there are any, the number of finished epochs and their history.

    Args:
        supernet: to train.
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
        data: Data,
        seed: int,
        settings: TrainingSettings,
        device: torch.device,
        checkpoint: Path,
        group: Group = ALONE,
    ) -> None:
        self.supernet, self.data, self.seed, self.settings, self.device = supernet, data, seed, settings, device
        self.checkpoint, self.group = checkpoint, group
        self.weights = supernet.weights()  # once: collecting them takes as long as a small operator
        self.sandwich = Sandwich(
            supernet.space.architectures,
            supernet.found.costs,
            extremes=settings.sandwich,
            random_count=settings.random_networks,
        )
        self.weighting = settings.weighting.begin([task.name for task in supernet.space.tasks], device)
        self.averages = _averages(supernet, settings.ema_decay)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "weights": torch.optim.AdamW(
                self.weights, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
            ),
            "branch": torch.optim.Adam(supernet.branch_points.parameters(), lr=settings.branch_learning_rate),
        }

    # One epoch -------------------------------------------------------------------------------------------------

    def train_epoch(self) -> str:
        """Train one epoch, save a checkpoint, and return a text on the state."""
        seed = derive_seed(self.seed, "epoch", self.epoch)
        rng = random.Random(seed)
        generator = torch.Generator().manual_seed(seed)
        batches = self._batches(self.data.train_batches, seed)
        branch_batches = self._endless_branch_batches(seed)
        size = self.settings.accumulate
        steps = math.ceil(len(batches) / size) if hasattr(batches.dataset, "__len__") else None
        totals: dict[str, list[float]] = {task.name: [] for task in self.supernet.space.tasks}
        learns_branches = self.epoch >= self._first_branch_epoch
        self.supernet.train()
        self.weighting.begin_epoch(self.history)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.group.seed(seed))  # dropout and whatever else draws inside modules
            for index, group in enumerate(in_groups(batches, size)):
                share = index / steps if steps else 0.0
                self.weighting.begin_step(derive_seed(seed, "weighting", index))
                for name, loss in self._weight_step(group, share, learns_branches, rng, generator).items():
                    totals[name].append(loss)
                if learns_branches and index % self.settings.branch_every == 0:
                    self._branch_step(next(branch_batches), share, rng, generator)
        self._finish_epoch(totals)
        return self._text()

    def _weight_step(
        self,
        batches: Sequence[Batch | None],
        share: float,
        learns_branches: bool,
        rng: random.Random,
        generator: torch.Generator,
    ) -> dict[str, float]:
        """One step of the weights on some batches; gives the mean losses by task name."""
        settings = self.settings
        optimizer = self.optimizers["weights"]
        # A cosine for each phase: after the nodes are copied to the branches, these have to move apart.
        first = self._first_branch_epoch
        begin, end = (first, settings.epochs) if learns_branches else (0, first)
        # Thousandths of an epoch need no count of steps, which iterable data does not have.
        step, steps = round((self.epoch + share - begin) * 1000), (end - begin) * 1000
        factor = learning_rate_factor(step, steps, round(steps * settings.warmup_share))
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor
        optimizer.zero_grad(set_to_none=True)
        drawn = self.sandwich.draw(lambda: self._tree(share, learns_branches, rng, generator), rng)
        seen = add_gradients(self.supernet, batches, drawn, self.weighting, settings, self.device, self.group)
        if settings.gradient_clip > 0:
            torch.nn.utils.clip_grad_norm_(self.weights, settings.gradient_clip)
        optimizer.step()
        self.weighting.end_step()
        if self.averages is not None:
            self.averages.update()
        return seen

    def _tree(self, share: float, learns_branches: bool, rng: random.Random, generator: torch.Generator) -> Tree:
        """The tree of one sub-network: hard sharing at first, then drawn uniformly or from the branch points."""
        if not learns_branches:
            return self.sandwich.shared
        if rng.random() < self.settings.random_trees:
            return self.supernet.space.architectures.draw_tree(rng)
        return self.supernet.branch_points.sample(self._temperature(share), generator).tree

    def _branch_step(self, batch: Batch | None, share: float, rng: random.Random, generator: torch.Generator) -> None:
        (shares,) = label_shares(self.supernet.space.tasks, [batch], self.group, self.device)
        x, labels = (None, {}) if batch is None else (to_device(part, self.device) for part in batch)
        sample = self.supernet.branch_points.sample(self._temperature(share), generator)
        optimizer = self.optimizers["branch"]
        optimizer.zero_grad(set_to_none=True)
        branch_loss(
            self.supernet,
            x,
            labels,
            sample,
            rng,
            target_cost=self.settings.target_cost,
            resource_weight=self.settings.resource_weight,
            shares=shares,
            parts=self.group.size,
        ).total.backward()  # type: ignore[no-untyped-call]
        self.group.sum_gradients(list(self.supernet.branch_points.parameters()))
        optimizer.step()

    @property
    def _first_branch_epoch(self) -> int:
        return round(self.settings.epochs * self.settings.shared_warmup)

    def _temperature(self, share: float) -> float:
        first = self._first_branch_epoch
        done = (self.epoch + share - first) / max(1, self.settings.epochs - first)
        return temperature(done, self.settings.temperature_start, self.settings.temperature_end)

    def _endless_branch_batches(self, seed: int) -> Any:
        turn = 0
        while True:
            empty = True
            for batch in self._batches(self.data.branch_batches, derive_seed(seed, "branch", turn)):
                empty = False
                yield batch
            if empty:
                raise TrainingError("the data for the branch points yields no batch; give it more samples")
            turn += 1

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
        points = self.supernet.branch_points
        with torch.no_grad():
            entropy, probabilities = points.entropy(), points.probabilities()
            share = float(expected_share(self.supernet, random.Random(derive_seed(self.seed, "share", self.epoch))))
        self.history.append(
            {
                "epoch": self.epoch + 1,
                "losses": {name: sum(losses) / len(losses) if losses else None for name, losses in totals.items()},
                "branch_entropy": float(entropy.mean()) if entropy.numel() else 0.0,
                "branch_probabilities": probabilities.cpu().tolist(),
                "expected_cost_share": share,
                "learning_rate": self.optimizers["weights"].param_groups[0]["lr"],
                "temperature": self._temperature(1.0),
            }
        )
        self.epoch += 1
        if self.epoch == self._first_branch_epoch:
            self.supernet.spread_first_copy()
            if self.averages is not None:
                with self.averages.swapped():
                    self.supernet.spread_first_copy()
        self.save()

    def _text(self) -> str:
        last = self.history[-1]
        losses = "  ".join(f"{name} {loss:.3f}" for name, loss in last["losses"].items() if loss is not None)
        return f"loss {losses}  expected cost {last['expected_cost_share']:.2f}"

    def save(self) -> None:
        """Write weights, their averages, the state of optimizers and weighting, and history as one checkpoint."""
        if self.group.rank:
            return
        tensors = {f"model.{name}": tensor for name, tensor in self.supernet.state_dict().items()}
        tensors.update({f"weighting.{name}": tensor for name, tensor in self.weighting.tensors().items()})
        for kind, optimizer in self.optimizers.items():
            tensors.update(optimizer_tensors(f"optimizer.{kind}", optimizer))
        note: dict[str, Any] = {"epoch": self.epoch, "history": self.history}
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
        load_weights(self.supernet, tensors, path, averaged=False)
        self.epoch, self.history = epoch_of(note, path), list(note["history"])
        try:
            self.weighting.load(named_part(tensors, "weighting."))
            for kind, optimizer in self.optimizers.items():
                load_optimizer(f"optimizer.{kind}", optimizer, tensors)
            if self.averages is not None:
                self.averages.load(named_part(tensors, "average."), int(note["averaged_steps"]))
        except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise RunError(
                f"the checkpoint {path} does not hold all of this training ({type(error).__name__}:"
                f" {brief(error)}); delete it to train again from the start"
            ) from error


def _averages(supernet: SuperNetwork, decay: float) -> WeightAverages | None:
    """Averages of all weights but the branch logits, or None if there are to be none."""
    if decay == 0:
        return None
    averaged = {id(weight) for weight in supernet.weights()}
    named = {name: weight for name, weight in supernet.named_parameters() if id(weight) in averaged}
    return WeightAverages(named, decay)
