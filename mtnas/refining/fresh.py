"""A candidate with new weights of its own."""

from __future__ import annotations

import torch
from torch import nn

from mtnas.architecture import Architecture
from mtnas.space.chance import fixed_chance
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input, head_of, input_shape
from mtnas.supernet import BranchedNetwork


@torch.no_grad()
def fresh_network(space: SearchSpace, architecture: Architecture, x: Input, seed: int) -> BranchedNetwork:
    """A candidate as an ordinary module whose operators are made one by one, each with its own initial weights.

    A network that is cut out of a new supernetwork would do for most spaces, but costs the memory of all candidates,
    and its operators that share weights would start as slices of the largest, whose initial scale is another.

    Args:
        space: of the architecture.
        architecture: tree and options.
        x: a batch of at least one sample, for shapes.
        seed: of the initial weights; the global random state is left as it is.

    Returns:
        The network, in evaluation mode.
    """
    space.architectures.check(architecture)
    with fixed_chance(seed):
        one = head_of(x, 1)
        stem = space.make_stem(input_shape(one)).eval()
        values: dict[int, Input] = dict.fromkeys(range(len(space.tasks)), stem(one))  # by task
        nodes: dict[tuple[int, int], nn.Module] = {}
        for block, group, option in architecture.nodes():
            value = values[group[0]]
            node = space.blocks[block].options[option](input_shape(value)).eval()
            nodes[block, group[0]] = node
            values.update(dict.fromkeys(group, node(value)))
        heads = {number: task.head(input_shape(values[number])) for number, task in enumerate(space.tasks)}
    return BranchedNetwork(space, architecture, stem, nodes, heads).eval()
