"""Which layer's weights are quantized together with what: its batch norm, its activation, the tensors at both ends."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mtnas.quantizing.tracing import Trace, Visit, trace
from mtnas.space.shapes import Input
from mtnas.supernet import BranchedNetwork

Side = Literal["input", "product", "output"]


@dataclass(frozen=True, order=True)
class Call:
    """One call of a module in a forward pass: number ``number``, from 0, of ``of``."""

    module: str
    number: int = 0
    of: int = 1

    def to_json(self) -> list[Any]:
        return [self.module, self.number, self.of]


@dataclass(frozen=True, order=True)
class Place:
    """Where a tensor is got hold of: what enters or leaves a call, or the product of a linear layer before its bias."""

    call: Call
    side: Side = "output"

    def __str__(self) -> str:
        call = f" (call {self.call.number})" if self.call.of > 1 else ""
        return f"the {self.side} of {self.call.module}{call}"

    def to_json(self) -> list[Any]:
        return [*self.call.to_json(), self.side]


@dataclass(frozen=True)
class Leaf:
    """One call of a convolution or linear layer.

    Attributes:
        call: of the layer.
        node: (block, leader) of the node that it belongs to; None: to none, as in stem and heads.
        shape: of its weight; output channels first.
        norm: call of the batch norm behind it that folds into it.
        clip: limits of the activation behind that, if clipping is all it does: (0, inf) for a ReLU.
        bias_apart: whether the bias is added behind the quantized product: in exported graphs, a matrix product of more
            than two dimensions has none.
        reads: the tensor that it takes. Most have one place, whoever reads them; those that a function makes, and
            those that several modules make alike, have several.
        writes: the tensor that it gives, with batch norm and activation.
    """

    call: Call
    node: tuple[int, int] | None
    shape: tuple[int, ...]
    norm: Call | None
    clip: tuple[float, float] | None
    bias_apart: bool
    reads: tuple[Place, ...]
    writes: Place

    def to_json(self) -> dict[str, Any]:
        return {
            "call": self.call.to_json(),
            "node": None if self.node is None else list(self.node),
            "shape": list(self.shape),
            "norm": None if self.norm is None else self.norm.to_json(),
            # JSON has no infinity.
            "clip": None if self.clip is None else [limit if math.isfinite(limit) else None for limit in self.clip],
            "bias_apart": self.bias_apart,
            "reads": [place.to_json() for place in self.reads],
            "writes": self.writes.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Leaf:
        clip = value["clip"]
        return cls(
            Call(*value["call"]),
            None if value["node"] is None else (value["node"][0], value["node"][1]),
            tuple(value["shape"]),
            None if value["norm"] is None else Call(*value["norm"]),
            None
            if clip is None
            else (-math.inf if clip[0] is None else clip[0], math.inf if clip[1] is None else clip[1]),
            value["bias_apart"],
            tuple(place_from_json(place) for place in value["reads"]),
            place_from_json(value["writes"]),
        )


def place_from_json(value: Sequence[Any]) -> Place:
    return Place(Call(*value[:3]), value[3])


def wire(module: nn.Module, x: Input) -> tuple[Leaf, ...]:
    """Every call of a convolution or linear layer in one forward pass, in that order.

    Those that no output depends on are left out, as an exporter does: a block may make a tensor that no head reads. So
    are layers with a ``forward`` of their own: nobody knows what they do with their weights.

    Args:
        module: a network whose nodes a policy may name, or any other module: its leaves then belong to no node.
        x: a batch of inputs.
    """
    seen = trace(module, x)
    totals = Counter(visit.name for visit in seen.visits)
    nodes = _nodes(module)
    chains = chains_of(seen)
    places: dict[int | None, tuple[Place, ...]] = {}
    for visit in seen.visits:
        # A stem that hands on the input stands for it.
        if visit.made or (visit.name == "stem" and visit.gives not in places):
            places[visit.gives] = (*places.get(visit.gives, ()), Place(_call(visit, totals)))
    places.update({chain.last: (chain.writes,) for chain in chains if not chain.bias_apart})
    loose: dict[int | None, tuple[Place, ...]] = {}
    for chain in chains:
        if chain.takes not in places:
            loose[chain.takes] = (*loose.get(chain.takes, ()), Place(chain.call, "input"))
    return tuple(chain.leaf(nodes, {**places, **loose}) for chain in chains)


def chains_of(seen: Trace) -> list[Chain]:
    """Every call of a convolution or linear layer that an output depends on, in the order of a forward pass."""
    totals = Counter(visit.name for visit in seen.visits)
    return [Chain(visit, seen, totals) for visit in seen.visits if is_linear(visit.module) and visit.gives in seen.live]


def is_linear(module: nn.Module) -> bool:
    """Whether it is a convolution or a linear layer that computes as torch's own."""
    return _computes_as(module, nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def _computes_as(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Whether it does what one of some classes does: a subclass may do more, such as a norm with an activation."""
    return any(type(module).forward is kind.forward for kind in kinds)


class Chain:
    """A linear layer with what fuses into it: each step reads what the one before gives, and nothing else reads it.

    Attributes:
        layer: the layer.
        takes: the value that it reads.
        last: the value that leaves the last step.
    """

    def __init__(self, visit: Visit, seen: Trace, totals: Mapping[str, int]) -> None:
        layer = visit.module
        assert isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))
        self.layer = layer
        self.call, self.takes = _call(visit, totals), visit.takes
        self.bias_apart = isinstance(layer, nn.Linear) and visit.rank != 2 and layer.bias is not None
        self.norm: Call | None = None
        self.clip: tuple[float, float] | None = None
        assert visit.gives is not None
        self.last = visit.gives
        side: Side = "product" if self.bias_apart else "output"
        # The norm of a product of more dimensions is over another one than that of the layer's outputs.
        if not isinstance(layer, nn.Linear) or visit.rank == 2:
            norm = next((v for v in seen.visits if v.takes == self.last and _is_norm(v.module)), None)
            if norm is not None and self.last in seen.norms and seen.readers[self.last] == 1:
                self.norm, self.last = _call(norm, totals), seen.norms[self.last]
                # Once it is folded away, what enters is what comes before the rest of what it does.
                side = "output" if normalises_only(norm.module) else "input"
        self.writes = Place(self.norm or self.call, side)
        if not self.bias_apart and seen.readers[self.last] == 1 and self.last in seen.clips:
            after, clip = seen.clips[self.last]
            if clip[0] <= 0 <= clip[1]:  # integers always hold 0
                activation = next((v for v in seen.visits if (v.takes, v.gives) == (self.last, after)), None)
                # A function's result is rounded before it instead: it clips no further where rounding has.
                self.writes = self.writes if activation is None else Place(_call(activation, totals))
                self.clip, self.last = clip, after

    def leaf(self, nodes: Mapping[str, tuple[int, int]], places: Mapping[int | None, tuple[Place, ...]]) -> Leaf:
        layer = self.layer
        # A tensor padded by its own values is another one, which nothing else reads.
        padded = not isinstance(layer, nn.Linear) and layer.padding_mode != "zeros"
        reads = (Place(self.call, "input"),) if padded else places[self.takes]
        return Leaf(
            self.call,
            next((node for name, node in nodes.items() if f"{self.call.module}.".startswith(f"nodes.{name}.")), None),
            tuple(layer.weight.shape),
            self.norm,
            self.clip,
            self.bias_apart,
            reads,
            self.writes,
        )


def _is_norm(module: nn.Module) -> bool:
    """Whether it is a batch norm by fixed statistics, maybe with more that it does."""
    return isinstance(module, _BatchNorm) and module.running_mean is not None


def normalises_only(norm: nn.Module) -> bool:
    """Whether a batch norm does nothing more: one with an activation in it does."""
    return _computes_as(norm, _BatchNorm, nn.SyncBatchNorm)


def _call(visit: Visit, totals: Mapping[str, int]) -> Call:
    return Call(visit.name, visit.number, totals[visit.name])


def _nodes(module: nn.Module) -> dict[str, tuple[int, int]]:
    """(block, leader) by the name of the node. A network of some tasks names the lowest of those that it computes."""
    if not isinstance(module, BranchedNetwork):
        return {}
    leaders = module.architecture.tree.leaders
    return {name: (block, leaders[block][task]) for name, (block, task) in module.places.items()}
