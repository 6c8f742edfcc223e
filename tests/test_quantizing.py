"""Fake quantization: the scheme, what is rounded, what is left alone, and that onnxruntime computes the same."""

from __future__ import annotations

import copy
import io
import json
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from toys import draws

from mtnas.architecture import Architecture, QuantizationPolicy, Tree
from mtnas.errors import QuantizationError
from mtnas.evaluation import recalibrate
from mtnas.quantizing import (
    Call,
    Leaf,
    Place,
    Ranges,
    activation_affine,
    fake_quantized,
    folded,
    gather_ranges,
    network_bytes,
    operator_bytes,
    weight_limits,
    weight_scales,
    wire,
)
from mtnas.quantizing.rounding import fake_quantize, fake_quantize_weights
from mtnas.quantizing.scheme import scales_for_bias
from mtnas.space.block import Block, Operator
from mtnas.space.elastic import elastic
from mtnas.space.heads import linear_head
from mtnas.space.operators import (
    conv,
    dense,
    dense_residual,
    inverted_residual,
    join_columns,
    residual_conv,
    separable_conv,
    skip,
)
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification
from mtnas.supernet import BranchedNetwork, SuperNetwork

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

SIDE = 8


# Networks --------------------------------------------------------------------------------------------------------


class Functional(nn.Module):
    """Nothing here is where a sequence of modules would have it: what is fused has to be seen in the pass itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)])
        self.convs = nn.ModuleList(
            [nn.Conv2d(channels, channels, 3, padding=1), nn.Conv2d(channels, channels, 1, groups=2)]
        )
        self.last = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="circular")
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        first = F.relu(self.norms[0](self.convs[0](x)))
        second = self.relu(self.drop(self.norms[1](self.convs[1](input=first))))  # dropout is not in the way
        both = self.relu(first + second)  # the same module again
        y = self.last(both)
        return y.clamp(-0.5, 2) + 0.1 * y  # the last layer's output is read twice: nothing fuses


class Tokens(nn.Module):
    """Linear layers on three dimensions: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Linear(channels, 12)
        self.second = nn.Linear(12, channels, bias=False)
        self.clip = nn.Hardtanh(-1.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.clip(self.second(F.gelu(self.first(x.flatten(2).transpose(1, 2)))))
        return x + y.transpose(1, 2).reshape(x.shape)


def functional() -> Operator:
    return lambda shape: Functional(shape[0])


def pool() -> Operator:
    return lambda shape: nn.MaxPool2d(3, 1, 1)


def tokens() -> Operator:
    return lambda shape: Tokens(shape[0])


def image_space(*, stem: bool = False) -> SearchSpace:
    blocks = [
        Block("low", {"conv": conv(6, 3, 2), "residual": residual_conv(6, 3, 2), "separable": separable_conv(6, 3, 2)}),
        Block(
            "middle",
            {"inverted": inverted_residual(None, 3, 2), "skip": skip(), "functional": functional(), "pool": pool()},
        ),
        Block("high", {"pool": pool(), "tokens": tokens(), "conv": conv(6, 1)}),
    ]
    tasks = [classification(name, 3, head=linear_head(3, pool=2)) for name in "abc"]
    make_stem = (lambda shape: nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4))) if stem else None
    return SearchSpace(tasks, blocks, make_stem)


def vector_space() -> SearchSpace:
    blocks = [
        Block("low", {"dense": dense(10)}),
        Block("high", {"residual": dense_residual(8, 1.5)}),
    ]
    return SearchSpace([classification(name, 3) for name in "abc"], blocks)


def images(samples: int, seed: int) -> Tensor:
    """Grey levels k/16: exactly half way between two steps of 8 bits, where rounding must agree."""
    return torch.randint(0, 17, (samples, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(seed)) / 16


def vectors(samples: int, seed: int) -> Tensor:
    return torch.randn(samples, 5, generator=torch.Generator().manual_seed(seed))


def labels(x: Tensor) -> dict[str, Tensor]:
    parts = x.flatten(1).chunk(3, dim=1)
    return {name: torch.stack([p.mean(1) for p in x.flatten(1).roll(i, 1).chunk(3, 1)], 1).argmax(1)
            for i, name in enumerate("abc") if parts}  # fmt: skip


def trained(space: SearchSpace, architecture: Architecture, make: Callable[[int, int], Tensor]) -> BranchedNetwork:
    """A network of its own that has learned something, so that its outputs mean something."""
    network = SuperNetwork(space, make(4, 0)).extract(architecture).train()
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for step in range(50):
        x = make(64, step)
        loss = torch.stack([F.cross_entropy(network(x)[name], y) for name, y in labels(x).items()]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    recalibrate(network, batches(make))
    return network


def batches(make: Callable[[int, int], Tensor], count: int = 3) -> list[tuple[Tensor, dict[str, Tensor]]]:
    return [(make(64, 1000 + number), {}) for number in range(count)]


BRANCHED = Tree.from_groups([[[0, 1, 2]], [[0, 2], [1]], [[0], [2], [1]]])

ARCHITECTURES = {
    "plain": ("conv", "inverted", "conv"),
    "residual": ("residual", "functional", "tokens"),
    "separable": ("separable", "skip", "pool"),
    "all": ("separable", "functional", "conv"),
    "twins": ("conv", "pool", "tokens"),
}


@cache
def image_network(name: str = "plain", *, stem: bool = False) -> BranchedNetwork:
    return trained(image_space(stem=stem), Architecture.uniform(BRANCHED, ARCHITECTURES[name]), images)


@cache
def vector_network() -> BranchedNetwork:
    tree = Tree.from_groups([[[0, 1], [2]], [[0], [1], [2]]])
    return trained(vector_space(), Architecture.uniform(tree, ("dense", "residual")), vectors)


@cache
def image_ranges(name: str = "plain") -> Ranges:
    return gather_ranges(image_network(name), batches(images))


def nodes_of(network: BranchedNetwork) -> list[tuple[int, int]]:
    return list(network.places.values())


def policy_of(nodes: Iterable[tuple[int, int]], bits: tuple[int, int] = (8, 8)) -> QuantizationPolicy:
    return QuantizationPolicy.of(dict.fromkeys(nodes, bits))


@torch.no_grad()
def outputs(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.eval()(x).items()}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def gap(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """Mean difference over the spread of the outputs."""
    return max(float((value - other[name]).abs().mean() / other[name].std()) for name, value in one.items())


# The scheme ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "bits", "scale", "zero_point"),
    [
        ((0.0, 255.0), 8, 1.0, 0),
        ((-1.0, 1.0), 8, 2 / 255, 128),  # 127.5 goes to the even one
        ((1.0, 255.0), 8, 1.0, 0),  # widened to hold 0
        ((-51.0, -1.0), 8, 0.2, 255),
        ((-5.0, 10.0), 4, 1.0, 5),
        ((-1.0, 2.0), 2, 1.0, 1),
        ((0.0, 0.0), 8, 1.0, 0),
        ((0.0, 1e-37), 8, 1.0, 0),  # a scale too small for float32
    ],
)
def test_activations_hold_their_range(limits: tuple[float, float], bits: int, scale: float, zero_point: int) -> None:
    found = activation_affine(*limits, bits)
    assert found.scale == float(torch.tensor(scale, dtype=torch.float32))
    assert found.zero_point == zero_point
    assert (found.low, found.high) == (0, 2**bits - 1)
    assert found.steps == (-zero_point, 2**bits - 1 - zero_point)


def test_weights_have_a_scale_per_output_channel() -> None:
    weight = torch.tensor([[[1.0, -254.0]], [[0.5, 0.25]], [[0.0, 0.0]]])
    assert weight_scales(weight, 8).tolist() == [2.0, float(torch.tensor(1 / 254)), 1.0]
    assert [weight_limits(bits) for bits in (8, 7, 4, 2)] == [(-127, 127), (-64, 64), (-8, 7), (-2, 1)]


@pytest.mark.parametrize("bits", [7, 8])
def test_no_weight_moves_by_more_than_half_a_step(bits: int) -> None:
    weight = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(bits))
    scales = weight_scales(weight, bits).reshape(-1, 1, 1, 1)
    rounded = fake_quantize_weights(weight, scales, *weight_limits(bits))
    assert ((rounded - weight).abs() <= scales * 0.50001).all()
    assert len(rounded[0].unique()) <= 2**bits


def test_a_bias_fits_into_32_bits() -> None:
    scales = torch.tensor([1e-12, 0.1, 0.1])
    bias = torch.tensor([3.0, 3.0, 0.0])
    found = scales_for_bias(scales, bias, 0.01)
    assert found[1:].tolist() == scales[1:].tolist()
    assert 3.0 / (float(found[0]) * 0.01) == pytest.approx(2**31 / 1.0001, rel=1e-6)


def test_halves_go_to_the_even_step_and_gradients_straight_through() -> None:
    x = torch.tensor([-9.0, -1.5, -0.5, 0.5, 1.5, 1.75, 2.5, 9.0], requires_grad=True)
    y = fake_quantize(x, 1.0, -2, 3)
    assert y.tolist() == [-2, -2, 0, 0, 2, 2, 2, 3]
    (y * torch.arange(1.0, 9)).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 2, 3, 4, 5, 6, 7, 0]
    assert torch.equal(y, fake_quantize(x.detach(), 1.0, -2, 3))
    z = torch.tensor([-9.0, 1.25], requires_grad=True)
    fake_quantize_weights(z, 1.0, -2, 1).sum().backward()
    assert z.grad is not None and z.grad.tolist() == [1, 1]


finite = st.floats(-1e6, 1e6, width=32)


@given(low=finite, high=finite)
def test_activations_as_onnxruntime_has_them(low: float, high: float) -> None:
    tools = pytest.importorskip("onnxruntime.quantization.quant_utils")
    import numpy as np

    low, high = sorted((low, high))
    qmin, qmax = np.array(0, np.uint8), np.array(255, np.uint8)
    zero_point, scale = tools.compute_scale_zp(np.array(low, np.float32), np.array(high, np.float32), qmin, qmax)
    found = activation_affine(low, high, 8)
    assert (found.zero_point, found.scale) == (int(zero_point), float(scale))


@given(st.lists(st.lists(finite, min_size=3, max_size=3), min_size=1, max_size=4))
def test_weights_as_onnxruntime_has_them(rows: list[list[float]]) -> None:
    tools = pytest.importorskip("onnxruntime.quantization.quant_utils")
    from onnx import TensorProto

    weight = torch.tensor(rows)
    scales = weight_scales(weight, 8)
    rounded = fake_quantize_weights(weight, scales[:, None], *weight_limits(8))
    for row, scale, values in zip(weight, scales, rounded, strict=True):
        zero_point, expected, integers = tools.quantize_data(row.numpy(), TensorProto.INT8, True)
        assert zero_point == 0 and float(scale) == float(expected)
        assert torch.equal(values, torch.tensor(integers.astype("float32")) * scale)


# What is fused ---------------------------------------------------------------------------------------------------


def leaves_of(operator: nn.Module, x: Tensor) -> dict[str, Leaf]:
    return {leaf.call.module: leaf for leaf in wire(operator, x)}


def test_layers_norms_and_activations_are_paired() -> None:
    found = leaves_of(inverted_residual(4, 3, 2)((4, SIDE, SIDE)), torch.randn(2, 4, SIDE, SIDE))
    expand, depthwise, project = found["expand.0"], found["filter.0"], found["project.0"]
    assert expand.norm is not None and expand.norm.module == "expand.1"
    assert expand.clip == depthwise.clip == (0, 6) and project.clip is None
    assert depthwise.reads == (expand.writes,) and project.reads == (depthwise.writes,)
    assert [place.side for place in expand.reads] == ["input"]  # nobody made it


def test_what_functions_do_is_seen_too() -> None:
    module = Functional(4)
    found = leaves_of(module, torch.randn(2, 4, SIDE, SIDE))
    first, second, last = found["convs.0"], found["convs.1"], found["last"]
    assert first.norm is not None and first.norm.module == "norms.0" and first.clip == (0, math.inf)
    assert second.reads == (first.writes,)
    assert second.clip == (0, math.inf)
    assert last.norm is None and last.clip is None  # its output is used twice
    assert last.reads == (Place(last.call, "input"),)  # it pads by what it reads
    assert not module.norms[0].num_batches_tracked and module.training  # looked at, not touched


def test_the_place_of_a_module_that_is_called_twice_names_the_call() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.relu = nn.Linear(4, 4), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.layer(self.relu(self.layer(self.relu(x) + x)) - x)
            return y

    first, second = wire(Twice(), torch.randn(2, 4))
    assert [(leaf.call.number, leaf.call.of) for leaf in (first, second)] == [(0, 2), (1, 2)]
    assert first.clip == (0, math.inf) and second.clip is None
    # Sums and differences are made by no module.
    assert first.reads == (Place(first.call, "input"),) and second.reads == (Place(second.call, "input"),)


def test_a_norm_folds_only_if_nothing_else_reads_what_is_normalised() -> None:
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)
            normalised: Tensor = self.norm(y) + y
            return normalised

    (leaf,) = wire(Layer(), torch.randn(2, 4))
    assert leaf.norm is None and leaf.writes == Place(Call("layer"))


def test_what_two_modules_do_alike_is_one_tensor_as_in_an_exported_graph() -> None:
    network = image_network("twins")
    leaves = {leaf.node: leaf for leaf in wire(network, images(2, 0)) if "first" in leaf.call.module}
    assert len(leaves) == 3 and len({leaf.reads for leaf in leaves.values()}) == 1
    assert {place.call.module.split(".")[1] for place in leaves[2, 0].reads} == {"high/a", "high/b", "high/c"}
    assert len({leaf.writes for leaf in leaves.values()}) == 3
    pooled = SuperNetwork(image_space(), images(2, 0)).extract(Architecture.uniform(BRANCHED, ("conv", "pool", "conv")))
    for leaf in wire(pooled, images(2, 0)):
        if leaf.node is not None and leaf.node[0] == 2:
            assert leaf.reads == tuple(Place(Call(f"nodes.middle/{tasks}")) for tasks in ("a+c", "b"))


@pytest.mark.parametrize(
    ("after", "clip"),
    [
        (lambda y: y.relu(), (0, math.inf)),
        (lambda y: y.clamp(min=-1), (-1, math.inf)),
        (lambda y: y.clamp(-1, 2), (-1, 2)),
        (F.hardtanh, (-1, 1)),
        (lambda y: F.hardtanh(y, max_val=3.0), (-1, 3)),
        (F.relu6, (0, 6)),
        (lambda y: y.detach().contiguous().relu_(), (0, math.inf)),
        (lambda y: y.clamp(1, 2), None),  # integers hold 0
        (F.leaky_relu, None),
        (lambda y: F.relu(y) + y, None),
        (lambda y: F.relu(2 * y), None),
    ],
)
def test_activations_that_clip(after: Callable[[Tensor], Tensor], clip: tuple[float, float] | None) -> None:
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return after(self.layer(x))

    (leaf,) = wire(Layer(), torch.randn(2, 4))
    assert leaf.clip == clip


class Unread(nn.Module):
    """Layers whose results matter, and one whose result does not."""

    def __init__(self) -> None:
        super().__init__()
        self.dead, self.part, self.whole, self.asked = (nn.Conv2d(2, 2, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        unread = torch.relu_(self.dead(x))
        found = torch.zeros_like(x).repeat(1, 2, 1, 1)
        found[:, :2] = self.part(x)
        view = found[:, 2:]
        view.add_(self.whole(x))
        if float(self.asked(x).sum()) > 1e9:
            return unread
        return found


class Graph(nn.Module):
    """A layer on the nodes of a graph, whose edges are a sparse matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.register_buffer("edges", torch.eye(4).to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        nodes = self.layer(x)
        return torch.stack([torch.sparse.mm(self.edges, one) for one in nodes])  # type: ignore[arg-type]


def test_sparse_tensors_can_be_traced() -> None:
    assert [leaf.call.module for leaf in wire(Graph().eval(), torch.randn(2, 4, 3))] == ["layer"]


def test_layers_that_no_output_depends_on_are_left_out() -> None:
    leaves = wire(Unread().eval(), torch.randn(2, 2, 4, 4))
    assert [leaf.call.module for leaf in leaves] == ["part", "whole", "asked"]


def test_nodes_are_named_as_policies_name_them() -> None:
    network = image_network()
    leaves = wire(network, images(2, 0))
    assert {leaf.node for leaf in leaves} == {*nodes_of(network), None}
    assert {leaf.call.module.split(".")[0] for leaf in leaves if leaf.node is None} == {"heads"}
    some = SuperNetwork(image_space(), images(4, 0)).view(network.architecture, tasks=[2])
    assert {leaf.node for leaf in wire(some, images(2, 0))} == {(0, 0), (1, 0), (2, 2), None}


# What is left alone ----------------------------------------------------------------------------------------------


def state_of(network: nn.Module) -> dict[str, Any]:
    """Everything in a network, as far as it can be compared."""
    found: dict[str, Any] = {name: value.clone() for name, value in network.state_dict().items()}
    for name, part in network.named_modules():
        found[f"{name}: attributes"] = sorted(part.__dict__)
        found[f"{name}: hooks"] = (len(part._forward_hooks), len(part._forward_pre_hooks), part.training)
    return found


def unchanged(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return before.keys() == after.keys() and all(
        torch.equal(value, after[name]) if isinstance(value, Tensor) else value == after[name]
        for name, value in before.items()
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_empty_policy_is_the_float_network(name: str) -> None:
    network, x = image_network(name), images(32, 7)
    expected = outputs(network, x)
    with fake_quantized(network, QuantizationPolicy(), image_ranges(name)) as quantized:
        assert quantized is network
        assert same(outputs(network, x), expected)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_is_left_as_it_was(name: str) -> None:
    network, x = image_network(name), images(32, 7)
    expected, before = outputs(network, x), state_of(network)
    gather_ranges(network, batches(images))
    assert unchanged(before, state_of(network))
    with fake_quantized(network, policy_of(nodes_of(network)), image_ranges(name)):
        assert not same(outputs(network, x), expected)
    assert unchanged(before, state_of(network)) and same(outputs(network, x), expected)


def test_a_network_is_left_as_it_was_by_an_exception() -> None:
    network, x = image_network("all"), images(32, 7)
    expected, before = outputs(network, x), state_of(network)
    policy = policy_of(nodes_of(network))
    with fake_quantized(network, policy, image_ranges("all")):
        rounded = outputs(network, x)
    with pytest.raises(RuntimeError, match="channels"), fake_quantized(network, policy, image_ranges("all")):
        outputs(network, x.repeat(1, 3, 1, 1))
    assert unchanged(before, state_of(network)) and same(outputs(network, x), expected)
    with fake_quantized(network, policy, image_ranges("all")):
        calls: list[int] = []
        twice = network.nodes["middle/a+c"].relu
        assert isinstance(twice, nn.ReLU)
        broken = twice.register_forward_pre_hook(lambda *_: calls.append(1 // (1 - len(calls))))
        with pytest.raises(ZeroDivisionError):
            outputs(network, x)
        broken.remove()
        assert len(calls) == 1 and same(outputs(network, x), rounded)  # the next pass begins with the first call


def test_training_mode_is_given_back_and_statistics_stay() -> None:
    network = copy.deepcopy(image_network("all")).train()
    network.heads.eval()
    before = state_of(network)
    assert gather_ranges(network, batches(images)) == image_ranges("all")  # without dropout
    assert unchanged(before, state_of(network))


def test_folding_alone_changes_next_to_nothing() -> None:
    for network, x in ((image_network("all"), images(32, 7)), (vector_network(), vectors(32, 7))):
        copied = folded(network, wire(network, x))
        norms = [part for part in copied.modules() if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d))]
        assert not norms and not same(outputs(copied, x), {})
        for name, value in outputs(network, x).items():
            torch.testing.assert_close(outputs(copied, x)[name], value, rtol=1e-5, atol=1e-5)


def test_a_folded_network_is_quantized_as_the_one_it_came_from() -> None:
    network, x = image_network("all"), images(32, 7)
    copied = folded(network, wire(network, x))
    policy = policy_of(nodes_of(network))
    with fake_quantized(network, policy, image_ranges("all")):
        expected = outputs(network, x)
    with fake_quantized(copied, policy, gather_ranges(copied, batches(images))):
        assert gap(outputs(copied, x), expected) < 1e-3


# What bits do ----------------------------------------------------------------------------------------------------


def test_fewer_bits_are_farther_from_float() -> None:
    network, x = image_network("all"), images(64, 7)
    expected, gaps = outputs(network, x), []
    for bits in ((8, 8), (6, 6), (4, 4), (2, 2)):
        with fake_quantized(network, policy_of(nodes_of(network), bits), image_ranges("all")):
            gaps.append(gap(outputs(network, x), expected))
    assert gaps == sorted(gaps) and 0 < gaps[0] < 0.05 < gaps[-1]


def levels(network: BranchedNetwork, part: nn.Module, x: Tensor) -> int:
    """Number of different values that leave a part of a network."""
    seen: list[Tensor] = []
    handle = part.register_forward_hook(lambda module, args, output: seen.append(output))
    outputs(network, x)
    handle.remove()
    return len(seen[0].unique())


def test_bits_of_activations_are_those_of_the_node_and_of_weights_too() -> None:
    network, x, ranges = image_network(), images(64, 7), image_ranges()
    node = network.nodes["low/a+b+c"]
    for bits, highest in (((32, 4), 16), ((8, 3), 8), ((32, 32), 10**9)):
        with fake_quantized(network, policy_of([(0, 0)], bits), ranges):
            found = levels(network, node, x)
        assert found <= highest and (found > 256 or bits != (32, 32))
    expected = outputs(network, x)
    with fake_quantized(network, policy_of([(0, 0)], (4, 32)), ranges):
        assert levels(network, node, x) > 256  # weights only
        assert not same(outputs(network, x), expected)


def test_a_tensor_between_two_nodes_has_the_fewer_bits_of_both() -> None:
    network, x, ranges = image_network(), images(64, 7), image_ranges()
    node = network.nodes["low/a+b+c"]
    for first, second in ((8, 4), (4, 8), (32, 4)):
        policy = QuantizationPolicy.of({(0, 0): (first, first), (1, 1): (second, second)})
        with fake_quantized(network, policy, ranges):
            assert levels(network, node, x) <= 16


def test_stem_and_heads_stay_float() -> None:
    network, x = image_network(stem=True), images(64, 7)
    ranges = gather_ranges(network, batches(images))
    expected = outputs(network, x)
    with fake_quantized(network, policy_of([(2, 2)]), ranges):
        found = outputs(network, x)
    assert torch.equal(found["b"], expected["b"]) and not torch.equal(found["c"], expected["c"])
    assert not torch.equal(found["a"], expected["a"])  # its float node reads what is rounded for the one beside it
    with fake_quantized(network, policy_of([(0, 0)]), ranges):
        assert levels(network, network.stem[1], x) <= 256  # what a quantized node reads
        assert levels(network, network.stem[0], x) > 256


def test_depthwise_convolutions_are_rounded_as_others_are() -> None:
    network, x, ranges = image_network(), images(64, 7), image_ranges()
    depthwise = [leaf for leaf in ranges.leaves if leaf.node == (1, 0) and leaf.shape[1] == 1 < leaf.shape[0]]
    assert depthwise
    with fake_quantized(network, policy_of([(1, 0)]), ranges):
        for leaf in depthwise:
            assert levels(network, network.get_submodule(leaf.writes.call.module), x) <= 256


# Training --------------------------------------------------------------------------------------------------------


def test_weights_learn_through_the_rounding() -> None:
    network = copy.deepcopy(image_network("all"))
    ranges, x = gather_ranges(network, batches(images)), images(128, 7)
    policy = policy_of(nodes_of(network), (3, 4))
    statistics = {name: value.clone() for name, value in network.named_buffers()}

    def loss() -> Tensor:
        found = network(x)
        return torch.stack([F.cross_entropy(found[name], y) for name, y in labels(x).items()]).sum()

    with fake_quantized(network, policy, ranges):
        network.train()
        before = loss()
        before.backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name
        optimizer = torch.optim.Adam(network.parameters(), 3e-3)
        for _ in range(30):
            optimizer.zero_grad()
            value = loss()
            value.backward()
            optimizer.step()
        assert value < 0.9 * before
        assert len(network.nodes["low/a+b+c"](x).unique()) <= 16  # it is the rounded network that has learned
    kept = dict(network.named_buffers())
    tracked = {leaf.norm.module for leaf in ranges.leaves if leaf.norm is not None}
    assert all(torch.equal(kept[f"{name}.running_mean"], statistics[f"{name}.running_mean"]) for name in tracked)


def test_clipped_activations_pass_no_gradient() -> None:
    network, ranges = image_network(), image_ranges()
    x = images(16, 7).requires_grad_()
    far = (images(16, 7) + 100).requires_grad_()
    with fake_quantized(network, policy_of([(0, 0)]), ranges):
        for value in (x, far):
            torch.stack([y.sum() for y in network(value).values()]).sum().backward()
    assert x.grad is not None and x.grad.any()
    assert far.grad is not None and not far.grad.any()


# Ranges ----------------------------------------------------------------------------------------------------------


def test_ranges_are_those_of_all_batches() -> None:
    network = image_network()
    x = torch.cat([batch for batch, _ in batches(images)])
    ranges = image_ranges()
    seen: dict[str, Tensor] = {}
    handles = [
        part.register_forward_hook(lambda module, args, output, name=name: seen.update({name: output}))
        for name, part in network.named_modules()
    ]
    outputs(network, x)
    for handle in handles:
        handle.remove()
    for leaf in ranges.leaves:
        low, high = ranges.of(leaf.writes)
        value = seen[(leaf.norm or leaf.call).module].clamp(*(leaf.clip or (-math.inf, math.inf)))
        assert low == pytest.approx(float(value.min()), rel=1e-4, abs=1e-5)
        assert high == pytest.approx(float(value.max()), rel=1e-4, abs=1e-5)
    assert ranges.of(ranges.leaves[0].reads[0]) == (0.0, 1.0)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_ranges_go_through_json(name: str) -> None:
    ranges = image_ranges(name)
    text = json.dumps(ranges.to_json(), allow_nan=False)
    assert Ranges.from_json(json.loads(text)) == ranges
    with pytest.raises(QuantizationError, match="not ranges of a network.*gather them again"):
        Ranges.from_json({"leaves": [{}]})


def test_inputs_may_be_tables() -> None:
    stem, blocks = join_columns((3, 4), 2), [Block("only", {"dense": dense(6)})]
    space = SearchSpace([classification("a", 3), classification("b", 3)], blocks, stem)
    x = {"numbers": torch.randn(20, 5), "categories": torch.randint(0, 3, (20, 2))}
    network = SuperNetwork(space, x).extract(Architecture.uniform(Tree.shared(2, 1), ("dense",)))
    ranges = gather_ranges(network, [(x, {})])
    (leaf,) = (leaf for leaf in ranges.leaves if leaf.node is not None)
    assert leaf.reads == (Place(Call("stem")),)
    expected = {name: value.detach() for name, value in network.eval()(x).items()}
    with fake_quantized(network, policy_of([(0, 0)], (4, 4)), ranges), torch.no_grad():
        assert 0 < gap(network(x), expected) < 1


# Bad input -------------------------------------------------------------------------------------------------------


def test_a_policy_that_does_not_fit_is_refused() -> None:
    network, ranges = image_network(), image_ranges()
    for policy, message in (
        (policy_of([(1, 2)]), r"node \(1, 2\).*leaders \[0, 1\]; take the policy"),
        (policy_of([(7, 0)]), r"node \(7, 0\).*it has 3 blocks; take the policy"),
        (policy_of([(0, 0)], (16, 8)), r"weight of node \(0, 0\) is given 16 bits.*2 to 8 bits.*32 to leave"),
        (policy_of([(0, 0)], (8, 1)), r"activation of node \(0, 0\) is given 1 bits"),
    ):
        for use in (
            lambda policy: fake_quantized(network, policy, ranges).__enter__(),
            lambda policy: network_bytes(network, policy, ranges.leaves),
        ):
            with pytest.raises(QuantizationError, match=message) as refused:
                use(policy)
            assert "\n" not in str(refused.value)


def test_calibration_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(QuantizationError, match="no batches.*give at least one"):
        gather_ranges(image_network(), [])
    with pytest.raises(QuantizationError, match="goes from nan to nan.*train the network anew"):
        gather_ranges(image_network(), [(images(4, 0) * torch.nan, {})])


def test_ranges_of_another_network_are_refused() -> None:
    use = fake_quantized(image_network("residual"), QuantizationPolicy(), image_ranges("plain"))
    with pytest.raises(QuantizationError, match="gather the ranges of this network"):
        use.__enter__()


def test_a_view_cannot_be_folded_but_rounded() -> None:
    blocks = [Block("only", elastic(conv, channels=(4, 8), kernel=(1, 3)))]
    space = SearchSpace([classification("a", 3), classification("b", 3)], blocks)
    supernet, x = SuperNetwork(space, images(4, 0)), images(16, 7)
    architecture = Architecture.uniform(Tree.split(2, 1), ("channels4_kernel1",))
    view, alone = supernet.view(architecture), supernet.extract(architecture)
    with pytest.raises(QuantizationError, match="supernet.extract"):
        folded(view, wire(view, x))
    found = []
    for network in (view, alone):
        with fake_quantized(network, policy_of([(0, 1)], (4, 4)), gather_ranges(network, batches(images))):
            found.append(outputs(network, x))
    assert same(*found)


# Bytes -----------------------------------------------------------------------------------------------------------


def test_bytes_of_an_operator_counted_by_hand() -> None:
    x = torch.randn(2, 3, SIDE, SIDE)
    layer = conv(5, 3)((3, SIDE, SIDE))
    assert operator_bytes(layer, x) == 5 * 3 * 9 * 4 + 5 * 4
    assert operator_bytes(layer, x, 8) == 5 * 3 * 9 + 5 * 5 + 5 * 4
    assert operator_bytes(layer, x, 7) == operator_bytes(layer, x, 8)  # no file packs them
    assert operator_bytes(layer, x, 4) == 68 + 5 * 5 + 5 * 4  # 67.5 bytes of weights
    assert operator_bytes(layer, x, 3) == 51 + 5 * 5 + 5 * 4
    separable = separable_conv(5, 3)((3, SIDE, SIDE))
    depthwise, point = 3 * 9, 5 * 3
    assert operator_bytes(separable, x, 8) == depthwise + 3 * 5 + 3 * 4 + point + 5 * 5 + 5 * 4
    assert operator_bytes(nn.LayerNorm(SIDE), x, 8) == 2 * SIDE * 4
    assert operator_bytes(nn.BatchNorm2d(3), x, 8) == 4 * 3 * 4  # nothing to fold into
    assert operator_bytes(nn.Identity(), x, 8) == 0
    with pytest.raises(QuantizationError, match="is given 9 bits"):
        operator_bytes(layer, x, 9)


def test_bytes_of_a_network_are_those_of_its_parts() -> None:
    network, x = image_network("all", stem=True), images(2, 0)
    policy = QuantizationPolicy.of({(0, 0): (8, 8), (1, 1): (4, 8), (2, 2): (2, 32)})
    entered: dict[str, Tensor] = {}
    parts = {"stem": network.stem, **network.nodes, **network.heads}
    handles = [
        part.register_forward_pre_hook(lambda module, args, name=name: entered.update({name: args[0]}))
        for name, part in parts.items()
    ]
    outputs(network, x)
    for handle in handles:
        handle.remove()
    total = sum(
        operator_bytes(part, entered[name], policy.bits(*network.places.get(name, (99, 0)))[0])
        for name, part in parts.items()
    )
    assert total == network_bytes(network, policy, wire(network, x))
    assert total < network_bytes(network, QuantizationPolicy(), wire(network, x))


# onnxruntime -----------------------------------------------------------------------------------------------------


class Flat(nn.Module):
    """Outputs as a tuple, and no marks of scaled gradients."""

    def __init__(self, network: BranchedNetwork) -> None:
        super().__init__()
        self.network = network
        network.average_gradients = False

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(x).values())


def export(network: BranchedNetwork, x: Tensor) -> Any:
    """The network with folded batch norms as an ONNX model."""
    onnx = pytest.importorskip("onnx")
    flat, buffer = Flat(folded(network, wire(network, x))).eval(), io.BytesIO()
    names = [name.removeprefix("head/") for name in network.heads]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            flat,
            (x[:2],),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            output_names=names,
            dynamic_axes={name: {0: "batch"} for name in ("x", *names)},
        )
    return onnx.load_from_string(buffer.getvalue())


def operators_to_quantize(model: Any, network: BranchedNetwork, policy: QuantizationPolicy) -> list[str]:
    """Names of the linear operators of the policy's nodes, and of the activations that alone follow them."""
    weights = {tensor.name for tensor in model.graph.initializer}
    readers: dict[str, list[Any]] = {}
    for operator in model.graph.node:
        for name in operator.input:
            readers.setdefault(name, []).append(operator)
    marks = [f"/{name}/" for name, place in network.places.items() if place in policy.nodes]
    found: list[str] = []
    for operator in model.graph.node:
        if operator.op_type not in ("Conv", "Gemm", "MatMul") or not any(mark in operator.name for mark in marks):
            continue
        if operator.input[1] not in weights:
            continue
        found.append(operator.name)
        after = readers[operator.output[0]]
        found += [reader.name for reader in after if len(after) == 1 and reader.op_type in ("Relu", "Clip")]
    return found


class Feeds:
    def __init__(self, inputs: Iterable[Tensor]) -> None:
        self.inputs: Iterator[Tensor] = iter(inputs)

    def get_next(self) -> dict[str, Any] | None:
        x = next(self.inputs, None)
        return None if x is None else {"x": x.numpy()}


def quantized_model(model: Any, names: list[str], inputs: Iterable[Tensor], path: Path, weight_bits: int = 8) -> Any:
    """The model under static quantization by onnxruntime."""
    onnx = pytest.importorskip("onnx")
    quantization = pytest.importorskip("onnxruntime.quantization")
    logging.disable(logging.WARNING)
    try:
        quantization.quantize_static(
            copy.deepcopy(model),
            str(path),
            Feeds(inputs),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Gemm", "MatMul", "Relu", "Clip"],
            nodes_to_quantize=names,
            per_channel=True,
            reduce_range=weight_bits == 7,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(str(path))


def run(model: Any, x: Tensor, optimized: Path | None = None) -> dict[str, Tensor]:
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")  # exact, whichever instructions the CPU has
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["WeightBiasQuantization"],
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, map(torch.from_numpy, session.run(None, {"x": x.numpy()})), strict=True))


POLICIES: dict[str, Callable[[list[tuple[int, int]]], list[tuple[int, int]]]] = {
    "all": lambda nodes: nodes,
    "the first": lambda nodes: nodes[:1],
    "the last": lambda nodes: nodes[-1:],
    "every other": lambda nodes: nodes[::2],
}


@pytest.mark.parametrize("weight_bits", [8, 7])
@pytest.mark.parametrize("which", POLICIES)
@pytest.mark.parametrize("name", [*ARCHITECTURES, "vectors"])
def test_onnxruntime_computes_the_same(name: str, which: str, weight_bits: int, tmp_path: Path) -> None:
    make = vectors if name == "vectors" else images
    network = vector_network() if name == "vectors" else image_network(name)
    policy = policy_of(POLICIES[which](nodes_of(network)), (weight_bits, 8))
    x, calibration = make(256, 7), batches(make)
    model = export(network, x)
    names = operators_to_quantize(model, network, policy)
    if not names:
        pytest.skip("the policy names nodes without layers")
    inputs = [batch for batch, _ in calibration]
    expected = run(quantized_model(model, names, inputs, tmp_path / "quantized.onnx", weight_bits), x)
    floating = outputs(network, x)
    with fake_quantized(network, policy, gather_ranges(network, calibration)):
        found = outputs(network, x)
    apart = gap(floating, expected)
    assert 1e-5 < apart < 0.2  # it really is quantized
    assert gap(found, expected) < 0.05 * apart
    for task, value in found.items():
        assert (value.argmax(1) == expected[task].argmax(1)).float().mean() >= 0.98
        # Rounding one value the other way is rare; elsewhere, outputs differ by float rounding only.
        near = (value - expected[task]).abs() <= 1e-4 * expected[task].abs().max()
        assert near.float().mean() >= 0.9


def test_a_channel_that_batch_norm_switched_off_is_as_in_onnxruntime(tmp_path: Path) -> None:
    network = copy.deepcopy(image_network())
    norm = network.nodes["low/a+b+c"][1]
    assert isinstance(norm, nn.BatchNorm2d)
    with torch.no_grad():
        norm.weight[0], norm.bias[0] = 1e-12, 0.7
        norm.weight[1], norm.bias[1] = 0.0, -0.3
    x, calibration = images(128, 7), batches(images)
    policy = policy_of([(0, 0)])
    model = export(network, x)
    names = operators_to_quantize(model, network, policy)
    expected = run(quantized_model(model, names, [b for b, _ in calibration], tmp_path / "quantized.onnx"), x)
    apart = gap(outputs(network, x), expected)
    with fake_quantized(network, policy, gather_ranges(network, calibration)):
        assert gap(outputs(network, x), expected) < 0.05 * apart


def test_bytes_are_those_of_the_file(tmp_path: Path) -> None:
    network, x = image_network("all"), images(64, 7)
    leaves = wire(network, x)
    model = export(network, x)
    onnx = pytest.importorskip("onnx")

    def size(tensors: Iterable[Any]) -> int:
        return sum(onnx.numpy_helper.to_array(tensor).nbytes for tensor in tensors)

    floats = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    weights = [tensor for tensor in floats if len(tensor.dims)]  # but the limits of clipping
    assert size(weights) == network_bytes(network, QuantizationPolicy(), leaves)
    policy = policy_of(nodes_of(network))
    names = operators_to_quantize(model, network, policy)
    quantized = quantized_model(model, names, [x], tmp_path / "quantized.onnx").graph.initializer
    # Not counted: what follows from other numbers (scales and zero points of biases), and those of activations.
    counted = [tensor for tensor in quantized if len(tensor.dims) and not _of_a_bias(tensor.name)]
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.INT8, onnx.TensorProto.INT32)
    assert size(t for t in counted if t.data_type in kinds) == network_bytes(network, policy, leaves)


def _of_a_bias(name: str) -> bool:
    return name.endswith(("_quantized_scale", "_quantized_zero_point"))


@pytest.mark.parametrize("architecture", list(draws(image_space(), 6, seed=3)), ids=str)
def test_any_candidate_can_be_rounded(architecture: Architecture) -> None:
    network = SuperNetwork(image_space(), images(4, 0)).extract(architecture)
    recalibrate(network, batches(images))
    x = images(16, 7)
    expected = outputs(network, x)
    with fake_quantized(network, policy_of(nodes_of(network)), gather_ranges(network, batches(images))):
        assert 0 < gap(outputs(network, x), expected) < 0.3
