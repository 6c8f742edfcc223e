"""Quantization-aware fine-tuning of a candidate under its policy."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch

from mtnas.architecture import Candidate
from mtnas.evaluation import task_errors
from mtnas.quantizing import fake_quantized, gather_ranges, settle_weights, snap_weights
from mtnas.refining.candidate_job import CandidateJob
from mtnas.refining.state import TrainingState
from mtnas.runs import load_checkpoint
from mtnas.space.data import Batch
from mtnas.supernet import BranchedNetwork


class QuantizedJob(CandidateJob):
    """Training of a refined network with the roundings of its policy in every pass (arXiv 1712.05877, sec. 3).

    Weights, activations and errors are those that the integer file would have; gradients pass straight through the
    roundings. Ranges are gathered anew before every epoch and every judgement, from samples that train no weights;
    batch norms that fold into the layer before them keep their statistics. The network as it was refined in float, its
    weights of few bits settled (`settle_weights`), is epoch 0, and stays if no epoch is better on the validation split.
    """

    @property
    def epochs(self) -> int:
        return self.settings.quantized_epochs

    @property
    def learning_rate(self) -> float:
        return self.settings.quantized_learning_rate

    @property
    def asked(self) -> dict[str, Any]:
        return self.settings.to_json(quantized=True)

    def _network(self) -> BranchedNetwork:
        network = self.supernet.extract(self.candidate.architecture).to(self.device)
        in_float = Candidate(self.candidate.architecture)
        tensors, _ = load_checkpoint(self.folder_of(in_float) / "network.safetensors")
        network.load_state_dict(tensors)
        settle_weights(network.eval(), self.candidate.policy, self.data.range_batches())
        return network

    def _finish(self, network: BranchedNetwork, state: TrainingState) -> None:
        # What the roundings make of the weights is what is kept: nothing later is to choose other roundings for them.
        snap_weights(network, self.candidate.policy, self.data.example())
        super()._finish(network, state)

    def _train_epoch(self, network: BranchedNetwork, optimizer: torch.optim.Optimizer, epoch: int) -> None:
        with self._rounded(network.eval()):
            super()._train_epoch(network, optimizer, epoch)

    def _judged(self, network: BranchedNetwork, batches: Iterable[Batch]) -> dict[str, float]:
        # What is kept in the end is judged: weights of few bits on their grid, and ranges as these make them.
        network = copy.deepcopy(network.eval())
        snap_weights(network, self.candidate.policy, self.data.example())
        with self._rounded(network):
            return task_errors(network, self.tasks, batches)

    def _rounded(self, network: BranchedNetwork) -> AbstractContextManager[BranchedNetwork]:
        return fake_quantized(network, self.candidate.policy, gather_ranges(network, self.data.range_batches()))

    def _about(self) -> dict[str, Any]:
        return {**super()._about(), "quantization_aware": True}
