"""Datasets to try things on: two images on one canvas (digits, MNIST, Fashion-MNIST) and Census-Income.

Nothing is downloaded: files are found in a data directory, and a missing one raises DataError with how to get it.
"""

from mtnas.space.datasets.census import CATEGORY_SIZES, census_income
from mtnas.space.datasets.digits import digit_overlays
from mtnas.space.datasets.directory import find_data_dir
from mtnas.space.datasets.idx import read_idx
from mtnas.space.datasets.mnist_files import fashion_group, fashion_mnist, mnist, overlay_splits
from mtnas.space.datasets.overlay import LabelledImages, Overlays, draw_pairs
from mtnas.space.datasets.splits import Splits, split_indices

__all__ = [
    "CATEGORY_SIZES",
    "LabelledImages",
    "Overlays",
    "Splits",
    "census_income",
    "digit_overlays",
    "draw_pairs",
    "fashion_group",
    "fashion_mnist",
    "find_data_dir",
    "mnist",
    "overlay_splits",
    "read_idx",
    "split_indices",
]
