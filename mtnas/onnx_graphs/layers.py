"""Which operator of a graph is which layer of the network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mtnas.onnx_graphs.graph import LINEAR
from mtnas.onnx_graphs.packages import onnx
from mtnas.quantizing import Leaf

Floats = NDArray[np.float32]


def operators_of_layers(model: Any, network: nn.Module, leaves: Sequence[Leaf]) -> dict[str, list[str]]:
    """Names of the operators of each convolution or linear layer, one for each of its calls, by the layer's name.

    They are told by their weights, in the order of a pass, which both keep: names are no help, for the exporter names
    the members of sequences, lists and dicts each in another way. Where batch norm could not be folded before, the
    exporter has changed the weights; these layers are told by the exporter's name of them.

    Args:
        model: with readable names.
        network: as it was exported.
        leaves: of it, in the order of a pass.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    operators = [o for o in model.graph.node if o.op_type in LINEAR and o.input[1] in constants]
    weights = [onnx().numpy_helper.to_array(constants[o.input[1]]) for o in operators]
    free = dict.fromkeys(range(len(operators)))  # in order
    found: dict[str, list[str]] = {}
    last = -1
    for leaf in leaves:
        wanted = _weight(network, leaf)
        onwards = chain((n for n in free if n > last), (n for n in free if n <= last))
        number = next((n for n in onwards if _equal(weights[n], wanted)), None)
        if number is not None:
            last = number
            del free[number]
            found.setdefault(leaf.call.module, []).append(operators[number].name)
    matched = set(found)
    layers = {_dotted(leaf.call.module.removeprefix("nodes.")): leaf.call.module for leaf in leaves}
    for number in free:
        path = _dotted(operators[number].name.rpartition("/")[0])
        # Of a layer that is called again, the exporter numbers the names.
        layer = layers.get(path) or layers.get(re.sub(r"_\d+$", "", path))
        if layer is not None and layer not in matched:
            found.setdefault(layer, []).append(operators[number].name)
    return found


def _dotted(name: str) -> str:
    return name.replace("/", ".")


def _weight(network: nn.Module, leaf: Leaf) -> Floats:
    weight = network.get_submodule(leaf.call.module).weight
    assert isinstance(weight, Tensor)
    found: Floats = weight.detach().cpu().numpy()
    return found


def _equal(one: Floats, other: Floats) -> bool:
    """Whether they are the same weight, maybe transposed, as a matrix product has that of a linear layer."""
    return np.array_equal(one, other) or (other.ndim == 2 and np.array_equal(one, other.T))
