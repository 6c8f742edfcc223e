"""Whether every node of a tree is computed once."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from mtnas.architecture import Architecture
from mtnas.supernet import SuperNetwork


def node_calls(supernet: SuperNetwork, architecture: Architecture, x: Tensor) -> Counter[tuple[int, int]]:
    """How often a forward pass ran every node, by (block, leader), counted by hooks on all nodes there are."""
    calls: Counter[tuple[int, int]] = Counter()
    hooks = []
    for block, choices in enumerate(supernet.space.architectures.blocks):
        for leader in range(len(supernet.space.tasks)):
            for option in choices.options:
                module = supernet.node(block, leader, option)
                hooks.append(module.register_forward_hook(lambda *_, key=(block, leader): calls.update([key])))
    with torch.no_grad():
        supernet(x, architecture)
    for hook in hooks:
        hook.remove()
    return calls
