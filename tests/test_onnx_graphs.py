"""ONNX graphs: they equal torch, and what runs in integers is what the policy says."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from toys import draws, toy_space, toy_x

from mtnas.architecture import FLOAT, INT8, W4A8, Architecture, Bits, Candidate, QuantizationPolicy, Tree
from mtnas.errors import ExportError
from mtnas.evaluation import recalibrate
from mtnas.space.block import Block
from mtnas.space.elastic import elastic
from mtnas.space.file import load_space_file
from mtnas.space.heads import pixel_head
from mtnas.space.operators import conv, inverted_residual, skip
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input
from mtnas.space.task_types import classification, pixel_regression
from mtnas.supernet import BranchedNetwork, SuperNetwork

pytest.importorskip("onnxruntime")

from mtnas.onnx_graphs import (
    FloatGraph,
    QuantizedGraph,
    SessionNetwork,
    audit,
    calibrate,
    convert,
    open_session,
    quantize,
    saturates,
    without_form,
)
from mtnas.quantizing import everywhere, fake_quantized, gather_ranges


def images(samples: int, seed: int = 0) -> Tensor:
    return torch.randn(samples, 2, 8, 8, generator=torch.Generator().manual_seed(seed))


@cache
def image_space() -> SearchSpace:
    blocks = (
        Block("edges", elastic(conv, channels=(4, 8), kernel=(3, 5), stride=2)),
        Block("shapes", {**elastic(inverted_residual, channels=None, kernel=(3,), expansion=(1, 3)), "skip": skip()}),
        Block("signs", elastic(conv, channels=(4, 8), kernel=(1, 3))),
    )
    return SearchSpace([classification("left", 3), classification("right", 2)], blocks)


@cache
def image_supernet() -> SuperNetwork:
    return SuperNetwork(image_space(), images(8), seed=1)


def network_of(architecture: Architecture) -> BranchedNetwork:
    """Cut out, with batch-norm statistics of its own."""
    network = image_supernet().extract(architecture)
    recalibrate(network, [(images(64, 5), {})])
    return network


@cache
def pieces(seed: int) -> tuple[Architecture, BranchedNetwork, FloatGraph]:
    architecture = next(draws(image_space(), 1, seed))
    network = network_of(architecture)
    return architecture, network, convert(network, images(4))


def policy_of(network: BranchedNetwork, seed: int, weights: int = 8) -> QuantizationPolicy:
    rng = random.Random(seed)
    return QuantizationPolicy.of({node: (weights, 8) for node in network.places.values() if rng.random() < 0.6})


# Float ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_file_equals_its_network_at_any_batch_size(seed: int) -> None:
    _, network, graph = pieces(seed)
    file = SessionNetwork(graph, open_session(graph.content))
    for samples in (1, 7):
        x = images(samples, 9)
        found, wanted = file(x), network(x)
        assert list(found) == list(wanted) == ["left", "right"]
        for task, value in wanted.items():
            torch.testing.assert_close(found[task], value.detach(), rtol=1e-4, atol=1e-5)


def test_a_network_of_vectors_with_a_stem_equals_its_file() -> None:
    space = toy_space(stem=True)
    supernet = SuperNetwork(space, toy_x(8))
    for architecture in draws(space, 4):
        network = supernet.extract(architecture).eval()
        graph = convert(network, toy_x(4))
        found = SessionNetwork(graph, open_session(graph.content))(toy_x(5, 3))
        for task, value in network(toy_x(5, 3)).items():
            torch.testing.assert_close(found[task], value.detach(), rtol=1e-4, atol=1e-5)


class Sum(nn.Module):
    def forward(self, x: dict[str, Tensor]) -> Tensor:
        return x["one"] + 2 * x["two"]


def test_a_dictionary_of_inputs_keeps_its_names() -> None:
    space = replace(toy_space(), stem=lambda shape: Sum())
    x = {"one": toy_x(4), "two": toy_x(4, 1)}
    network = SuperNetwork(space, x).extract(next(draws(space, 1))).eval()
    graph = convert(network, x)
    assert graph.inputs == ("one", "two")
    found = SessionNetwork(graph, open_session(graph.content))(x)
    for task, value in network(x).items():
        torch.testing.assert_close(found[task], value.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("tasks", "x", "inputs"),
    [
        (("input", "input_in", "kind"), toy_x(4), ("input_in_in",)),
        (("two", "kind", "three"), {"one": toy_x(4), "two": toy_x(4, 1)}, ("one", "two_in")),
    ],
)
def test_an_input_is_renamed_where_a_task_has_its_name(
    tasks: tuple[str, ...], x: Input, inputs: tuple[str, ...]
) -> None:
    plain = toy_space()
    renamed = [replace(task, name=name) for task, name in zip(plain.tasks, tasks, strict=True)]
    space = replace(plain, tasks=renamed, stem=(lambda shape: Sum()) if isinstance(x, dict) else None)
    network = SuperNetwork(space, x).extract(next(draws(space, 1))).eval()
    graph = convert(network, x)
    assert (graph.inputs, graph.outputs) == (inputs, tasks)
    found = SessionNetwork(graph, open_session(graph.content))(x)
    for task, value in network(x).items():
        torch.testing.assert_close(found[task], value.detach(), rtol=1e-4, atol=1e-5)


class Projected(nn.Module):
    """A linear function on weights of its own, and a layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, width) / width)
        self.inner = nn.Sequential(nn.Sequential(nn.Linear(width, width), nn.ReLU()), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(nn.functional.linear(x, self.weight))


def tokens(samples: int, seed: int) -> Tensor:
    return torch.randn(samples, 5, 8, generator=torch.Generator().manual_seed(seed))


def test_integers_of_transformer_layers_are_those_of_the_simulation() -> None:
    encoder = lambda shape: nn.TransformerEncoderLayer(shape[1], 2, 16, batch_first=True)  # noqa: E731
    options = {"encoder": encoder, "own": lambda shape: Projected(shape[1]), "skip": lambda shape: nn.Identity()}
    space = SearchSpace(
        [classification(name, 3, head=lambda shape: nn.Sequential(nn.Flatten(), nn.Linear(40, 3))) for name in "ab"],
        [Block("first", options), Block("second", options)],
    )
    torch.manual_seed(0)
    x, tree = tokens(16, 1), Tree(((0, 0), (0, 1)))
    architecture = Architecture(tree, (("encoder",), ("own", "skip")))
    network = SuperNetwork(space, x).extract(architecture).eval()
    fused = torch.backends.mha.get_fastpath_enabled()
    graph = convert(network, x)
    assert torch.backends.mha.get_fastpath_enabled() == fused
    torch.testing.assert_close(SessionNetwork(graph, open_session(graph.content))(x)["a"], network(x)["a"].detach())

    candidate = everywhere(network, x, (8, 8))
    assert candidate.policy.nodes == ((0, 0), (1, 0))  # the skip has nothing to be in integers
    quantized = quantize(graph, candidate, calibrate(graph, [x]))
    assert sorted(audit(graph, quantized).integer) == [
        "first/a+b/linear1/MatMul",
        "first/a+b/linear2/MatMul",
        "second/a/inner.0.0/MatMul",
        "second/a/inner.1/MatMul",
    ]
    found = SessionNetwork(graph, open_session(quantized.content))(x)
    with fake_quantized(network, candidate.policy, gather_ranges(network, [(x, {})])), torch.no_grad():
        for task, value in network(x).items():
            torch.testing.assert_close(found[task], value, rtol=1e-4, atol=1e-5)


def test_operators_are_named_by_the_node_they_belong_to() -> None:
    tree = Tree(((0, 0), (0, 1), (0, 1)))
    architecture = Architecture(
        tree,
        (("channels8_kernel5",), ("expansion1", "skip"), ("channels4_kernel1", "channels8_kernel3")),
    )
    graph = convert(network_of(architecture), images(4))
    linear = {node: graph.linear(node) for node in graph.operators}
    assert linear[0, 0] == ("edges/left+right/0/Conv",)
    assert linear[1, 1] == ()
    assert linear[2, 1] == ("signs/right/0/Conv",)


def vit_pieces() -> tuple[Architecture, BranchedNetwork, FloatGraph]:
    """Of a transformer with a stem, whose operators are many and not all of a layer's own."""
    file = load_space_file(Path(__file__).parent.parent / "search_spaces" / "vit_digits.py")
    x = torch.randn(8, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    architecture = next(draws(file.space, 1, 2))
    network = SuperNetwork(file.space, x).extract(architecture).eval()
    return architecture, network, convert(network, x)


@pytest.mark.parametrize("seed", [0, 1, 2, 3, None])
def test_names_tell_the_part_of_the_network_and_are_unique(seed: int | None) -> None:
    """So that a viewer shows which operator, weight and tensor belongs to which node of the tree."""
    import onnx

    architecture, network, graph = vit_pieces() if seed is None else pieces(seed)
    policy = QuantizationPolicy.of({node: (4 + 4 * (n % 2), 8) for n, node in enumerate(network.places.values())})
    x = images(32, 3) if seed is not None else torch.rand(32, 1, 12, 12)
    quantized = quantize(graph, Candidate(architecture, policy), calibrate(graph, [x]))
    assert any(names for names in quantized.integer.values())
    parts = [f"{name}/" for name in ("stem", *network.nodes, *network.heads)]
    # What the quantizer puts on an input is named by the input; outputs are named by their tasks alone.
    for content, more in ((graph.content, []), (quantized.content, ["input_"])):
        found = onnx.load_from_string(content).graph
        operators = [operator.name for operator in found.node]
        constants = [tensor.name for tensor in found.initializer]
        tensors = [name for operator in found.node for name in operator.output if name not in graph.outputs]
        for names in (operators, constants + tensors):
            assert len(set(names)) == len(names)
            assert [name for name in names if not name.startswith((*parts, *more))] == []
        used = {part for part in parts if any(name.startswith(part) for name in operators)}
        skips = {f"{name}/" for name, place in network.places.items() if not graph.operators[place]}
        assert used | skips | {"stem/"} == set(parts)
        for operator in found.node:
            kind = operator.op_type
            assert re.fullmatch(rf".*(/|_){kind}(_\d+)?", operator.name), operator.name


@pytest.mark.parametrize("seed", range(3))
def test_a_viewer_is_told_the_shapes_of_all_tensors(seed: int) -> None:
    import onnx

    architecture, network, graph = pieces(seed)
    policy = policy_of(network, seed, 4 if seed == 1 else 8)
    quantized = quantize(graph, Candidate(architecture, policy), calibrate(graph, [images(32, 3)]))
    for content in (graph.content, quantized.content):
        onnx.checker.check_model(content, full_check=True)
        found = onnx.load_from_string(content).graph
        tensors = {name for operator in found.node for name in operator.output} - set(graph.outputs)
        assert {value.name for value in found.value_info} == tensors
        sizes = [[one.dim_value for one in value.type.tensor_type.shape.dim] for value in found.value_info]
        assert all(shape.count(0) <= 1 for shape in sizes)  # nothing but the number of samples is open


def test_outputs_brought_to_a_size_are_told_with_it() -> None:
    """The exporter does not know their shapes, and calls the dimensions of all of them alike."""
    import onnx

    sizes = {"depth": 1, "normals": 3}
    tasks = [pixel_regression(name, outputs, head=pixel_head(outputs, size=(8, 8))) for name, outputs in sizes.items()]
    space = SearchSpace(tasks, [Block("only", {"conv": conv(4, stride=2)})])
    network = SuperNetwork(space, space.dry_run(images(4))).extract(Architecture(Tree(((0, 0),)), (("conv",),)))
    found = onnx.load_from_string(convert(network, images(4)).content).graph.output
    told = {value.name: [one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim] for value in found}
    assert told == {name: ["batch", outputs, 8, 8] for name, outputs in sizes.items()}


def test_depthwise_convolutions_are_layers_like_others() -> None:
    architecture = Architecture(Tree(((0, 0),) * 3), (("channels8_kernel3",), ("expansion3",), ("channels4_kernel1",)))
    graph = convert(network_of(architecture), images(4))
    assert len(graph.linear((1, 0))) == 3


# Policies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [8, 4])
@pytest.mark.parametrize("seed", range(8))
def test_what_runs_in_integers_is_what_the_policy_says(seed: int, weights: int) -> None:
    architecture, network, graph = pieces(seed)
    policy = policy_of(network, seed, weights)
    ranges = calibrate(graph, [images(32, 3)])
    quantized = quantize(graph, Candidate(architecture, policy), ranges)
    wanted = {name for node in policy.nodes for name in graph.linear(node)}
    found = audit(graph, quantized)
    assert found.integer == wanted
    every = {name for node in graph.operators for name in graph.linear(node)}
    assert every - wanted <= found.floating


class Twice(nn.Module):
    """One convolution for two tensors, each with a norm of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(channels, channels, 3, padding=1)
        self.one, self.two = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.one(self.shared(x))) + torch.relu(self.two(self.shared(x.flip(-1))))


class Capped(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).clamp_max(0.1)


class Summed(nn.Module):
    """What no module made is read by a layer and by others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = 3 * torch.sin(x) + x.abs()
        return self.one(y) + self.two(y) - y


class Joined(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([x.sin(), x.flip(-1)], 1)
        return self.layer(both) * both.mean((1, 2, 3), keepdim=True) + both[:, : x.shape[1]]


class FunctionalNorm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer, self.norm = nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels)
        with torch.no_grad():
            self.norm.weight.copy_(torch.linspace(0.2, 5, channels))
            self.norm.bias.copy_(torch.linspace(-2, 2, channels))

    def forward(self, x: Tensor) -> Tensor:
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        return nn.functional.batch_norm(
            self.layer(x), norm.running_mean, norm.running_var, norm.weight, norm.bias, self.training, eps=norm.eps
        )


def _normed(channels: int) -> nn.Module:
    return nn.utils.parametrizations.weight_norm(nn.Conv2d(channels, channels, 3, padding=1))


class NormAndReLU(nn.BatchNorm2d):
    """As timm has them."""

    def __init__(self, channels: int, kind: type[nn.Module] = nn.ReLU) -> None:
        super().__init__(channels)
        self.act = kind()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.act(super().forward(x))
        return found


class NormAndCap(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).clamp(0.0, 0.5)


ODD: dict[str, tuple[Callable[[int], nn.Module], int]] = {
    "a clip that leaves 0 out": (lambda c: nn.Sequential(nn.Conv2d(c, c, 1), nn.Hardtanh(0.1, 0.2)), 1),
    "a clip from above": (Capped, 1),
    "one layer with two norms": (Twice, 2),
    "weights made of others, with a norm": (lambda c: nn.Sequential(_normed(c), nn.BatchNorm2d(c), nn.ReLU()), 1),
    "a norm with an activation": (lambda c: nn.Sequential(nn.Conv2d(c, c, 1), NormAndReLU(c), nn.Conv2d(c, c, 1)), 2),
    "a norm with another one": (
        lambda c: nn.Sequential(nn.Conv2d(c, c, 1), NormAndReLU(c, nn.SiLU), nn.Conv2d(c, c, 1)),
        2,
    ),
    "a norm that clips": (lambda c: nn.Sequential(nn.Conv2d(c, c, 1), NormAndCap(c), nn.Conv2d(c, c, 1)), 2),
    "a norm with nothing more": (
        lambda c: nn.Sequential(nn.Conv2d(c, c, 1), NormAndReLU(c, nn.Identity), nn.ReLU()),
        1,
    ),
    "a sum that layers and others read": (Summed, 2),
    "what is joined, and read by a layer and others": (Joined, 1),
    "a norm that is called as a function": (FunctionalNorm, 1),
    "an instance norm with running averages": (
        lambda c: nn.Sequential(nn.Conv2d(c, c, 1), nn.InstanceNorm2d(c, affine=True, track_running_stats=True)),
        1,
    ),
    "as many at both ends": (lambda c: nn.Conv2d(c, c, 3, padding="same", dilation=2), 1),
    "more at one end": (lambda c: nn.Conv2d(c, c, (4, 2), padding="same", dilation=(1, 3)), 1),
}
"""Modules by the number of channels, and how many layers they have in a file."""


@pytest.mark.parametrize("name", ODD)
def test_integers_of_odd_modules_are_those_of_the_simulation(name: str) -> None:
    make, layers = ODD[name]
    options = {"odd": lambda shape: make(shape[0])}
    space = SearchSpace(
        [classification("left", 3), classification("right", 2)], [Block("a", options), Block("b", options)]
    )
    network = SuperNetwork(space, images(4)).extract(Architecture(Tree(((0, 0), (0, 1))), (("odd",), ("odd", "odd"))))
    recalibrate(network, [(images(64, 5), {})])
    x, before = images(32, 3), network.eval()(images(4, 9))
    graph = convert(network, x)
    for task, value in SessionNetwork(graph, open_session(graph.content))(images(4, 9)).items():
        torch.testing.assert_close(value, before[task].detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network(images(4, 9))[task], before[task])  # converting leaves it as it was
    candidate = everywhere(network, x, (8, 8))
    quantized = quantize(graph, candidate, calibrate(graph, [x]))
    assert len(audit(graph, quantized).integer) == 3 * layers
    found = SessionNetwork(graph, open_session(quantized.content))(x)
    with fake_quantized(network, candidate.policy, gather_ranges(network, [(x, {})])), torch.no_grad():
        for task, value in network(x).items():
            assert float((found[task] - value).abs().mean() / value.abs().mean()) < 1e-3


class Nested(nn.Module):
    """Layers in containers of all kinds, in each other; one is called twice, one is shared, one is parametrized."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 1)
        self.inner = nn.Sequential(nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU()), self.first)
        self.listed = nn.ModuleList([nn.Conv2d(channels, channels, 1), nn.Sequential(nn.Conv2d(channels, channels, 1))])
        self.named = nn.ModuleDict({"key": nn.Conv2d(channels, channels, 3, padding=1)})
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(channels, channels, 1))
        self.linear = nn.ModuleDict({"tokens": nn.Sequential(nn.Sequential(nn.Linear(8, 8)))})

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x)
        for layer in self.listed:
            x = layer(x)
        return self.normed(self.linear["tokens"](self.named["key"](x)))


@pytest.mark.parametrize("deep", [False, True])
def test_layers_are_found_in_containers_of_all_kinds(deep: bool) -> None:
    def make(shape: tuple[int, ...]) -> nn.Module:
        nested = Nested(shape[0])
        return nn.Sequential(nn.Sequential(nn.Sequential(nested), nn.Conv2d(shape[0], 4, 1))) if deep else nested

    space = SearchSpace([classification("left", 3), classification("right", 2)], [Block("only", {"only": make})])
    network = SuperNetwork(space, images(4)).extract(Architecture(Tree(((0, 1),)), (("only", "only"),))).eval()
    graph = convert(network, images(4))
    assert graph.lost == {}
    for node in network.places.values():
        assert len(graph.linear(node)) == 7 + deep
    candidate = everywhere(network, images(4), (8, 8))
    quantized = quantize(graph, candidate, calibrate(graph, [images(32, 3)]))
    assert len(audit(graph, quantized).integer) == 2 * (7 + deep)


def test_a_node_with_a_layer_that_is_not_in_the_graph_has_no_bits() -> None:
    architecture, _, graph = pieces(0)
    candidate = Candidate(architecture, QuantizationPolicy.of({(0, 0): (8, 8)}))
    lost = replace(graph, lost={(0, 0): "nodes.edges/left+right.0"})
    with pytest.raises(
        ExportError, match=r"nodes.edges/left\+right.0 of node \(0, 0\) cannot be found in the exported graph"
    ):
        quantize(lost, candidate, calibrate(lost, [images(8)]))


def test_integers_give_nearly_the_outputs_of_floats_but_not_the_same() -> None:
    architecture, network, graph = pieces(0)
    policy = QuantizationPolicy.of(dict.fromkeys(network.places.values(), (8, 8)))
    quantized = quantize(graph, Candidate(architecture, policy), calibrate(graph, [images(64, 3)]))
    x = images(40, 3)
    found = SessionNetwork(graph, open_session(quantized.content))(x)
    for task, value in network(x).items():
        off = (found[task] - value).abs().max() / value.abs().max()
        assert 0 < off < 0.1


@pytest.mark.parametrize("name", ["images", "vectors"])
def test_nodes_have_weights_of_7_or_8_bits_as_the_policy_says(name: str) -> None:
    make, network = (images, pieces(0)[1]) if name == "images" else (toy_x, vector_network())
    graph = convert(network, make(4, 0))
    nodes = list(network.places.values())
    policy = QuantizationPolicy.of({node: (7 + number % 2, 8) for number, node in enumerate(nodes)})
    calibration = make(64, 3)
    quantized = quantize(graph, Candidate(network.architecture, policy), calibrate(graph, [calibration]))
    audit(graph, quantized)
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(quantized.content)
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    float_names = {operator.name: operator.input[1] for operator in graph.model.graph.node if len(operator.input) > 1}
    for node, operators in quantized.integer.items():
        for operator in operators:
            found = weights[f"{float_names[operator]}_quantized"]
            assert found.dtype.name == "int8"
            assert abs(found.astype(int)).max() == (64 if policy.bits(*node)[0] == 7 else 127)
    x = make(40, 4)
    file = SessionNetwork(graph, open_session(quantized.content))(x)
    with torch.no_grad(), fake_quantized(network, policy, gather_ranges(network, [(calibration, {})])):
        simulated = network(x)
    floating = network(x)
    for task, value in simulated.items():
        assert (file[task] - value).abs().mean() < 0.05 * (floating[task] - value).abs().mean()


def vector_network() -> BranchedNetwork:
    network = SuperNetwork(toy_space(), toy_x(8), seed=1).extract(next(draws(toy_space(), 1)))
    recalibrate(network, [(toy_x(64, 5), {})])
    return network


def test_weights_of_7_bits_need_no_slower_way_on_any_cpu() -> None:
    architecture, network, graph = pieces(0)
    ranges = calibrate(graph, [images(64, 3)])
    x, same = 3 * images(64, 4), {}
    for weight_bits in (7, 8):
        policy = QuantizationPolicy.of(dict.fromkeys(network.places.values(), (weight_bits, 8)))
        content = quantize(graph, Candidate(architecture, policy), ranges).content
        exact, plain = (SessionNetwork(graph, open_session(content, exact=exact))(x) for exact in (True, False))
        same[weight_bits] = all(torch.equal(exact[task], plain[task]) for task in exact)
    assert same == {7: True, 8: not saturates()}


def test_the_empty_policy_leaves_the_file_as_it_is() -> None:
    architecture, _, graph = pieces(0)
    quantized = quantize(graph, Candidate(architecture), calibrate(graph, [images(8)]))
    assert quantized.content == graph.content and audit(graph, quantized).integer == frozenset()


def test_an_operator_that_runs_otherwise_is_named() -> None:
    architecture, _, graph = pieces(0)
    policy = QuantizationPolicy.of({(0, 0): (8, 8)})
    quantized = quantize(graph, Candidate(architecture, policy), calibrate(graph, [images(8)]))
    name = re.escape(quantized.integer[0, 0][0])
    with pytest.raises(ExportError, match=rf"{name} .*should run in integers, but onnxruntime runs it in float"):
        audit(graph, replace(quantized, content=graph.content))
    with pytest.raises(ExportError, match=rf"{name} should run in float, but onnxruntime runs it in integers"):
        audit(graph, replace(quantized, integer={}))


# Bad input --------------------------------------------------------------------------------------------------------


def test_bits_that_do_not_run_are_refused() -> None:
    architecture, _, graph = pieces(0)
    candidate = Candidate(architecture, QuantizationPolicy.of({(0, 0): (5, 8)}))
    with pytest.raises(ExportError, match=r"\(5, 8\), but the file format runs W8A8, W7A8, W4A8, float only"):
        quantize(graph, candidate, calibrate(graph, [images(8)]))


def test_ranges_of_another_network_are_refused() -> None:
    architecture, _, graph = pieces(0)
    with pytest.raises(ExportError, match="another network"):
        quantize(graph, Candidate(architecture), calibrate(pieces(1)[2], [images(8)]))


def test_calibration_without_samples_is_refused() -> None:
    with pytest.raises(ExportError, match="no samples to calibrate on"):
        calibrate(pieces(0)[2], [])


class Strange(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


def test_a_module_without_an_onnx_form_is_named_with_its_operator() -> None:
    strange = Block("first", {"strange": lambda shape: nn.Sequential(nn.Linear(shape[0], 4), Strange())})
    space = SearchSpace([classification("kind", 2)], [strange])
    network = SuperNetwork(space, toy_x(4)).extract(next(draws(space, 1)))
    with pytest.raises(ExportError, match=r"nodes\.first/kind\.1 \(Strange\) has no ONNX form: .*bessel_j0"):
        convert(network, toy_x(4))


class Bag(nn.Module):
    """Exported as a loop, whose body reads what lies around it."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.linear = nn.EmbeddingBag(9, 4), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.table(x) + self.linear(x.float())
        return found


@pytest.mark.parametrize("bits", [FLOAT, INT8, W4A8])
def test_operators_with_loops_run(bits: Bits) -> None:
    space = SearchSpace([classification("kind", 2)], [Block("first", {"bag": lambda shape: Bag()})])
    ids = torch.randint(9, (8, 3), generator=torch.Generator().manual_seed(0))
    network = SuperNetwork(space, ids).extract(next(draws(space, 1))).eval()
    graph = convert(network, ids[:4])
    candidate = Candidate(network.architecture, QuantizationPolicy.of({(0, 0): bits}))
    found = SessionNetwork(graph, open_session(quantize(graph, candidate, calibrate(graph, [ids])).content))(ids)
    with torch.no_grad():
        expected = network(ids)
    atol = {FLOAT: 1e-5, INT8: 0.05, W4A8: 0.5}[bits]
    torch.testing.assert_close(found["kind"], expected["kind"], rtol=0, atol=atol)


def test_an_operator_without_an_onnx_form_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Standard output may be JSON: torch prints its graph there."""
    bag = SearchSpace(
        [classification("kind", 2)], [Block("first", {"bag": lambda shape: nn.EmbeddingBag(9, 4, padding_idx=0)})]
    )
    ids = torch.ones(4, 3, dtype=torch.int64)
    with pytest.raises(ExportError, match=r"\(EmbeddingBag\) has no ONNX form"):
        convert(SuperNetwork(bag, ids).extract(next(draws(bag, 1))), ids)
    assert capfd.readouterr().out == ""


def test_equal_operators_are_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def noted(module: nn.Module, example: Input) -> FloatGraph:
        tried.append(type(module).__name__)
        return convert(module, example)

    monkeypatch.setattr("mtnas.onnx_graphs.forms.convert", noted)
    options = {"strange": lambda shape: Strange(), "same": lambda shape: Strange(), "tanh": lambda shape: nn.Tanh()}
    space = SearchSpace([classification("kind", 2)], [Block("first", options), Block("second", options)])
    told = list(without_form(space, space.dry_run(toy_x(4)), toy_x(4)))
    assert tried[:2] == ["Strange", "Tanh"] and len(tried) == 3  # and a head
    assert [text.partition(":")[0] for text in told] == [
        f"block '{block}', option '{option}'" for block in ("first", "second") for option in ("strange", "same")
    ]


def test_a_module_that_the_exporter_stumbles_over_is_named() -> None:
    """Statistics of the batch at hand: torch's exporter has an AssertionError for them, and only at any batch size."""
    norm = Block(
        "first", {"norm": lambda shape: nn.Sequential(conv(4)(shape), nn.BatchNorm2d(4, track_running_stats=False))}
    )
    space = SearchSpace([classification("kind", 2)], [norm])
    network = SuperNetwork(space, images(4)).extract(next(draws(space, 1))).eval()
    with pytest.raises(ExportError, match=r"nodes\.first/kind\.1 \(BatchNorm2d\) has no ONNX form: batch_size"):
        convert(network, images(4))


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_how_to_install_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, network, graph = pieces(0)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExportError, match=rf"{package} is needed .*pip install 'mtnas\[onnx\]'"):
        convert(network, images(4)) if package == "onnx" else open_session(graph.content)


def test_a_quantized_graph_tells_its_policy() -> None:
    architecture, _, graph = pieces(0)
    candidate = Candidate(architecture, QuantizationPolicy.of({(0, 0): (8, 8)}))
    assert QuantizedGraph(candidate, graph.content, {}).policy == candidate.policy


def test_weights_that_a_file_cannot_hold_are_refused() -> None:
    from mtnas.onnx_graphs.convert import check_size

    check_size(nn.Linear(20_000, 20_000, device="meta"))
    with pytest.raises(ExportError, match=r"take 2\.33 GiB, .* at most 1\.98\d* GiB; choose a smaller candidate"):
        check_size(nn.Linear(25_000, 25_000, device="meta"))
