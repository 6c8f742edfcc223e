"""Elastic operators: what shares weights by slicing, in one operator and in a whole supernetwork."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from toys import INPUTS, draws, plain_space, plain_table, toy_data, toy_tasks, toy_x

from mtnas.architecture import EXACT_COSTS, Architecture, ArchitectureSpace, CostTable, Tree, split_tree
from mtnas.errors import SpaceError
from mtnas.evaluation import InheritedErrors, extract, task_errors
from mtnas.runs import Run
from mtnas.searching import SearchSettings, search
from mtnas.space.block import Block
from mtnas.space.counting import count_macs, count_params
from mtnas.space.elastic import Sliced, check_elastic, elastic, leading
from mtnas.space.operators import (
    conv,
    dense,
    dense_residual,
    dense_skip,
    inverted_residual,
    repeated,
    residual_conv,
    separable_conv,
    skip,
)
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings, train

Made = Callable[[tuple[int, ...]], nn.Module]


def deeper(depth: int, channels: int = 6) -> Made:
    return repeated(conv(channels), depth, first=conv(channels, stride=2))


def dropped(width: int) -> Made:
    return lambda shape: nn.Sequential(nn.Linear(shape[0], width), nn.Dropout(0.5), nn.LayerNorm(width))


def transformer(hidden: int) -> Made:
    return lambda shape: nn.TransformerEncoderLayer(shape[1], 2, hidden, batch_first=True)


class Recurrent(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.layer = nn.LSTM(inputs, width, batch_first=True, num_layers=2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)[0]
        return y


# The contract ----------------------------------------------------------------------------------------------------

GOOD = {
    "conv": (elastic(conv, channels=(4, 6, 8), kernel=(3, 5, 7), stride=2), [(3, 9, 9), (5, 9, 9)]),
    "separable": (elastic(separable_conv, channels=(4, 8), kernel=(3, 5)), [(3, 9, 9), (5, 9, 9)]),
    "inverted": (elastic(inverted_residual, channels=(4, 6), kernel=(3, 5), expansion=(1, 2, 3)), [(4, 9, 9)]),
    "inverted, as wide": (elastic(inverted_residual, channels=[None], expansion=(1, 2)), [(4, 9, 9), (6, 9, 9)]),
    "residual": (elastic(residual_conv, channels=8, kernel=(3, 5)), [(8, 9, 9)]),
    "residual, as wide": (elastic(residual_conv, channels=[None], kernel=(3, 5)), [(4, 9, 9), (8, 9, 9)]),
    "residual, of a width that may enter": (
        elastic(residual_conv, channels=(4, 8), kernel=(3, 5), stride=2, project=True),
        [(4, 9, 9), (8, 9, 9)],
    ),
    "depth": (elastic(deeper, depth=(1, 2, 3)), [(3, 9, 9), (4, 9, 9)]),
    "dense": (elastic(dense, width=(4, 8)), [(3,), (5,)]),
    "a user's own": (elastic(lambda width: lambda shape: Recurrent(shape[1], width), width=(4, 8)), [(5, 3)]),
    "dropout": (elastic(dropped, width=(4, 8)), [(3,), (5,)]),
    "transformer": (elastic(transformer, hidden=(4, 8)), [(5, 8)]),
    "dense residual": (elastic(dense_residual, width=8, expansion=(0.5, 2)), [(8,)]),
    "dense residual, of a width that may enter": (
        elastic(dense_residual, width=(4, 8), expansion=(0.5, 2), project=True),
        [(4,), (8,)],
    ),
    "skips": ({"skip": skip(None, 2)}, [(4, 9, 9), (8, 9, 9)]),
    "two families and a skip": (
        {
            **elastic(conv, prefix="conv_", channels=(4, 8)),
            **elastic(separable_conv, channels=(4, 8)),
            "skip": skip(),
        },
        [(4, 9, 9), (8, 9, 9)],
    ),
    "dense skips": ({"skip": dense_skip()}, [(4,), (8,)]),
}


@pytest.mark.parametrize("name", GOOD)
def test_the_operators_of_the_library_can_be_elastic(name: str) -> None:
    check_elastic(*GOOD[name])


class Hoarding(nn.Linear):
    """It keeps a list of its parameters, which slices do not enter."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(inputs, width)
        self.kept = [self.weight]

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.kept[0])


class Renamed(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.add_module(f"layer{width}", nn.Linear(inputs, width))


class Recomputed(nn.Linear):
    """It runs once more in the backward pass, when the slices are gone."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = checkpoint(super().forward, x, use_reentrant=False)  # type: ignore[no-untyped-call]
        return y


class Bottleneck(nn.Sequential):
    """The wider it is, the narrower its second layer enters."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(nn.Linear(inputs, width), nn.Linear(width, 12 // width))


BAD = {
    "something else with slices": (lambda width: lambda shape: Hoarding(shape[0], width), (3,)),
    "'layer4.weight' of shape .* is not in the largest": (lambda width: lambda shape: Renamed(shape[0], width), (3,)),
    "fails in the backward pass": (lambda width: lambda shape: Recomputed(shape[0], width), (3,)),
    "is not a part of the largest's": (lambda width: lambda shape: Bottleneck(shape[0], width), (3,)),
}


@pytest.mark.parametrize("message", BAD)
def test_an_operator_that_cannot_share_is_refused(message: str) -> None:
    operator, shape = BAD[message]
    with pytest.raises(SpaceError, match=message):
        check_elastic(elastic(operator, width=(4, 6)), [shape])


@pytest.mark.parametrize(
    ("operator", "sizes", "shapes"),
    [(residual_conv, {"channels": (4, 8)}, [(4, 9, 9), (8, 9, 9)]), (dense_residual, {"width": (4, 8)}, [(4,), (8,)])],
)
def test_a_residual_operator_that_cannot_share_is_told_how_it_can(
    operator: Any, sizes: dict[str, tuple[int, ...]], shapes: list[tuple[int, ...]]
) -> None:
    with pytest.raises(SpaceError, match=r"'shortcut.0.weight' .* is not in the largest.*project=True"):
        check_elastic(elastic(operator, **sizes), shapes)


def test_a_slicing_of_ones_own_is_checked_too() -> None:
    def last(owner: nn.Module, name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        for axis, want in enumerate(shape):
            tensor = tensor.narrow(axis, tensor.shape[axis] - want, want)
        return tensor

    def cut_off(owner: nn.Module, name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        return last(owner, name, tensor.detach(), shape)

    options = elastic(dense, slicing=last, width=(4, 8))
    check_elastic(options, [(3,), (5,)])
    supernet = SuperNetwork(SearchSpace(toy_tasks(), [Block("only", options)]), toy_x(4))
    (node,) = supernet.extract(Architecture.uniform(Tree.shared(3, 1), ("width4",))).nodes.values()
    full = dict(supernet.node(0, 0, "width8").named_parameters())
    assert all(torch.equal(weight, full[name][4:]) for name, weight in node.named_parameters())
    plain = SearchSpace(toy_tasks(), [Block("only", elastic(dense, width=(4, 8)))])
    told = [space.describe(supernet.found) for space in (supernet.space, plain)]
    assert told[0] != told[1]  # so that a run refuses the other one
    with pytest.raises(SpaceError, match="gradient of parameter '0.weight'"):
        check_elastic(elastic(dense, slicing=cut_off, width=(4, 8)), [(5,)])


def test_channels_are_the_first_and_kernels_the_centre() -> None:
    full, small = nn.Conv2d(3, 8, 5), nn.Conv2d(2, 4, 3)
    sliced = Sliced(full, small, leading)
    x = torch.randn(2, 2, 7, 7)
    expected = nn.functional.conv2d(x, full.weight[:4, :2, 1:4, 1:4], full.bias[:4])  # type: ignore[index]
    assert torch.equal(sliced(x), expected)
    assert not list(sliced.parameters())


def test_names_of_options_tell_what_differs() -> None:
    assert list(elastic(conv, channels=(8, 16), kernel=(3,), stride=2)) == ["channels8", "channels16"]
    assert list(elastic(conv, channels=[8], kernel=(3, 5))) == ["kernel3", "kernel5"]
    assert list(elastic(conv, channels=[8])) == ["channels8"]
    for sizes in ({"channels": 8}, {"channels": ()}, {"channels": (8, 8)}):
        with pytest.raises(SpaceError, match="at least one"):
            elastic(conv, **sizes)


def activated(width: int, activation: Callable[[], nn.Module]) -> Made:
    return lambda shape: nn.Sequential(nn.Linear(shape[0], width), activation())


def test_functions_and_classes_are_named_alike_in_every_process() -> None:
    assert list(elastic(activated, width=4, activation=(nn.ReLU, nn.GELU))) == ["activationReLU", "activationGELU"]
    assert list(elastic(activated, width=4, activation=(torch.relu, half))) == ["activationrelu", "activationhalf"]
    for nameless in (lambda x: x, object()):
        with pytest.raises(SpaceError, match="size 'activation' has a value without a name"):
            elastic(activated, width=4, activation=(nn.ReLU, nameless))


def half(x: Tensor) -> Tensor:
    return x / 2


def test_sizes_may_be_lists_themselves() -> None:
    assert list(elastic(dense, widths=([4, 8], [8]))) == ["widths[4, 8]", "widths[8]"]
    with pytest.raises(SpaceError, match="must be different"):
        elastic(dense, widths=([4, 8], [4, 8]))
    with pytest.raises(SpaceError, match=r"given in a list, as padding=\[\(1, 1\)\]"):
        elastic(conv, channels=(4, 8), padding=(1, 1))


def test_two_operators_stand_in_one_block_under_a_prefix_each() -> None:
    options = {**elastic(conv, prefix="conv_", channels=(4, 8)), **elastic(separable_conv, channels=(4, 8))}
    assert list(options) == ["conv_channels4", "conv_channels8", "channels4", "channels8"]
    block = Block("one", options)
    assert block.family("conv_channels4") is block.family("conv_channels8") is not block.family("channels8")


# In a search space -----------------------------------------------------------------------------------------------


def varied_space() -> SearchSpace:
    """Widths are searched in the first two blocks; in the last one independent operators meet elastic ones."""
    return SearchSpace(
        tasks=toy_tasks(),
        blocks=[
            Block("first", elastic(dense, width=(4, 6, 8))),
            Block("second", {**elastic(dense, width=(4, 8)), "skip": dense_skip()}),
            Block("third", {"own": dense(6), "other": dense(6)}),
        ],
    )


@pytest.fixture(scope="module")
def varied() -> SuperNetwork:
    return SuperNetwork(varied_space(), toy_x(4), seed=1)


def test_settings_share_weights_and_operators_of_their_own_do_not(varied: SuperNetwork) -> None:
    shapes = varied.found.shapes
    assert shapes == (((INPUTS,),), ((4,), (6,), (8,)), ((4,), (8,), (6,)), ((6,),))
    blocks = 3 * (INPUTS * 8 + 16) + 3 * (8 * 8 + 16) + 3 * 2 * (8 * 6 + 12)
    assert count_params(varied) == blocks + sum(count_params(varied.head(task)) for task in range(3))


def test_smaller_settings_do_not_change_how_the_largest_starts() -> None:
    def starts(*widths: int) -> dict[str, Tensor]:
        blocks = [Block(name, elastic(dense, width=widths)) for name in ("first", "second")]
        supernet = SuperNetwork(SearchSpace(toy_tasks(), blocks), toy_x(4), seed=3)
        return supernet.extract(Architecture.uniform(Tree.shared(3, 2), ("width8",) * 2)).state_dict()

    alone, among = starts(8), starts(4, 8, 6)
    assert all(torch.equal(tensor, among[name]) for name, tensor in alone.items())


def test_extraction_equals_the_path_and_its_costs(varied: SuperNetwork) -> None:
    x = toy_x(16)
    table, space = varied.found.costs, varied.space.architectures
    varied.train()(x, space.draw(random.Random(0)))  # statistics that are not those of the start
    varied.eval()
    for architecture in draws(space, 60):
        network = varied.extract(architecture)
        assert not any(isinstance(module, Sliced) for module in network.modules())
        outputs = network(x)
        for name, output in varied(x, architecture).items():
            assert (output - outputs[name]).abs().max() < 1e-5
        assert table.of(space, architecture) == {
            "params": count_params(network),
            "macs": count_macs(network, x[:1]),
        }
        own = {parameter.data_ptr() for parameter in network.parameters()}
        assert own.isdisjoint(parameter.data_ptr() for parameter in varied.parameters())


def test_an_extracted_network_can_be_trained_and_copied(varied: SuperNetwork) -> None:
    architecture = Architecture.uniform(Tree.shared(3, 3), ("width4", "skip", "own"))
    network = varied.extract(architecture).train()
    before = [parameter.clone() for parameter in varied.parameters()]
    sum(output.square().sum() for output in network(toy_x(8)).values()).backward()  # type: ignore[union-attr]
    assert all(parameter.grad is not None for parameter in network.parameters())
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    assert all(torch.equal(one, other) for one, other in zip(before, varied.parameters(), strict=True))
    fresh = SuperNetwork(varied.space, varied.found, seed=9).extract(architecture)
    fresh.load_state_dict(network.state_dict())


def test_gradients_reach_every_parameter_within_a_few_steps(varied: SuperNetwork) -> None:
    """40 random sub-networks: the rarest node is in each with a chance above 1 in 9."""
    reached: set[int] = set()
    rng, x = random.Random(0), toy_x(16)
    varied.train()
    for _ in range(40):
        varied.zero_grad()
        sum(output.square().sum() for output in varied(x, varied.space.architectures.draw(rng)).values()).backward()  # type: ignore[union-attr]
        reached |= {id(p) for p in varied.parameters() if p.grad is not None and bool((p.grad != 0).any())}
    missing = [name for name, p in varied.named_parameters() if id(p) not in reached]
    assert missing == []


def test_a_small_setting_leaves_the_rest_of_the_weights_alone(varied: SuperNetwork) -> None:
    varied.train().zero_grad()
    architecture = Architecture.uniform(Tree.shared(3, 3), ("width4", "width4", "own"))
    sum(output.square().sum() for output in varied(toy_x(16), architecture).values()).backward()  # type: ignore[union-attr]
    gradients = {tuple(p.shape): p.grad for p in varied.node(1, 0, "width8", 2).parameters() if p.grad is not None}
    second = gradients[8, 8]
    assert bool((second[:4, :4] != 0).any()) and not bool(second[4:].any()) and not bool(second[:, 4:].any())


def test_errors_by_prefix_equal_those_of_extracted_networks(varied: SuperNetwork) -> None:
    data = toy_data()
    judged = InheritedErrors(varied.eval(), data)
    for architecture in draws(varied.space.architectures, 25):
        alone = task_errors(extract(varied, architecture, data), varied.space.tasks, data.valid_batches())
        assert judged(architecture) == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("keep_mib", [0, 1024])
def test_networks_that_are_slices_from_end_to_end_are_judged(keep_mib: float) -> None:
    def bare(width: int) -> Made:
        return lambda shape: nn.Sequential(nn.Linear(shape[0], width), nn.Tanh())

    supernet = SuperNetwork(SearchSpace(toy_tasks(), [Block("only", elastic(bare, width=(4, 8)))]), toy_x(4)).eval()
    small, data = Architecture.uniform(Tree.shared(3, 1), ("width4",)), toy_data()
    assert not list(supernet.view(small).parameters())
    alone = task_errors(extract(supernet, small, data), supernet.space.tasks, data.valid_batches())
    assert InheritedErrors(supernet, data, keep_mib=keep_mib)(small) == pytest.approx(alone, abs=1e-6)


class Tied(nn.Module):
    """Two layers with one weight, the second one's bias not trained."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(inputs, width), nn.Linear(inputs, width)
        self.two.weight = self.one.weight
        assert self.two.bias is not None
        self.two.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.one(x) * self.two(x)
        return y


def test_extraction_keeps_weights_tied_and_frozen() -> None:
    options = elastic(lambda width: lambda shape: Tied(shape[0], width), width=(4, 8))
    check_elastic(options, [(3,)])
    supernet = SuperNetwork(SearchSpace(toy_tasks(), [Block("only", options)]), toy_x(4))
    for option in options:
        architecture = Architecture.uniform(Tree.shared(3, 1), (option,))
        network = supernet.extract(architecture)
        (node,) = network.nodes.values()
        assert isinstance(node, Tied) and node.one.weight is node.two.weight
        assert [name for name, p in node.named_parameters() if not p.requires_grad] == ["two.bias"]
        assert count_params(network) == supernet.found.costs.of(supernet.space.architectures, architecture)["params"]


def test_elastic_spaces_train_resume_and_are_searched(tmp_path: Path) -> None:
    space, data = varied_space(), toy_data()
    settings_ = TrainingSettings(epochs=4, threads=1, device="cpu")
    whole = train(space, data, Run(tmp_path / "whole", 0), settings_, show_progress=False)

    class Stopped(Exception):
        pass

    def stop(run: Run) -> None:
        from mtnas.training import trainer

        original = trainer.Trainer.train_epoch

        def until(self: trainer.Trainer) -> str:
            if self.epoch == 2:
                raise Stopped
            return original(self)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trainer.Trainer, "train_epoch", until)
            with pytest.raises(Stopped):
                train(space, data, run, settings_, show_progress=False)

    run = Run(tmp_path / "parts", 0)
    stop(run)
    parts = train(space, data, run, settings_, show_progress=False)
    for (name, one), other in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    start = SuperNetwork(space, toy_x(4), seed=0)
    assert any(not torch.equal(one, two) for one, two in zip(whole.parameters(), start.parameters(), strict=True))
    results = search(space, data, run, SearchSettings(evaluations=12, startup=4, threads=1), show_progress=False)
    assert len(results.rows) == 12
    for row in results.rows:
        network = parts.extract(row.candidate)
        assert row.costs["params"] == count_params(network)


def test_an_operator_that_would_not_train_is_refused_before_training() -> None:
    """Names and shapes of its parameters are right, but slices do not enter its list of them."""
    operator, _ = BAD["something else with slices"]
    space = SearchSpace(tasks=toy_tasks(), blocks=[Block("only", elastic(operator, width=(4, 6)))])
    with pytest.raises(SpaceError, match="block 'only', option 'width4', .* something else with slices"):
        space.dry_run(toy_x(4))


def test_what_cannot_follow_a_searched_width_is_named() -> None:
    def blocks(*last: Block) -> SearchSpace:
        return SearchSpace(tasks=toy_tasks(), blocks=[Block("first", elastic(dense, width=(4, 8))), *last])

    with pytest.raises(SpaceError, match=r"block 'last', option 'own', entered by \(4,\), cannot share .*shortcut"):
        blocks(Block("last", {"own": dense_residual(8)})).dry_run(toy_x(4))
    with pytest.raises(SpaceError, match=r"option 'other' turns \(4,\) into \(5,\), but option 'width4' gives \(4,\)"):
        blocks(Block("last", {**elastic(dense, width=(4, 8)), "other": dense(5)})).dry_run(toy_x(4))
    with pytest.raises(SpaceError, match=r"option 'b' turns \(8,\) into \(5,\), but option 'a' gives \(4,\)"):
        blocks(Block("last", {"a": dense(4), "b": dense(5)})).dry_run(toy_x(4))


# Costs that depend on the width that enters ----------------------------------------------------------------------


def varied_table(space: ArchitectureSpace, seed: int) -> CostTable:
    """Random costs and transitions; heads cost the more, the higher the number of the shape that enters."""
    rng = random.Random(seed)
    counts = [1, *(rng.randrange(1, 4) for _ in space.blocks)]
    options, leads_to = [], []
    for block, choices in enumerate(space.blocks):
        leads_to.append(
            tuple(tuple(rng.randrange(counts[block + 1]) for _ in choices.options) for _ in range(counts[block]))
        )
        options.append(
            tuple(tuple((rng.randrange(9), rng.randrange(9)) for _ in choices.options) for _ in range(counts[block]))
        )
    heads = tuple(tuple((2 * n, n) for _ in space.tasks) for n in range(counts[-1]))
    return CostTable((1, 2), tuple(options), tuple(leads_to), heads)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_extremes_are_those_of_all_members(seed: int) -> None:
    space = plain_space((True, False, True), (2, 3, 2), 2)
    table = varied_table(space, seed)
    members = list(space.architectures())
    costs = [table.of(space, member) for member in members]
    for name in EXACT_COSTS:
        assert table.smallest(space, name) == min(cost[name] for cost in costs)
        assert table.largest(space, name) == max(cost[name] for cost in costs)
        for tree in (Tree.shared(2, 3), split_tree(space)):
            same = [
                cost[name]
                for member, cost in zip(members, costs, strict=True)
                if member.tree == tree and all(len(set(names)) == 1 for names in member.options)
            ]
            for largest, choose in ((False, min), (True, max)):
                found = table.uniform(space, tree, name, largest=largest)
                assert found.tree == tree
                assert table.of(space, found)[name] == choose(same)
    limits = random.Random(seed).choice(costs)
    budgets = {"params": limits["params"], "macs": limits["macs"] - 1}
    reachable = any(cost["params"] <= budgets["params"] and cost["macs"] <= budgets["macs"] for cost in costs)
    met = table.meeting(space, budgets)
    assert (met is not None) == reachable
    if met is not None:
        assert all(table.of(space, met)[name] <= limit for name, limit in budgets.items())
    assert CostTable.from_json(json.loads(json.dumps(table.to_json()))) == table


def test_a_plain_table_has_one_shape_everywhere() -> None:
    space = plain_space((True, True), (2, 2))
    table = plain_table(space)
    for architecture in draws(space, 5):
        for task in range(3):
            assert set(table.shapes_along(space, [option for _, option in architecture.path(task)])) == {0}
