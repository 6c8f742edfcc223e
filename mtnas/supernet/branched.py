"""One candidate as an ordinary module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from mtnas.architecture import Architecture
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input
from mtnas.supernet.gradients import scale_gradient


class BranchedNetwork(nn.Module):
    """A branched network: ``forward(x) -> {task name: output}``. Every node is computed once.

    A shared node sees the mean of the gradients of the tasks that share it, so that its step does not grow with their
    number.

    Args:
        space: the space that the architecture belongs to.
        architecture: tree and options.
        stem: shared module in front of the first block.
        nodes: module of every node by (block, leader).
        heads: module of every task's head by task number.
        tasks: numbers of the tasks to compute; None: all. Nodes that none of them uses are left out.
        average_gradients: False: a shared node sees the sum instead.
    """

    def __init__(
        self,
        space: SearchSpace,
        architecture: Architecture,
        stem: nn.Module,
        nodes: Mapping[tuple[int, int], nn.Module],
        heads: Mapping[int, nn.Module],
        tasks: Iterable[int] | None = None,
        *,
        average_gradients: bool = True,
    ) -> None:
        super().__init__()
        self.average_gradients = average_gradients
        self.architecture = architecture
        names = space.architectures.tasks
        wanted = tuple(range(len(names))) if tasks is None else tuple(sorted(tasks))
        self.stem = stem
        self.nodes = nn.ModuleDict()
        # Keys hold a slash, which names of tasks and blocks cannot, so none collides with an attribute or another key.
        self.heads = nn.ModuleDict({f"head/{names[task]}": heads[task] for task in wanted})
        # The plan of `forward`: for every block, (node name, leader, parent's leader, share of the parent's tasks).
        self._plan: list[list[tuple[str, int, int, float]]] = []
        above = [wanted]
        for block in range(architecture.tree.blocks):
            steps, groups = [], []
            for parent in above:
                for group in architecture.tree.groups(block):
                    members = tuple(task for task in group if task in parent)
                    if not members:
                        continue
                    name = f"{space.blocks[block].name}/{'+'.join(names[task] for task in members)}"
                    self.nodes[name] = nodes[block, group[0]]
                    steps.append((name, members[0], parent[0], len(members) / len(parent)))
                    groups.append(members)
            self._plan.append(steps)
            above = groups
        self._outputs = sorted((task, members[0], 1 / len(members)) for members in above for task in members)
        self._names = names

    @property
    def places(self) -> dict[str, tuple[int, int]]:
        """(block, leader) of every node by its name in `nodes`."""
        return {name: (block, leader) for block, steps in enumerate(self._plan) for name, leader, _, _ in steps}

    def forward(self, x: Input) -> dict[str, Tensor]:
        return self.outputs(self.features(self.stem(x))[-1])

    def features(self, stem: Input) -> list[dict[int, Input]]:
        """Output of the stem, then of all nodes, block by block, by leader (the lowest of the tasks computed)."""
        values: list[dict[int, Input]] = [{parent: stem for _, _, parent, _ in self._plan[0]}]
        for steps in self._plan:
            above = values[-1]
            values.append(
                {leader: self.nodes[name](self._share(above[parent], share)) for name, leader, parent, share in steps}
            )
        return values

    def outputs(self, features: dict[int, Input]) -> dict[str, Tensor]:
        """Outputs of the heads for the last block's features, in the order of the tasks."""
        return {
            self._names[task]: self.heads[f"head/{self._names[task]}"](self._share(features[leader], share))
            for task, leader, share in self._outputs
        }

    def _share(self, x: Input, share: float) -> Input:
        return scale_gradient(x, share) if self.average_gradients else x
