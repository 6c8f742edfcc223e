"""Architectures as numbers, for learned predictors."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture.architecture import Architecture
from mtnas.architecture.space import ArchitectureSpace


def feature_names(space: ArchitectureSpace) -> list[str]:
    """Names of the columns of `features`."""
    names = [
        f"share/{block.name}/{space.tasks[a]}+{space.tasks[b]}"
        for block in space.blocks
        for a, b in combinations(range(len(space.tasks)), 2)
    ]
    names += [
        f"option/{block.name}/{task}={option}"
        for block in space.blocks
        for task in space.tasks
        for option in block.options
    ]
    return names


def features(space: ArchitectureSpace, architectures: Iterable[Architecture]) -> NDArray[np.float64]:
    """Zeros and ones of shape (n, F), F = L * T * (T - 1) / 2 + T * sum of options.

    First, for every block and pair of tasks, whether they share the block's node. Then the option of every node,
    one-hot under the task that leads it; a task that leads no node there has zeros, so genes that do nothing leave no
    mark and equal networks have equal rows.
    """
    pairs = list(combinations(range(len(space.tasks)), 2))
    rows = []
    for architecture in architectures:
        space.check(architecture)
        row = [float(leaders[a] == leaders[b]) for leaders in architecture.tree.leaders for a, b in pairs]
        node_option = {(block, group[0]): option for block, group, option in architecture.nodes()}
        row += [
            float(node_option.get((index, task)) == option)
            for index, block in enumerate(space.blocks)
            for task in range(len(space.tasks))
            for option in block.options
        ]
        rows.append(row)
    return np.asarray(rows, dtype=np.float64).reshape(len(rows), len(feature_names(space)))
