"""Candidates trained alone from scratch; each finished training is kept in a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mtnas.architecture import Candidate
from mtnas.evaluation import task_errors
from mtnas.refining.fresh import fresh_network
from mtnas.runs import write_text
from mtnas.seeds import derive_seed
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.training.alone import train_epoch


@dataclass(frozen=True)
class Alone:
    """How a candidate is trained alone: AdamW, warm-up, cosine to zero, the last epoch counts."""

    epochs: int
    learning_rate: float
    weight_decay: float = 1e-4
    warmup_share: float = 0.05
    gradient_clip: float = 5.0


def errors_alone(
    space: SearchSpace, data: Data, candidate: Candidate, seed: int, how: Alone, folder: Path
) -> dict[str, float]:
    """Validation errors by task after training from scratch; read from ``folder`` where that has been done.

    No epoch is chosen by its validation error, so that these are as fair a measure as the inherited ones.
    """
    path = folder / f"{candidate.id}-{seed}.json"
    asked = {"candidate": candidate.to_json(), "seed": seed, "how": asdict(how), "data": data.fingerprint}
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["asked"] == asked:
            return dict(known["errors"])
    root = derive_seed(seed, "alone", candidate.id)
    network = fresh_network(space, candidate.architecture, data.example()[0], root)
    optimizer = torch.optim.AdamW(network.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay)
    for epoch in range(how.epochs):
        train_epoch(
            network,
            space.tasks,
            data,
            optimizer,
            epoch=epoch,
            epochs=how.epochs,
            seed=root,
            learning_rate=how.learning_rate,
            warmup_share=how.warmup_share,
            gradient_clip=how.gradient_clip,
            device=torch.device("cpu"),
        )
    errors = task_errors(network.eval(), space.tasks, data.valid_batches())
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps({"asked": asked, "errors": errors}))
    return errors
