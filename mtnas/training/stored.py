"""Weights and progress back from a run's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mtnas.architecture import ArchitectureSpace
from mtnas.branching import Branching
from mtnas.errors import ArchitectureError, RunError, brief
from mtnas.runs import Run, load_checkpoint
from mtnas.supernet import SuperNetwork


def named_part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def epoch_of(note: Mapping[str, Any], checkpoint: Path) -> int:
    """Number of finished epochs that a checkpoint's note tells."""
    if not isinstance(note.get("epoch"), int) or not isinstance(note.get("history"), list):
        raise RunError(
            f"the checkpoint {checkpoint} is not that of a supernetwork; delete it to train again from the start"
        )
    return int(note["epoch"])


def branching_of(note: Mapping[str, Any], space: ArchitectureSpace, checkpoint: Path) -> Branching | None:
    """What the training had learned about branching, None if it had not come that far."""
    if "branching" not in note:
        return None
    try:
        return Branching.from_json(note["branching"], space)
    except (ArchitectureError, TypeError) as error:
        raise RunError(
            f"the checkpoint {checkpoint} does not hold what this space's training learned about branching"
            f" ({brief(error)}); delete it to train again from the start"
        ) from error


def load_branching(run: Run) -> Branching | None:
    """What a run's training learned about branching, None if it did not come to that; no code of the space runs.

    Raises:
        RunError: if there is no training, or its checkpoint is damaged.
    """
    _, note = load_checkpoint(run.checkpoint)
    return branching_of(note, run.architectures()[0], run.checkpoint)


def load_weights(supernet: SuperNetwork, tensors: Mapping[str, Tensor], checkpoint: Path, *, averaged: bool) -> None:
    """Put the weights of a checkpoint into a supernetwork.

    Args:
        supernet: of the checkpoint's space.
        tensors: of the checkpoint.
        checkpoint: its file, for messages.
        averaged: take the averages over the steps where the checkpoint has them, as a finished training gives them.
    """
    weights = named_part(tensors, "model.")
    if averaged:
        averages, first = named_part(tensors, "average."), dict[nn.Parameter, str]()
        for name, weight in supernet.named_parameters(remove_duplicate=False):  # tied ones have several names
            kept = first.setdefault(weight, name)
            if kept in averages:
                weights[name] = averages[kept]
    try:
        supernet.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            f"the checkpoint {checkpoint} does not hold the weights of this space"
            f" ({str(error).splitlines()[-1].strip()}); use another run directory"
        ) from error
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise RunError(
                f"the checkpoint {checkpoint} is damaged ({name} is not finite); delete it to train again from the"
                " start"
            )
