"""Train a supernetwork once."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mtnas.architecture import Tree
from mtnas.errors import RunError, TrainingError
from mtnas.progress import progress
from mtnas.runs import Run, load_checkpoint, save_checkpoint
from mtnas.seeds import derive_seed
from mtnas.space.check import check
from mtnas.space.data import Batch, Data
from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import to_device
from mtnas.space.threads import cpu_threads
from mtnas.supernet import SuperNetwork
from mtnas.training.accumulation import in_groups
from mtnas.training.averages import WeightAverages
from mtnas.training.branch_step import branch_loss, expected_share
from mtnas.training.compiling import compiled
from mtnas.training.devices import check_machine, resolve_device
from mtnas.training.optimizer_state import load_optimizer, optimizer_tensors
from mtnas.training.sampling import Sandwich
from mtnas.training.scalars import scalars
from mtnas.training.schedule import learning_rate_factor, temperature
from mtnas.training.settings import TrainingSettings
from mtnas.training.stored import epoch_of, load_weights, named_part
from mtnas.training.weight_step import add_gradients


def train(
    space: SearchSpace,
    data: Data,
    run: Run,
    settings: TrainingSettings | None = None,
    *,
    supernetwork: type[SuperNetwork] = SuperNetwork,
    show_progress: bool = True,
) -> SuperNetwork:
    """Train the supernetwork of a space, or go on where an interrupted training stopped.

    Every epoch ends with a checkpoint. Called again on a finished run, it loads the result and trains nothing.

    Args:
        space: the search space.
        data: the data; its train and branch splits are used.
        run: where to keep everything.
        settings: None: `TrainingSettings()`.
        supernetwork: class of the supernetwork, for those who want to change it.
        show_progress: False: nothing is printed.

    Returns:
        The trained supernetwork, in evaluation mode; with ``settings.ema_decay``, its weights are the averages.

    Raises:
        SpaceError, DataError: before training, if something does not fit.
        RunError: if the run belongs to another space, data, seed or settings, or another process works on it.
        TrainingError: before training, if the machine lacks what the settings ask for; if a loss is not finite, where
            the checkpoint of the last good epoch stays.
    """
    settings = settings or TrainingSettings()
    device = check_machine(settings)
    found = claim_run(space, data, run, settings)
    with run.hold(), cpu_threads(settings.threads):
        supernet = supernetwork(space, found, derive_seed(run.seed, "weights")).to(device)
        trainer = _Trainer(supernet, data, run, settings, device)
        trainer.resume()
        with scalars(run.path / "tensorboard", space.architectures, trainer.history, settings.tensorboard) as write:
            if trainer.epoch < settings.epochs:
                with (
                    progress("training", settings.epochs, trainer.epoch, show=show_progress) as advance,
                    compiled(supernet, settings.compile),
                ):
                    while trainer.epoch < settings.epochs:
                        text = trainer.train_epoch()
                        write(trainer.history[-1])
                        advance(text)
    if trainer.averages is not None:
        trainer.averages.swap()
    return supernet.eval()


def claim_run(space: SearchSpace, data: Data, run: Run, settings: TrainingSettings) -> DryRun:
    """Check space and data, and make the run theirs, or see that it already is.

    Raises:
        SpaceError, DataError: if something does not fit.
        RunError: if the run belongs to another space, data or settings.
    """
    found = check(space, data)
    with run.hold():
        run.manifest.claim("space", space.describe(found))
        run.manifest.claim("data", data.fingerprint)
        run.manifest.claim("training", settings.to_json())
    return found


def load_supernetwork(space: SearchSpace, data: Data, run: Run, device: str = "auto") -> SuperNetwork:
    """The trained supernetwork of a run, in evaluation mode.

    Raises:
        RunError: if the run belongs to another space or data, or its training has not finished.
    """
    found = check(space, data)
    run.manifest.section("training")
    run.manifest.claim("space", space.describe(found))
    run.manifest.claim("data", data.fingerprint)
    epochs = run.manifest.section("training").get("epochs")
    tensors, note = load_checkpoint(run.checkpoint)
    trained = epoch_of(note, run)
    if trained != epochs:
        raise RunError(f"the run {run.path} has trained {trained} of {epochs} epochs; finish the training first")
    supernet = SuperNetwork(space, found, derive_seed(run.seed, "weights"))
    load_weights(supernet, tensors, run, averaged=True)
    return supernet.to(resolve_device(device)).eval()


class _Trainer:
    """State of a training: the supernetwork, its two optimizers, the weighting of the tasks, the averages of the
    weights if there are any, the number of finished epochs and their history."""

    def __init__(
        self, supernet: SuperNetwork, data: Data, run: Run, settings: TrainingSettings, device: torch.device
    ) -> None:
        self.supernet, self.data, self.run, self.settings, self.device = supernet, data, run, settings, device
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
        seed = derive_seed(self.run.seed, "epoch", self.epoch)
        rng = random.Random(seed)
        generator = torch.Generator().manual_seed(seed)
        batches = self.data.train_batches(seed)
        branch_batches = self._endless_branch_batches(seed)
        size = self.settings.accumulate
        steps = math.ceil(len(batches) / size) if hasattr(batches.dataset, "__len__") else None
        totals: dict[str, list[float]] = {task.name: [] for task in self.supernet.space.tasks}
        learns_branches = self.epoch >= self._first_branch_epoch
        self.supernet.train()
        self.weighting.begin_epoch(self.history)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)  # dropout and whatever else draws inside modules
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
        batches: Sequence[Batch],
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
        seen = add_gradients(self.supernet, batches, drawn, self.weighting, settings, self.device)
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

    def _branch_step(self, batch: Batch, share: float, rng: random.Random, generator: torch.Generator) -> None:
        x, labels = to_device(batch[0], self.device), to_device(batch[1], self.device)
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
        ).total.backward()  # type: ignore[no-untyped-call]
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
            for batch in self.data.branch_batches(derive_seed(seed, "branch", turn)):
                empty = False
                yield batch
            if empty:
                raise TrainingError("the data for the branch points yields no batch; give it more samples")
            turn += 1

    # State -----------------------------------------------------------------------------------------------------

    def _finish_epoch(self, totals: Mapping[str, list[float]]) -> None:
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
            share = float(expected_share(self.supernet, random.Random(derive_seed(self.run.seed, "share", self.epoch))))
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
        tensors = {f"model.{name}": tensor for name, tensor in self.supernet.state_dict().items()}
        tensors.update({f"weighting.{name}": tensor for name, tensor in self.weighting.tensors().items()})
        for kind, optimizer in self.optimizers.items():
            tensors.update(optimizer_tensors(f"optimizer.{kind}", optimizer))
        note: dict[str, Any] = {"epoch": self.epoch, "history": self.history}
        if self.averages is not None:
            tensors.update({f"average.{name}": tensor for name, tensor in self.averages.values.items()})
            note["averaged_steps"] = self.averages.steps
        save_checkpoint(self.run.checkpoint, tensors, note)

    def resume(self) -> None:
        """Take up the checkpoint, if there is one."""
        if not self.run.checkpoint.exists():
            return
        tensors, note = load_checkpoint(self.run.checkpoint)
        load_weights(self.supernet, tensors, self.run, averaged=False)
        self.weighting.load(named_part(tensors, "weighting."))
        for kind, optimizer in self.optimizers.items():
            load_optimizer(f"optimizer.{kind}", optimizer, tensors)
        self.epoch, self.history = epoch_of(note, self.run), list(note["history"])
        if self.averages is not None:
            self.averages.load(named_part(tensors, "average."), note["averaged_steps"])


def _averages(supernet: SuperNetwork, decay: float) -> WeightAverages | None:
    """Averages of all weights but the branch logits, or None if there are to be none."""
    if decay == 0:
        return None
    averaged = {id(weight) for weight in supernet.weights()}
    named = {name: weight for name, weight in supernet.named_parameters() if id(weight) in averaged}
    return WeightAverages(named, decay)
