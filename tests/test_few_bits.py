"""Weights of few bits: their grid, the roundings that a network bears best, and the files that pack them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from itertools import combinations
from statistics import fmean

import pytest
import torch
import torch.nn.functional as F
from test_quantizing import (
    ARCHITECTURES,
    batches,
    gap,
    image_network,
    images,
    nodes_of,
    outputs,
    policy_of,
    same,
    vector_network,
    vectors,
)
from torch import Tensor, nn

from mtnas.architecture import INT8, W4A8, Candidate, QuantizationPolicy
from mtnas.errors import ExportError, QuantizationError
from mtnas.quantizing import (
    fake_quantized,
    gather_ranges,
    network_bytes,
    settle_weights,
    snap_weights,
    weight_limits,
    weight_scales,
    wire,
)
from mtnas.quantizing.compensation import compensated
from mtnas.quantizing.moments import Moments, gather_moments
from mtnas.quantizing.rounding import fake_quantize
from mtnas.supernet import BranchedNetwork


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def nearest(weight: Tensor, bits: int, scales: Tensor | None = None) -> Tensor:
    scales = weight_scales(weight, bits) if scales is None else scales
    return fake_quantize(weight, scales.reshape(-1, *[1] * (weight.dim() - 1)), *weight_limits(bits))


# The grid ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6])
def test_scales_of_few_bits_err_less_than_those_of_the_largest_weight(bits: int) -> None:
    weight = drawn(16, 8, 3, 3, seed=bits)
    low, high = weight_limits(bits)
    plain = 2 * weight.flatten(1).abs().amax(1) / (high - low)
    errors = [
        (nearest(weight, bits, s) - weight).square().flatten(1).sum(1) for s in (weight_scales(weight, bits), plain)
    ]
    assert (errors[0] <= errors[1]).all()
    assert float(errors[0].sum()) < 0.95 * float(errors[1].sum())
    assert all(len(channel.unique()) <= 2**bits for channel in nearest(weight, bits))


@pytest.mark.parametrize("bits", [2, 3, 4, 6])
def test_weights_on_a_grid_keep_it(bits: int) -> None:
    low, high = weight_limits(bits)
    generator = torch.Generator().manual_seed(bits)
    steps = torch.randint(low, high + 1, (200, 9), generator=generator)
    weight = steps * (0.01 + torch.rand(200, 1, generator=generator))
    torch.testing.assert_close(nearest(weight, bits), weight, rtol=1e-6, atol=0)


def test_a_channel_of_zeros_has_a_scale() -> None:
    assert weight_scales(torch.zeros(2, 5), 4).tolist() == [1.0, 1.0]


def test_errors_count_by_their_importance() -> None:
    weight, importance = drawn(50, 9, seed=1), torch.linspace(0, 2, 9).square()
    by_it, alike = (
        (nearest(weight, 4, scales) - weight).square() @ importance
        for scales in (weight_scales(weight, 4, importance.expand(50, 9)), weight_scales(weight, 4))
    )
    assert (by_it <= alike).all() and float(by_it.sum()) < 0.95 * float(alike.sum())


# Moments ----------------------------------------------------------------------------------------------------------

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(6, 4), (6,)),
    "tokens": (lambda: nn.Linear(6, 4), (5, 6)),
    "convolution": (lambda: nn.Conv2d(4, 6, 3, padding=1), (4, 7, 6)),
    "strided, dilated, grouped": (lambda: nn.Conv2d(4, 6, (3, 2), (2, 1), (2, 0), (2, 1), groups=2), (4, 9, 6)),
    "same, circular": (lambda: nn.Conv2d(4, 6, 3, padding="same", padding_mode="circular"), (4, 5, 6)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4), (4, 5, 6)),
    "series": (lambda: nn.Conv1d(4, 6, 3, 2), (4, 9)),
    "volume": (lambda: nn.Conv3d(2, 3, 2, padding=1), (2, 3, 4, 3)),
}


@pytest.mark.parametrize("columns", [1000, 10])
@pytest.mark.parametrize("name", LAYERS)
def test_moments_tell_how_a_layers_products_vary(name: str, columns: int) -> None:
    """The mean square of any weight's product, by the moments, is that of what the layer really gives."""
    make, shape = LAYERS[name]
    layer = make()
    assert isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)) and isinstance(layer.bias, nn.Parameter)
    x = [drawn(3, *shape, seed=seed) for seed in (1, 2)]
    network = nn.Sequential(layer)
    moments = gather_moments(network, ["0"], [(one, {}) for one in x], positions=1000, columns=columns)["0"]
    with torch.no_grad():
        layer.bias.zero_()
        y = torch.cat([layer(one) for one in x])
    y = y.movedim(-1 if isinstance(layer, nn.Linear) else 1, 0).flatten(1).double()  # (C, n)
    weight = moments.split(layer.weight.detach().double())
    products, means = moments.products.double(), moments.means.double()
    torch.testing.assert_close(
        (weight @ means[..., None]).squeeze(-1).sum(1).flatten(), y.mean(1), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(Moments.joined(weight, layer.weight).float(), layer.weight.detach())
    if moments.means.shape[1] == 1:
        squares = (weight @ products * weight).sum((1, 3)).flatten()
        torch.testing.assert_close(squares, y.square().mean(1), rtol=1e-4, atol=1e-5)
    else:
        assert moments.means.shape[2] <= columns


def test_some_places_stand_for_all() -> None:
    network, x = nn.Sequential(nn.Conv2d(3, 2, 3)), [(drawn(200, 3, 12, 12), {})]
    every, some = (gather_moments(network, ["0"], x, positions=positions, columns=100)["0"] for positions in (100, 10))
    assert 0 < float((some.products - every.products).abs().max()) < 0.15
    again = gather_moments(network, ["0"], x, positions=10, columns=100)["0"]
    assert torch.equal(again.products, some.products)


# Compensation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [200, 20])
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_products_change_less_than_by_rounding_to_the_nearest(bits: int, columns: int) -> None:
    mixed = drawn(4000, 8) @ drawn(8, 160, seed=1) + 0.3 * drawn(4000, 160, seed=2) + 1  # inputs that go together
    layer = nn.Linear(160, 12)
    moments = gather_moments(nn.Sequential(layer), ["0"], [(mixed, {})], positions=1, columns=columns)["0"]
    with torch.no_grad():
        wanted = layer(mixed)
        weight, lost = compensated(layer.weight, moments, bits, damping=0.01)
        ours = F.linear(mixed, weight, layer.bias + lost) - wanted
        plain = F.linear(mixed, nearest(layer.weight.detach(), bits), layer.bias) - wanted
    assert float(ours.square().mean()) < (0.2 if columns == 200 else 0.7) * float(plain.square().mean())
    assert float(ours.mean(0).abs().max()) < 1e-4
    torch.testing.assert_close(nearest(weight, bits), weight, rtol=1e-5, atol=1e-7)


def test_inputs_that_are_always_zero_do_no_harm() -> None:
    x = drawn(100, 6)
    x[:, 2:4] = 0
    moments = gather_moments(nn.Sequential(nn.Linear(6, 3)), ["0"], [(x, {})], positions=1, columns=10)["0"]
    weight, lost = compensated(drawn(3, 6, seed=3), moments, 4, damping=0.01)
    assert torch.isfinite(weight).all() and torch.isfinite(lost).all()
    none, _ = compensated(drawn(3, 6, seed=3), Moments(moments.products * 0, moments.means * 0), 4, damping=0.01)
    assert torch.isfinite(none).all()


# Networks ---------------------------------------------------------------------------------------------------------


def settled(
    network: BranchedNetwork, policy: QuantizationPolicy, make: Callable[..., Tensor] = images
) -> BranchedNetwork:
    network = copy.deepcopy(network)
    settle_weights(network, policy, batches(make))
    return network


def rounded_gap(network: BranchedNetwork, policy: QuantizationPolicy, wanted: dict[str, Tensor], x: Tensor) -> float:
    make = images if x.dim() == 4 else vectors
    with fake_quantized(network, policy, gather_ranges(network, batches(make))):
        return gap(outputs(network, x), wanted)


@pytest.mark.parametrize(("bits", "most"), [(2, 0.85), (3, 0.8), (4, 0.85)])
def test_settled_networks_are_nearer_to_float(bits: int, most: float) -> None:
    """On average: layers as small as these have few weights that could make up for each other."""
    ratios = []
    for name in [*ARCHITECTURES, "vectors"]:
        network, make = (vector_network(), vectors) if name == "vectors" else (image_network(name), images)
        x, policy = make(256, 7), policy_of(nodes_of(network), (bits, 8))
        wanted = outputs(network, x)
        ours = settled(network, policy, make)
        ratios.append(rounded_gap(ours, policy, wanted, x) / rounded_gap(network, policy, wanted, x))
        assert same(outputs(network, x), wanted)  # a copy was settled
    assert math.exp(fmean(map(math.log, ratios))) < most


@pytest.mark.parametrize("name", ["all", "residual"])
def test_what_was_settled_stays_as_it_is(name: str) -> None:
    network, policy = image_network(name), policy_of(nodes_of(image_network(name)), W4A8)
    once = settled(network, policy)
    twice = settled(once, policy)
    snapped = copy.deepcopy(once)
    snap_weights(snapped, policy, next(iter(batches(images))))
    for other in (twice, snapped):
        for key, value in once.state_dict().items():
            torch.testing.assert_close(other.state_dict()[key], value, rtol=1e-4, atol=1e-5)


def test_snapped_weights_are_what_the_roundings_make_of_them() -> None:
    network = copy.deepcopy(image_network("all"))
    policy = policy_of(nodes_of(network), W4A8)
    ranges, x = gather_ranges(network, batches(images)), images(32, 7)
    with fake_quantized(network, policy, ranges):
        wanted = outputs(network, x)
    plain = outputs(network, x)
    snap_weights(network, policy, (x, {}))
    with fake_quantized(network, policy, ranges):
        assert gap(outputs(network, x), wanted) < 1e-3 * gap(plain, wanted)
    assert gap(outputs(network, x), plain) > 0.1 * gap(plain, wanted)  # the weights themselves changed


@pytest.mark.parametrize("bits", [INT8, (7, 8), (32, 32)])
def test_weights_of_many_bits_are_left_alone(bits: tuple[int, int]) -> None:
    network = image_network("all")
    for other in (settled(network, policy_of(nodes_of(network), bits)), copy.deepcopy(network)):
        assert same(other.state_dict(), network.state_dict())
    first = nodes_of(network)[0]
    mixed = settled(
        network, QuantizationPolicy.of({node: W4A8 if node == first else INT8 for node in nodes_of(network)})
    )
    changed = {key for key, value in network.state_dict().items() if not torch.equal(mixed.state_dict()[key], value)}
    name = next(name for name, place in network.places.items() if place == first)
    assert changed and all(key.startswith(f"nodes.{name}.") for key in changed)


def test_a_weight_that_two_layers_share_is_left_alone() -> None:
    network = copy.deepcopy(vector_network())
    linears = {name: part for name, part in network.nodes.named_modules() if isinstance(part, nn.Linear)}
    (one, first), (other, second) = next(
        (a, b) for a, b in combinations(linears.items(), 2) if a[1].weight.shape == b[1].weight.shape
    )
    second.weight = first.weight
    before = {name: part.weight.detach().clone() for name, part in linears.items()}
    settle_weights(network, policy_of(nodes_of(network), W4A8), batches(vectors))
    kept = {name for name, weight in before.items() if torch.equal(linears[name].weight, weight)}
    assert kept == {one, other}


def test_nothing_to_settle_by_is_refused() -> None:
    network = copy.deepcopy(image_network("all"))
    with pytest.raises(QuantizationError, match="no batches to settle weights of few bits by"):
        settle_weights(network, policy_of(nodes_of(network), W4A8), [])
    with pytest.raises(QuantizationError, match="which the network does not have"):
        settle_weights(network, QuantizationPolicy.of({(9, 0): W4A8}), batches(images))


def test_numbers_that_are_not_finite_are_named() -> None:
    network = copy.deepcopy(vector_network())
    broken = [(torch.full_like(x, torch.inf), labels) for x, labels in batches(vectors)]
    with pytest.raises(QuantizationError, match=r"what the layer nodes\..* reads is not finite"):
        settle_weights(network, policy_of(nodes_of(network), W4A8), broken)


# Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ARCHITECTURES, "vectors"])
def test_a_packed_file_computes_what_its_simulation_does(name: str) -> None:
    pytest.importorskip("onnxruntime")
    import onnx

    from mtnas.onnx_graphs import SessionNetwork, audit, calibrate, convert, open_session, quantize

    network, make = (vector_network(), vectors) if name == "vectors" else (image_network(name), images)
    x, nodes = make(64, 7), nodes_of(network)
    policy = QuantizationPolicy.of({node: INT8 if number % 3 == 2 else W4A8 for number, node in enumerate(nodes)})
    network = settled(network, policy, make)
    graph = convert(network, x)
    ranges = calibrate(graph, (x for x, _ in batches(make)))
    quantized = quantize(graph, Candidate(network.architecture, policy), ranges)
    audit(graph, quantized)
    file, floating = SessionNetwork(graph, open_session(quantized.content)), outputs(network, x)
    with fake_quantized(network, policy, gather_ranges(network, batches(make))):
        simulated = outputs(network, x)
    assert gap(file(x), simulated) < 0.05 * gap(floating, simulated)
    model = onnx.load_from_string(quantized.content)
    sizes = {
        tensor.name.removesuffix("_quantized.packed"): len(tensor.raw_data)
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.INT4
    }
    weights = {node.name: node.input[1] for node in graph.model.graph.node if len(node.input) > 1}
    packed = [
        weights[name] for node, names in quantized.integer.items() if policy.bits(*node) == W4A8 for name in names
    ]
    assert sorted(sizes) == sorted(packed) and packed
    whole = quantize(graph, Candidate.uniform(network.architecture, INT8), ranges)
    saved = network_bytes(network, Candidate.uniform(network.architecture, INT8).policy, wire(network, x))
    saved -= network_bytes(network, policy, wire(network, x))
    assert sum(sizes.values()) == pytest.approx(saved, abs=len(sizes))
    assert len(whole.content) > len(quantized.content) or saved < 2000  # small weights: a Cast each takes room, too


def test_an_odd_number_of_weights_is_packed_whole() -> None:
    onnx = pytest.importorskip("onnx")
    import numpy as np

    from mtnas.onnx_graphs.packing import _halves

    values = np.array([[-8, 7, 0], [1, -1, 3], [5, -6, 2]], np.int8)
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.INT4, dims=values.shape, raw_data=_halves(values))
    assert len(_halves(values)) == 5
    assert (onnx.numpy_helper.to_array(tensor).astype(np.int8) == values).all()


def test_operators_without_a_newer_form_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = pytest.importorskip("onnx")
    from mtnas.onnx_graphs.packing import for_packing

    graph = onnx.helper.make_graph([onnx.helper.make_node("NoSuch", ["x"], ["y"])], "g", [], [])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    with pytest.raises(ExportError, match=r"weights of 4 bits need version 21 .* give it 8 bits"):
        for_packing(model)
