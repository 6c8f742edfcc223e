"""The supernetwork: one module that holds the weights of all candidates."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mtnas.architecture import Architecture, Candidate, Group, TaskPath, copies_of
from mtnas.errors import ArchitectureError
from mtnas.space.chance import fixed_chance
from mtnas.space.dry_run import DryRun
from mtnas.space.elastic import Sliced
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input
from mtnas.supernet.branched import BranchedNetwork
from mtnas.supernet.operators import OfShapes, Operators


class SuperNetwork(nn.Module):
    """All nodes of all trees: per block one copy for every task that can lead a group there, per copy every option.

    A group of tasks uses the copy of its lowest-numbered task, so hard sharing uses the first task's copies and the
    fully split network uses each task's own. Where the space has fewer copies than tasks, see
    `ArchitectureSpace.weights_path`.

    Args:
        space: the search space.
        example: a batch of inputs, for shapes; or the result of a dry run on one.
        seed: seed of the initial weights.
    """

    def __init__(self, space: SearchSpace, example: Input | DryRun, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        self.found = example if isinstance(example, DryRun) else space.dry_run(example)
        with fixed_chance(seed):
            self.stem = space.make_stem(self.found.input)
            self.blocks = nn.ModuleList()
            copies = 1
            for block, shapes, largest in zip(space.blocks, self.found.shapes[:-1], self.found.largest, strict=True):
                copies = space.architectures.most_groups if block.branching else copies
                self.blocks.append(nn.ModuleList([Operators(block, shapes, largest) for _ in range(copies)]))
            self.heads = nn.ModuleList(
                [
                    OfShapes(task.head, self.found.shapes[-1], largest)
                    for task, largest in zip(space.tasks, self.found.largest_head, strict=True)
                ]
            )

    def node(self, block: int, copy: int, option: str, entering: int = 0) -> nn.Module:
        """The module of an option of one copy of a block.

        Args:
            entering: number of the shape that enters it, of those in ``found.shapes[block]``.
        """
        copies = self.blocks[block]
        assert isinstance(copies, nn.ModuleList)
        operators = copies[copy]
        assert isinstance(operators, Operators)
        return operators.module(self.space.architectures.blocks[block].options.index(option), entering)

    def node_of(self, block: int, group: Group, copy: int, option: str, entering: int = 0) -> nn.Module:
        """The module of a node that a group of tasks shares."""
        return self.node(block, copy, option, entering)

    def last_node(self, path: TaskPath) -> nn.Module:
        """The module of the last node of a path of weights, or of the beginning of one."""
        number, option = path[-1]
        return self.node(len(path) - 1, number, option, self._shapes_along(path)[-2])

    def head_behind(self, task: int, path: TaskPath) -> nn.Module:
        """A task's head behind a path."""
        return self.head(task, self._shapes_along(path)[-1])

    def head(self, task: int, entering: int = 0) -> nn.Module:
        """A task's head for a shape that enters it, by its number in ``found.shapes[-1]``."""
        head = self.heads[task]
        assert isinstance(head, OfShapes)
        return head.module(entering)

    def _shapes_along(self, path: TaskPath) -> tuple[int, ...]:
        return self.found.costs.shapes_along(self.space.architectures, [option for _, option in path])

    @torch.no_grad()
    def spread_first_copy(self) -> None:
        """Make every copy of every block equal to the first task's, the one that hard sharing uses."""
        for copies in self.blocks:
            assert isinstance(copies, nn.ModuleList)
            for other in list(copies)[1:]:
                other.load_state_dict(copies[0].state_dict())

    def limit(self, space: SearchSpace) -> None:
        """Go on as the supernetwork of a space that has fewer copies and is this one otherwise: the first are kept."""
        self.space = space
        for copies in self.blocks:
            assert isinstance(copies, nn.ModuleList)
            del copies[space.architectures.most_groups :]

    def view(
        self, architecture: Architecture, tasks: Iterable[int] | None = None, *, average_gradients: bool = True
    ) -> BranchedNetwork:
        """A candidate that shares this module's storage: training it trains the supernetwork.

        Operators that compute with slices have no parameters of their own: an optimizer takes those of the
        supernetwork.

        Args:
            architecture: tree and options.
            tasks: numbers of the tasks to compute; None: all.
            average_gradients: False: shared nodes see the sum of their tasks' gradients instead of the mean.
        """
        self.space.architectures.check(architecture)
        shapes = [self._shapes_along(architecture.path(task)) for task in range(len(self.space.tasks))]
        copies = copies_of(architecture.tree, self.space.architectures.most_groups)
        nodes = {
            (block, group[0]): self.node_of(block, group, copies[block][group[0]], option, shapes[group[0]][block])
            for block, group, option in architecture.nodes()
        }
        heads = {task: self.head(task, along[-1]) for task, along in enumerate(shapes)}
        network = BranchedNetwork(
            self.space, architecture, self.stem, nodes, heads, tasks, average_gradients=average_gradients
        )
        network.training = self.training
        return network

    def forward(self, x: Input, architecture: Architecture) -> dict[str, Tensor]:
        """Outputs of one candidate, by task name. Every node of its tree is computed once."""
        outputs: dict[str, Tensor] = self.view(architecture)(x)
        return outputs

    def extract(self, candidate: Candidate | Architecture) -> BranchedNetwork:
        """A candidate as a network of its own: equal to its path here, sharing no storage.

        Batch-norm statistics are those of the moment; `mtnas.extract` gives the network its own.
        """
        if isinstance(candidate, Candidate):
            if candidate.policy.nodes:
                raise ArchitectureError(
                    f"candidate {candidate.id} has a quantization policy, but a float module is extracted;"
                    " extract candidate.architecture and quantize what is exported"
                )
            candidate = candidate.architecture
        network = copy.deepcopy(self.view(candidate))
        for parts in (network.nodes, network.heads):
            for name, module in parts.items():
                if isinstance(module, Sliced):
                    parts[name] = module.ordinary()
        return network
