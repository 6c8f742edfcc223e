"""Overlays of MNIST and Fashion-MNIST images, read from their idx files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mtnas.errors import DataError
from mtnas.seeds import derive_seed
from mtnas.space.datasets.directory import find_data_dir, find_file
from mtnas.space.datasets.idx import read_idx
from mtnas.space.datasets.overlay import LabelledImages, Overlays, PairLabel, draw_pairs
from mtnas.space.datasets.splits import Splits, split_indices

Files = tuple[LabelledImages, LabelledImages]
"""Images of the train files and of the t10k files."""


def mnist(data_dir: Path | None = None) -> Files:
    """60,000 and 10,000 handwritten digits of 28x28.

    From the folder ``mnist`` (or ``MNIST/raw``) of the data directory.
    """
    root = find_data_dir(data_dir)
    remedy = "put MNIST's four idx files (plain or .gz) there"
    return _read([root / "mnist", root / "MNIST" / "raw"], remedy)


def fashion_mnist(
    data_dir: Path | None = None, *, installed: Path = Path("/usr/share/datasets/fashion-mnist")
) -> Files:
    """60,000 and 10,000 pieces of clothing of 28x28 (arXiv 1708.07747).

    From the folder ``fashion_mnist`` (or ``FashionMNIST/raw``) of the data directory, or, where that has none, from
    ``installed``, where Debian's package dataset-fashion-mnist puts them.
    """
    remedy = "put Fashion-MNIST's four idx files (plain or .gz) there, or run 'apt install dataset-fashion-mnist'"
    try:
        root = find_data_dir(data_dir)
    except DataError:
        if data_dir is not None or not installed.is_dir():
            raise
        return _read([installed], remedy)
    return _read([root / "fashion_mnist", root / "FashionMNIST" / "raw", installed], remedy)


def fashion_group(classes: Tensor) -> Tensor:
    """Coarse group of Fashion-MNIST's classes.

    0 tops (T-shirt, pullover, coat, shirt), 1 trousers, 2 dresses, 3 shoes (sandal, sneaker, ankle boot), 4 bags.
    """
    return torch.tensor([0, 1, 0, 2, 0, 3, 0, 3, 4, 3])[classes]


def overlay_splits(
    first: Files,
    second: Files,
    labels: Mapping[str, PairLabel],
    *,
    train: int = 30_000,
    valid: int = 5_000,
    test: int = 5_000,
    canvas: int = 36,
    seed: int = 0,
) -> Splits[Overlays]:
    """Pairs of images on a canvas of 36x36.

    A sixth of the train files' images is kept for validation before pairs are drawn, and test pairs come from the t10k
    files, so that no image of one split is seen in another.

    Args:
        first: images top left.
        second: images bottom right; may be the same as the first.
        labels: label name -> function of the classes of the first and the second images.
        train: number of training pairs.
        valid: number of validation pairs.
        test: number of test pairs.
        canvas: side of the canvas.
        seed: seed of the split and the pairs; it belongs to the data, not to a run.
    """
    corners = []
    for train_files, t10k in (first, second):
        kept, held = split_indices(len(train_files), (5 / 6, 1 / 6), derive_seed(seed, "split"))
        corners.append(Splits(train_files.take(kept), train_files.take(held), t10k))
    splits = []
    for name, one, two, count in zip(Splits._fields, *corners, Splits(train, valid, test), strict=True):
        pairs = draw_pairs(len(one), len(two), count, derive_seed(seed, "pairs", name))
        splits.append(Overlays(one, two, pairs, labels, canvas))
    return Splits(*splits)


def _read(folders: list[Path], remedy: str) -> Files:
    """Both pairs of files, all from the first folder that has images."""
    folder = find_file(folders, _names("train-images-idx3-ubyte"), remedy).parent
    files = []
    for split in ("train", "t10k"):
        images, classes = (
            read_idx(find_file([folder], _names(f"{split}-{kind}-ubyte"), remedy))
            for kind in ("images-idx3", "labels-idx1")
        )
        files.append(LabelledImages(images, classes.long()))
    return files[0], files[1]


def _names(name: str) -> tuple[str, str]:
    return name, f"{name}.gz"
