"""How many tasks share each weight of a sub-network."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from mtnas.architecture import Architecture, copies_of
from mtnas.supernet import SuperNetwork


def count_sharers(supernet: SuperNetwork, architecture: Architecture) -> dict[nn.Parameter, int]:
    """Number of tasks whose output depends on each weight, by parameter.

    All options of a node's copy are counted as the node's, so weights that options have in common are found wherever
    they are kept; those of options that are not in use get no gradient anyway.
    """
    users: dict[nn.Parameter, set[int]] = {}

    def use(module: nn.Module, tasks: Iterable[int]) -> None:
        for weight in module.parameters():
            users.setdefault(weight, set()).update(tasks)

    use(supernet.stem, range(len(supernet.space.tasks)))
    numbers = copies_of(architecture.tree, supernet.space.architectures.most_groups)
    for block, group, _ in architecture.nodes():
        copies = supernet.blocks[block]
        assert isinstance(copies, nn.ModuleList)
        use(copies[numbers[block][group[0]]], group)
    for task, head in enumerate(supernet.heads):
        use(head, [task])
    return {weight: len(tasks) for weight, tasks in users.items()}
