"""Train chosen candidates on their own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mtnas.architecture import Candidate
from mtnas.errors import RunError
from mtnas.evaluation import extract, task_errors
from mtnas.progress import progress
from mtnas.refining.rows import RefinedRow, RefinedRows, read_refined, row_text
from mtnas.refining.settings import RefineSettings
from mtnas.results import mean_error
from mtnas.runs import Run, load_checkpoint, save_checkpoint, write_text
from mtnas.seeds import derive_seed
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import to_device
from mtnas.supernet import BranchedNetwork, SuperNetwork
from mtnas.training import cpu_threads, load_supernetwork, resolve_device
from mtnas.training.loss import task_losses, weighted_sum
from mtnas.training.optimizer_state import load_optimizer, optimizer_tensors
from mtnas.training.schedule import learning_rate_factor


def refine(
    space: SearchSpace,
    data: Data,
    run: Run,
    candidates: Sequence[Candidate],
    settings: RefineSettings | None = None,
    *,
    show_progress: bool = True,
) -> RefinedRows:
    """Train candidates on their own, stopping early on the validation split; then measure the test error, once.

    Hard sharing and single-task networks are candidates like all others. A candidate that is finished is not trained
    again; one that was interrupted goes on after its last epoch. Inherited rows stay as they are.

    Args:
        space: the run's search space.
        data: its train, valid and test splits are used.
        run: with a finished training.
        candidates: what to train.
        settings: None: `RefineSettings()`.
        show_progress: False: nothing is printed.

    Returns:
        All refined rows of the run, also those of earlier calls.
    """
    settings = settings or RefineSettings()
    device = resolve_device(settings.device)
    with run.hold(), cpu_threads(settings.threads):
        supernet = load_supernetwork(space, data, run, settings.device)
        for candidate in candidates:
            job = _Job(space, data, run, supernet, candidate, settings, device)
            if not job.finished():
                job.work(show_progress)
        rows = read_refined(run)
        run.write_text("refined.csv", rows.to_frame().to_csv(index=False))
    return rows


class _Job:
    """Training of one candidate, with what it takes to go on: its network, optimizer, best weights so far."""

    def __init__(
        self,
        space: SearchSpace,
        data: Data,
        run: Run,
        supernet: SuperNetwork,
        candidate: Candidate,
        settings: RefineSettings,
        device: torch.device,
    ) -> None:
        self.space, self.data, self.settings, self.device = space, data, settings, device
        self.candidate = candidate
        self.how = "from scratch" if settings.from_scratch else "fine-tuned"
        self.folder = run.path / "refined" / RefinedRow(candidate, self.how, {}, {}, 0).key
        self.seed = derive_seed(run.seed, "refine", candidate.id, self.how)
        self.supernet = supernet

    def finished(self) -> bool:
        """Whether the row is there; RunError if other settings made it."""
        path = self.folder / "row.json"
        if not path.exists():
            return False
        known = json.loads(path.read_text(encoding="utf-8")).get("settings")
        if known != self.settings.to_json():
            raise RunError(
                f"candidate {self.candidate.id} was {self.how} with settings {known}, but now they are"
                f" {self.settings.to_json()}; use the same, or delete {self.folder}"
            )
        return True

    def work(self, show_progress: bool) -> None:
        """Train to the end and write the row."""
        network = self._network()
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay
        )
        state = _State.load(self.folder / "checkpoint.safetensors", network, optimizer, self.settings)
        if state is None:
            state = _State(0, 0, self._errors(network), _weights(network))
        name = f"{self.how} {self.candidate.id}"
        with progress(name, self.settings.epochs, state.epoch, show=show_progress) as advance:
            while state.epoch < self.settings.epochs and state.epoch - state.best_epoch < self.settings.patience:
                self._train_epoch(network, optimizer, state.epoch)
                state.epoch += 1
                errors = self._errors(network)
                if mean_error(errors) < mean_error(state.best_errors):
                    state.best_epoch, state.best_errors, state.best = state.epoch, errors, _weights(network)
                state.save(self.folder / "checkpoint.safetensors", network, optimizer, self.settings)
                advance(f"mean error {mean_error(errors):.4f}, best {mean_error(state.best_errors):.4f}")
        network.load_state_dict(state.best)
        network.eval()
        test = task_errors(network, self.space.tasks, self.data.test_batches()) if self.data.has_test else {}
        note = {"candidate": self.candidate.to_json(), "id": self.candidate.id, "how": self.how}
        save_checkpoint(self.folder / "network.safetensors", network.state_dict(), note)
        row = RefinedRow(self.candidate, self.how, state.best_errors, test, state.best_epoch)
        write_text(self.folder / "row.json", row_text(row, self.settings.to_json()))
        (self.folder / "checkpoint.safetensors").unlink(missing_ok=True)

    def _network(self) -> BranchedNetwork:
        if not self.settings.from_scratch:
            return extract(self.supernet, self.candidate, self.data)
        fresh = SuperNetwork(self.space, self.supernet.found, self.seed)
        return fresh.extract(self.candidate).to(self.device)

    def _errors(self, network: BranchedNetwork) -> dict[str, float]:
        return task_errors(network.eval(), self.space.tasks, self.data.valid_batches())

    def _train_epoch(self, network: BranchedNetwork, optimizer: torch.optim.Optimizer, epoch: int) -> None:
        seed = derive_seed(self.seed, "epoch", epoch)
        batches = self.data.train_batches(seed)
        length = len(batches) if hasattr(batches.dataset, "__len__") else None
        steps = self.settings.epochs * 1000  # thousandths of an epoch
        network.train()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            for index, (x, labels) in enumerate(batches):
                step = round((epoch + (index / length if length else 0.0)) * 1000)
                factor = learning_rate_factor(step, steps, round(steps * self.settings.warmup_share))
                for group in optimizer.param_groups:
                    group["lr"] = self.settings.learning_rate * factor
                outputs = network(to_device(x, self.device))
                losses = task_losses(self.space.tasks, outputs, to_device(labels, self.device))
                total = weighted_sum(self.space.tasks, losses)
                if total is None:
                    continue
                optimizer.zero_grad(set_to_none=True)
                total.backward()  # type: ignore[no-untyped-call]
                if self.settings.gradient_clip > 0:
                    torch.nn.utils.clip_grad_norm_(network.parameters(), self.settings.gradient_clip)
                optimizer.step()


class _State:
    """How far a training has come and the best weights it has seen."""

    def __init__(
        self, epoch: int, best_epoch: int, best_errors: Mapping[str, float], best: Mapping[str, Tensor]
    ) -> None:
        self.epoch, self.best_epoch = epoch, best_epoch
        self.best_errors, self.best = dict(best_errors), dict(best)

    def save(
        self, path: Path, network: BranchedNetwork, optimizer: torch.optim.Optimizer, settings: RefineSettings
    ) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
        tensors.update({f"best.{name}": tensor for name, tensor in self.best.items()})
        tensors.update(optimizer_tensors("optimizer", optimizer))
        note = {
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_errors": self.best_errors,
            "settings": settings.to_json(),
        }
        save_checkpoint(path, tensors, note)

    @classmethod
    def load(
        cls, path: Path, network: BranchedNetwork, optimizer: torch.optim.Optimizer, settings: RefineSettings
    ) -> _State | None:
        """The state of an interrupted training with the same settings, or None."""
        if not path.exists():
            return None
        tensors, note = load_checkpoint(path)
        if note["settings"] != settings.to_json():
            raise RunError(
                f"{path.parent} was begun with settings {note['settings']}, but now they are {settings.to_json()};"
                " use the same, or delete it"
            )
        network.load_state_dict(_part(tensors, "model."))
        load_optimizer("optimizer", optimizer, tensors)
        return cls(note["epoch"], note["best_epoch"], note["best_errors"], _part(tensors, "best."))


def _weights(network: BranchedNetwork) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
