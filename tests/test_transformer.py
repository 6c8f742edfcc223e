"""Transformer operators: encoders compute what torch's do, and share weights by their first heads and channels."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from toys import draws

from mtnas.architecture import split_tree
from mtnas.errors import SpaceError
from mtnas.searching import SearchSettings
from mtnas.space.block import Block, Operator
from mtnas.space.counting import count_macs, count_params
from mtnas.space.elastic import Sliced, check_elastic, elastic, leading
from mtnas.space.file import SpaceFile, load_space_file
from mtnas.space.operators import encoder, patch_embedding, repeated, token_head, token_skip
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Shape
from mtnas.space.task_types import classification, regression
from mtnas.supernet import SuperNetwork

FILE = Path(__file__).parents[1] / "search_spaces" / "vit_digits.py"
TOKENS, WIDTH, HEAD_WIDTH = 5, 12, 4


def deeper(depth: int, heads: int = 2) -> Operator:
    return repeated(encoder(heads, 1, head_width=HEAD_WIDTH), depth)


def tokens(samples: int = 3) -> Tensor:
    return torch.randn(samples, TOKENS, WIDTH, generator=torch.Generator().manual_seed(0))


def made(heads: int, mlp_ratio: float) -> nn.Module:
    """An encoder of which no weight is one that a norm or bias starts with."""
    module = encoder(heads, mlp_ratio, head_width=HEAD_WIDTH)((TOKENS, WIDTH))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module


# One block -------------------------------------------------------------------------------------------------------


def test_an_encoder_computes_what_that_of_torch_does() -> None:
    ours, theirs = (
        made(heads=3, mlp_ratio=2),
        nn.TransformerEncoderLayer(
            WIDTH, 3, 2 * WIDTH, dropout=0, activation="gelu", batch_first=True, norm_first=True
        ),
    )
    own = ours.state_dict()
    fused = [own[f"attention.{name}.weight"] for name in ("query", "key", "value")]
    bias = own["attention.query.bias"]
    renamed = {
        "self_attn.in_proj_weight": torch.cat(fused),
        "self_attn.in_proj_bias": torch.cat([bias, torch.zeros(2 * len(bias))]),
    }
    for there, here in {
        "self_attn.out_proj": "attention.out",
        "linear1": "mlp.0",
        "linear2": "mlp.2",
        "norm1": "attention_norm",
        "norm2": "mlp_norm",
    }.items():
        renamed |= {f"{there}.{kind}": own[f"{here}.{kind}"] for kind in ("weight", "bias")}
    theirs.load_state_dict(renamed)
    x = tokens()
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize(("heads", "mlp_ratio"), [(1, 1), (3, 0.5), (4, 2)])
def test_params_and_macs_are_those_counted_by_hand(heads: int, mlp_ratio: float) -> None:
    module = encoder(heads, mlp_ratio, head_width=HEAD_WIDTH)((TOKENS, WIDTH))
    inner, hidden = heads * HEAD_WIDTH, round(WIDTH * mlp_ratio)
    linear = 4 * WIDTH * inner + 2 * WIDTH * hidden
    products = heads * (TOKENS * TOKENS * HEAD_WIDTH) * 2  # with keys, then with values
    assert count_macs(module, tokens(1)) == TOKENS * linear + products
    assert count_params(module) == linear + (inner + WIDTH) + (hidden + WIDTH) + 2 * 2 * WIDTH


def test_gradients_reach_every_parameter() -> None:
    module = nn.Sequential(
        patch_embedding(WIDTH, 2)((1, 4, 4)),
        encoder(2, 2)((4, WIDTH)),
        encoder(1)((4, WIDTH)),
        token_head(3)((4, WIDTH)),
    )
    loss = nn.functional.cross_entropy(module(torch.randn(4, 1, 4, 4)), torch.tensor([0, 1, 2, 0]))
    loss.backward()  # type: ignore[no-untyped-call]
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().max()) > 1e-6, name


# Sharing weights -------------------------------------------------------------------------------------------------

ELASTIC: dict[str, tuple[Mapping[str, Operator], list[Shape]]] = {
    "encoder": (
        elastic(encoder, heads=(1, 2, 4), mlp_ratio=(0.5, 1, 2), head_width=HEAD_WIDTH),
        [(TOKENS, WIDTH), (TOKENS, 8)],
    ),
    "depth": (elastic(deeper, depth=(1, 2, 3), heads=(1, 2)), [(TOKENS, WIDTH)]),
    "patches": (elastic(patch_embedding, width=(4, 8), patch=2), [(1, 4, 6)]),
    "skip": ({"skip": token_skip()}, [(TOKENS, WIDTH), (TOKENS, 8)]),
}


@pytest.mark.parametrize("name", ELASTIC)
def test_operators_on_tokens_can_be_elastic(name: str) -> None:
    check_elastic(*ELASTIC[name])


def test_the_largest_slice_is_the_full_module() -> None:
    full, x = made(heads=4, mlp_ratio=2), tokens()
    assert torch.equal(Sliced(full, made(heads=4, mlp_ratio=2), leading)(x), full(x))


@pytest.mark.parametrize(("heads", "mlp_ratio"), [(1, 1), (2, 0.5), (3, 2), (4, 1)])
def test_a_slice_is_the_first_heads_and_hidden_channels(heads: int, mlp_ratio: float) -> None:
    full, x = made(heads=4, mlp_ratio=2), tokens()
    small = made(heads, mlp_ratio)
    sliced = Sliced(full, copy.deepcopy(small), leading)(x)
    inner, hidden = heads * HEAD_WIDTH, round(WIDTH * mlp_ratio)
    cut = full.state_dict()
    for name in ("query.weight", "query.bias", "key.weight", "value.weight"):
        cut[f"attention.{name}"] = cut[f"attention.{name}"][:inner]
    cut["attention.out.weight"] = cut["attention.out.weight"][:, :inner]
    cut |= {"mlp.0.weight": cut["mlp.0.weight"][:hidden], "mlp.0.bias": cut["mlp.0.bias"][:hidden]}
    cut["mlp.2.weight"] = cut["mlp.2.weight"][:, :hidden]
    small.load_state_dict(cut)
    torch.testing.assert_close(sliced, small(x))
    # The same without any cutting: other heads and channels compute, but nobody listens.
    deaf = copy.deepcopy(full)
    with torch.no_grad():
        deaf.get_parameter("attention.out.weight")[:, inner:] = 0
        deaf.get_parameter("mlp.2.weight")[:, hidden:] = 0
    torch.testing.assert_close(sliced, deaf(x))


# Into tokens and out of them -------------------------------------------------------------------------------------


def test_tokens_are_the_patches_row_by_row() -> None:
    stem = patch_embedding(7, 3)((2, 6, 9))
    x = torch.randn(4, 2, 6, 9)
    patches = x.reshape(4, 2, 2, 3, 3, 3).permute(0, 2, 4, 1, 3, 5).reshape(4, 6, 18)
    project, position = stem.get_submodule("project"), stem.get_parameter("position")
    assert isinstance(project, nn.Conv2d) and position.std() > 0
    expected = nn.functional.linear(patches, project.weight.flatten(1), project.bias) + position
    torch.testing.assert_close(stem(x), expected)
    torch.testing.assert_close(stem(x.contiguous(memory_format=torch.channels_last)), expected)


def test_heads_look_at_the_mean_of_all_tokens() -> None:
    x, head = tokens(), token_head(4)((TOKENS, WIDTH))
    torch.testing.assert_close(head(x), head(x.flip(1)))
    torch.testing.assert_close(head(x), head(x.mean(1, keepdim=True)))
    assert head(x).shape == (3, 4) and token_head(None)((TOKENS, WIDTH))(x).shape == (3,)
    check_elastic({"head": token_head(4)}, [(TOKENS, WIDTH), (TOKENS, 8)])


def test_a_skip_is_free() -> None:
    x, skip = tokens(), token_skip()((TOKENS, WIDTH))
    assert skip(x) is x and count_params(skip) == 0


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(SpaceError, match="heads must be above 0, but is 0"):
        encoder(0)
    with pytest.raises(SpaceError, match="patch must be above 0, but is 0"):
        patch_embedding(8, 0)
    with pytest.raises(SpaceError, match="outputs must be at least 1, but is 0"):
        token_head(0)
    for make in (encoder(2), token_skip(), token_head(2)):
        with pytest.raises(SpaceError, match=r"shape \(T, C\), but gets \(4, 2, 2\); .* patch_embedding"):
            make((4, 2, 2))
    with pytest.raises(SpaceError, match="a patch of 5 must divide the image's sides, but they are 10 and 12"):
        patch_embedding(8, 5)((1, 10, 12))
    with pytest.raises(SpaceError, match=r"gets a dict of \['left', 'right'\]"):
        patch_embedding(8, 5)({"left": (1, 5, 5), "right": (1, 5, 5)})


# Whole spaces ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file() -> SpaceFile:
    return load_space_file(FILE)


@pytest.fixture(scope="module")
def images(file: SpaceFile) -> Tensor:
    x = file.data().example()[0]
    assert isinstance(x, Tensor)
    return x[:6]


@pytest.fixture(scope="module")
def shipped(file: SpaceFile, images: Tensor) -> SuperNetwork:
    return SuperNetwork(file.space, images).eval()


@pytest.fixture(scope="module")
def split_patches() -> SuperNetwork:
    """Patches are the first block, so that tasks may share nothing; depth is searched inside a block, too."""
    blocks = [
        Block("patches", {"patch4": patch_embedding(WIDTH, 4)}),
        Block("deep", {**elastic(deeper, depth=(1, 2), heads=(1, 2)), "skip": token_skip()}),
        Block("wide", elastic(encoder, heads=(1, 2), mlp_ratio=(1, 2), head_width=HEAD_WIDTH)),
    ]
    tasks = [classification("a", 3, head=token_head(3)), regression("b", head=token_head(None))]
    return SuperNetwork(SearchSpace(tasks, blocks), torch.randn(4, 1, 12, 12)).eval()


@pytest.mark.parametrize("name", ["shipped", "split_patches"])
def test_extraction_equals_the_path_and_its_costs(name: str, images: Tensor, request: pytest.FixtureRequest) -> None:
    supernet: SuperNetwork = request.getfixturevalue(name)
    table, space = supernet.found.costs, supernet.space.architectures
    for architecture in draws(space, 30):
        network = supernet.extract(architecture)
        with torch.no_grad():
            outputs = network(images)
            for task, output in supernet(images, architecture).items():
                assert (output - outputs[task]).abs().max() < 1e-5
        assert table.of(space, architecture) == {
            "params": count_params(network),
            "macs": count_macs(network, images[:1]),
        }


def test_the_shipped_space_keeps_its_promises(file: SpaceFile, shipped: SuperNetwork, images: Tensor) -> None:
    space, table = file.space.architectures, shipped.found.costs
    separate = table.of(space, table.uniform(space, split_tree(space), "params", largest=True))["params"]
    assert file.setting("searching", SearchSettings()).budgets["params"] == pytest.approx(separate / 2, rel=0.05)
    widened = file.widening()
    assert file.space.describe(shipped.found) == widened(1).describe(widened(1).dry_run(images))
    params = [widened(factor).dry_run(images).costs.largest(widened(1).architectures, "params") for factor in (0.01, 2)]
    assert params[0] < separate < params[1]


# Export ----------------------------------------------------------------------------------------------------------


def exported(module: nn.Module, x: Tensor) -> bytes:
    buffer = io.BytesIO()
    torch.onnx.export(
        module.eval(),
        (x,),
        buffer,  # type: ignore[arg-type]
        dynamo=False,
        opset_version=17,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
    )
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@settings(max_examples=4)
@given(heads=st.integers(1, 3), mlp_ratio=st.sampled_from([0.5, 2]))
def test_exported_graphs_equal_the_network_at_any_batch_size(heads: int, mlp_ratio: float) -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    module = nn.Sequential(
        patch_embedding(WIDTH, 2)((1, 4, 6)),
        encoder(heads, mlp_ratio, head_width=HEAD_WIDTH)((6, WIDTH)),
        token_head(3)((6, WIDTH)),
    )
    content = exported(module, torch.randn(2, 1, 4, 6))
    operators = [node.op_type for node in onnx.load_from_string(content).graph.node]
    assert "Shape" not in operators  # all shapes are constants, but for the batch
    # A product for each linear layer, to be quantized one by one, and the two of attention.
    assert operators.count("MatMul") == 6 + 2
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for samples in (1, 2, 5):
        x = torch.randn(samples, 1, 4, 6)
        (y,) = session.run(None, {"x": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(y), module(x).detach(), atol=1e-5, rtol=1e-4)


def test_scores_do_not_grow_with_the_width_of_heads() -> None:
    """Queries and keys that are the token itself: softmax of x x^T / sqrt(head_width), arXiv 1706.03762, eq. 1."""
    module = encoder(1, 1, head_width=WIDTH)((TOKENS, WIDTH)).get_submodule("attention")
    with torch.no_grad():
        for name in ("query", "key", "value", "out"):
            module.get_parameter(f"{name}.weight").copy_(torch.eye(WIDTH))
        for name in ("query", "out"):
            module.get_parameter(f"{name}.bias").zero_()
    x = tokens()
    torch.testing.assert_close(module(x), (x @ x.transpose(1, 2) / math.sqrt(WIDTH)).softmax(2) @ x)
