"""Train a supernetwork once."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

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
from mtnas.supernet import SuperNetwork
from mtnas.training.branch_step import branch_loss, expected_share
from mtnas.training.distillation import mix_with_teacher
from mtnas.training.loss import task_losses, weighted_sum
from mtnas.training.optimizer_state import load_optimizer, optimizer_tensors
from mtnas.training.sampling import Sandwich
from mtnas.training.schedule import learning_rate_factor, temperature
from mtnas.training.settings import TrainingSettings


def train(
    space: SearchSpace,
    data: Data,
    run: Run,
    settings: TrainingSettings | None = None,
    *,
    show_progress: bool = True,
) -> SuperNetwork:
    """Train the supernetwork of a space, or go on where an interrupted training stopped.

    Every epoch ends with a checkpoint. Called again on a finished run, it loads the result and trains nothing.

    Args:
        space: the search space.
        data: the data; its train and branch splits are used.
        run: where to keep everything.
        settings: None: `TrainingSettings()`.
        show_progress: False: nothing is printed.

    Returns:
        The trained supernetwork, in evaluation mode.

    Raises:
        SpaceError, DataError: before training, if something does not fit.
        RunError: if the run belongs to another space, data, seed or settings, or another process works on it.
        TrainingError: if a loss is not finite; the checkpoint of the last good epoch stays.
    """
    settings = settings or TrainingSettings()
    device = resolve_device(settings.device)
    found = claim_run(space, data, run, settings)
    with run.hold(), cpu_threads(settings.threads):
        supernet = SuperNetwork(space, found, derive_seed(run.seed, "weights")).to(device)
        trainer = _Trainer(supernet, data, run, settings, device)
        trainer.resume()
        if trainer.epoch < settings.epochs:
            with progress("training", settings.epochs, trainer.epoch, show=show_progress) as advance:
                while trainer.epoch < settings.epochs:
                    advance(trainer.train_epoch())
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
    trained = _epoch_of(note, run)
    if trained != epochs:
        raise RunError(f"the run {run.path} has trained {trained} of {epochs} epochs; finish the training first")
    supernet = SuperNetwork(space, found, derive_seed(run.seed, "weights"))
    _load_weights(supernet, tensors, run)
    return supernet.to(resolve_device(device)).eval()


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` CPU threads; 0: as many as it likes."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resolve_device(name: str) -> torch.device:
    """A torch device; ``auto`` is CUDA if there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise TrainingError(f"there is no device '{name}'; use auto, cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise TrainingError(f"device '{name}' was asked for, but this machine has no CUDA; use auto or cpu")
    return device


class _Trainer:
    """State of a training: the supernetwork, its two optimizers, the number of finished epochs and their history."""

    def __init__(
        self, supernet: SuperNetwork, data: Data, run: Run, settings: TrainingSettings, device: torch.device
    ) -> None:
        self.supernet, self.data, self.run, self.settings, self.device = supernet, data, run, settings, device
        self.sandwich = Sandwich(
            supernet.space.architectures,
            supernet.found.costs,
            extremes=settings.sandwich,
            random_count=settings.random_networks,
        )
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "weights": torch.optim.AdamW(
                supernet.weights(), lr=settings.learning_rate, weight_decay=settings.weight_decay
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
        steps = len(batches) if hasattr(batches.dataset, "__len__") else None
        totals: dict[str, list[float]] = {task.name: [] for task in self.supernet.space.tasks}
        learns_branches = self.epoch >= self._first_branch_epoch
        self.supernet.train()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)  # dropout and whatever else draws inside modules
            for index, batch in enumerate(batches):
                share = index / steps if steps else 0.0
                for name, loss in self._weight_step(batch, share, learns_branches, rng, generator).items():
                    totals[name].append(loss)
                if learns_branches and index % self.settings.branch_every == 0:
                    self._branch_step(next(branch_batches), share, rng, generator)
        self._finish_epoch(totals)
        return self._text()

    def _weight_step(
        self, batch: Batch, share: float, learns_branches: bool, rng: random.Random, generator: torch.Generator
    ) -> dict[str, float]:
        settings, space = self.settings, self.supernet.space
        x, labels = to_device(batch[0], self.device), to_device(batch[1], self.device)
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
        seen: dict[str, float] = {}
        teacher: dict[str, Tensor] | None = None
        for architecture in drawn:
            outputs = self.supernet(x, architecture)
            losses = task_losses(space.tasks, outputs, labels)
            for name, loss in losses.items():
                seen[name] = seen.get(name, 0.0) + float(loss.detach()) / len(drawn)
            if teacher is not None:
                losses = mix_with_teacher(space.tasks, losses, outputs, teacher, labels, settings.distillation)
            elif settings.sandwich:
                teacher = {name: output.detach() for name, output in outputs.items()}
            total = weighted_sum(space.tasks, losses)
            if total is not None:
                (total / len(drawn)).backward()  # type: ignore[no-untyped-call]
        if settings.gradient_clip > 0:
            torch.nn.utils.clip_grad_norm_(self.supernet.weights(), settings.gradient_clip)
        optimizer.step()
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
        for name, tensor in self.supernet.state_dict().items():
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
            }
        )
        self.epoch += 1
        if self.epoch == self._first_branch_epoch:
            self.supernet.spread_first_copy()
        self.save()

    def _text(self) -> str:
        last = self.history[-1]
        losses = "  ".join(f"{name} {loss:.3f}" for name, loss in last["losses"].items() if loss is not None)
        return f"loss {losses}  expected cost {last['expected_cost_share']:.2f}"

    def save(self) -> None:
        """Write weights, optimizer state and history as one checkpoint."""
        tensors = {f"model.{name}": tensor for name, tensor in self.supernet.state_dict().items()}
        for kind, optimizer in self.optimizers.items():
            tensors.update(optimizer_tensors(f"optimizer.{kind}", optimizer))
        save_checkpoint(self.run.checkpoint, tensors, {"epoch": self.epoch, "history": self.history})

    def resume(self) -> None:
        """Take up the checkpoint, if there is one."""
        if not self.run.checkpoint.exists():
            return
        tensors, note = load_checkpoint(self.run.checkpoint)
        _load_weights(self.supernet, tensors, self.run)
        for kind, optimizer in self.optimizers.items():
            load_optimizer(f"optimizer.{kind}", optimizer, tensors)
        self.epoch, self.history = _epoch_of(note, self.run), list(note["history"])


def _epoch_of(note: Mapping[str, Any], run: Run) -> int:
    """Number of finished epochs that a checkpoint's note tells."""
    if not isinstance(note.get("epoch"), int) or not isinstance(note.get("history"), list):
        raise RunError(
            f"the checkpoint {run.checkpoint} is not that of a supernetwork; delete it to train again from the start"
        )
    return int(note["epoch"])


def _load_weights(supernet: SuperNetwork, tensors: Mapping[str, Tensor], run: Run) -> None:
    weights = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    try:
        supernet.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            f"the checkpoint {run.checkpoint} does not hold the weights of this space"
            f" ({str(error).splitlines()[-1].strip()}); use another run directory"
        ) from error
