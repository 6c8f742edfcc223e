"""Conversions between float and integers: what is counted of genes is what onnxruntime puts into its graphs."""

from __future__ import annotations

import platform
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mtnas.architecture import FLOAT, INT8, Candidate, CostTable
from mtnas.onnx_graphs import calibrate, convert, open_session, quantize
from mtnas.quantizing import Ends, JointCosts, Layers, Structure, joint_costs
from mtnas.quantizing.tracing import trace
from mtnas.searching import Parameters
from mtnas.searching.conversions import COLUMNS, SIZED, Conversions
from mtnas.searching.node_columns import Kind
from mtnas.searching.tree_genes import TreeGenes
from mtnas.searching.work_features import WorkFeatures
from mtnas.space.block import Block, Operator
from mtnas.space.elastic import elastic
from mtnas.space.operators import conv, encoder, inverted_residual, skip
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification
from mtnas.supernet import SuperNetwork

IMAGES = torch.rand(4, 1, 12, 12, generator=torch.Generator().manual_seed(0)).contiguous(
    memory_format=torch.channels_last
)


class Residual(nn.Module):
    """A convolution beside what enters, then a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


class TwoReaders(nn.Module):
    """Two convolutions of what enters, multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        product: Tensor = self.one(x) * self.other(x)
        return product


# Ends of operators --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "ends"),
    [
        (conv(8, 3)((8, 6, 6)), Ends()),
        (inverted_residual(8, 3, expansion=2)((8, 6, 6)), Ends(ends_in_layer=False, adds=True)),
        (inverted_residual(8, 3, expansion=1)((8, 6, 6)), Ends(ends_in_layer=False, adds=True)),
        (inverted_residual(9, 3, expansion=1)((8, 6, 6)), Ends()),
        (Residual(), Ends(ends_in_layer=False, adds=True)),
        (TwoReaders(), Ends(2, ends_in_layer=False)),
        (nn.Conv2d(8, 8, 3, groups=8), Ends()),
        (nn.AvgPool2d(2), Ends(0, others=1, ends_in_layer=False, convolutional=False)),
    ],
)
def test_what_an_operator_asks_of_its_neighbours(operator: nn.Module, ends: Ends) -> None:
    assert Ends.of(operator, torch.rand(2, 8, 6, 6)) == ends


def test_an_encoder_reads_what_enters_in_float() -> None:
    """Its norm and its sum do; its linear layers read what the norm gives."""
    operator = encoder(heads=2, mlp_ratio=2, head_width=4)((9, 8))
    assert Ends.of(operator, torch.rand(2, 9, 8)).layers == 0
    assert Ends.of(operator, torch.rand(2, 9, 8)).others >= 1
    assert not Ends.of(operator, torch.rand(2, 9, 8)).convolutional


# Conversions of networks --------------------------------------------------------------------------------------------


def space_of(middle: dict[str, Operator]) -> SearchSpace:
    blocks = (
        Block("one", elastic(conv, channels=(16,), kernel=(1, 3))),
        Block("two", {**middle, "skip": skip()}),
        Block("three", elastic(conv, channels=(16,), kernel=(3,))),
    )
    return SearchSpace([classification(name, 2) for name in "abc"], blocks)


PLAIN = space_of(dict(elastic(conv, channels=(16,), kernel=(3,))))
RESIDUAL = space_of(dict(elastic(inverted_residual, channels=None, kernel=(3,), expansion=(1, 2))))


def counted(costs: JointCosts, candidates: list[Candidate]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """(candidates, `COLUMNS`)"""
    parameters = Parameters(costs.space.product)
    genes = TreeGenes(
        costs.space.product,
        costs.table,
        [*parameters.distributions],
        ["latency_ms"],
        {},
        parts=costs.space.parts,
        structure=costs.structure,
    )
    encoded = [parameters.encode(costs.space.join(candidate)) for candidate in candidates]
    rows = [
        [int(kind.to_internal_repr(values[name])) for name, kind in parameters.distributions.items()]
        for values in encoded
    ]
    leaders, options = genes.paths(np.array(rows))
    return genes._work.conversions(leaders, options)


def optimized(supernet: SuperNetwork, candidate: Candidate, path: Path) -> Counter[str]:
    """Operators of the graph that onnxruntime really runs."""
    import onnx

    graph = convert(supernet.extract(candidate.architecture), IMAGES)
    content = graph.content
    if candidate.policy.nodes:
        content = quantize(graph, candidate, calibrate(graph, [IMAGES])).content
    open_session(content, optimized=path)
    return Counter(operator.op_type for operator in onnx.load(path).graph.node)


@pytest.mark.parametrize("space", [PLAIN, RESIDUAL])
def test_they_are_those_of_onnxruntime_s_graphs(space: SearchSpace, tmp_path: Path) -> None:
    supernet = SuperNetwork(space, IMAGES)
    costs = joint_costs(space, supernet.found, IMAGES, (FLOAT, INT8))
    rng = random.Random(0)
    candidates = [costs.space.split(costs.space.product.draw(rng)) for _ in range(12)]
    graphs = [optimized(supernet, candidate, tmp_path / f"{n}.onnx") for n, candidate in enumerate(candidates)]
    found = counted(costs, candidates)
    there = [
        [graph[kind] for kind in ("QuantizeLinear", "DequantizeLinear", "ReorderInput", "ReorderOutput", "Transpose")]
        for graph in graphs
    ]
    # Where tensors have which order is this processor's; others keep no blocks of channels.
    known = 5 if platform.machine() in ("x86_64", "AMD64") else 2
    if space is PLAIN:
        assert found[:, :known].tolist() == [row[:known] for row in there]
        assert np.array(there).std(0).min() > 0
        return
    assert found[:, 5].tolist() == [graph["QLinearAdd"] for graph in graphs]
    assert found[:, 5:].any(0).all()
    for graph, columns in zip(graphs, found.tolist(), strict=True):
        # A sum in float reads what the projection of a node in integers gives.
        assert graph["QuantizeLinear"] == columns[0] + columns[8]
        assert graph["DequantizeLinear"] == columns[1] + columns[6] + columns[8]
        if known == 5:  # a sum next to a convolution in float becomes part of that
            assert graph["Add"] == columns[6] + columns[7]


def test_a_tensor_is_in_integers_once_one_of_its_readers_is() -> None:
    """float -> (int8, float): it is rounded once, and the float reader turns it back."""
    conversions = Conversions([[Ends(), Ends()]] * 2, [np.array([False, True])] * 2, [np.array([False, False])] * 2, 2)
    found = conversions(np.array([[[0, 0], [0, 1]]]), np.array([[[0, 0], [1, 0]]]))[0]
    assert len(found) == COLUMNS
    # For the head behind the int8 layer it is turned back, too.
    assert found[:2].tolist() == [1, 2]


def test_a_float_network_converts_nothing() -> None:
    conversions = Conversions([[Ends(), Ends()]] * 2, [np.array([False, True])] * 2, [np.array([False, False])] * 2, 2)
    assert not conversions(np.array([[[0, 0], [0, 1]]]), np.array([[[0, 0], [0, 0]]]))[0, [0, 1, 4]].any()


def test_what_passes_through_converts_nothing() -> None:
    """int8, then nothing, then int8: one tensor becomes integers, and one float for the head."""
    table = CostTable.plain((0, 0), [[(1, 4), (1, 4), (0, 0)]] * 3, [(0, 0)])
    work = WorkFeatures(table, [np.array([(0, 0), (0, 1), (1, 0)])] * 3, 1)
    features = work(np.zeros((1, 3, 1), dtype=np.int64), np.array([[[1], [2], [1]]]))[0]
    assert len(features) == len(work.groups())
    assert features[-COLUMNS:][:2].tolist() == [1, 1]


def test_conversions_of_large_tensors_count_for_more() -> None:
    """float -> (int8, float), as above: what lies between the blocks is rounded and turned back, at its size."""
    conversions = Conversions([[Ends(), Ends()]] * 2, [np.array([False, True])] * 2, [np.array([False, False])] * 2, 2)
    genes = np.array([[[0, 0], [0, 1]]]), np.array([[[0, 0], [1, 0]]])
    sizes = np.array([[1.0, 0.5, 0.0, 0.25, 0.125]])  # of what enters, and of both tasks' tensors in both blocks
    found = conversions(*genes, sizes)[0]
    assert len(found) == COLUMNS + SIZED
    assert found[:COLUMNS].tolist() == conversions(*genes)[0].tolist()
    assert found[COLUMNS : COLUMNS + 2].tolist() == [0.5, 0.5 + 0.25]


def test_sizes_of_tensors_are_those_of_the_nodes_that_make_them() -> None:
    """A block of two widths: int8 nodes behind the wide one convert more."""
    first = (((1, 4), (1, 8)),)  # entered by one shape
    second = ((1, 4), (1, 4)), ((1, 8), (1, 8))  # by two
    table = CostTable((0, 0), (first, second), (((0, 1),), ((0, 0), (0, 0))), (((0, 0),),))
    parts = [np.array([(0, 0), (1, 0)]), np.array([(0, 0), (0, 1)])]
    work = WorkFeatures(table, parts, 1, Structure(elements=((16,), (8, 32), (4,))))
    narrow, wide = (work(np.zeros((1, 2, 1), dtype=np.int64), np.array([[[width], [1]]]))[0] for width in (0, 1))
    sized = work.groups() == Kind.CONVERSIONS_BY_SIZE
    assert len(narrow) == len(sized) and sized.sum() == SIZED
    # To integers: what leaves the first block; back to float: what leaves the second, for the head. Shares of 32.
    assert narrow[sized][:2].tolist() == [8 / 32, 4 / 32] and wide[sized][:2].tolist() == [1, 4 / 32]


# Structure ----------------------------------------------------------------------------------------------------------


def test_layers_are_told_by_kind() -> None:
    """An inverted residual on 6x6: 8 -> 16 channels, depthwise 3x3, 16 -> 8; then a block entered by two widths."""
    blocks = (
        Block("zero", elastic(conv, channels=(8,), kernel=(3,), stride=2)),
        Block("one", {"wide": inverted_residual(8, 3, expansion=2), "skip": skip()}),
        Block("two", elastic(conv, channels=(4, 8), kernel=(1,))),
        Block("three", elastic(conv, channels=(4,), kernel=(3,))),
    )
    space = SearchSpace([classification("a", 2)], blocks)
    found = Structure.of(space, SuperNetwork(space, IMAGES).found, IMAGES)
    assert found.layers[1][0] == (Layers(2, 1, 2 * 36 * 8 * 16, 36 * 16 * 9), Layers())
    assert [row[0] for row in found.layers[3]] == [Layers(1, 0, 36 * 4 * 9 * inputs) for inputs in (4, 8)]
    assert found.elements == ((144,), (8 * 36,), (8 * 36,), (4 * 36, 8 * 36), (4 * 36,))


def test_an_encoder_s_layers_are_linear_ones() -> None:
    operator = encoder(heads=2, mlp_ratio=2, head_width=4)((9, 8))
    found = Layers.seen(trace(operator, torch.rand(2, 9, 8)))
    assert (found.grouped, found.grouped_macs) == (0, 0)
    # Queries, keys and values in one or three, the projection behind, and two of the MLP.
    assert found.dense_macs == 9 * (3 * 8 * 8 + 8 * 8 + 2 * 8 * 16)


def test_work_is_told_by_what_nodes_have_in_common() -> None:
    """One block with a narrow and a wide operator, the latter also in integers; the head reads half of the most."""
    table = CostTable((0, 0), ((((1, 4), (1, 8), (1, 8)),),), (((0, 1, 1),),), (((0, 0),), ((0, 0),)))
    layers = (((Layers(1, 0, 4), Layers(2, 0, 8)),),)
    parts = [np.array([(0, 0), (1, 0), (1, 1)])]
    work = WorkFeatures(table, parts, 1, Structure(layers=layers, elements=((16,), (4, 8))), for_layers=0.5)
    groups = work.groups()
    rows = work(np.zeros((3, 1, 1), dtype=np.int64), np.array([[[0]], [[1]], [[2]]]))
    assert rows.shape == (3, len(groups))
    # A node takes a quarter for each layer, in integers twice that, and the share of the most MACs, in integers half.
    for kind in (Kind.OPERATOR_BITS, Kind.OPERATOR_BITS_SHAPE):
        assert rows[:, groups == kind].tolist() == [[0.75, 0, 0, 0], [0, 0, 1.5, 0], [0, 0, 0, 1.5]]
    assert rows[:, groups == Kind.OPERATOR].tolist() == [[0.75, 0], [0, 1.5], [0, 1.5]]
    for kind in (Kind.BITS, Kind.BITS_SHAPE):
        assert rows[:, groups == kind].tolist() == [[0.75, 0], [1.5, 0], [0, 1.5]]
    # Calls and MACs of dense and grouped layers in float, then in integers.
    assert rows[:, groups == Kind.LAYERS].tolist() == [
        [0.5, 0, 0.5, 0, 0, 0, 0, 0],
        [1, 0, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 1, 0],
    ]
    assert rows[:, groups == Kind.TOTALS][:, -1].tolist() == [0.5, 1, 1]


def test_work_of_nodes_is_told_by_the_shape_that_enters() -> None:
    """A block of two widths, and one after it; all in float; two tasks that part in the second block."""
    first = (((1, 4), (1, 8)),)
    second = ((1, 4), (1, 4)), ((1, 8), (1, 8))
    table = CostTable((0, 0), (first, second), (((0, 1),), ((0, 0), (0, 0))), (((0, 0),),))
    parts = [np.array([(0,), (1,)]), np.array([(0,), (1,)])]
    work = WorkFeatures(table, parts, 2, for_layers=1)
    groups = work.groups()
    assert Kind.OPERATOR_BITS not in groups  # the same as those by operator
    rows = work(np.array([[[0, 0], [0, 1]], [[0, 0], [0, 0]]]), np.array([[[1, 1], [0, 1]], [[0, 0], [1, 1]]]))
    in_shape = rows[:, groups == Kind.BITS_SHAPE]
    assert in_shape.tolist() == [[2, 0, 4], [1.5, 1.5, 0]]
    assert rows[:, groups == Kind.OPERATOR].tolist() == [[0, 2, 2, 2], [1.5, 0, 0, 1.5]]


def test_depthwise_macs_count_for_more() -> None:
    table = CostTable.plain((0, 0), [[(1, 8), (1, 8)]], [(0, 0)])
    layers = (((Layers(1, 0, 8), Layers(0, 1, 0, 8)),),)
    work = WorkFeatures(table, [np.array([(0,), (1,)])], 1, Structure(layers=layers), for_layers=0, for_grouped=4)
    rows = work(np.zeros((2, 1, 1), dtype=np.int64), np.array([[[0]], [[1]]]))
    assert rows[:, work.groups() == Kind.BITS].tolist() == [[0.25], [1]]
