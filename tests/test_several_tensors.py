"""Blocks that hand several tensors on, as the encoder of a U-Net does to its decoder: from the dry run to the file."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from toy_runs import call

from mtnas.architecture import FLOAT, INT8, W4A8, Architecture, Candidate, QuantizationPolicy, Tree
from mtnas.branching.readouts import as_rows
from mtnas.errors import SpaceError
from mtnas.evaluation import extract, task_errors
from mtnas.evaluation.calibration import recalibrate
from mtnas.evaluation.evaluator import InheritedErrors
from mtnas.quantizing import fake_quantized, gather_ranges, joint_costs, network_bytes, wire
from mtnas.refining.fresh import fresh_network
from mtnas.runs import Run
from mtnas.searching import SearchSettings, search
from mtnas.space.block import Block
from mtnas.space.data import Data
from mtnas.space.elastic import check_elastic, elastic
from mtnas.space.operators import conv, from_entry, on_entry, repeated
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import input_shape
from mtnas.space.task_types import classification, pixel_classification, pixel_regression
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings, train

SIDE = 8

Maps = dict[str, Tensor]


class Down(nn.Module):
    """Half the side; what was there before is kept for the decoder."""

    def __init__(self, enters: int, leaves: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(enters, leaves, kernel, 2, kernel // 2, bias=False), nn.BatchNorm2d(leaves), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Maps:
        return {"deep": self.conv(x), "fine": x}


class Up(nn.Module):
    def __init__(self, shapes: Mapping[str, tuple[int, ...]], leaves: int, kernel: int) -> None:
        super().__init__()
        enters = shapes["deep"][0] + shapes["fine"][0]
        self.conv = nn.Sequential(nn.Conv2d(enters, leaves, kernel, padding=kernel // 2), nn.ReLU())
        self.wider = nn.Upsample(scale_factor=2)

    def forward(self, x: Maps) -> Maps:
        return {"deep": x["deep"], "wide": self.conv(torch.cat([self.wider(x["deep"]), x["fine"]], dim=1))}


SPACE = SearchSpace(
    tasks=[
        pixel_classification("spot", 2, head=from_entry("wide", lambda shape: nn.Conv2d(shape[0], 2, 1))),
        pixel_regression("height", head=from_entry("wide", lambda shape: nn.Conv2d(shape[0], 1, 1))),
    ],
    blocks=[
        Block("down", {f"kernel{k}": (lambda shape, k=k: Down(shape[0], 6, k)) for k in (1, 3)}),
        Block(
            "deep",
            {
                **elastic(lambda **sizes: on_entry("deep", conv(6, **sizes)), kernel=(1, 3)),
                "skip": lambda shape: nn.Identity(),
            },
        ),
        Block("up", {f"kernel{k}": (lambda shape, k=k: Up(shape, 4, k)) for k in (1, 3)}),
    ],
    stem=lambda shape: nn.Conv2d(shape[0], 4, 3, padding=1),
)


class Spots(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    def __init__(self, size: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        rows, columns = (torch.randint(SIDE, (size, 1, 1), generator=draw) for _ in range(2))
        away = (torch.arange(SIDE).view(1, -1, 1) - rows) ** 2 + (torch.arange(SIDE).view(1, 1, -1) - columns) ** 2
        self.height = torch.exp(-away / 6).unsqueeze(1)
        self.spot = (self.height.squeeze(1) > 0.3).long()
        self.x = self.height + 0.2 * torch.randn(size, 1, SIDE, SIDE, generator=draw)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.x[index], {"spot": self.spot[index], "height": self.height[index]}


@cache
def data() -> Data:
    return Data(Spots(240, 0), Spots(60, 1), Spots(60, 2), batch_size=30)


def example() -> Tensor:
    x = data().example()[0]
    assert isinstance(x, Tensor)
    return x


@cache
def untrained() -> SuperNetwork:
    return SuperNetwork(SPACE, example(), seed=3)


PARTED = Architecture(Tree(((0, 0), (0, 0), (0, 1))), (("kernel3",), ("kernel3",), ("kernel3", "kernel1")))


def test_shapes_are_dicts_and_costs_add_up() -> None:
    found = SPACE.dry_run(example())
    deep, fine = (6, SIDE // 2, SIDE // 2), (4, SIDE, SIDE)
    assert found.shapes == (
        (fine,),
        ({"deep": deep, "fine": fine},),
        ({"deep": deep, "fine": fine},),
        ({"deep": deep, "wide": fine},),
    )
    network = untrained().extract(PARTED)
    assert found.costs.of(SPACE.architectures, PARTED)["params"] == sum(p.numel() for p in network.parameters())


def test_check_shows_the_shapes_of_all_tensors(tmp_path: Path) -> None:
    lines = ["from test_several_tensors import SPACE as space", "from test_several_tensors import data as made"]
    (tmp_path / "unet.py").write_text("\n".join([*lines, "def data(data_dir): return made()"]))
    shown = call("check", tmp_path / "unet.py")
    assert shown.code == 0 and "deep 6x4x4, fine 4x8x8" in shown.out
    told = json.loads(call("check", tmp_path / "unet.py", "--json").out)
    assert told["blocks"][1]["options"][0]["enters"] == {"deep": [6, 4, 4], "fine": [4, 8, 8]}


def test_a_network_computes_what_its_parts_do() -> None:
    network, x = untrained().extract(PARTED).eval(), torch.randn(3, 1, SIDE, SIDE)
    maps = network.stem(x)
    for name in ("down/spot+height", "deep/spot+height"):
        maps = network.nodes[name](maps)
    for task in ("spot", "height"):
        own = network.heads[f"head/{task}"](network.nodes[f"up/{task}"](maps))
        assert torch.equal(network(x)[task], own)


def test_shared_nodes_see_the_mean_gradient_through_every_tensor() -> None:
    """That of `fine`, which passes a block that the tasks share, as well as that of `deep`."""

    def gradients(*, average: bool) -> dict[str, Tensor]:
        supernet = copy.deepcopy(untrained()).train()
        network = supernet.view(PARTED, average_gradients=average)
        outputs = network(torch.randn(4, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))
        sum(output.square().mean() for output in outputs.values()).backward()  # type: ignore[union-attr]
        return {name: p.grad for name, p in supernet.named_parameters() if p.grad is not None}

    mean, added = gradients(average=True), gradients(average=False)
    shared = [name for name in added if name.startswith(("stem", "blocks.0", "blocks.1"))]
    own = [name for name in added if name.startswith(("blocks.2", "heads"))]
    assert shared and own
    for names, share in ((shared, 0.5), (own, 1.0)):
        for name in names:
            assert torch.allclose(mean[name], share * added[name], rtol=1e-4, atol=1e-7), name


def test_errors_by_prefix_are_those_of_whole_networks() -> None:
    supernet = copy.deepcopy(untrained()).eval()
    judge = InheritedErrors(supernet, data())
    for drawn in (PARTED, SPACE.architectures.draw(random.Random(1))):
        network = supernet.extract(drawn)
        recalibrate(network, data().calibration_batches())
        whole = task_errors(network, SPACE.tasks, data().valid_batches())
        assert judge(drawn) == pytest.approx(whole, rel=1e-5)


def test_readouts_see_all_tensors() -> None:
    x = {"deep": torch.randn(5, 6, 4, 4), "fine": torch.randn(5, 4, 8, 8), "length": torch.arange(5)}
    rows = as_rows(x, 2)
    assert rows.shape == (5, 6 * 4 + 4 * 4 + 1)
    assert torch.equal(rows[:, -1], torch.arange(5.0))
    assert torch.equal(rows[:, :24], as_rows(x["deep"], 2))


def test_elastic_operators_on_one_entry_keep_the_contract() -> None:
    options = elastic(lambda **sizes: on_entry("deep", conv(6, **sizes)), kernel=(1, 3))
    check_elastic(options, [{"fine": (4, 8, 8), "deep": (6, 4, 4)}])


def test_operators_in_a_row_on_one_entry() -> None:
    shape = {"deep": (6, 4, 4), "fine": (4, 8, 8)}
    two = repeated(on_entry("deep", conv(6, kernel=3)), 2, first=on_entry("deep", conv(6, kernel=1)))(shape)
    x = {"deep": torch.randn(2, 6, 4, 4), "fine": torch.randn(2, 4, 8, 8)}
    assert input_shape(two(x)) == shape


def test_sizes_under_bits_are_those_of_whole_networks() -> None:
    supernet = untrained()
    costs = joint_costs(SPACE, supernet.found, example(), (FLOAT, INT8))
    network = supernet.extract(PARTED)
    for policy in (QuantizationPolicy(), QuantizationPolicy.of({(0, 0): INT8, (1, 0): INT8, (2, 1): INT8})):
        told = costs.table.of(costs.space.product, costs.space.join(Candidate(PARTED, policy)))["size_kib"]
        assert told == pytest.approx(network_bytes(network, policy, wire(network, example())) / 1024)


# What does not fit -----------------------------------------------------------------------------------------------


class Returns(nn.Module):
    """What a function makes of the input."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self.make, self.weight = make, nn.Parameter(torch.ones(1))

    def forward(self, x: Any) -> Any:
        return self.make(x)


def with_block(*makes: Callable[[Any], Any]) -> SearchSpace:
    """The space with a block more in front of the last."""
    options = {f"o{number}": partial(lambda make, shape: Returns(make), make) for number, make in enumerate(makes)}
    return SearchSpace(SPACE.tasks, [*SPACE.blocks[:2], Block("odd", options), SPACE.blocks[2]], SPACE.stem)


def _put(x: Maps, value: Any) -> Maps:
    x["more"] = value
    return x


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda x: [x["deep"], x["fine"]], ("block 'odd', option 'o0'", "a dict of tensors", "returned a list")),
        (lambda x: {}, ("empty dict",)),
        (lambda x: {**x, "size": 3}, ("'size' is a int",)),
        (lambda x: {**x, "size": torch.tensor(3)}, ("'size' is a 0-d tensor", "batch dimension first")),
        (lambda x: {**x, 1: x["deep"]}, ("by texts, but names one 1",)),
        (lambda x: _put(x, x["deep"]), ("changes its input in place", "return a new dict")),
        (lambda x: {**x, "deep": x["deep"].mul_(2)}, ("changes its input in place",)),
        (lambda x: x["deep"], ("block 'up', option 'kernel1' cannot be made for an input of shape (6, 4, 4)",)),
        (lambda x: {"deep": x["deep"]}, ("block 'up'", "KeyError: 'fine'", "a dict of tensors enters it")),
    ],
)
def test_what_a_network_cannot_hand_on_is_refused(make: Callable[[Any], Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(SpaceError) as caught:
        with_block(make).dry_run(example())
    for part in parts:
        assert part in str(caught.value)


def test_options_give_one_shape() -> None:
    fitting = with_block(lambda x: x, lambda x: {"fine": x["fine"], "deep": 2 * x["deep"]})  # order is of no matter
    fitting.dry_run(example())
    with pytest.raises(SpaceError, match="option 'o1' turns .* into .*, but option 'o0' gives"):
        with_block(lambda x: x, lambda x: {**x, "deep": x["deep"][:, :3]}).dry_run(example())
    with pytest.raises(SpaceError, match="option 'o1' turns .* into .*, but option 'o0' gives"):
        with_block(lambda x: x, lambda x: x["deep"]).dry_run(example())


def test_widths_in_a_dict_are_not_searched() -> None:
    options = elastic(lambda **sizes: on_entry("deep", conv(**sizes)), channels=(3, 6))
    space = SearchSpace(SPACE.tasks, [SPACE.blocks[0], Block("deep", options), SPACE.blocks[2]], SPACE.stem)
    with pytest.raises(SpaceError, match="that give a tensor, not a dict"):
        space.dry_run(example())


def test_heads_give_one_tensor() -> None:
    space = SearchSpace([classification("spot", 2, head=lambda shape: nn.Identity())], SPACE.blocks, SPACE.stem)
    with pytest.raises(SpaceError, match="head of task 'spot' must return a tensor, but returned a dict"):
        space.dry_run(example())


def test_entries_that_are_not_there_are_named() -> None:
    with pytest.raises(SpaceError, match="there is no tensor 'depp', did you mean 'deep'"):
        on_entry("depp", conv(6))({"deep": (6, 4, 4)})
    with pytest.raises(SpaceError, match="'deep' is asked of a single tensor"):
        from_entry("deep", conv(6))((6, 4, 4))


# From the training to the file -----------------------------------------------------------------------------------


def test_they_are_trained_searched_and_exported(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    settings = TrainingSettings(epochs=10, threads=1, device="cpu")
    supernet = train(SPACE, data(), run, settings, show_progress=False)
    results = search(
        SPACE,
        data(),
        run,
        SearchSettings(12, objectives=("error/mean", "macs"), threads=1, device="cpu"),
        supernet=supernet,
        show_progress=False,
    )
    assert len(results.rows) == 12
    useless = float(torch.cat([labels["height"] for _, labels in data().valid_batches()]).std())
    assert results.best("error/mean").costs["error/height"] < 0.8 * useless
    pytest.importorskip("onnxruntime")
    from mtnas.exporting import Origin, export

    network = extract(supernet, PARTED, data())
    policy = QuantizationPolicy.of(
        {node: W4A8 if number % 2 else INT8 for number, node in enumerate(network.places.values())}
    )
    errors = task_errors(network, SPACE.tasks, data().valid_batches())
    costs = {f"error/{task}": error for task, error in errors.items()}
    origin = Origin("inherited", 0, {**costs, "error/mean": sum(errors.values()) / 2})
    about = export(tmp_path / "out", network, Candidate(PARTED, policy), SPACE, data(), results, origin).about
    assert len(about["integer_operators"]) == 4 and about["checked_integer"]["mean_difference"] < 1e-2


def test_the_simulation_rounds_what_passes_in_a_dict() -> None:
    network = extract(untrained(), PARTED, data())
    ranges = gather_ranges(network, data().range_batches())
    x = example()
    with torch.no_grad():
        plain = network(x)
        with fake_quantized(network, QuantizationPolicy.of({(2, 0): INT8}), ranges):
            rounded = network(x)
    assert not torch.equal(plain["spot"], rounded["spot"])
    assert (plain["spot"] - rounded["spot"]).abs().max() < 0.1 * plain["spot"].abs().max()


def test_fresh_networks_have_the_shapes_of_those_cut_out() -> None:
    fresh, cut = fresh_network(SPACE, PARTED, example(), seed=1), untrained().extract(PARTED)
    shapes = [{name: p.shape for name, p in network.named_parameters()} for network in (fresh, cut)]
    assert shapes[0] == shapes[1]
    assert {name: y.shape for name, y in fresh(example()).items()} == {
        name: y.shape for name, y in cut.eval()(example()).items()
    }


class Both(Dataset[tuple[Maps, dict[str, Tensor]]]):
    """The same as two inputs: the picture, and where its middle is."""

    def __init__(self, of: Spots) -> None:
        self.of = of

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: int) -> tuple[Maps, dict[str, Tensor]]:
        x, labels = self.of[index]
        return {"picture": x, "middle": x.mean((1, 2))}, labels


class Join(nn.Module):
    def __init__(self, shapes: Mapping[str, tuple[int, ...]], kernel: int) -> None:
        super().__init__()
        self.place = nn.Linear(shapes["middle"][0], 4)
        self.conv = nn.Conv2d(shapes["picture"][0], 4, kernel, padding=kernel // 2)

    def forward(self, x: Maps) -> Tensor:
        return (self.conv(x["picture"]) + self.place(x["middle"])[:, :, None, None]).relu()


def test_inputs_of_several_tensors_enter_the_first_block_where_there_is_no_stem(tmp_path: Path) -> None:
    joins = {f"kernel{k}": (lambda shapes, k=k: Join(shapes, k)) for k in (1, 3)}
    space = SearchSpace(SPACE.tasks, [Block("join", joins), *SPACE.blocks])
    both = Data(Both(Spots(240, 0)), Both(Spots(60, 1)), Both(Spots(60, 2)), batch_size=30)
    run, settings = Run(tmp_path / "run"), TrainingSettings(epochs=2, threads=1, device="cpu")
    supernet = train(space, both, run, settings, show_progress=False)
    searching = SearchSettings(8, objectives=("error/mean", "macs"), threads=1, device="cpu")
    results = search(space, both, run, searching, supernet=supernet, show_progress=False)
    best = results.best("error/mean")
    network = extract(supernet, best.candidate, both)
    found = task_errors(network, space.tasks, both.valid_batches())
    assert found == pytest.approx({task.name: best.costs[f"error/{task.name}"] for task in space.tasks}, rel=1e-5)
    pytest.importorskip("onnxruntime")
    from mtnas.exporting import Origin, export

    policy = QuantizationPolicy.of({(0, 0): INT8})
    candidate = Candidate(best.candidate.architecture, policy)
    origin = Origin("inherited", 0, dict(best.costs))
    about = export(tmp_path / "out", network, candidate, space, both, results, origin).about
    assert len(about["integer_operators"]) == 2 and about["checked_integer"]["mean_difference"] < 1e-2
