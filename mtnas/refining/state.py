"""How far a training has come, as one file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtnas.errors import RunError, brief
from mtnas.json_values import null_unless_finite, whole
from mtnas.refining.row_files import epoch_errors, history_in, score
from mtnas.runs import load_checkpoint, save_checkpoint
from mtnas.supernet import BranchedNetwork
from mtnas.training.optimizer_state import load_optimizer, optimizer_tensors


class TrainingState:
    """The epochs done, and the best weights so far.

    Args:
        epoch: number of finished epochs.
        best_epoch: after which the mean validation error was lowest; 0: at the start, or while none was finite.
        best_errors: validation errors by task then.
        best: weights and buffers then.
        history: validation errors by task after every epoch.
    """

    def __init__(
        self,
        epoch: int,
        best_epoch: int,
        best_errors: Mapping[str, float],
        best: Mapping[str, Tensor],
        history: Sequence[Mapping[str, float]] = (),
    ) -> None:
        self.epoch, self.best_epoch = epoch, best_epoch
        self.best_errors, self.best = dict(best_errors), dict(best)
        self.history = [dict(errors) for errors in history]

    def save(
        self, path: Path, network: BranchedNetwork, optimizer: torch.optim.Optimizer, settings: Mapping[str, Any]
    ) -> None:
        """Write the state, with the network and the optimizer as they are now, atomically."""
        tensors = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
        tensors.update({f"best.{name}": tensor for name, tensor in self.best.items()})
        tensors.update(optimizer_tensors("optimizer", optimizer))
        note = {
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_errors": null_unless_finite(self.best_errors),
            "history": null_unless_finite(self.history),
            "settings": dict(settings),
        }
        save_checkpoint(path, tensors, note)

    @classmethod
    def load(
        cls, path: Path, network: BranchedNetwork, optimizer: torch.optim.Optimizer, settings: Mapping[str, Any]
    ) -> TrainingState | None:
        """The state of an interrupted training with the same settings, or None; fills network and optimizer.

        One in which no epoch had finite errors is not gone on with.

        Raises:
            RunError: if the file is damaged, or the training was begun with other settings.
        """
        if not path.exists():
            return None
        tensors, note = load_checkpoint(path)
        if note.get("settings") != dict(settings):
            raise RunError(
                f"{path.parent} was begun with settings {brief(note.get('settings'))}, but now they are"
                f" {dict(settings)}; use the same, or delete it"
            )
        try:
            best = epoch_errors(note["best_errors"], list(note["best_errors"]))
            if math.isinf(score(best)):
                return None
            network.load_state_dict(_part(tensors, "model."))
            load_optimizer("optimizer", optimizer, tensors)
            epochs = whole(note["epoch"]), whole(note["best_epoch"])
            history = history_in(note, list(best))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RunError(f"{path} is damaged ({brief(error)}); delete it to begin that training again") from error
        return cls(*epochs, best, _part(tensors, "best."), history)


def weights(network: BranchedNetwork) -> dict[str, Tensor]:
    """A copy of the network's weights and buffers."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
