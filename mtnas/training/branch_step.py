"""One learning step of the branch points."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor, nn

from mtnas.architecture import Architecture, ArchitectureSpace
from mtnas.space.shapes import Input
from mtnas.supernet import BranchSample, SuperNetwork
from mtnas.training.loss import task_losses


@dataclass(frozen=True)
class BranchLoss:
    """Value whose gradient is that of the branch logits, and figures to show.

    Attributes:
        total: to call backward on.
        share: expected params over those of the fully split network.
    """

    total: Tensor
    share: float


def branch_loss(
    supernet: SuperNetwork,
    x: Input | None,
    labels: Mapping[str, Tensor],
    sample: BranchSample,
    rng: random.Random,
    *,
    target_cost: float,
    resource_weight: float,
    shares: Mapping[str, float] | None = None,
    parts: int = 1,
) -> BranchLoss:
    """Straight-through gradient of the tasks' losses in the branch points, plus the pull to a target cost.

    The sampled tree is computed once. With one-hot weights w and the feature f_a that task t would get from label a at
    block l, the feature it gets is sum_a w_a f_a, so dL_t/dw_a = <dL_t/df, f_a>: the gradient of t's own loss at the
    node it uses, times what the other node would have given on the same input. The other nodes are run forward only,
    each once per input.

    Args:
        supernet: in training mode; its weights get no gradient.
        x: inputs; None: a part of a batch that is empty.
        labels: of the inputs.
        sample: a tree with its straight-through weights.
        rng: draws the options of the nodes, the same for a node whoever joins it.
        target_cost: expected params to be reached, as a share of the fully split network's.
        resource_weight: of the squared distance to it.
        shares: of the batch's labelled samples that are in these inputs, by task name; None: all of them.
        parts: that the batch has; the sum of their gradients is that of the batch.
    """
    tree = sample.tree
    options = _draw_options(supernet, rng)
    architecture = Architecture(
        tree, tuple(tuple(options[block][group[0]] for group in tree.groups(block)) for block in range(tree.blocks))
    )
    signal = torch.zeros_like(sample.weights)
    if x is not None:
        _add_signals(signal, supernet, architecture, options, x, labels, sample, shares or {})
    share = expected_share(supernet, rng)
    pull = resource_weight * (share - target_cost) ** 2 / parts
    return BranchLoss((sample.weights * signal).sum() + pull, float(share.detach()))


def _add_signals(
    signal: Tensor,
    supernet: SuperNetwork,
    architecture: Architecture,
    options: list[list[str]],
    x: Input,
    labels: Mapping[str, Tensor],
    sample: BranchSample,
    shares: Mapping[str, float],
) -> None:
    """Add the gradient of every task's loss in the weights of the branch points to ``signal`` (P, T, labels)."""
    tree = architecture.tree
    network = supernet.view(architecture, average_gradients=False)
    with _frozen(network), torch.enable_grad():
        features = network.features(network.stem(x).detach().requires_grad_())
        losses = task_losses(supernet.space.tasks, network.outputs(features[-1]), labels)
        alternatives = _Alternatives(supernet, sample, options, features)
        for index, task in enumerate(supernet.space.tasks):
            if task.name in losses:
                path = [features[block + 1][tree.leaders[block][index]] for block in range(tree.blocks)]
                gradients = torch.autograd.grad(
                    task.weight * shares.get(task.name, 1.0) * losses[task.name], path, retain_graph=True
                )
                alternatives.add_signal(signal, index, gradients)


def expected_share(supernet: SuperNetwork, rng: random.Random) -> Tensor:
    """Expected params of a drawn tree with average options over those of the fully split one, differentiable.

    Args:
        supernet: whose branch points and cost table are read.
        rng: seeds the draws that stand in for the exact expectation when there are many tasks.
    """
    points = supernet.branch_points
    costs = supernet.found.costs
    per_block = supernet.branch_points.logits.new_tensor(
        [fmean(amounts[0] for shape in block for amounts in shape) for block in costs.options]
    )
    fixed = costs.stem[0] + fmean(sum(head[0] for head in shape) for shape in costs.heads)
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    most = _most_nodes(supernet.space.architectures).to(per_block.device)
    expected = fixed + (points.expected_nodes(generator) * per_block).sum()
    return expected / (fixed + (most * per_block).sum())


def _most_nodes(space: ArchitectureSpace) -> Tensor:
    """Nodes of every block in the fully split tree."""
    first = space.split_depths[0]
    return torch.tensor([len(space.tasks) if block >= first else 1 for block in range(len(space.blocks))])


def _draw_options(supernet: SuperNetwork, rng: random.Random) -> list[list[str]]:
    """Uniform options ``[block][task]`` of the copy that each task leads.

    Where widths are searched, all copies of a block take one option: only outputs of equal shape can be compared.
    """
    space = supernet.space.architectures
    if any(len(shapes) > 1 for shapes in supernet.found.shapes):
        return [[rng.choice(block.options)] * len(space.tasks) for block in space.blocks]
    return [[rng.choice(block.options) for _ in space.tasks] for block in space.blocks]


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Spare autograd the gradients of the weights."""
    needed = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in needed:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in needed:
            parameter.requires_grad_(True)


class _Alternatives:
    """What the nodes that were not chosen would have given, each run once per input."""

    def __init__(
        self, supernet: SuperNetwork, sample: BranchSample, options: list[list[str]], features: list[dict[int, Tensor]]
    ) -> None:
        self.supernet = supernet
        self.sample = sample
        self.options = options
        self.features = features
        # Where there are several shapes to enter by, all copies of a block have the same option: see `_draw_options`.
        self.entering = supernet.found.costs.shapes_along(
            supernet.space.architectures, [copies[0] for copies in options]
        )
        self._outputs: dict[tuple[int, int, int], Tensor] = {}
        above: tuple[int, ...] = (0,) * sample.tree.tasks
        for block, row in enumerate(sample.tree.leaders):
            for task, leader in enumerate(row):
                self._outputs[block, above[task], leader] = features[block + 1][leader].detach()
            above = row

    def add_signal(self, signal: Tensor, task: int, gradients: Sequence[Tensor]) -> None:
        """Add dL_task/dw for every branch point and label to ``signal`` (P, T, labels).

        Args:
            gradients: of the task's loss at the output of every node on its path.
        """
        tree = self.sample.tree
        point = -1
        above: tuple[int, ...] = (0,) * tree.tasks
        for block, choices in enumerate(self.supernet.space.architectures.blocks):
            if choices.branching:
                point += 1
                picked = self.sample.choices[point].tolist()
                for label in range(task + 1):
                    copy = _copy_for(picked, above, task, label)
                    signal[point, task, label] += (gradients[block] * self._output(block, above[task], copy)).sum()
            above = tree.leaders[block]

    def _output(self, block: int, parent: int, copy: int) -> Tensor:
        """Output of a copy of a block on the feature of the group that ``parent`` leads before it."""
        key = (block, parent, copy)
        if key not in self._outputs:
            with torch.no_grad():
                node = self.supernet.node(block, copy, self.options[block][copy], self.entering[block])
                self._outputs[key] = node(self.features[block][parent])
        return self._outputs[key]


def _copy_for(choices: list[int], above: tuple[int, ...], task: int, label: int) -> int:
    """The copy that ``task`` would use if it picked ``label``: that of the lowest task it would then share with."""
    others = [
        other
        for other, leader in enumerate(above)
        if leader == above[task] and other != task and choices[other] == label
    ]
    return min([task, *others])
