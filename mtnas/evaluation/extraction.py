"""Candidates cut out of the supernetwork, ready to use."""

from __future__ import annotations

from mtnas.architecture import Architecture, Candidate
from mtnas.evaluation.calibration import recalibrate
from mtnas.space.data import Data
from mtnas.supernet import BranchedNetwork, SuperNetwork


def extract(supernet: SuperNetwork, candidate: Candidate | Architecture, data: Data) -> BranchedNetwork:
    """A candidate as a network of its own, in evaluation mode, with batch-norm statistics of its own.

    Args:
        supernet: trained.
        candidate: what to cut out.
        data: its calibration samples set the batch-norm statistics.
    """
    network = supernet.extract(candidate)
    recalibrate(network, data.calibration_batches())
    return network
