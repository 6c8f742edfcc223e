"""Operators: options of a block agree on the shape, skips are free where they can be, bad arguments are refused."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mtnas.errors import SpaceError
from mtnas.space.block import Operator
from mtnas.space.counting import count_macs, count_params
from mtnas.space.operators import (
    conv,
    conv_blocks,
    dense,
    dense_residual,
    dense_skip,
    inverted_residual,
    join_columns,
    residual_conv,
    separable_conv,
    skip,
)


@settings(max_examples=60, deadline=None)
@given(
    inputs=st.integers(1, 5),
    channels=st.integers(1, 5),
    kernel=st.sampled_from([1, 3, 5, 7]),
    stride=st.integers(1, 4),
    side=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    expansion=st.sampled_from([0.5, 1, 2, 3]),
)
def test_operators_of_one_stride_agree_on_the_shape(
    inputs: int, channels: int, kernel: int, stride: int, side: tuple[int, int], expansion: float
) -> None:
    shape = (inputs, *side)
    expected = (2, channels, math.ceil(side[0] / stride), math.ceil(side[1] / stride))
    operators = (
        conv(channels, kernel, stride),
        separable_conv(channels, kernel, stride),
        inverted_residual(channels, kernel, expansion, stride),
        residual_conv(channels, kernel, stride),
        skip(channels, stride),
    )
    for operator in operators:
        assert operator(shape).eval()(torch.randn(2, *shape)).shape == expected


@settings(max_examples=30, deadline=None)
@given(inputs=st.integers(1, 6), width=st.integers(1, 6), expansion=st.sampled_from([0.5, 1, 2]))
def test_dense_operators_agree_on_the_shape(inputs: int, width: int, expansion: float) -> None:
    for operator in (dense(width), dense_residual(width, expansion), dense_skip(width)):
        assert operator((inputs,)).eval()(torch.randn(2, inputs)).shape == (2, width)


def test_skips_are_free_where_the_shape_allows() -> None:
    x = torch.randn(2, 4, 5, 5)
    assert skip(4)((4, 5, 5))(x) is x
    pooled = skip(4, stride=2)((4, 5, 5))
    assert count_params(pooled) == 0 and count_macs(pooled, x) == 0
    assert count_params(skip(6)((4, 5, 5))) == 4 * 6 + 2 * 6
    y = torch.randn(2, 4)
    assert dense_skip(4)((4,))(y) is y


@pytest.mark.parametrize(
    ("operator", "shape"),
    [(inverted_residual(4, 3, 2), (4, 5, 5)), (residual_conv(4), (4, 5, 5)), (dense_residual(4), (4,))],
)
def test_residuals_add_their_input(operator: Operator, shape: tuple[int, ...]) -> None:
    """With all weights of the last normalisation 0, what is left is the input."""
    module = operator(shape).eval()
    last = [part for part in module.modules() if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d))][-1]
    nn.init.zeros_(last.weight)
    x = torch.rand(2, *shape)  # not negative: the ReLU after a residual pair leaves it as it is
    torch.testing.assert_close(module(x), x)


def test_inverted_residuals_only_add_inputs_of_their_own_shape() -> None:
    for make in (inverted_residual(5, 3, 2), inverted_residual(4, 3, 2, stride=2)):
        module = make(
            (4, 1, 1)
        ).eval()  # at 1x1 even a stride keeps the side: the rule is about the stride, not the shape
        last = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)][-1]
        nn.init.zeros_(last.weight)
        assert bool((module(torch.rand(2, 4, 1, 1)) == 0).all())


def test_an_expansion_of_one_has_nothing_to_expand() -> None:
    for expansion, convolutions in ((1, 2), (2, 3)):
        module = inverted_residual(4, 3, expansion)((4, 5, 5))
        assert sum(isinstance(part, nn.Conv2d) for part in module.modules()) == convolutions


@pytest.mark.parametrize("kernel", [0, 2, 4, -1])
def test_even_kernels_are_refused(kernel: int) -> None:
    for operator in (conv, separable_conv, inverted_residual, residual_conv):
        with pytest.raises(SpaceError, match=f"kernel must be odd.* but is {kernel}; use"):
            operator(8, kernel)


def test_other_bad_arguments_are_refused() -> None:
    with pytest.raises(SpaceError, match="channels must be above 0, but is 0"):
        conv(0)
    with pytest.raises(SpaceError, match="stride must be above 0, but is 0"):
        skip(4, stride=0)
    with pytest.raises(SpaceError, match=r"needs an input of shape \(C, H, W\), but gets \(4,\); use dense"):
        conv(4)((4,))
    with pytest.raises(SpaceError, match=r"needs an input of shape \(C,\), but gets \(4, 2, 2\); use convolutions"):
        dense(4)((4, 2, 2))
    with pytest.raises(SpaceError, match="channels are given for 2 blocks, but strides for 1"):
        conv_blocks((4, 8), (1,))


def test_joined_columns_look_each_category_up_in_its_own_column() -> None:
    stem = join_columns((3, 2), width=2)({"numbers": (1,), "categories": (2,)})
    one = stem({"numbers": torch.tensor([[7.0]]), "categories": torch.tensor([[1, 0]])})
    other = stem({"numbers": torch.tensor([[7.0]]), "categories": torch.tensor([[1, 1]])})
    assert one.shape == (1, 5) and one[0, 0] == 7
    assert torch.equal(one[0, :3], other[0, :3]) and bool((one[0, 3:] != other[0, 3:]).all())
    # Code 0 of the second column is not code 0 of the first.
    zero = stem({"numbers": torch.tensor([[7.0]]), "categories": torch.tensor([[0, 0]])})
    assert bool((zero[0, 1:3] != zero[0, 3:]).all())


@pytest.mark.parametrize("shape", [(5,), {"numbers": (1,)}, {"numbers": (1,), "categories": (3,)}])
def test_joined_columns_refuse_other_inputs(shape: object) -> None:
    with pytest.raises(SpaceError, match="must be a dict of|sizes are given for 2 columns"):
        join_columns((3, 2))(shape)  # type: ignore[arg-type]


# Counting ---------------------------------------------------------------------------------------------------------

ATTENTION = 5 * 8 * (3 * 8) + 2 * (5 * 5 * 8) + 5 * 8 * 8
"""MACs of attention of 5 tokens of 8 numbers: queries, keys and values; products with keys and values; the output."""


class Attention(nn.MultiheadAttention):
    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x, x, x, need_weights=False)[0]


@pytest.mark.parametrize(
    ("module", "macs"),
    [
        (Attention(8, 2, batch_first=True), ATTENTION),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), ATTENTION + 2 * 5 * 8 * 16),
        (nn.LSTM(8, 4, batch_first=True), 5 * 4 * 4 * (8 + 4)),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_macs_inside_fused_kernels_are_counted(module: nn.Module, macs: int, training: bool) -> None:
    fast, onednn = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    assert count_macs(module.train(training), torch.randn(1, 5, 8)) == macs
    assert (torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled) == (fast, onednn)
