"""Overlays of the 8x8 digits that come with scikit-learn: small, offline, trained on in seconds."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from mtnas.seeds import derive_seed
from mtnas.space.datasets.overlay import LabelledImages, Overlays, PairLabel, draw_pairs
from mtnas.space.datasets.splits import Splits, split_indices


def digits() -> LabelledImages:
    """1,797 digits of 8x8 pixels, 0 to 16 (UCI, "Optical Recognition of Handwritten Digits")."""
    from sklearn.datasets import load_digits  # slow to import, and seldom needed

    bunch = load_digits()
    return LabelledImages(torch.from_numpy(bunch.images).float(), torch.from_numpy(bunch.target).long(), white=16.0)


def digit_overlays(
    labels: Mapping[str, PairLabel],
    *,
    train: int = 4000,
    valid: int = 1000,
    test: int = 1000,
    canvas: int = 12,
    seed: int = 0,
) -> Splits[Overlays]:
    """Pairs of digits on a canvas of 12x12.

    The digits are split 60/20/20 before pairs are drawn, so that no digit of one split is seen in another.

    Args:
        labels: label name -> function of the two digits.
        train: number of training pairs.
        valid: number of validation pairs.
        test: number of test pairs.
        canvas: side of the canvas.
        seed: seed of the split and the pairs; it belongs to the data, not to a run.
    """
    base = digits()
    parts = Splits(*(base.take(part) for part in split_indices(len(base), (0.6, 0.2, 0.2), derive_seed(seed, "split"))))
    counts = Splits(train, valid, test)
    splits = []
    for name, images, count in zip(Splits._fields, parts, counts, strict=True):
        pairs = draw_pairs(len(images), len(images), count, derive_seed(seed, "pairs", name))
        splits.append(Overlays(images, images, pairs, labels, canvas))
    return Splits(*splits)
