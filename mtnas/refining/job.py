"""Training of one network on its own, from its first weights to its test error."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mtnas.errors import RunError, TrainingError, brief
from mtnas.evaluation import task_errors
from mtnas.json_values import null_unless_finite, read_json
from mtnas.progress import progress
from mtnas.refining.row_files import score
from mtnas.refining.settings import RefineSettings
from mtnas.refining.state import TrainingState, weights
from mtnas.runs import save_checkpoint, write_text
from mtnas.space.data import Batch, Data
from mtnas.space.task import Task
from mtnas.supernet import BranchedNetwork
from mtnas.training.alone import train_epoch
from mtnas.training.optimizer import adamw

CHECKPOINT, NETWORK, ROW, STOPPED = "checkpoint.safetensors", "network.safetensors", "row.json", "stopped.json"
"""Files of a training: while it lasts, its best weights, its row, and that it was ended before its end."""

Reached = Callable[[int, Mapping[str, float]], None]
"""Told of an epoch that is done: its number, and the validation errors by task after it."""


def _nobody(epoch: int, errors: Mapping[str, float]) -> None:
    """Is told."""


class Job(ABC):
    """One training in a folder of its own: ``checkpoint.safetensors`` while it lasts, then ``row.json``.

    Subclasses say which network it is. Best weights stay in ``network.safetensors``.

    Args:
        tasks: of the network.
        data: its train, valid and test splits are used.
        settings: how to train.
        seed: of order and dropout.
        folder: where to keep everything.
        device: to train on.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        data: Data,
        settings: RefineSettings,
        *,
        seed: int,
        folder: Path,
        device: torch.device,
    ) -> None:
        self.tasks, self.data, self.settings = tasks, data, settings
        self.seed, self.folder, self.device = seed, folder, device

    @property
    def epochs(self) -> int:
        """Largest number of epochs."""
        return self.settings.epochs

    @property
    def learning_rate(self) -> float:
        """Peak rate."""
        return self.settings.rate

    @property
    def asked(self) -> dict[str, Any]:
        """The settings that determine the result, as JSON."""
        return self.settings.to_json()

    @abstractmethod
    def _network(self) -> BranchedNetwork:
        """The network as it is before training, on the device."""

    @abstractmethod
    def _about(self) -> dict[str, Any]:
        """What the files tell of the network, as JSON."""

    @property
    @abstractmethod
    def _sentence(self) -> str:
        """Begin of a sentence, e.g. ``candidate 4ecb3c3a47 was fine-tuned``."""

    def finished(self) -> bool:
        """Whether the row is there; RunError if other settings made it, or it is damaged."""
        path = self.folder / ROW
        if not path.exists():
            return False
        try:
            known = read_json(path)["settings"]
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise RunError(
                f"{path} is damaged ({brief(error)}); delete its folder to train that network again"
            ) from error
        if known != self.asked:
            raise RunError(
                f"{self._sentence} with settings {known}, but now they are {self.asked};"
                f" use the same, or delete {self.folder}"
            )
        # A process that was killed right after it wrote the row has left what it went on from.
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        return True

    def work(self, title: str, *, show_progress: bool, reached: Reached | None = None) -> None:
        """Train to the end, or go on after the last epoch; then measure the test error and write the row.

        Args:
            title: what the progress line calls it.
            reached: called with the number of every epoch and the validation errors by task after it, once they are on
                disk; in a training that goes on, first with those of the epochs before.

        Raises:
            TrainingError: at the end, naming task and epoch, if there is none after which all errors were finite.
        """
        network = self._network()
        optimizer = adamw(network.parameters(), self.learning_rate, self.settings.weight_decay)
        checkpoint = self.folder / CHECKPOINT
        state = TrainingState.load(checkpoint, network, optimizer, self.asked)
        if state is None:
            state = TrainingState(0, 0, self._errors(network), weights(network))
        reached = reached or _nobody
        for epoch, errors in enumerate(state.history, start=1):
            reached(epoch, errors)
        with progress(title, self.epochs, state.epoch, show=show_progress) as advance:
            while state.epoch < self.epochs and state.epoch - state.best_epoch < self.settings.patience:
                self._train_epoch(network, optimizer, state.epoch)
                state.epoch += 1
                errors = self._errors(network)
                state.history.append(errors)
                if score(errors) < score(state.best_errors):
                    state.best_epoch, state.best_errors, state.best = state.epoch, errors, weights(network)
                state.save(checkpoint, network, optimizer, self.asked)
                reached(state.epoch, errors)
                advance(f"mean error {score(errors):.4f}, best {score(state.best_errors):.4f}")
        if math.isinf(score(state.best_errors)):
            last = state.history[-1] if state.history else state.best_errors
            raise self._not_finite(last, f"an epoch of finite errors: after epoch {state.epoch}")
        network.load_state_dict(state.best)
        self._finish(network.eval(), state)
        checkpoint.unlink(missing_ok=True)
        (self.folder / STOPPED).unlink(missing_ok=True)

    def _finish(self, network: BranchedNetwork, state: TrainingState) -> None:
        test = self._judged(network, self.data.test_batches()) if self.data.has_test else {}
        if not all(map(math.isfinite, test.values())):
            raise self._not_finite(test, "finite errors on the test split:")
        save_checkpoint(self.folder / NETWORK, network.state_dict(), self._about())
        row = {
            **self._about(),
            "valid": state.best_errors,
            "test": test,
            "epoch": state.best_epoch,
            "history": null_unless_finite(state.history),
            "settings": self.asked,
        }
        write_text(self.folder / ROW, json.dumps(row, indent=1))

    def _not_finite(self, errors: Mapping[str, float], lacked: str) -> TrainingError:
        name, error = next((name, error) for name, error in errors.items() if not math.isfinite(error))
        return TrainingError(
            f"{self._sentence} without {lacked} that of task '{name}' is {error}; look at how the task counts its"
            " error, or lower learning_rate"
        )

    def _errors(self, network: BranchedNetwork) -> dict[str, float]:
        return self._judged(network, self.data.valid_batches())

    def _judged(self, network: BranchedNetwork, batches: Iterable[Batch]) -> dict[str, float]:
        """Errors by task on some samples."""
        return task_errors(network.eval(), self.tasks, batches)

    def _train_epoch(self, network: BranchedNetwork, optimizer: torch.optim.Optimizer, epoch: int) -> None:
        train_epoch(
            network,
            self.tasks,
            self.data,
            optimizer,
            epoch=epoch,
            epochs=self.epochs,
            seed=self.seed,
            learning_rate=self.learning_rate,
            warmup_share=self.settings.warmup_share,
            gradient_clip=self.settings.gradient_clip,
            device=self.device,
        )
