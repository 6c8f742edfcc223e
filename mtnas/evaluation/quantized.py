"""Errors of candidates under quantization policies, with the weights that they inherit from the supernetwork."""

from __future__ import annotations

from collections.abc import Mapping

from mtnas.architecture import Candidate
from mtnas.evaluation.errors import as_costs, task_errors
from mtnas.evaluation.evaluator import InheritedErrors
from mtnas.evaluation.extraction import extract
from mtnas.quantizing import fake_quantized, gather_ranges, settle_weights
from mtnas.space.data import Data
from mtnas.supernet import SuperNetwork


class CandidateErrors:
    """Judges candidates: float ones by `InheritedErrors`, others as their integer files would compute.

    A network under a policy is cut out, its batch-norm statistics are recalibrated, the ranges of its activations are
    those of samples that trained no weights, as are weights of few bits (`settle_weights`), and the roundings of the
    file are made in torch (`fake_quantized`). Such
    errors are not kept by task and path: a tensor is rounded once for all that read it, so that a task's error also
    depends on the bits of the branches beside its own.

    Args:
        supernet: trained; its batch-norm buffers are overwritten, its weights are not.
        data: training samples calibrate, the validation samples judge.
        cache_mib: of `InheritedErrors`.
        sharers: of `InheritedErrors`.
    """

    def __init__(self, supernet: SuperNetwork, data: Data, *, cache_mib: float | None = None, sharers: int = 1) -> None:
        self.supernet, self.data = supernet, data
        self._inherited = InheritedErrors(supernet, data, cache_mib=cache_mib, sharers=sharers)

    def remember(self, candidate: Candidate, errors: Mapping[str, float]) -> None:
        """Take errors that were measured before."""
        if not candidate.policy.nodes:
            self._inherited.remember(candidate.architecture, errors)

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Error of every task, by task name."""
        if not candidate.policy.nodes:
            return self._inherited(candidate.architecture)
        network = extract(self.supernet, candidate.architecture, self.data)
        settle_weights(network, candidate.policy, self.data.range_batches())
        ranges = gather_ranges(network, self.data.range_batches())
        with fake_quantized(network, candidate.policy, ranges):
            return as_costs(task_errors(network, self.supernet.space.tasks, self.data.valid_batches()))
