"""A supernetwork whose nodes keep batch norms of their own for every group of tasks that may share them."""

from __future__ import annotations

import copy
from itertools import combinations
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mtnas.architecture import Group
from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input
from mtnas.supernet import SuperNetwork
from mtnas.supernet.operators import Operators


class NormPerGroup(SuperNetwork):
    """All weights but those of batch norms are shared between the groups that a task leads.

    A task's error then depends on the groups of its nodes, not on its path alone, so errors by path cannot be kept.
    """

    def __init__(self, space: SearchSpace, example: Input | DryRun, seed: int = 0) -> None:
        super().__init__(space, example, seed)
        tasks = len(space.tasks)
        self.of_groups = nn.ModuleList()
        for copies in self.blocks:
            assert isinstance(copies, nn.ModuleList)
            groups = nn.ModuleDict()
            for leader, operators in enumerate(copies):
                others = range(leader + 1, tasks)
                for size in range(len(others) + 1):
                    for rest in combinations(others, size):
                        groups[_key((leader, *rest))] = _with_own_norms(operators)
            self.of_groups.append(groups)

    def node_of(self, block: int, group: Group, copy: int, option: str, entering: int = 0) -> nn.Module:
        groups = self.of_groups[block]
        assert isinstance(groups, nn.ModuleDict)
        # Blocks at which tasks may not part have one copy, whose group is that of all tasks.
        operators = groups[_key(group)]
        assert isinstance(operators, Operators)
        return operators.module(self.space.architectures.blocks[block].options.index(option), entering)

    def node(self, block: int, copy: int, option: str, entering: int = 0) -> nn.Module:
        return self.node_of(block, (copy,), copy, option, entering)

    @torch.no_grad()
    def spread_first_copy(self) -> None:
        everyone = _key(tuple(range(len(self.space.tasks))))
        for groups in self.of_groups:
            assert isinstance(groups, nn.ModuleDict)
            state = {name: tensor.clone() for name, tensor in groups[everyone].state_dict().items()}
            for operators in groups.values():
                operators.load_state_dict(state)


def _key(group: Group) -> str:
    return "-".join(map(str, group))


def _with_own_norms(module: nn.Module) -> nn.Module:
    """A copy that shares all parameters but those of batch norms."""
    own = {id(p) for norm in module.modules() if isinstance(norm, _BatchNorm) for p in norm.parameters()}
    shared: dict[int, Any] = {id(p): p for p in module.parameters() if id(p) not in own}
    return copy.deepcopy(module, shared)
